package gitrepo

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/llm-devops/lcm/pkg/diag"
)

func TestOpen(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, map[string]string{"config/a/x.yaml": "1"})
	linked := filepath.Join(filepath.Dir(s.dir), "linked")
	s.git("worktree", "add", "-q", "-b", "side", linked)
	if err := os.MkdirAll(filepath.Join(linked, "deep"), 0o750); err != nil {
		t.Fatal(err)
	}
	alias := filepath.Join(t.TempDir(), "alias")
	if err := os.Symlink(s.path("config"), alias); err != nil {
		t.Fatal(err)
	}
	for dir, root := range map[string]string{
		s.dir: s.dir, s.path("config/a"): s.dir, alias: s.dir, linked: linked, filepath.Join(linked, "deep"): linked, s.path(".git"): s.dir,
	} {
		r, err := Open(t.Context(), dir)
		if err != nil {
			t.Fatalf("Open(%s): %v", dir, err)
		}
		if r.Root() != root {
			t.Errorf("Open(%s): root %s", dir, r.Root())
		}
		cmd := exec.CommandContext(t.Context(), "git", "rev-parse", "--absolute-git-dir")
		cmd.Dir = dir
		if out, err := cmd.Output(); err != nil || strings.TrimSpace(string(out)) != r.GitDir() {
			t.Errorf("Open(%s): git directory %s, git says %s", dir, r.GitDir(), out)
		}
	}
	for _, dir := range []string{t.TempDir(), "/"} {
		if _, err := Open(t.Context(), dir); !errors.Is(err, ErrNotRepository) || diag.HintOf(err) == "" {
			t.Errorf("Open(%s): %v", dir, err)
		}
	}
}

func TestLinkedWorktree(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, map[string]string{"a.yaml": "1"})
	s.git("config", "extensions.worktreeConfig", "true")
	linked := filepath.Join(filepath.Dir(s.dir), "linked tree")
	s.git("worktree", "add", "-q", "-b", "side", linked)
	r, err := Open(t.Context(), linked)
	if err != nil {
		t.Fatal(err)
	}
	w := &sandbox{t: t, dir: linked, repo: r}
	rev := w.commit(map[string]string{"a.yaml": "2", "b/c.yaml": "3"})
	w.sound("")
	s.sound("")
	if branch, err := r.Branch(t.Context()); err != nil || branch != "side" || s.git("rev-parse", "side") != rev.Hash || s.read("a.yaml") != "1" {
		t.Errorf("branch %q, %v", branch, err)
	}
}

func TestInit(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "gitconfig")
	t.Setenv("GIT_CONFIG_GLOBAL", config)
	for want, text := range map[string]string{"main": "", "trunk": "[init]\n\tdefaultBranch = trunk\n"} {
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := Init(t.Context(), filepath.Join(dir, want))
		if err != nil {
			t.Fatal(err)
		}
		if branch, err := r.Branch(t.Context()); err != nil || branch != want {
			t.Errorf("branch %q, %v, want %q", branch, err, want)
		}
	}
}

// TestCallersVariables opens a repository from what git would make a hook of another one.
func TestCallersVariables(t *testing.T) {
	s := newSandbox(t, map[string]string{"a.yaml": "1"})
	other := newSandbox(t, map[string]string{"o.yaml": "1"})
	t.Setenv("GIT_DIR", other.repo.GitDir())
	t.Setenv("GIT_WORK_TREE", other.dir)
	t.Setenv("GIT_INDEX_FILE", filepath.Join(other.repo.GitDir(), "index"))
	t.Setenv("GIT_PREFIX", "x/")
	rev := s.commit(map[string]string{"a.yaml": "2"})
	if _, err := s.repo.Resolve(t.Context(), "HEAD~1"); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"} {
		if err := os.Unsetenv(name); err != nil {
			t.Fatal(err)
		}
	}
	s.sound("")
	other.sound("")
	if s.head() != rev {
		t.Error("the commit went elsewhere")
	}
}

