package command

import "github.com/spf13/cobra"

func newSecret(e *env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "secret",
		Short: "Find secrets that stand in plain text",
		Long: `Secrets are the fields that the schema says are secret, and those that were set with --secret. They are kept encrypted in the
layer files; lcm secret scan finds those that are not.`,
		Example: "  lcm secret scan\n  lcm secret scan --staged",
		Args:    subcommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newSecretScan(e))
	return cmd
}
