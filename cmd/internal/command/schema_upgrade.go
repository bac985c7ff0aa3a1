package command

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/llm-devops/lcm/cmd/internal/display"
	"github.com/llm-devops/lcm/cmd/internal/option"
	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/change"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/diff"
	"github.com/llm-devops/lcm/pkg/pin"
	"github.com/llm-devops/lcm/pkg/validate"
	"github.com/llm-devops/lcm/pkg/workspace"
)

type schemaUpgradeOptions struct {
	option.Write
	format  option.Format
	modules []string
}

func newSchemaUpgrade(e *env) *cobra.Command {
	o := &schemaUpgradeOptions{}
	cmd := &cobra.Command{
		Use:   "upgrade [MODULE…]",
		Short: "Move lcm.lock to the newest built-in schemas",
		Long: `Move lcm.lock to the newest versions of the built-in modules that this lcm has, and show address by address what changes by it.

What would become invalid is refused: leave the new lock in the worktree with --no-commit, mend the configuration, and commit
both together.`,
		Example: `  lcm schema upgrade --dry-run
  lcm schema upgrade inference-engine -m 'new sampling defaults'`,
		Args: cobra.ArbitraryArgs,
		ValidArgsFunction: func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			if s := e.complete(cmd.Context()); s != nil {
				if lock, err := s.Lock(cmd.Context()); err == nil {
					return slices.Sorted(maps.Keys(lock.Schemas)), cobra.ShellCompDirectiveNoFileComp
				}
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, a []string) error {
			o.modules = a
			e.output(&o.format)
			return runSchemaUpgrade(cmd.Context(), e, o)
		},
	}
	o.Bind(cmd)
	o.format.Bind(cmd, "text", "json")
	return cmd
}

func runSchemaUpgrade(ctx context.Context, e *env, o *schemaUpgradeOptions) error {
	w, err := e.workspace(ctx)
	if err != nil {
		return err
	}
	base, err := e.writeBase(ctx, w, o.Write)
	if err != nil {
		return err
	}
	now, err := base.Lock(ctx)
	if err != nil {
		return err
	}
	want, err := base.Upgraded(ctx, func(module string) bool { return len(o.modules) == 0 || slices.Contains(o.modules, module) })
	if err != nil {
		return err
	}
	for _, m := range o.modules {
		if _, ok := want.Schemas[m]; !ok {
			names := slices.Sorted(maps.Keys(want.Schemas))
			return usage(fmt.Errorf("no namespace is of a built-in module %q", m), "%s", diag.DidYouMean(m, names, fmt.Sprintf("in use are: %v", names)))
		}
	}
	report := display.SchemaUpgrade{Modules: moves(now, want), DryRun: o.DryRun}
	request := change.Request{
		Kind: "schema-upgrade", Subject: "move to newer built-in schemas", Reason: o.Reason, Now: e.now(),
		Files: map[string][]byte{workspace.LockFile: want.Bytes()},
	}
	plan, err := change.Prepare(ctx, w, base, request)
	if err != nil {
		return err
	}
	if plan.Empty() {
		return display.SchemaUpgraded(e.IO, report, o.format.JSON())
	}
	everything, err := address.ParsePattern("")
	if err != nil {
		return err
	}
	report.Diff, err = diff.Compare(ctx, diff.Side{Snapshot: base, Label: "now", Of: everything},
		diff.Side{Snapshot: plan.After, Label: "upgraded", Of: everything}, diff.Options{Repo: w.Repo(), Files: []string{workspace.LockFile}})
	if err != nil {
		return err
	}
	if report.Introduced, err = introduced(ctx, base, plan.After); err != nil {
		return err
	}
	switch {
	case o.DryRun:
	case o.NoCommit:
		err = plan.Write(ctx)
		report.Written = true
	case report.Introduced.Count(diag.Error) > 0:
		err = diag.WithHint(&change.FindingsError{Findings: report.Introduced},
			"leave the new lock in the worktree with --no-commit, mend the configuration, and commit both together")
	default:
		rev, commitErr := plan.Commit(ctx)
		report.Commit, err = rev.String(), commitErr
	}
	if showErr := display.SchemaUpgraded(e.IO, report, o.format.JSON()); err == nil {
		err = showErr
	}
	return err
}

// moves lists what changes from one lock to another.
func moves(from, to *workspace.Lock) []display.SchemaMove {
	out := []display.SchemaMove{}
	names := map[string]bool{}
	for _, pins := range []map[string]pin.Pin{from.Schemas, to.Schemas} {
		for name := range pins {
			names[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		old, is := from.Schemas[name], to.Schemas[name]
		if old.Version != is.Version || old.Digest != is.Digest {
			out = append(out, display.SchemaMove{Module: name, From: old.Version, To: is.Version})
		}
	}
	return out
}

// introduced gives what is wrong after a change that was not before.
func introduced(ctx context.Context, before, after *workspace.Snapshot) (diag.List, error) {
	now, err := validate.Run(ctx, after, validate.Options{})
	if err != nil {
		return nil, err
	}
	if len(now.Findings) == 0 {
		return nil, nil
	}
	was, err := validate.Run(ctx, before, validate.Options{})
	if err != nil {
		return nil, err
	}
	type identity struct{ code, address, key string }
	known := map[identity]bool{}
	for _, f := range was.Findings {
		known[identity{f.Code, f.Address, f.Key}] = true
	}
	var out diag.List
	for _, f := range now.Findings {
		if !known[identity{f.Code, f.Address, f.Key}] {
			out = append(out, f)
		}
	}
	return out, nil
}