func TestSnapshots(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"lcm.yaml": "l", "config/acme/base/x.yaml": "x", "config/acme/base/y.yaml": "y", "config/ü ö/z.yaml": "z",
		"config.yaml": "c", "config0": "0", "big.bin": strings.Repeat("0123456789", 100_000),
	}
	s := newSandbox(t, files)
	s.link("lcm.yaml", "link.yaml")
	s.link("config", "linkdir")
	s.link("/etc", "out")
	s.git("add", "-A")
	s.git("commit", "-qm", "links")
	loose := s.head()
	s.write("lcm.yaml", "l2")
	s.git("commit", "-qam", "second")
	s.git("gc", "-q")
	at, err := s.repo.At(t.Context(), loose)
	if err != nil {
		t.Fatal(err)
	}
	if at.Revision() != loose || !s.repo.Worktree().Revision().IsZero() {
		t.Error("revisions of snapshots")
	}
	s.write("lcm.yaml", "l")
	for name, snap := range map[string]Snapshot{"revision": at, "worktree": s.repo.Worktree()} {
		t.Run(name, func(t *testing.T) {
			for path, content := range files {
				if b, err := snap.ReadFile(t.Context(), path); err != nil || string(b) != content {
					t.Errorf("%s: %d bytes, %v", path, len(b), err)
				}
			}
			for _, path := range []string{"nothing", "config/acme/nothing", "nothing/x", "lcm.yaml/x"} {
				if _, err := snap.ReadFile(t.Context(), path); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s: %v", path, err)
				}
			}
			for _, path := range []string{"nothing", "lcm.yaml", "lcm.yaml/x"} {
				if _, err := snap.ReadDir(t.Context(), path); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("folder %s: %v", path, err)
				}
			}
			for _, path := range []string{"link.yaml", "linkdir/acme/base/x.yaml", "out/passwd", "../x", "/etc/passwd", "config/../lcm.yaml", "config//x", ".git/config", "", "config", "a\\b"} {
				p, ok := errors.AsType[*PathError](func() error { _, err := snap.ReadFile(t.Context(), path); return err }())
				if !ok || p.Reason == "" {
					t.Errorf("%s was not refused", path)
				}
			}
			if _, err := snap.ReadDir(t.Context(), "linkdir"); !isA[*PathError](err) {
				t.Errorf("folder linkdir: %v", err)
			}
			top, err := snap.ReadDir(t.Context(), ".")
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range top {
				kind := map[bool]string{true: "/"}[e.Dir] + map[bool]string{true: "@"}[e.Irregular]
				got = append(got, e.Name+kind)
				if (e.Digest == "") != snap.Revision().IsZero() {
					t.Errorf("digest of %s: %q", e.Name, e.Digest)
				}
			}
			if want := []string{"big.bin", "config/", "config.yaml", "config0", "lcm.yaml", "link.yaml@", "linkdir@", "out@"}; !slices.Equal(got, want) {
				t.Errorf("top: %q, want %q", got, want)
			}
		})
	}
	dir, err := at.ReadDir(t.Context(), "config/acme/base")
	if err != nil || dir[0].Digest != s.git("rev-parse", "HEAD:config/acme/base/x.yaml") {
		t.Errorf("%v, %v", dir, err)
	}
}

// TestReadersFollowGit reads on while git packs and prunes underneath.
func TestReadersFollowGit(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, map[string]string{"a.yaml": "1", "d/b.yaml": "1"})
	for _, content := range []string{"2", "3", "4"} {
		rev := s.commit(map[string]string{"a.yaml": content})
		s.git("repack", "-adq")
		s.git("pack-refs", "--all")
		if s.head() != rev {
			t.Fatal("HEAD is wrong after pack-refs")
		}
		at, err := s.repo.At(t.Context(), rev)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := at.ReadFile(t.Context(), "a.yaml"); err != nil || string(b) != content {
			t.Fatalf("%q, %v", b, err)
		}
		s.git("prune")
		s.git("repack", "-adfq")
		if b, err := at.ReadFile(t.Context(), "d/b.yaml"); err != nil || string(b) != "1" {
			t.Fatalf("%q, %v", b, err)
		}
	}
}

