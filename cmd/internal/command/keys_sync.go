package command

import (
	"context"
	"errors"
	"io/fs"
	"slices"

	"github.com/spf13/cobra"

	"github.com/llm-devops/lcm/cmd/internal/display"
	"github.com/llm-devops/lcm/pkg/gitrepo"
	"github.com/llm-devops/lcm/pkg/keyaudit"
	"github.com/llm-devops/lcm/pkg/rekey"
	"github.com/llm-devops/lcm/pkg/workspace"
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
	if err := c.takeEdits(ctx, e); err != nil {
		return err
	}
	c.gained = func(tenants []rekey.Tenant) error { return c.warnOfNamings(ctx, e, tenants) }
	c.subject = "re-encrypt the secrets of %s to whom policy names"
	return c.run(ctx, e)
}

// warnOfNamings tells of those who are about to gain access because somebody named them who may not sign. Policy is a file like
// others: sync makes it true.
func (c *keysChange) warnOfNamings(ctx context.Context, e *env, tenants []rekey.Tenant) error {
	if _, err := c.base.ReadFile(ctx, workspace.SignersFile); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, t := range tenants {
		policy, err := c.base.Tenant(ctx, t.Name)
		if err != nil {
			return err
		}
		var gained []workspace.Recipient
		for _, r := range policy.All() {
			if slices.ContainsFunc(t.Files, func(f rekey.File) bool { return slices.Contains(f.Gained, r.Key) }) {
				gained = append(gained, r)
			}
		}
		namings, err := keyaudit.Namings(ctx, c.w, c.base, gained)
		if err != nil {
			return err
		}
		for _, r := range gained {
			if n, ok := namings[r.Pos]; ok && n.Signature != gitrepo.Good {
				e.IO.Warn("%s was named by %s in commit %s, whose signature is %s: be sure that it is meant",
					display.Person(r.Name, r.Key), n.Author, n.Revision[:10], n.Signature)
			}
		}
	}
	return nil
}
