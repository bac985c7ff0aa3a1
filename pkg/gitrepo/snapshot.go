package gitrepo

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/go-git/go-git/v5/plumbing"
)

// Snapshot is a tree of files: the worktree, or the repository at a revision. It is safe for concurrent use. Paths are
// slash-separated and relative to the repository's root; "." is the root. Nothing outside the repository can be reached
// and no symbolic link is followed: the error is [*PathError].
type Snapshot interface {
	// Revision is zero for the worktree.
	Revision() Revision
	// ReadFile gives a regular file's content. A missing file is fs.ErrNotExist.
	ReadFile(ctx context.Context, path string) ([]byte, error)
	// ReadDir gives a folder's entries sorted by name, without the git directory. A missing folder, or a file of that
	// name, is fs.ErrNotExist.
	ReadDir(ctx context.Context, path string) ([]Entry, error)
	// Sizes gives the lengths in bytes of the regular files in a folder by their names, without reading them. A missing
	// folder is fs.ErrNotExist.
	Sizes(ctx context.Context, path string) (map[string]int64, error)
}

// Entry is one name in a folder.
type Entry struct {
	Name      string
	Dir       bool
	Irregular bool   // neither a folder nor a regular file: ReadFile will refuse it
	Digest    string // the git id of the content, or "" where it is not known without reading (the worktree)
}

// cleanPath checks a caller's path: relative, slash-separated, in its shortest form, and not into a git directory.
func cleanPath(path string) error {
	if path == "." {
		return nil
	}
	if strings.ContainsAny(path, "\x00\\") {
		return &PathError{Path: path, Reason: "holds a character that is not allowed in a path"}
	}
	for name := range strings.SplitSeq(path, "/") {
		switch {
		case name == "" || name == ".":
			return &PathError{Path: path, Reason: "is not a path relative to the repository's root"}
		case name == "..":
			return &PathError{Path: path, Reason: "leads outside the repository"}
		case strings.EqualFold(name, ".git"):
			return &PathError{Path: path, Reason: "leads into a git directory"}
		}
	}
	return nil
}

// revisionSnapshot is the tree of one commit.
type revisionSnapshot struct {
	objects *objectStore
	rev     Revision
	root    plumbing.Hash

	mu    sync.Mutex
	trees map[plumbing.Hash][]treeEntry // the folders read so far: callers come back to the same ones
}

// At gives the repository as it was at a commit. Only objects are read, so it stays the same whatever happens meanwhile.
func (r *Repo) At(ctx context.Context, rev Revision) (Snapshot, error) {
	if rev.IsZero() {
		return nil, fmt.Errorf("open snapshot: %w", &UnknownRevisionError{Rev: "", Reason: "no revision given"})
	}
	root, err := r.objects.commitTree(ctx, rev)
	if err != nil {
		return nil, fmt.Errorf("open snapshot at %s: %w", rev.Short(), err)
	}
	return &revisionSnapshot{objects: r.objects, rev: rev, root: root, trees: map[plumbing.Hash][]treeEntry{}}, nil
}

func (s *revisionSnapshot) Revision() Revision { return s.rev }

func (s *revisionSnapshot) ReadFile(ctx context.Context, path string) ([]byte, error) {
	e, err := s.lookup(ctx, path)
	if err != nil {
		return nil, s.wrap(err)
	}
	if !e.isRegular() {
		return nil, s.wrap(irregular(path, e.mode))
	}
	content, err := s.objects.readKind(ctx, e.id, plumbing.BlobObject)
	if err != nil {
		return nil, s.wrap(fmt.Errorf("%s: %w", path, err))
	}
	return content, nil
}

func (s *revisionSnapshot) ReadDir(ctx context.Context, path string) ([]Entry, error) {
	e, err := s.lookup(ctx, path)
	if err != nil {
		return nil, s.wrap(err)
	}
	switch {
	case e.isRegular():
		return nil, s.wrap(notExist(path))
	case !e.isDir():
		return nil, s.wrap(irregular(path, e.mode))
	}
	tree, err := s.tree(ctx, e.id)
	if err != nil {
		return nil, s.wrap(fmt.Errorf("%s: %w", path, err))
	}
	entries := make([]Entry, len(tree))
	for i, e := range tree {
		entries[i] = Entry{Name: e.name, Dir: e.isDir(), Irregular: !e.isDir() && !e.isRegular(), Digest: e.id.String()}
	}
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return entries, nil
}

func (s *revisionSnapshot) wrap(err error) error {
	return fmt.Errorf("read at %s: %w", s.rev.Short(), err)
}

func (s *revisionSnapshot) tree(ctx context.Context, id plumbing.Hash) ([]treeEntry, error) {
	s.mu.Lock()
	entries, ok := s.trees[id]
	s.mu.Unlock()
	if ok {
		return entries, nil
	}
	entries, err := s.objects.tree(ctx, id)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.trees[id] = entries
	s.mu.Unlock()
	return entries, nil
}

func (s *revisionSnapshot) lookup(ctx context.Context, path string) (treeEntry, error) {
	if err := cleanPath(path); err != nil {
		return treeEntry{}, err
	}
	return walkTree(ctx, s.tree, s.root, path)
}
