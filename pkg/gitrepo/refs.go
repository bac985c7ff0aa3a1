package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/llm-devops/lcm/pkg/diag"
)

// Revision names one commit. The zero Revision is no commit: the worktree, or an unborn branch.
type Revision struct {
	Hash string // 40 lower-case hexadecimal digits, or ""
}

// String gives the whole hash.
func (v Revision) String() string { return v.Hash }

// MarshalText implements [encoding.TextMarshaler] with the full hash.
func (v Revision) MarshalText() ([]byte, error) { return []byte(v.Hash), nil }

// Short gives the first ten digits: enough for people, never for machines.
func (v Revision) Short() string { return v.Hash[:min(10, len(v.Hash))] }

// IsZero reports whether v is no commit.
func (v Revision) IsZero() bool { return v.Hash == "" }

// isFullHash reports whether s is a whole id: 40 lower-case hexadecimal digits.
func isFullHash(s string) bool {
	return len(s) == 40 && strings.Trim(s, "0123456789abcdef") == ""
}

// object gives the id as go-git has it; the zero hash for no commit.
func (v Revision) object() (plumbing.Hash, error) {
	if v.IsZero() {
		return plumbing.ZeroHash, nil
	}
	if !isFullHash(v.Hash) {
		return plumbing.ZeroHash, &UnknownRevisionError{Rev: v.Hash, Reason: "not a full commit hash"}
	}
	return plumbing.NewHash(v.Hash), nil
}

// maxSymrefs is how many symbolic refs are followed, as in git.
const maxSymrefs = 5

// Head gives the commit at HEAD and the branch it is on, without starting a process. On an unborn branch the revision is
// zero and unborn is true; with a detached HEAD the branch is "".
func (r *Repo) Head(ctx context.Context) (rev Revision, branch string, unborn bool, err error) {
	if err := ctx.Err(); err != nil {
		return Revision{}, "", false, err
	}
	ref, hash, err := r.readHead()
	if err != nil {
		return Revision{}, "", false, err
	}
	branch = strings.TrimPrefix(ref, "refs/heads/")
	return Revision{Hash: hash}, branch, hash == "", nil
}

// Branch gives the name of the branch HEAD is on, or "" when it is detached.
func (r *Repo) Branch(ctx context.Context) (string, error) {
	_, branch, _, err := r.Head(ctx)
	return branch, err
}

// readHead gives the ref that HEAD finally points to ("" if detached) and the hash there ("" if unborn).
func (r *Repo) readHead() (ref, hash string, err error) {
	name := "HEAD"
	for range maxSymrefs {
		value, err := r.readRef(name)
		if errors.Is(err, fs.ErrNotExist) && name != "HEAD" {
			return name, "", nil
		}
		if err != nil {
			return "", "", fmt.Errorf("read %s: %w", name, err)
		}
		target, symbolic := strings.CutPrefix(value, "ref:")
		if !symbolic {
			if !isFullHash(value) {
				return "", "", fmt.Errorf("read %s: malformed ref", name)
			}
			if name == "HEAD" {
				name = ""
			}
			return name, value, nil
		}
		name = strings.TrimSpace(target)
		if !strings.HasPrefix(name, "refs/") || strings.Contains(name, "..") {
			return "", "", fmt.Errorf("read HEAD: malformed symbolic ref %q", name)
		}
	}
	return "", "", errors.New("read HEAD: too many levels of symbolic refs")
}

// readRef gives the text of a ref: a hash, or "ref: NAME".
func (r *Repo) readRef(name string) (string, error) {
	dir := r.commonDir
	if !strings.HasPrefix(name, "refs/") || perWorktree(name) {
		dir = r.gitDir
	}
	path := filepath.Join(dir, filepath.FromSlash(name))
	// A ref that is being packed is in packed-refs before its own file goes away: so file, packed, and once more the file.
	for attempt := range 2 {
		b, err := os.ReadFile(path) //nolint:gosec // part of the repository
		if err == nil {
			return strings.TrimSpace(string(b)), nil
		}
		// A folder refs/heads/a may be left over from a branch a/b.
		if info, statErr := os.Stat(path); !errors.Is(err, fs.ErrNotExist) && (statErr != nil || !info.IsDir()) {
			return "", err
		}
		if attempt == 1 {
			break
		}
		hash, err := r.packedRef(name)
		if err != nil {
			return "", err
		}
		if hash != "" {
			return hash, nil
		}
	}
	return "", fs.ErrNotExist
}

func perWorktree(name string) bool {
	for _, prefix := range []string{"refs/bisect/", "refs/worktree/", "refs/rewritten/"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

func (r *Repo) packedRef(name string) (string, error) {
	b, err := os.ReadFile(filepath.Join(r.commonDir, "packed-refs")) //nolint:gosec // part of the repository
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(b)) {
		if hash, ref, ok := strings.Cut(strings.TrimRight(line, "\r\n"), " "); ok && ref == name && isFullHash(hash) {
			return hash, nil
		}
	}
	return "", nil
}

// Resolve gives the commit that rev names: anything that `git rev-parse` takes. HEAD and full hashes cost no process.
// The error is [*UnknownRevisionError], with a hint.
func (r *Repo) Resolve(ctx context.Context, rev string) (Revision, error) {
	switch {
	case rev == "HEAD" || rev == "@":
		v, branch, unborn, err := r.Head(ctx)
		if err != nil {
			return Revision{}, err
		}
		if unborn {
			return Revision{}, diag.WithHint(&UnknownRevisionError{Rev: rev, Reason: "branch " + branch + " has no commit yet"},
				"make the first commit")
		}
		return v, nil
	case isFullHash(rev):
		if kind, _, err := r.objects.read(ctx, plumbing.NewHash(rev)); err == nil && kind == plumbing.CommitObject {
			return Revision{Hash: rev}, nil
		}
	}
	peeled := rev + "^{commit}"
	if strings.HasPrefix(rev, ":/") { // a search for words in messages, of which the suffix would become one
		peeled = rev
	}
	out, err := r.git(ctx, "rev-parse", "--verify", "--end-of-options", peeled)
	if code := exitCode(err); code > 0 {
		reason := ""
		if g, ok := errors.AsType[*GitError](err); ok && !strings.Contains(g.Stderr, "Needed a single revision") {
			reason = oneLine(g.Stderr)
		}
		if shallow, err := r.Shallow(ctx); err == nil && shallow {
			return Revision{}, diag.WithHint(&UnknownRevisionError{Rev: rev, Reason: reason, Shallow: true}, ShallowHint)
		}
		return Revision{}, diag.WithHint(&UnknownRevisionError{Rev: rev, Reason: reason},
			"`git log --oneline` and `git branch -a` show what there is; a single-branch clone may need `git fetch` first")
	}
	if err != nil {
		return Revision{}, fmt.Errorf("resolve %q: %w", rev, err)
	}
	hash := strings.TrimSpace(string(out))
	if !isFullHash(hash) {
		return Revision{}, &UnknownRevisionError{Rev: rev, Reason: "git gave no commit hash"}
	}
	return Revision{Hash: hash}, nil
}
