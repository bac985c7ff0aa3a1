// Package dir keeps bundles in a directory of the local machine: the embedded default, which needs no server.
//
// Objects are files below the directory, readable by their owner alone. They are written to a temporary file, synced and
// renamed, and their directory is synced, so a crash leaves an object whole or absent. Conditional writes hold a lock on the
// directory, and so are safe across processes of one machine; on a network file system only if it honours flock.
package dir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"

	"github.com/llm-devops/lcm/pkg/bundle"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/publish"
)

const (
	dirMode  = 0o700
	fileMode = 0o600
	lockFile = ".lock" // no key starts with a dot

	lockFirstWait = 2 * time.Millisecond
	lockMaxWait   = 50 * time.Millisecond
)

// Store is a [publish.Store] and a [publish.Lister] in a directory.
type Store struct {
	path string
	root *os.Root
}

// Open gives the store in a directory, which is made if it is missing.
func Open(directory string) (*Store, error) {
	abs, err := filepath.Abs(directory)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", directory, err)
	}
	if err := os.MkdirAll(abs, dirMode); err != nil {
		return nil, fmt.Errorf("open store: %w", explain(err, abs))
	}
	root, err := os.OpenRoot(abs)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", explain(err, abs))
	}
	return &Store{path: abs, root: root}, nil
}

// Close frees the directory's handle.
func (s *Store) Close() error { return s.root.Close() }

// String implements [publish.Store].
func (s *Store) String() string { return "directory " + s.path }

// Get implements [publish.Store]; the tag is the content's digest.
func (s *Store) Get(ctx context.Context, key string) ([]byte, string, error) {
	if err := check(ctx, key); err != nil {
		return nil, "", err
	}
	data, err := s.read(key)
	if err != nil {
		return nil, "", err
	}
	return data, string(bundle.DigestOf(data)), nil
}

func (s *Store) read(key string) ([]byte, error) {
	f, err := s.root.Open(filepath.FromSlash(key))
	if err != nil {
		return nil, s.explain(err, key)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, bundle.MaxObject+1))
	if err != nil {
		return nil, s.explain(err, key)
	}
	if len(data) > bundle.MaxObject {
		return nil, fmt.Errorf("%s: larger than %d bytes", key, bundle.MaxObject)
	}
	return data, nil
}

// PutIfAbsent implements [publish.Store].
func (s *Store) PutIfAbsent(ctx context.Context, key string, data []byte) error {
	_, err := s.Replace(ctx, key, data, "")
	return err
}

// Replace implements [publish.Store].
func (s *Store) Replace(ctx context.Context, key string, data []byte, expected string) (string, error) {
	if err := check(ctx, key); err != nil {
		return "", err
	}
	unlock, err := s.lock(ctx)
	if err != nil {
		return "", err
	}
	defer unlock()
	tag := ""
	switch old, err := s.read(key); {
	case err == nil:
		tag = string(bundle.DigestOf(old))
	case !errors.Is(err, publish.ErrNotExist):
		return "", err
	}
	if tag != expected {
		return "", fmt.Errorf("%s: %w", key, publish.ErrConflict)
	}
	if err := s.write(key, data); err != nil {
		return "", s.explain(err, key)
	}
	return string(bundle.DigestOf(data)), nil
}

// write replaces a file in one step that a crash cannot split.
func (s *Store) write(key string, data []byte) error {
	name := filepath.FromSlash(key)
	parent := filepath.Dir(name)
	if err := s.makeDirs(parent); err != nil {
		return err
	}
	// The temporary name starts with a dot, so it is no key and List leaves it out.
	if err := renameio.WriteFile(name, data, fileMode, renameio.WithRoot(s.root), renameio.WithTempDir(parent), renameio.WithStaticPermissions(fileMode)); err != nil {
		return err
	}
	return s.sync(parent)
}

// makeDirs makes directories and syncs their parents, so that a crash does not lose a file with its directory.
func (s *Store) makeDirs(name string) error {
	if name == "." {
		return nil
	}
	if info, err := s.root.Stat(name); err == nil && info.IsDir() {
		return nil
	}
	if err := s.makeDirs(filepath.Dir(name)); err != nil {
		return err
	}
	if err := s.root.Mkdir(name, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return s.sync(filepath.Dir(name))
}

func (s *Store) sync(dir string) error {
	d, err := s.root.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// lock takes the lock of the whole directory. It is the kernel's, so it ends with the process that holds it.
func (s *Store) lock(ctx context.Context) (unlock func(), err error) {
	f, err := s.root.OpenFile(lockFile, os.O_CREATE|os.O_RDWR, fileMode)
	if err != nil {
		return nil, s.explain(err, lockFile)
	}
	for wait := lockFirstWait; ; wait = min(2*wait, lockMaxWait) {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			// Closing the only descriptor of this opening gives the lock back.
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			_ = f.Close()
			return nil, fmt.Errorf("lock %s: %w", s.path, err)
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, fmt.Errorf("lock %s: %w: another process holds it: %w", s.path, publish.ErrUnavailable, context.Cause(ctx))
		case <-time.After(wait):
		}
	}
}

// List implements [publish.Lister].
func (s *Store) List(ctx context.Context, prefix string) ([]string, error) {
	base := strings.TrimSuffix(prefix, "/")
	if err := check(ctx, base); err != nil {
		return nil, err
	}
	var keys []string
	err := fs.WalkDir(s.root.FS(), base, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil && name == base && errors.Is(err, fs.ErrNotExist):
			return fs.SkipAll
		case err != nil:
			return err
		case entry.Type().IsRegular() && !strings.HasPrefix(path.Base(name), "."):
			keys = append(keys, name)
		}
		return ctx.Err()
	})
	if err != nil {
		return nil, s.explain(err, prefix)
	}
	slices.Sort(keys)
	return keys, nil
}

func check(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return publish.CheckKey(key)
}

func (s *Store) explain(err error, key string) error {
	return explain(err, filepath.Join(s.path, filepath.FromSlash(key)))
}

// explain maps a file system's error to the sentinels.
func explain(err error, name string) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: %w", name, publish.ErrNotExist)
	case errors.Is(err, fs.ErrPermission):
		return diag.WithHint(fmt.Errorf("%s: %w", name, publish.ErrPermission), "the directory belongs to the user who publishes there first; check its owner")
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return diag.WithHint(err, "free some space on the disk of %s", name)
	}
	return err
}
