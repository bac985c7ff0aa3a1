package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/llm-devops/lcm/pkg/diag"
)

// WriteOption is a condition of WriteFiles.
type WriteOption func(*writeOptions)

type writeOptions struct {
	clean    bool
	expected map[string][]byte
}

// OnlyClean refuses, as a [*StateError], files with changes that are not committed.
func OnlyClean() WriteOption { return func(o *writeOptions) { o.clean = true } }

// Expect refuses, as a [*ConflictError], files whose content is no longer what the caller read: content by path, nil for a
// file that was not there. Paths that are not mentioned are not compared.
func Expect(content map[string][]byte) WriteOption {
	return func(o *writeOptions) { o.expected = content }
}

// WriteFiles changes files of the working tree and nothing else: neither the index nor HEAD. A nil content removes the
// file. Each file is replaced in one step; if one cannot be, or the process is killed, all are put back (by this call, or by
// the next command's recovery). Modes are kept; new files are not executable.
func (r *Repo) WriteFiles(ctx context.Context, files map[string][]byte, options ...WriteOption) error {
	var o writeOptions
	for _, option := range options {
		option(&o)
	}
	if err := r.writeFiles(ctx, files, o); err != nil {
		return fmt.Errorf("write files: %w", err)
	}
	return nil
}

func (r *Repo) writeFiles(ctx context.Context, files map[string][]byte, o writeOptions) error {
	if r.root == "" {
		return unsupported("bare repository", "work in a clone with a working tree")
	}
	if err := checkPaths(files); err != nil {
		return err
	}
	if _, err := r.Recover(ctx); err != nil {
		return err
	}
	if o.clean {
		dirty, err := r.Dirty(ctx, sortedKeys(files)...)
		if err != nil {
			return err
		}
		if len(dirty) > 0 {
			return diag.WithHint(&StateError{Reason: "files have changes that are not committed", Paths: dirty}, "commit them first, or put them aside with `git stash`")
		}
	}
	plan, err := r.planWrite(ctx, files, o)
	if err != nil || len(plan) == 0 {
		return err
	}
	t, err := r.begin()
	if err != nil {
		return err
	}
	c := &commitRun{repo: r, txn: t}
	if err := t.stage(plan, nil); err != nil {
		return c.undo(err)
	}
	for i, f := range t.journal.Files {
		if err := t.swapIn(i, f); errors.Is(err, errEdited) {
			return c.undo(edited([]string{f.Path}))
		} else if err != nil {
			return c.undo(fmt.Errorf("replace %s: %w", f.Path, err))
		}
		c.step("swapped")
	}
	if err := t.syncFolders(); err != nil {
		return c.undo(err)
	}
	t.pruneDirs()
	return t.end()
}

func (r *Repo) planWrite(ctx context.Context, files map[string][]byte, o writeOptions) ([]replacement, error) {
	root, err := os.OpenRoot(r.root)
	if err != nil {
		return nil, err
	}
	defer root.Close() //nolint:errcheck // a handle for reading
	var plan []replacement
	for _, path := range sortedKeys(files) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		p := replacement{path: path, content: files[path], remove: files[path] == nil}
		content, info, err := readWorktreeFile(root, path)
		switch {
		case err == nil:
			p.exists, p.before, p.perm = true, content, info.Mode().Perm()
		case !errors.Is(err, fs.ErrNotExist):
			return nil, err
		}
		if want, ok := o.expected[path]; ok && ((want != nil) != p.exists || string(want) != string(p.before)) {
			return nil, edited([]string{path})
		}
		if p.remove && !p.exists {
			return nil, notExist(path)
		}
		if !p.remove && p.exists && string(p.before) == string(p.content) {
			continue
		}
		plan = append(plan, p)
	}
	return plan, nil
}
