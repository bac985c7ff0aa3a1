package scratch

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func none(string) string { return "" }

func TestAFolderIsPrivateAndGoesAway(t *testing.T) {
	d, err := New(none)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() && inMemory("/dev/shm") != d.InMemory() {
		t.Errorf("%s: in memory %t", d.Path(), d.InMemory())
	}
	path, err := d.Write("x.yaml", []byte("s3cr3t"))
	if err != nil {
		t.Fatal(err)
	}
	for p, mode := range map[string]os.FileMode{d.Path(): 0o700, path: 0o600} {
		if info, err := os.Stat(p); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", p, info.Mode(), err)
		}
	}
	for _, name := range []string{"", ".", "..", "../x", "a/b", ownerFile, "x.yaml"} {
		if _, err := d.Write(name, nil); err == nil {
			t.Errorf("%q was written", name)
		}
	}
	still, err := os.Open(path) // a name that is gone leaves its bytes to who has it open
	if err != nil {
		t.Fatal(err)
	}
	defer still.Close()
	for range 2 {
		if err := d.Remove(); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(d.Path()); !os.IsNotExist(err) {
		t.Errorf("it is still there: %v", err)
	}
	left := make([]byte, 6)
	if _, err := still.Read(left); err != nil || !bytes.Equal(left, make([]byte, 6)) {
		t.Errorf("%q was not overwritten: %v", left, err)
	}
}

func TestFoldersOfTheDeadAreSwept(t *testing.T) {
	place := t.TempDir()
	alive, err := in(place)
	if err != nil {
		t.Fatal(err)
	}
	dead, err := in(place)
	if err != nil {
		t.Fatal(err)
	}
	_ = dead.owner.Close() // as the system does when a process ends
	outside := filepath.Join(place, "outside")
	if err := os.WriteFile(outside, []byte("keep"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dead.Path(), "link")); err != nil {
		t.Fatal(err)
	}
	if _, err := in(place); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(alive.Path()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dead.Path()); !os.IsNotExist(err) {
		t.Errorf("it is still there: %v", err)
	}
	if data, err := os.ReadFile(outside); err != nil || string(data) != "keep" {
		t.Errorf("a link was followed: %q, %v", data, err)
	}
}

func TestPlacesThatAreNotInMemoryAreNotChosen(t *testing.T) {
	d, err := New(func(string) string { return t.TempDir() })
	if err != nil {
		t.Fatal(err)
	}
	defer d.Remove()
	if in := filepath.Dir(d.Path()); d.InMemory() && in != "/dev/shm" {
		t.Error(in)
	}
}
