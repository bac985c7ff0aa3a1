package template

import (
	"fmt"
	"iter"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
)

// Use is what a layer file says about templates.
type Use struct {
	Extends   []Extend
	Variables *tree.Node // a map, nil for none
	pos       diag.Position
}

// Empty reports whether it says nothing.
func (u Use) Empty() bool { return u.pos.IsZero() }

// ReadUse reads extends and variables from the root of a layer file.
func ReadUse(root *tree.Node) (Use, diag.List) {
	var u Use
	var findings diag.List
	for _, f := range root.Fields() {
		switch f.Key {
		case ExtendsKey:
			u.pos = f.Pos
			var list diag.List
			u.Extends, list = readExtends(f)
			findings = append(findings, list...)
		case VariablesKey:
			if u.pos.IsZero() {
				u.pos = f.Pos
			}
			if f.Value.Kind != tree.Map {
				findings = append(findings, finding("template-variables", f.Value.Pos, VariablesKey,
					fmt.Sprintf("variables is a map from names to values, and this is %s", article(f.Value.Kind.String())), "write variables: {name: value}"))
				continue
			}
			u.Variables = f.Value
		}
	}
	if u.Variables != nil && root.Field(ExtendsKey) == nil {
		findings = append(findings, finding("template-variables", u.pos, VariablesKey, "there are variables, and no template that they are for",
			"name one: extends: NAME; lcm template list shows what there is"))
	}
	return u, findings
}

func finding(code string, pos diag.Position, key, message, hint string) diag.Finding {
	return diag.Finding{Code: code, Severity: diag.Error, Position: pos, Key: key, Message: message, Hint: hint}
}

// readExtends reads one reference or a list of them.
func readExtends(f tree.Field) ([]Extend, diag.List) {
	nodes := []*tree.Node{f.Value}
	if f.Value.Kind == tree.List {
		nodes = f.Value.Items()
	}
	var out []Extend
	var findings diag.List
	for _, n := range nodes {
		if n.Kind != tree.String {
			findings = append(findings, finding("template-extends", n.Pos, ExtendsKey, fmt.Sprintf("extends names a template, and this is %s", article(n.Kind.String())),
				"write extends: NAME, extends: NAME@1.2, or a list of such"))
			continue
		}
		ref, err := ParseRef(n.Text())
		if err != nil {
			findings = append(findings, finding("template-extends", n.Pos, ExtendsKey, err.Error(), "lcm template list shows what there is"))
			continue
		}
		out = append(out, Extend{ref, n.Pos})
	}
	return out, findings
}

// placeholders visits the placeholders of a template's body and of the values it gives on.
func (t *Template) placeholders() iter.Seq2[*expression, *tree.Node] {
	return func(yield func(*expression, *tree.Node) bool) {
		more := true
		for _, root := range []*tree.Node{t.body, t.Values} {
			if root == nil {
				continue
			}
			root.Walk(func(_ tree.Path, n *tree.Node) bool {
				for _, part := range t.scalars[n] {
					if more && part.expr != nil {
						more = yield(part.expr, n)
					}
				}
				return more
			})
		}
	}
}
