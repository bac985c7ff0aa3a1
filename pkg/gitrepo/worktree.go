package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// worktreeSnapshot reads the files as they are on disk.
type worktreeSnapshot struct{ root string }

// Worktree gives the files as they are on disk now, tracked or not. In a bare repository every read fails.
func (r *Repo) Worktree() Snapshot { return worktreeSnapshot{root: r.root} }

func (worktreeSnapshot) Revision() Revision { return Revision{} }

func (s worktreeSnapshot) ReadFile(ctx context.Context, path string) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := s.check(path); err != nil {
		return nil, fmt.Errorf("read file: %w", err)
	}
	switch content, outcome := readBeneath(s.root, path); outcome {
	case present:
		return content, nil
	case absent:
		return nil, fmt.Errorf("read file: %w", notExist(path))
	}
	root, err := s.open(path)
	if err != nil {
		return nil, fmt.Errorf("read file: %w", err)
	}
	defer root.Close() //nolint:errcheck // a handle for reading
	content, _, err := readWorktreeFile(root, path)
	if err != nil {
		return nil, fmt.Errorf("read file: %w", err)
	}
	return content, nil
}

func (s worktreeSnapshot) ReadDir(ctx context.Context, path string) ([]Entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	names, err := s.names(path)
	if err != nil {
		return nil, fmt.Errorf("read folder: %w", err)
	}
	entries := make([]Entry, 0, len(names))
	for _, n := range names {
		if strings.EqualFold(n.Name(), ".git") {
			continue
		}
		entries = append(entries, Entry{Name: n.Name(), Dir: n.IsDir(), Irregular: !n.IsDir() && !n.Type().IsRegular()})
	}
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return entries, nil
}

// names lists a folder that is reached without following a symbolic link.
func (s worktreeSnapshot) names(path string) ([]fs.DirEntry, error) {
	root, err := s.open(path)
	if err != nil {
		return nil, err
	}
	defer root.Close() //nolint:errcheck // a handle for reading
	if err := noSymlinks(root, path, true); err != nil {
		return nil, err
	}
	info, err := root.Lstat(filepath.FromSlash(path))
	switch {
	case err != nil:
		return nil, missing(err, path)
	case info.Mode().IsRegular():
		return nil, notExist(path)
	case !info.IsDir(): // to open a pipe would wait for a writer
		return nil, &PathError{Path: path, Reason: "is not a folder"}
	}
	dir, err := root.Open(filepath.FromSlash(path))
	if err != nil {
		return nil, missing(err, path)
	}
	defer dir.Close() //nolint:errcheck // a handle for reading
	names, err := dir.ReadDir(-1)
	if err != nil {
		return nil, missing(err, path)
	}
	return names, nil
}

// readOutcome is what the short way to a file came to. Where that is unsure, the long one says what is there.
type readOutcome uint8

const (
	unsure readOutcome = iota
	present
	absent
)

// check refuses paths that are none in the repository.
func (s worktreeSnapshot) check(path string) error {
	if err := cleanPath(path); err != nil {
		return err
	}
	if s.root == "" {
		return unsupported("bare repository", "name a revision to read at")
	}
	return nil
}

func (s worktreeSnapshot) open(path string) (*os.Root, error) {
	if err := s.check(path); err != nil {
		return nil, err
	}
	return os.OpenRoot(s.root)
}

// readWorktreeFile reads a regular file that is reached without following a symbolic link.
func readWorktreeFile(root *os.Root, path string) (content []byte, info fs.FileInfo, err error) {
	if err := noSymlinks(root, path, false); err != nil {
		return nil, nil, err
	}
	info, err = root.Lstat(filepath.FromSlash(path))
	if err != nil {
		return nil, nil, missing(err, path)
	}
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		return nil, nil, irregular(path, modeSymlink)
	case info.IsDir():
		return nil, nil, irregular(path, modeDir)
	case !info.Mode().IsRegular():
		return nil, nil, irregular(path, "")
	}
	f, err := root.Open(filepath.FromSlash(path))
	if err != nil {
		return nil, nil, missing(err, path)
	}
	defer f.Close() //nolint:errcheck // a handle for reading
	content, err = io.ReadAll(io.LimitReader(f, maxObject+1))
	if err != nil {
		return nil, nil, err
	}
	if len(content) > maxObject {
		return nil, nil, &PathError{Path: path, Reason: fmt.Sprintf("is over the limit of %d bytes", maxObject)}
	}
	return content, info, nil
}

// noSymlinks refuses a path one of whose folders is a symbolic link: to git nothing lies beyond one. With last, the final
// name counts as a folder.
func noSymlinks(root *os.Root, path string, last bool) error {
	for i, c := range path + "/" {
		if c != '/' || (i == len(path) && !last) {
			continue
		}
		info, err := root.Lstat(filepath.FromSlash(path[:i]))
		if err != nil {
			return missing(err, path)
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			return irregular(path[:i], modeSymlink)
		}
	}
	return nil
}

// missing turns "a folder on the way is a file" into the plain absence that it is for a reader.
func missing(err error, path string) error {
	if errors.Is(err, syscall.ENOTDIR) || errors.Is(err, fs.ErrNotExist) {
		return notExist(path)
	}
	return err
}
