package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/llm-devops/lcm/pkg/diag"
)

// SignMode says whether a commit is signed.
type SignMode int

// The modes.
const (
	SignAlways SignMode = iota // as "git commit -S" would; no commit if that fails
	SignNever
)

// SigningSetup is what git is configured to sign with.
type SigningSetup struct {
	Format      string // "ssh", "openpgp", "x509"
	Key         string // user.signingkey, or "" if none is set: a public key, its file, or an OpenPGP key id
	Program     string // the program git calls
	Name, Email string // whom git commits as; "" if it does not know
	Usable      bool   // whether a signed commit will likely succeed: nothing is tried, and an agent may still refuse
	Problem     string // why not, in one clause
	Hint        string // what to do about it
}

// Signing tells what git would sign a commit with here.
func (r *Repo) Signing(ctx context.Context) (SigningSetup, error) {
	r.forgetConfig()
	c, err := r.loadConfig(ctx)
	if err != nil {
		return SigningSetup{}, err
	}
	s := SigningSetup{Format: signFormat(c), Key: c.get("user.signingkey")}
	s.Name, s.Email = c.identity(os.Getenv)
	s.Program = c.signProgram(s.Format)
	s.Problem, s.Hint = r.signingProblem(ctx, c, s)
	s.Usable = s.Problem == ""
	return s, nil
}

func signFormat(c *gitConfig) string {
	if f := c.get("gpg.format"); f != "" {
		return f
	}
	return "openpgp"
}

func (c *gitConfig) signProgram(format string) string {
	keys := []string{"gpg." + format + ".program"}
	if format == "openpgp" {
		keys = append(keys, "gpg.program")
	}
	for _, key := range keys {
		if p := c.get(key); p != "" {
			return p
		}
	}
	switch format {
	case "ssh":
		return "ssh-keygen"
	case "x509":
		return "gpgsm"
	}
	return "gpg"
}

// identity gives whom git would commit as: the environment first, as in git.
func (c *gitConfig) identity(getenv func(string) string) (name, email string) {
	first := func(values ...string) string {
		for _, v := range values {
			if v != "" {
				return v
			}
		}
		return ""
	}
	return first(getenv("GIT_COMMITTER_NAME"), c.get("committer.name"), c.get("user.name")),
		first(getenv("GIT_COMMITTER_EMAIL"), c.get("committer.email"), c.get("user.email"), getenv("EMAIL"))
}

const (
	identityHint = "run `git config --global user.name \"Your Name\"` and `git config --global user.email you@example.com`"
	sshHint      = "to sign with an SSH key: `git config --global gpg.format ssh` and " +
		"`git config --global user.signingkey ~/.ssh/id_ed25519.pub` (make one with `ssh-keygen -t ed25519`)"
)

func (r *Repo) signingProblem(ctx context.Context, c *gitConfig, s SigningSetup) (problem, hint string) {
	if s.Name == "" || s.Email == "" {
		return "git does not know your name and email", identityHint
	}
	if _, err := exec.LookPath(expandHome(s.Program)); err != nil {
		return "the signing program " + s.Program + " is not installed", sshHint
	}
	switch s.Format {
	case "ssh":
		if s.Key == "" {
			if c.get("gpg.ssh.defaultkeycommand") != "" {
				return "", ""
			}
			return "no signing key is configured", sshHint
		}
		return r.sshKeyProblem(s.Key)
	case "openpgp":
		key := s.Key
		if key == "" {
			key = fmt.Sprintf("%s <%s>", s.Name, s.Email)
		}
		cmd := exec.CommandContext(ctx, expandHome(s.Program), "--batch", "--list-secret-keys", "--with-colons", key) //nolint:gosec // the user's own signing program
		if err := cmd.Run(); err != nil {
			return "there is no OpenPGP secret key for " + key, sshHint + "; or name an OpenPGP key with `git config --global user.signingkey KEYID`"
		}
	}
	return "", ""
}

// sshKeyProblem looks whether the private half of an SSH key can be there: beside the public file, or in an agent.
func (r *Repo) sshKeyProblem(key string) (problem, hint string) {
	agent := os.Getenv("SSH_AUTH_SOCK") != ""
	if strings.HasPrefix(key, "key::") || strings.HasPrefix(key, "ssh-") {
		if !agent {
			return "the signing key is given as text, and no ssh-agent is running that could hold it", "start one: `eval $(ssh-agent) && ssh-add`"
		}
		return "", ""
	}
	path := expandHome(key)
	if !filepath.IsAbs(path) {
		path = filepath.Join(r.runDir(), path)
	}
	if _, err := os.Stat(path); err != nil {
		return "the signing key " + key + " is not there", sshHint
	}
	if private, public := strings.CutSuffix(path, ".pub"); public && !agent {
		if _, err := os.Stat(private); err != nil {
			return "the private key for " + key + " is not beside it and no ssh-agent is running", "start one: `eval $(ssh-agent) && ssh-add`"
		}
	}
	return "", ""
}

func expandHome(path string) string {
	rest, ok := strings.CutPrefix(path, "~/")
	if !ok {
		return path
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return path
	}
	return filepath.Join(home, rest)
}

var (
	identityTrouble = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?i)tell me who you are|ident name|no (email|name) was given|auto-detect|identity unknown`)
	})
	signingTrouble = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?i)sign|gpg|ssh|key|cannot run`) })
)

// makeCommit writes the commit object with "git commit-tree": it signs exactly as "git commit -S" would.
func (r *Repo) makeCommit(ctx context.Context, c *gitConfig, tree string, q CommitRequest, message string) (Revision, error) {
	if name, email := c.identity(os.Getenv); name == "" || email == "" {
		return Revision{}, diag.WithHint(&IdentityError{Output: "user.name or user.email is not set"}, "%s", identityHint)
	}
	args := append(fsyncArgs(c), "-c", "i18n.commitEncoding=UTF-8", "-c", "user.useConfigOnly=true", "commit-tree")
	if q.Sign != SignNever {
		args = append(args, "-S")
	}
	if !q.Parent.IsZero() {
		args = append(args, "-p", q.Parent.Hash)
	}
	out, err := r.run(ctx, command{args: append(args, tree), stdin: strings.NewReader(message), write: true})
	g, failed := errors.AsType[*GitError](err)
	switch {
	case err == nil:
	case failed && identityTrouble().MatchString(g.Stderr):
		return Revision{}, diag.WithHint(&IdentityError{Output: g.Stderr}, "%s", identityHint)
	case failed && q.Sign != SignNever && signingTrouble().MatchString(g.Stderr):
		format := signFormat(c)
		hint := sshHint
		if format == "openpgp" && c.get("user.signingkey") != "" {
			hint = "try `echo test | gpg --clearsign`; in a terminal without a desktop `export GPG_TTY=$(tty)` may be needed; or " + sshHint
		}
		return Revision{}, diag.WithHint(&SigningError{Format: format, Output: g.Stderr}, "%s", hint)
	default:
		return Revision{}, fmt.Errorf("make commit: %w", err)
	}
	hash := strings.TrimSpace(string(out))
	if !isFullHash(hash) {
		return Revision{}, errors.New("make commit: git gave no commit hash")
	}
	return Revision{Hash: hash}, nil
}

// fsyncArgs makes git write objects and refs durably, unless the user has decided otherwise.
func fsyncArgs(c *gitConfig) []string {
	if c.has("core.fsync") || c.has("core.fsyncobjectfiles") {
		return nil
	}
	return []string{"-c", "core.fsync=loose-object,reference"}
}
