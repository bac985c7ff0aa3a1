package gitrepo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"time"
)

// hooks are the hooks of a repository that take part in a commit.
type hooks struct {
	repo   *Repo
	paths  map[string]string // by name; only those that exist and are executable
	output io.Writer
}

// OwnCommit is the variable by which a hook can tell that [Repo.Commit] runs it, and not git commit.
const OwnCommit = "LCM_COMMIT"

// maxHookOutput bounds what of a hook's output goes into an error.
const maxHookOutput = 64 << 10

func (r *Repo) findHooks(ctx context.Context, c *gitConfig, output io.Writer) (*hooks, error) {
	dir, err := r.hooksDir(ctx, c)
	if err != nil {
		return nil, err
	}
	if output == nil {
		output = io.Discard
	}
	h := &hooks{repo: r, paths: map[string]string{}, output: output}
	for _, name := range []string{"pre-commit", "prepare-commit-msg", "commit-msg", "post-commit"} {
		path := filepath.Join(dir, name)
		info, err := os.Stat(path)
		if err == nil && info.Mode().IsRegular() && (info.Mode()&0o111 != 0 || runtime.GOOS == "windows") {
			h.paths[name] = path
		}
	}
	return h, nil
}

func (h *hooks) any(names ...string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return h.paths[n] != "" })
}

// run runs a hook, if there is one, as git does: in the top folder, with the given variables. A failing one is a [*HookError].
func (h *hooks) run(ctx context.Context, name string, env []string, args ...string) error {
	path, ok := h.paths[name]
	if !ok {
		return nil
	}
	var said limitedBuffer
	out := io.MultiWriter(&said, h.output)
	err := h.start(ctx, path, args, env, out)
	if errors.Is(err, syscall.ENOEXEC) || (err != nil && runtime.GOOS == "windows" && !isExit(err)) {
		// A script without a "#!" line, or a system that does not know what that is.
		err = h.start(ctx, "sh", append([]string{path}, args...), env, out)
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("hook %s: %w", name, context.Cause(ctx))
	case isExit(err):
		return &HookError{Hook: name, Output: said.String()}
	}
	return &HookError{Hook: name, Output: err.Error()}
}

func isExit(err error) bool {
	_, ok := errors.AsType[*exec.ExitError](err)
	return ok
}

func (h *hooks) start(ctx context.Context, program string, args, env []string, out io.Writer) error {
	cmd := exec.CommandContext(ctx, program, args...) //nolint:gosec // the repository's own hook
	cmd.Dir = h.repo.root
	cmd.Env = append(environWithout(repoVariables), env...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.WaitDelay = 2 * time.Second
	return cmd.Run()
}

// limitedBuffer keeps the start of what is written to it.
type limitedBuffer struct{ b bytes.Buffer }

func (l *limitedBuffer) Write(p []byte) (int, error) {
	l.b.Write(p[:min(len(p), maxHookOutput-l.b.Len())])
	return len(p), nil
}

func (l *limitedBuffer) String() string { return l.b.String() }

// runHooks runs the hooks that come before a commit, in the order in which git does, makes the commit, and notes it in the
// journal. The hooks see the new files in place and the new index in GIT_INDEX_FILE; they may change the message, but not
// what is committed: that was checked.
func (c *commitRun) runHooks(ctx context.Context) error {
	env := []string{"GIT_INDEX_FILE=" + c.txn.path("index"), "GIT_EDITOR=:", OwnCommit + "=1"}
	if c.hooks.any("pre-commit") {
		before, err := readIndexFile(c.txn.path("index"))
		if err != nil {
			return err
		}
		if err := c.hooks.run(ctx, "pre-commit", env); err != nil {
			return err
		}
		after, err := readIndexFile(c.txn.path("index"))
		if err != nil {
			return err
		}
		if !before.same(after) {
			return &HookError{Hook: "pre-commit", Output: "it changed what is to be committed, which was already checked and would not be any more"}
		}
	}
	if err := c.editMessage(ctx, env); err != nil {
		return err
	}
	var err error
	if c.rev, err = c.repo.makeCommit(ctx, c.plan.config, c.tree, c.q, c.message); err != nil {
		return err
	}
	c.txn.journal.Commit = c.rev.Hash
	return c.txn.record()
}

func (c *commitRun) editMessage(ctx context.Context, env []string) error {
	if !c.hooks.any("prepare-commit-msg", "commit-msg") {
		return nil
	}
	file := c.txn.path("COMMIT_EDITMSG")
	if err := os.WriteFile(file, []byte(c.message), 0o666); err != nil { //nolint:gosec // as git does: the umask decides
		return err
	}
	if err := c.hooks.run(ctx, "prepare-commit-msg", env, file, "message"); err != nil {
		return err
	}
	if err := c.hooks.run(ctx, "commit-msg", env, file); err != nil {
		return err
	}
	b, err := os.ReadFile(file) //nolint:gosec // own folder
	if err != nil {
		return err
	}
	c.message = tidyMessage(string(b))
	if c.message == "" {
		return &HookError{Hook: "commit-msg", Output: "it left an empty message"}
	}
	return nil
}
