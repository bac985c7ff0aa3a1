package gitrepo

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/llm-devops/lcm/pkg/diag"
)

func TestUnsupported(t *testing.T) {
	t.Parallel()
	run := func(t *testing.T, dir string, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "git", args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %s", args, out)
		}
	}
	clone := func(s *sandbox, args ...string) string {
		dir := filepath.Join(filepath.Dir(s.dir), "clone")
		run(s.t.(*testing.T), filepath.Dir(s.dir), append(append([]string{"clone", "-q"}, args...), "file://"+strings.ReplaceAll(s.dir, " ", "%20"), dir)...)
		return dir
	}
	tests := []struct {
		name  string
		make  func(t *testing.T, s *sandbox) string
		names string
	}{
		{"sha256", func(t *testing.T, s *sandbox) string {
			run(t, filepath.Dir(s.dir), "init", "-q", "--object-format=sha256", "other")
			return filepath.Join(filepath.Dir(s.dir), "other")
		}, "sha256"},
		{"reftable", func(_ *testing.T, s *sandbox) string {
			s.git("config", "core.repositoryFormatVersion", "1")
			s.git("config", "extensions.refStorage", "reftable")
			return s.dir
		}, "reftable"},
		{"another extension", func(_ *testing.T, s *sandbox) string {
			s.git("config", "extensions.shiny", "true")
			s.git("config", "core.repositoryFormatVersion", "1")
			return s.dir
		}, "shiny"},
		{"another version", func(_ *testing.T, s *sandbox) string {
			s.git("config", "core.repositoryFormatVersion", "7")
			return s.dir
		}, "version 7"},
		{"partial clone", func(_ *testing.T, s *sandbox) string {
			s.git("config", "uploadpack.allowFilter", "true")
			return clone(s, "--filter=blob:none")
		}, "partial clone"},
		{"split index", func(_ *testing.T, s *sandbox) string { s.git("update-index", "--split-index"); return s.dir }, "split index"},
		{"split index by configuration", func(_ *testing.T, s *sandbox) string { s.git("config", "core.splitIndex", "true"); return s.dir }, "split index"},
		{"sparse checkout", func(_ *testing.T, s *sandbox) string { s.git("sparse-checkout", "set", "d"); return s.dir }, "sparse checkout"},
		{"bare", func(_ *testing.T, s *sandbox) string { return clone(s, "--bare") }, "bare"},
		{"alternate that is gone", func(t *testing.T, s *sandbox) string {
			dir := filepath.Join(filepath.Dir(s.dir), "shared")
			run(t, filepath.Dir(s.dir), "clone", "-q", "--shared", s.dir, dir)
			if err := os.WriteFile(filepath.Join(dir, ".git/objects/info/alternates"), []byte("/nonexistent/objects\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			return dir
		}, "alternate"},
		{"core.worktree", func(t *testing.T, s *sandbox) string { s.git("config", "core.worktree", t.TempDir()); return s.dir }, "core.worktree"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newSandbox(t, map[string]string{"a.yaml": "1", "d/b.yaml": "1"})
			dir := test.make(t, s)
			head, _ := exec.CommandContext(t.Context(), "git", "-C", dir, "rev-parse", "HEAD").Output()
			repo, err := Open(t.Context(), dir)
			if err == nil {
				_, err = repo.Commit(t.Context(), CommitRequest{
					Parent: Revision{Hash: strings.TrimSpace(string(head))}, Files: map[string][]byte{"a.yaml": []byte("2")}, Subject: "x",
				})
			}
			u, ok := errors.AsType[*UnsupportedError](err)
			if !ok || !strings.Contains(u.Feature, test.names) || diag.HintOf(err) == "" {
				t.Errorf("error %v, hint %q", err, diag.HintOf(err))
			}
			after, _ := exec.CommandContext(t.Context(), "git", "-C", dir, "rev-parse", "HEAD").Output()
			if string(after) != string(head) {
				t.Error("HEAD moved")
			}
		})
	}
}

