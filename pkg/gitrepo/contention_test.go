package gitrepo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// The child processes of tests: childVariable is the repository, childTask what to do in it.
const (
	childVariable = "GITREPO_TEST_CHILD"
	childTask     = "GITREPO_TEST_TASK"
)

// childMain commits in a repository as a process of its own. Tasks: "kill N" commits once and kills itself at the Nth step;
// "loop NAME N" makes N commits to a file of its own, trying each until it succeeds, and prints their hashes.
func childMain(dir string) int {
	ctx := context.Background() //nolint:usetesting // a main function
	repo, err := Open(ctx, dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	var task, name string
	var n int
	_, _ = fmt.Sscanf(os.Getenv(childTask), "%s %s %d", &task, &name, &n)
	switch task {
	case "kill":
		err = killedCommit(ctx, repo, n)
	case "write":
		dieAt(repo, n)
		err = repo.WriteFiles(ctx, map[string][]byte{"a.yaml": []byte("new a"), "n/d.yaml": []byte("d"), "gone.yaml": nil})
	case "loop":
		err = loopCommits(ctx, repo, name, n)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func dieAt(repo *Repo, n int) {
	step := 0
	repo.atStep = func(string) {
		if step++; step == n {
			if self, err := os.FindProcess(os.Getpid()); err == nil {
				_ = self.Kill() // SIGKILL, where there are signals
			}
			select {}
		}
	}
}

func killedCommit(ctx context.Context, repo *Repo, n int) error {
	dieAt(repo, n)
	rev, _, _, err := repo.Head(ctx)
	if err != nil {
		return err
	}
	_, err = repo.Commit(ctx, CommitRequest{Parent: rev, Subject: "killed", Files: map[string][]byte{
		"a.yaml": []byte("new a"), "b.yaml": []byte("new b"), "n/d.yaml": []byte("d"), "gone.yaml": nil,
	}})
	return err
}

func loopCommits(ctx context.Context, repo *Repo, name string, n int) error {
	for i := range n {
		for {
			head, _, _, err := repo.Head(ctx)
			if err != nil {
				return err
			}
			rev, err := repo.Commit(ctx, CommitRequest{
				Parent: head, Subject: name, Sign: SignNever,
				Files: map[string][]byte{"config/" + name + ".yaml": fmt.Appendf(nil, "%s %d", name, i)},
			})
			if err == nil {
				fmt.Println(rev) //nolint:forbidigo // this is the child's result
				break
			}
			if !errors.Is(err, ErrConflict) {
				return err
			}
			time.Sleep(time.Millisecond)
		}
	}
	return nil
}

func (s *sandbox) child(task string) *exec.Cmd {
	exe, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.CommandContext(s.t.Context(), exe)
	cmd.Env = append(os.Environ(), childVariable+"="+s.dir, childTask+"="+task)
	return cmd
}

func TestContention(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, map[string]string{"config/x.yaml": "x", "git/0": "0", "all/0": "0"})
	const each = 6
	var mu sync.Mutex
	made := map[string]string{} // content by path, of the last commit reported
	var commits []string
	var wg sync.WaitGroup
	for i := range 2 { // goroutines of this process
		wg.Go(func() {
			name := fmt.Sprintf("routine%d", i)
			for n := range each {
				for {
					q := s.request(map[string]string{"config/" + name + ".yaml": fmt.Sprint(n)})
					q.Sign = SignNever
					rev, err := s.repo.Commit(t.Context(), q)
					if err == nil {
						mu.Lock()
						commits = append(commits, rev.Hash)
						made["config/"+name+".yaml"] = fmt.Sprint(n)
						mu.Unlock()
						break
					}
					if !errors.Is(err, ErrConflict) {
						t.Error(err)
						return
					}
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
	for i := range 2 { // other processes
		wg.Go(func() {
			name := fmt.Sprintf("process%d", i)
			out, err := s.child(fmt.Sprintf("loop %s %d", name, each)).Output()
			if err != nil {
				t.Errorf("child: %v", err)
			}
			mu.Lock()
			defer mu.Unlock()
			commits = append(commits, strings.Fields(string(out))...)
			made["config/"+name+".yaml"] = fmt.Sprintf("%s %d", name, each-1)
		})
	}
	for _, how := range [][]string{{"git", "commit", "-qm", "git", "--", "git/0"}, {"all", "commit", "-qam", "all"}} { // git commit after git add; git commit -a
		wg.Go(func() {
			for n := range each {
				path, content := how[0]+"/0", fmt.Sprint(how[0], n)
				s.write(path, content)
				for !t.Failed() {
					// The other's "commit -a" may have taken this file along.
					if out, err := s.tryGit("show", "HEAD:"+path); err == nil && out == content {
						break
					}
					if _, err := s.tryGit("add", path); err == nil {
						_, _ = s.tryGit(how[1:]...)
					}
					time.Sleep(time.Millisecond)
				}
				mu.Lock()
				made[path] = content
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	s.sound("")
	for _, hash := range commits {
		if _, err := s.tryGit("merge-base", "--is-ancestor", hash, "HEAD"); err != nil {
			t.Errorf("commit %s was reported as made and is lost", hash)
		}
	}
	if len(commits) != 4*each {
		t.Errorf("%d commits reported, want %d", len(commits), 4*each)
	}
	for path, content := range made {
		if got := s.git("show", "HEAD:"+path); got != content {
			t.Errorf("%s is %q at the end, want %q", path, got, content)
		}
	}
}

// TestKill kills a commit at each of its steps. After that, whatever the next commit finds, nothing is lost and the
// repository is sound.
func TestKill(t *testing.T) {
	t.Parallel()
	start := map[string]string{"a.yaml": "a", "b.yaml": "b", "gone.yaml": "g", "mine.txt": "1", "staged.txt": "1", "c.yaml": "c"}
	for kind, steps := range map[string]int{"plain": 10, "hooks": 10} {
		for step := 1; step <= steps+1; step++ {
			t.Run(fmt.Sprintf("%s step %d", kind, step), func(t *testing.T) {
				t.Parallel()
				s := newSandbox(t, start)
				if kind == "hooks" {
					s.hook("pre-commit", "exit 0")
				}
				s.write("mine.txt", "2")
				s.write("staged.txt", "2")
				s.git("add", "staged.txt")
				before := s.head()
				err := s.child(fmt.Sprintf("kill %s %d", kind, step)).Run()
				if lived := err == nil; lived != (step == steps+1) {
					t.Fatalf("at step %d of %d the child ended with %v", step, steps, err)
				}
				s.afterKill(before)
			})
		}
	}
}

func (s *sandbox) afterKill(before Revision) {
	t := s.t
	t.Helper()
	moved := s.head() != before
	if lock, err := os.ReadFile(s.repo.indexLock()); err == nil && !strings.HasPrefix(string(lock), "lcm ") {
		t.Errorf("index.lock holds %q", lock)
	}
	done, err := s.repo.Recover(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range done {
		if d.Finished != moved || len(d.Paths) != 4 {
			t.Errorf("recovery: %+v, HEAD moved: %v", d, moved)
		}
	}
	s.sound(statusOfOthers)
	want := map[string]string{"a.yaml": "a", "b.yaml": "b", "gone.yaml": "g"}
	if moved {
		want = map[string]string{"a.yaml": "new a", "b.yaml": "new b", "n/d.yaml": "d"}
	}
	for path, content := range want {
		if s.read(path) != content {
			t.Errorf("%s holds %q, want %q", path, s.read(path), content)
		}
	}
	if _, err := os.Stat(s.path("gone.yaml")); moved == (err == nil) {
		t.Errorf("gone.yaml: %v", err)
	}
	if _, err := os.Stat(s.path("n")); !moved && err == nil {
		t.Error("the new folder is still there")
	}
	s.commit(map[string]string{"a.yaml": "next", "c.yaml": "next"})
	s.sound(statusOfOthers)
}

// statusOfOthers is what git status says of the files that have nothing to do with the commits.
const statusOfOthers = " M mine.txt\nM  staged.txt"

func TestKillAtRandom(t *testing.T) {
	t.Parallel()
	for i := range 6 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			s := newSandbox(t, map[string]string{"a.yaml": "a", "b.yaml": "b", "gone.yaml": "g", "mine.txt": "1", "staged.txt": "1", "c.yaml": "c"})
			s.write("mine.txt", "2")
			s.write("staged.txt", "2")
			s.git("add", "staged.txt")
			before := s.head()
			cmd := s.child("kill plain 1000")
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Duration(20+8*i) * time.Millisecond)
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			// Git children of the dead one may still be at work: a writer waits for them.
			for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
				if _, err := s.repo.Recover(t.Context()); err != nil {
					t.Fatal(err)
				}
				left, _ := os.ReadDir(filepath.Join(s.repo.GitDir(), txnFolder))
				if len(left) == 0 {
					break
				}
				if time.Now().After(deadline) {
					t.Fatal("the dead writer's transaction cannot be settled")
				}
			}
			s.afterKill(before)
		})
	}
}

func TestKillWriteFiles(t *testing.T) {
	t.Parallel()
	for step := 1; step <= 4; step++ {
		t.Run(fmt.Sprint(step), func(t *testing.T) {
			s := newSandbox(t, map[string]string{"a.yaml": "a", "gone.yaml": "g"})
			err := s.child(fmt.Sprintf("write files %d", step)).Run()
			if (err == nil) != (step == 4) {
				t.Fatalf("child: %v", err)
			}
			if _, err := s.repo.Recover(t.Context()); err != nil {
				t.Fatal(err)
			}
			if step == 4 {
				s.sound(" M a.yaml\n D gone.yaml\n?? n/")
				return
			}
			s.sound("")
		})
	}
}

// TestRecoveryLeavesTheUsersAlone has the user do things between the crash and the recovery.
func TestRecoveryLeavesTheUsersAlone(t *testing.T) {
	t.Parallel()
	start := map[string]string{"a.yaml": "a", "b.yaml": "b", "gone.yaml": "g", "c.yaml": "c"}
	// Steps: 1 begun, 2 locked, 3 staged, 4–7 swapped, 8 index made, 9 moved, 10 indexed.
	tests := []struct {
		name   string
		step   int
		do     func(s *sandbox)
		status string
		want   map[string]string
	}{
		{"edits a swapped file", 8, func(s *sandbox) { s.write("a.yaml", "mine") }, " M a.yaml", map[string]string{"a.yaml": "mine", "b.yaml": "b"}},
		{"edits after HEAD moved", 9, func(s *sandbox) { s.write("a.yaml", "mine") }, " M a.yaml", map[string]string{"a.yaml": "mine", "b.yaml": "new b"}},
		{"writes the removed file anew", 8, func(s *sandbox) { s.write("gone.yaml", "mine") }, " M gone.yaml", map[string]string{"gone.yaml": "mine"}},
		{"removes the lock", 9, func(s *sandbox) { _ = os.Remove(s.repo.indexLock()) }, "", map[string]string{"a.yaml": "new a"}},
		{"removes the lock and commits on top", 9, func(s *sandbox) {
			_ = os.Remove(s.repo.indexLock())
			s.write("c.yaml", "mine")
			s.git("commit", "-qam", "on top") // which does not know n/d.yaml
		}, "?? n/", map[string]string{"a.yaml": "new a", "c.yaml": "mine"}},
		{"removes the lock and commits elsewhere", 8, func(s *sandbox) {
			_ = os.Remove(s.repo.indexLock())
			s.write("c.yaml", "mine")
			s.git("commit", "-qm", "c", "--", "c.yaml")
		}, "", map[string]string{"a.yaml": "a", "b.yaml": "b", "c.yaml": "mine"}},
		{"commits the half-done files", 8, func(s *sandbox) {
			_ = os.Remove(s.repo.indexLock())
			s.git("add", "-A")
			s.git("commit", "-qm", "all of it")
		}, "", map[string]string{"a.yaml": "new a", "b.yaml": "new b", "n/d.yaml": "d"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newSandbox(t, start)
			if err := s.child(fmt.Sprintf("kill plain %d", test.step)).Run(); err == nil {
				t.Fatal("the child lived")
			}
			test.do(s)
			if _, err := s.repo.Recover(t.Context()); err != nil {
				t.Fatal(err)
			}
			s.sound(test.status)
			for path, content := range test.want {
				if s.read(path) != content {
					t.Errorf("%s holds %q, want %q", path, s.read(path), content)
				}
			}
		})
	}
	t.Run("another git holds the lock", func(t *testing.T) {
		t.Parallel()
		s := newSandbox(t, start)
		if err := s.child("kill plain 8").Run(); err == nil {
			t.Fatal("the child lived")
		}
		if err := os.WriteFile(s.repo.indexLock(), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := s.repo.Recover(t.Context()); !errors.Is(err, ErrConflict) {
			t.Errorf("error %v", err)
		}
		if _, err := os.Stat(s.repo.indexLock()); err != nil {
			t.Error("the lock of the other is gone")
		}
		if err := os.Remove(s.repo.indexLock()); err != nil {
			t.Fatal(err)
		}
		s.commit(map[string]string{"c.yaml": "2"})
		s.sound("")
	})
	t.Run("a dead git's lock on the branch", func(t *testing.T) {
		t.Parallel()
		s := newSandbox(t, start)
		if err := s.child("kill plain 8").Run(); err == nil {
			t.Fatal("the child lived")
		}
		dirs, err := filepath.Glob(filepath.Join(s.repo.GitDir(), txnFolder, "*", "journal"))
		if err != nil || len(dirs) != 1 {
			t.Fatal(dirs, err)
		}
		b, err := os.ReadFile(dirs[0])
		if err != nil {
			t.Fatal(err)
		}
		var j journal
		if err := json.Unmarshal(b, &j); err != nil {
			t.Fatal(err)
		}
		for name, content := range map[string]string{"HEAD.lock": "", "refs/heads/main.lock": j.Commit + "\n"} {
			if err := os.WriteFile(filepath.Join(s.repo.GitDir(), name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s.commit(map[string]string{"c.yaml": "2"})
		s.sound("")
	})
}

// TestHeadMovesUnderTheLock has somebody move the branch without taking index.lock, as plumbing may.
func TestHeadMovesUnderTheLock(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, map[string]string{"a.yaml": "1"})
	var theirs string
	s.repo.atStep = func(step string) {
		if step == "index made" {
			theirs = s.git("commit-tree", "-p", "HEAD", "-m", "theirs", "HEAD^{tree}")
			s.git("update-ref", "HEAD", theirs)
		}
	}
	_, err := s.repo.Commit(t.Context(), s.request(map[string]string{"a.yaml": "2", "n/b.yaml": "1"}))
	if !errors.Is(err, ErrConflict) || s.head().Hash != theirs {
		t.Errorf("error %v, HEAD %s, theirs %s", err, s.head(), theirs)
	}
	s.sound("")
}

// TestKilledWhileGitMovesHead kills the writer while its git is half-way through moving HEAD, and does move it a little
// later. Nobody may take the write for dead, and undo it, before that git has ended.
func TestKilledWhileGitMovesHead(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, map[string]string{"a.yaml": "a", "b.yaml": "b", "gone.yaml": "g"})
	flags := t.TempDir()
	reached, goOn := filepath.Join(flags, "reached"), filepath.Join(flags, "go on")
	s.hook("reference-transaction", `if test "$1" = prepared; then touch '`+reached+`'; while ! test -e '`+goOn+`'; do sleep 0.01; done; fi`)
	before := s.head()
	cmd := s.child("kill plain 1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { _, err := os.Stat(reached); return err == nil })
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if done, err := s.repo.Recover(t.Context()); err != nil || len(done) > 0 {
		t.Errorf("recovered %+v, %v while git was still at work", done, err)
	}
	if err := os.WriteFile(goOn, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool {
		done, err := s.repo.Recover(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return len(done) == 1 && done[0].Finished
	})
	s.sound("")
	if s.head() == before || s.read("a.yaml") != "new a" {
		t.Error("HEAD moved and the files did not")
	}
}

func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
	}
}
