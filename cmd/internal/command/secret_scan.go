package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"github.com/llm-devops/lcm/cmd/internal/display"
	"github.com/llm-devops/lcm/cmd/internal/option"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/scan"
	"github.com/llm-devops/lcm/pkg/workspace"
)

type secretScanOptions struct {
	format        option.Format
	staged        bool
	history       bool
	baseline      string
	writeBaseline string
}

func newSecretScan(e *env) *cobra.Command {
	o := &secretScanOptions{}
	cmd := &cobra.Command{
		Use:   "scan [--history [REV-RANGE]]",
		Short: "Look for secrets in plain text, in the worktree, what is staged, or history",
		Long: `Look for secrets in plain text: in all files of the worktree that Git tracks or could track; with --staged in those that the next
commit would add or change, for what HEAD does not have there already; with --history in everything that commits brought in, and
in their messages: all that branches and tags lead to, or a range as git rev-list takes it. There a secret is told once for each
file, with the commit that brought it in and its author.

What a secret looks like is known from the rules of Gitleaks, and from a few of our own for configuration; of layer files the
schema says which fields are secret, whatever their value looks like. What SOPS has encrypted is never a finding. A finding says
where it is, which rule it broke and what to do, and never shows any of the secret.

A line that may hold what looks like a secret says why, at its end or in a comment above it:

  fixture: AKIA… # lcm:allow-secret made up for the tests

A comment without a reason allows nothing. A value in a field that the schema says is secret cannot be allowed: encrypt it. What is
in history stays there: once it is revoked, --write-baseline notes what is known, and --baseline leaves that out.

It takes no key. The exit code is 3 if there are findings.`,
		Example: `  lcm secret scan
  lcm secret scan --staged                 what the next commit would add
  lcm secret scan --history                all that was ever committed
  lcm secret scan --history origin/main..  what a branch adds
  lcm secret scan --history --write-baseline known-secrets.json
  lcm secret scan --history --baseline known-secrets.json
  lcm secret scan -o sarif                 for code scanning`,
		Args: args(0, 1, "a range of commits, with --history"),
		RunE: func(cmd *cobra.Command, a []string) error {
			e.output(&o.format)
			if len(a) > 0 && !o.history {
				return usage(fmt.Errorf("%q is a range of commits, and only history has those", a[0]), "lcm secret scan --history %s", a[0])
			}
			return runSecretScan(cmd.Context(), e, o, strings.Join(a, ""))
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	o.format.Bind(cmd, "text", "json", "sarif", "github")
	f := cmd.Flags()
	f.BoolVar(&o.staged, "staged", false, "look at what the next commit would add, in place of the worktree")
	f.BoolVar(&o.history, "history", false, "look at what commits brought in, in place of the worktree")
	f.StringVar(&o.baseline, "baseline", "", "leave out what `FILE` says is known")
	f.StringVar(&o.writeBaseline, "write-baseline", "", "write what is found to `FILE`, as known from now on")
	return cmd
}

func runSecretScan(ctx context.Context, e *env, o *secretScanOptions, revs string) error {
	if o.staged && o.history {
		return usage(errors.New("--staged and --history exclude each other"), "choose one")
	}
	w, err := e.workspace(ctx)
	if err != nil {
		return err
	}
	known, err := o.known(e)
	if err != nil {
		return err
	}
	report, err := o.scan(ctx, e, w, revs)
	if err != nil {
		return err
	}
	if o.writeBaseline != "" {
		return o.write(e, report, known)
	}
	if known != nil {
		if gone := report.Without(known); len(gone) > 0 && !o.staged && revs == "" {
			e.IO.Note("%d of what %s says is known is not found here any more: write it anew with --write-baseline", len(gone), o.baseline)
		}
	}
	switch o.format.Name {
	case "json":
		err = display.JSON(e.IO.Out, "SecretScan", report)
	case "sarif":
		err = display.SecretScanSARIF(e.IO.Out, report, e.version())
	case "github":
		err = display.FindingsGitHub(e.IO.Out, report.List())
	default:
		err = display.SecretScanText(e.IO, report)
	}
	if err == nil && len(report.Findings) > 0 {
		err = &silentError{code: exitFindings}
	}
	return err
}

// scan looks where it was asked to.
func (o *secretScanOptions) scan(ctx context.Context, e *env, w *workspace.Workspace, revs string) (*scan.Report, error) {
	progress := e.IO.Stages()
	defer progress.Done()
	options := scan.Options{Total: progress.Of("scanning"), Step: progress.Step}
	switch {
	case o.history:
		if shallow, err := w.Repo().Shallow(ctx); err != nil {
			return nil, err
		} else if shallow {
			e.IO.Warn("this clone is shallow: only the commits that it has are looked at; git fetch --unshallow gets the others")
		}
		return scan.History(ctx, w, revs, options)
	case o.staged:
		return scan.Staged(ctx, w, e.Getenv("GIT_INDEX_FILE"), options)
	}
	return scan.Worktree(ctx, w, options)
}

// known reads the baseline, nil where there is none to go by. The one that is written anew is where notes come from.
func (o *secretScanOptions) known(e *env) (*scan.Baseline, error) {
	file := cmp.Or(o.baseline, o.writeBaseline)
	if file == "" {
		return nil, nil
	}
	src, err := os.ReadFile(e.path(file))
	if errors.Is(err, fs.ErrNotExist) && o.baseline == "" {
		return nil, nil
	}
	if err != nil {
		return nil, diag.WithHint(fmt.Errorf("read baseline: %w", err), "write one: lcm secret scan --write-baseline %s", file)
	}
	return scan.ParseBaseline(file, src)
}

// write notes what was found as known.
func (o *secretScanOptions) write(e *env, report *scan.Report, older *scan.Baseline) error {
	text, err := report.Bytes(older)
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(e.path(o.writeBaseline), text, 0o644); err != nil {
		return fmt.Errorf("write baseline: %w", err)
	}
	written := display.SecretBaseline{File: o.writeBaseline, Findings: len(report.Findings)}
	if o.format.JSON() {
		return display.JSON(e.IO.Out, "SecretBaselineWritten", written)
	}
	return display.SecretBaselineText(e.IO, written)
}
