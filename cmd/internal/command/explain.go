package command

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/llm-devops/lcm/cmd/internal/display"
	"github.com/llm-devops/lcm/cmd/internal/option"
	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/workspace"
)

type explainOptions struct {
	option.Read
	format  option.Format
	address string
	key     string
}

func newExplain(e *env) *cobra.Command {
	o := &explainOptions{}
	cmd := &cobra.Command{
		Use:   "explain ADDR [KEY]",
		Short: "Show where each value comes from, who set it, and what it hides",
		Long: `Show how each value came to be: every layer that says something about it, the one that wins first, with file and line, and
the commit and author that wrote that line. Without a key, everything of the address is explained.`,
		Example: `  lcm explain acme/production/inference parameters.temperature
  lcm explain acme/production/inference chains
  lcm explain acme/production/inference --at v1.4.0 -o json`,
		Args:              args(1, 2, "an address and at most one key"),
		ValidArgsFunction: e.addressThenKeys(""),
		RunE: func(cmd *cobra.Command, a []string) error {
			o.address = a[0]
			if len(a) > 1 {
				o.key = a[1]
			}
			e.output(&o.format)
			return runExplain(cmd.Context(), e, o)
		},
	}
	o.Bind(cmd)
	o.format.Bind(cmd, "text", "json")
	return cmd
}

func runExplain(ctx context.Context, e *env, o *explainOptions) error {
	a, err := parseAddress(o.address)
	if err != nil {
		return err
	}
	var key tree.Path
	if o.key != "" {
		if key, err = parseKey(o.key); err != nil {
			return err
		}
	}
	w, s, err := e.open(ctx, o.At)
	if err != nil {
		return err
	}
	r, err := s.Resolve(ctx, a)
	if err != nil {
		return err
	}
	report := display.Explanations{Address: a, Revision: s.Revision().String(), Values: r.Explain(key), Findings: r.Findings, Reveal: o.Reveal}
	if len(report.Values) == 0 && key != nil {
		return noSuchKey(ctx, s, a, key, r.Root, false)
	}
	if o.Reveal {
		if report.Values, err = revealExplained(ctx, e, w, s, a, report.Values); err != nil {
			return err
		}
	}
	if err := s.Blame(ctx, report.Values); err != nil {
		return err
	}
	if o.format.JSON() {
		return display.JSON(e.IO.Out, "Explanation", report)
	}
	return display.ExplainText(e.IO, report)
}

// revealExplained opens the secrets of explanations, and records that.
func revealExplained(
	ctx context.Context, e *env, w *workspace.Workspace, s *workspace.Snapshot, a address.Address, values []workspace.Explanation,
) ([]workspace.Explanation, error) {
	var keys []string
	for _, v := range values {
		found := secretKeys(v.Key, v.Value)
		for _, source := range v.Sources {
			found = append(found, secretKeys(v.Key, source.Value)...)
		}
		keys = append(keys, found...)
	}
	return revealed(ctx, e, w, s, access{action: "explain", address: a, keys: keys}, func() ([]workspace.Explanation, error) {
		var err error
		for i := range values {
			v := &values[i]
			if v.Value, err = s.Reveal(ctx, v.Value); err != nil {
				return nil, err
			}
			for j := range v.Sources {
				// What cannot be opened stays masked: the value that counts was opened above.
				if v.Sources[j].Value, err = s.RevealWhatOpens(ctx, v.Sources[j].Value); err != nil {
					return nil, err
				}
			}
		}
		return values, nil
	})
}
