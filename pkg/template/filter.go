package template

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/pkg/tree"
)

// filter is what can be done to a value.
type filter struct {
	name    string
	args    int // how many arguments it takes
	example string
	takes   []tree.Kind // what it can be given; nil for anything
	gives   []tree.Kind // nil for what it was given
	apply   func(n *tree.Node, args []*tree.Node) (*tree.Node, error)
}

// defaultFilter alone sees that there is no value; the others let that pass.
const defaultFilter = "default"

func filters() []filter {
	text := []tree.Kind{tree.String}
	scalars := []tree.Kind{tree.String, tree.Int, tree.Float, tree.Bool}
	return []filter{
		{name: defaultFilter, args: 1, example: "default: 0.7"},
		{name: "upper", example: "upper", takes: text, gives: text, apply: mapText(strings.ToUpper)},
		{name: "lower", example: "lower", takes: text, gives: text, apply: mapText(strings.ToLower)},
		{name: "trim", example: "trim", takes: text, gives: text, apply: mapText(strings.TrimSpace)},
		{name: "replace", args: 2, example: `replace: "_", "-"`, takes: text, gives: text, apply: replace},
		{name: "join", args: 1, example: `join: ", "`, takes: []tree.Kind{tree.List}, gives: text, apply: join},
		{name: "json", example: "json", gives: text, apply: toJSON},
		{name: "string", example: "string", takes: scalars, gives: text, apply: toString},
		{name: "number", example: "number", takes: []tree.Kind{tree.String, tree.Int, tree.Float}, gives: []tree.Kind{tree.Int, tree.Float}, apply: toNumber},
	}
}

func findFilter(name string) (filter, bool) {
	all := filters()
	i := slices.IndexFunc(all, func(f filter) bool { return f.name == name })
	if i < 0 {
		return filter{}, false
	}
	return all[i], true
}

func filterNames() []string {
	var names []string
	for _, f := range filters() {
		names = append(names, f.name)
	}
	return names
}

func mapText(change func(string) string) func(*tree.Node, []*tree.Node) (*tree.Node, error) {
	return func(n *tree.Node, _ []*tree.Node) (*tree.Node, error) { return tree.NewString(change(n.Text())), nil }
}

func replace(n *tree.Node, args []*tree.Node) (*tree.Node, error) {
	return tree.NewString(strings.ReplaceAll(n.Text(), args[0].Text(), args[1].Text())), nil
}

func join(n *tree.Node, args []*tree.Node) (*tree.Node, error) {
	parts := make([]string, n.Len())
	for i, item := range n.Items() {
		if !item.Kind.IsScalar() || item.Kind == tree.Null {
			return nil, fmt.Errorf("join takes a list of texts and numbers, and an item is a %s", item.Kind)
		}
		parts[i] = item.Text()
	}
	return tree.NewString(strings.Join(parts, args[0].Text())), nil
}

func toJSON(n *tree.Node, _ []*tree.Node) (*tree.Node, error) {
	data, err := n.AppendJSON(nil, tree.Masked)
	if err != nil {
		return nil, err
	}
	return tree.NewString(string(data)), nil
}

func toString(n *tree.Node, _ []*tree.Node) (*tree.Node, error) { return tree.NewString(n.Text()), nil }

func toNumber(n *tree.Node, _ []*tree.Node) (*tree.Node, error) {
	if n.Kind != tree.String {
		return n, nil
	}
	out, err := tree.NewNumber(strings.TrimSpace(n.Text()))
	if err != nil {
		return nil, errors.New("the text is no number")
	}
	return out, nil
}

// evaluate gives the value of a placeholder for the value of its variable, nil for no value.
func (e *expression) evaluate(n *tree.Node) (*tree.Node, error) {
	for i, key := range e.path[1:] {
		if n == nil {
			break
		}
		if n.Kind != tree.Map {
			return nil, fmt.Errorf("%s is a %s, so there is no %s in it", strings.Join(e.path[:i+1], "."), n.Kind, key)
		}
		if n = n.Field(key); n == nil && !e.hasDefault() {
			return nil, fmt.Errorf("%s has no %q", strings.Join(e.path[:i+1], "."), key)
		}
	}
	for _, c := range e.calls {
		switch {
		case c.filter.name == defaultFilter:
			if n == nil {
				n = c.args[0]
			}
			continue
		case n == nil:
			continue
		case c.filter.takes != nil && !slices.Contains(c.filter.takes, n.Kind):
			return nil, fmt.Errorf("the filter %s takes %s, and %s is a %s", c.filter.name, kindList(c.filter.takes), strings.Join(e.path, "."), n.Kind)
		}
		var err error
		if n, err = c.filter.apply(n, c.args); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// check follows the kinds that a value can have through the filters; nil stands for any kind.
func (e *expression) check(kinds []tree.Kind) ([]tree.Kind, error) {
	if len(e.path) > 1 {
		if kinds != nil && !slices.Contains(kinds, tree.Map) {
			return nil, fmt.Errorf("%s is %s, so there is no %s in it", e.path[0], kindList(kinds), e.path[1])
		}
		kinds = nil
	}
	for _, c := range e.calls {
		if c.filter.name == defaultFilter {
			if kinds != nil && !slices.Contains(kinds, c.args[0].Kind) {
				kinds = append(slices.Clone(kinds), c.args[0].Kind)
			}
			continue
		}
		fits := func(k tree.Kind) bool { return slices.Contains(c.filter.takes, k) }
		if kinds != nil && c.filter.takes != nil && !slices.ContainsFunc(kinds, fits) {
			return nil, fmt.Errorf("the filter %s takes %s, and %s is %s", c.filter.name, kindList(c.filter.takes), strings.Join(e.path, "."), kindList(kinds))
		}
		if c.filter.gives != nil {
			kinds = c.filter.gives
		}
	}
	return kinds, nil
}

func kindList(kinds []tree.Kind) string {
	var names []string
	for _, k := range kinds {
		switch {
		case k == tree.Int && slices.Contains(kinds, tree.Float): // a number says it all
		case k == tree.Int:
			names = append(names, "an "+k.String())
		default:
			names = append(names, "a "+k.String())
		}
	}
	return strings.Join(names, " or ")
}
