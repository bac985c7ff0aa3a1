package gitrepo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/llm-devops/lcm/pkg/diag"
)

// ErrUnchanged says that a commit would change no file.
var ErrUnchanged = errors.New("nothing to commit")

// CommitRequest is a commit to be made.
type CommitRequest struct {
	// Parent is what the caller saw as HEAD; zero for the first commit of an unborn branch.
	Parent Revision
	// Files is the new content of each file as it is to be on disk, by path; nil removes the file. Files keep their mode, new
	// ones are not executable. Files whose content stays the same are left out.
	Files map[string][]byte
	// Subject is one line; Body any text; the Trailers come last.
	Subject, Body string
	Trailers      []Trailer
	Sign          SignMode
	// Output gets what the repository's hooks print, as it comes; nil discards it. A failing hook's output is in the error too.
	Output io.Writer
	// Step is called at most twice for each file, as it is written; concurrently. It may be nil.
	Step func()
}

// Commit changes files on the current branch: in the working tree, the index and a new commit, all or none. Anything else
// that is staged or dirty stays so. It runs the hooks pre-commit, prepare-commit-msg, commit-msg and post-commit.
//
// Errors, all of which mean that nothing was changed unless said otherwise: [*ConflictError], [*StateError],
// [*UnsupportedError], [*SigningError], [*IdentityError], [*HookError], [*PathError], [ErrUnchanged].
// With a non-zero Revision the commit was made, and the error is about what comes after it.
func (r *Repo) Commit(ctx context.Context, q CommitRequest) (Revision, error) {
	rev, err := r.commit(ctx, q)
	if err != nil {
		return rev, fmt.Errorf("commit: %w", err)
	}
	return rev, nil
}

func (r *Repo) commit(ctx context.Context, q CommitRequest) (Revision, error) {
	if err := checkPaths(q.Files); err != nil {
		return Revision{}, err
	}
	message, err := q.message()
	if err != nil {
		return Revision{}, err
	}
	r.forgetConfig()
	if err := r.CheckSupported(ctx); err != nil {
		return Revision{}, err
	}
	config, err := r.loadConfig(ctx)
	if err != nil {
		return Revision{}, err
	}
	if _, err := r.Recover(ctx); err != nil {
		return Revision{}, err
	}
	p, err := r.plan(ctx, config, q)
	if err != nil {
		return Revision{}, err
	}
	if len(p.files) == 0 {
		return Revision{}, ErrUnchanged
	}
	edit, err := r.build(ctx, p, q.Step)
	if err != nil {
		return Revision{}, err
	}
	c := &commitRun{repo: r, q: q, plan: p, message: message, tree: edit.root().String(), trees: edit.moves}
	if c.hooks, err = r.findHooks(ctx, config, q.Output); err != nil {
		return Revision{}, err
	}
	if !c.hooks.any("pre-commit", "prepare-commit-msg", "commit-msg") {
		// Nothing can change the commit any more, so it is made and signed before anything is locked: signing may wait for a
		// person, and may fail.
		if c.rev, err = r.makeCommit(ctx, config, c.tree, q, message); err != nil {
			return Revision{}, err
		}
	}
	if err := c.run(ctx); err != nil {
		return Revision{}, err
	}
	return c.rev, c.after(ctx)
}

// commitRun is the part of a commit that happens under the index lock.
type commitRun struct {
	repo    *Repo
	q       CommitRequest
	plan    *commitPlan
	hooks   *hooks
	message string
	tree    string
	trees   map[string]treeMove
	rev     Revision // zero until the commit object is made
	txn     *txn
}

// run swaps the files in, moves HEAD and replaces the index. On failure everything is as before.
func (c *commitRun) run(ctx context.Context) (err error) {
	if c.txn, err = c.repo.begin(); err != nil {
		return err
	}
	c.step("begun")
	if err := c.prepare(ctx); err != nil {
		return c.undo(err)
	}
	if err := c.moveHead(ctx); err != nil {
		return c.undo(err)
	}
	c.step("moved")
	if err := os.Rename(c.txn.path("index"), filepath.Join(c.repo.gitDir, "index")); err != nil {
		c.txn.abandon()
		return nil //nolint:nilerr // the commit is made; the next writer's recovery brings the index up to date
	}
	c.step("indexed")
	c.txn.pruneDirs()
	// What is left to clean up is nothing that could make the commit a failure; recovery takes care of it.
	_ = c.txn.end()
	return nil
}

// step tells tests how far the commit has got.
func (c *commitRun) step(name string) {
	if c.repo.atStep != nil {
		c.repo.atStep(name)
	}
}

