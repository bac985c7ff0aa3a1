package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"
	"filippo.io/age/armor"
)

const nobody = 65534

// guarded is a user of the program as it is built for users, with a repository that has a secret. Where the tests run as root it is
// another user, as the system denies root nothing.
type guarded struct {
	t              *testing.T
	lcm, home, dir string
	as             *syscall.SysProcAttr
	extra          []string // of the environment
}

const guardedSecret = "cnryqz7vMemory7Kq2Lm9Rt4Wz"

func newGuarded(t *testing.T) *guarded {
	t.Helper()
	top, err := os.MkdirTemp("", "lcm-memory-") //nolint:usetesting // t.TempDir is below a folder that others cannot enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(top) })
	u := &guarded{t: t, lcm: filepath.Join(top, "lcm"), home: filepath.Join(top, "home"), dir: filepath.Join(top, "home", "platform"), as: &syscall.SysProcAttr{}}
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", u.lcm, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build lcm: %v\n%s", err, out)
	}
	if err := errors.Join(os.Chmod(top, 0o755), os.MkdirAll(u.home, 0o700)); err != nil { //nolint:gosec // another user is to enter it
		t.Fatal(err)
	}
	if os.Getuid() == 0 {
		u.as.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
		if err := os.Chown(u.home, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	must := func(stdin string, args ...string) {
		t.Helper()
		cmd := u.command(u.lcm, args...)
		cmd.Stdin = strings.NewReader(stdin)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("lcm %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	if err := os.MkdirAll(u.home, 0o700); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(u.home, ".gitconfig")
	if err := os.WriteFile(config, []byte("[user]\n\tname = ada\n\temail = ada@example.com\n[init]\n\tdefaultBranch = main\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if u.as.Credential != nil {
		if err := os.Chown(config, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	must("", "init", u.dir, "--generate-keys")
	must("", "-C", u.dir, "tenant", "add", "acme", "--generate")
	must("", "-C", u.dir, "namespace", "add", "notes")
	must(guardedSecret, "-C", u.dir, "set", "acme/production/notes", "--stdin", "token", "--secret", "token")
	return u
}

// command is a program of the user's.
func (u *guarded) command(name string, args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(u.t.Context(), time.Minute)
	u.t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.SysProcAttr, cmd.WaitDelay = u.home, u.as, time.Second
	cmd.Env = append([]string{
		"PATH=" + filepath.Dir(u.lcm) + ":" + os.Getenv("PATH"), "HOME=" + u.home, "XDG_CONFIG_HOME=" + filepath.Join(u.home, ".config"),
		"GIT_CONFIG_NOSYSTEM=1", "LC_ALL=C.UTF-8", "USER=ada",
	}, u.extra...)
	return cmd
}

// shell runs a line as the user.
func (u *guarded) shell(line string) (string, error) {
	out, err := u.command("sh", "-c", line).CombinedOutput()
	return string(out), err
}

// waiting is a script that leaves its own process and its parent's, and waits to be let go on, or for the test to be over.
func (u *guarded) waiting(then string) string {
	return fmt.Sprintf(`echo $$ $PPID > %[1]s/started; mv %[1]s/started %[1]s/waits; while [ -d %[1]s ] && [ ! -e %[1]s/go ]; do sleep 0.02; done; %[2]s`, u.home, then)
}

// start runs a command with a waiting script in it, and gives the processes of the script and of lcm; what is sent on ended is that the
// command has.
func (u *guarded) start(cmd *exec.Cmd) (script, lcm int, said *bytes.Buffer, ended chan error) {
	u.t.Helper()
	said, ended = &bytes.Buffer{}, make(chan error, 1)
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		u.t.Fatal(err)
	}
	go func() { ended <- cmd.Wait() }()
	for range 1000 {
		data, err := os.ReadFile(filepath.Join(u.home, "waits"))
		if errors.Is(err, fs.ErrNotExist) {
			select {
			case err := <-ended:
				u.t.Fatalf("lcm ended: %v\n%s", err, said)
			case <-time.After(20 * time.Millisecond):
			}
			continue
		}
		if _, err := fmt.Sscan(string(data), &script, &lcm); err != nil {
			u.t.Fatalf("%q: %v", data, err)
		}
		return script, lcm, said, ended
	}
	u.t.Fatal("the script does not start")
	return 0, 0, nil, nil
}

func (u *guarded) letGo() {
	if err := os.WriteFile(filepath.Join(u.home, "go"), nil, 0o600); err != nil {
		u.t.Error(err)
	}
}

var coreSize = regexp.MustCompile(`Max core file size +(\S+)`)

func coreLimitOf(t *testing.T, process int) string {
	t.Helper()
	data, err := os.ReadFile("/proc/" + strconv.Itoa(process) + "/limits")
	if err != nil {
		t.Fatal(err)
	}
	return string(coreSize.FindSubmatch(data)[1])
}

func TestMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("builds lcm")
	}
	u := newGuarded(t)
	for name, test := range map[string]func(*testing.T, *guarded){
		"shielded": testNoOtherProcessReadsTheMemory, "own files": testAShieldedProcessFindsItsOwnFiles, "keys are gone": testKeysAreGone,
	} {
		t.Run(name, func(t *testing.T) {
			mine := *u
			mine.t = t
			for _, name := range []string{"waits", "go"} {
				_ = os.Remove(filepath.Join(u.home, name))
			}
			test(t, &mine)
		})
	}
}

// testNoOtherProcessReadsTheMemory looks at lcm as another process of the same user does, while a program runs that lcm gave secrets to,
// and ends it so that it would leave a core dump.
func testNoOtherProcessReadsTheMemory(t *testing.T, u *guarded) {
	u.extra = []string{"GOTRACEBACK=crash"}
	line := `ulimit -S -c "$(ulimit -H -c)"; exec lcm -C ` + u.dir + ` exec acme/production/notes --file all.json=. -- sh -c '` + u.waiting("true") + `'`
	cmd := u.command("sh", "-c", line)
	script, lcm, said, ended := u.start(cmd)
	defer u.letGo()
	if out, err := u.shell(fmt.Sprintf("cat /proc/%d/environ", script)); err != nil {
		t.Fatalf("one process cannot look at another at all, so this shows nothing: %v\n%s", err, out)
	}
	for _, file := range []string{"environ", "mem", "maps", "auxv"} {
		if out, err := u.shell(fmt.Sprintf("head -c 1 /proc/%d/%s", lcm, file)); err == nil || !strings.Contains(out, "Permission denied") {
			t.Errorf("%s of lcm: %v\n%s", file, err, out)
		}
	}
	if got := coreLimitOf(t, lcm); got != "0" {
		t.Errorf("core dumps of lcm may have %s bytes", got)
	}
	var own syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_CORE, &own); err != nil {
		t.Fatal(err)
	}
	if got := coreLimitOf(t, script); got == "0" && own.Max != 0 {
		t.Error("the program that lcm runs has lcm's limit on core dumps, and not its user's")
	}
	if err := syscall.Kill(lcm, syscall.SIGABRT); err != nil {
		t.Fatal(err)
	}
	<-ended
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() || status.CoreDump() {
		t.Errorf("lcm ended with %v", cmd.ProcessState)
	}
	if strings.Contains(said.String(), guardedSecret) {
		t.Errorf("the trace shows a secret:\n%s", said)
	}
}

// testAShieldedProcessFindsItsOwnFiles reads an identity from where a shell's process substitution has it, which is in /proc.
func testAShieldedProcessFindsItsOwnFiles(t *testing.T, u *guarded) {
	out, err := u.shell("exec 3< " + u.home + "/.config/sops/age/keys.txt; XDG_CONFIG_HOME=" + u.home + "/none SOPS_AGE_KEY_FILE=/dev/fd/3 exec lcm -C " + u.dir +
		" get acme/production/notes token --reveal")
	if err != nil || strings.TrimSpace(out) != guardedSecret {
		t.Errorf("%v\n%s", err, out)
	}
}

// testKeysAreGone looks through all memory of lcm while a program runs that it waits for.
func testKeysAreGone(t *testing.T, u *guarded) {
	if os.Getuid() != 0 {
		t.Skip("only root can read the memory of lcm")
	}
	keys := u.keys()
	for name, args := range map[string][]string{
		"exec": {"exec", "acme/production/notes", "--file", "all.json=.", "--", "sh", "-c", u.waiting("true")},
		"edit": {"edit", "acme/production/notes", "-m", "more"},
	} {
		t.Run(name, func(t *testing.T) {
			mine := *u
			mine.t = t
			for _, name := range []string{"waits", "go"} {
				_ = os.Remove(filepath.Join(u.home, name))
			}
			script := filepath.Join(u.home, "editor")
			if err := os.WriteFile(script, []byte("#!/bin/sh\n"+mine.waiting(`echo more: x >>"$1"`)+"\n"), 0o755); err != nil { //nolint:gosec // it is run
				t.Fatal(err)
			}
			mine.extra = []string{"EDITOR=" + script}
			_, lcm, said, ended := mine.start(mine.command(u.lcm, append([]string{"-C", u.dir}, args...)...))
			memory := memoryOf(t, lcm)
			mine.letGo()
			if err := <-ended; err != nil {
				t.Fatalf("%v\n%s", err, said)
			}
			if !bytes.Contains(memory, []byte("acme/production/notes")) {
				t.Fatalf("these %d bytes are not the memory of lcm", len(memory))
			}
			for what, key := range keys {
				if n := bytes.Count(memory, key); n > 0 {
					t.Errorf("%s is in memory %d times", what, n)
				}
			}
		})
	}
}

// keys gives the data key of the file with the secret, as it would lie in memory: alone it opens the file for good. Of private keys,
// libraries leave pieces behind that nothing here can reach.
func (u *guarded) keys() map[string][]byte {
	u.t.Helper()
	text, err := os.ReadFile(filepath.Join(u.home, ".config", "sops", "age", "keys.txt"))
	if err != nil {
		u.t.Fatal(err)
	}
	identities, err := age.ParseIdentities(bytes.NewReader(text))
	if err != nil {
		u.t.Fatal(err)
	}
	all := map[string][]byte{}
	file, err := os.ReadFile(filepath.Join(u.dir, "config", "acme", "production", "notes.yaml"))
	if err != nil {
		u.t.Fatal(err)
	}
	sealed := regexp.MustCompile(`(?s) *-----BEGIN AGE ENCRYPTED FILE-----.*?-----END AGE ENCRYPTED FILE-----\n`).FindAll(file, -1)
	for _, s := range sealed {
		if r, err := age.Decrypt(armor.NewReader(bytes.NewReader(regexp.MustCompile(`(?m)^ +`).ReplaceAll(s, nil))), identities...); err == nil {
			if all["data key"], err = io.ReadAll(r); err != nil || len(all["data key"]) != 32 {
				u.t.Fatalf("%x: %v", all["data key"], err)
			}
		}
	}
	if all["data key"] == nil {
		u.t.Fatalf("none of %d envelopes opens", len(sealed))
	}
	return all
}

// memoryOf gives all that a process may write to in its memory.
func memoryOf(t *testing.T, process int) []byte {
	t.Helper()
	dir := "/proc/" + strconv.Itoa(process)
	maps, err := os.ReadFile(dir + "/maps")
	if err != nil {
		t.Skipf("this system does not let root read the memory of another process: %v", err)
	}
	mem, err := os.Open(dir + "/mem")
	if err != nil {
		t.Skipf("this system does not let root read the memory of another process: %v", err)
	}
	defer mem.Close()
	var all []byte
	for line := range strings.Lines(string(maps)) {
		var from, to uint64
		var mode string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &mode); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if !strings.HasPrefix(mode, "rw") {
			continue
		}
		part := make([]byte, to-from)
		n, err := mem.ReadAt(part, int64(from))
		if err != nil && n == 0 {
			t.Logf("%s: %v", strings.TrimSpace(line), err)
		}
		all = append(all, part[:n]...)
	}
	return all
}
