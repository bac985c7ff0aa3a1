package schema

import (
	"fmt"
	"math/big"
	"regexp/syntax"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/token"

	"github.com/llm-devops/lcm/pkg/cuesource"
	"github.com/llm-devops/lcm/pkg/tree"
)

// flattenBound adds >=1, !=3, =~"^a" and the like.
func (b *builder) flattenBound(c *conj, x *ast.UnaryExpr) {
	n := b.literal(x.X, 0)
	r := rule{text: b.source(x.X), pos: b.text.position(x.Pos())}
	switch x.Op {
	case token.GEQ, token.GTR, token.LEQ, token.LSS:
		r.op = map[token.Token]ruleOp{token.GEQ: atLeast, token.GTR: moreThan, token.LEQ: atMost, token.LSS: lessThan}[x.Op]
		switch {
		case n == nil:
			c.computed = true
			c.leave(x, "")
			return
		case n.Kind == tree.String:
			c.kinds &= kindsOf(tree.String)
			r.op = onlyCUE
		default:
			v, ok := n.Number()
			if !ok {
				c.leave(x, "")
				return
			}
			c.kinds &= numberKind
			r.bound = v
		}
	case token.NEQ:
		if n == nil || !n.Kind.IsScalar() {
			c.leave(x, "")
			return
		}
		r.op, r.value = notEqual, n
	case token.MAT, token.NMAT:
		c.kinds &= kindsOf(tree.String)
		if n == nil || n.Kind != tree.String {
			c.leave(x, "")
			return
		}
		re := b.regexp(n.Reveal(), x)
		if re == nil {
			c.leave(x, "")
			return
		}
		r.op, r.re, r.text = matches, re, n.Reveal()
		if x.Op == token.NMAT {
			r.op = matchesNot
		}
	default:
		c.leave(x, "")
		return
	}
	if r.op == onlyCUE {
		c.opaque, r.text = true, b.source(x)
	}
	c.noteID(x, "")
	c.rules = append(c.rules, r)
}

// regexp checks a pattern once; nil if it is none. CUE itself would not complain before it is used.
func (b *builder) regexp(text string, at ast.Node) *pattern {
	p, ok := b.patternOf[text]
	if !ok {
		if _, err := syntax.Parse(text, syntax.Perl); err != nil {
			b.findings = append(b.findings, b.text.finding(CodeInvalid, at.Pos(), err.Error(), ""))
		} else {
			p = &pattern{text: text}
		}
		b.patternOf[text] = p
	}
	return p
}

// flattenCall adds validators and the functions that only combine their arguments.
func (b *builder) flattenCall(c *conj, x *ast.CallExpr) {
	if sel, ok := x.Fun.(*ast.SelectorExpr); ok && isPackage(sel) {
		if name := cuesource.BuiltinName(sel, b.imports); name != "" {
			b.validator(c, x, name, x.Args)
			return
		}
	}
	if id, ok := x.Fun.(*ast.Ident); ok && id.Node == nil && id.Name == "close" && len(x.Args) == 1 {
		b.flatten(c, x.Args[0], "")
		return
	}
	c.computed, c.opened = true, true
	c.leave(x, "")
	b.spread(c, x, "")
}

// oneAlternative is the condition, in words, under which the fields of an alternative count. Under it a field is not described:
// in another alternative it may be anything.
const oneAlternative = "one of several alternatives holds"

func alternative(guard string) string {
	if guard == "" {
		return oneAlternative
	}
	return guard + " && " + oneAlternative
}

// spread adds the structs among the arguments of close, matchN and matchIf under a condition, for their marks' sake: a secret
// is one wherever it is declared. What matchN(0, …) has is what must not be.
func (b *builder) spread(c *conj, x *ast.CallExpr, guard string) {
	id, ok := x.Fun.(*ast.Ident)
	if !ok || id.Node != nil {
		return
	}
	switch args := x.Args; {
	case id.Name == "close" && len(args) == 1:
		b.flatten(c, args[0], guard)
	case id.Name == "matchIf" && len(args) == 3:
		b.flatten(c, args[1], alternative(guard))
		b.flatten(c, args[2], alternative(guard))
	case id.Name == "matchN" && len(args) == 2:
		list, ok := args[1].(*ast.ListLit)
		if n, isNumber := args[0].(*ast.BasicLit); !ok || isNumber && n.Value == "0" {
			return
		}
		for _, arm := range list.Elts {
			b.flatten(c, arm, alternative(guard))
		}
	}
}

