package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/llm-devops/lcm/cmd/internal/display"
	"github.com/llm-devops/lcm/pkg/gitrepo"
	"github.com/llm-devops/lcm/pkg/workspace"
)

const (
	preCommit      = "pre-commit"
	preMergeCommit = "pre-merge-commit" // Git's for merges without a conflict, before the commit that it makes of one

	frameworkFile = ".pre-commit-config.yaml"
	frameworkMark = "https://pre-commit.com" // in the hooks that it installs
)

// hook is one of Git's hooks that has lcm check what is to be committed.
type hook struct{ name string }

// call is the command that the hook runs.
func (h hook) call() string { return "lcm hooks " + h.name }

// kept is the name beside the hook of the one that was there before.
func (h hook) kept() string { return h.name + ".before-lcm" }

func (h hook) mark() string { return "# lcm " + h.name + " hook, written by lcm hooks install" }

// script is the hook. What was there before runs first, as it may change what is staged.
func (h hook) script() string {
	unchecked := "what is staged was not checked: put it there, or commit with --no-verify"
	if h.name == preMergeCommit {
		unchecked = "the outcome of the merge was not checked: put it there, or merge with --no-verify"
	}
	return `#!/bin/sh
` + h.mark() + `, which replaces it: a hook of your own goes
# beside it into ` + h.kept() + `, and is run first.
before="$(dirname "$0")/` + h.kept() + `"
if [ -x "$before" ]; then
	"$before" "$@" || exit $?
fi
if ! command -v lcm >/dev/null 2>&1; then
	echo '` + h.name + `: lcm is not on PATH, so ` + unchecked + `' >&2
	exit 1
fi
exec ` + h.call() + `
`
}

// called reports whether a hook that is not lcm's has what is committed checked. For a merge it may leave that to the hook for
// other commits, as Git's sample does.
func (h hook) called(content []byte) bool {
	return bytes.Contains(content, []byte(h.call())) ||
		h.name == preMergeCommit && (bytes.Contains(content, []byte(hook{preCommit}.call())) || bytes.Contains(content, []byte("hooks/"+preCommit)))
}

// frameworkEntry is what the pre-commit framework needs to call lcm.
const frameworkEntry = `    - repo: local
      hooks:
        - id: lcm
          name: lcm
          entry: lcm hooks pre-commit
          language: system
          pass_filenames: false
          always_run: true`

// installHook has one of Git's hooks call lcm, or says how to.
func installHook(ctx context.Context, w *workspace.Workspace, name string, dryRun bool) (*display.Hook, error) {
	h := hook{name}
	file, err := w.Repo().HookFile(ctx, name)
	if err != nil {
		return nil, err
	}
	report, err := h.plan(ctx, w, file)
	if err != nil || report.State != display.HookWritten || dryRun {
		return report, err
	}
	kept := ""
	if report.Kept != "" {
		kept = h.kept()
	}
	return report, w.Repo().WriteHook(file, []byte(h.script()), kept)
}

// plan says what is to be done about the hook.
func (h hook) plan(ctx context.Context, w *workspace.Workspace, file gitrepo.HookFile) (*display.Hook, error) {
	report := &display.Hook{File: shown(w, file.Path), State: display.HookWritten}
	framework, err := w.Worktree().ReadFile(ctx, frameworkFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	ours := bytes.Contains(file.Content, []byte(h.mark()))
	inFramework := bytes.Contains(framework, []byte(hook{preCommit}.call()))
	switch {
	case file.Off:
		report.State, report.Why = display.HookManual, hooksOff(file)
		report.Do = "have Git run this repository's hooks, then run lcm hooks install again:\n    git config core.hooksPath '" + strings.ReplaceAll(file.Default, "'", `'\''`) + "'"
	case ours && file.Active && string(file.Content) == h.script(),
		!ours && file.Active && h.called(file.Content),
		inFramework && (h.name == preCommit || bytes.Contains(file.Content, []byte(frameworkMark))):
		report.State = display.HookPresent
	case inFramework:
		report.State, report.Why = display.HookManual, "the pre-commit framework manages it"
		report.Do = "have it installed, too: pre-commit install --hook-type " + h.name
	case framework != nil:
		report.State, report.Why = display.HookManual, "the pre-commit framework manages it"
		report.Do = "add this to " + frameworkFile + " under repos:, then run pre-commit install --hook-type " + h.name + "\n" + frameworkEntry
	case file.Outside:
		report.State = display.HookManual
		report.Why = fmt.Sprintf("core.hooksPath is %s, and other repositories use those hooks too", file.Configured)
		report.Do = "add this to it, at its end:\n    [ ! -f lcm.yaml ] || " + h.call() + " || exit $?"
	case file.Configured != "" && file.Content != nil && !ours:
		report.State = display.HookManual
		report.Why = fmt.Sprintf("core.hooksPath is %s, and it is a file of this repository", file.Configured)
		report.Do = "add this to it, at its end:\n    " + h.call() + " || exit $?"
	case file.Content != nil && !ours:
		report.Kept = shown(w, filepath.Join(filepath.Dir(file.Path), h.kept()))
	}
	return report, nil
}

// hooksOff says why Git runs no hook.
func hooksOff(file gitrepo.HookFile) string {
	if file.Configured == "" {
		return "core.hooksPath is empty, so Git runs no hook here"
	}
	return fmt.Sprintf("core.hooksPath is %s, which is no folder, so Git runs no hook here", file.Configured)
}

// shown gives a path as seen from the repository's root, where it lies below that.
func shown(w *workspace.Workspace, file string) string {
	rel, err := filepath.Rel(w.Repo().Root(), file)
	if err != nil || !filepath.IsLocal(rel) {
		return file
	}
	return rel
}
