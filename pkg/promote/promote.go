// Package promote plans a promotion: the fewest edits to a target's own layer that make its promotable fields resolve to
// what the source's resolve to.
//
// [Prepare] plans for one address, [PrepareAll] for all namespaces of a tenant's environment. A plan only says what to
// do; its edits are made by package change. Secrets, fields that the schema marks @promote(never) and keys pinned in
// the target's own layer with a comment "# lcm:pin" are never carried: the plan lists them. Every edit has been proved by
// merging the target's stack with it, and none can be left out. Once a plan is carried out, the next one is empty.
package promote

import (
	"context"
	"fmt"
	"slices"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// Reason says why a value is edited or stays behind. The values are part of the JSON output.
type Reason string

// Why a key is edited.
const (
	Set       Reason = "set"       // the target's own layer gets the source's value
	Inherited Reason = "inherited" // what the target inherits is the source's value: its own entry goes
	Gone      Reason = "gone"      // the source has no such key: the target's own entry goes
	Hidden    Reason = "hidden"    // the source has no such key and the target inherits one: !delete hides it
)

// Why a key stays behind.
const (
	Secret     Reason = "secret"     // secrets belong to their environment
	Never      Reason = "never"      // the schema says @promote(never)
	Pinned     Reason = "pinned"     // the target's own layer says # lcm:pin
	HoldsKept  Reason = "holds-kept" // it cannot be carried apart from what is in it, or beside it, and stays behind
	Overridden Reason = "overridden" // a layer above the target's own decides
)

// Edit is one edit of the target's own layer.
type Edit struct {
	Address address.Address
	Path    tree.Path
	Value   *tree.Node // nil removes the key; its directive is to be written as a tag
	Old     *tree.Node // what the key resolves to in the target now; nil for nothing
	New     *tree.Node // what it will resolve to
	Reason  Reason

	meant tree.Path // the key that the edit is for, where Path is a map above it that would be left empty
}

// Skip is a key that differs and stays as it is in the target.
type Skip struct {
	Address address.Address
	Path    tree.Path
	Reason  Reason
	From    *tree.Node // what it resolves to in the source; nil for nothing
	To      *tree.Node // in the target
}

// Plan is a promotion worked out and not carried out.
type Plan struct {
	From, To address.Address
	File     string // the target's own layer file
	Edits    []Edit // in the order they are to be made
	Skipped  []Skip
	Warnings []string
}

// Empty reports whether there is nothing to do.
func (p *Plan) Empty() bool { return len(p.Edits) == 0 }

// Options say what to promote.
type Options struct {
	// Keys restricts the promotion to these keys and what is below them; none stands for all.
	Keys []tree.Path
}

// Stage is a tenant's environment.
type Stage struct{ Tenant, Environment string }

// String gives "tenant/environment".
func (s Stage) String() string { return s.Tenant + "/" + s.Environment }

// PrepareAll plans the promotion of all namespaces that the source has, in the order of their names.
func PrepareAll(ctx context.Context, snap *workspace.Snapshot, from, to Stage, o Options) ([]*Plan, error) {
	pattern, err := address.ParsePattern(from.String())
	if err != nil {
		return nil, err
	}
	sources, err := snap.Addresses(ctx, pattern)
	if err != nil {
		return nil, err
	}
	if len(sources) == 0 {
		return nil, diag.WithHint(fmt.Errorf("%s has nothing to promote", from), "see what there is: lcm list")
	}
	plans := make([]*Plan, 0, len(sources))
	for _, source := range sources {
		p, err := Prepare(ctx, snap, source, address.Address{Tenant: to.Tenant, Environment: to.Environment, Namespace: source.Namespace}, o)
		if err != nil {
			return nil, err
		}
		plans = append(plans, p)
	}
	return plans, nil
}

// Prepare plans the promotion of one address to another, normally of the same tenant and namespace. The error is a
// diag.List where a layer of either cannot be read.
func Prepare(ctx context.Context, snap *workspace.Snapshot, from, to address.Address, o Options) (*Plan, error) {
	if from == to {
		return nil, diag.WithHint(fmt.Errorf("promote %s to itself", from), "name two environments: lcm promote acme/staging acme/production")
	}
	source, err := snap.Resolve(ctx, from)
	if err != nil {
		return nil, fmt.Errorf("promote from %s: %w", from, err)
	}
	if !hasLayer(source) {
		return nil, diag.WithHint(fmt.Errorf("%s has nothing to promote: no layer of it exists", from), "see what there is: lcm list %s", from.Tenant)
	}
	t, err := openTarget(ctx, snap, to)
	if err != nil {
		return nil, fmt.Errorf("promote to %s: %w", to, err)
	}
	if source.Namespace.Module != t.namespace.Module {
		return nil, fmt.Errorf("promote %s to %s: they are of different modules (%s and %s)", from, to,
			moduleName(source.Namespace), moduleName(t.namespace))
	}
	p := &Plan{From: from, To: to, File: t.layer.File}
	if p.Warnings, err = warnings(ctx, snap, from, to); err != nil {
		return nil, err
	}
	p.Edits, p.Skipped = t.plan(source.Root, o.Keys)
	for i := range p.Edits {
		p.Edits[i].Address = to
	}
	for i := range p.Skipped {
		p.Skipped[i].Address = to
	}
	return p, nil
}

// plan works out the edits that make the target resolve to the source where it may.
func (t *target) plan(source *tree.Node, keys []tree.Path) ([]Edit, []Skip) {
	w := &wanter{target: t, keys: keys}
	want := orEmpty(w.want(nil, source, t.root))
	pl := &planner{target: t, progress: progress{own: t.ownNow, now: t.root, want: want}}
	pl.edits(nil, want, t.root)
	pl.narrow()
	pl.prune()
	return pl.finish(), append(w.skipped, pl.skipped...)
}

func moduleName(n workspace.Namespace) string {
	if n.Module == "" {
		return "no module"
	}
	return n.Module
}

func hasLayer(r *workspace.Resolved) bool {
	for _, l := range r.Stack {
		if !l.Defaults {
			return true
		}
	}
	return false
}

// warnings says what is unusual about a promotion.
func warnings(ctx context.Context, snap *workspace.Snapshot, from, to address.Address) ([]string, error) {
	settings, err := snap.Settings(ctx)
	if err != nil {
		return nil, err
	}
	var out []string
	if from.Tenant != to.Tenant {
		out = append(out, fmt.Sprintf("the tenants differ: what is %s's becomes %s's", from.Tenant, to.Tenant))
	}
	if from.Namespace != to.Namespace {
		out = append(out, fmt.Sprintf("the namespaces differ: %s and %s", from.Namespace, to.Namespace))
	}
	order := settings.EnvironmentNames()
	a, b := slices.Index(order, from.Environment), slices.Index(order, to.Environment)
	switch {
	case to.Environment == address.Base:
		out = append(out, "base lies under all environments: this changes every one that does not override it")
	case a < 0 || b < 0 || a == b:
	case a > b:
		out = append(out, fmt.Sprintf("this goes against the promotion order: %s comes after %s", from.Environment, to.Environment))
	case b > a+1:
		out = append(out, fmt.Sprintf("this skips %s", order[a+1]))
		if b > a+2 {
			out[len(out)-1] = fmt.Sprintf("this skips the environments from %s to %s", order[a+1], order[b-1])
		}
	}
	return out, nil
}

func orEmpty(n *tree.Node) *tree.Node {
	if n == nil {
		return tree.NewMap()
	}
	return n
}
