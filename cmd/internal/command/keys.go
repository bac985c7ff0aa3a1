package command

import (
	"context"

	"github.com/spf13/cobra"
)

func newKeys(e *env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "See and change who can open the secrets of tenants",
		Long: `Who may open a tenant's secrets is what its tenant.yaml says: recipients, for every day, and recovery keys, for emergencies. These
commands change that file and the tenant's encrypted files together, and show where the two differ.`,
		Example: `  lcm keys list
  lcm keys add ada --recipient age1qqg… --tenant acme
  lcm keys remove ada --all
  lcm keys sync`,
		Args: subcommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newKeysList(e), newKeysAdd(e), newKeysRemove(e), newKeysSync(e), newKeysRotate(e), newKeysDue(e), newKeysAudit(e))
	return cmd
}

// bindTenants adds --tenant, for commands about some tenants or all.
func (e *env) bindTenants(cmd *cobra.Command, tenants *[]string, text string) {
	cmd.Flags().StringArrayVar(tenants, "tenant", nil, text)
	_ = cmd.RegisterFlagCompletionFunc("tenant", func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return e.completeTenants(cmd.Context()), cobra.ShellCompDirectiveNoFileComp
	})
}

func (e *env) completeTenants(ctx context.Context) []string {
	s := e.complete(ctx)
	if s == nil {
		return nil
	}
	names, _ := s.Tenants(ctx)
	return names
}
