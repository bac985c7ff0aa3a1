package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// Unmerged is a file that Git could not merge, with its versions: nil where a side has none.
type Unmerged struct {
	Path               string
	Base, Ours, Theirs []byte
	Resolved           bool // it was added since, by `git add`; Git keeps the versions until the commit
}

// Unmerged gives the files in conflict, and those whose conflicts were resolved since, sorted by path.
func (r *Repo) Unmerged(ctx context.Context) ([]Unmerged, error) {
	files := map[string]*Unmerged{}
	for _, list := range []struct {
		flag     string
		resolved bool
	}{{"--unmerged", false}, {"--resolve-undo", true}} {
		out, err := r.git(ctx, "ls-files", "-z", "--full-name", list.flag, ":/")
		if err != nil {
			return nil, fmt.Errorf("list files in conflict: %w", err)
		}
		for line := range strings.SplitSeq(string(out), "\x00") {
			// <mode> <object> <stage>\t<file>
			head, path, ok := strings.Cut(line, "\t")
			fields := strings.Fields(head)
			if !ok || len(fields) != 3 || files[path] != nil && files[path].Resolved != list.resolved {
				continue
			}
			if files[path] == nil {
				files[path] = &Unmerged{Path: path, Resolved: list.resolved}
			}
			content, err := r.objects.readKind(ctx, plumbing.NewHash(fields[1]), plumbing.BlobObject)
			if err != nil {
				return nil, fmt.Errorf("read a version of %s: %w", path, err)
			}
			switch f := files[path]; fields[2] {
			case "1":
				f.Base = content
			case "2":
				f.Ours = content
			case "3":
				f.Theirs = content
			}
		}
	}
	if err := r.forgetCommitted(ctx, files); err != nil {
		return nil, err
	}
	out := make([]Unmerged, 0, len(files))
	for _, f := range files {
		out = append(out, *f)
	}
	slices.SortFunc(out, func(a, b Unmerged) int { return strings.Compare(a.Path, b.Path) })
	return out, nil
}

// forgetCommitted leaves the files out whose resolution was committed: Git remembers their versions longer than that.
func (r *Repo) forgetCommitted(ctx context.Context, files map[string]*Unmerged) error {
	if len(files) == 0 || r.Operation() != NoOperation {
		return nil
	}
	dirty, err := r.Dirty(ctx, slices.Collect(maps.Keys(files))...)
	if err != nil {
		return err
	}
	maps.DeleteFunc(files, func(path string, f *Unmerged) bool { return f.Resolved && !slices.Contains(dirty, path) })
	return nil
}

// MergeBase gives the commit that two commits both come from; zero where there is none.
func (r *Repo) MergeBase(ctx context.Context, a, b Revision) (Revision, error) {
	out, err := r.git(ctx, "merge-base", a.Hash, b.Hash)
	if exitCode(err) == 1 {
		return Revision{}, nil
	}
	if err != nil {
		return Revision{}, fmt.Errorf("find where two commits come from: %w", err)
	}
	return Revision{strings.TrimSpace(string(out))}, nil
}

// Add puts files of the worktree into the index, which resolves their conflicts.
func (r *Repo) Add(ctx context.Context, paths ...string) error {
	if len(paths) == 0 {
		return nil
	}
	specs := make([]string, len(paths))
	for i, p := range paths {
		specs[i] = ":(top,literal)" + p
	}
	if _, err := r.run(ctx, command{args: append([]string{"add", "--"}, specs...), write: true}); err != nil {
		return fmt.Errorf("add resolved files: %w", err)
	}
	return nil
}

// Operation is what Git stopped in the middle of.
type Operation string

// The operations that have a --continue.
const (
	NoOperation Operation = ""
	MergeOp     Operation = "merge"
	RebaseOp    Operation = "rebase"
	CherryPick  Operation = "cherry-pick"
	Revert      Operation = "revert"
)

