package command

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/llm-devops/lcm/cmd/internal/display"
	"github.com/llm-devops/lcm/cmd/internal/option"
	"github.com/llm-devops/lcm/cmd/internal/term"
	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/change"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/promote"
	"github.com/llm-devops/lcm/pkg/workspace"
)

type promoteOptions struct {
	option.Write
	format   option.Format
	from, to string
	keys     []string
	yes      bool
}

func newPromote(e *env) *cobra.Command {
	o := &promoteOptions{}
	cmd := &cobra.Command{
		Use:   "promote FROM TO",
		Short: "Carry values from one environment to the next, only what may move",
		Long: `Make the promotable values of TO equal to those of FROM, in resolved terms, with the fewest edits to TO's own layers, in one
signed commit. FROM and TO are tenant/environment, for all namespaces, or whole addresses.

Secrets, fields that the schema marks @promote(never), and keys pinned in TO with a comment "# lcm:pin" never move: they are
listed. What will happen is shown first; on a terminal you are asked, elsewhere --yes is needed.`,
		Example: `  lcm promote acme/staging acme/production
  lcm promote acme/staging/router acme/production/router --yes -m "canary went well"
  lcm promote acme/staging/inference acme/production/inference --key parameters --dry-run`,
		Args: args(2, 2, "FROM and TO"),
		ValidArgsFunction: func(cmd *cobra.Command, a []string, toComplete string) ([]string, cobra.ShellCompDirective) {
			if len(a) > 1 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return e.completeAddress(cmd.Context(), toComplete)
		},
		RunE: func(cmd *cobra.Command, a []string) error {
			o.from, o.to = a[0], a[1]
			e.output(&o.format)
			return runPromote(cmd.Context(), e, o)
		},
	}
	o.Bind(cmd)
	o.format.Bind(cmd, "text", "json")
	cmd.Flags().StringArrayVar(&o.keys, "key", nil, "promote only `KEY` and what is below it (repeatable)")
	cmd.Flags().BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	return cmd
}

func runPromote(ctx context.Context, e *env, o *promoteOptions) error {
	w, err := e.workspace(ctx)
	if err != nil {
		return err
	}
	base, err := e.writeBase(ctx, w, o.Write)
	if err != nil {
		return err
	}
	plans, err := o.plans(ctx, base)
	if err != nil {
		return err
	}
	if err := o.checkKeys(ctx, base, plans); err != nil {
		return err
	}
	request := change.Request{
		Kind: "promote", Subject: fmt.Sprintf("promote %s to %s", o.from, o.to), Reason: o.Reason, Now: e.now(),
	}
	for _, p := range plans {
		for _, edit := range p.Edits {
			request.Edits = append(request.Edits, change.Edit{Address: edit.Address, Path: edit.Path, Value: edit.Value})
		}
	}
	if !o.format.JSON() {
		if err := display.PromoteText(e.IO.Out, plans, e.IO.Style()); err != nil {
			return err
		}
	}
	if len(request.Edits) == 0 {
		if o.format.JSON() {
			return display.PromoteJSON(e.IO.Out, plans, nil)
		}
		return nil
	}
	plan, err := change.Prepare(ctx, w, base, request)
	if err != nil {
		return err
	}
	if err := plan.Err(); err != nil {
		return err
	}
	if o.DryRun && !o.format.JSON() {
		e.IO.Note("dry run: nothing was written")
		return nil
	}
	if !o.yes && !o.DryRun {
		e.wait()
		agreed, err := e.IO.Ask(ctx, fmt.Sprintf("promote %s to %s?", o.from, o.to))
		if errors.Is(err, term.ErrNoTerminal) {
			return diag.WithHint(err, "look at it with --dry-run, then pass --yes")
		}
		if err != nil {
			return err
		}
		if !agreed {
			e.IO.Note("nothing was written")
			return nil
		}
	}
	if !o.format.JSON() {
		return e.apply(ctx, plan, o.Write, o.format)
	}
	done, err := e.carriedOut(ctx, plan, o.Write)
	if err != nil {
		return err
	}
	return display.PromoteJSON(e.IO.Out, plans, done)
}

// checkKeys refuses a --key that none of the sources and targets has: nothing would move, and nobody would be told why.
func (o *promoteOptions) checkKeys(ctx context.Context, s *workspace.Snapshot, plans []*promote.Plan) error {
	for _, text := range o.keys {
		key, err := parseKey(text)
		if err != nil {
			return err
		}
		found := false
		for _, p := range plans {
			for _, a := range []address.Address{p.From, p.To} {
				r, err := s.Resolve(ctx, a)
				if err != nil {
					return err
				}
				found = found || r.Root.Get(key) != nil
			}
		}
		if !found {
			return diag.WithHint(fmt.Errorf("neither %s nor %s has the key %s", o.from, o.to, text), "see the keys there are: lcm get %s", plans[0].From)
		}
	}
	return nil
}

// plans works out the promotion of one address, or of all namespaces of an environment.
func (o *promoteOptions) plans(ctx context.Context, s *workspace.Snapshot) ([]*promote.Plan, error) {
	var options promote.Options
	for _, k := range o.keys {
		key, err := parseKey(k)
		if err != nil {
			return nil, err
		}
		options.Keys = append(options.Keys, key)
	}
	from, to := strings.Split(strings.Trim(o.from, "/"), "/"), strings.Split(strings.Trim(o.to, "/"), "/")
	if len(from) == 3 && len(to) == 2 {
		to = append(to, from[2]) // the same namespace, in the other environment
	}
	switch {
	case len(from) == 3 && len(to) == 3:
		a, err := parseAddress(strings.Join(from, "/"))
		if err != nil {
			return nil, err
		}
		b, err := parseAddress(strings.Join(to, "/"))
		if err != nil {
			return nil, err
		}
		p, err := promote.Prepare(ctx, s, a, b, options)
		if err != nil {
			return nil, err
		}
		return []*promote.Plan{p}, nil
	case len(from) == 2 && len(to) == 2:
		for _, stage := range [][]string{from, to} {
			if err := checkStage(ctx, s, stage); err != nil {
				return nil, err
			}
		}
		return promote.PrepareAll(ctx, s, promote.Stage{Tenant: from[0], Environment: from[1]}, promote.Stage{Tenant: to[0], Environment: to[1]}, options)
	}
	return nil, usage(fmt.Errorf("cannot promote %q to %q", o.from, o.to), "both are tenant/environment, or both tenant/environment/namespace")
}

func checkStage(ctx context.Context, s *workspace.Snapshot, stage []string) error {
	for i, kind := range []string{"tenant", "environment"} {
		if err := address.CheckName(kind, stage[i]); err != nil {
			return usage(err, "for example acme/staging")
		}
	}
	p, err := address.ParsePattern(strings.Join(stage, "/"))
	if err != nil {
		return usage(err, "for example acme/staging")
	}
	return checkPattern(ctx, s, p)
}
