package schema

import (
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/token"

	"github.com/llm-devops/lcm/pkg/cuesource"
	"github.com/llm-devops/lcm/pkg/tree"
)

// check is what a map demands of itself under a condition, where the schema says it in one of the few forms that need no
// CUE to decide:
//
//	if kind != _|_ {if kind == "vllm" {endpoint!: _}}
//	let _names = [if models != _|_ for k, _ in models {k}]
//	if len(_names) > 0 {default_model!: or(_names)}
//	matchN(1, [{cron!: _, ...}, {event!: _, ...}])
//
// Conditions are about fields of the struct that the check stands in. A struct with any other comprehension is unsure.
type check struct {
	when []test // each is asked only if those before it hold
	then demand
}

type testOp uint8

const (
	isSet      testOp = iota // key
	isTrue                   // key
	equals                   // key, value
	hasNames                 // names
	isNot                    // of[0]
	both                     // of
	either                   // of
	exactlyOne               // of
)

// test is a condition.
type test struct {
	op    testOp
	key   string
	value *tree.Node // a string or a bool
	names names
	of    []test
}

// names are the keys of the map at key, or the values of a field in the items of the list at key.
type names struct{ key, field string }

type demandOp uint8

const (
	nothing demandOp = iota
	oneOfNames
	ofEach   // item or value
	ofFields // of a map
	never
)

// demand is what has to hold beside what the shape says.
type demand struct {
	op     demandOp
	names  names
	each   []demand // of ofEach: one
	fields []fieldDemand
}

type fieldDemand struct {
	name     string
	presence presence
	demand   demand
}

// checker translates the comprehensions of one struct.
type checker struct {
	in *ast.StructLit
	ok bool // everything was understood
}

// checksOf translates a comprehension that stands in a struct. ok is false if that cannot be done.
func checksOf(x *ast.Comprehension, in *ast.StructLit) (list []check, ok bool) {
	t := &checker{in: in, ok: true}
	list = t.comprehension(x, nil)
	return list, t.ok
}

// exclusive translates matchN(1, [{a!: _, ...}, {b!: _, ...}]): exactly one of the fields is there.
func exclusive(e ast.Expr) (c check, ok bool) {
	call, ok := e.(*ast.CallExpr)
	if !ok || !isBuiltin(call.Fun, "matchN") || len(call.Args) != 2 {
		return check{}, false
	}
	n, ok := call.Args[0].(*ast.BasicLit)
	list, ok2 := call.Args[1].(*ast.ListLit)
	if !ok || !ok2 || n.Value != "1" {
		return check{}, false
	}
	one := test{op: exactlyOne}
	for _, e := range list.Elts {
		arm, ok := e.(*ast.StructLit)
		if !ok || len(arm.Elts) != 2 {
			return check{}, false
		}
		f, ok := arm.Elts[0].(*ast.Field)
		_, open := arm.Elts[1].(*ast.Ellipsis)
		if !ok || !open || f.Constraint != token.NOT {
			return check{}, false
		}
		name, ok := cuesource.LabelName(f.Label)
		value, isIdent := f.Value.(*ast.Ident)
		if !ok || !isIdent || !isBuiltin(value, "_") {
			return check{}, false
		}
		one.of = append(one.of, test{op: isSet, key: name})
	}
	return check{when: []test{{op: isNot, of: []test{one}}}, then: demand{op: never}}, true
}

func (t *checker) comprehension(x *ast.Comprehension, when []test) (list []check) {
	when = when[:len(when):len(when)]
	for _, c := range x.Clauses {
		cond, ok := c.(*ast.IfClause)
		if !ok {
			t.ok = false
			return nil
		}
		when = append(when, t.test(cond.Condition))
	}
	lit, ok := x.Value.(*ast.StructLit)
	if !ok {
		t.ok = false
		return nil
	}
	own := &ast.StructLit{}
	for _, d := range lit.Elts {
		if inner, ok := d.(*ast.Comprehension); ok {
			list = append(list, t.comprehension(inner, when)...)
		} else {
			own.Elts = append(own.Elts, d)
		}
	}
	if len(own.Elts) > 0 {
		list = append(list, check{when: when, then: t.demand(own)})
	}
	return list
}

func (t *checker) fail() { t.ok = false }

func (t *checker) test(e ast.Expr) test {
	switch x := e.(type) {
	case *ast.ParenExpr:
		return t.test(x.X)
	case *ast.Ident:
		return test{op: isTrue, key: t.field(x)}
	case *ast.UnaryExpr:
		if x.Op == token.NOT {
			return test{op: isNot, of: []test{t.test(x.X)}}
		}
	case *ast.BinaryExpr:
		switch x.Op {
		case token.LAND:
			return test{op: both, of: []test{t.test(x.X), t.test(x.Y)}}
		case token.LOR:
			return test{op: either, of: []test{t.test(x.X), t.test(x.Y)}}
		case token.EQL, token.NEQ:
			return t.comparison(x)
		case token.GTR:
			call, isCall := x.X.(*ast.CallExpr)
			zero, isLit := x.Y.(*ast.BasicLit)
			if isCall && isLit && zero.Value == "0" && len(call.Args) == 1 && isBuiltin(call.Fun, "len") {
				return test{op: hasNames, names: t.names(call.Args[0])}
			}
		}
	}
	t.fail()
	return test{}
}

