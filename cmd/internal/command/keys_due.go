package command

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/llm-devops/lcm/cmd/internal/display"
	"github.com/llm-devops/lcm/cmd/internal/option"
	"github.com/llm-devops/lcm/pkg/due"
	"github.com/llm-devops/lcm/pkg/workspace"
)

type keysDueOptions struct {
	format   option.Format
	tenants  []string
	exitCode bool
}

func newKeysDue(e *env) *cobra.Command {
	o := &keysDueOptions{}
	cmd := &cobra.Command{
		Use:   "due",
		Short: "List the values that people who lost access still know",
		Long: `List what is left of the lists below rotations/: the values that somebody who lost access could read, and that were not set anew
since. No private key is needed. A list of which nothing is left can be removed.`,
		Example: `  lcm keys due
  lcm keys due --tenant acme --exit-code`,
		Args: args(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			e.output(&o.format)
			return runKeysDue(cmd.Context(), e, o)
		},
	}
	o.format.Bind(cmd, "text", "json")
	e.bindTenants(cmd, &o.tenants, "only this `TENANT` (repeatable)")
	cmd.Flags().BoolVar(&o.exitCode, "exit-code", false, "exit with 4 where something is left")
	return cmd
}

func runKeysDue(ctx context.Context, e *env, o *keysDueOptions) error {
	w, err := e.workspace(ctx)
	if err != nil {
		return err
	}
	s := w.Worktree()
	if _, err := s.Settings(ctx); err != nil {
		return err
	}
	report, err := dueOf(ctx, w, s, o.tenants)
	if err != nil {
		return err
	}
	if o.format.JSON() {
		err = display.JSON(e.IO.Out, "DueList", report)
	} else {
		err = display.DueText(e.IO, report)
	}
	if err != nil {
		return err
	}
	if o.exitCode && report.Left() > 0 {
		return &silentError{code: exitDifferences}
	}
	return nil
}

// dueOf gives what is left of the lists of tenants; of all where none is named.
func dueOf(ctx context.Context, w *workspace.Workspace, s *workspace.Snapshot, tenants []string) (display.Due, error) {
	report := display.Due{Items: []*due.List{}}
	all, err := s.Tenants(ctx)
	if err != nil {
		return report, err
	}
	for _, name := range tenants {
		if _, err := s.Tenant(ctx, name); err != nil {
			return report, err
		}
	}
	if len(tenants) == 0 {
		tenants = all
	}
	for _, name := range tenants {
		lists, err := due.Read(ctx, s, name)
		if err != nil {
			return report, err
		}
		report.Items = append(report.Items, lists...)
	}
	return report, due.Left(ctx, w, s, report.Items)
}
