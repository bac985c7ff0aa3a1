package cuesource

import (
	"slices"
	"strconv"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/token"

	"github.com/llm-devops/lcm/pkg/diag"
)

// maxWeight bounds how large a value of a source can become when its references are filled in.
const maxWeight = 1_000_000

// scale estimates how large values become: a struct of two references to a struct of two references, and so on, a text
// that holds another twice, loops over loops. The estimate counts what is written, so that it does not depend on a
// configuration; recursion counts once.
type scale struct {
	known    map[ast.Node]int
	open     map[ast.Node]bool
	imported func(path string) []*ast.File
}

// CheckWeight finds the first expression that becomes too large. References must have been resolved; imported gives the files
// of a package of the repository, and may be nil.
func (t *Text) CheckWeight(f *ast.File, imported func(path string) []*ast.File) diag.List {
	s := &scale{known: map[ast.Node]int{}, open: map[ast.Node]bool{}, imported: imported}
	for _, d := range f.Decls {
		var e ast.Expr
		switch d := d.(type) {
		case *ast.Field:
			e = d.Value
		case *ast.LetClause:
			e = d.Expr
		case *ast.EmbedDecl:
			e = d.Expr
		case *ast.Comprehension:
			e = d
		default:
			continue
		}
		if s.weight(e) >= maxWeight {
			return diag.List{t.Finding(t.rules.Limit, d.Pos(), "this becomes too large when its references are filled in",
				"what is used twice counts twice: let it refer to less")}
		}
	}
	return nil
}

// weight estimates the size of an expression's value, maxWeight at most.
func (s *scale) weight(n ast.Node) int {
	if n == nil || s.open[n] {
		return 1
	}
	if w, ok := s.known[n]; ok {
		return w
	}
	s.open[n] = true
	w := min(s.weigh(n), maxWeight)
	delete(s.open, n)
	s.known[n] = w
	return w
}

func (s *scale) weigh(n ast.Node) int {
	switch x := n.(type) {
	case *ast.BasicLit:
		return 1 + len(x.Value)/16
	case *ast.Ident:
		return s.weight(target(x))
	case *ast.Field:
		return s.weight(x.Value)
	case *ast.LetClause:
		return 1 // counted where it is used
	case *ast.EmbedDecl:
		return s.weight(x.Expr)
	case *ast.Alias:
		return s.weight(x.Expr)
	case *ast.ParenExpr:
		return s.weight(x.X)
	case *ast.UnaryExpr:
		return s.weight(x.X)
	case *ast.SelectorExpr:
		if path := importPath(x.X); path != "" {
			return s.member(path, x.Sel)
		}
		return s.weight(x.X)
	case *ast.IndexExpr:
		return s.weight(x.X)
	case *ast.SliceExpr:
		return s.weight(x.X)
	case *ast.Ellipsis:
		return s.weight(x.Type)
	case *ast.BinaryExpr:
		if x.Op == token.MUL {
			return min(s.weight(x.X), maxWeight) * min(s.weight(x.Y), 1000)
		}
		return s.weight(x.X) + s.weight(x.Y)
	case *ast.StructLit:
		return sum(s, x.Elts)
	case *ast.ListLit:
		return sum(s, x.Elts)
	case *ast.Interpolation:
		return sum(s, x.Elts)
	case *ast.CallExpr:
		return s.call(x)
	case *ast.Comprehension:
		w := s.weight(x.Value)
		for _, c := range x.Clauses {
			if loop, ok := c.(*ast.ForClause); ok {
				w = min(w*s.count(loop.Source, 0), maxWeight)
			}
		}
		return w
	}
	return 1
}

// importPath gives the path of the package that an identifier stands for, else "".
func importPath(e ast.Expr) string {
	id, ok := e.(*ast.Ident)
	if !ok {
		return ""
	}
	spec, ok := id.Node.(*ast.ImportSpec)
	if !ok {
		return ""
	}
	path, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		return ""
	}
	return path
}

