package gitrepo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/llm-devops/lcm/pkg/diag"
)

// repoVariables are the variables by which git hands its own repository to the programs it starts. The repository here is
// the one that was opened, so they must not reach our children. Configuration (GIT_CONFIG_*) stays.
var repoVariables = []string{
	"GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_COMMON_DIR", "GIT_DIR", "GIT_GRAFT_FILE", "GIT_IMPLICIT_WORK_TREE",
	"GIT_INDEX_FILE", "GIT_INTERNAL_SUPER_PREFIX", "GIT_NAMESPACE", "GIT_NO_REPLACE_OBJECTS", "GIT_OBJECT_DIRECTORY",
	"GIT_PREFIX", "GIT_QUARANTINE_PATH", "GIT_REPLACE_REF_BASE", "GIT_SHALLOW_FILE", "GIT_WORK_TREE",
	"GIT_LITERAL_PATHSPECS", "GIT_GLOB_PATHSPECS", "GIT_NOGLOB_PATHSPECS", "GIT_ICASE_PATHSPECS",
}

// ownVariables are the variables that are set for git commands here, and left alone for hooks.
var ownVariables = []string{"LC_ALL", "LANGUAGE", "GIT_OPTIONAL_LOCKS", "GIT_TERMINAL_PROMPT"}

// environWithout gives this process's environment without the variables named.
func environWithout(lists ...[]string) []string {
	return slices.DeleteFunc(os.Environ(), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.ContainsFunc(lists, func(list []string) bool { return slices.Contains(list, name) })
	})
}

// command is one run of git.
type command struct {
	args   []string
	env    []string   // added last
	stdin  io.Reader  // nil: none
	files  []*os.File // inherited from descriptor 3 on
	write  bool       // a command that may take the repository's locks
	stream func(io.Reader) error
	said   *string // takes standard error, also of a success
}

// git runs "git args…" in the repository and gives its standard output. A failure is a [*GitError].
func (r *Repo) git(ctx context.Context, args ...string) ([]byte, error) {
	return r.run(ctx, command{args: args})
}

func (r *Repo) run(ctx context.Context, c command) ([]byte, error) {
	return runGit(ctx, r.runDir(), c, r.childVariables)
}

func runGit(ctx context.Context, dir string, c command, extra []string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "git", append([]string{"--no-replace-objects"}, c.args...)...) //nolint:gosec // fixed program, own arguments
	cmd.Dir = dir
	cmd.Env = append(gitEnv(c.write), extra...)
	cmd.Env = append(cmd.Env, c.env...)
	cmd.Stdin = c.stdin
	cmd.ExtraFiles = c.files
	// A child of git (a signing program, a hook) may outlive it and hold the pipes.
	cmd.WaitDelay = 2 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stderr = &stderr
	var err error
	if c.stream == nil {
		cmd.Stdout = &stdout
		err = cmd.Run()
	} else {
		err = runStream(cmd, c.stream)
	}
	if c.said != nil {
		*c.said = stderr.String()
	}
	if err == nil {
		return stdout.Bytes(), nil
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%s: %w", commandName(c.args), context.Cause(ctx))
	}
	if errors.Is(err, exec.ErrNotFound) {
		return nil, diag.WithHint(fmt.Errorf("git is not installed: %w", err), "install git 2.34 or newer and put it on PATH")
	}
	if _, ok := errors.AsType[*exec.ExitError](err); !ok && c.stream != nil {
		return nil, err
	}
	return stdout.Bytes(), &GitError{Command: commandName(c.args), Code: cmd.ProcessState.ExitCode(), Stderr: stderr.String(), err: err}
}

// errStop ends a stream early without being a failure.
var errStop = errors.New("stop")

func runStream(cmd *exec.Cmd, read func(io.Reader) error) error {
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	readErr := read(out)
	if readErr != nil {
		_ = cmd.Process.Kill() // it may be blocked on the pipe that is no longer read
	}
	waitErr := cmd.Wait()
	if readErr != nil {
		return readErr
	}
	return waitErr
}

func gitEnv(write bool) []string {
	env := append(environWithout(repoVariables, ownVariables), "LC_ALL=C", "GIT_TERMINAL_PROMPT=0")
	if !write {
		env = append(env, "GIT_OPTIONAL_LOCKS=0")
	}
	return env
}

// commandName gives the words of a command line that a reader needs to know which command it was.
func commandName(args []string) string {
	for i := 0; i < len(args); i++ {
		switch a := args[i]; {
		case a == "-c" || a == "-C":
			i++
		case !strings.HasPrefix(a, "-"):
			return "git " + a
		}
	}
	return "git"
}

// exitCode gives the exit code of a git command that failed, or -1.
func exitCode(err error) int {
	if g, ok := errors.AsType[*GitError](err); ok {
		return g.Code
	}
	return -1
}
