package gitrepo

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
)

// TestIndexIsAsGitWouldLeaveIt commits in repositories of many kinds and asks git whether the index is what it would have
// made it: the same entries and folders, and stat data that lets git see without reading that nothing has changed.
func TestIndexIsAsGitWouldLeaveIt(t *testing.T) {
	const editedInItsSecond = "edited in the second of the index"
	files := map[string]string{}
	for i := range 60 {
		files[fmt.Sprintf("config/t%d/env%d/ns.yaml", i%6, i%5)] = fmt.Sprint("a: ", i, "\n")
	}
	files["run.sh"], files["config/z.yaml"] = "true\n", "z: 1\n"
	linux := runtime.GOOS == "linux" // elsewhere git does it all

	for _, tt := range []struct {
		name    string
		prepare func(s *sandbox)
		change  map[string]string
		patched bool
		status  string
	}{
		{"one file", nil, map[string]string{"config/t1/env1/ns.yaml": "a: changed\n"}, true, ""},
		{"several files, and a size that stays", nil, map[string]string{"config/t1/env1/ns.yaml": "a: 99\n", "config/t2/env2/ns.yaml": "a: 98\n", "run.sh": "false\n"}, true, ""},
		{"index version 4", func(s *sandbox) { s.git("update-index", "--index-version", "4") }, map[string]string{"config/t3/env3/ns.yaml": "b: 1\n"}, true, ""},
		{"index version 3", func(s *sandbox) { s.write("later", ""); s.git("add", "-N", "later") }, map[string]string{"config/t3/env3/ns.yaml": "b: 1\n"}, true, " A later"},
		{"an executable", func(s *sandbox) {
			s.git("update-index", "--chmod=+x", "run.sh")
			_ = os.Chmod(s.path("run.sh"), 0o755)
			s.git("commit", "-q", "-m", "x")
		}, map[string]string{"run.sh": "exit 1\n"}, true, ""},
		{"staged elsewhere", func(s *sandbox) { s.write("config/t5/env0/ns.yaml", "staged\n"); s.git("add", "-A") }, map[string]string{"config/t1/env1/ns.yaml": "b: 1\n"}, true, "M  config/t5/env0/ns.yaml"},
		{"staged beside it, and known as a tree", func(s *sandbox) {
			s.write("config/t1/env1/other", "staged\n")
			s.git("add", "-A")
			s.git("write-tree")
		}, map[string]string{"config/t1/env1/ns.yaml": "b: 1\n"}, false, "A  config/t1/env1/other"},
		{"no trees remembered", func(s *sandbox) { s.git("read-tree", "HEAD"); s.git("update-index", "--refresh") }, map[string]string{"config/t1/env1/ns.yaml": "b: 1\n"}, true, ""},
		{editedInItsSecond, func(s *sandbox) { s.write("config/t5/env0/ns.yaml", "dirty\n") }, map[string]string{"config/t1/env1/ns.yaml": "b: 1\n"}, false, " M config/t5/env0/ns.yaml"},
		{"an untracked cache", func(s *sandbox) {
			s.git("config", "core.untrackedCache", "true")
			s.write("new/untracked", "")
			s.git("status")
		}, map[string]string{"config/t1/env1/ns.yaml": "b: 1\n"}, true, "?? new/"},
		{"a new file", nil, map[string]string{"config/t9/env1/ns.yaml": "new\n"}, false, ""},
		{"a removed file", nil, map[string]string{"config/z.yaml": "-"}, false, ""},
		{"converted by git", func(s *sandbox) {
			s.write(".gitattributes", "*.yaml ident\n")
			s.git("add", "-A")
			s.git("commit", "-q", "-m", "attributes")
		}, map[string]string{"config/t1/env1/ns.yaml": "id: $Id$\n"}, false, ""},
		{"an offset of the extensions", func(s *sandbox) { s.git("config", "index.recordEndOfIndexEntries", "true"); s.git("read-tree", "HEAD") }, map[string]string{"config/t1/env1/ns.yaml": "b: 1\n"}, false, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSandbox(t, files)
			if tt.prepare != nil {
				tt.prepare(s)
			}
			s.settle()
			if tt.name == editedInItsSecond { // whatever the second is in which this runs
				before := time.Now().Add(-time.Minute)
				if err := os.Chtimes(s.path(".git/index"), before, before); err != nil {
					t.Fatal(err)
				}
			}
			patched := false
			s.repo.atStep = func(step string) {
				patched = patched || step == "index patched"
				if step == "staged" && tt.prepare == nil { // that a file was written and that it was put in place are two times
					time.Sleep(1100 * time.Millisecond)
				}
			}
			s.commit(tt.change)
			s.sameIndex()
			s.sound(tt.status)
			if patched != (tt.patched && linux) {
				t.Errorf("patched: %v", patched)
			}
			// And on top of it, with whatever the first one left.
			s.commit(map[string]string{"config/t4/env4/ns.yaml": "again: 1\n"})
			s.sameIndex()
			s.sound(tt.status)
		})
	}
}