// TestUnusualButSupported commits and reads in clones that go-git alone does not understand.
func TestUnusualButSupported(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ clone, after []string }{
		"shallow":           {clone: []string{"--depth=1"}},
		"shared":            {clone: []string{"--shared"}},
		"separate git dir":  {clone: []string{"--separate-git-dir=git dir"}},
		"packed refs":       {after: []string{"pack-refs", "--all"}},
		"index version 4":   {after: []string{"update-index", "--index-version", "4"}},
		"untracked cache":   {after: []string{"update-index", "--untracked-cache"}},
		"commit graph":      {after: []string{"commit-graph", "write", "--reachable"}},
		"manyFiles":         {after: []string{"config", "feature.manyFiles", "true"}},
		"no fsync":          {after: []string{"config", "core.fsync", "none"}},
		"quoted alternates": {clone: []string{"--shared"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSandbox(t, map[string]string{"a.yaml": "1", "d/b.yaml": "1"})
			s.commit(map[string]string{"d/b.yaml": "2"})
			from := s.dir
			if name == "shallow" {
				from = "file://" + strings.ReplaceAll(s.dir, " ", "%20")
			}
			dir := filepath.Join(filepath.Dir(s.dir), "clone")
			cmd := exec.CommandContext(t.Context(), "git", append(append([]string{"clone", "-q"}, test.clone...), from, dir)...)
			cmd.Dir = filepath.Dir(s.dir)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("git clone: %s", out)
			}
			if name == "quoted alternates" {
				file := filepath.Join(dir, ".git/objects/info/alternates")
				if err := os.WriteFile(file, fmt.Appendf(nil, "# from\n%q\n", filepath.Join(s.dir, ".git/objects")), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			repo, err := Open(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			c := &sandbox{t: t, dir: dir, repo: repo}
			if test.after != nil {
				c.git(test.after...)
			}
			rev := c.commit(map[string]string{"a.yaml": "2", "n/x": "1"})
			c.sound("")
			at, err := repo.At(t.Context(), rev)
			if err != nil {
				t.Fatal(err)
			}
			if b, err := at.ReadFile(t.Context(), "d/b.yaml"); err != nil || string(b) != "2" {
				t.Errorf("%q, %v", b, err)
			}
			if shallow, err := repo.Shallow(t.Context()); err != nil || shallow != (name == "shallow") {
				t.Errorf("shallow: %v, %v", shallow, err)
			}
		})
	}
}

func TestBareRepositoryIsRead(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, map[string]string{"a.yaml": "1"})
	bare := filepath.Join(t.TempDir(), "bare.git")
	s.git("clone", "-q", "--bare", s.dir, bare)
	r, err := Open(t.Context(), bare)
	if err != nil || r.Root() != "" {
		t.Fatalf("%v, %v", r, err)
	}
	at, err := r.At(t.Context(), s.head())
	if err != nil {
		t.Fatal(err)
	}
	if b, err := at.ReadFile(t.Context(), "a.yaml"); err != nil || string(b) != "1" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := r.Worktree().ReadFile(t.Context(), "a.yaml"); !isA[*UnsupportedError](err) {
		t.Errorf("worktree: %v", err)
	}
	if err := r.WriteFiles(t.Context(), map[string][]byte{"a.yaml": nil}); !isA[*UnsupportedError](err) {
		t.Errorf("write: %v", err)
	}
}

// TestIndexAgainstGit compares what is read of an index with git ls-files, for each version of the format.
func TestIndexAgainstGit(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, map[string]string{"a": "1", "dir/b": "1", "dir/bc": "1", "dir/é": "1", strings.Repeat("long/", 60) + "x": "1", "z.sh": "1"})
	s.write("later", "1")
	for _, version := range []string{"2", "3", "4"} {
		s.git("update-index", "--index-version", version)
		if version != "2" {
			s.git("add", "-N", "later")
		}
		index, err := s.repo.readIndex()
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range index.entries() {
			got = append(got, fmt.Sprintf("%06o %s %d\t%s", e.mode, e.id, e.stage, e.path))
			if e.intentToAdd != (e.path == "later") {
				t.Errorf("%s: intent to add: %v", e.path, e.intentToAdd)
			}
		}
		if want := strings.Split(strings.TrimSuffix(s.git("ls-files", "-s", "-z"), "\x00"), "\x00"); !slices.Equal(got, want) {
			t.Errorf("version %s:\n%s\ngit:\n%s", version, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

func FuzzDecodeIndex(f *testing.F) {
	s := newSandbox(f, map[string]string{"a": "1", "dir/b": "1", "dir/bc": "1"})
	for _, version := range []string{"2", "4"} {
		s.git("update-index", "--index-version", version)
		b, err := os.ReadFile(filepath.Join(s.repo.GitDir(), "index"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		index, err := decodeIndex(b)
		if err == nil && len(index.entries())*indexFixed > len(b) {
			t.Errorf("%d entries of %d bytes", len(index.entries()), len(b))
		}
	})
}

func FuzzDecodeTree(f *testing.F) {
	id := strings.Repeat("x", 20)
	f.Add([]byte("100644 a\x00" + id + "40000 b\x00" + id))
	f.Add([]byte("120000 a.b\x00" + id + "40000 a\x00" + id + "100755 a0\x00" + id))
	f.Fuzz(func(t *testing.T, b []byte) {
		entries, err := decodeTree(b)
		if err != nil {
			return
		}
		if again, err := decodeTree(encodeTree(slices.Clone(entries))); err != nil || len(again) != len(entries) {
			t.Errorf("%d entries, encoded and decoded %d, %v", len(entries), len(again), err)
		}
		if sorted := slices.IsSortedFunc(entries, func(a, b treeEntry) int { return strings.Compare(a.sortKey(), b.sortKey()) }); sorted &&
			string(encodeTree(entries)) != string(b) {
			t.Error("not the same after encoding")
		}
	})
}

func FuzzParseCommit(f *testing.F) {
	tree := "tree " + strings.Repeat("a", 40) + "\n"
	f.Add([]byte(tree + "parent " + strings.Repeat("b", 40) + "\nauthor A <a@b> 1700000000 +0100\ncommitter A <a@b> 1 -0030\ngpgsig -----BEGIN SSH SIGNATURE-----\n x\n y\n\nsubject\n\nbody\n\nKey: v\n  w\n"))
	f.Add([]byte(tree + "author <\n\n(cherry picked from commit x)\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := parseCommit(b)
		if err == nil && (c.tree == plumbing.ZeroHash || strings.Contains(c.Subject, "\n")) {
			t.Errorf("%+v", c)
		}
	})
}

func FuzzLocalConfig(f *testing.F) {
	f.Add("[core]\n\tbare = true\n[extensions]\n\tobjectFormat = sha256 # x\n[remote \"a b\"] promisor\n")
	f.Fuzz(func(_ *testing.T, src string) { _ = parseLocalConfig(src).readable() })
}
