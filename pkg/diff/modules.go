package diff

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/schema"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// modules are the modules that differ between two snapshots, by name.
type modules map[string]*SchemaChange

// modules finds the modules that differ. It looks where settings, the lock or schemas do.
func (c *comparer) modules(ctx context.Context, s *scope) (modules, error) {
	if !s.all {
		return nil, nil
	}
	sets := make([]*schema.Set, 2)
	for i, side := range []Side{c.old, c.new} {
		set, err := side.Snapshot.Schemas(ctx)
		if err != nil {
			return nil, c.broken(err, side)
		}
		sets[i] = set
	}
	names := map[string]bool{}
	for _, set := range sets {
		for _, name := range set.Names() {
			names[name] = true
		}
	}
	m := modules{}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		change, err := compareModule(sets[0], sets[1], name)
		if _, broken := errors.AsType[diag.List](err); broken {
			continue // where it is in use, it is a finding about an address
		}
		if err != nil {
			return nil, err
		}
		if change != nil {
			m[name] = change
		}
	}
	return m, nil
}

// compareModule gives nil for a module that is the same on both sides.
func compareModule(old, new *schema.Set, name string) (*SchemaChange, error) {
	change := &SchemaChange{Module: name, Kind: Changed}
	from, was, errOld := old.Identity(name)
	to, is, errNew := new.Identity(name)
	_, isNew := errors.AsType[*schema.UnknownModuleError](errOld)
	_, isGone := errors.AsType[*schema.UnknownModuleError](errNew)
	switch {
	case isNew && errNew == nil:
		change.Kind, change.New = Added, to
		return change, nil
	case isGone && errOld == nil:
		change.Kind, change.Old = Removed, from
		return change, nil
	case errOld != nil || errNew != nil:
		return nil, errors.Join(errOld, errNew)
	case was == is:
		return nil, nil
	}
	change.Old, change.New = from, to
	a, err := old.Module(name)
	if err != nil {
		return nil, err
	}
	b, err := new.Module(name)
	if err != nil {
		return nil, err
	}
	change.Fields = schema.Compare(a, b)
	return change, nil
}

// refused finds what the new version of an address's module does not accept and the old one does.
func (c *comparer) refused(ctx context.Context, m modules, old, new *workspace.Resolved, out *outcome) error {
	if new.Module == nil || m[new.Module.Name()] == nil {
		return nil
	}
	out.module = new.Module.Name()
	if old.Module == nil || old.Module.Name() != out.module {
		return nil // it is of another module now: that is told of lcm.yaml
	}
	root := new.Root
	if c.o.OpenSecrets {
		var err error
		if root, err = c.new.Snapshot.RevealWhatOpens(ctx, root); err != nil {
			return err
		}
	}
	found := new.Module.Validate(root)
	if slices.ContainsFunc(m[out.module].Fields, func(f schema.FieldChange) bool { return f.Secret }) {
		found = append(found, exposed(old.Module, new.Module, new.Root)...)
	}
	if len(found) == 0 {
		return nil
	}
	type identity struct{ code, key string }
	known := map[identity]bool{}
	for _, f := range old.Module.Validate(root) {
		known[identity{f.Code, f.Key}] = true
	}
	for _, f := range found {
		if known[identity{f.Code, f.Key}] || f.Code == schema.CodeRequired && new.Partial {
			continue
		}
		f.Address = out.new.String()
		if f.Position.IsZero() {
			f.Position.File = out.new.File()
		}
		out.refused = append(out.refused, f)
	}
	return nil
}

// exposed finds what only a new version of a module calls secret, and layers hold in plain text.
func exposed(old, new *schema.Module, root *tree.Node) (found diag.List) {
	for p, n := range root.Leaves() {
		if _, inLayer := address.FromFile(n.Pos.File); !inLayer || n.Sealed || n.Kind == tree.Null || n.Reveal() == "" {
			continue
		}
		if f, _ := new.Field(p); !f.Secret {
			continue
		}
		if f, _ := old.Field(p); f.Secret {
			continue // it was no better before
		}
		found = append(found, diag.Finding{
			Code: "plaintext-secret", Severity: diag.Error, Position: n.Pos, Key: p.String(),
			Message: p.String() + " is secret, and its value is in plain text", Hint: "set it anew, so that it is encrypted",
		})
	}
	return found
}

// take adds what one address came to.
func (m modules) take(o outcome) {
	change := m[o.module]
	if change == nil {
		return
	}
	change.Addresses++
	if len(o.refused) > 0 {
		change.Invalid = append(change.Invalid, o.new)
		change.Refused = append(change.Refused, o.refused...)
	}
}

// report gives the modules in order; where only some addresses were compared, those of these alone.
func (m modules) report(restricted bool) []SchemaChange {
	var out []SchemaChange
	for _, name := range slices.Sorted(maps.Keys(m)) {
		change := *m[name]
		if restricted && change.Addresses == 0 {
			continue
		}
		change.Refused = change.Refused.Collapsed()
		slices.SortFunc(change.Invalid, address.Compare)
		out = append(out, change)
	}
	return out
}