// Operation tells what is going on in this worktree. Files in conflict without one come from `git stash pop` or the like.
func (r *Repo) Operation() Operation {
	for _, o := range []struct {
		path string
		op   Operation
	}{
		{"rebase-merge", RebaseOp},
		{"rebase-apply", RebaseOp},
		{"MERGE_HEAD", MergeOp},
		{"CHERRY_PICK_HEAD", CherryPick},
		{"REVERT_HEAD", Revert},
	} {
		if _, err := os.Stat(filepath.Join(r.gitDir, o.path)); err == nil {
			return o.op
		}
	}
	return NoOperation
}

// Continue lets Git go on with an operation whose conflicts are resolved, with the message that is there. The commits it makes
// are signed if sign is set; else as Git is configured. said is what Git wrote; of a rebase that stops at the next commit, or
// a hook that refuses, it is in the error.
func (r *Repo) Continue(ctx context.Context, op Operation, sign bool) (said string, err error) {
	args := []string{"-c", "core.editor=true"}
	if sign {
		args = append(args, "-c", "commit.gpgsign=true")
		if err := r.signRebase(); err != nil {
			return "", err
		}
	}
	var stderr string
	out, err := r.run(ctx, command{args: append(args, string(op), "--continue"), write: true, said: &stderr})
	said = strings.TrimSpace(string(out) + stderr)
	if _, ok := errors.AsType[*GitError](err); ok && said != "" {
		return said, fmt.Errorf("git %s --continue:\n%s", op, said)
	}
	if err != nil {
		return said, fmt.Errorf("git %s --continue: %w", op, err)
	}
	return said, nil
}

// signRebase has a rebase that goes on sign what it commits: Git decides that when it starts one, and keeps it in a file.
func (r *Repo) signRebase() error {
	for _, dir := range []string{"rebase-merge", "rebase-apply"} {
		dir = filepath.Join(r.gitDir, dir)
		if _, err := os.Stat(dir); err != nil {
			continue
		}
		f, err := os.OpenFile(filepath.Join(dir, "gpg_sign_opt"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666) //nolint:gosec // as git does
		if errors.Is(err, fs.ErrExist) {
			continue // the user chose how
		}
		if err != nil {
			return fmt.Errorf("have the rebase sign: %w", err)
		}
		_, err = f.WriteString("-S\n")
		if err = errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("have the rebase sign: %w", err)
		}
	}
	return nil
}

// Started gives the commit on which a rebase, or a cherry-pick or revert of several commits, puts what it makes; zero where that
// is HEAD.
func (r *Repo) Started() (Revision, error) {
	for _, name := range []string{"rebase-merge/onto", "rebase-apply/onto", "sequencer/head"} {
		b, err := os.ReadFile(filepath.Join(r.gitDir, filepath.FromSlash(name))) //nolint:gosec // part of the repository
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return Revision{}, fmt.Errorf("find where Git started: %w", err)
		}
		return Revision{Hash: strings.TrimSpace(string(b))}, nil
	}
	return Revision{}, nil
}

// Unsigned counts the commits from one, which is left out, up to HEAD that carry no signature.
func (r *Repo) Unsigned(ctx context.Context, from Revision) (int, error) {
	out, err := r.git(ctx, "rev-list", from.Hash+"..HEAD")
	if err != nil {
		return 0, fmt.Errorf("look for commits that are not signed: %w", err)
	}
	count := 0
	for hash := range strings.FieldsSeq(string(out)) {
		c, err := r.readCommit(ctx, Revision{Hash: hash})
		if err != nil {
			return 0, err
		}
		if !c.Signed {
			count++
		}
	}
	return count, nil
}

// NothingStaged reports whether the index is as HEAD is.
func (r *Repo) NothingStaged(ctx context.Context) (bool, error) {
	_, err := r.git(ctx, "diff-index", "--cached", "--quiet", "HEAD", "--")
	if exitCode(err) == 1 {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for what is staged: %w", err)
	}
	return true, nil
}
