package rules

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
)

// reference reports the values that are no name of what they refer to.
func (c *checker) reference(ctx context.Context, a address.Address, root *tree.Node, ref Reference) error {
	target, to := root, a
	if ref.Namespace != "" && ref.Namespace != a.Namespace {
		to.Namespace = ref.Namespace
		var exists bool
		var err error
		if target, exists, err = c.Tree(ctx, to); err != nil {
			return err
		}
		if !exists {
			c.missing(a, root, ref)
			return nil
		}
		if target == nil {
			return nil
		}
	}
	names, at := offered(target, ref.Names)
	for path, n := range referring(root, ref.Keys) {
		if names[n.Text()] {
			continue
		}
		known := slices.Sorted(maps.Keys(names))
		f := diag.Finding{
			Code: CodeReference, Message: fmt.Sprintf("%s is no name that %s has under %s", short(n), to.Namespace, patterns(ref.Names)),
			Hint: diag.DidYouMean(n.Text(), known, fmt.Sprintf("add it to %s, or use one of: %s", to, join(known))),
		}
		if len(known) == 0 {
			f.Hint = fmt.Sprintf("%s has none: add it there", to)
		}
		if !at.IsZero() {
			f.Related = []diag.Related{{Position: inLayer(at, to), Message: "the names are here"}}
		}
		c.report(a, path, n.Pos, f)
	}
	return nil
}

// missing explains, at the first value that needs it, that there is no namespace to refer to.
func (c *checker) missing(a address.Address, root *tree.Node, ref Reference) {
	for path, n := range referring(root, ref.Keys) {
		c.report(a, path, n.Pos, diag.Finding{
			Code: CodeNamespace, Message: fmt.Sprintf("this refers to the namespace %q, which %q does not have in this environment", ref.Namespace, a.Tenant),
			Hint: fmt.Sprintf("give it a layer: lcm set %s/%s/%s KEY=VALUE; or let the rule select other tenants: or environments:", a.Tenant, a.Environment, ref.Namespace),
		})
		return
	}
}

// referring visits the scalars at some keys; a list stands for its items. Secrets and null refer to nothing.
func referring(root *tree.Node, keys []tree.Pattern) func(yield func(tree.Path, *tree.Node) bool) {
	return func(yield func(tree.Path, *tree.Node) bool) {
		for _, k := range keys {
			for path, n := range k.Matches(root) {
				items := []*tree.Node{n}
				if n.Kind == tree.List {
					items = n.Items()
				}
				for i, item := range items {
					at := path
					if n.Kind == tree.List {
						at = append(path, tree.Index(i))
					}
					if item.Kind.IsScalar() && item.Kind != tree.Null && !item.Secret && !yield(at, item) {
						return
					}
				}
			}
		}
	}
}

// offered gives the names that can be referred to, and where the first of what holds them is.
func offered(root *tree.Node, patterns []tree.Pattern) (names map[string]bool, at diag.Position) {
	names = map[string]bool{}
	for _, p := range patterns {
		for _, n := range p.Matches(root) {
			if at.IsZero() {
				at = n.Pos
			}
			if n.Kind == tree.Map {
				for _, f := range n.Fields() {
					names[f.Key] = true
				}
				continue
			}
			items := []*tree.Node{n}
			if n.Kind == tree.List {
				items = n.Items()
			}
			for _, item := range items {
				if item.Kind.IsScalar() && !item.Secret {
					names[item.Text()] = true
				}
			}
		}
	}
	return names, at
}

func patterns(list []tree.Pattern) string {
	out := make([]string, len(list))
	for i, p := range list {
		out[i] = p.String()
	}
	return strings.Join(out, " or ")
}
