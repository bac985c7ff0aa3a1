package gitrepo

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/llm-devops/lcm/pkg/diag"
)

func TestCommit(t *testing.T) {
	t.Parallel()
	start := map[string]string{
		"config/acme/production/inference.yaml": "a: 1\n",
		"config/acme/base/inference.yaml":       "b: 1\n",
		"config/ünï cödé/x y.yaml":              "c: 1\n",
		"lone/only.yaml":                        "d: 1\n",
		"other.txt":                             "other\n",
	}
	tests := []struct {
		name   string
		change map[string]string
	}{
		{"one file", map[string]string{"config/acme/production/inference.yaml": "a: 2\n"}},
		{"several files", map[string]string{"config/acme/production/inference.yaml": "a: 2\n", "config/acme/base/inference.yaml": "b: 2\n", "other.txt": "x"}},
		{"new file", map[string]string{"config/acme/base/model.yaml": "n: 1\n"}},
		{"new folders", map[string]string{"config/new/tenant/deep/x.yaml": "n: 1\n", "config/new/tenant/y.yaml": "n"}},
		{"names that sort around a folder's", map[string]string{"config-x": "1", "config.yaml": "2", "config0": "3"}},
		{"remove", map[string]string{"config/acme/base/inference.yaml": "-"}},
		{"remove the last of a folder", map[string]string{"lone/only.yaml": "-"}},
		{"spaces and unicode", map[string]string{"config/ünï cödé/x y.yaml": "c: 2\n", "config/ünï cödé/é\t\"q\".yaml": "q"}},
		{"empty file", map[string]string{"other.txt": ""}},
		{"bytes", map[string]string{"other.txt": "\x00\xff\r\n\n"}},
		{"all at once", map[string]string{"lone/only.yaml": "-", "lone/other.yaml": "1", "other.txt": "-", "config/acme/base/inference.yaml": "b: 3\n"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newSandbox(t, start)
			parent := s.head()
			rev := s.commit(test.change)
			s.sound("")
			if s.head() != rev || s.git("rev-parse", "HEAD^") != parent.Hash {
				t.Errorf("HEAD is %s, commit is %s", s.head(), rev)
			}
			want := map[string]string{}
			for path, content := range start {
				want[path] = content
			}
			for path, content := range test.change {
				want[path] = content
				if content == "-" {
					delete(want, path)
				}
			}
			for path, content := range want {
				if s.read(path) != content {
					t.Errorf("%s is %q, want %q", path, s.read(path), content)
				}
				if got, _ := exec.CommandContext(t.Context(), "git", "-C", s.dir, "show", rev.Hash+":"+path).Output(); string(got) != content {
					t.Errorf("%s is %q in the commit, want %q", path, got, content)
				}
			}
			if files := strings.Split(strings.Trim(s.git("ls-tree", "-r", "-z", "--name-only", "HEAD"), "\x00"), "\x00"); len(files) != len(want) {
				t.Errorf("the commit holds %q", files)
			}
			// The tree is the one that git would have written from the index.
			if got := s.git("write-tree"); got != s.git("rev-parse", "HEAD^{tree}") {
				t.Error("index and commit differ")
			}
			if out := s.git("reflog", "-1", "--format=%gs", "HEAD"); out != "commit: change" {
				t.Errorf("reflog of HEAD: %q", out)
			}
			if _, err := os.Lstat(s.path("lone")); test.change["lone/only.yaml"] == "-" && len(test.change) == 1 && err == nil {
				t.Error("the empty folder is still there")
			}
		})
	}
}

