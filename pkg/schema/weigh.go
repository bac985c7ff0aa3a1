package schema

import (
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/token"

	"github.com/llm-devops/lcm/pkg/diag"
)

// maxWeight bounds how large a value of a schema can become when its references are filled in.
const maxWeight = 1_000_000

// scale estimates how large values become: a struct of two references to a struct of two references, and so on, a text
// that holds another twice, loops over loops. The estimate counts what is written, so that it does not depend on a
// configuration; recursion counts once.
type scale struct {
	known map[ast.Node]int
	open  map[ast.Node]bool
}

// checkWeight finds the first expression that becomes too large.
func (t *text) checkWeight(f *ast.File) diag.List {
	s := &scale{known: map[ast.Node]int{}, open: map[ast.Node]bool{}}
	for _, d := range f.Decls {
		var e ast.Expr
		switch d := d.(type) {
		case *ast.Field:
			e = d.Value
		case *ast.LetClause:
			e = d.Expr
		default:
			continue
		}
		if s.weight(e) >= maxWeight {
			return diag.List{t.finding(CodeLimit, d.Pos(), "this becomes too large when its references are filled in", "")}
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
		return sum(s, x.Args)
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
	case *ast.CallExpr:
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
