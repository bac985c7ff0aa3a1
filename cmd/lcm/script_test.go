package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/llm-devops/lcm/cmd/internal/command"
	"github.com/llm-devops/lcm/cmd/internal/remote"
	"github.com/llm-devops/lcm/cmd/internal/term"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"lcm": main, "lcm-remote": remoteMain, "age-plugin-test": pluginMain})
}

// remoteMain is what cmd/lcm-remote does, for scripts: one test binary stands in for both programs.
func remoteMain() {
	os.Exit(command.Main(context.Background(), command.Process{
		Args: os.Args[1:], IO: term.System(os.Getenv), Getenv: os.Getenv, Version: os.Getenv("TEST_REMOTE_VERSION"),
		OpenRemote: remote.Opener(os.Getenv),
	}))
}

// TestScript runs testdata/script: each file is a user's session in a fresh home. Commands beside testscript's own:
//
//	home [NAME]      a home folder with Git's name, an SSH signing key and an age identity; the default is "ada"
//	as NAME          go on as another user of this script
//	intact           Git's own view of the repository is whole: status, fsck, and the signature of HEAD
//	exits N lcm …    the command exits with exactly N
//	page FILE        the examples of a page of the documentation come out as it says
func TestScript(t *testing.T) { runScripts(t, "script", nil) }

// runScripts runs the scripts of a folder of testdata; vars are more variables for them.
func runScripts(t *testing.T, folder string, vars map[string]string) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join(root, "testdata", folder),
		UpdateScripts:       os.Getenv("UPDATE") != "",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("ROOT", root)
			for _, v := range []string{"SOPS_AGE_KEY", "SOPS_AGE_KEY_FILE", "SSH_AUTH_SOCK", "GPG_TTY", "VAULT_TOKEN", "VAULT_ADDR"} {
				e.Setenv(v, "")
			}
			e.Setenv("GIT_CONFIG_NOSYSTEM", "1")
			e.Setenv("LC_ALL", "C.UTF-8")
			useHome(e.Setenv, e.WorkDir, "nobody")
			for name, value := range vars {
				e.Setenv(name, value)
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"home": home, "as": as, "intact": intact, "exits": exits, "page": page,
		},
	})
}

func useHome(setenv func(string, string), work, name string) string {
	dir := filepath.Join(work, ".home", name)
	setenv("HOME", dir)
	setenv("XDG_CONFIG_HOME", filepath.Join(dir, ".config"))
	setenv("XDG_CACHE_HOME", filepath.Join(dir, ".cache"))
	setenv("GIT_CONFIG_GLOBAL", filepath.Join(dir, ".gitconfig"))
	setenv("GNUPGHOME", filepath.Join(dir, ".gnupg"))
	setenv("USER", name)
	return dir
}

func home(ts *testscript.TestScript, _ bool, args []string) {
	name := "ada"
	if len(args) > 0 {
		name = args[0]
	}
	dir := useHome(ts.Setenv, ts.Getenv("WORK"), name)
	key := filepath.Join(dir, ".ssh", "signing")
	ts.Check(os.MkdirAll(filepath.Dir(key), 0o700))
	ts.Check(ts.Exec("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", key))
	config := fmt.Sprintf("[user]\n\tname = %s\n\temail = %s@example.com\n\tsigningkey = %s.pub\n[gpg]\n\tformat = ssh\n[init]\n\tdefaultBranch = main\n[commit]\n\tgpgsign = true\n", name, name, key)
	ts.Check(os.WriteFile(filepath.Join(dir, ".gitconfig"), []byte(config), 0o600))
}

func as(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: as NAME")
	}
	ts.Check(os.MkdirAll(useHome(ts.Setenv, ts.Getenv("WORK"), args[0]), 0o700))
}

func intact(ts *testscript.TestScript, neg bool, _ []string) {
	git := func(args ...string) string {
		cmd := exec.Command("git", append([]string{"-C", ts.MkAbs(".")}, args...)...)
		for _, v := range []string{"HOME", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM", "XDG_CONFIG_HOME", "PATH", "GNUPGHOME"} {
			cmd.Env = append(cmd.Env, v+"="+ts.Getenv(v))
		}
		out, err := cmd.CombinedOutput()
		if err != nil && !neg {
			ts.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	if out := git("status", "--porcelain"); out != "" {
		ts.Fatalf("git status is not clean:\n%s", out)
	}
	if out := git("fsck", "--strict", "--no-dangling"); strings.TrimSpace(out) != "" {
		ts.Fatalf("git fsck says:\n%s", out)
	}
	git("-c", "gpg.ssh.allowedSignersFile="+ts.MkAbs("policies/allowed_signers"), "verify-commit", "HEAD")
}

func exits(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: exits N command…")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := "0"
	if exit, ok := err.(*exec.ExitError); ok { //nolint:errorlint // Exec gives it bare
		code = fmt.Sprint(exit.ExitCode())
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if code != args[0] {
		ts.Fatalf("%s exited with %s, want %s", strings.Join(args[1:], " "), code, args[0])
	}
}
