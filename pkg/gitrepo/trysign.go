package gitrepo

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Version gives the version of the git that is on PATH: "2.47.1".
func Version(ctx context.Context) (string, error) {
	out, err := runGit(ctx, "", command{args: []string{"version"}}, nil)
	if err != nil {
		return "", fmt.Errorf("ask git for its version: %w", err)
	}
	fields := strings.Fields(string(out)) // git version 2.39.5 (Apple Git-154)
	if len(fields) < 3 {
		return "", fmt.Errorf("ask git for its version: it says %q", strings.TrimSpace(string(out)))
	}
	return fields[2], nil
}

// TrySigning signs an empty commit as Commit would, which may ask for a passphrase, and verifies it against allowed signers. The
// commit goes to a scratch folder that is removed again.
func (r *Repo) TrySigning(ctx context.Context, allowedSigners []byte) (Signature, error) {
	dir, err := os.MkdirTemp("", "lcm-sign-")
	if err != nil {
		return Signature{}, fmt.Errorf("try to sign: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	c, err := r.loadConfig(ctx)
	if err != nil {
		return Signature{}, err
	}
	scratch := &Repo{root: r.root, gitDir: r.gitDir, commonDir: r.commonDir}
	scratch.childVariables = []string{
		"GIT_OBJECT_DIRECTORY=" + dir, "GIT_ALTERNATE_OBJECT_DIRECTORIES=" + filepath.Join(r.commonDir, "objects"),
	}
	scratch.objects = newObjectStore(scratch)
	tree, err := scratch.run(ctx, command{args: []string{"hash-object", "-t", "tree", "-w", "--stdin"}, write: true, stdin: strings.NewReader("")})
	if err != nil {
		return Signature{}, fmt.Errorf("try to sign: %w", err)
	}
	rev, err := scratch.makeCommit(ctx, c, strings.TrimSpace(string(tree)), CommitRequest{}, "Try to sign\n")
	if err != nil {
		return Signature{}, err
	}
	return scratch.Verify(ctx, rev, allowedSigners)
}
