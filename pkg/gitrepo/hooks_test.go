package gitrepo

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// hook installs a shell script as a hook.
func (s *sandbox) hook(name, script string) {
	s.t.Helper()
	dir := filepath.Join(s.repo.GitDir(), "hooks")
	if err := os.MkdirAll(dir, 0o750); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil { //nolint:gosec // a hook
		s.t.Fatal(err)
	}
}

func TestHooks(t *testing.T) {
	t.Parallel()
	t.Run("order, arguments, environment", func(t *testing.T) {
		t.Parallel()
		s := newSandbox(t, map[string]string{"a.yaml": "1", "sub/b.yaml": "1"})
		log := filepath.Join(t.TempDir(), "log")
		for _, name := range []string{"pre-commit", "prepare-commit-msg", "commit-msg", "post-commit"} {
			s.hook(name, `echo "`+name+` $# ${2-} $(git diff --cached --name-only | tr '\n' ' ')$(cat a.yaml)" >> '`+log+`'; echo said by `+name)
		}
		var out bytes.Buffer
		q := s.request(map[string]string{"a.yaml": "2"})
		q.Output = &out
		if _, err := s.repo.Commit(t.Context(), q); err != nil {
			t.Fatal(err)
		}
		b, _ := os.ReadFile(log)
		want := "pre-commit 0  a.yaml 2\nprepare-commit-msg 2 message a.yaml 2\ncommit-msg 1  a.yaml 2\npost-commit 0  2\n"
		if string(b) != want {
			t.Errorf("hooks saw:\n%swant:\n%s", b, want)
		}
		if !strings.Contains(out.String(), "said by pre-commit") || !strings.Contains(out.String(), "said by post-commit") {
			t.Errorf("output %q", out.String())
		}
		s.sound("")
	})
	t.Run("a failing pre-commit", func(t *testing.T) {
		t.Parallel()
		s := newSandbox(t, map[string]string{"a.yaml": "1"})
		s.hook("pre-commit", "echo no way; exit 1")
		head := s.head()
		_, err := s.repo.Commit(t.Context(), s.request(map[string]string{"a.yaml": "2", "new/x.yaml": "1"}))
		if h, ok := errors.AsType[*HookError](err); !ok || h.Hook != "pre-commit" || !strings.Contains(err.Error(), "no way") {
			t.Errorf("error %v", err)
		}
		if s.head() != head || s.read("a.yaml") != "1" {
			t.Error("something changed")
		}
		s.sound("")
	})
	t.Run("a failing commit-msg", func(t *testing.T) {
		t.Parallel()
		s := newSandbox(t, map[string]string{"a.yaml": "1"})
		s.hook("commit-msg", `grep -q TICKET "$1" || { echo needs a ticket; exit 1; }`)
		_, err := s.repo.Commit(t.Context(), s.request(map[string]string{"a.yaml": "2"}))
		if !isA[*HookError](err) || !strings.Contains(err.Error(), "needs a ticket") {
			t.Errorf("error %v", err)
		}
		s.sound("")
		q := s.request(map[string]string{"a.yaml": "2"})
		q.Body = "TICKET-7"
		if _, err := s.repo.Commit(t.Context(), q); err != nil {
			t.Error(err)
		}
		s.sound("")
	})
	t.Run("commit-msg edits the message", func(t *testing.T) {
		t.Parallel()
		s := newSandbox(t, map[string]string{"a.yaml": "1"})
		s.hook("commit-msg", `printf '\n\n\nReviewed-by: Bob\n' >> "$1"`)
		s.commit(map[string]string{"a.yaml": "2"})
		if got := s.git("log", "-1", "--format=%B"); strings.TrimSpace(got) != "change\n\nReviewed-by: Bob" {
			t.Errorf("message %q", got)
		}
	})
	t.Run("pre-commit changes the commit", func(t *testing.T) {
		t.Parallel()
		s := newSandbox(t, map[string]string{"a.yaml": "1"})
		s.hook("pre-commit", "echo more >> a.yaml; git add a.yaml")
		_, err := s.repo.Commit(t.Context(), s.request(map[string]string{"a.yaml": "2\n"}))
		if h, ok := errors.AsType[*HookError](err); !ok || len(h.Left) != 1 || s.read("a.yaml") != "2\nmore\n" {
			t.Errorf("error %v, a.yaml %q", err, s.read("a.yaml"))
		}
		s.sound(" M a.yaml")
	})
	t.Run("core.hooksPath, and a hook that is not executable", func(t *testing.T) {
		t.Parallel()
		s := newSandbox(t, map[string]string{"a.yaml": "1"})
		s.hook("pre-commit", "exit 1")
		s.git("config", "core.hooksPath", "my hooks")
		s.commit(map[string]string{"a.yaml": "2"})
		s.write("my hooks/pre-commit", "#!/bin/sh\nexit 1\n")
		s.commit(map[string]string{"a.yaml": "3"})
		if err := os.Chmod(s.path("my hooks/pre-commit"), 0o700); err != nil { //nolint:gosec // a hook
			t.Fatal(err)
		}
		if _, err := s.repo.Commit(t.Context(), s.request(map[string]string{"a.yaml": "4"})); !isA[*HookError](err) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("reference-transaction", func(t *testing.T) {
		t.Parallel()
		s := newSandbox(t, map[string]string{"a.yaml": "1"})
		s.hook("reference-transaction", `test "$1" != prepared`)
		_, err := s.repo.Commit(t.Context(), s.request(map[string]string{"a.yaml": "2"}))
		if !isA[*HookError](err) {
			t.Errorf("error %v", err)
		}
		s.sound("")
	})
	t.Run("signing fails after pre-commit", func(t *testing.T) {
		t.Parallel()
		s := newSandbox(t, map[string]string{"a.yaml": "1"})
		s.hook("pre-commit", "exit 0")
		s.git("config", "user.signingkey", "/nonexistent.pub")
		_, err := s.repo.Commit(t.Context(), s.request(map[string]string{"a.yaml": "2"}))
		if !isA[*SigningError](err) {
			t.Errorf("error %v", err)
		}
		s.sound("")
	})
}