// member weighs what another package of the repository calls by a name, in all its files.
func (s *scale) member(path string, name ast.Label) int {
	if s.imported == nil {
		return 1
	}
	w := 1
	for _, f := range s.imported(path) {
		for _, d := range f.Decls {
			if field, ok := d.(*ast.Field); ok && sameLabel(field.Label, name) {
				w = min(w+s.weight(field.Value), maxWeight)
			}
		}
	}
	return w
}

func sameLabel(a, b ast.Label) bool {
	x, okX := LabelName(a)
	y, okY := LabelName(b)
	return okX && okY && x == y
}

// How the result of a function grows. encoded holds those that write up to ten bytes for one, parted those that make a value
// of a few bytes, and joined those whose result can be as large as the product of their arguments.
var (
	encoded = [...]string{
		"json.Marshal", "json.MarshalStream", "json.HTMLEscape", "json.Compact", "strconv.Quote", "strconv.QuoteToASCII",
		"strconv.QuoteToGraphic", "regexp.QuoteMeta", "hex.Encode", "hex.Dump", "base64.Encode", "net.PathEscape", "net.QueryEscape",
		"strings.ToTitle", "strings.ToUpper", "strings.ToLower", "time.FormatString", "time.Format",
	}
	parted = [...]string{
		"json.Unmarshal", "json.UnmarshalStream", "strings.Split", "strings.SplitN", "strings.SplitAfter", "strings.SplitAfterN",
		"strings.Fields", "strings.Runes", "path.Split", "path.SplitList",
	}
	joined = [...]string{
		"strings.Replace", "strings.Join", "regexp.ReplaceAll", "regexp.ReplaceAllLiteral", "json.Indent", "regexp.FindAll",
		"regexp.FindAllSubmatch", "regexp.FindAllNamedSubmatch",
	}
)

// call weighs a call of a function.
func (s *scale) call(x *ast.CallExpr) int {
	w := sum(s, x.Args)
	sel, ok := x.Fun.(*ast.SelectorExpr)
	if !ok {
		return w
	}
	member, _ := LabelName(sel.Sel)
	switch name := packageName(importPath(sel.X)) + "." + member; {
	case slices.Contains(encoded[:], name):
		w *= 10
	case slices.Contains(parted[:], name):
		w *= 16
	case slices.Contains(joined[:], name):
		w = 16 // a weight of one is up to 16 bytes
		for _, a := range x.Args {
			w = min(w*s.weight(a), maxWeight)
		}
	}
	return min(w, maxWeight)
}

func sum[T ast.Node](s *scale, nodes []T) int {
	w := 1
	for _, n := range nodes {
		w = min(w+s.weight(n), maxWeight)
	}
	return w
}

// count estimates over how many values a loop goes.
func (s *scale) count(e ast.Node, depth int) int {
	if depth > maxRefs {
		return 1
	}
	switch x := e.(type) {
	case *ast.Ident:
		return s.count(target(x), depth+1)
	case *ast.ParenExpr:
		return s.count(x.X, depth+1)
	case *ast.StructLit:
		return 1 + len(x.Elts)
	case *ast.ListLit:
		n := 1
		for _, e := range x.Elts {
			if c, ok := e.(*ast.Comprehension); ok {
				n += s.weight(c)
			} else {
				n++
			}
		}
		return min(n, maxWeight)
	case *ast.CallExpr, *ast.SelectorExpr, *ast.IndexExpr, *ast.SliceExpr, *ast.BinaryExpr:
		return s.weight(x)
	}
	return 1
}

// target gives what an identifier stands for, nil if that is not an expression.
func target(x *ast.Ident) ast.Node {
	switch n := x.Node.(type) {
	case *ast.LetClause:
		return n.Expr
	case *ast.Field:
		return n.Value
	case ast.Expr:
		return n
	}
	return nil
}
