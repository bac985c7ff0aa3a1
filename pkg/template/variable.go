package template

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
)

// Variable is what a template says about one of its variables.
type Variable struct {
	Name        string
	Type        string // string, integer, number, boolean, list, map or any
	Description string
	Default     *tree.Node // nil for none
	Example     *tree.Node // nil for none
	Enum        []*tree.Node
	Min, Max    *tree.Node // numbers, nil for none
	Pattern     string     // RE2, "" for none
	Required    bool       // it has to be set: there is no default, and a placeholder that needs it
	Pos         diag.Position

	pattern  *regexp.Regexp
	optional bool // required: false
}

// Kinds gives the kinds of value that the variable takes, nil for any.
func (v *Variable) Kinds() []tree.Kind { return kinds(v.Type) }

func types() []string {
	return []string{"string", "integer", "number", "boolean", "list", "map", "any"}
}

// kinds gives the kinds of value that a type takes, nil for any.
func kinds(typ string) []tree.Kind {
	switch typ {
	case "string":
		return []tree.Kind{tree.String}
	case "integer":
		return []tree.Kind{tree.Int}
	case "number":
		return []tree.Kind{tree.Int, tree.Float}
	case "boolean":
		return []tree.Kind{tree.Bool}
	case "list":
		return []tree.Kind{tree.List}
	case "map":
		return []tree.Kind{tree.Map}
	}
	return nil
}

// typeOf gives the type of a variable that has a value and no type of its own.
func typeOf(n *tree.Node) string {
	switch {
	case n == nil:
		return "string"
	case n.Kind == tree.Int || n.Kind == tree.Float:
		return "number"
	}
	for _, t := range types() {
		if slices.Contains(kinds(t), n.Kind) {
			return t
		}
	}
	return "any"
}

// check says why a value is none for the variable, with a code; "" if it is one. The value is not in the message: whoever
// put it there by mistake may have meant to keep it secret.
func (v *Variable) check(n *tree.Node) (code, message, hint string) {
	if allowed := kinds(v.Type); allowed != nil && !slices.Contains(allowed, n.Kind) {
		hint := ""
		switch {
		case v.Type == "string" && n.Kind.IsScalar() && n.Kind != tree.Null:
			hint = "put the value in quotes"
		case n.Kind == tree.String:
			hint = "write the value without quotes"
		}
		return "variable-type", fmt.Sprintf("variable %s takes %s, and this is %s", v.Name, article(v.Type), article(n.Kind.String())), hint
	}
	if v.Enum != nil && !slices.ContainsFunc(v.Enum, func(e *tree.Node) bool { return equal(e, n) }) {
		texts := make([]string, len(v.Enum))
		for i, e := range v.Enum {
			texts[i] = e.Text()
		}
		hint := ""
		if n.Kind.IsScalar() {
			hint = diag.DidYouMean(n.Text(), texts, "")
		}
		return "variable-value", fmt.Sprintf("variable %s is one of %s", v.Name, strings.Join(texts, ", ")), hint
	}
	if number, ok := n.Number(); ok {
		if v.Min != nil {
			if least, ok := v.Min.Number(); ok && number.Cmp(least) < 0 {
				return "variable-value", fmt.Sprintf("variable %s is at least %s", v.Name, v.Min.Text()), ""
			}
		}
		if v.Max != nil {
			if most, ok := v.Max.Number(); ok && number.Cmp(most) > 0 {
				return "variable-value", fmt.Sprintf("variable %s is at most %s", v.Name, v.Max.Text()), ""
			}
		}
	}
	if v.pattern != nil && n.Kind == tree.String && !v.pattern.MatchString(n.Text()) {
		return "variable-value", fmt.Sprintf("variable %s has to match %s", v.Name, v.Pattern), ""
	}
	return "", "", ""
}

// equal compares values, numbers by what they are and not by how they are written.
func equal(a, b *tree.Node) bool {
	x, ok1 := a.Number()
	y, ok2 := b.Number()
	if ok1 && ok2 {
		return x.Cmp(y) == 0
	}
	return tree.Equal(a, b)
}

func article(what string) string {
	switch {
	case what == "any":
		return "any value"
	case what == "null":
		return what
	case strings.HasPrefix(what, "i"):
		return "an " + what
	}
	return "a " + what
}

// declaration reads a variable from a template's header.
func (p *parser) declaration(f tree.Field) Variable {
	v := Variable{Name: f.Key, Pos: f.Pos}
	if !IsVariableName(f.Key) {
		p.report("template-header", f.Pos, fmt.Sprintf("%q is no name of a variable", f.Key), "a name has letters, digits, - and _, and begins with a letter or _")
	}
	if f.Value.Kind == tree.Null { // a name alone is enough
		v.Type = "string"
		return v
	}
	var typed *tree.Node
	p.object(f.Value, "a variable", map[string]func(tree.Field){
		"type":        func(f tree.Field) { v.Type, typed = p.word(f), f.Value },
		"description": func(f tree.Field) { v.Description = p.word(f) },
		"default":     func(f tree.Field) { v.Default = p.literal(f.Value) },
		"example":     func(f tree.Field) { v.Example = p.literal(f.Value) },
		"min":         func(f tree.Field) { v.Min = p.number(f) },
		"max":         func(f tree.Field) { v.Max = p.number(f) },
		"pattern": func(f tree.Field) {
			v.Pattern = p.word(f)
			var err error
			if v.pattern, err = regexp.Compile(v.Pattern); err != nil {
				p.report("template-header", f.Value.Pos, "pattern is no regular expression: "+err.Error(), "the syntax is RE2: https://github.com/google/re2/wiki/Syntax")
			}
		},
		"required": func(f tree.Field) {
			if f.Value.Kind != tree.Bool {
				p.report("template-header", f.Value.Pos, "required is true or false", "")
			}
			v.optional = f.Value.Text() == "false"
		},
		"enum": func(f tree.Field) {
			p.list(f, func(n *tree.Node) {
				if !n.Kind.IsScalar() {
					p.report("template-header", n.Pos, "enum lists texts, numbers, true and false", "")
					return
				}
				v.Enum = append(v.Enum, p.literal(n))
			})
		},
	})
	if v.Type == "" {
		v.Type = typeOf(v.Default)
	} else if !slices.Contains(types(), v.Type) && typed.Kind == tree.String {
		p.report("template-header", typed.Pos, fmt.Sprintf("there is no type %q", v.Type), diag.DidYouMean(v.Type, types(), "the types are: "+strings.Join(types(), ", ")))
		v.Type = "any"
	}
	for _, n := range []*tree.Node{v.Default, v.Example} {
		if n == nil {
			continue
		}
		if code, message, hint := v.check(n); code != "" {
			p.report(code, n.Pos, message, hint)
		}
	}
	return v
}

// literal gives a value of the header in which no placeholder may stand.
func (p *parser) literal(n *tree.Node) *tree.Node {
	switch n.Kind {
	case tree.Map:
		fields := slices.Clone(n.Fields())
		for i := range fields {
			fields[i].Value = p.literal(fields[i].Value)
		}
		return n.WithFields(fields)
	case tree.List:
		items := slices.Clone(n.Items())
		for i := range items {
			items[i] = p.literal(items[i])
		}
		return n.WithItems(items)
	case tree.String:
		for _, piece := range p.h.pieces(n.Text()) {
			if piece.placeholder != nil {
				p.report("template-header", piece.placeholder.pos, "a value that a declaration gives is as it stands, without placeholders",
					"put the placeholder into the body, or into values: for a template that this one extends")
			}
		}
		return n.WithText(tree.String, p.h.restore(n.Text()))
	}
	return n
}
