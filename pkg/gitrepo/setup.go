package gitrepo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/llm-devops/lcm/pkg/diag"
)

// SetConfig sets a variable of this repository's own configuration.
func (r *Repo) SetConfig(ctx context.Context, key, value string) error {
	if _, err := r.run(ctx, command{args: []string{"config", "--local", key, value}, write: true}); err != nil {
		return fmt.Errorf("set %s: %w", key, err)
	}
	r.forgetConfig()
	return nil
}

// Config gives a variable without a subsection as git sees it here, "" if it is not set.
func (r *Repo) Config(ctx context.Context, key string) (string, error) {
	c, err := r.loadConfig(ctx)
	if err != nil {
		return "", err
	}
	return c.get(strings.ToLower(key)), nil
}

// IsAncestor reports whether one commit, named by its full hash, is an ancestor of another, or the same. A commit that this
// repository does not have is no ancestor.
func (r *Repo) IsAncestor(ctx context.Context, older, newer string) (bool, error) {
	for _, hash := range []string{older, newer} {
		if !isFullHash(hash) {
			return false, fmt.Errorf("compare commits: %q is no full hash", hash)
		}
	}
	if _, err := r.git(ctx, "cat-file", "-e", older+"^{commit}"); err != nil {
		if exitCode(err) > 0 {
			return false, nil
		}
		return false, fmt.Errorf("look for commit %s: %w", older, err)
	}
	_, err := r.git(ctx, "merge-base", "--is-ancestor", older, newer)
	switch {
	case err == nil:
		return true, nil
	case exitCode(err) == 1:
		return false, nil
	}
	return false, fmt.Errorf("compare commits %s and %s: %w", older, newer, err)
}

// IsRelated reports whether two commits, named by their full hashes, have an ancestor in common. A commit that this
// repository does not have is related to none.
func (r *Repo) IsRelated(ctx context.Context, a, b string) (bool, error) {
	for _, hash := range []string{a, b} {
		if !isFullHash(hash) {
			return false, fmt.Errorf("compare commits: %q is no full hash", hash)
		}
	}
	_, err := r.git(ctx, "merge-base", a, b)
	switch {
	case err == nil:
		return true, nil
	case exitCode(err) > 0: // 1: none in common; 128: one is not there
		return false, nil
	}
	return false, fmt.Errorf("compare commits %s and %s: %w", a, b, err)
}

// SignerLine gives the line of an allowed signers file that allows the key of a set-up to sign, as [Repo.Verify] reads it:
// the committer's address, the namespace git, and the public key, or the fingerprint of an OpenPGP key.
func (r *Repo) SignerLine(ctx context.Context, s SigningSetup) (string, error) {
	if s.Format != "ssh" {
		return r.openpgpLine(ctx, s)
	}
	key, err := r.sshPublicKey(ctx, s.Key)
	if err != nil {
		return "", fmt.Errorf("read the signing key: %w", err)
	}
	fields := strings.Fields(key)
	if len(fields) < 2 {
		return "", fmt.Errorf("read the signing key: %q is no SSH public key", key)
	}
	return fmt.Sprintf("%s namespaces=\"git\" %s %s", s.Email, fields[0], fields[1]), nil
}

func (r *Repo) sshPublicKey(ctx context.Context, key string) (string, error) {
	if key == "" {
		return "", diag.WithHint(errors.New("user.signingkey is not set"), "%s", sshHint)
	}
	if literal, ok := strings.CutPrefix(key, "key::"); ok || strings.HasPrefix(key, "ssh-") {
		return literal, nil
	}
	path := expandHome(key)
	if !filepath.IsAbs(path) {
		path = filepath.Join(r.runDir(), path)
	}
	if !strings.HasSuffix(path, ".pub") {
		if data, err := os.ReadFile(path + ".pub"); err == nil {
			return string(data), nil
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if !bytes.Contains(data, []byte("PRIVATE KEY")) {
		return string(data), nil
	}
	out, err := exec.CommandContext(ctx, "ssh-keygen", "-y", "-f", path).Output() //nolint:gosec // the user's own signing key
	if err != nil {
		return "", fmt.Errorf("ssh-keygen -y: %w", err)
	}
	return string(out), nil
}

func (r *Repo) openpgpLine(ctx context.Context, s SigningSetup) (string, error) {
	key := s.Key
	if key == "" {
		key = fmt.Sprintf("%s <%s>", s.Name, s.Email)
	}
	out, err := exec.CommandContext(ctx, expandHome(s.Program), "--batch", "--with-colons", "--fingerprint", "--list-secret-keys", key).Output() //nolint:gosec // the user's own signing program
	if err != nil {
		return "", diag.WithHint(fmt.Errorf("find the OpenPGP key %s: %w", key, err), "%s", sshHint)
	}
	// https://git.gnupg.org/cgi-bin/gitweb.cgi?p=gnupg.git;f=doc/DETAILS: the first fpr record is the primary key's.
	for line := range strings.Lines(string(out)) {
		if fields := strings.Split(line, ":"); fields[0] == "fpr" && len(fields) > 9 {
			return fmt.Sprintf("%s openpgp:%s", s.Email, fields[9]), nil
		}
	}
	return "", fmt.Errorf("find the OpenPGP key %s: gpg shows no fingerprint", key)
}
