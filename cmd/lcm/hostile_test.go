//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/llm-devops/lcm/pkg/diag"
)

// What one command may take, however hostile its input is.
const (
	hostileWait   = time.Minute     // until it ends; a machine may be busy
	hostileTime   = 8 * time.Second // of processors; most take a twentieth of a second
	hostileMemory = 512 << 20       // bytes, at the peak
)

// done stands for the exit code 0 of what is no fault after all.
const done = -1

// hostile is an input that nobody would write by mistake, or only once, and what has to be said about it.
type hostile struct {
	name  string
	files map[string]text        // put into the repository
	links map[string]string      // symbolic links there, and where they lead
	do    func(dir string) error // what else is done to it
	args  []string               // of lcm; validate is the default
	exit  int                    // findings is the default

	at   string // the place of a finding, file:line:column, or the file alone where that is what is wrong
	code string // of that finding
	says string // part of the message
}

// text is a file's content, made when it is needed: the memory of this process counts as that of those it starts.
type text func() string

func plain(s string) text { return func() string { return s } }

// repeated gives s n times between two others.
func repeated(before, s string, n int, after string) text {
	return func() string { return before + strings.Repeat(s, n) + after }
}

// said is what a command says with -o json: a report of validate, or an error.
type said struct {
	Message  string
	Hint     string
	Findings diag.List
}

// TestHostile gives a repository each hostile input there is. Each is refused with its place, a code and a hint, by the exit
// code that is documented, soon, in little memory, and changes nothing.
func TestHostile(t *testing.T) {
	base := hostileBase(t)
	for _, tt := range slices.Concat(hostileYAML(), hostileCUE(), hostileLinks(), hostileNames(), harmless()) {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "platform")
			if err := os.CopyFS(dir, os.DirFS(base)); err != nil {
				t.Fatal(err)
			}
			tt.prepare(t, dir)
			before := contents(t, dir)
			out := tt.run(t, dir)
			tt.check(t, out)
			if after := contents(t, dir); tt.exit != done && after != before {
				t.Errorf("the repository was changed:\n%s\nit was:\n%s", after, before)
			}
		})
	}
}

