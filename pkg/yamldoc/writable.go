package yamldoc

import (
	"fmt"
	"unicode/utf8"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
)

// writable checks a tree that was built by hand for what no file can hold, before it is written.
func writable(file string, path tree.Path, root *tree.Node) error {
	var findings diag.List
	fault := func(p tree.Path, format string, args ...any) {
		findings = append(findings, diag.Finding{
			Code: "yaml-not-writable", Severity: diag.Error, Message: fmt.Sprintf(format, args...),
			Position: diag.Position{File: file}, Key: append(path.Clone(), p...).String(),
		})
	}
	root.Walk(func(p tree.Path, n *tree.Node) bool {
		if len(path)+len(p) > MaxDepth {
			fault(p, "maps and lists are nested more than %d deep", MaxDepth)
			return false
		}
		switch n.Kind {
		case tree.Map:
			seen := make(map[string]bool, n.Len())
			for _, f := range n.Fields() {
				switch {
				case !utf8.ValidString(f.Key):
					fault(p, "a key is not UTF-8")
				case seen[f.Key]:
					fault(p, "key %q stands twice", f.Key)
				case f.Value == nil:
					fault(p, "key %q has no value", f.Key)
				}
				seen[f.Key] = true
			}
		case tree.List:
			for i, item := range n.Items() {
				if item == nil {
					fault(p, "item %d is missing", i)
				}
			}
		case tree.String:
			if !utf8.ValidString(n.Reveal()) {
				fault(p, "the text is not UTF-8")
			}
		case tree.Null, tree.Bool, tree.Int, tree.Float:
			kind, text := tree.Resolve(n.Reveal())
			if kind == tree.Int && n.Kind == tree.Float {
				kind = tree.Float
			}
			if kind != n.Kind || text != n.Reveal() {
				fault(p, "the text is no %s", n.Kind)
			}
		default:
			fault(p, "a value has no kind")
		}
		return true
	})
	return findings.Err()
}
