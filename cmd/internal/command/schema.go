package command

import "github.com/spf13/cobra"

func newSchema(e *env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "schema",
		Short: "Move on to newer built-in schemas",
		Long: `lcm.lock holds a repository to the versions of the built-in modules that it uses, so that another lcm never changes what a
commit resolves to.`,
		Example: "  lcm schema upgrade --dry-run",
		Args:    subcommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newSchemaUpgrade(e))
	return cmd
}
