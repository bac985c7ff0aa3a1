package gitrepo

import (
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestDigests(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("0123456789abcdef", 5000)
	s := newSandbox(t, map[string]string{"d/a": "1\n", "d/b": "2\n", "d/c": "1\n", "d/deep/x": "1\n", "d/large": large, "empty": ""})
	if err := os.Symlink("a", s.path("d/link")); err != nil {
		t.Skip(err)
	}
	s.git("add", "-A")
	s.git("commit", "-q", "-m", "a link")
	at, err := s.repo.At(t.Context(), s.head())
	if err != nil {
		t.Fatal(err)
	}
	for name, snapshot := range map[string]Snapshot{"worktree": s.repo.Worktree(), "revision": at} {
		got, err := snapshot.(Digester).Digests(t.Context(), "d")
		if err != nil {
			t.Fatal(err)
		}
		if names := slices.Sorted(maps.Keys(got.Files)); !slices.Equal(names, []string{"a", "b", "c", "deep/x", "large"}) ||
			!slices.Equal(got.Dirs, []string{"deep"}) || !slices.Equal(got.Odd, []string{"link"}) {
			t.Errorf("%s: %+v", name, got)
		}
		if f := got.Files; f["a"] != f["c"] || f["a"] != f["deep/x"] || f["a"] == f["b"] {
			t.Errorf("%s: %v", name, f)
		}
		if got, err := snapshot.(Digester).Digests(t.Context(), "nowhere"); err != nil || len(got.Files) > 0 {
			t.Errorf("%s: a missing folder: %v, %v", name, got, err)
		}
		if got, err := snapshot.(Digester).Digests(t.Context(), "."); err != nil || len(got.Files) != 6 || got.Files["d/deep/x"] == "" {
			t.Errorf("%s: the root: %v, %v", name, got, err)
		}
	}
	got, err := s.repo.Worktree().(Digester).Digests(t.Context(), "d")
	if err != nil || got.Files["b"] != ContentDigest([]byte("2\n")) || got.Files["large"] != ContentDigest([]byte(large)) {
		t.Errorf("%v, %v", got, err)
	}
	if err := os.Symlink(s.path("d"), s.path("elsewhere")); err != nil {
		t.Fatal(err)
	}
	var odd *PathError
	if got, err := s.repo.Worktree().(Digester).Digests(t.Context(), "elsewhere"); !errors.As(err, &odd) {
		t.Errorf("through a link: %v, %v", got, err)
	}
}
