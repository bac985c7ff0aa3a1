package command

import "github.com/spf13/cobra"

func newSecret(e *env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "secret",
		Short: "List secrets, how old they are, and those in plain text",
		Long: `Secrets are the fields that the schema says are secret, and those that were set with --secret. They are kept encrypted in the
layer files: lcm secret list tells where, since when and by whom, lcm secret scan finds those that are not encrypted, and lcm secret import
brings them in from where they were kept before.`,
		Example: "  lcm secret list acme --due\n  lcm secret show acme/production/inference providers.openai.api_key\n  lcm secret scan --staged",
		Args:    subcommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newSecretList(e), newSecretShow(e), newSecretScan(e), newSecretImport(e))
	return cmd
}
