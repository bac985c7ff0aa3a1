package doctor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/llm-devops/lcm/pkg/gitrepo"
)

// leastGit is the oldest version with SSH signatures.
const leastGit = "2.34.0"

// Git examines the git on PATH.
func Git(ctx context.Context) Check {
	version, err := gitrepo.Version(ctx)
	if err != nil {
		return failed("git", "git-version", Wrong, err)
	}
	if !atLeast(version, leastGit) {
		return Check{
			Area: "git", Name: "git-version", Status: Wrong, Message: fmt.Sprintf("git %s is older than %s", version, leastGit),
			Hint: "install a newer one: it signs with SSH keys since then",
		}
	}
	return ok("git", "git-version", "git %s", version)
}

// Repository examines whether lcm can write to the repository.
func Repository(ctx context.Context, repo *gitrepo.Repo) Check {
	if err := repo.CheckSupported(ctx); err != nil {
		return failed("git", "repository", Wrong, err)
	}
	return ok("git", "repository", "lcm can write to %s", repo.Root())
}

// Signing examines whether commits can be signed, by signing one, and whether its signature counts: signers is the file of those
// who may sign, as it is at HEAD, and signersFile what it is called.
func Signing(ctx context.Context, repo *gitrepo.Repo, signers []byte, signersFile string) []Check {
	setup, err := repo.Signing(ctx)
	if err != nil {
		return []Check{failed("signing", "signing-setup", Wrong, err)}
	}
	if !setup.Usable {
		return []Check{{Area: "signing", Name: "signing-setup", Status: Wrong, Message: setup.Problem, Hint: setup.Hint}}
	}
	checks := []Check{ok("signing", "signing-setup", "commits are by %s <%s>, signed with %s", setup.Name, setup.Email, describe(setup))}
	if key, isFile := privateKey(repo, setup); isFile {
		if c, found := Private("signing-key", "the signing key", key, 0o600); found {
			checks = append(checks, c)
		}
	}
	sig, err := repo.TrySigning(ctx, signers)
	if err != nil {
		c := failed("signing", "signing-works", Wrong, fmt.Errorf("signing a commit fails: %w", err))
		if c.Hint == "" {
			c.Hint = "see what Git says of it: git commit -S --allow-empty"
		}
		return append(checks, c)
	}
	switch sig.Status {
	case gitrepo.Unsigned, gitrepo.Bad, gitrepo.Unverifiable, gitrepo.Expired:
		return append(checks, Check{
			Area: "signing", Name: "signing-works", Status: Wrong,
			Message: strings.TrimSpace(fmt.Sprintf("a commit that was signed to try it is %s %s", sig.Status, sig.Detail)),
			Hint:    "try it with Git alone: git commit -S --allow-empty, then git log --show-signature -1",
		})
	}
	checks = append(checks, ok("signing", "signing-works", "signing a commit works"))
	if sig.Status == gitrepo.Good {
		return append(checks, ok("signing", "allowed-signer", "%s allows your key, for %s", signersFile, sig.Signer))
	}
	c := Check{
		Area: "signing", Name: "allowed-signer", Status: Wrong,
		Message: fmt.Sprintf("%s does not allow the key that you sign with: what you commit will not count as signed", signersFile),
		Hint:    "have somebody whose key is in it add yours, in a signed commit",
	}
	if line, err := repo.SignerLine(ctx, setup); err == nil {
		c.Hint += ": " + line
	}
	return append(checks, c)
}

func describe(s gitrepo.SigningSetup) string {
	key := s.Key
	if fields := strings.Fields(key); len(fields) > 1 {
		key = fields[0] + " …" // a public key as such
	}
	if key == "" {
		key = "the default key"
	}
	return fmt.Sprintf("%s (%s)", key, s.Format)
}

// privateKey gives the file of the private half of an SSH signing key, where it is known.
func privateKey(repo *gitrepo.Repo, s gitrepo.SigningSetup) (string, bool) {
	if s.Format != "ssh" || s.Key == "" || strings.HasPrefix(s.Key, "key::") || strings.HasPrefix(s.Key, "ssh-") {
		return "", false
	}
	path := strings.TrimSuffix(s.Key, ".pub")
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", false
		}
		path = filepath.Join(home, rest)
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(repo.Root(), path)
	}
	return path, true
}
