package command

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/llm-devops/lcm/cmd/internal/display"
	"github.com/llm-devops/lcm/cmd/internal/option"
	"github.com/llm-devops/lcm/cmd/internal/term"
	"github.com/llm-devops/lcm/pkg/scan"
)

type secretScanOptions struct {
	format option.Format
	staged bool
}

func newSecretScan(e *env) *cobra.Command {
	o := &secretScanOptions{}
	cmd := &cobra.Command{
		Use:   "scan",
		Short: "Look for secrets in plain text, in the worktree or what is staged",
		Long: `Look for secrets in plain text: in all files of the worktree that Git tracks or could track, or with --staged in those that the
next commit would add or change, for what HEAD does not have there already.

What a secret looks like is known from the rules of Gitleaks, and from a few of our own for configuration; of layer files the
schema says which fields are secret, whatever their value looks like. What SOPS has encrypted is never a finding. A finding says
where it is, which rule it broke and what to do, and never shows any of the secret.

A line that may hold what looks like a secret says why, at its end or in a comment above it:

  fixture: AKIA… # lcm:allow-secret made up for the tests

A comment without a reason allows nothing. A value in a field that the schema says is secret cannot be allowed: encrypt it.

It takes no key. The exit code is 3 if there are findings.`,
		Example: `  lcm secret scan
  lcm secret scan --staged                 what the next commit would add
  lcm secret scan -o github                annotations in a GitHub workflow`,
		Args: args(0, 0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			e.output(&o.format)
			return runSecretScan(cmd.Context(), e, o)
		},
	}
	o.format.Bind(cmd, "text", "json", "github")
	cmd.Flags().BoolVar(&o.staged, "staged", false, "look at what the next commit would add, in place of the worktree")
	return cmd
}

func runSecretScan(ctx context.Context, e *env, o *secretScanOptions) error {
	w, err := e.workspace(ctx)
	if err != nil {
		return err
	}
	progress := &term.Progress{}
	options := scan.Options{
		Total: func(n int) { progress = e.IO.Progress("scanning", n) },
		Step:  func() { progress.Step() },
	}
	var report *scan.Report
	if o.staged {
		report, err = scan.Staged(ctx, w, e.Getenv("GIT_INDEX_FILE"), options)
	} else {
		report, err = scan.Worktree(ctx, w, options)
	}
	progress.Done()
	if err != nil {
		return err
	}
	switch o.format.Name {
	case "json":
		err = display.JSON(e.IO.Out, "SecretScan", report)
	case "github":
		err = display.FindingsGitHub(e.IO.Out, report.List())
	default:
		err = display.SecretScanText(e.IO, report)
	}
	if err != nil {
		return err
	}
	if len(report.Findings) > 0 {
		return &silentError{code: exitFindings}
	}
	return nil
}