func TestDamagedObjectIsNoticed(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, map[string]string{"a.yaml": "1", "b.yaml": "2"})
	a, b := s.git("rev-parse", "HEAD:a.yaml"), s.git("rev-parse", "HEAD:b.yaml")
	object := func(id string) string { return filepath.Join(s.repo.GitDir(), "objects", id[:2], id[2:]) }
	content, err := os.ReadFile(object(b))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(object(a)), os.WriteFile(object(a), content, 0o600)); err != nil {
		t.Fatal(err)
	}
	at, err := s.repo.At(t.Context(), s.head())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := at.ReadFile(t.Context(), "a.yaml"); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("error %v", err)
	}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, map[string]string{"a.yaml": "1"})
	first := s.head()
	second := s.commit(map[string]string{"a.yaml": "2"})
	s.git("tag", "-a", "-m", "tag", "v1", first.Hash)
	s.git("branch", "feature/x", first.Hash)
	tests := map[string]Revision{
		"HEAD": second, "@": second, "HEAD~1": first, "HEAD^": first, "main": second, "v1": first, "feature/x": first,
		second.Hash: second, second.Short(): second, "v1^{commit}": first, "main@{1}": first, s.git("rev-parse", "v1"): first, ":/start": first,
	}
	for rev, want := range tests {
		if got, err := s.repo.Resolve(t.Context(), rev); err != nil || got != want {
			t.Errorf("%s: %v, %v, want %v", rev, got, err, want)
		}
	}
	for _, rev := range []string{"", "nothing", "HEAD~9", "--help", "-1", "HEAD:a.yaml", "HEAD^{tree}", strings.Repeat("1", 40), "main..HEAD"} {
		_, err := s.repo.Resolve(t.Context(), rev)
		if u, ok := errors.AsType[*UnknownRevisionError](err); !ok || u.Rev != rev || diag.HintOf(err) == "" {
			t.Errorf("%s: %v", rev, err)
		}
	}
}

func TestChangedAgainstGit(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, map[string]string{"a.yaml": "1", "d/b.yaml": "1", "d/e/c.yaml": "1", "x/y": "1", "same/z": "1", "mode.sh": "1"})
	revs := []Revision{{}, s.head()}
	revs = append(revs, s.commit(map[string]string{"a.yaml": "2", "d/e/c.yaml": "-", "d/e/n.yaml": "1"}))
	revs = append(revs, s.commit(map[string]string{"x/y": "-"}))
	revs = append(revs, s.commit(map[string]string{"x": "now a file", "d/b.yaml": "-", "d/e/n.yaml": "-"}))
	s.git("update-index", "--chmod=+x", "mode.sh")
	s.git("commit", "-qm", "mode")
	revs = append(revs, s.head())
	empty := s.git("hash-object", "-t", "tree", "/dev/null")
	name := func(r Revision) string {
		if r.IsZero() {
			return empty
		}
		return r.Hash
	}
	for _, a := range revs {
		for _, b := range revs {
			for _, under := range []string{".", "d", "d/e", "x", "nothing", "a.yaml"} {
				got, err := s.repo.Changed(t.Context(), a, b, under)
				if err != nil {
					t.Fatal(err)
				}
				want := s.git("diff-tree", "-r", "--no-renames", "--name-only", name(a), name(b), "--", under)
				if strings.Join(got, "\n") != want {
					t.Errorf("%s..%s under %s: %q, git: %q", a.Short(), b.Short(), under, got, want)
				}
			}
		}
	}
}

func TestDirty(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, map[string]string{"a.yaml": "1", "d/b.yaml": "1", "d/c ü.yaml": "1", ".gitignore": "ignored\n", "[x]": "1"})
	if got, err := s.repo.Dirty(t.Context()); err != nil || len(got) > 0 {
		t.Errorf("%q, %v", got, err)
	}
	s.write("a.yaml", "2")
	s.write("d/c ü.yaml", "2")
	s.git("add", "d")
	s.write("new/deep/x", "1")
	s.write("ignored", "1")
	s.git("mv", "d/b.yaml", "d/moved.yaml")
	if got, err := s.repo.Dirty(t.Context()); err != nil || !slices.Equal(got, []string{"a.yaml", "d/b.yaml", "d/c ü.yaml", "d/moved.yaml", "new/deep/x"}) {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := s.repo.Dirty(t.Context(), "new", "[x]"); err != nil || !slices.Equal(got, []string{"new/deep/x"}) {
		t.Errorf("%q, %v", got, err)
	}
}

