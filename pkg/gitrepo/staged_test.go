package gitrepo

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestStaged compares what is staged with the tree that git would commit.
func TestStaged(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, map[string]string{
		"a.yaml": "1", "config/b.yaml": "1", "config/deep/er/c.yaml": "1", "config/deep-er/d.yaml": "1", "gone/e.yaml": "1", "ünï": "1",
	})
	s.write("config/b.yaml", "2")
	s.write("new/f.yaml", "1")
	s.git("rm", "-q", "gone/e.yaml")
	if err := os.Symlink("a.yaml", s.path("link")); err != nil {
		t.Fatal(err)
	}
	s.git("add", "-A")
	s.write("config/b.yaml", "3, not staged")
	s.write("later.yaml", "1")
	s.git("add", "-N", "later.yaml")

	staged, err := s.repo.Staged(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"config/b.yaml", "link", "new/f.yaml"}, staged.Changed); d != "" {
		t.Errorf("changed (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"gone/e.yaml"}, staged.Removed); d != "" {
		t.Errorf("removed (-want +got):\n%s", d)
	}
	want, err := s.repo.At(t.Context(), Revision{Hash: strings.TrimSpace(s.git("commit-tree", "-m", "x", strings.TrimSpace(s.git("write-tree"))))})
	if err != nil {
		t.Fatal(err)
	}
	sameTree(t, want, staged, ".")
	if _, err := staged.ReadFile(t.Context(), "later.yaml"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is only meant to be added: %v", err)
	}
	for path, reason := range map[string]string{"link": "symbolic link", "../a": "outside", ".git/config": "git directory"} {
		if _, err := staged.ReadFile(t.Context(), path); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: %v", path, err)
		}
	}

	// Another index, as a hook is told of.
	other := filepath.Join(t.TempDir(), "index")
	b, err := os.ReadFile(filepath.Join(s.repo.GitDir(), "index"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(other, b, 0o600); err != nil {
		t.Fatal(err)
	}
	s.git("reset", "-q", "--hard")
	for index, n := range map[string]int{"": 0, other: 3} {
		staged, err := s.repo.Staged(t.Context(), index)
		if err != nil || len(staged.Changed) != n {
			t.Errorf("index %q: %d changed, want %d (%v)", index, len(staged.Changed), n, err)
		}
	}
}

func sameTree(t *testing.T, want, got Snapshot, dir string) {
	t.Helper()
	a, err := want.ReadDir(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	b, err := got.ReadDir(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	for i := range a {
		if a[i].Dir {
			a[i].Digest = "" // an index knows none
		}
	}
	if d := cmp.Diff(a, b); d != "" {
		t.Errorf("%s (-want +got):\n%s", dir, d)
	}
	la, _ := want.(Digester).Digests(t.Context(), dir)
	lb, _ := got.(*Staged).Snapshot.(Digester).Digests(t.Context(), dir)
	for _, l := range []*Listing{la, lb} {
		slices.Sort(l.Dirs)
		slices.Sort(l.Odd)
	}
	if d := cmp.Diff(la, lb); d != "" {
		t.Errorf("digests of %s (-want +got):\n%s", dir, d)
	}
	sa, _ := want.Sizes(t.Context(), dir)
	sb, _ := got.Sizes(t.Context(), dir)
	if d := cmp.Diff(sa, sb); d != "" {
		t.Errorf("sizes in %s (-want +got):\n%s", dir, d)
	}
	for _, e := range a {
		name := strings.TrimPrefix(dir+"/"+e.Name, "./")
		switch {
		case e.Dir:
			sameTree(t, want, got, name)
		case !e.Irregular:
			x, _ := want.ReadFile(t.Context(), name)
			y, err := got.ReadFile(t.Context(), name)
			if err != nil || string(x) != string(y) {
				t.Errorf("%s: %q, want %q (%v)", name, y, x, err)
			}
		}
	}
}

func TestStagedOfNothingYet(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, nil)
	s.write("a/b.yaml", "1")
	s.git("add", "-A")
	staged, err := s.repo.Staged(t.Context(), "")
	if err != nil || !slices.Equal(staged.Changed, []string{"a/b.yaml"}) {
		t.Errorf("changed %q (%v)", staged.Changed, err)
	}
}

func TestStagedConflict(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, map[string]string{"a": "1\n"})
	s.git("checkout", "-q", "-b", "other")
	s.write("a", "2\n")
	s.git("commit", "-qam", "other")
	s.git("checkout", "-q", "main")
	s.write("a", "3\n")
	s.git("commit", "-qam", "main")
	s.tryGit("merge", "-q", "other")
	if _, err := s.repo.Staged(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "conflict: a") {
		t.Errorf("error %v", err)
	}
}
