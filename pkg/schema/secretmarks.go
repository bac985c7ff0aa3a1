package schema

import (
	"slices"

	"github.com/llm-devops/lcm/pkg/tree"
)

// MarkSecrets gives what stands at a path with every scalar marked as secret that [Module.Field] calls so, but null, even where
// it lies in plain text. What has nothing to mark is shared with n.
func (m *Module) MarkSecrets(at tree.Path, n *tree.Node) *tree.Node {
	members := []*member{m.root}
	secret := false
	for _, step := range at {
		secret = secret || anySecret(members)
		members = stepAll(members, step)
	}
	return m.mark(members, secret, n)
}

// mark is MarkSecrets for what the schema has members for, none where it knows nothing; secret says that what is around them is.
func (m *Module) mark(at []*member, secret bool, n *tree.Node) *tree.Node {
	secret = secret || anySecret(at)
	if !secret && !slices.ContainsFunc(at, func(c *member) bool { return m.secretive()[c.shape] }) {
		return n
	}
	switch {
	case n.Kind == tree.Map:
		var fields []tree.Field
		for i, f := range n.Fields() {
			if v := m.mark(stepAll(at, tree.Key(f.Key)), secret, f.Value); v != f.Value {
				if fields == nil {
					fields = slices.Clone(n.Fields())
				}
				fields[i].Value = v
			}
		}
		if fields != nil {
			return n.WithFields(fields)
		}
	case n.Kind == tree.List:
		var items []*tree.Node
		for i, item := range n.Items() {
			if v := m.mark(stepAll(at, tree.Index(i)), secret, item); v != item {
				if items == nil {
					items = slices.Clone(n.Items())
				}
				items[i] = v
			}
		}
		if items != nil {
			return n.WithItems(items)
		}
	case secret && !n.Secret && n.Kind != tree.Null:
		c := n.Clone()
		c.Secret = true
		return c
	}
	return n
}

func anySecret(members []*member) bool {
	return slices.ContainsFunc(members, func(m *member) bool { return m.marks.secret })
}

// stepAll gives what the child at step of any of the members may be.
func stepAll(members []*member, step tree.Step) []*member {
	var next []*member
	for _, m := range members {
		next = m.shape.step(step, next)
	}
	return next
}

// secretShapes finds the shapes below which, however deep, something is secret.
func secretShapes(root *member) map[*shape]bool {
	around := map[*shape][]*shape{} // by what stands within
	var secret []*shape
	seen := map[*shape]bool{}
	var visit func(s *shape)
	visit = func(s *shape) {
		if seen[s] {
			return
		}
		seen[s] = true
		for _, a := range s.alts {
			around[a] = append(around[a], s)
			visit(a)
		}
		for _, list := range [][]*member{s.fields, s.patterns, s.items, {s.rest}} {
			for _, m := range list {
				if m == nil {
					continue
				}
				if m.marks.secret {
					secret = append(secret, s)
				}
				around[m.shape] = append(around[m.shape], s)
				visit(m.shape)
			}
		}
	}
	visit(root.shape)
	found := map[*shape]bool{}
	for len(secret) > 0 {
		s := secret[len(secret)-1]
		secret = secret[:len(secret)-1]
		if !found[s] {
			found[s] = true
			secret = append(secret, around[s]...)
		}
	}
	return found
}
