package command

import (
	"context"

	"github.com/spf13/cobra"
)

func newKeysSync(e *env) *cobra.Command {
	c := &keysChange{kind: "keys-sync"}
	cmd := &cobra.Command{
		Use:   "sync",
		Short: "Bring encrypted files in line with whom the tenants' files name",
		Long: `Re-encrypt every file that is encrypted to others than its tenant's tenant.yaml names, in one signed commit, and write .sops.yaml
anew. Where somebody loses access, the file gets a new data key; where somebody only gains it, no secret changes.

Of a tenant that is named with --tenant all files are brought in line, or nothing is written. Without it, tenants whose files you
cannot open stay as they are, all of them, and are told of.`,
		Example: `  lcm keys sync --dry-run       see who would gain and lose access
  lcm keys sync --tenant acme
  lcm keys sync -m "as decided in the access review"`,
		Args: args(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			e.output(&c.format)
			return runKeysSync(cmd.Context(), e, c)
		},
	}
	c.Bind(cmd)
	c.format.Bind(cmd, "text", "json")
	e.bindTenants(cmd, &c.named, "only this `TENANT` (repeatable)")
	return cmd
}

func runKeysSync(ctx context.Context, e *env, c *keysChange) error {
	if err := c.open(ctx, e); err != nil {
		return err
	}
	if err := c.orAll(ctx); err != nil {
		return err
	}
	c.subject = "re-encrypt the secrets of %s to whom policy names"
	return c.run(ctx, e)
}
