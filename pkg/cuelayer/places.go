package cuelayer

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/token"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
)

// position gives CUE's position in the file that it is in.
func (l *loader) position(p token.Pos) diag.Position {
	if t := l.texts[p.Filename()]; t != nil && p.IsValid() {
		return t.Position(p)
	}
	return diag.Position{File: l.request.File.Name}
}

// placed gives a node the place and the directive of its value.
func (w *walker) placed(n *tree.Node, v cue.Value, d tree.Directive) *tree.Node {
	n.Pos, n.Directive = w.place(v), d
	if file := w.request.File.Name; n.Pos.File != file {
		n.Layer = file
	}
	return n
}

// source gives the expression that says a value, nil where there is no single one.
func (l *loader) source(v cue.Value) ast.Expr {
	switch n := v.Source().(type) {
	case *ast.Field:
		return n.Value
	case ast.Expr:
		return n
	}
	return nil
}

// place gives where a value is said: the layer has precedence over what it imports.
func (w *walker) place(v cue.Value) diag.Position {
	if e := w.source(v); e != nil && e.Pos().IsValid() && !isCollection(v) {
		return w.position(e.Pos())
	}
	if f := w.field(v); f != nil {
		return w.position(f.Value.Pos())
	}
	return w.position(v.Pos())
}

// keyPlace gives where the key of a value stands.
func (w *walker) keyPlace(v cue.Value) diag.Position {
	if !isCollection(v) {
		if f := w.fieldOf[w.source(v)]; f != nil {
			return w.position(f.Label.Pos())
		}
	}
	if f := w.field(v); f != nil {
		return w.position(f.Label.Pos())
	}
	return w.position(v.Pos())
}

func isCollection(v cue.Value) bool {
	return v.IncompleteKind() == cue.StructKind || v.IncompleteKind() == cue.ListKind
}

// field gives a field that declares a value, of several the first one of the layer itself.
func (w *walker) field(v cue.Value) (found *ast.Field) {
	consider := func(n ast.Node) {
		f, ok := n.(*ast.Field)
		if !ok {
			f = w.fieldOf[n]
		}
		if f != nil && (found == nil || found.Pos().Filename() != w.request.File.Name && f.Pos().Filename() == w.request.File.Name) {
			found = f
		}
	}
	consider(v.Source())
	if op, parts := v.Expr(); op == cue.AndOp {
		for _, part := range parts {
			consider(part.Source())
		}
	}
	return found
}

// isGiven reports whether the layer, or a package that it imports, has a part in a value: it is not the schema's alone.
func (w *walker) isGiven(v cue.Value) bool {
	places := []token.Pos{v.Pos()}
	if !places[0].IsValid() || !w.isModule[places[0].Filename()] && !isCollection(v) {
		return true
	}
	if op, parts := v.Expr(); op == cue.AndOp {
		for _, part := range parts {
			places = append(places, part.Pos())
		}
	}
	return slices.ContainsFunc(places, func(p token.Pos) bool { return p.IsValid() && !w.isModule[p.Filename()] })
}

// maxFindings bounds the findings about one layer: more is noise. maxRelated bounds the places that one names.
const (
	maxFindings = 20
	maxRelated  = 4
)

// findings turns CUE's errors into findings.
func (l *loader) findings(err error, plain func(tree.Path) bool) diag.List {
	var found diag.List
	all := errors.Errors(err)
	for _, e := range all {
		if format, _ := e.Msg(); len(all) > 1 && strings.HasSuffix(format, "errors in empty disjunction:") {
			continue // a heading of those that follow
		}
		if found = append(found, l.finding(e, plain)); len(found) == maxFindings {
			break
		}
	}
	return found
}

const invalidHint = "what is said of a field in several places has to agree, and what it refers to has to be there"

func (l *loader) finding(e errors.Error, plain func(tree.Path) bool) diag.Finding {
	format, args := e.Msg()
	p := keyPath(e.Path())
	if plain != nil && !plain(p) || plain == nil && len(p) > 0 {
		args = slices.Clone(args)
		for i := range args {
			args[i] = hidden{}
		}
	}
	f := diag.Finding{Code: CodeInvalid, Severity: diag.Error, Key: p.String(), Message: fmt.Sprintf(format, args...), Hint: invalidHint}
	var places []diag.Position
	for _, pos := range append([]token.Pos{e.Position()}, e.InputPositions()...) {
		if at := l.position(pos); pos.IsValid() && l.texts[pos.Filename()] != nil && !slices.Contains(places, at) {
			places = append(places, at)
		}
	}
	// The place in the layer itself comes first.
	slices.SortStableFunc(places, func(a, b diag.Position) int {
		return rank(a, l.request.File.Name) - rank(b, l.request.File.Name)
	})
	f.Position = diag.Position{File: l.request.File.Name}
	if len(places) > 0 {
		f.Position = places[0]
		for _, at := range places[1:min(len(places), 1+maxRelated)] {
			f.Related = append(f.Related, diag.Related{Position: at, Message: "this has a part in it"})
		}
	}
	return f
}

func rank(p diag.Position, file string) int {
	if p.File == file {
		return 0
	}
	return 1
}

// hidden stands for a value in a message.
type hidden struct{}

// Format implements [fmt.Formatter], for any verb.
func (hidden) Format(s fmt.State, _ rune) { _, _ = fmt.Fprint(s, "…") }

// keyPath turns CUE's path into ours.
func keyPath(path []string) tree.Path {
	var p tree.Path
	for _, part := range path {
		if i, err := strconv.Atoi(part); err == nil && i >= 0 {
			p = append(p, tree.Index(i))
			continue
		}
		if strings.HasPrefix(part, `"`) {
			if unquoted, err := strconv.Unquote(part); err == nil {
				part = unquoted
			}
		}
		p = append(p, tree.Key(part))
	}
	return p
}
