package diff

import (
	"slices"
	"strconv"

	"github.com/llm-devops/lcm/pkg/leak"
	"github.com/llm-devops/lcm/pkg/tree"
)

// unfit gives the function that masks, below a path of a file that should hold no secret, the values that look like one: what no
// schema describes can still have been put there by mistake.
func unfit(file string) (hide func(p tree.Path, n *tree.Node) *tree.Node, err error) {
	scanner, err := leak.Default()
	if err != nil {
		return nil, err
	}
	hide = func(p tree.Path, n *tree.Node) *tree.Node {
		switch {
		case n.Kind == tree.Map:
			fields := slices.Clone(n.Fields())
			for i, f := range fields {
				fields[i].Value = hide(append(p, tree.Key(f.Key)), f.Value)
			}
			return n.WithFields(fields)
		case n.Kind == tree.List:
			items := slices.Clone(n.Items())
			for i, item := range items {
				items[i] = hide(p, item)
			}
			return n.WithItems(items)
		case n.Kind == tree.String && !n.Secret:
			name := ""
			if len(p) > 0 {
				name, _ = p[len(p)-1].AsKey()
			}
			if found := scanner.Scan(file, []byte(name+": "+strconv.Quote(n.Text()))); len(found) > 0 {
				return masked(n)
			}
		}
		return n
	}
	return hide, nil
}
