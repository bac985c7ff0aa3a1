package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// Changed gives the files that were added, removed or changed between two revisions below a path ("." for all), sorted.
// The zero Revision stands for no files at all. Subtrees that are the same are not opened.
func (r *Repo) Changed(ctx context.Context, a, b Revision, under string) ([]string, error) {
	if err := cleanPath(under); err != nil {
		return nil, fmt.Errorf("compare revisions: %w", err)
	}
	from, err := r.entryAt(ctx, a, under)
	if err != nil {
		return nil, fmt.Errorf("compare revisions: %w", err)
	}
	to, err := r.entryAt(ctx, b, under)
	if err != nil {
		return nil, fmt.Errorf("compare revisions: %w", err)
	}
	prefix := under
	if under == "." {
		prefix = ""
	}
	paths, err := r.objects.compare(ctx, from, to, prefix, nil)
	if err != nil {
		return nil, fmt.Errorf("compare revisions: %w", err)
	}
	slices.Sort(paths)
	return slices.Compact(paths), nil
}

// entryAt gives what is at a path of a revision; the zero entry when nothing is.
func (r *Repo) entryAt(ctx context.Context, rev Revision, path string) (treeEntry, error) {
	root, err := r.objects.commitTree(ctx, rev)
	if err != nil || root.IsZero() {
		return treeEntry{}, err
	}
	e, err := walkTree(ctx, r.objects.tree, root, path)
	if errors.Is(err, fs.ErrNotExist) {
		return treeEntry{}, nil
	}
	return e, err
}

// compare appends the paths of the files that differ between two entries of the same path.
func (s *objectStore) compare(ctx context.Context, a, b treeEntry, path string, out []string) ([]string, error) {
	if a.id == b.id && a.mode == b.mode {
		return out, nil
	}
	if (!a.id.IsZero() && !a.isDir()) || (!b.id.IsZero() && !b.isDir()) {
		// At least one is a file; what is below the other, if that is a folder, comes and goes as a whole.
		out = append(out, filePath(a, path)...)
		out = append(out, filePath(b, path)...)
	}
	from, err := s.folder(ctx, a)
	if err != nil {
		return nil, err
	}
	to, err := s.folder(ctx, b)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(from)+len(to))
	for name := range from {
		names = append(names, name)
	}
	for name := range to {
		if _, ok := from[name]; !ok {
			names = append(names, name)
		}
	}
	for _, name := range names {
		if out, err = s.compare(ctx, from[name], to[name], strings.TrimPrefix(path+"/"+name, "/"), out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func filePath(e treeEntry, path string) []string {
	if e.id.IsZero() || e.isDir() {
		return nil
	}
	return []string{path}
}

func (s *objectStore) folder(ctx context.Context, e treeEntry) (map[string]treeEntry, error) {
	if !e.isDir() {
		return nil, nil
	}
	entries, err := s.tree(ctx, e.id)
	if err != nil {
		return nil, err
	}
	m := make(map[string]treeEntry, len(entries))
	for _, e := range entries {
		m[e.name] = e
	}
	return m, nil
}

// Dirty gives the files in the worktree or the index that differ from HEAD, and the untracked ones that are not ignored,
// below the paths given (all if none are), sorted.
func (r *Repo) Dirty(ctx context.Context, paths ...string) ([]string, error) {
	if r.root == "" {
		return nil, fmt.Errorf("status: %w", unsupported("bare repository", "work in a clone with a working tree"))
	}
	args := []string{
		"--literal-pathspecs", "status", "--porcelain=v2", "-z", "--untracked-files=all", "--no-renames", "--",
	}
	for _, p := range paths {
		if err := cleanPath(p); err != nil {
			return nil, fmt.Errorf("status: %w", err)
		}
	}
	out, err := r.git(ctx, append(args, paths...)...)
	if err != nil {
		return nil, fmt.Errorf("status: %w", err)
	}
	dirty, err := parseStatus(string(out))
	if err != nil {
		return nil, fmt.Errorf("status: %w", err)
	}
	return dirty, nil
}

// parseStatus reads "git status --porcelain=v2 -z --no-renames". The fields before the path are, by the kind of line:
// "1" ordinary: 8, "u" unmerged: 10, "?" untracked: 1.
func parseStatus(out string) ([]string, error) {
	fields := map[byte]int{'1': 8, 'u': 10, '?': 1}
	var paths []string
	for line := range strings.SplitSeq(out, "\x00") {
		if line == "" || line[0] == '#' || line[0] == '!' {
			continue
		}
		n, ok := fields[line[0]]
		parts := strings.SplitN(line, " ", n+1)
		if !ok || len(parts) != n+1 {
			return nil, fmt.Errorf("unexpected line %q from git", line)
		}
		paths = append(paths, parts[n])
	}
	slices.Sort(paths)
	return slices.Compact(paths), nil
}

// blobAt gives the mode and id of the file at a path of a tree; the zero entry when there is none.
func (s *objectStore) blobAt(ctx context.Context, root plumbing.Hash, path string) (treeEntry, error) {
	return blobIn(ctx, s.tree, root, path)
}

func blobIn(ctx context.Context, read treeReader, root plumbing.Hash, path string) (treeEntry, error) {
	if root.IsZero() {
		return treeEntry{}, nil
	}
	e, err := walkTree(ctx, read, root, path)
	if errors.Is(err, fs.ErrNotExist) {
		return treeEntry{}, nil
	}
	if err != nil {
		return treeEntry{}, err
	}
	if !e.isRegular() {
		return treeEntry{}, irregular(path, e.mode)
	}
	return e, nil
}
