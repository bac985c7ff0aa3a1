package cuelayer

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/token"

	"github.com/llm-devops/lcm/pkg/cuesource"
	"github.com/llm-devops/lcm/pkg/diag"
)

// prepare makes what was parsed safe to compute with, and remembers which field each value is of.
func (l *loader) prepare(t *cuesource.Text, f *ast.File) {
	ast.Walk(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Field:
			l.fieldOf[n.Value] = n
		case *ast.BasicLit:
			if isImmense(n) {
				l.report(t.Finding(CodeLimit, n.Pos(), "the number is too large to compute with", "write it as a text"))
			}
		}
		return true
	}, func(n ast.Node) {
		// A text times a number is that text many times over: only numbers are multiplied.
		if b, ok := n.(*ast.BinaryExpr); ok && b.Op == token.MUL {
			b.X, b.Y = number(b.X), number(b.Y)
		}
	})
}

// number unifies an operand with number.
func number(e ast.Expr) ast.Expr {
	return &ast.BinaryExpr{X: e, OpPos: e.Pos(), Op: token.AND, Y: &ast.Ident{NamePos: e.Pos(), Name: "__number"}}
}

// isImmense reports whether writing a number out would take too much.
func isImmense(n *ast.BasicLit) bool {
	const maxExponent, maxDigits = 4000, 10_000
	if n.Kind != token.INT && n.Kind != token.FLOAT {
		return false
	}
	if len(n.Value) > maxDigits {
		return true
	}
	text := strings.ToLower(n.Value)
	i := strings.IndexByte(text, 'e')
	if i < 0 || strings.HasPrefix(text, "0x") {
		return false
	}
	e, err := strconv.Atoi(strings.ReplaceAll(text[i+1:], "_", ""))
	return err != nil || e > maxExponent || e < -maxExponent
}

var (
	directives  = []string{"append", "prepend", "merge", "override", "delete"}
	tags        = []string{"tenant", "environment", "namespace"}
	unsupported = []string{"if", "ignore", "extern", "embed", "experiment"} // of the cue command's loader
)

// marks checks the attributes of a file and gives the tags their values. Attributes that are not lcm's are left alone, unless
// they look like one misspelt.
func (l *loader) marks(t *cuesource.Text, f *ast.File, isLayer bool) {
	inject := map[*ast.Attribute]*ast.Field{}
	tagged := map[ast.Node]*ast.Field{} // by what stood there before
	ast.Walk(f, func(n ast.Node) bool {
		if field, ok := n.(*ast.Field); ok && field.Constraint == token.ILLEGAL {
			for _, a := range field.Attrs {
				inject[a] = field
			}
		}
		if a, ok := n.(*ast.Attribute); ok {
			if field := inject[a]; field != nil {
				tagged[field.Value] = field
			}
			l.mark(t, a, inject[a], isLayer)
		}
		return true
	}, nil)
	// The parser has resolved references inside of the file to the values that they mean.
	ast.Walk(f, func(n ast.Node) bool {
		if ref, ok := n.(*ast.Ident); ok && tagged[ref.Node] != nil {
			ref.Node = tagged[ref.Node].Value
		}
		return true
	}, nil)
	for _, d := range f.Decls {
		if a, ok := d.(*ast.Attribute); ok {
			if name, _ := a.Split(); slices.Contains(directives, name) {
				l.report(t.Finding(CodeMark, a.Pos(), "@"+name+" stands on no value", "write it behind a field: key: value @"+name+"()"))
			}
		}
	}
}

func (l *loader) mark(t *cuesource.Text, a *ast.Attribute, field *ast.Field, isLayer bool) {
	name, body := a.Split()
	body = strings.TrimSpace(body)
	refuse := func(message, hint string) { l.report(t.Finding(CodeMark, a.Pos(), message, hint)) }
	switch {
	case slices.Contains(directives, name):
		if body != "" {
			refuse(fmt.Sprintf("@%s takes nothing in a layer", name), fmt.Sprintf("write @%s(); how a field merges by itself is for its schema to say", name))
		}
	case name == "tag" && !isLayer:
		refuse("a package has no tags: layers of all tenants and environments import it", "have the layer give it the value")
	case name == "tag" && !slices.Contains(tags, body):
		refuse(fmt.Sprintf("there is no tag %q", body), diag.DidYouMean(body, tags, "the tags are "+strings.Join(tags, ", ")))
	case name == "tag" && field == nil:
		refuse("a tag stands on a field that is there: not on an optional one", "write _"+body+": string @tag("+body+")")
	case name == "tag":
		a := l.request.Address
		value := map[string]string{"tenant": a.Tenant, "environment": a.Environment, "namespace": a.Namespace}[body]
		text := ast.NewString(value)
		text.ValuePos = field.Value.Pos()
		tagged := &ast.BinaryExpr{X: field.Value, OpPos: field.Value.Pos(), Op: token.AND, Y: text}
		l.fieldOf[tagged] = field
		field.Value = tagged
	case slices.Contains(unsupported, name):
		refuse("@"+name+" means nothing here", "a layer is the whole of its file, and reads no others but by import")
	default:
		if near := diag.Nearest(name, append(slices.Clone(directives), "tag")); len(near) > 0 {
			refuse("there is no attribute @"+name, "did you mean @"+near[0]+"?")
		}
	}
}
