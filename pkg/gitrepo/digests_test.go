package gitrepo

import (
	"errors"
	"maps"
	"os"
	"slices"
	"testing"
)

func TestDigests(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, map[string]string{"d/a": "1\n", "d/b": "2\n", "d/c": "1\n", "d/deep/x": "1\n", "empty": ""})
	at, err := s.repo.At(t.Context(), s.head())
	if err != nil {
		t.Fatal(err)
	}
	for name, snapshot := range map[string]Snapshot{"worktree": s.repo.Worktree(), "revision": at} {
		got, err := snapshot.(Digester).Digests(t.Context(), "d")
		if err != nil || !slices.Equal(slices.Sorted(maps.Keys(got)), []string{"a", "b", "c"}) || got["a"] != got["c"] || got["a"] == got["b"] {
			t.Errorf("%s: %v, %v", name, got, err)
		}
		if got, err := snapshot.(Digester).Digests(t.Context(), "nowhere"); len(got) > 0 || err != nil {
			t.Errorf("%s: a missing folder: %v, %v", name, got, err)
		}
		if got, err := snapshot.(Digester).Digests(t.Context(), "."); err != nil || len(got) != 1 {
			t.Errorf("%s: the root: %v, %v", name, got, err)
		}
	}
	got, err := s.repo.Worktree().(Digester).Digests(t.Context(), "d")
	if err != nil || got["b"] != ContentDigest([]byte("2\n")) {
		t.Errorf("%v, %v", got, err)
	}
	if err := os.Symlink(s.path("d"), s.path("link")); err != nil {
		t.Skip(err)
	}
	var odd *PathError
	if got, err := s.repo.Worktree().(Digester).Digests(t.Context(), "link"); !errors.As(err, &odd) {
		t.Errorf("through a link: %v, %v", got, err)
	}
}
