package cuesource

import (
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/literal"
	"cuelang.org/go/cue/token"

	"github.com/llm-devops/lcm/pkg/tree"
)

// Scalar gives the value of a literal, nil for what is no value of a configuration. It keeps the spelling of numbers, except
// where it is CUE's alone: 1_000, 4Ki, 0b11.
func Scalar(x *ast.BasicLit) *tree.Node {
	switch x.Kind {
	case token.NULL:
		return tree.NewNull()
	case token.TRUE, token.FALSE:
		return tree.NewBool(x.Kind == token.TRUE)
	case token.STRING:
		if strings.HasPrefix(strings.TrimLeft(x.Value, "#"), "'") {
			return nil // bytes
		}
		if s, err := literal.Unquote(x.Value); err == nil {
			return tree.NewString(s)
		}
	case token.INT, token.FLOAT:
		want := tree.Int
		if x.Kind == token.FLOAT {
			want = tree.Float
		}
		if n, err := tree.NewNumber(x.Value); err == nil && n.Kind == want {
			return n
		}
		var num literal.NumInfo
		if err := literal.ParseNum(x.Value, &num); err != nil {
			return nil
		}
		if n, err := tree.NewNumber(num.String()); err == nil && n.Kind == want {
			return n
		}
	}
	return nil
}
