package gitrepo

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// sandbox is a repository of a test, with real git as the oracle.
type sandbox struct {
	t    testing.TB
	dir  string
	repo *Repo
}

// TestMain keeps the user's own configuration, keys and agents out of the tests, and gives git a global configuration that
// signs with a fresh SSH key. In a child process of a test it is that child.
func TestMain(m *testing.M) {
	if dir := os.Getenv(childVariable); dir != "" {
		os.Exit(childMain(dir))
	}
	os.Exit(isolated(m))
}

func isolated(m *testing.M) int {
	home, err := os.MkdirTemp("", "gitrepo-test-")
	if err == nil {
		home, err = filepath.EvalSymlinks(home)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(home) //nolint:errcheck // a temporary folder
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "GIT_") || name == "SSH_AUTH_SOCK" || name == "EMAIL" {
			_ = os.Unsetenv(name)
		}
	}
	for k, v := range map[string]string{
		"HOME": home, "XDG_CONFIG_HOME": filepath.Join(home, ".config"), "GNUPGHOME": filepath.Join(home, ".gnupg"),
		"GIT_CONFIG_GLOBAL": filepath.Join(home, "gitconfig"), "GIT_CONFIG_NOSYSTEM": "1",
	} {
		_ = os.Setenv(k, v)
	}
	key := filepath.Join(home, "id_ed25519")
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "alice@example.com", "-f", key).CombinedOutput(); err != nil { //nolint:noctx // no test, no context
		fmt.Fprintf(os.Stderr, "ssh-keygen: %v\n%s", err, out)
		return 1
	}
	text := "[user]\n\tname = Alice Ünïcode\n\temail = alice@example.com\n\tsigningkey = " + key + ".pub\n" +
		"[gpg]\n\tformat = ssh\n[init]\n\tdefaultBranch = main\n[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n"
	if err := os.WriteFile(filepath.Join(home, "gitconfig"), []byte(text), 0o600); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// publicKey gives the public half of the key that git signs with.
func publicKey(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(os.Getenv("HOME"), "id_ed25519.pub"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

// newSandbox makes a repository with one commit of the given files, signing set up.
func newSandbox(t testing.TB, files map[string]string) *sandbox {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := &sandbox{t: t, dir: filepath.Join(dir, "répo with space")}
	repo, err := Init(t.Context(), s.dir)
	if err != nil {
		t.Fatal(err)
	}
	s.repo = repo
	if len(files) > 0 {
		for path, content := range files {
			s.write(path, content)
		}
		s.git("add", "-A")
		s.git("commit", "-q", "-m", "start")
	}
	return s
}

func (s *sandbox) path(name string) string { return filepath.Join(s.dir, filepath.FromSlash(name)) }

func (s *sandbox) write(path, content string) {
	s.t.Helper()
	if err := os.MkdirAll(filepath.Dir(s.path(path)), 0o750); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(s.path(path), []byte(content), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

func (s *sandbox) read(path string) string {
	s.t.Helper()
	b, err := os.ReadFile(s.path(path))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(b)
}

// tryGit runs git in the repository.
func (s *sandbox) tryGit(args ...string) (string, error) {
	var out bytes.Buffer
	cmd := exec.CommandContext(s.t.Context(), "git", args...)
	cmd.Dir = s.dir
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return strings.TrimRight(out.String(), "\n"), err
}

func (s *sandbox) git(args ...string) string {
	s.t.Helper()
	out, err := s.tryGit(args...)
	if err != nil {
		s.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (s *sandbox) head() Revision {
	s.t.Helper()
	rev, _, _, err := s.repo.Head(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return rev
}

// request is a commit of the files on top of HEAD; a content of "-" removes.
func (s *sandbox) request(files map[string]string) CommitRequest {
	s.t.Helper()
	q := CommitRequest{Parent: s.head(), Files: map[string][]byte{}, Subject: "change"}
	for path, content := range files {
		q.Files[path] = []byte(content)
		if content == "-" {
			q.Files[path] = nil
		}
	}
	return q
}

func (s *sandbox) commit(files map[string]string) Revision {
	s.t.Helper()
	rev, err := s.repo.Commit(s.t.Context(), s.request(files))
	if err != nil {
		s.t.Fatal(err)
	}
	return rev
}

// sound checks with git that the repository is whole and that status says exactly what is expected.
func (s *sandbox) sound(status string) {
	s.t.Helper()
	if out := s.git("fsck", "--strict", "--no-dangling", "--no-progress"); out != "" {
		s.t.Errorf("git fsck: %s", out)
	}
	if out := s.git("status", "--porcelain"); out != status {
		s.t.Errorf("git status:\n%s\nwant:\n%s", out, status)
	}
	left, err := os.ReadDir(filepath.Join(s.repo.GitDir(), txnFolder))
	if err == nil && len(left) > 0 {
		s.t.Errorf("transactions left behind: %v", left)
	}
	if _, err := os.Lstat(s.repo.indexLock()); err == nil {
		s.t.Error("index.lock left behind")
	}
}