func TestHistoryAndBlame(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, map[string]string{"a.yaml": "one\ntwo\nthree\n", "b.yaml": "b\n"})
	first := s.head()
	q := s.request(map[string]string{"a.yaml": "one\nTWO\nthree\n"})
	q.Subject, q.Body, q.Trailers = "set two", "Because\n\nof this: and that", []Trailer{{"Lcm-Reason", "ticket"}, {"Lcm-Keys", "a, b"}}
	second, err := s.repo.Commit(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	third := s.commit(map[string]string{"b.yaml": "b2\n"})
	revisions := func(rev Revision, paths ...string) string {
		var hashes []string
		for c, err := range s.repo.History(t.Context(), rev, paths...) {
			if err != nil {
				t.Fatal(err)
			}
			hashes = append(hashes, c.Revision.Hash)
		}
		return strings.Join(hashes, "\n")
	}
	for _, args := range [][]string{{}, {"a.yaml"}, {"b.yaml"}, {"a.yaml", "b.yaml"}, {"nothing"}} {
		want := s.git(append([]string{"log", "--format=%H", third.Hash, "--"}, args...)...)
		if got := revisions(third, args...); got != want {
			t.Errorf("history of %v: %s, git: %s", args, got, want)
		}
	}
	for range s.repo.History(t.Context(), third) { // stopping early is no error
		break
	}
	for _, err := range s.repo.History(t.Context(), Revision{Hash: strings.Repeat("1", 40)}) {
		if err == nil {
			t.Error("history of nothing")
		}
	}
	c, err := s.repo.Log(t.Context(), second)
	if err != nil || c.Subject != "set two" || c.Body != "Because\n\nof this: and that" || c.Trailer("lcm-reason") != "ticket" || len(c.Trailers) != 2 ||
		!c.Signed || c.Author != "Alice Ünïcode" || c.Email != "alice@example.com" || c.Parents[0] != first {
		t.Errorf("%+v, %v", c, err)
	}
	if got, want := c.Time.Format("2006-01-02T15:04:05-07:00"), s.git("log", "-1", "--format=%aI", second.Hash); got != want && strings.Replace(got, "+00:00", "Z", 1) != want {
		t.Errorf("time %s, git: %s", got, want)
	}
	lines, err := s.repo.Blame(t.Context(), third, "a.yaml", []int{3, 2, 1})
	if err != nil || lines[1].Revision != first || lines[2].Revision != second || lines[3].Revision != first || !lines[2].Signed || lines[1].Signed {
		t.Errorf("blame: %v, %v", lines, err)
	}
	s.write("a.yaml", "one\nTWO\nmine\n")
	s.write("new.yaml", "x\n")
	lines, err = s.repo.Blame(t.Context(), Revision{}, "a.yaml", []int{1, 3})
	if err != nil || lines[1].Revision != first || !lines[3].Revision.IsZero() || len(lines) != 2 {
		t.Errorf("blame of the worktree: %v, %v", lines, err)
	}
	if lines, err = s.repo.Blame(t.Context(), Revision{}, "new.yaml", []int{1}); err != nil || !lines[1].Revision.IsZero() {
		t.Errorf("blame of an untracked file: %v, %v", lines, err)
	}
	if _, err := s.repo.Blame(t.Context(), third, "a.yaml", []int{99}); err == nil {
		t.Error("blame of a line that is not there")
	}
}

