package command

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/llm-devops/lcm/cmd/internal/display"
	"github.com/llm-devops/lcm/cmd/internal/option"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/keyaudit"
)

type keysAuditOptions struct {
	format  option.Format
	tenants []string
	at      string
	history bool
}

func newKeysAudit(e *env) *cobra.Command {
	o := &keysAuditOptions{}
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Show from the files alone who can open each secret",
		Long: `Show who can open each secret of each tenant, from the files alone and without any private key, and find what breaks the walls
between tenants: keys that tenant.yaml does not name, envelopes that open for somebody they do not name, ciphertext or data keys
copied between tenants or files, and secrets in plain text.

With --history every version of every file is looked at, of all branches and tags (with --at, of that revision): secrets that were
ever committed in plain text, and everybody who could once open secrets and cannot now. -o markdown writes a report for an auditor,
with each secret and what cannot be shown this way. With findings it exits with 3.`,
		Example: `  lcm keys audit
  lcm keys audit --tenant acme --at v1.4 --history
  lcm keys audit --history -o markdown > audit.md`,
		Args: args(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			e.output(&o.format)
			return runKeysAudit(cmd.Context(), e, o)
		},
	}
	o.format.Bind(cmd, "text", "json", "markdown")
	e.bindTenants(cmd, &o.tenants, "only this `TENANT` (repeatable)")
	cmd.Flags().StringVar(&o.at, "at", "", "look at `REV`, a commit, tag or branch, in place of the worktree")
	cmd.Flags().BoolVar(&o.history, "history", false, "look at every version of every file, too")
	return cmd
}

func runKeysAudit(ctx context.Context, e *env, o *keysAuditOptions) error {
	w, s, err := e.open(ctx, o.at)
	if err != nil {
		return err
	}
	progress := e.IO.Stages()
	report, err := keyaudit.Run(ctx, w, s, keyaudit.Options{
		Tenants: o.tenants, History: o.history, Start: progress.Start, Step: progress.Step,
	})
	progress.Done()
	if err != nil {
		return err
	}
	switch o.format.Name {
	case "json":
		err = display.JSON(e.IO.Out, "KeyAudit", report)
	case "markdown":
		err = display.KeyAuditMarkdown(e.IO.Out, report)
	default:
		err = display.KeyAuditText(e.IO, report)
	}
	if err != nil {
		return err
	}
	if report.Findings.Count(diag.Error) > 0 {
		return &silentError{code: exitFindings}
	}
	return nil
}
