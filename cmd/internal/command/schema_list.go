package command

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/llm-devops/lcm/cmd/internal/display"
	"github.com/llm-devops/lcm/cmd/internal/option"
)

func newSchemaList(e *env) *cobra.Command {
	var format option.Format
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List modules: those built into lcm, and the repository's own",
		Long: `List modules with their version, where they come from and which namespaces are of them. Outside of a config repository these are
the built-in ones.`,
		Example: "  lcm schema list",
		Args:    args(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			e.output(&format)
			return runSchemaList(cmd.Context(), e, format)
		},
	}
	format.Bind(cmd, "text", "json")
	return cmd
}

func runSchemaList(ctx context.Context, e *env, format option.Format) error {
	set, s, err := e.modules(ctx)
	if err != nil {
		return err
	}
	users, err := usersOf(ctx, s)
	if err != nil {
		return err
	}
	report := display.Modules{Items: []display.Module{}}
	for _, name := range set.Names() {
		info, err := set.Info(name)
		if err != nil {
			return err
		}
		report.Items = append(report.Items, display.NewModule(info, users[name]))
	}
	if format.JSON() {
		return display.JSON(e.IO.Out, "ModuleList", report)
	}
	return display.ModulesText(e.IO, report)
}
