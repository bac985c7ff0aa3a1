package command

import (
	"context"

	"github.com/spf13/cobra"
)

func newKeysRotate(e *env) *cobra.Command {
	c := &keysChange{kind: "keys-rotate", newDataKeys: true}
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Give encrypted files new data keys",
		Long: `Give every file with secrets a new data key, encrypted to whom its tenant's tenant.yaml names, in one signed commit: each secret gets
a new ciphertext, and none another value. A data key that got out opens nothing that is written from then on; what it opened before
is known, and has to be changed at its source.

Of a tenant that is named with --tenant all files get new keys, or nothing is written. Without it, tenants whose files you cannot
open stay as they are, all of them, and are told of.`,
		Example: `  lcm keys rotate --tenant acme
  lcm keys rotate -m "yearly rotation"`,
		Args: args(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			e.output(&c.format)
			return runKeysRotate(cmd.Context(), e, c)
		},
	}
	c.Bind(cmd)
	c.format.Bind(cmd, "text", "json")
	e.bindTenants(cmd, &c.named, "only this `TENANT` (repeatable)")
	return cmd
}

func runKeysRotate(ctx context.Context, e *env, c *keysChange) error {
	if err := c.open(ctx, e); err != nil {
		return err
	}
	if err := c.orAll(ctx); err != nil {
		return err
	}
	c.subject = "give the files of %s new data keys"
	return c.run(ctx, e)
}