func TestTrailersAgainstGit(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, map[string]string{"a.yaml": "1"})
	messages := []string{
		"subject", "subject\n\nbody", "subject\n\nKey: value", "subject\n\nbody\n\nKey: value\nOther-Key:  two ",
		"subject\n\nbody\n\nKey: a\n  continued\nOther: b", "subject\n\nbody\n\nKey: value\nnot a trailer", "Key: value",
		"subject\n\nhttps://x.example/ is a link\n\nno", "subject\n\nSome text\nand more\nSigned-off-by: A <a@b>",
		"a\nsubject on\ntwo lines\n\nKey: v", "subject\n\nb\n\nKey: v\n\n\n", "subject\n\nNo space key: v", "subject\n\nKey:v",
	}
	for _, m := range messages {
		s.git("commit", "-q", "--allow-empty", "--cleanup=verbatim", "-m", m)
		c, err := s.repo.Log(t.Context(), s.head())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, tr := range c.Trailers {
			got = append(got, tr.Key+": "+tr.Value)
		}
		if want := s.git("log", "-1", "--format=%(trailers:only,unfold)"); strings.Join(got, "\n") != strings.TrimSpace(want) {
			t.Errorf("%q: trailers %q, git: %q", m, got, want)
		}
		if want := s.git("log", "-1", "--format=%s"); c.Subject != want {
			t.Errorf("%q: subject %q, git: %q", m, c.Subject, want)
		}
	}
}

func TestWriteFiles(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, map[string]string{"a.yaml": "1", "b.yaml": "1", "run.sh": "1", "d/gone": "1"})
	if err := os.Chmod(s.path("run.sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	s.write("b.yaml", "dirty")
	index := s.git("ls-files", "-s", "--debug")
	write := func(files map[string]string, o ...WriteOption) error {
		m := map[string][]byte{}
		for path, content := range files {
			if m[path] = []byte(content); content == "-" {
				m[path] = nil
			}
		}
		return s.repo.WriteFiles(t.Context(), m, o...)
	}
	if err := write(map[string]string{"a.yaml": "2", "b.yaml": "2", "run.sh": "2", "d/gone": "-", "n/e/w": "1"}); err != nil {
		t.Fatal(err)
	}
	s.sound(" M a.yaml\n M b.yaml\n D d/gone\n M run.sh\n?? n/")
	if s.git("ls-files", "-s", "--debug") != index {
		t.Error("the index changed")
	}
	if info, err := os.Stat(s.path("run.sh")); err != nil || info.Mode().Perm() != 0o755 || s.read("run.sh") != "2" {
		t.Errorf("run.sh: %v, %v", info, err)
	}
	if err := write(map[string]string{"a.yaml": "3"}, OnlyClean()); !isA[*StateError](err) {
		t.Errorf("dirty file: %v", err)
	}
	if err := write(map[string]string{"a.yaml": "3", "n/x": "1"}, Expect(map[string][]byte{"a.yaml": []byte("1")})); !errors.Is(err, ErrConflict) {
		t.Errorf("unexpected content: %v", err)
	}
	if err := write(map[string]string{"n/e/w": "1"}, Expect(map[string][]byte{"n/e/w": nil})); !errors.Is(err, ErrConflict) {
		t.Errorf("unexpected file: %v", err)
	}
	if err := write(map[string]string{"a.yaml": "3"}, Expect(map[string][]byte{"a.yaml": []byte("2")})); err != nil {
		t.Error(err)
	}
	s.link("/tmp", "l")
	for _, path := range []string{"l", "l/x", "../x", ".git/x", "n"} {
		if err := write(map[string]string{"b.yaml": "never", path: "x"}); err == nil {
			t.Errorf("%s was written", path)
		}
	}
	if s.read("b.yaml") != "2" {
		t.Error("a refused write wrote one of its files")
	}
}

// BenchmarkRead is what a command that only reads pays: open, resolve HEAD, read one file.
func BenchmarkRead(b *testing.B) {
	s := newSandbox(b, map[string]string{"config/acme/base/x.yaml": "x"})
	s.git("gc", "-q")
	const path = "config/acme/base/x.yaml"
	b.Run("worktree", func(b *testing.B) {
		for b.Loop() {
			r, err := Open(b.Context(), s.dir)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := r.Worktree().ReadFile(b.Context(), path); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("revision", func(b *testing.B) {
		for b.Loop() {
			r, err := Open(b.Context(), s.dir)
			if err != nil {
				b.Fatal(err)
			}
			rev, _, _, err := r.Head(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			at, err := r.At(b.Context(), rev)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := at.ReadFile(b.Context(), path); err != nil {
				b.Fatal(err)
			}
		}
	})
}