// validator adds a function of one of CUE's packages that demands something. Those not known here may also compute a
// value: only CUE can tell.
func (b *builder) validator(c *conj, n ast.Expr, name string, args []ast.Expr) {
	r := rule{op: onlyCUE, text: b.source(n), pos: b.text.position(n.Pos())}
	known, ok := validators[name]
	if !ok {
		c.computed = true
		c.leave(n, "")
		return
	}
	c.kinds &= known.kinds
	if known.op != onlyCUE && len(args) == 1 {
		if v := b.literal(args[0], 0); v != nil {
			if bound, isNumber := v.Number(); isNumber {
				r.op, r.bound, r.text = known.op, bound, v.Text()
			}
		}
	}
	if r.op == onlyCUE {
		c.opaque = true
	}
	c.noteID(n, "")
	c.rules = append(c.rules, r)
}

// validators are the functions that stand as constraints, with the kinds they are for.
var validators = map[string]struct {
	kinds kinds
	op    ruleOp
}{
	"strings.MinRunes": {kindsOf(tree.String), minRunes},
	"strings.MaxRunes": {kindsOf(tree.String), maxRunes},
	"list.MinItems":    {kindsOf(tree.List), minItems},
	"list.MaxItems":    {kindsOf(tree.List), maxItems},
	"list.UniqueItems": {kindsOf(tree.List), onlyCUE},
	"list.MatchN":      {kindsOf(tree.List), onlyCUE},
	"struct.MinFields": {kindsOf(tree.Map), onlyCUE},
	"struct.MaxFields": {kindsOf(tree.Map), onlyCUE},
	"math.MultipleOf":  {numberKind, onlyCUE},
	"time.Duration":    {kindsOf(tree.String), onlyCUE},
	"time.Time":        {kindsOf(tree.String), onlyCUE},
	"time.Format":      {kindsOf(tree.String), onlyCUE},
	"regexp.Valid":     {kindsOf(tree.String), onlyCUE},
	"net.IP":           {kindsOf(tree.String, tree.List), onlyCUE},
	"net.IPv4":         {kindsOf(tree.String, tree.List), onlyCUE},
	"net.IPv6":         {kindsOf(tree.String, tree.List), onlyCUE},
	"net.IPCIDR":       {kindsOf(tree.String), onlyCUE},
	"net.FQDN":         {kindsOf(tree.String), onlyCUE},
	"net.URL":          {kindsOf(tree.String), onlyCUE},
	"net.AbsURL":       {kindsOf(tree.String), onlyCUE},
	"net.HTTPURL":      {kindsOf(tree.String), onlyCUE},
	"json.Valid":       {kindsOf(tree.String), onlyCUE},
	"json.Validate":    {kindsOf(tree.String), onlyCUE},
	"uuid.Valid":       {kindsOf(tree.String), onlyCUE},
}

// predeclared gives CUE's types: https://cuelang.org/docs/reference/spec/#predeclared-identifiers.
func predeclared(name string) (kinds, []rule, bool) {
	switch name {
	case "_":
		return anyKind, nil, true
	case "string":
		return kindsOf(tree.String), nil, true
	case "bytes":
		return 0, nil, true
	case "bool":
		return kindsOf(tree.Bool), nil, true
	case "int":
		return kindsOf(tree.Int), nil, true
	case "float":
		return kindsOf(tree.Float), nil, true
	case "number":
		return numberKind, nil, true
	case "uint":
		return kindsOf(tree.Int), []rule{{op: atLeast, bound: new(big.Rat), text: "0"}}, true
	}
	var bits uint
	signed := true
	digits, ok := strings.CutPrefix(name, "int")
	if !ok {
		digits, ok = strings.CutPrefix(name, "uint")
		signed = false
	}
	switch digits {
	case "8", "16", "32", "64", "128":
		_, _ = fmt.Sscan(digits, &bits)
	default:
		return 0, nil, false
	}
	low, high := new(big.Int), new(big.Int).Lsh(big.NewInt(1), bits)
	if signed {
		high.Rsh(high, 1)
		low.Neg(high)
	}
	high.Sub(high, big.NewInt(1))
	return kindsOf(tree.Int), []rule{
		{op: atLeast, bound: new(big.Rat).SetInt(low), text: low.String()},
		{op: atMost, bound: new(big.Rat).SetInt(high), text: high.String()},
	}, ok
}