// prepare does everything up to moving HEAD.
func (c *commitRun) prepare(ctx context.Context) error {
	if err := c.txn.lockIndex(ctx); err != nil {
		return err
	}
	c.step("locked")
	// Between the first look and the lock anything may have happened.
	now, err := c.repo.plan(ctx, c.plan.config, c.q)
	if s, ok := errors.AsType[*StateError](err); ok {
		return diag.WithHint(&ConflictError{Reason: s.Reason, Paths: s.Paths}, "%s", diag.HintOf(err))
	}
	if err != nil {
		return err
	}
	if !c.plan.sameAs(now) {
		return edited(c.plan.paths())
	}
	c.txn.journal.Index = true
	c.txn.journal.Parent, c.txn.journal.Commit = c.q.Parent.Hash, c.rev.Hash
	if err := c.txn.stage(c.plan.files, c.q.Step); err != nil {
		return err
	}
	c.step("staged")
	for i, f := range c.txn.journal.Files {
		if err := c.txn.swapIn(i, f); errors.Is(err, errEdited) {
			return edited([]string{f.Path})
		} else if err != nil {
			return fmt.Errorf("replace %s: %w", f.Path, err)
		}
		c.step("swapped")
	}
	if err := c.txn.syncFolders(); err != nil {
		return err
	}
	if err := c.makeIndex(ctx); err != nil {
		return err
	}
	c.step("index made")
	if !c.rev.IsZero() {
		return nil
	}
	return c.runHooks(ctx)
}

func edited(paths []string) error {
	return diag.WithHint(&ConflictError{Reason: "files were edited meanwhile", Paths: paths}, "run the command again")
}

// undo puts everything back after a failure and gives the error, with what it could not put back.
func (c *commitRun) undo(cause error) error {
	var left []string
	for _, f := range c.txn.journal.Files {
		kept, err := c.txn.restore(f)
		if err != nil {
			c.txn.abandon() // recovery tries again
			return errors.Join(cause, fmt.Errorf("put back %s: %w", f.Path, err))
		}
		if kept {
			left = append(left, f.Path)
		}
	}
	c.txn.removeDirs()
	if h, ok := errors.AsType[*HookError](cause); ok {
		h.Left = left
	}
	return errors.Join(cause, c.txn.end())
}

// makeIndex makes the new index in the transaction's folder: the present one, and the files as they now are on disk, so
// that git need not look at them again.
func (c *commitRun) makeIndex(ctx context.Context) error {
	if done, err := c.patchIndex(); done || err != nil {
		return err
	}
	if err := c.txn.copyIndex(); err != nil {
		return fmt.Errorf("update index: %w", err)
	}
	_, err := c.repo.run(ctx, command{
		args:  append(fsyncArgs(c.plan.config), "update-index", "--add", "--remove", "-z", "--stdin"),
		env:   []string{"GIT_INDEX_FILE=" + c.txn.path("index")},
		stdin: strings.NewReader(strings.Join(c.plan.paths(), "\x00") + "\x00"),
		write: true,
		files: inherit(c.txn.owner),
	})
	if err != nil {
		return fmt.Errorf("update index: %w", err)
	}
	index, err := readIndexFile(c.txn.path("index"))
	if err != nil {
		return err
	}
	files := map[string]bool{}
	for _, p := range c.plan.paths() {
		files[p] = true
	}
	entries := indexed(index, files)
	for _, f := range c.plan.files {
		e, ok := entries[f.path]
		switch {
		case ok == f.remove, ok && e.id != f.new.id:
			return edited([]string{f.path})
		case ok && e.modeString() != f.new.mode:
			return &StateError{Reason: "git sees another file mode on disk than lcm set", Paths: []string{f.path}}
		}
	}
	return nil
}

// copyIndex gives the transaction an index of its own that starts as the present one. The time of the file is part of what
// it says: entries as young as the index are looked at again.
func (t *txn) copyIndex() error {
	from, to := filepath.Join(t.repo.gitDir, "index"), t.path("index")
	_ = os.Remove(to)
	// Git replaces index files and never writes into them, so a second name is as good as a copy.
	err := os.Link(from, to)
	if err == nil || errors.Is(err, os.ErrNotExist) {
		return nil
	}
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	b, err := os.ReadFile(from) //nolint:gosec // part of the repository
	if err != nil {
		return err
	}
	if err := os.WriteFile(to, b, info.Mode().Perm()); err != nil {
		return err
	}
	return os.Chtimes(to, time.Time{}, info.ModTime())
}

