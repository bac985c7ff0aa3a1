package gitrepo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/llm-devops/lcm/pkg/diag"
)

// commitPlan is what a CommitRequest comes to in the repository as it is now.
type commitPlan struct {
	config  *gitConfig
	branch  string // the ref HEAD points to
	parent  plumbing.Hash
	files   []replacement // sorted by path; only those that change
	convert *converter
}

// plan checks that the repository is in the state that the caller saw and that a commit can be made, and finds out what
// each file becomes. It changes nothing.
func (r *Repo) plan(ctx context.Context, config *gitConfig, q CommitRequest) (*commitPlan, error) {
	ref, head, err := r.readHead()
	if err != nil {
		return nil, err
	}
	if err := r.operationInProgress(); err != nil {
		return nil, err
	}
	if ref == "" {
		return nil, diag.WithHint(&StateError{Reason: "HEAD is detached: there is no branch to commit to"},
			"go to a branch: `git switch BRANCH`, or make one here: `git switch -c BRANCH`")
	}
	if head != q.Parent.Hash {
		return nil, diag.WithHint(&ConflictError{Reason: "another commit was made meanwhile"}, "look at it with `git log` and run the command again")
	}
	p := &commitPlan{config: config, branch: ref, convert: newConverter(r, config)}
	if p.parent, err = r.objects.commitTree(ctx, q.Parent); err != nil {
		return nil, err
	}
	index, err := r.readIndex()
	if err != nil {
		return nil, err
	}
	if err := index.supported(); err != nil {
		return nil, err
	}
	if paths := index.unmerged; len(paths) > 0 {
		return nil, diag.WithHint(&StateError{Reason: "files have unresolved merge conflicts", Paths: paths},
			"resolve them and `git add` the files, or give the merge up with `git merge --abort`")
	}
	return p, r.planFiles(ctx, p, index, q)
}

func (r *Repo) planFiles(ctx context.Context, p *commitPlan, index *gitIndex, q CommitRequest) error {
	files := q.Files
	root, err := os.OpenRoot(r.root)
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // a handle for reading
	entries := indexed(index, files)
	trees := remembered(r.objects.tree) // thousands of files are in few folders
	var dirty []string
	untracked := false
	for _, path := range sortedKeys(files) {
		content := files[path]
		old, err := blobIn(ctx, trees, p.parent, path)
		if err != nil {
			return err
		}
		entry, isIndexed := entries[path]
		if isIndexed && (entry.assumeValid || entry.skipWorktree) {
			return diag.WithHint(&StateError{Reason: "file is marked assume-unchanged or skip-worktree", Paths: []string{path}},
				"run `git update-index --no-assume-unchanged --no-skip-worktree -- %s`", path)
		}
		staged := isIndexed != !old.id.IsZero() || (isIndexed && (entry.id != old.id || entry.modeString() != old.mode || entry.intentToAdd))
		f := replacement{path: path, remove: content == nil, content: content, old: old}
		clean, err := r.inspect(ctx, root, p, &f)
		if err != nil {
			return err
		}
		if staged || !clean {
			taken, err := p.isAsWanted(ctx, f, isIndexed && staged, entry)
			if err != nil {
				return err
			}
			if taken {
				p.files = append(p.files, f)
			} else {
				dirty, untracked = append(dirty, path), untracked || !isIndexed
			}
			continue
		}
		if f.remove && !f.exists {
			return notExist(path)
		}
		if !f.remove && f.exists && bytes.Equal(f.before, content) {
			continue
		}
		p.files = append(p.files, f)
	}
	if len(dirty) > 0 {
		return diag.WithHint(&StateError{Reason: "files have changes of yours that are not committed", Paths: dirty},
			"commit them (`%s`) or put them aside (`git stash`), then run the command again", commitLine(dirty, untracked, q.Sign))
	}
	return nil
}

// commitLine gives the command that commits changes, in the top folder: signed where a commit of the same files would be.
func commitLine(dirty []string, untracked bool, sign SignMode) string {
	paths := strings.Join(dirty, " ")
	line := "git commit " + paths
	if sign == SignAlways {
		line = "git commit -S " + paths
	}
	if untracked { // which git commit does not find by their names
		line = "git add " + paths + " && " + line
	}
	return line
}

// isAsWanted reports whether a change of the user's is the one that is to be committed: the file has the new content, and so has
// the index if anything is staged of it.
func (p *commitPlan) isAsWanted(ctx context.Context, f replacement, staged bool, entry indexEntry) (bool, error) {
	if f.remove || !f.exists || !bytes.Equal(f.before, f.content) {
		return false, nil
	}
	if !staged {
		return true, nil
	}
	o, err := p.convert.blob(ctx, f.path, f.content, false)
	return o.id == entry.id && !entry.intentToAdd, err
}

