package rules

import (
	"fmt"
	"slices"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/quantity"
	"github.com/llm-devops/lcm/pkg/tree"
)

// require reports the keys that have no value: of a pattern with wildcards, one for each value that the wildcards stand for.
func (c *checker) require(a address.Address, root *tree.Node) {
	for _, p := range c.rule.Require {
		many, one := p.Split()
		for path, n := range many.Matches(root) {
			if v := n.Get(one); v != nil && v.Kind != tree.Null {
				continue
			}
			at, missing := n.Pos, append(path.Clone(), one...)
			if len(path) == 0 {
				at = diag.Position{File: a.File()}
			}
			c.report(a, missing, at, diag.Finding{Code: CodeRequired, Message: "this key must have a value", Hint: "set it: " + set(a, missing)})
		}
	}
}

// values reports the scalars at a key that a rule does not allow.
func (c *checker) values(a address.Address, root *tree.Node, v Value) {
	for path, n := range v.Key.Matches(root) {
		if n.Kind == tree.List {
			for i, item := range n.Items() {
				c.value(a, append(path, tree.Index(i)), item, v)
			}
			continue
		}
		c.value(a, path, n, v)
	}
}

func (c *checker) value(a address.Address, path tree.Path, n *tree.Node, v Value) {
	if n.Secret {
		return // whether it fits would tell about it
	}
	bad := func(hint, format string, args ...any) {
		c.report(a, path, n.Pos, diag.Finding{Code: CodeValue, Message: fmt.Sprintf(format, args...), Hint: hint})
	}
	if !n.Kind.IsScalar() {
		bad("give it a single value, or let the rule name a key inside", "this must be a single value, and is a %s", n.Kind)
		return
	}
	same := func(other *tree.Node) bool { return equal(n, other) }
	if len(v.OneOf) > 0 && !slices.ContainsFunc(v.OneOf, same) {
		bad("set it to one of: "+join(texts(v.OneOf)), "%s is not allowed here", short(n))
	}
	if slices.ContainsFunc(v.NoneOf, same) {
		bad("anything else than: "+join(texts(v.NoneOf)), "%s is not allowed here", short(n))
	}
	if v.Pattern != nil && !v.Pattern.MatchString(n.Text()) {
		bad("the pattern is "+v.Pattern.String(), "%s does not have the required form", short(n))
	}
	if order, ok := bound(n, v.Min); v.Min.Kind != 0 {
		switch {
		case !ok:
			bad("", "%s is not %s, and must be at least %s", short(n), v.Min.Kind, v.Min)
		case order < 0:
			bad("the least is "+v.Min.String(), "%s is less than %s", short(n), v.Min)
		}
	}
	if order, ok := bound(n, v.Max); v.Max.Kind != 0 {
		switch {
		case !ok && v.Min.Kind == 0: // with both, one finding says it
			bad("", "%s is not %s, and must be at most %s", short(n), v.Max.Kind, v.Max)
		case ok && order > 0:
			bad("the most is "+v.Max.String(), "%s is more than %s", short(n), v.Max)
		}
	}
}

// bound compares a value with a bound; ok is false where it measures something else, or nothing.
func bound(n *tree.Node, b quantity.Quantity) (order int, ok bool) {
	q, ok := quantity.Parse(n.Text())
	if !ok || n.Kind == tree.Null || n.Kind == tree.Bool {
		return 0, false
	}
	return quantity.Compare(q, b)
}

// equal compares scalars: numbers by value, the rest by kind and text.
func equal(a, b *tree.Node) bool {
	if x, ok := a.Number(); ok {
		if y, ok := b.Number(); ok {
			return x.Cmp(y) == 0
		}
	}
	return tree.Equal(a, b)
}

func texts(nodes []*tree.Node) []string {
	out := make([]string, len(nodes))
	for i, n := range nodes {
		out[i] = n.Text()
	}
	return out
}

// short gives a value for a message, cut where it is long.
func short(n *tree.Node) string {
	const longest = 60
	s := n.String()
	if len(s) > longest {
		return s[:longest] + `…"`
	}
	return s
}

// unique reports every value that stood before, at the later place.
func (c *checker) unique(u Unique, places []place) {
	type seen struct {
		in   address.Address
		path string
		at   diag.Position
	}
	first := map[string]seen{}
	for _, p := range places {
		for _, keys := range u.Keys {
			for path, n := range keys.Matches(p.root) {
				if n.Secret || !n.Kind.IsScalar() || n.Kind == tree.Null {
					continue
				}
				id := n.Text()
				if r, ok := n.Number(); ok {
					id = r.RatString()
				}
				before, ok := first[id]
				if !ok {
					first[id] = seen{p.address, path.String(), inLayer(n.Pos, p.address)}
					continue
				}
				if before.in == p.address && before.path == path.String() {
					continue // two patterns that mean the same value
				}
				where := before.path
				if before.in != p.address {
					where += " in " + before.in.Namespace
				}
				c.report(p.address, path, n.Pos, diag.Finding{
					Code: CodeDuplicate, Message: fmt.Sprintf("%s stands at %s already", short(n), where), Hint: "give it another value, or remove one of them",
					Related: []diag.Related{{Position: before.at, Message: "the first is here"}},
				})
			}
		}
	}
}
