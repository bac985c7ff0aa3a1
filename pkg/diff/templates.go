package diff

import (
	"slices"

	"github.com/llm-devops/lcm/pkg/layer"
	"github.com/llm-devops/lcm/pkg/template"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// templatesOf gives the files of the templates in two stacks, each once.
func templatesOf(stacks ...[]layer.Layer) []string {
	var files []string
	for _, l := range slices.Concat(stacks...) {
		if l.Of != "" && !slices.Contains(files, l.File) {
			files = append(files, l.File)
		}
	}
	return files
}

// attributeTemplates looks for the causes of what no layer says itself, and a template does: the variables that went into the
// value, or that a file extends the template at all. What then has no cause is a change of the template's own file. It gives
// all changes that had a part in something, too.
func attributeTemplates(effects []effect, touched []*layerFile, old, new *workspace.Resolved) ([]effect, []*rawChange) {
	var parts []*rawChange
	for i, e := range effects {
		if e.raw != nil {
			continue
		}
		causes := append(templateCauses(e.New, new, touched), templateCauses(e.Old, old, touched)...)
		if len(causes) > 0 {
			effects[i] = effect{e.Change, causes[0], causeOf(causes[0])}
			parts = append(parts, causes...)
		}
	}
	return effects, parts
}

// templateCauses gives the changes of layer files' variables and extends that are behind a value of a template, the likeliest
// first.
func templateCauses(n *tree.Node, side *workspace.Resolved, touched []*layerFile) []*rawChange {
	if n == nil {
		return nil
	}
	var variables, extended []*rawChange
	for _, value := range leavesOf(n) {
		for _, l := range touched {
			if !extends(side, l.file, value.Pos.File) {
				continue
			}
			for _, feed := range side.Fed[value.Pos] {
				if r := l.saying(tree.Keys(template.VariablesKey, feed.Variable)); r != nil {
					variables = append(variables, r)
				}
			}
			if r := l.saying(tree.Keys(template.ExtendsKey)); r != nil {
				extended = append(extended, r)
			}
		}
	}
	if n.Kind.IsScalar() {
		return append(variables, extended...)
	}
	return append(extended, variables...) // a whole map comes and goes with the template
}

// leavesOf gives the values in a node that may have come from a template, itself first.
func leavesOf(n *tree.Node) []*tree.Node {
	out := []*tree.Node{n}
	for _, leaf := range n.Leaves() {
		out = append(out, leaf)
	}
	return out
}

// extends reports whether a layer file brings a template in.
func extends(side *workspace.Resolved, file, templateFile string) bool {
	return slices.ContainsFunc(side.Stack, func(l layer.Layer) bool { return l.Of == file && l.File == templateFile })
}

// saying gives the change of a layer file at, above or below a path, nil if there is none.
func (l *layerFile) saying(p tree.Path) *rawChange {
	for _, r := range l.changes {
		if q := mapPart(r.Path); q.HasPrefix(p) || p.HasPrefix(q) {
			return r
		}
	}
	return nil
}
