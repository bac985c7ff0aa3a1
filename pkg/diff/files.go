package diff

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/gitrepo"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// changedFiles gives the files with a part in what addresses resolve to that may differ between two snapshots, sorted.
func changedFiles(ctx context.Context, old, new *workspace.Snapshot, o Options) ([]string, error) {
	files := o.Files
	if files == nil {
		var err error
		if files, err = findChanged(ctx, old, new, o.Repo); err != nil {
			return nil, err
		}
	}
	files = slices.DeleteFunc(slices.Clone(files), func(f string) bool { return !isRelevant(f) })
	slices.Sort(files)
	return slices.Compact(files), nil
}

// watched gives the files and folders with a part in what addresses resolve to.
func watched() []string {
	return []string{workspace.SettingsFile, workspace.LockFile, address.Root, workspace.SchemaDir, workspace.TemplateDir, workspace.SharedDir}
}

func isRelevant(file string) bool {
	return slices.ContainsFunc(watched(), func(part string) bool { return file == part || isBelow(file, part) })
}

func isBelow(file, dir string) bool { return strings.HasPrefix(file, dir+"/") }

func findChanged(ctx context.Context, old, new *workspace.Snapshot, repo *gitrepo.Repo) ([]string, error) {
	a, b := old.Revision(), new.Revision()
	switch {
	case repo != nil && !a.IsZero() && !b.IsZero():
		return repo.Changed(ctx, a, b, ".")
	case repo != nil && a.IsZero() != b.IsZero():
		// The worktree against a revision: what is dirty, and what the revision differs in from HEAD.
		head, _, _, err := repo.Head(ctx)
		if err != nil {
			return nil, err
		}
		dirty, err := repo.Dirty(ctx, watched()...)
		if err != nil {
			return nil, err
		}
		rev := a
		if a.IsZero() {
			rev = b
		}
		if rev == head {
			return dirty, nil
		}
		committed, err := repo.Changed(ctx, rev, head, ".")
		return append(dirty, committed...), err
	}
	w := walker{old: old, new: new}
	for _, root := range watched() {
		if err := w.walk(ctx, root); err != nil {
			return nil, err
		}
	}
	return w.files, nil
}

// walker finds differing files by walking two snapshots side by side; what has the same digest is not opened.
type walker struct {
	old, new *workspace.Snapshot
	files    []string
}

func (w *walker) walk(ctx context.Context, name string) error {
	oldEntries, err := readDir(ctx, w.old, name)
	if err != nil {
		return err
	}
	newEntries, err := readDir(ctx, w.new, name)
	if err != nil {
		return err
	}
	if oldEntries == nil && newEntries == nil {
		return w.file(ctx, name)
	}
	names := map[string][2]gitrepo.Entry{}
	for _, e := range oldEntries {
		names[e.Name] = [2]gitrepo.Entry{e, {}}
	}
	for _, e := range newEntries {
		names[e.Name] = [2]gitrepo.Entry{names[e.Name][0], e}
	}
	for child, e := range names {
		if e[0].Digest != "" && e[0].Digest == e[1].Digest || e[0].Irregular || e[1].Irregular {
			continue
		}
		below := path.Join(name, child)
		if e[0].Dir || e[1].Dir {
			err = w.walk(ctx, below)
		} else {
			err = w.file(ctx, below)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readDir gives nil for a folder that is not there.
func readDir(ctx context.Context, s *workspace.Snapshot, name string) ([]gitrepo.Entry, error) {
	entries, err := s.ReadDir(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return entries, err
}

func (w *walker) file(ctx context.Context, name string) error {
	a, err := readFile(ctx, w.old, name)
	if err != nil {
		return err
	}
	b, err := readFile(ctx, w.new, name)
	if err != nil {
		return err
	}
	if (a == nil) != (b == nil) || !bytes.Equal(a, b) {
		w.files = append(w.files, name)
	}
	return nil
}

// readFile gives nil for a file that is not there, and something else for an empty one.
func readFile(ctx context.Context, s *workspace.Snapshot, name string) ([]byte, error) {
	data, err := s.ReadFile(ctx, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case data == nil:
		return []byte{}, nil
	}
	return data, nil
}
