//go:build unix

package gitrepo

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// The short way to a file finds what is there, or says that it is not sure: by no link, pipe, folder or other user's file.
func TestReadBeneath(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	root := filepath.Join(dir, "root")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.MkdirAll(filepath.Join(root, "a", "b"), 0o700))
	large := bytes.Repeat([]byte("0123456789abcde\n"), 1<<14)
	for file, text := range map[string][]byte{"a/b/x": []byte("x"), "a/b/empty": nil, "a/b/large": large, "../outside": []byte("secret")} {
		must(os.WriteFile(filepath.Join(root, file), text, 0o600))
	}
	must(os.Symlink("b", filepath.Join(root, "a", "link")))
	must(os.Symlink("x", filepath.Join(root, "a", "b", "file-link")))
	must(os.Symlink(filepath.Join(dir, "outside"), filepath.Join(root, "out")))
	must(os.Symlink("nowhere", filepath.Join(root, "dangling")))
	must(syscall.Mkfifo(filepath.Join(root, "a", "pipe"), 0o600))
	for path, want := range map[string]struct {
		outcome readOutcome
		content []byte
	}{
		"a/b/x": {present, []byte("x")}, "a/b/empty": {present, nil}, "a/b/large": {present, large},
		"a/b/y": {absent, nil}, "a/c/x": {absent, nil}, "z": {absent, nil},
		"a/link/x": {}, "a/b/file-link": {}, "out": {}, "dangling": {}, "a/pipe": {}, "a/b": {}, ".": {}, "a/b/x/y": {},
	} {
		content, outcome := readBeneath(root, path)
		if outcome != want.outcome || !bytes.Equal(content, want.content) {
			t.Errorf("%s: outcome %d with %d bytes, want %d with %d", path, outcome, len(content), want.outcome, len(want.content))
		}
	}
	if _, outcome := readBeneath(filepath.Join(dir, "nowhere"), "a"); outcome != unsure {
		t.Errorf("no root: %d", outcome)
	}
	alias := filepath.Join(dir, "alias") // the root itself may be reached by a link
	must(os.Symlink(root, alias))
	if content, outcome := readBeneath(alias, "a/b/x"); outcome != present || string(content) != "x" {
		t.Errorf("by a link to the root: %d, %q", outcome, content)
	}
}
