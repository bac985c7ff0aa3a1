package promote

import (
	"slices"

	"github.com/llm-devops/lcm/pkg/tree"
)

// put gives a layer with a value set, or removed where value is nil, as an edit of its file does it: missing maps are
// made, and a directive other than !delete stays unless the value brings one. ok is false where that is impossible.
func put(root *tree.Node, p tree.Path, value *tree.Node) (out *tree.Node, ok bool) {
	if len(p) == 0 {
		if root == nil || value == nil || value.Directive != tree.None || root.Directive == tree.None || root.Directive == tree.Delete {
			return value, true
		}
		value = value.Clone()
		value.Directive = root.Directive
		return value, true
	}
	if key, isKey := p[0].AsKey(); isKey {
		return putField(root, key, p, value)
	}
	if !isList(root) {
		return nil, false
	}
	located, ok := root.Locate(p[:1])
	if !ok {
		return nil, false
	}
	i, _ := located[0].AsIndex()
	if i >= root.Len() {
		return nil, false
	}
	v, ok := put(root.Items()[i], p[1:], value)
	if !ok {
		return nil, false
	}
	items := slices.Clone(root.Items())
	if v == nil {
		items = slices.Delete(items, i, i+1)
	} else {
		items[i] = v
	}
	return root.WithItems(items), true
}

func putField(root *tree.Node, key string, p tree.Path, value *tree.Node) (out *tree.Node, ok bool) {
	switch {
	case root == nil:
		root = tree.NewMap()
	case root.Kind == tree.Null && root.Directive != tree.Delete:
		made := tree.NewMap()
		made.Directive, made.Pos = root.Directive, root.Pos
		root = made
	case root.Kind != tree.Map:
		return nil, false
	}
	i := slices.IndexFunc(root.Fields(), func(f tree.Field) bool { return f.Key == key })
	if i < 0 && value == nil {
		return nil, false
	}
	var old *tree.Node
	if i >= 0 {
		old = root.Fields()[i].Value
	}
	v, ok := put(old, p[1:], value)
	if !ok {
		return nil, false
	}
	fields := slices.Clone(root.Fields())
	switch {
	case v == nil:
		fields = slices.Delete(fields, i, i+1)
	case i < 0:
		fields = append(fields, tree.Field{Key: key, Value: v})
	default:
		fields[i].Value = v
	}
	return root.WithFields(fields), true
}

// plain gives a value as it is to be written: without the traces of how it was merged.
func plain(n *tree.Node) *tree.Node {
	var out *tree.Node
	switch n.Kind {
	case tree.Map:
		fields := make([]tree.Field, n.Len())
		for i, f := range n.Fields() {
			fields[i] = tree.Field{Key: f.Key, Value: plain(f.Value)}
		}
		out = n.WithFields(fields)
	case tree.List:
		items := make([]*tree.Node, n.Len())
		for i, item := range n.Items() {
			items[i] = plain(item)
		}
		out = n.WithItems(items)
	default:
		out = n.Clone()
	}
	out.Directive, out.Shadowed = tree.None, nil
	return out
}

// tagged gives a value with a directive.
func tagged(n *tree.Node, d tree.Directive) *tree.Node {
	if d == tree.None {
		return n
	}
	c := n.Clone()
	c.Directive = d
	return c
}

// tombstone marks a key as deleted.
func tombstone() *tree.Node { return tagged(tree.NewNull(), tree.Delete) }

// hasSecret reports whether there is a secret in a value.
func hasSecret(n *tree.Node) bool {
	found := false
	n.Walk(func(_ tree.Path, v *tree.Node) bool {
		found = found || v.Secret
		return !found
	})
	return found
}

// sameKeys reports whether two lists hold the same items, by identity, in the same order.
func sameKeys(a, b *tree.Node, key string) bool {
	return slices.EqualFunc(a.Items(), b.Items(), func(x, y *tree.Node) bool { return x.Field(key).Text() == y.Field(key).Text() })
}
