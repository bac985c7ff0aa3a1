package command

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/llm-devops/lcm/cmd/internal/display"
	"github.com/llm-devops/lcm/cmd/internal/option"
)

type listOptions struct {
	format   option.Format
	at       string
	long     bool
	patterns []string
}

func newList(e *env) *cobra.Command {
	o := &listOptions{}
	cmd := &cobra.Command{
		Use:     "list [PATTERN…]",
		Aliases: []string{"ls"},
		Short:   "List addresses",
		Long: `List the addresses that services can read: a tenant's namespaces in each environment. The layers of the platform itself
show with the pattern global, and those below all environments with base: acme/base.`,
		Example: `  lcm list
  lcm list acme/production -l
  lcm list '*/production/inference*'`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: e.addresses,
		RunE: func(cmd *cobra.Command, a []string) error {
			o.patterns = a
			e.output(&o.format)
			return runList(cmd.Context(), e, o)
		},
	}
	o.format.Bind(cmd, "text", "json")
	cmd.Flags().StringVar(&o.at, "at", "", "list what there was at `REV`")
	cmd.Flags().BoolVarP(&o.long, "long", "l", false, "show the module and the layers of each address")
	return cmd
}

func runList(ctx context.Context, e *env, o *listOptions) error {
	_, s, err := e.open(ctx, o.at)
	if err != nil {
		return err
	}
	addresses, err := match(ctx, s, o.patterns...)
	if err != nil {
		return err
	}
	settings, err := s.Settings(ctx)
	if err != nil {
		return err
	}
	report := display.Addresses{Items: make([]display.AddressItem, 0, len(addresses))}
	for _, a := range addresses {
		ns, _ := settings.Namespace(a.Namespace)
		item := display.AddressItem{Address: a, Module: ns.Module}
		if o.long || o.format.JSON() {
			for _, ref := range settings.Stack(a) {
				f, err := s.LayerOf(ctx, ref.Address)
				if err == nil && f == nil {
					continue
				}
				item.Layers = append(item.Layers, s.LayerFile(ctx, ref.Address))
			}
		}
		report.Items = append(report.Items, item)
	}
	if o.format.JSON() {
		return display.JSON(e.IO.Out, "AddressList", report)
	}
	return display.AddressesText(e.IO, report, o.long)
}
