package promote

import (
	"context"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/layer"
	"github.com/llm-devops/lcm/pkg/schema"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// target is the address promoted to, with its own layer open for trial edits.
type target struct {
	namespace    workspace.Namespace
	root         *tree.Node // what it resolves to now
	ownNow       *tree.Node // its own layer as it is, an empty map if it has none
	pins         []tree.Path
	below, above []layer.Layer
	layer        layer.Layer // the own layer but for its root
	schemaField  func(tree.Path) schema.Field
	complete     func(*tree.Node) *tree.Node // adds what the schema adds to a merged tree
	faults       map[fault]int               // what merging complains of as it is
}

// fault is a finding of merging, whatever its position.
type fault struct{ code, key string }

func openTarget(ctx context.Context, snap *workspace.Snapshot, a address.Address) (*target, error) {
	r, err := snap.Resolve(ctx, a)
	if err != nil {
		return nil, err
	}
	settings, err := snap.Settings(ctx)
	if err != nil {
		return nil, err
	}
	t := &target{
		namespace: r.Namespace, root: r.Root, ownNow: tree.NewMap(),
		schemaField: func(tree.Path) schema.Field { return schema.Field{} },
		complete:    func(n *tree.Node) *tree.Node { return n },
	}
	reached := false
	above := map[string]bool{} // the files over the own layer
	for _, ref := range settings.Stack(a) {
		switch {
		case ref.Address == a:
			reached = true
			t.layer = layer.Layer{Name: ref.Name, File: snap.LayerFile(ctx, a), Strict: ref.Strict}
		case reached:
			above[snap.LayerFile(ctx, ref.Address)] = true
		}
	}
	for _, l := range r.Stack {
		switch {
		case l.File == t.layer.File:
			t.ownNow = l.Root
		case above[l.File] || above[l.Of]: // the templates of a file go where it goes
			t.above = append(t.above, l)
		default:
			t.below = append(t.below, l)
		}
	}
	if !reached {
		return nil, diag.WithHint(&noOwnLayerError{a}, "add {tenant}/{environment} to layers: in %s", workspace.SettingsFile)
	}
	if m := r.Module; m != nil {
		t.complete = m.Complete
		t.schemaField = func(p tree.Path) schema.Field {
			f, _ := m.Field(p)
			return f
		}
	}
	file, err := snap.LayerOf(ctx, a)
	if err != nil {
		return nil, err
	}
	if file != nil && !file.IsCUE() {
		t.pins = pins(file.Doc.Source(), t.ownNow, t.identity)
	}
	_, t.faults = t.resolve(t.ownNow)
	return t, nil
}

// noOwnLayerError says that the layers of lcm.yaml leave no place for what is promoted.
type noOwnLayerError struct{ address address.Address }

func (e *noOwnLayerError) Error() string {
	return e.address.String() + " has no layer of its own that could be edited"
}

// resolve merges the stack with another own layer.
func (t *target) resolve(own *tree.Node) (*tree.Node, map[fault]int) {
	stack := make([]layer.Layer, 0, len(t.below)+1+len(t.above))
	stack = append(stack, t.below...)
	l := t.layer
	l.Root = own
	stack = append(append(stack, l), t.above...)
	root, findings := layer.Merge(stack, func(p tree.Path) layer.Rule {
		m := t.schemaField(p).Merge
		return layer.Rule{Strategy: m.Strategy, Key: m.Key}
	})
	faults := map[fault]int{}
	for _, f := range findings {
		faults[fault{f.Code, f.Key}]++
	}
	return t.complete(root), faults
}

// acceptable reports whether merging complains of nothing that it did not complain of before.
func (t *target) acceptable(faults map[fault]int) bool {
	for f, n := range faults {
		if n > t.faults[f] {
			return false
		}
	}
	return true
}

// field gives what the schema says of a key.
func (t *target) field(p tree.Path) schema.Field {
	plain := p.Clone()
	for i, s := range p {
		if _, _, ok := s.AsMatch(); ok { // the schema knows items by place, and one place is like another
			plain[i] = tree.Index(0)
		}
	}
	return t.schemaField(plain)
}

// identity gives the field by which the items of a list are known, "" where they are not.
func (t *target) identity(p tree.Path) string {
	m := t.field(p).Merge
	if m.Strategy == tree.None || m.Strategy == tree.Merge {
		return m.Key
	}
	return ""
}

// isDefault reports whether a value comes from a schema.
func isDefault(n *tree.Node) bool {
	_, isLayer := address.FromFile(n.LayerFile())
	return !isLayer && n.Pos.File != "" && !workspace.IsTemplate(n.Pos.File)
}