// finishIndex brings the index up to the commit of the journal: for a dead process whose commit had become HEAD, or part
// of it; current is what HEAD has at the paths. Entries that are no longer what they were before the commit are left alone.
func (t *txn) finishIndex(ctx context.Context, current map[string]string) error {
	index, err := t.repo.readIndex()
	if err != nil {
		return err
	}
	files := map[string]bool{}
	for _, f := range t.journal.Files {
		files[f.Path] = true
	}
	entries := indexed(index, files)
	var info bytes.Buffer
	for _, f := range t.journal.Files {
		e, ok := entries[f.Path]
		old := ok && e.id.String() == f.OldBlob && e.modeString() == f.OldMode
		if (!old && (ok || f.OldBlob != "")) || current[f.Path] != f.NewBlob {
			continue
		}
		if f.NewBlob == "" {
			fmt.Fprintf(&info, "0 %s\t%s\x00", strings.Repeat("0", 40), f.Path)
		} else {
			fmt.Fprintf(&info, "%s %s\t%s\x00", f.NewMode, f.NewBlob, f.Path)
		}
	}
	if info.Len() == 0 {
		return nil
	}
	if err := t.copyIndex(); err != nil {
		return err
	}
	_, err = t.repo.run(ctx, command{
		args:  []string{"update-index", "-z", "--index-info"},
		env:   []string{"GIT_INDEX_FILE=" + t.path("index")},
		stdin: &info,
		write: true,
		files: inherit(t.owner),
	})
	if err != nil {
		return err
	}
	return os.Rename(t.path("index"), filepath.Join(t.repo.gitDir, "index"))
}

// moveHead moves the branch from the parent to the new commit, if it still is at the parent.
func (c *commitRun) moveHead(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	old, verb := c.q.Parent.Hash, "commit: "
	if c.q.Parent.IsZero() {
		old, verb = strings.Repeat("0", 40), "commit (initial): "
	}
	subject, _, _ := splitMessage(c.message)
	// A git that is killed here leaves its locks behind, so from here on there is no cancelling.
	ctx = context.WithoutCancel(ctx)
	_, err := c.repo.run(ctx, command{
		args:  append(fsyncArgs(c.plan.config), "update-ref", "-m", verb+subject, "HEAD", c.rev.Hash, old),
		write: true,
		files: inherit(c.txn.owner),
	})
	if err == nil {
		return nil
	}
	// Whatever it said: what counts is where HEAD is.
	head, _, _, headErr := c.repo.Head(ctx)
	g, failed := errors.AsType[*GitError](err)
	switch {
	case headErr == nil && head == c.rev:
		return nil
	case headErr == nil && head != c.q.Parent:
		return diag.WithHint(&ConflictError{Reason: "another commit was made meanwhile"}, "look at it with `git log` and run the command again")
	case failed && strings.Contains(g.Stderr, ".lock': File exists"):
		return diag.WithHint(&ConflictError{Reason: "another git process holds a lock: " + oneLine(g.Stderr)},
			"try again when it has finished; if none is running, it was killed: remove the lock file")
	case failed && strings.Contains(g.Stderr, "by hook"):
		return &HookError{Hook: "reference-transaction", Output: g.Stderr}
	}
	return fmt.Errorf("move HEAD: %w", err)
}

// after does what git does once a commit is made. Nothing here can undo it.
func (c *commitRun) after(ctx context.Context) error {
	var errs []error
	if err := c.hooks.run(ctx, "post-commit", nil); err != nil {
		if _, ok := errors.AsType[*HookError](err); !ok { // its exit code has no meaning
			errs = append(errs, err)
		}
	}
	if c.repo.manyLooseObjects(c.plan.config) {
		// Housekeeping can fail for many reasons, all of which the next git command will report better.
		_, _ = c.repo.run(ctx, command{args: []string{"maintenance", "run", "--auto", "--quiet"}, write: true})
	}
	return errors.Join(errs...)
}

// manyLooseObjects applies the test by which "git gc --auto" decides, so that git need not be started to hear that there is
// nothing to do: one of the 256 object folders stands for all.
func (r *Repo) manyLooseObjects(c *gitConfig) bool {
	const gcAuto = 6700 // git's default for gc.auto
	if c.has("maintenance.auto") && !c.boolean("maintenance.auto") || c.get("gc.auto") == "0" {
		return false
	}
	names, err := os.ReadDir(filepath.Join(r.commonDir, "objects", "17"))
	return err == nil && len(names) > gcAuto/256
}
