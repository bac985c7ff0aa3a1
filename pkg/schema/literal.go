package schema

import (
	"slices"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/token"

	"github.com/llm-devops/lcm/pkg/cuesource"
	"github.com/llm-devops/lcm/pkg/tree"
)

// literal gives the value of an expression that is written out, nil if it has to be computed.
func (b *builder) literal(e ast.Expr, depth int) *tree.Node {
	if depth > maxRefs {
		return nil
	}
	var n *tree.Node
	switch x := e.(type) {
	case *ast.ParenExpr:
		return b.literal(x.X, depth+1)
	case *ast.BasicLit:
		n = cuesource.Scalar(x)
	case *ast.UnaryExpr:
		n = b.literal(x.X, depth+1)
		if n == nil || n.Kind != tree.Int && n.Kind != tree.Float || x.Op != token.SUB && x.Op != token.ADD {
			return nil
		}
		if x.Op == token.SUB {
			n = n.WithText(n.Kind, "-"+n.Text())
		}
	case *ast.Ident:
		var target ast.Expr
		switch ref := x.Node.(type) {
		case *ast.LetClause:
			target = ref.Expr
		case ast.Expr:
			target = ref
		}
		if target == nil || b.dynamic[target] || b.bound[target] {
			return nil
		}
		return b.literal(target, depth+1)
	case *ast.ListLit:
		items := make([]*tree.Node, 0, len(x.Elts))
		for _, e := range x.Elts {
			item := b.literal(e, depth+1)
			if item == nil {
				return nil
			}
			items = append(items, item)
		}
		n = tree.NewList(items...)
	case *ast.StructLit:
		var fields []tree.Field
		for _, d := range x.Elts {
			f, ok := d.(*ast.Field)
			if !ok || f.Constraint != token.ILLEGAL {
				return nil
			}
			name, ok := cuesource.LabelName(f.Label)
			v := b.literal(f.Value, depth+1)
			if !ok || v == nil || slices.ContainsFunc(fields, func(f tree.Field) bool { return f.Key == name }) {
				return nil
			}
			fields = append(fields, tree.Field{Key: name, Pos: b.text.position(f.Pos()), Value: v})
		}
		n = tree.NewMap(fields...)
	}
	if n != nil {
		n.Pos = b.text.position(e.Pos())
	}
	return n
}
