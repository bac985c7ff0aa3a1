package schema

import (
	"slices"

	"github.com/llm-devops/lcm/pkg/tree"
)

// Accepts reports whether [Module.Validate] would find nothing in a resolved configuration with its secrets opened, as far as
// that is certain without opening them and without asking CUE. fits reports of a sealed secret that [Module.SecretsFit] is true
// of the file that it comes from. That it is false says nothing.
func (m *Module) Accepts(root *tree.Node, fits func(secret *tree.Node) bool) bool {
	return m.Described() && root != nil && certain(m.root, root) && allSealed(root, fits)
}

func allSealed(n *tree.Node, fits func(*tree.Node) bool) bool {
	switch {
	case n.Sealed:
		return fits(n)
	case n.Kind == tree.Map:
		return !slices.ContainsFunc(n.Fields(), func(f tree.Field) bool { return !allSealed(f.Value, fits) })
	case n.Kind == tree.List:
		return !slices.ContainsFunc(n.Items(), func(item *tree.Node) bool { return !allSealed(item, fits) })
	}
	return true
}

// SecretsFit reports whether the secrets in a layer's own tree, opened, are certain to be valid at their places in whatever
// they are merged into: they fit all that the schema may want there. Secrets in lists have no place of their own.
func (m *Module) SecretsFit(root *tree.Node) bool {
	return m.Described() && secretsFit([]*member{m.root}, root, 0)
}

func secretsFit(at []*member, n *tree.Node, depth int) bool {
	switch {
	case n == nil:
		return true
	case n.Kind == tree.Map:
		for _, f := range n.Fields() {
			if !secretsFit(stepAll(at, tree.Key(f.Key)), f.Value, depth+1) {
				return false
			}
		}
	case n.Kind == tree.List:
		for _, item := range n.Items() {
			if !secretsFit(nil, item, depth+1) {
				return false
			}
		}
	case n.Secret && !n.Sealed:
		return len(at) > 0 && !slices.ContainsFunc(at, func(m *member) bool { return !isCertain(m.shape, n, depth) })
	}
	return true
}
