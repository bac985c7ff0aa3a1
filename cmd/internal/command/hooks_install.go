package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/llm-devops/lcm/cmd/internal/display"
	"github.com/llm-devops/lcm/pkg/gitrepo"
	"github.com/llm-devops/lcm/pkg/workspace"
)

const (
	preCommitCall = "lcm hooks pre-commit"
	preCommitMark = "# lcm pre-commit hook, written by lcm hooks install"
	preCommitKept = "pre-commit.before-lcm"

	frameworkFile = ".pre-commit-config.yaml"
)

// preCommitHook is the hook. What was there before runs first, as it may change what is staged.
const preCommitHook = `#!/bin/sh
` + preCommitMark + `, which replaces it: a hook of your own goes
# beside it into ` + preCommitKept + `, and is run first.
before="$(dirname "$0")/` + preCommitKept + `"
if [ -x "$before" ]; then
	"$before" "$@" || exit $?
fi
if ! command -v lcm >/dev/null 2>&1; then
	echo 'pre-commit: lcm is not on PATH, so what is staged was not checked: put it there, or commit with --no-verify' >&2
	exit 1
fi
exec ` + preCommitCall + `
`

// frameworkEntry is what the pre-commit framework needs to call lcm.
const frameworkEntry = `    - repo: local
      hooks:
        - id: lcm
          name: lcm
          entry: ` + preCommitCall + `
          language: system
          pass_filenames: false
          always_run: true`

// installPreCommit has Git's hook pre-commit call lcm, or says how to.
func installPreCommit(ctx context.Context, w *workspace.Workspace, dryRun bool) (*display.PreCommit, error) {
	hook, err := w.Repo().HookFile(ctx, "pre-commit")
	if err != nil {
		return nil, err
	}
	report, err := planPreCommit(ctx, w, hook)
	if err != nil || report.State != display.PreCommitWritten || dryRun {
		return report, err
	}
	kept := ""
	if report.Kept != "" {
		kept = preCommitKept
	}
	return report, w.Repo().WriteHook(hook, []byte(preCommitHook), kept)
}

// planPreCommit says what is to be done about the hook.
func planPreCommit(ctx context.Context, w *workspace.Workspace, hook gitrepo.HookFile) (*display.PreCommit, error) {
	report := &display.PreCommit{File: shown(w, hook.Path), State: display.PreCommitWritten}
	framework, err := w.Worktree().ReadFile(ctx, frameworkFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	ours := bytes.Contains(hook.Content, []byte(preCommitMark))
	switch {
	case ours && hook.Active && string(hook.Content) == preCommitHook,
		!ours && hook.Active && bytes.Contains(hook.Content, []byte(preCommitCall)),
		bytes.Contains(framework, []byte(preCommitCall)):
		report.State = display.PreCommitPresent
	case framework != nil:
		report.State, report.Why = display.PreCommitManual, "the pre-commit framework manages it"
		report.Do = "add this to " + frameworkFile + " under repos:, then run pre-commit install\n" + frameworkEntry
	case hook.Outside:
		report.State = display.PreCommitManual
		report.Why = fmt.Sprintf("core.hooksPath is %s, and other repositories use those hooks too", hook.Configured)
		report.Do = "add this to it, at its end:\n    [ ! -f lcm.yaml ] || " + preCommitCall + " || exit $?"
	case hook.Configured != "" && hook.Content != nil && !ours:
		report.State = display.PreCommitManual
		report.Why = fmt.Sprintf("core.hooksPath is %s, and it is a file of this repository", hook.Configured)
		report.Do = "add this to it, at its end:\n    " + preCommitCall + " || exit $?"
	case hook.Content != nil && !ours:
		report.Kept = shown(w, filepath.Join(filepath.Dir(hook.Path), preCommitKept))
	}
	return report, nil
}

// shown gives a path as seen from the repository's root, where it lies below that.
func shown(w *workspace.Workspace, file string) string {
	rel, err := filepath.Rel(w.Repo().Root(), file)
	if err != nil || !filepath.IsLocal(rel) {
		return file
	}
	return rel
}
