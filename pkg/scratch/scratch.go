// Package scratch gives private folders for files that hold secrets while a program needs them, in memory where the system
// has a place for that, and takes them away.
//
// [New] makes one, [Dir.Remove] overwrites and removes it. A folder of a process that was killed is removed by the next New on
// the same machine: each holds a file that its owner keeps locked.
package scratch

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/llm-devops/lcm/pkg/filelock"
)

const (
	prefix    = "lcm-private-"
	ownerFile = ".owner"
)

// Dir is a folder that only its owner can enter (mode 0700).
type Dir struct {
	path     string
	inMemory bool
	owner    *os.File
}

// New makes a folder in the first place that is in memory: $XDG_RUNTIME_DIR, /dev/shm; else in the system's folder for
// temporary files, which [Dir.InMemory] tells.
func New(getenv func(string) string) (*Dir, error) {
	for _, place := range []string{getenv("XDG_RUNTIME_DIR"), "/dev/shm"} {
		if !filepath.IsAbs(place) || !inMemory(place) {
			continue
		}
		if d, err := in(place); err == nil {
			d.inMemory = true
			return d, nil
		}
	}
	return in(os.TempDir())
}

// in makes a folder in a place, after removing those of processes that are dead.
func in(place string) (*Dir, error) {
	sweep(place)
	for range 10 {
		var random [8]byte
		_, _ = rand.Read(random[:]) // never fails
		path := filepath.Join(place, prefix+hex.EncodeToString(random[:]))
		if err := os.Mkdir(path, 0o700); err != nil {
			return nil, fmt.Errorf("make a private folder: %w", err)
		}
		// Until the lock is taken somebody who sweeps may take the folder for a dead one's: then once more.
		owner, err := os.OpenFile(filepath.Join(path, ownerFile), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("make a private folder: %w", err), os.Remove(path))
		}
		locked, err := filelock.Try(owner)
		if _, gone := os.Stat(owner.Name()); err != nil || !locked || gone != nil {
			_ = owner.Close()
			if err != nil {
				return nil, errors.Join(fmt.Errorf("make a private folder: %w", err), os.RemoveAll(path))
			}
			continue
		}
		return &Dir{path: path, owner: owner}, nil
	}
	return nil, fmt.Errorf("cannot make a private folder in %s", place)
}

// sweep removes the folders of this user whose owner is dead.
func sweep(place string) {
	entries, err := os.ReadDir(place)
	if err != nil {
		return
	}
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), prefix) {
			continue
		}
		path := filepath.Join(place, e.Name())
		owner, err := os.OpenFile(filepath.Join(path, ownerFile), os.O_RDWR, 0) // fails for another user's
		if err != nil {
			continue
		}
		if locked, err := filelock.Try(owner); err == nil && locked {
			_ = wipe(path)
		}
		_ = owner.Close()
	}
}

// Path gives the folder's absolute path.
func (d *Dir) Path() string { return d.path }

// InMemory reports whether the folder is in a file system that keeps its files in memory. The system may still swap it out.
func (d *Dir) InMemory() bool { return d.inMemory }

// Write makes a file in the folder that only its owner can read and write (mode 0600), and gives its path. The name is one
// word: no folders.
func (d *Dir) Write(name string, data []byte) (string, error) {
	if name == ownerFile || name != filepath.Base(name) || !filepath.IsLocal(name) {
		return "", fmt.Errorf("%q is no name for a file in a private folder", name)
	}
	path := filepath.Join(d.path, name)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", fmt.Errorf("write a private file: %w", err)
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err != nil {
		return "", fmt.Errorf("write a private file: %w", err)
	}
	return path, nil
}

// Remove overwrites what the folder holds and removes it. Running it again is harmless.
func (d *Dir) Remove() error {
	err := wipe(d.path)
	_ = d.owner.Close()
	return err
}

// wipe overwrites all files below a folder with zeros, as far as their file system overwrites in place, and removes it. No
// link is followed.
func wipe(dir string) error {
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || err == nil && !e.Type().IsRegular() {
			return nil
		}
		if err != nil {
			return err
		}
		return overwrite(path)
	})
	if err = errors.Join(err, os.RemoveAll(dir)); err != nil {
		return fmt.Errorf("remove the private folder %s: %w", dir, err)
	}
	return nil
}

func overwrite(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil // it is removed all the same
	}
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && info.Size() > 0 {
		_, err = io.CopyN(f, zeros{}, info.Size())
	}
	return errors.Join(err, f.Close())
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