// settle makes all files older than the index, which is where any pause leaves them: git looks at full seconds.
func (s *sandbox) settle() {
	s.t.Helper()
	before := time.Now().Add(-time.Hour)
	for path := range strings.SplitSeq(s.git("ls-files", "-z"), "\x00") {
		if path != "" && os.Chtimes(s.path(path), before, before) != nil {
			s.t.Fatal(path)
		}
	}
	s.git("update-index", "-q", "--refresh")
}

// sameIndex compares the index with the one that git makes of it when it looks at every file again.
func (s *sandbox) sameIndex() {
	s.t.Helper()
	show := func() string { return s.git("ls-files", "-s", "--debug") }
	left := show()
	if _, err := s.tryGit("diff-files", "--quiet", "--", "config/t1", "config/t4", "run.sh"); err != nil {
		s.t.Error("git diff-files thinks that a committed file may have changed")
	}
	_, _ = s.tryGit("update-index", "-q", "--really-refresh")
	if now := show(); now != left {
		s.t.Errorf("git has more to say of the index:\n%s", firstDifference(left, now))
	}
	// Git trusts the folders that an index remembers. Adding a file makes it forget those above the file, and use what it
	// remembers of those beside them: the tree must be that of an index made afresh of the same entries.
	entries := s.git("ls-files", "-s")
	entries = strings.Join(slices.DeleteFunc(strings.Split(entries, "\n"), func(line string) bool {
		return strings.HasSuffix(line, "\tlater") // there by name only
	}), "\n") + "\n"
	index, err := os.ReadFile(s.path(".git/index"))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, added := range []string{"", "zz", "config/zz", "config/t1/zz", "config/t4/zz"} {
		line := ""
		if added != "" {
			line = "100644 e69de29bb2d1d6434b8b29ae775ad8c2e48c5391 0\t" + added + "\n"
		}
		remembered := s.treeOf(index, line)
		if afresh := s.treeOf(nil, entries+line); remembered != afresh {
			s.t.Errorf("with %q the index's tree is %s, and what it remembers says %s", added, afresh, remembered)
		}
	}
}

