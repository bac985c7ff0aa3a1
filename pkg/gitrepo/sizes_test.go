package gitrepo

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Sizes must be what ReadFile would give, wherever an object lies: loose, packed, and as a delta.
func TestSizesAreThoseOfWhatIsRead(t *testing.T) {
	text := strings.Repeat("a line that compresses and makes deltas\n", 300)
	files := map[string]string{"d/one": text, "d/two": text + "and one more\n", "d/empty": "", "other": "x"}
	s := newSandbox(t, files)
	s.git("repack", "-adfq")
	files["d/loose"] = "x"
	if err := os.WriteFile(filepath.Join(s.dir, "d/loose"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.git("add", "-A")
	s.git("commit", "-q", "-m", "loose")
	if err := os.Symlink("one", filepath.Join(s.dir, "d", "link")); err != nil {
		t.Fatal(err)
	}
	want := map[string]int64{}
	for file, content := range files {
		if name, ok := strings.CutPrefix(file, "d/"); ok {
			want[name] = int64(len(content))
		}
	}
	r, err := Open(t.Context(), s.dir)
	if err != nil {
		t.Fatal(err)
	}
	head, _, _, err := r.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	at, err := r.At(t.Context(), head)
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]Snapshot{"worktree": r.Worktree(), "revision": at} {
		got, err := s.Sizes(t.Context(), "d")
		if err != nil || !maps.Equal(got, want) {
			t.Errorf("%s: %v, %v, want %v", name, got, err, want)
		}
		if _, err := s.Sizes(t.Context(), "none"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: a missing folder gives %v", name, err)
		}
	}
}