// inspect reads the file that is to be replaced and reports whether it is what the parent commit has.
func (r *Repo) inspect(ctx context.Context, root *os.Root, p *commitPlan, f *replacement) (clean bool, err error) {
	content, info, err := readWorktreeFile(root, f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return f.old.id.IsZero(), nil
	}
	if err != nil {
		return false, err
	}
	f.exists, f.before, f.perm = true, content, info.Mode().Perm()
	if f.old.id.IsZero() {
		return false, nil
	}
	if p.config.trustsModes() && (info.Mode()&0o100 != 0) != (f.old.mode == modeExecutable) {
		return false, nil
	}
	if newObject(plumbing.BlobObject, content).id == f.old.id {
		return true, nil
	}
	o, err := p.convert.blob(ctx, f.path, content, false)
	return o.id == f.old.id, err
}

// trustsModes reports whether the working tree's executable bits mean something (core.fileMode, true by default).
func (c *gitConfig) trustsModes() bool { return !c.has("core.filemode") || c.boolean("core.filemode") }

// operations are the files and folders in the git directory that stand for an operation in progress.
var operations = []struct{ file, name, hint string }{
	{"MERGE_HEAD", "merge", "`git merge --continue` or `git merge --abort`"},
	{"rebase-merge", "rebase", "`git rebase --continue` or `git rebase --abort`"},
	{"rebase-apply", "rebase or am", "`git rebase --continue` (`git am --continue`) or `--abort`"},
	{"CHERRY_PICK_HEAD", "cherry-pick", "`git cherry-pick --continue` or `git cherry-pick --abort`"},
	{"REVERT_HEAD", "revert", "`git revert --continue` or `git revert --abort`"},
	{"BISECT_LOG", "bisect", "`git bisect reset`"},
}

func (r *Repo) operationInProgress() error {
	for _, op := range operations {
		if _, err := os.Lstat(filepath.Join(r.gitDir, op.file)); err == nil {
			return diag.WithHint(&StateError{Reason: "a " + op.name + " is in progress"}, "end it with %s", op.hint)
		}
	}
	return nil
}

// build makes the objects of the commit's tree, and says which trees they are.
func (r *Repo) build(ctx context.Context, p *commitPlan, step func()) (*treeEdit, error) {
	changes := make(map[string]treeChange, len(p.files))
	var objects []pendingObject
	for i := range p.files {
		f := &p.files[i]
		if f.remove {
			changes[f.path] = treeChange{remove: true}
			continue
		}
		o, err := p.convert.blob(ctx, f.path, f.content, true)
		if err != nil {
			return nil, err
		}
		if f.converted = o.content == nil; !f.converted {
			objects = append(objects, o)
		}
		f.new = treeEntry{mode: modeFile, name: f.path, id: o.id}
		if !f.old.id.IsZero() {
			f.new.mode = f.old.mode
		}
		changes[f.path] = treeChange{mode: f.new.mode, id: o.id}
	}
	edit, err := r.objects.editTree(ctx, p.parent, changes)
	if err != nil {
		return nil, err
	}
	return edit, r.objects.write(ctx, append(objects, edit.made...), len(fsyncArgs(p.config)) > 0, step)
}

// sameAs reports whether two plans, made before and after the index was locked, are about the same state.
func (p *commitPlan) sameAs(q *commitPlan) bool {
	return p.branch == q.branch && p.parent == q.parent && slices.EqualFunc(p.files, q.files, func(a, b replacement) bool {
		return a.path == b.path && a.exists == b.exists && a.perm == b.perm && bytes.Equal(a.before, b.before)
	})
}

func (p *commitPlan) paths() []string {
	paths := make([]string, len(p.files))
	for i, f := range p.files {
		paths[i] = f.path
	}
	return paths
}

func sortedKeys(m map[string][]byte) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// checkPaths checks the names of files to write.
func checkPaths(files map[string][]byte) error {
	if len(files) == 0 {
		return errors.New("no files given")
	}
	for _, path := range sortedKeys(files) {
		if path == "." {
			return &PathError{Path: path, Reason: "is a folder"}
		}
		if err := cleanPath(path); err != nil {
			return err
		}
		if len(files[path]) > maxObject {
			return &PathError{Path: path, Reason: fmt.Sprintf("is over the limit of %d bytes", maxObject)}
		}
	}
	return nil
}