// comparison translates a == "b" and a != "b", and the test for presence, a != _|_.
func (t *checker) comparison(x *ast.BinaryExpr) test {
	var out test
	switch y := x.Y.(type) {
	case *ast.BottomLit:
		out = test{op: isSet, key: t.field(x.X)}
		if x.Op == token.NEQ {
			return out
		}
	case *ast.BasicLit:
		n := cuesource.Scalar(y)
		if n == nil || n.Kind != tree.String && n.Kind != tree.Bool {
			t.fail()
			return test{}
		}
		out = test{op: equals, key: t.field(x.X), value: n}
		if x.Op == token.EQL {
			return out
		}
	default:
		t.fail()
	}
	return test{op: isNot, of: []test{out}}
}

// field gives the name of the field of the struct that an expression refers to.
func (t *checker) field(e ast.Expr) string {
	if id, ok := e.(*ast.Ident); ok && id.Node != nil {
		for _, d := range t.in.Elts {
			f, ok := d.(*ast.Field)
			if !ok || ast.Node(f.Value) != id.Node && ast.Node(f) != id.Node {
				continue
			}
			if name, ok := cuesource.LabelName(f.Label); ok && name == id.Name {
				return name
			}
		}
	}
	t.fail()
	return ""
}

func isBuiltin(e ast.Expr, name string) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Node == nil && id.Name == name
}

// names translates a reference to a list of names: let _names = [if models != _|_ for k, _ in models {k}], or
// [if routes != _|_ for r in routes if r.name != _|_ {r.name}].
func (t *checker) names(e ast.Expr) names {
	id, ok := e.(*ast.Ident)
	if !ok {
		t.fail()
		return names{}
	}
	let, ok := id.Node.(*ast.LetClause)
	if !ok || !t.has(let) {
		t.fail()
		return names{}
	}
	list, ok := let.Expr.(*ast.ListLit)
	if !ok || len(list.Elts) != 1 {
		t.fail()
		return names{}
	}
	x, ok := list.Elts[0].(*ast.Comprehension)
	if !ok || len(x.Clauses) < 2 {
		t.fail()
		return names{}
	}
	present, ok := x.Clauses[0].(*ast.IfClause)
	loop, ok2 := x.Clauses[1].(*ast.ForClause)
	value, ok3 := x.Value.(*ast.StructLit)
	if !ok || !ok2 || !ok3 || len(value.Elts) != 1 {
		t.fail()
		return names{}
	}
	key := t.field(loop.Source)
	if test := t.test(present.Condition); test.op != isSet || test.key != key {
		t.fail()
	}
	embed, ok := value.Elts[0].(*ast.EmbedDecl)
	if !ok {
		t.fail()
		return names{}
	}
	if out, ok := embed.Expr.(*ast.Ident); ok && loop.Key != nil && out.Name == loop.Key.Name && len(x.Clauses) == 2 {
		return names{key: key}
	}
	field := selectedOf(embed.Expr, loop.Value)
	if field == "" || loop.Key != nil || len(x.Clauses) != 3 || !isPresenceOf(x.Clauses[2], loop.Value, field) {
		t.fail()
	}
	return names{key: key, field: field}
}

func (t *checker) has(let *ast.LetClause) bool {
	for _, d := range t.in.Elts {
		if d == ast.Decl(let) {
			return true
		}
	}
	return false
}

// selectedOf gives f of v.f.
func selectedOf(e ast.Expr, v *ast.Ident) string {
	sel, ok := e.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	base, ok := sel.X.(*ast.Ident)
	name, ok2 := sel.Sel.(*ast.Ident)
	if !ok || !ok2 || v == nil || base.Name != v.Name {
		return ""
	}
	return name.Name
}

// isPresenceOf reports whether a clause is: if v.f != _|_.
func isPresenceOf(c ast.Clause, v *ast.Ident, f string) bool {
	cond, ok := c.(*ast.IfClause)
	if !ok {
		return false
	}
	x, ok := cond.Condition.(*ast.BinaryExpr)
	if !ok || x.Op != token.NEQ {
		return false
	}
	_, ok = x.Y.(*ast.BottomLit)
	return ok && selectedOf(x.X, v) == f
}

func (t *checker) demand(e ast.Expr) demand {
	switch x := e.(type) {
	case *ast.Ident:
		if isBuiltin(x, "_") {
			return demand{}
		}
	case *ast.CallExpr:
		if len(x.Args) == 1 && isBuiltin(x.Fun, "or") {
			return demand{op: oneOfNames, names: t.names(x.Args[0])}
		}
	case *ast.ListLit:
		if len(x.Elts) == 1 {
			if rest, ok := x.Elts[0].(*ast.Ellipsis); ok && rest.Type != nil {
				return demand{op: ofEach, each: []demand{t.demand(rest.Type)}}
			}
		}
	case *ast.StructLit:
		return t.fields(x)
	}
	t.fail()
	return demand{}
}

// fields translates {a!: …, b?: …} or {[pattern]: …}. What a pattern demands is demanded of all values: at worst CUE is
// asked where it need not be.
func (t *checker) fields(x *ast.StructLit) demand {
	out := demand{op: ofFields}
	for _, d := range x.Elts {
		f, ok := d.(*ast.Field)
		if !ok {
			if _, ok := d.(*ast.Ellipsis); !ok {
				t.fail()
			}
			continue
		}
		if _, isPattern := patternLabel(f.Label); isPattern {
			if len(x.Elts) != 1 {
				t.fail()
			}
			return demand{op: ofEach, each: []demand{t.demand(f.Value)}}
		}
		name, ok := cuesource.LabelName(f.Label)
		if !ok || len(name) == 0 || name[0] == '_' || name[0] == '#' {
			t.fail()
		}
		fd := fieldDemand{name: name, presence: regular, demand: t.demand(f.Value)}
		switch f.Constraint {
		case token.NOT:
			fd.presence = required
		case token.OPTION:
			fd.presence = optional
		}
		out.fields = append(out.fields, fd)
	}
	return out
}