func TestCommitIsSignedAndTellsWhatHappened(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, map[string]string{"a.yaml": "1"})
	q := s.request(map[string]string{"a.yaml": "2"})
	q.Subject, q.Body = "set ä", "Why:\n\n\n- because  \n"
	q.Trailers = []Trailer{{"Lcm-Change", "1"}, {"Lcm-Address", "acme/production/inference"}, {"Lcm-Reason", "ticket 7: done"}}
	rev, err := s.repo.Commit(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	signers := filepath.Join(t.TempDir(), "signers")
	if err := os.WriteFile(signers, []byte("alice@example.com "+publicKey(t)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := s.tryGit("-c", "gpg.ssh.allowedSignersFile="+signers, "verify-commit", rev.Hash); err != nil {
		t.Errorf("git verify-commit: %s", out)
	}
	want := "set ä\n\nWhy:\n\n- because\n\nLcm-Change: 1\nLcm-Address: acme/production/inference\nLcm-Reason: ticket 7: done"
	if got := s.git("log", "-1", "--format=%B"); strings.TrimSpace(got) != want {
		t.Errorf("message:\n%s", got)
	}
	if got := s.git("log", "-1", "--format=%(trailers:key=Lcm-Address,valueonly)"); strings.TrimSpace(got) != "acme/production/inference" {
		t.Errorf("git does not read the trailer: %q", got)
	}
	if got := s.git("log", "-1", "--format=%an <%ae> %cn"); got != "Alice Ünïcode <alice@example.com> Alice Ünïcode" {
		t.Errorf("identity %q", got)
	}
	if got := s.git("fsck", "--strict", "--no-progress"); got != "" {
		t.Errorf("git fsck is not silent: %s", got)
	}
	q = s.request(map[string]string{"a.yaml": "3"})
	q.Sign = SignNever
	rev, err = s.repo.Commit(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := s.repo.Log(t.Context(), rev); err != nil || info.Signed {
		t.Errorf("%+v, %v: want it unsigned", info, err)
	}
}

func TestFirstCommit(t *testing.T) {
	t.Parallel()
	for _, branch := range []string{"main", "trünk/x"} {
		t.Run(branch, func(t *testing.T) {
			s := newSandbox(t, nil)
			s.git("symbolic-ref", "HEAD", "refs/heads/"+branch)
			rev, name, unborn, err := s.repo.Head(t.Context())
			if err != nil || !unborn || name != branch || !rev.IsZero() {
				t.Fatalf("Head: %v %q %v %v", rev, name, unborn, err)
			}
			rev = s.commit(map[string]string{"lcm.yaml": "apiVersion: lcm/v1\n", "config/a/b.yaml": "x: 1\n"})
			s.sound("")
			if s.git("rev-parse", "refs/heads/"+branch) != rev.Hash || s.git("rev-list", "--count", "HEAD") != "1" {
				t.Error("the branch is not at the commit")
			}
			q := s.request(map[string]string{"lcm.yaml": "y"})
			q.Parent = Revision{}
			if _, err := s.repo.Commit(t.Context(), q); !errors.Is(err, ErrConflict) {
				t.Errorf("a second first commit: %v", err)
			}
		})
	}
}

func TestCommitKeepsEverythingElse(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, map[string]string{"a.yaml": "1", "staged.txt": "1", "dirty.txt": "1", "both.txt": "1", "gone.txt": "1", "d/assumed.txt": "1", "removed.txt": "1"})
	s.write("staged.txt", "2")
	s.write("both.txt", "2")
	s.write("added.txt", "1")
	s.git("add", "staged.txt", "both.txt", "added.txt")
	s.write("both.txt", "3")
	s.write("dirty.txt", "2")
	s.write("untracked.txt", "1")
	s.write("later.txt", "1")
	s.git("add", "-N", "later.txt")
	s.git("rm", "-q", "removed.txt")
	s.git("update-index", "--assume-unchanged", "d/assumed.txt")
	if err := os.Remove(s.path("gone.txt")); err != nil {
		t.Fatal(err)
	}
	status, staged, assumed := s.git("status", "--porcelain"), s.git("diff", "--cached"), s.git("ls-files", "-v")
	s.commit(map[string]string{"a.yaml": "2", "new/b.yaml": "1"})
	s.sound(status)
	if got := s.git("diff", "--cached"); got != staged {
		t.Errorf("what is staged changed:\n%s\nwas:\n%s", got, staged)
	}
	if got := strings.Replace(s.git("ls-files", "-v"), "H new/b.yaml\n", "", 1); got != assumed {
		t.Errorf("index flags changed:\n%s\nwas:\n%s", got, assumed)
	}
}

func TestCommitLeavesFreshIndex(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, map[string]string{"a.yaml": "1", "b.yaml": "1"})
	s.commit(map[string]string{"a.yaml": "22"})
	// diff-files compares what the index knows of a file with the file, and reads no content.
	if out := s.git("diff-files", "--name-only"); out != "" {
		t.Errorf("git would have to look at %q again", out)
	}
}

func TestCommitKeepsModes(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, map[string]string{"run.sh": "1", "a.yaml": "1"})
	if err := os.Chmod(s.path("run.sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(s.path("a.yaml"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.git("commit", "-qam", "executable")
	s.commit(map[string]string{"run.sh": "2", "a.yaml": "2", "new.yaml": "1"})
	s.sound("")
	if out := s.git("ls-files", "--format=%(objectmode) %(path)"); out != "100644 a.yaml\n100644 new.yaml\n100755 run.sh" {
		t.Errorf("modes:\n%s", out)
	}
	for path, want := range map[string]os.FileMode{"run.sh": 0o755, "a.yaml": 0o600} {
		if info, err := os.Stat(s.path(path)); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
}

func TestCommitRefuses(t *testing.T) {
	t.Parallel()
	state := func(err error) bool { _, ok := errors.AsType[*StateError](err); return ok }
	path := func(err error) bool { _, ok := errors.AsType[*PathError](err); return ok }
	conflict := func(err error) bool { return errors.Is(err, ErrConflict) }
	start := map[string]string{"a.yaml": "1\n", "b.yaml": "1\n", "dir/c.yaml": "1\n"}
	tests := []struct {
		name    string
		prepare func(s *sandbox)
		files   map[string]string
		kind    func(error) bool
		says    string
		hint    string
	}{
		{"dirty target", func(s *sandbox) { s.write("a.yaml", "mine") }, nil, state, "a.yaml", "git stash"},
		{"staged target", func(s *sandbox) { s.write("a.yaml", "mine"); s.git("add", "a.yaml") }, nil, state, "a.yaml", "git commit"},
		{"staged and back", func(s *sandbox) { s.write("a.yaml", "mine"); s.git("add", "a.yaml"); s.write("a.yaml", "1\n") }, nil, state, "a.yaml", ""},
		{"deleted target", func(s *sandbox) { _ = os.Remove(s.path("a.yaml")) }, nil, state, "a.yaml", ""},
		{"mode of target", func(s *sandbox) { _ = os.Chmod(s.path("a.yaml"), 0o755) }, nil, state, "a.yaml", ""},
		{"untracked in the way", func(s *sandbox) { s.write("new.yaml", "mine") }, map[string]string{"new.yaml": "1"}, state, "new.yaml", ""},
		{"new file staged", func(s *sandbox) { s.write("new.yaml", "mine"); s.git("add", "new.yaml") }, map[string]string{"new.yaml": "1"}, state, "new.yaml", ""},
		{"assume-unchanged", func(s *sandbox) { s.git("update-index", "--assume-unchanged", "a.yaml") }, nil, state, "assume-unchanged", "--no-assume"},
		{"detached", func(s *sandbox) { s.git("checkout", "-q", "--detach") }, nil, state, "detached", "git switch"},
		{"merge", func(s *sandbox) { clash(s); _, _ = s.tryGit("merge", "other") }, nil, state, "merge is in progress", "--abort"},
		{"rebase", func(s *sandbox) { clash(s); _, _ = s.tryGit("rebase", "other") }, nil, state, "rebase is in progress", "--continue"},
		{"cherry-pick", func(s *sandbox) { clash(s); _, _ = s.tryGit("cherry-pick", "other") }, nil, state, "cherry-pick is in progress", "--abort"},
		{"bisect", func(s *sandbox) { s.git("bisect", "start") }, nil, state, "bisect is in progress", "reset"},
		{"index conflicts", func(s *sandbox) {
			clash(s)
			_, _ = s.tryGit("merge", "other")
			_ = os.Remove(filepath.Join(s.repo.GitDir(), "MERGE_HEAD"))
		}, nil, state, "unresolved", "git add"},
		{"locked", func(s *sandbox) { _ = os.WriteFile(s.repo.indexLock(), nil, 0o600) }, nil, conflict, "another git", "remove"},
		{"branch locked", func(s *sandbox) {
			_ = os.WriteFile(filepath.Join(s.repo.GitDir(), "refs", "heads", "main.lock"), nil, 0o600)
		}, nil, conflict, "holds a lock", "remove"},
		{"outside", nil, map[string]string{"../x": "1"}, path, "outside", ""},
		{"absolute", nil, map[string]string{"/etc/x": "1"}, path, "/etc/x", ""},
		{"git directory", nil, map[string]string{".git/config": "1"}, path, "git directory", ""},
		{"git directory of another case", nil, map[string]string{"x/.GIT/config": "1"}, path, "git directory", ""},
		{"symlink", func(s *sandbox) { s.link("b.yaml", "l.yaml") }, map[string]string{"l.yaml": "1"}, path, "symbolic link", ""},
		{"folder that is a symlink", func(s *sandbox) { s.link("dir", "l") }, map[string]string{"l/c.yaml": "1"}, path, "symbolic link", ""},
		{"symlink out", func(s *sandbox) { s.link(os.TempDir(), "l") }, map[string]string{"l/new.yaml": "1"}, path, "symbolic link", ""},
		{"folder", nil, map[string]string{"dir": "1"}, path, "folder", ""},
		{"below a file", nil, map[string]string{"a.yaml/x": "1"}, path, "not a folder", ""},
		{"remove nothing", nil, map[string]string{"nothing.yaml": "-"}, func(err error) bool { return errors.Is(err, os.ErrNotExist) }, "nothing.yaml", ""},
		{"no change", nil, map[string]string{"a.yaml": "1\n"}, func(err error) bool { return errors.Is(err, ErrUnchanged) }, "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newSandbox(t, start)
			if test.prepare != nil {
				test.prepare(s)
			}
			files := test.files
			if files == nil {
				files = map[string]string{"a.yaml": "2\n", "b.yaml": "2\n"}
			}
			before, status, index := s.head(), s.git("status", "--porcelain", "--ignored"), s.git("ls-files", "-s")
			_, err := s.repo.Commit(t.Context(), s.request(files))
			if err == nil || !test.kind(err) {
				t.Fatalf("error %v (%T)", err, errors.Unwrap(err))
			}
			if !strings.Contains(err.Error(), test.says) || !strings.Contains(diag.HintOf(err), test.hint) {
				t.Errorf("error %q, hint %q: want %q and %q", err, diag.HintOf(err), test.says, test.hint)
			}
			if s.head() != before || s.git("status", "--porcelain", "--ignored") != status || s.git("ls-files", "-s") != index {
				t.Errorf("something changed: %s", s.git("status"))
			}
			if _, err := os.Stat(s.repo.indexLock()); test.name == "locked" && err != nil {
				t.Error("somebody else's index.lock was removed")
			}
			left, _ := os.ReadDir(filepath.Join(s.repo.GitDir(), txnFolder))
			if len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// clash makes a branch "other" whose change of c.yaml conflicts with main's.
func clash(s *sandbox) {
	s.git("checkout", "-q", "-b", "other")
	s.write("dir/c.yaml", "theirs\n")
	s.git("commit", "-qam", "theirs")
	s.git("checkout", "-q", "main")
	s.write("dir/c.yaml", "ours\n")
	s.git("commit", "-qam", "ours")
}

func (s *sandbox) link(target, name string) {
	s.t.Helper()
	if err := os.Symlink(target, s.path(name)); err != nil {
		s.t.Fatal(err)
	}
}

func TestCommitAgainstMovedHead(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, map[string]string{"a.yaml": "1", "b.yaml": "1"})
	q := s.request(map[string]string{"a.yaml": "2"})
	s.commit(map[string]string{"b.yaml": "2"})
	_, err := s.repo.Commit(t.Context(), q)
	if _, ok := errors.AsType[*ConflictError](err); !ok || !errors.Is(err, ErrConflict) || diag.HintOf(err) == "" {
		t.Errorf("error %v", err)
	}
	s.sound("")
}

func TestEditDuringCommitIsKept(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		at   string
		edit func(s *sandbox) error
		want string
	}{
		{"before the swap", "staged", func(s *sandbox) error { return os.WriteFile(s.path("b.yaml"), []byte("mine"), 0o600) }, "mine"},
		{"renamed over before the swap", "staged", func(s *sandbox) error {
			s.write("tmp", "mine")
			return os.Rename(s.path("tmp"), s.path("b.yaml"))
		}, "mine"},
		{"removed before the swap", "staged", func(s *sandbox) error { return os.Remove(s.path("b.yaml")) }, ""},
		{"after the swap", "swapped", func(s *sandbox) error { return os.WriteFile(s.path("b.yaml"), []byte("mine"), 0o600) }, "mine"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newSandbox(t, map[string]string{"a.yaml": "1", "b.yaml": "1", "c.yaml": "1"})
			head := s.head()
			count := 0
			s.repo.atStep = func(step string) {
				// The second swap is that of b.yaml.
				if step == "swapped" {
					count++
				}
				if step == test.at && (step != "swapped" || count == 2) {
					if err := test.edit(s); err != nil {
						t.Error(err)
					}
				}
			}
			_, err := s.repo.Commit(t.Context(), s.request(map[string]string{"a.yaml": "2", "b.yaml": "2", "c.yaml": "-", "n/d.yaml": "2"}))
			if !errors.Is(err, ErrConflict) {
				t.Fatalf("error %v, want a conflict", err)
			}
			b, _ := os.ReadFile(s.path("b.yaml"))
			if string(b) != test.want || s.head() != head {
				t.Errorf("b.yaml holds %q, want %q", b, test.want)
			}
			status := " M b.yaml"
			if test.want == "" {
				status = " D b.yaml"
			}
			s.sound(status)
		})
	}
}

func TestLineEndings(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, config, attributes string
		content, blob            string
	}{
		{"none", "", "", "a\r\n", "a\r\n"},
		{"autocrlf", "core.autocrlf=true", "", "a: 1\r\n", "a: 1\n"},
		{"autocrlf input", "core.autocrlf=input", "", "a: 1\r\n", "a: 1\n"},
		{"text attribute", "", "*.yaml text", "a: 1\r\n", "a: 1\n"},
		{"eol attribute", "", "*.yaml text eol=crlf", "a: 1\r\n", "a: 1\n"},
		{"not text", "core.autocrlf=true", "*.yaml -text", "a: 1\r\n", "a: 1\r\n"},
		{"filter", "filter.up.clean=tr a-z A-Z", "*.yaml filter=up", "a: 1\n", "A: 1\n"},
		{"encoding", "", "*.yaml working-tree-encoding=UTF-16LE", "a\x00\n\x00", "a\n"},
		{"unrelated attribute", "", "*.yaml diff=lcm merge=lcm", "a: 1\n", "a: 1\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newSandbox(t, map[string]string{"README": "x\n"})
			if key, value, ok := strings.Cut(test.config, "="); ok {
				s.git("config", key, value)
			}
			s.write(".gitattributes", test.attributes+"\n")
			s.write("sub/a.yaml", strings.Replace(test.content, "a", "z", 1))
			s.git("add", "-A")
			s.git("commit", "-qm", "attributes")
			s.commit(map[string]string{"sub/a.yaml": test.content})
			s.sound("")
			if s.read("sub/a.yaml") != test.content {
				t.Errorf("file holds %q", s.read("sub/a.yaml"))
			}
			if got, _ := exec.CommandContext(t.Context(), "git", "-C", s.dir, "cat-file", "blob", "HEAD:sub/a.yaml").Output(); string(got) != test.blob {
				t.Errorf("blob holds %q, want %q", got, test.blob)
			}
		})
	}
}

func TestIdentityAndSigningTrouble(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		config [][]string
		kind   func(error) bool
		hint   string
	}{
		{"no name", [][]string{{"user.name", ""}}, isA[*IdentityError], "user.name"},
		{"no email", [][]string{{"user.email", ""}}, isA[*IdentityError], "user.email"},
		{"no key", [][]string{{"user.signingkey", ""}}, isA[*SigningError], "user.signingkey"},
		{"missing key", [][]string{{"user.signingkey", "/nonexistent/key.pub"}}, isA[*SigningError], "user.signingkey"},
		{"no gpg key", [][]string{{"gpg.format", "openpgp"}, {"user.signingkey", ""}}, isA[*SigningError], "gpg.format ssh"},
		{"no program", [][]string{{"gpg.ssh.program", "/nonexistent/program"}}, isA[*SigningError], "ssh-keygen"},
		{"unknown format", [][]string{{"gpg.format", "nonsense"}}, isA[*SigningError], "gpg.format"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newSandbox(t, map[string]string{"a.yaml": "1"})
			for _, c := range test.config {
				s.git(append([]string{"config"}, c...)...)
			}
			head := s.head()
			_, err := s.repo.Commit(t.Context(), s.request(map[string]string{"a.yaml": "2"}))
			if !test.kind(err) || !strings.Contains(diag.HintOf(err), test.hint) {
				t.Errorf("error %v, hint %q", err, diag.HintOf(err))
			}
			if s.head() != head {
				t.Error("HEAD moved")
			}
			s.sound("")
			setup, err := s.repo.Signing(t.Context())
			if test.name != "unknown format" && (err != nil || setup.Usable || setup.Problem == "" || setup.Hint == "") {
				t.Errorf("Signing: %+v, %v", setup, err)
			}
		})
	}
	s := newSandbox(t, nil)
	setup, err := s.repo.Signing(t.Context())
	if err != nil || !setup.Usable || setup.Format != "ssh" || setup.Program != "ssh-keygen" || setup.Email != "alice@example.com" {
		t.Errorf("Signing: %+v, %v", setup, err)
	}
}

func isA[E error](err error) bool { _, ok := errors.AsType[E](err); return ok }

// BenchmarkCommit compares a one-file signed commit with git's own.
func BenchmarkCommit(b *testing.B) {
	files := map[string]string{}
	for _, tenant := range strings.Split("abcdefghijklmnopqrstuvwxyz", "") {
		for _, env := range []string{"base", "development", "staging", "production"} {
			files["config/"+tenant+"/"+env+"/inference.yaml"] = tenant + env
		}
	}
	b.Run("git", func(b *testing.B) {
		s := newSandbox(b, files)
		for b.Loop() {
			s.write("config/a/base/inference.yaml", s.head().Hash)
			s.git("commit", "-q", "-S", "-m", "x", "--", "config/a/base/inference.yaml")
		}
	})
	b.Run("lcm", func(b *testing.B) {
		s := newSandbox(b, files)
		for b.Loop() {
			s.commit(map[string]string{"config/a/base/inference.yaml": s.head().Hash})
		}
	})
}