// treeOf gives the tree that git writes of an index, nil for a new one, with more entries.
func (s *sandbox) treeOf(index []byte, entries string) string {
	s.t.Helper()
	file := s.path(".git/other-index")
	_ = os.Remove(file)
	if index != nil {
		if err := os.WriteFile(file, index, 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
	git := func(stdin string, args ...string) string {
		cmd := exec.CommandContext(s.t.Context(), "git", args...)
		cmd.Dir, cmd.Env, cmd.Stdin = s.dir, append(os.Environ(), "GIT_INDEX_FILE="+file), strings.NewReader(stdin)
		out, err := cmd.CombinedOutput()
		if err != nil {
			s.t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	git("", "hash-object", "-w", "--stdin") // the empty blob
	git(entries, "update-index", "--index-info")
	return git("", "write-tree")
}

func firstDifference(a, b string) string {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return x[i] + "\n" + y[i]
		}
	}
	return fmt.Sprint(len(x), " and ", len(y), " lines")
}

// TestAnEditInTheSameInstantIsNotHidden: an entry as young as the index may hide an edit, so git is asked.
func TestAnEditInTheSameInstantIsNotHidden(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, map[string]string{"a": "1\n", "b": "1\n"})
	s.git("config", "core.trustctime", "false")
	s.settle()
	// Somebody edits b, to the same size, in the very instant in which it and then the index were written.
	info, err := os.Stat(s.path("b"))
	if err != nil {
		t.Fatal(err)
	}
	s.write("b", "2\n")
	for _, name := range []string{"b", ".git/index"} {
		if err := os.Chtimes(s.path(name), info.ModTime(), info.ModTime()); err != nil {
			t.Fatal(err)
		}
	}
	s.commit(map[string]string{"a": "2\n"})
	if out := s.git("status", "--porcelain"); out != " M b" {
		t.Errorf("git status: %q", out)
	}
}

// TestWhatIsStagedMeanwhileIsSeen: between the first look at the index and the lock git may have replaced it.
func TestWhatIsStagedMeanwhileIsSeen(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, map[string]string{"a": "1\n", "b": "1\n"})
	s.settle()
	other := s.git("rev-parse", "HEAD:b")
	s.write("b", "2\n")
	s.git("add", "b")
	staged := s.git("rev-parse", ":b")
	s.git("reset", "-q", "--hard")
	head := s.head()
	s.repo.atStep = func(step string) {
		if step == "begun" {
			s.git("update-index", "--cacheinfo", "100644,"+staged+",a")
		}
	}
	if _, err := s.repo.Commit(t.Context(), s.request(map[string]string{"a": "3\n"})); !errors.Is(err, ErrConflict) {
		t.Errorf("something was staged meanwhile: %v", err)
	}
	if s.head() != head || s.git("rev-parse", ":a") != staged || s.read("a") != "1\n" || other == staged {
		t.Error("what was staged, or the file, is not as it was")
	}
}

// anyDisk is a worktree in which every file is as the index has it.
type anyDisk struct{}

func (anyDisk) stat(string) (b [indexStat]byte, ok bool) { return b, true }
func (anyDisk) is(string, indexEntry) bool               { return true }

func FuzzIndexPatch(f *testing.F) {
	s := newSandbox(f, map[string]string{"a": "1", "dir/b": "1", "dir/sub/bc": "1"})
	for _, version := range []string{"2", "4"} {
		s.git("update-index", "--index-version", version)
		b, err := os.ReadFile(s.path(".git/index"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, "dir/b")
	}
	f.Fuzz(func(t *testing.T, b []byte, path string) {
		x, err := decodeIndex(b)
		if err != nil {
			return
		}
		e := indexed(x, map[string]bool{path: true})[path]
		want := e
		want.id[0]++
		patch := indexPatch{
			files: map[string]plumbing.Hash{path: want.id},
			trees: map[string]treeMove{"": {to: want.id}, "dir": {to: want.id}},
		}
		pieces, ok := patch.apply(x, []byte{1}, 1<<31, anyDisk{})
		if !ok {
			return
		}
		out := bytes.Join(pieces, nil)
		y, err := decodeIndex(out)
		if err != nil || len(out) != len(x.body)+indexChecksumSize || len(y.starts) != len(x.starts) || !slices.Equal(y.extensions, x.extensions) {
			t.Fatalf("the patched index: %v", err)
		}
		if got := indexed(y, map[string]bool{path: true})[path]; got != want {
			t.Errorf("patched entry %+v, want %+v", got, want)
		}
	})
}
