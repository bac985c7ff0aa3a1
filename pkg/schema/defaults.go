package schema

import (
	"slices"

	"github.com/llm-devops/lcm/pkg/tree"
)

// Defaults gives the schema's lowest layer: every field with a default, or with a single possible value, that does not
// depend on a key of the user's choice or on an optional field being there. It is a map; each value's Pos is in the
// schema, and numbers are spelt as there. Lists that may be empty and maps without defaults are left out.
//
// The defaults inside of what a configuration may or may not have are [Module.Complete]'s: Defaults is Complete of the
// empty configuration. A default that is computed from other fields is not given by either.
func (m *Module) Defaults() *tree.Node { return m.defaults() }

// Complete gives a resolved tree with the defaults added that its own content asks for: inside of optional maps that are
// there, of maps under keys of the user's choice (providers.<name>.timeout_ms) and of list items. Where alternatives are
// told apart by a field, those of the alternative in use are added. What is there already keeps its place and position,
// and parts to which nothing is added are shared with root. A field removed by an override of its map is added again:
// CUE has it in any case. root may hold sealed secrets.
func (m *Module) Complete(root *tree.Node) *tree.Node {
	if root == nil {
		return m.defaults()
	}
	return complete(m.root.shape, root, 0)
}

func complete(s *shape, n *tree.Node, depth int) *tree.Node {
	if depth > maxTreeDepth || n == nil || n.Secret && n.Kind.IsScalar() {
		return n
	}
	if s.alts != nil {
		if s = s.chosen(n); s == nil {
			return n
		}
	}
	switch n.Kind {
	case tree.Map:
		return completeMap(s, n, depth)
	case tree.List:
		var items []*tree.Node
		for i, item := range n.Items() {
			m := s.item(i)
			if m == nil {
				break
			}
			if c := complete(m.shape, item, depth+1); c != item {
				if items == nil {
					items = slices.Clone(n.Items())
				}
				items[i] = c
			}
		}
		if items != nil {
			return n.WithItems(items)
		}
	}
	return n
}

func completeMap(s *shape, n *tree.Node, depth int) *tree.Node {
	var fields []tree.Field
	change := func() {
		if fields == nil {
			fields = slices.Clone(n.Fields())
		}
	}
	for i, f := range n.Fields() {
		if f.Value == nil || f.Value.Directive == tree.Delete {
			continue
		}
		v := f.Value
		for _, m := range s.members(f.Key) {
			v = complete(m.shape, v, depth+1)
		}
		if v != f.Value {
			change()
			fields[i].Value = v
		}
	}
	for _, m := range s.fields {
		if n.Field(m.name) != nil {
			continue
		}
		if def := m.missing(depth + 1); def != nil {
			change()
			fields = append(fields, tree.Field{Key: m.name, Pos: m.pos, Value: def})
		}
	}
	if fields == nil {
		return n
	}
	return n.WithFields(fields)
}

// missing gives what holds for a field that is not there, or nil.
func (m *member) missing(depth int) *tree.Node {
	switch {
	case m.presence == optional || len(m.guards) > 0 || depth > maxTreeDepth:
		return nil
	case m.shape.def != nil && m.presence == regular:
		// The default itself can leave out what its items' schema has defaults for.
		return complete(m.shape, m.shape.def, depth)
	case m.presence == regular && m.shape.implicit && m.shape.alts == nil && len(m.shape.fields) > 0:
		empty := tree.NewMap()
		empty.Pos = m.pos
		if full := completeMap(m.shape, empty, depth); full.Len() > 0 {
			return full
		}
	}
	return nil
}

// chosen gives the alternative that n is, nil if that cannot be told.
func (s *shape) chosen(n *tree.Node) *shape {
	var fitting []*shape
	for _, a := range s.alts {
		if a.kinds.has(n.Kind) {
			fitting = append(fitting, a)
		}
	}
	if len(fitting) == 1 {
		return fitting[0]
	}
	if key := discriminator(fitting); key != "" && n.Kind == tree.Map {
		if v := n.Field(key); v != nil && !v.Sealed {
			for _, a := range fitting {
				if a.byName[key].shape.allows(v) {
					return a
				}
			}
			return nil
		}
	}
	return onlyFit(fitting, n)
}
