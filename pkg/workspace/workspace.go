// Package workspace is a config repository opened: its settings, tenants and layers, at the worktree or at any revision.
//
// [Open] finds the repository; [Workspace.Worktree], [Workspace.At] and [Workspace.Overlay] give a [Snapshot], through which
// everything is read. A snapshot resolves an address to its merged tree; what it gives depends on the files of that snapshot
// alone. Files are parsed once per snapshot, when they are first needed; a snapshot is safe for concurrent use.
package workspace

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/llm-devops/lcm/pkg/cuelayer"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/gitrepo"
	"github.com/llm-devops/lcm/pkg/schema"
	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/template"
)

// Workspace is an opened config repository.
type Workspace struct {
	repo    *gitrepo.Repo
	keyring *seal.Keyring
	builtin []schema.Source
	cue     *cuelayer.Evaluator

	templates []template.Source // those that come with the program
}

// Options are what a workspace needs from outside the repository.
type Options struct {
	Keyring *seal.Keyring
	Builtin []schema.Source // the modules that come with the program

	Templates []template.Source // the templates that come with the program
}

// NotConfigRepositoryError says that a Git repository has no lcm.yaml.
type NotConfigRepositoryError struct{ Root string }

func (e *NotConfigRepositoryError) Error() string {
	return fmt.Sprintf("%s is a Git repository, but no config repository: it has no %s", e.Root, SettingsFile)
}

// Open opens the config repository that dir is in.
func Open(ctx context.Context, dir string, o Options) (*Workspace, error) {
	repo, err := gitrepo.Open(ctx, dir)
	if err != nil {
		if errors.Is(err, gitrepo.ErrNotRepository) {
			return nil, diag.WithHint(err, "go to a config repository, name one with -C DIR, or make one: lcm init DIR")
		}
		return nil, err
	}
	return New(repo, o), nil
}

// New gives the workspace of an opened repository.
func New(repo *gitrepo.Repo, o Options) *Workspace {
	return &Workspace{repo: repo, keyring: o.Keyring, builtin: o.Builtin, templates: o.Templates, cue: cuelayer.New()}
}

// Repo gives the Git repository underneath.
func (w *Workspace) Repo() *gitrepo.Repo { return w.repo }

// Keyring gives the identities that secrets are opened with.
func (w *Workspace) Keyring() *seal.Keyring { return w.keyring }

// Worktree gives the snapshot of the files as they lie in the working tree now.
func (w *Workspace) Worktree() *Snapshot {
	return w.snapshot(settled{placed{w.repo.Worktree()}, &sync.Map{}})
}

// At gives the snapshot of a revision: anything that git rev-parse takes.
func (w *Workspace) At(ctx context.Context, rev string) (*Snapshot, error) {
	r, err := w.repo.Resolve(ctx, rev)
	if err != nil {
		return nil, err
	}
	files, err := w.repo.At(ctx, r)
	if err != nil {
		return nil, err
	}
	return w.snapshot(placed{files}), nil
}

// Staged gives the snapshot of what is staged, and which files the next commit would change. The index is the repository's own,
// or the file that is named (see [gitrepo.Repo.Staged]).
func (w *Workspace) Staged(ctx context.Context, index string) (*Snapshot, *gitrepo.Staged, error) {
	staged, err := w.repo.Staged(ctx, index)
	if err != nil {
		return nil, nil, err
	}
	return w.snapshot(placed{staged.Snapshot}), staged, nil
}

// Overlay gives the snapshot that base would be with some files replaced, or removed where the content is nil.
func (w *Workspace) Overlay(base *Snapshot, files map[string][]byte) *Snapshot {
	return w.snapshot(overlay{base.files, files})
}

func (w *Workspace) snapshot(files gitrepo.Snapshot) *Snapshot {
	return &Snapshot{w: w, files: files}
}

// overlay is a snapshot with some files replaced.
type overlay struct {
	gitrepo.Snapshot
	over map[string][]byte
}

func (o overlay) Revision() gitrepo.Revision { return gitrepo.Revision{} }

func (o overlay) ReadFile(ctx context.Context, path string) ([]byte, error) {
	if data, ok := o.over[path]; ok {
		if data == nil {
			return nil, &fs.PathError{Op: "read", Path: path, Err: fs.ErrNotExist}
		}
		return data, nil
	}
	return o.Snapshot.ReadFile(ctx, path)
}

func (o overlay) ReadDir(ctx context.Context, dir string) ([]gitrepo.Entry, error) {
	entries, err := o.Snapshot.ReadDir(ctx, dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	prefix := dir + "/"
	if dir == "" || dir == "." {
		prefix = ""
	}
	entries = slices.Clone(entries)
	for path, data := range o.over {
		rest, ok := strings.CutPrefix(path, prefix)
		if !ok {
			continue
		}
		name, _, below := strings.Cut(rest, "/")
		i := slices.IndexFunc(entries, func(e gitrepo.Entry) bool { return e.Name == name })
		switch {
		case data == nil && !below && i >= 0:
			entries = slices.Delete(entries, i, i+1)
		case data != nil && i < 0:
			entries = append(entries, gitrepo.Entry{Name: name, Dir: below})
		case i >= 0:
			entries[i].Digest = "" // its content is not what the base knows
		}
	}
	if len(entries) == 0 && err != nil {
		return nil, err
	}
	slices.SortFunc(entries, func(a, b gitrepo.Entry) int { return strings.Compare(a.Name, b.Name) })
	return entries, nil
}

func (o overlay) Sizes(ctx context.Context, dir string) (map[string]int64, error) {
	sizes, err := o.Snapshot.Sizes(ctx, dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	added := false
	for file, data := range o.over {
		if path.Dir(file) != dir {
			continue
		}
		if data == nil {
			delete(sizes, path.Base(file))
			continue
		}
		if sizes == nil {
			sizes = map[string]int64{}
		}
		sizes[path.Base(file)] = int64(len(data))
		added = true
	}
	if err != nil && !added {
		return nil, err
	}
	return sizes, nil
}
