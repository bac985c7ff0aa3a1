package command

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/llm-devops/lcm/cmd/internal/display"
	"github.com/llm-devops/lcm/cmd/internal/option"
	"github.com/llm-devops/lcm/pkg/holders"
)

type keysListOptions struct {
	format   option.Format
	tenants  []string
	at       string
	exitCode bool
}

func newKeysList(e *env) *cobra.Command {
	o := &keysListOptions{}
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List who can open what, by the files and by policy",
		Long: `List for each tenant who can open its secrets: what its tenant.yaml says, in how many files it is so, and every file that is
encrypted to somebody else or not to everybody named. No private key is needed.`,
		Example: `  lcm keys list
  lcm keys list --tenant acme --at v1.4
  lcm keys list --exit-code     exit with 4 where files and policy differ`,
		Args: args(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			e.output(&o.format)
			return runKeysList(cmd.Context(), e, o)
		},
	}
	o.format.Bind(cmd, "text", "json")
	e.bindTenants(cmd, &o.tenants, "only this `TENANT` (repeatable)")
	cmd.Flags().StringVar(&o.at, "at", "", "read at `REV`, a commit, tag or branch, in place of the worktree")
	cmd.Flags().BoolVar(&o.exitCode, "exit-code", false, "exit with 4 where files and policy differ")
	return cmd
}

func runKeysList(ctx context.Context, e *env, o *keysListOptions) error {
	_, s, err := e.open(ctx, o.at)
	if err != nil {
		return err
	}
	if _, err := s.Settings(ctx); err != nil {
		return err
	}
	progress := e.IO.Stages()
	tenants, err := holders.Read(ctx, s, holders.Options{Tenants: o.tenants, Total: progress.Of("reading"), Step: progress.Step})
	progress.Done()
	if err != nil {
		return err
	}
	report := display.KeyList{Items: tenants}
	if o.format.JSON() {
		err = display.JSON(e.IO.Out, "KeyList", report)
	} else {
		err = display.KeyListText(e.IO, report)
	}
	if err != nil {
		return err
	}
	switch {
	case report.Problems() > 0:
		return &silentError{code: exitFindings}
	case o.exitCode && report.Differs():
		return &silentError{code: exitDifferences}
	}
	return nil
}