// hostileBase makes a repository that is valid.
func hostileBase(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "platform")
	hostileHome(t)
	for _, args := range [][]string{
		{"init", dir, "--generate-keys"},
		{"-C", dir, "tenant", "add", "acme", "--generate"},
		{"-C", dir, "namespace", "add", "notes"},
		{"-C", dir, "namespace", "add", "more"},
		{"-C", dir, "namespace", "add", "inference", "--module", "inference-engine"},
		{"-C", dir, "set", "acme/staging/notes", "a=1"},
		{"-C", dir, "validate"},
	} {
		if out, err := program(t.Context(), args...).CombinedOutput(); err != nil {
			t.Fatalf("lcm %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	if err := os.RemoveAll(filepath.Join(dir, ".git", "hooks")); err != nil { // only samples, which need not be copied each time
		t.Fatal(err)
	}
	return dir
}

// hostileHome is a user who signs commits.
func hostileHome(t *testing.T) {
	t.Helper()
	home := t.TempDir()
	useHome(t.Setenv, home, "ada")
	for _, v := range []string{"SOPS_AGE_KEY", "SOPS_AGE_KEY_FILE", "SSH_AUTH_SOCK"} {
		t.Setenv(v, "")
	}
	t.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	dir := os.Getenv("HOME")
	if err := os.MkdirAll(filepath.Join(dir, ".ssh"), 0o700); err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(dir, ".ssh", "signing")
	if out, err := exec.CommandContext(t.Context(), "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v\n%s", err, out)
	}
	config := fmt.Sprintf("[user]\n\tname = ada\n\temail = ada@example.com\n\tsigningkey = %s.pub\n[gpg]\n\tformat = ssh\n[init]\n\tdefaultBranch = main\n[commit]\n\tgpgsign = true\n", key)
	if err := os.WriteFile(filepath.Join(dir, ".gitconfig"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
}

// program is lcm in a process of its own, which this test binary stands in for.
func program(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "lcm", args...)
	cmd.WaitDelay = time.Second
	return cmd
}

func (h hostile) prepare(t *testing.T, dir string) {
	t.Helper()
	for name, content := range h.files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range h.links {
		file := filepath.Join(dir, name)
		if err := errors.Join(os.RemoveAll(file), os.MkdirAll(filepath.Dir(file), 0o750), os.Symlink(target, file)); err != nil {
			t.Fatal(err)
		}
	}
	if h.do != nil {
		if err := h.do(dir); err != nil {
			t.Fatal(err)
		}
	}
}

// run runs the command within the bounds, and reads what it says.
func (h hostile) run(t *testing.T, dir string) said {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hostileWait)
	defer cancel()
	args := h.args
	if args == nil {
		args = []string{"validate"}
	}
	cmd := program(ctx, slices.Concat([]string{"-C", dir}, args, []string{"-o", "json"})...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if ctx.Err() != nil {
		t.Fatalf("took more than %s", hostileWait)
	}
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err)
	}
	if took := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(); took > hostileTime {
		t.Errorf("took %s", took)
	}
	if peak := peakMemory(cmd.ProcessState); peak > hostileMemory {
		t.Errorf("took %d MB", peak>>20)
	}
	want := h.exit
	switch want {
	case 0:
		want = 3
	case done:
		want = 0
	}
	if code := cmd.ProcessState.ExitCode(); code != want {
		t.Errorf("exit code %d, want %d\n%.2000s\n%.2000s", code, want, stdout.String(), stderr.String())
	}
	var out said
	for _, text := range [][]byte{stdout.Bytes(), stderr.Bytes()} {
		if bytes.Contains(text, []byte("goroutine ")) || !utf8.Valid(text) {
			t.Fatalf("it crashed, or what it says is no text:\n%.2000q", text)
		}
		if i := bytes.Index(text, []byte("{\n")); i >= 0 && out.Message == "" && out.Findings == nil {
			if err := json.Unmarshal(text[i:], &out); err != nil {
				t.Fatalf("%v: %.2000s", err, text)
			}
		}
	}
	return out
}

// peakMemory gives the peak resident set of a process that has ended, in bytes.
func peakMemory(state *os.ProcessState) int64 {
	usage, ok := state.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	peak := int64(usage.Maxrss) //nolint:unconvert // not 64 bits everywhere
	if runtime.GOOS != "darwin" {
		peak *= 1024
	}
	return peak
}

// check holds what was said against what has to be said.
func (h hostile) check(t *testing.T, out said) {
	t.Helper()
	if h.exit == done {
		return
	}
	told := false
	for _, f := range out.Findings {
		if len(f.Message) > 1000 || len(f.Hint) > 1000 {
			t.Errorf("a message of %d bytes: %.200s", len(f.Message)+len(f.Hint), f.Message)
		}
		if f.Code == h.code && f.Position.String() == h.at && strings.Contains(f.Message, h.says) && f.Hint != "" {
			told = true
		}
	}
	if h.code == "" {
		told = strings.Contains(out.Message, h.says) && h.says != "" && out.Hint != "" && len(out.Message) < 1000
	}
	if !told {
		text := fmt.Sprintf("%s (hint: %s)", out.Message, out.Hint)
		for _, f := range out.Findings[:min(len(out.Findings), 5)] {
			text += fmt.Sprintf("\n%.500s (hint: %s)", f.String(), f.Hint)
		}
		t.Errorf("it does not say %q [%s] at %s, but:\n%.3000s", h.says, h.code, h.at, text)
	}
}

// contents gives the names and sizes of a repository's files, the position of its branch, and where links lead.
func contents(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil || strings.HasPrefix(name, ".git/lcm") {
			return err
		}
		fmt.Fprintf(&b, "%s %s %d %s\n", name, info.Mode(), info.Size(), info.ModTime())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
