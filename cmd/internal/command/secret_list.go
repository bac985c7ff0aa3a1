package command

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/llm-devops/lcm/cmd/internal/display"
	"github.com/llm-devops/lcm/cmd/internal/option"
	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/inventory"
	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/workspace"
)

type secretListOptions struct {
	format   option.Format
	at       string
	due      bool
	patterns []string
}

func newSecretList(e *env) *cobra.Command {
	o := &secretListOptions{}
	cmd := &cobra.Command{
		Use:     "list [PATTERN…]",
		Aliases: []string{"ls"},
		Short:   "List secrets: where they are, since when, who changed them last, and when they are due",
		Long: `List the secrets that layer files hold, each where it is stored: since when it has a value, when and by whom that was changed last, and
when it is due to be changed by the rotation that its schema names. A pattern means the layers that it names, and those under the
addresses that it names.

It takes no key and shows no value. A secret counts as changed where its ciphertext did, unless the commit says that it only encrypted
it anew, or gave the file a new data key: so it may have been changed later than is said, never earlier.`,
		Example: `  lcm secret list
  lcm secret list acme/production --due
  lcm secret list '*/production' -o json`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: e.addresses,
		RunE: func(cmd *cobra.Command, a []string) error {
			o.patterns = a
			e.output(&o.format)
			return runSecretList(cmd.Context(), e, o)
		},
	}
	o.format.Bind(cmd, "text", "json")
	cmd.Flags().StringVar(&o.at, "at", "", "list what there was at `REV`")
	cmd.Flags().BoolVar(&o.due, "due", false, "only those that are due")
	return cmd
}

func runSecretList(ctx context.Context, e *env, o *secretListOptions) error {
	w, s, err := e.open(ctx, o.at)
	if err != nil {
		return err
	}
	patterns, err := parsePatterns(ctx, s, o.patterns)
	if err != nil {
		return err
	}
	layers, err := inventory.Layers(ctx, s, patterns...)
	if err != nil {
		return err
	}
	if len(layers) == 0 && len(patterns) > 0 {
		return noMatch(o.patterns)
	}
	secrets, err := inventory.List(ctx, w, s, layers)
	if err != nil {
		return err
	}
	report := display.NewSecrets(secrets, e.now(), o.due)
	if o.format.JSON() {
		return display.JSON(e.IO.Out, "SecretList", report)
	}
	return display.SecretsText(e.IO, report)
}

type secretShowOptions struct {
	option.Read
	format  option.Format
	address string
	key     string
}

func newSecretShow(e *env) *cobra.Command {
	o := &secretShowOptions{}
	cmd := &cobra.Command{
		Use:   "show ADDR KEY",
		Short: "Show one secret: where it comes from, how old it is, and who can open it",
		Long: `Show one secret as an address has it: in which layer file it is stored, since when, who changed it last, when it is due to be changed,
and for which recipients the file is encrypted. The value is shown with --reveal alone, which the access log records.`,
		Example: `  lcm secret show acme/production/inference providers.openai.api_key
  lcm secret show acme/production/inference providers.openai.api_key --reveal`,
		Args:              args(2, 2, "an address and a key"),
		ValidArgsFunction: e.addressThenKeys(""),
		RunE: func(cmd *cobra.Command, a []string) error {
			o.address, o.key = a[0], a[1]
			e.output(&o.format)
			return runSecretShow(cmd.Context(), e, o)
		},
	}
	o.Bind(cmd)
	o.format.Bind(cmd, "text", "json")
	return cmd
}

func runSecretShow(ctx context.Context, e *env, o *secretShowOptions) error {
	a, err := parseAddress(o.address)
	if err != nil {
		return err
	}
	key, err := parseKey(o.key)
	if err != nil {
		return err
	}
	w, s, err := e.open(ctx, o.At)
	if err != nil {
		return err
	}
	r, err := s.Resolve(ctx, a)
	if err != nil {
		return err
	}
	value := r.Root.Get(key)
	switch {
	case value == nil:
		return noSuchKey(ctx, s, a, key, r.Root, false)
	case !value.Secret:
		return diag.WithHint(fmt.Errorf("%s of %s is no secret", key, a), "see it with lcm get %s '%s', and the secrets there are with lcm secret list %s", a, key, a)
	}
	report, err := secretReport(ctx, e, w, s, a, key, value)
	if err != nil {
		return err
	}
	if o.Reveal {
		if value, err = revealed(ctx, e, w, s, access{action: "secret show", address: a, keys: []string{key.String()}}, func() (*tree.Node, error) {
			return s.Reveal(ctx, value)
		}); err != nil {
			return err
		}
		text := value.Reveal()
		report.Value = &text
	}
	if o.format.JSON() {
		return display.JSON(e.IO.Out, "Secret", report)
	}
	return display.SecretText(e.IO, report)
}

// secretReport says what is known of a secret without opening it.
func secretReport(
	ctx context.Context, e *env, w *workspace.Workspace, s *workspace.Snapshot, a address.Address, key tree.Path, value *tree.Node,
) (*display.Secret, error) {
	report := &display.Secret{For: a, SecretItem: display.SecretItem{Secret: &inventory.Secret{Address: a, Key: key, Position: value.Pos}}}
	at, ok := address.FromFile(value.LayerFile())
	if !ok {
		return report, nil // of a template
	}
	secrets, err := inventory.List(ctx, w, s, []address.Address{at})
	if err != nil {
		return nil, err
	}
	for _, secret := range secrets {
		if secret.Position == value.Pos {
			report.SecretItem = display.NewSecretItem(secret, e.now())
		}
	}
	file, err := s.LayerOf(ctx, at)
	if err != nil || file == nil || file.IsCUE() {
		return report, err
	}
	meta, err := seal.Inspect(file.Doc)
	if err != nil || meta == nil {
		return report, err
	}
	tenant, err := s.Tenant(ctx, at.Tenant)
	if err != nil {
		return nil, err
	}
	report.Threshold = meta.Access.Threshold
	for _, recipient := range meta.Access.Recipients() {
		name := ""
		for _, known := range tenant.Recipients {
			if known.Key == recipient {
				name = known.Name
			}
		}
		report.Recipients = append(report.Recipients, display.SecretRecipient{Key: recipient, Name: name})
	}
	return report, nil
}
