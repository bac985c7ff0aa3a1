package command

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/llm-devops/lcm/cmd/internal/display"
	"github.com/llm-devops/lcm/cmd/internal/option"
	"github.com/llm-devops/lcm/pkg/accesslog"
	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/workspace"
)

type getOptions struct {
	option.Read
	format  option.Format
	pattern string
	key     string
	layer   bool
}

func newGet(e *env) *cobra.Command {
	o := &getOptions{}
	cmd := &cobra.Command{
		Use:   "get ADDR [KEY]",
		Short: "Show what an address resolves to",
		Long: `Show the resolved values of an address, or of one key.

One scalar is written as it is, without quotes, for scripts; everything else as YAML or JSON. Secrets are masked unless
--reveal, which the access log records (lcm audit access). A pattern (acme, acme/production, */production/inference) gives one document per address.`,
		Example: `  lcm get acme/production/inference parameters.temperature
  lcm get acme/production/inference providers.openai.api_key --reveal
  lcm get acme/production/inference --at v1.4.0 -o json
  lcm get '*/production/inference' chains -o json | jq -r .address
  lcm get acme/production/inference --layer               only what this layer file itself says`,
		Args:              args(1, 2, "an address and at most one key"),
		ValidArgsFunction: e.addressThenKeys(""),
		RunE: func(cmd *cobra.Command, a []string) error {
			o.pattern = a[0]
			if len(a) > 1 {
				o.key = a[1]
			}
			e.output(&o.format)
			return runGet(cmd.Context(), e, o)
		},
	}
	o.Bind(cmd)
	o.format.Bind(cmd, "yaml", "json")
	cmd.Flags().BoolVar(&o.layer, "layer", false, "show the layer file itself, unmerged")
	return cmd
}

func runGet(ctx context.Context, e *env, o *getOptions) error {
	var key tree.Path
	var err error
	if o.key != "" {
		if key, err = parseKey(o.key); err != nil {
			return err
		}
	}
	w, s, err := e.open(ctx, o.At)
	if err != nil {
		return err
	}
	if o.Reveal {
		e.willRecord(ctx, w)
	}
	if a, err := address.Parse(o.pattern); err == nil {
		root, err := o.read(ctx, s, a)
		if err != nil {
			return err
		}
		value := root.Get(key)
		if value == nil {
			return noSuchKey(ctx, s, a, key, root, o.layer)
		}
		if value, err = o.reveal(ctx, e, w, s, a, key, value); err != nil {
			return err
		}
		return display.Config(e.IO, display.NewConfig(a, s.Revision().String(), o.key, value, o.Reveal), o.format.Name)
	}
	return o.many(ctx, e, w, s, key)
}

// manyAtOnce is for how many addresses secrets are opened, and recorded together, before their documents are written.
const manyAtOnce = 64

// many writes one document per address of a pattern; addresses without the key are left out.
func (o *getOptions) many(ctx context.Context, e *env, w *workspace.Workspace, s *workspace.Snapshot, key tree.Path) error {
	addresses, err := match(ctx, s, o.pattern)
	if err != nil {
		return err
	}
	found := false
	var opened []*display.Configuration
	var accesses []accesslog.Access
	write := func() error {
		if err := e.record(ctx, w, accesses...); err != nil {
			return err
		}
		for _, c := range opened {
			if err := display.ConfigOfMany(e.IO, c, o.format.Name); err != nil {
				return err
			}
		}
		opened, accesses = nil, nil
		return nil
	}
	for _, a := range addresses {
		root, err := o.read(ctx, s, a)
		if err != nil {
			return errors.Join(write(), err)
		}
		value := root.Get(key)
		if value == nil {
			continue
		}
		found = true
		if keys := secretKeys(key, value); o.Reveal && len(keys) > 0 {
			value, err = s.Reveal(ctx, value)
			accesses = append(accesses, access{action: "get", address: a, keys: keys}.record(s, err))
		} else {
			value, err = o.reveal(ctx, e, w, s, a, key, value)
		}
		if err != nil {
			return errors.Join(write(), err)
		}
		opened = append(opened, display.NewConfig(a, s.Revision().String(), o.key, value, o.Reveal))
		if len(opened) == manyAtOnce {
			if err := write(); err != nil {
				return err
			}
		}
	}
	if !found {
		return diag.WithHint(fmt.Errorf("no address of %q has %s", o.pattern, o.key), "see the keys there are: lcm get %s", addresses[0])
	}
	return write()
}

func (o *getOptions) read(ctx context.Context, s *workspace.Snapshot, a address.Address) (*tree.Node, error) {
	if o.layer {
		return s.Own(ctx, a)
	}
	r, err := s.Resolve(ctx, a)
	if err != nil {
		return nil, err
	}
	if err := r.Findings.Err(); err != nil {
		return nil, err
	}
	return r.Root, nil
}

// reveal opens secrets where --reveal asks for it, and otherwise says that a single one is masked.
func (o *getOptions) reveal(
	ctx context.Context, e *env, w *workspace.Workspace, s *workspace.Snapshot, a address.Address, key tree.Path, value *tree.Node,
) (*tree.Node, error) {
	if o.Reveal {
		return revealed(ctx, e, w, s, access{action: "get", address: a, keys: secretKeys(key, value)}, func() (*tree.Node, error) { return s.Reveal(ctx, value) })
	}
	if value.Secret {
		e.IO.Warn("%s of %s is secret, and what is written is a mask; --reveal shows it", key, a)
	}
	return value, nil
}

// noSuchKey says that an address has no such key, and what it may have been meant to be.
func noSuchKey(ctx context.Context, s *workspace.Snapshot, a address.Address, key tree.Path, root *tree.Node, layer bool) error {
	if key == nil || layer {
		return diag.WithHint(fmt.Errorf("the layer %s does not set %s", a, key), "see where it comes from: lcm explain %s '%s'", a, key)
	}
	var known []string
	root.Walk(func(p tree.Path, _ *tree.Node) bool {
		if len(p) > 0 {
			known = append(known, p.String())
		}
		return len(known) < 5000
	})
	what := "is not set"
	if m, err := s.ModuleOf(ctx, a.Namespace); err == nil && m != nil {
		if _, ok := m.Field(key); !ok {
			what = "is no field of " + m.Name()
			known = append(known, m.Keys("")...)
		}
	}
	return diag.WithHint(fmt.Errorf("%s %s in %s", key, what, a), "%s", diag.DidYouMean(key.String(), known, "see all keys: lcm get "+a.String()))
}
