package dir_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/llm-devops/lcm/pkg/publish"
	"github.com/llm-devops/lcm/pkg/publish/dir"
	"github.com/llm-devops/lcm/pkg/publish/publishtest"
)

func open(t *testing.T, path string) *dir.Store {
	t.Helper()
	s, err := dir.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestContract(t *testing.T) {
	publishtest.TestStore(t, func(t *testing.T) func() publish.Store {
		path := filepath.Join(t.TempDir(), "new", "store")
		return func() publish.Store { return open(t, path) }
	})
}

func TestPermissions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	old := unix.Umask(0)
	defer unix.Umask(old)
	s := open(t, path)
	if err := s.PutIfAbsent(t.Context(), "a/b/c.json", []byte("x")); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A link inside the store must not lead out of it.
func TestNoWayOut(t *testing.T) {
	outside, path := t.TempDir(), filepath.Join(t.TempDir(), "store")
	s := open(t, path)
	if err := os.WriteFile(filepath.Join(outside, "key.json"), []byte("outside"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(path, "link")); err != nil {
		t.Fatal(err)
	}
	if data, _, err := s.Get(t.Context(), "link/key.json"); err == nil {
		t.Errorf("read %q from outside", data)
	}
	if err := s.PutIfAbsent(t.Context(), "link/new.json", []byte("x")); err == nil {
		t.Error("wrote outside")
	}
	if _, err := os.Stat(filepath.Join(outside, "new.json")); err == nil {
		t.Error("the file is outside")
	}
}

// What a crash leaves behind, a temporary file, is neither read nor listed.
func TestLeftovers(t *testing.T) {
	path := t.TempDir()
	s := open(t, path)
	if err := s.PutIfAbsent(t.Context(), "p/a.json", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(path, "p", ".b.json123"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := s.List(t.Context(), "p/")
	if err != nil || len(keys) != 1 {
		t.Errorf("list: %v, %v", keys, err)
	}
	if err := s.PutIfAbsent(t.Context(), "p/b.json", []byte("whole")); err != nil {
		t.Error(err)
	}
	entries, err := os.ReadDir(filepath.Join(path, "p"))
	if err != nil || len(entries) != 3 {
		t.Errorf("a finished write left something: %v, %v", entries, err)
	}
}

// A process that holds the lock for ever gives a clear error in bounded time.
func TestLockHeld(t *testing.T) {
	path := t.TempDir()
	s := open(t, path)
	f, err := os.OpenFile(filepath.Join(path, ".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err = s.PutIfAbsent(ctx, "p/a.json", []byte("x"))
	if !errors.Is(err, publish.ErrUnavailable) || !strings.Contains(err.Error(), "another process holds it") {
		t.Errorf("put: %v", err)
	}
}
