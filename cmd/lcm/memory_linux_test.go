package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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

// waiting is a script that leaves its own process and its parent's, and waits to be let go on.
func (u *guarded) waiting(then string) string {
	return fmt.Sprintf(`echo $$ $PPID > %[1]s/started; mv %[1]s/started %[1]s/waits; while [ ! -e %[1]s/go ]; do sleep 0.02; done; %[2]s`, u.home, then)
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

// TestNoOtherProcessReadsTheMemory looks at lcm as another process of the same user does, while a program runs that lcm gave secrets to,
// and ends it so that it would leave a core dump.
func TestNoOtherProcessReadsTheMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("builds lcm")
	}
	u := newGuarded(t)
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

// TestAShieldedProcessFindsItsOwnFiles reads an identity from where a shell's process substitution has it, which is in /proc.
func TestAShieldedProcessFindsItsOwnFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("builds lcm")
	}
	u := newGuarded(t)
	out, err := u.shell("exec 3< " + u.home + "/.config/sops/age/keys.txt; XDG_CONFIG_HOME=" + u.home + "/none SOPS_AGE_KEY_FILE=/dev/fd/3 exec lcm -C " + u.dir +
		" get acme/production/notes token --reveal")
	if err != nil || strings.TrimSpace(out) != guardedSecret {
		t.Errorf("%v\n%s", err, out)
	}
}
