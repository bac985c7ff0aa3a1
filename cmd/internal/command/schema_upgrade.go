package command

import (
	"context"
	"errors"
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
	format option.Format
	names  []string // of modules and templates; none for all
}

func newSchemaUpgrade(e *env) *cobra.Command {
	o := &schemaUpgradeOptions{}
	cmd := &cobra.Command{
		Use:   "upgrade [MODULE|TEMPLATE…]",
		Short: "Move lcm.lock to the newest built-in schemas and templates",
		Long: `Move lcm.lock to the newest versions of the built-in modules and templates that this lcm has, and show address by address what
changes by it. A template that layers extend as NAME@1 moves to the newest 1.x. What is in use and not yet in lcm.lock is added
in any case, and what is not in use any more is dropped.

With names, only what they name moves: modules, templates, or both where they share the name.

What would become invalid is refused: leave the new lock in the worktree with --no-commit, mend the configuration, and commit
both together.`,
		Example: `  lcm schema upgrade --dry-run
  lcm schema upgrade inference-engine -m 'new sampling defaults'
  lcm schema upgrade llm_inference_openai --dry-run`,
		Args: cobra.ArbitraryArgs,
		ValidArgsFunction: func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			if s := e.complete(cmd.Context()); s != nil {
				if lock, err := s.Lock(cmd.Context()); err == nil {
					return lockedNames(lock), cobra.ShellCompDirectiveNoFileComp
				}
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, a []string) error {
			o.names = a
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
	held, err := soundlyLocked(ctx, e, w, base)
	if err != nil {
		return err
	}
	now, err := held.Lock(ctx)
	if err != nil {
		return err
	}
	want, err := held.Upgraded(ctx, func(name string) bool { return len(o.names) == 0 || slices.Contains(o.names, name) })
	if err != nil {
		return err
	}
	inUse := lockedNames(want)
	for _, name := range o.names {
		if !slices.Contains(inUse, name) {
			return usage(fmt.Errorf("no built-in module or template %q is in use", name), "%s", diag.DidYouMean(name, inUse, fmt.Sprintf("in use are: %v", inUse)))
		}
	}
	report := display.SchemaUpgrade{Modules: []display.SchemaMove{}, Templates: []display.TemplateMove{}, DryRun: o.DryRun}
	for _, m := range moves(now.Schemas, want.Schemas) {
		report.Modules = append(report.Modules, display.SchemaMove{Module: m.name, Move: m.Move})
	}
	for _, m := range moves(now.Templates, want.Templates) {
		report.Templates = append(report.Templates, display.TemplateMove{Template: m.name, Move: m.Move})
	}
	request := change.Request{
		Kind: "schema-upgrade", Subject: "move to newer built-in schemas and templates", Reason: o.Reason, Now: e.now(),
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
	report.Diff, err = diff.Compare(ctx, diff.Side{Snapshot: held, Label: "now", Of: everything},
		diff.Side{Snapshot: plan.After, Label: "upgraded", Of: everything}, diff.Options{Repo: w.Repo(), Files: []string{workspace.LockFile}})
	if err != nil {
		return err
	}
	if report.Introduced, err = introduced(ctx, held, plan.After); err != nil {
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
		report.Commit, err = e.commit(ctx, plan)
	}
	if showErr := display.SchemaUpgraded(e.IO, report, o.format.JSON()); err == nil {
		err = showErr
	}
	return err
}

// soundlyLocked gives a snapshot with a lock that can be read: its own, or what is sound of that.
func soundlyLocked(ctx context.Context, e *env, w *workspace.Workspace, s *workspace.Snapshot) (*workspace.Snapshot, error) {
	_, err := s.Lock(ctx)
	found, broken := errors.AsType[diag.List](err)
	if !broken {
		return s, err
	}
	src, err := s.ReadFile(ctx, workspace.LockFile)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", workspace.LockFile, err)
	}
	e.IO.Warn("%s is broken, and is written anew: %s", workspace.LockFile, found[0].Message)
	lock := workspace.SoundLock(src)
	if len(lock.Schemas)+len(lock.Templates) == 0 {
		return w.Overlay(s, map[string][]byte{workspace.LockFile: nil}), nil
	}
	return w.Overlay(s, map[string][]byte{workspace.LockFile: lock.Bytes()}), nil
}

// lockedNames gives the names of the modules and templates in a lock.
func lockedNames(l *workspace.Lock) []string {
	names := slices.Collect(maps.Keys(l.Schemas))
	for ref := range l.Templates {
		names = append(names, workspace.TemplateOf(ref))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

type move struct {
	name string
	display.Move
}

// moves lists what changes from one part of a lock to another's.
func moves(from, to map[string]pin.Pin) []move {
	var out []move
	both := map[string]pin.Pin{}
	maps.Copy(both, from)
	maps.Copy(both, to)
	for _, name := range slices.Sorted(maps.Keys(both)) {
		if !from[name].Same(to[name]) {
			out = append(out, move{name, display.Move{From: from[name].Version, To: to[name].Version}})
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
