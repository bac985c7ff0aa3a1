package schema

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/format"
	"cuelang.org/go/cue/token"

	"github.com/llm-devops/lcm/pkg/cuesource"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
)

// builder turns the syntax of a schema into shapes. It resolves references, spreads unifications and embeddings out, and
// leaves everything that is computed to CUE. There are finitely many expressions in a source, and one shape for each set
// of them that is unified somewhere, so recursive schemas become cycles.
type builder struct {
	text      *text
	imports   map[string]string        // local name → last part of the path
	fieldOf   map[ast.Node]*ast.Field  // by value, to find a definition's marks and comment
	dynamic   map[ast.Node]bool        // values of fields inside structs: a configuration can narrow them
	bound     map[ast.Node]bool        // values of patterns
	marksOf   map[*ast.Attribute]marks // read once, so that findings come once
	shapes    map[string]*shape
	patternOf map[string]*pattern
	findings  diag.List
	computed  bool // the syntax is not that of the source
}

// conj is the flat list of what is unified for one value.
type conj struct {
	kinds    kinds
	structs  []part[*ast.StructLit]
	lists    []part[*ast.ListLit]
	consts   []*tree.Node
	rules    []rule
	choices  [][]choice // each a disjunction
	marks    marks
	doc      string // of the first definition referred to
	pos      diag.Position
	opaque   bool
	unsure   bool // see shape
	checks   []check
	computed bool // depends on other fields: no default can be read off
	left     int  // how often something was left to CUE
	opened   bool // by a call such as matchN, or by what is embedded: CUE then allows fields that are not declared
	id       strings.Builder
	refs     []ast.Node // references being followed
}

// part is an expression that holds under a condition, or always if that is empty.
type part[T any] struct {
	lit    T
	guard  string
	joined bool // of a declaration under a condition beside one without: its ... does not open that one
}

// choice is one arm of a disjunction.
type choice struct {
	conj      *conj
	isDefault bool
}

func (b *builder) conj(pos token.Pos) *conj { return &conj{kinds: anyKind, pos: b.text.position(pos)} }

// noteID records what identifies the set of expressions.
func (c *conj) noteID(n ast.Node, guard string) {
	c.id.WriteString(strconv.FormatUint(uint64(reflect.ValueOf(n).Pointer()), 36))
	c.id.WriteString(guard)
	c.id.WriteByte(';')
}

// leave says that CUE alone knows what n means. What holds under a condition only is for the checks of the struct that
// has the condition.
func (c *conj) leave(n ast.Node, guard string) {
	c.opaque = true
	c.unsure = c.unsure || guard == ""
	c.left++
	c.noteID(n, "?")
}

const maxRefs = 100

// flatten adds what e demands to c. Under a guard only structs and lists are spread out, for their fields' sake: other
// demands hold at times only.
func (b *builder) flatten(c *conj, e ast.Expr, guard string) {
	switch x := e.(type) {
	case *ast.ParenExpr:
		b.flatten(c, x.X, guard)
	case *ast.Alias:
		b.flatten(c, x.Expr, guard)
	case *ast.Ident:
		b.flattenIdent(c, x, guard)
	case *ast.StructLit:
		b.flattenStruct(c, x, guard)
	case *ast.ListLit:
		c.noteID(x, guard)
		c.lists = append(c.lists, part[*ast.ListLit]{lit: x, guard: guard})
		c.narrow(kindsOf(tree.List), guard)
	case *ast.SelectorExpr:
		b.flattenSelector(c, x, guard)
	case *ast.BinaryExpr:
		switch {
		case x.Op == token.AND:
			b.flatten(c, x.X, guard)
			b.flatten(c, x.Y, guard)
		case x.Op == token.OR:
			b.flattenChoice(c, x, guard)
		default:
			c.computed = true
			c.leave(x, guard)
		}
	case *ast.CallExpr:
		if guard != "" {
			c.leave(x, guard)
			b.spread(c, x, guard)
			return
		}
		b.flattenCall(c, x)
	default:
		if guard != "" {
			c.leave(e, guard)
			return
		}
		b.flattenScalar(c, e)
	}
}

func (c *conj) narrow(k kinds, guard string) {
	if guard == "" {
		c.kinds &= k
	} else {
		c.opaque = true
	}
}

// flattenScalar adds what cannot hold a reference to a struct.
func (b *builder) flattenScalar(c *conj, e ast.Expr) {
	switch x := e.(type) {
	case *ast.BasicLit:
		b.constant(c, x)
	case *ast.UnaryExpr:
		switch {
		case x.Op == token.MUL:
			b.flatten(c, x.X, "")
		case x.Op == token.SUB || x.Op == token.ADD:
			b.constant(c, x)
		default:
			b.flattenBound(c, x)
		}
	case *ast.Interpolation:
		c.kinds &= kindsOf(tree.String)
		c.computed = true
		c.leave(x, "")
	default:
		c.computed = true
		c.leave(e, "")
	}
}

func (b *builder) constant(c *conj, e ast.Expr) {
	n := b.literal(e, 0)
	if n == nil {
		c.computed = true
		c.leave(e, "")
		return
	}
	c.noteID(e, "")
	c.kinds &= kindsOf(n.Kind)
	c.consts = append(c.consts, n)
}

// flattenIdent follows a reference, or adds a predeclared type.
func (b *builder) flattenIdent(c *conj, x *ast.Ident, guard string) {
	if x.Node == nil {
		if k, rules, ok := predeclared(x.Name); ok {
			if x.Name == "_" {
				return
			}
			fmt.Fprintf(&c.id, "%s%s;", x.Name, guard)
			c.narrow(k, guard)
			if guard == "" {
				for _, r := range rules {
					r.pos = b.text.position(x.Pos())
					c.rules = append(c.rules, r)
				}
			}
			return
		}
	}
	var target ast.Expr
	switch n := x.Node.(type) {
	case *ast.LetClause:
		target = n.Expr
	case *ast.Alias:
		target = n.Expr
	case *ast.Field:
		target = n.Value
	case ast.Expr:
		target = n
	}
	b.follow(c, x, target, guard)
}

// follow adds the value that a reference names.
func (b *builder) follow(c *conj, ref ast.Node, target ast.Expr, guard string) {
	if target == nil || b.bound[target] || len(c.refs) == maxRefs {
		c.computed = c.computed || guard == ""
		c.leave(ref, guard)
		return
	}
	for _, r := range c.refs {
		if r == target {
			c.leave(ref, guard)
			return
		}
	}
	if b.dynamic[target] {
		c.computed = c.computed || guard == ""
		c.leave(ref, guard)
	}
	if f := b.fieldOf[target]; f != nil {
		c.marks = c.marks.join(b.readMarks(f.Attrs))
		if c.doc == "" {
			c.doc = docOf(f)
		}
	}
	c.refs = append(c.refs, target)
	b.flatten(c, target, guard)
	c.refs = c.refs[:len(c.refs)-1]
}

// flattenSelector adds a field of a definition, #A.b, or a validator without arguments, time.Duration.
func (b *builder) flattenSelector(c *conj, x *ast.SelectorExpr, guard string) {
	if name := cuesource.BuiltinName(x, b.imports); name != "" && isPackage(x) {
		if guard != "" {
			c.leave(x, guard)
			return
		}
		b.validator(c, x, name, nil)
		return
	}
	if f := b.selected(x, 0); f != nil {
		b.follow(c, x, f.Value, guard)
		return
	}
	c.computed = true
	c.leave(x, guard)
}

func isPackage(x *ast.SelectorExpr) bool {
	id, ok := x.X.(*ast.Ident)
	if !ok {
		return false
	}
	_, ok = id.Node.(*ast.ImportSpec)
	return ok || id.Node == nil
}

// selected finds the field that #A.b names, where #A is written as one struct.
func (b *builder) selected(x *ast.SelectorExpr, depth int) *ast.Field {
	if depth > maxRefs {
		return nil
	}
	var lit ast.Expr
	switch base := x.X.(type) {
	case *ast.Ident:
		lit, _ = base.Node.(ast.Expr)
	case *ast.SelectorExpr:
		if f := b.selected(base, depth+1); f != nil {
			lit = f.Value
		}
	}
	s, ok := lit.(*ast.StructLit)
	if !ok {
		return nil
	}
	want, _, err := ast.LabelName(x.Sel)
	if err != nil {
		return nil
	}
	for _, d := range s.Elts {
		if f, ok := d.(*ast.Field); ok {
			if name, _, err := ast.LabelName(f.Label); err == nil && name == want {
				return f
			}
		}
	}
	return nil
}

// flattenStruct adds a struct's own fields as one part and what it embeds as if it were unified with it.
func (b *builder) flattenStruct(c *conj, x *ast.StructLit, guard string) {
	hasFields, embeds := false, false
	c.noteID(x, guard)
	c.structs = append(c.structs, part[*ast.StructLit]{lit: x, guard: guard})
	for _, d := range x.Elts {
		switch d := d.(type) {
		case *ast.Field, *ast.Ellipsis:
			hasFields = true
		case *ast.EmbedDecl:
			embeds = true
			if one, ok := exclusive(d.Expr); ok && guard == "" {
				c.checks = append(c.checks, one)
				c.opaque, c.computed, c.opened = true, true, true
				c.noteID(d.Expr, "?")
				continue
			}
			c.unsure = true
			before := c.left
			b.flatten(c, d.Expr, guard)
			c.opened = c.opened || c.left > before
		case *ast.Comprehension:
			hasFields = true
			if guard == "" {
				checks, ok := checksOf(d, x)
				c.checks = append(c.checks, checks...)
				c.unsure = c.unsure || !ok
			}
			b.flattenComprehension(c, d, guard)
		case *ast.Attribute:
			c.marks = c.marks.join(b.readMarks([]*ast.Attribute{d}))
		}
	}
	if hasFields || !embeds {
		c.narrow(kindsOf(tree.Map), guard)
	}
}

// flattenComprehension adds what stands below if, under that condition. What a for clause makes is CUE's alone.
func (b *builder) flattenComprehension(c *conj, x *ast.Comprehension, guard string) {
	c.opaque = true
	c.noteID(x, "?")
	for _, clause := range x.Clauses {
		cond, ok := clause.(*ast.IfClause)
		if !ok {
			return
		}
		if guard != "" {
			guard += " && "
		}
		guard += b.source(cond.Condition)
	}
	b.flatten(c, x.Value, guard)
}

// source gives an expression as the schema writes it, in one line.
func (b *builder) source(n ast.Node) string {
	if from, to := n.Pos(), n.End(); !b.computed && from.IsValid() && to.IsValid() && from.Offset() < to.Offset() && to.Offset() <= len(b.text.Data) {
		rest := string(b.text.Data[to.Offset():])
		text := string(b.text.Data[from.Offset():to.Offset()])
		if strings.HasSuffix(text, "_") && strings.HasPrefix(rest, "|_") {
			text += "|_" // CUE takes _|_ for one character long
		}
		return strings.Join(strings.Fields(text), " ")
	}
	out, err := format.Node(n)
	if err != nil {
		return "an expression"
	}
	return strings.Join(strings.Fields(string(out)), " ")
}

// flattenChoice adds a disjunction.
func (b *builder) flattenChoice(c *conj, x *ast.BinaryExpr, guard string) {
	if guard != "" {
		c.leave(x, guard)
		b.flatten(c, x.X, alternative(guard))
		b.flatten(c, x.Y, alternative(guard))
		return
	}
	var arms []choice
	var collect func(e ast.Expr)
	collect = func(e ast.Expr) {
		isDefault := false
		switch x := e.(type) {
		case *ast.BinaryExpr:
			if x.Op == token.OR {
				collect(x.X)
				collect(x.Y)
				return
			}
		case *ast.ParenExpr:
			collect(x.X)
			return
		case *ast.UnaryExpr:
			if x.Op == token.MUL {
				isDefault, e = true, x.X
			}
		}
		arm := b.conj(e.Pos())
		arm.refs = c.refs
		b.flatten(arm, e, "")
		c.marks = c.marks.join(arm.marks)
		c.computed = c.computed || arm.computed && isDefault
		arms = append(arms, choice{arm, isDefault})
	}
	collect(x)
	c.noteID(x, "")
	c.choices = append(c.choices, arms)
}

// docOf gives the comment above a field, or behind it, as running text with its paragraphs.
func docOf(f *ast.Field) string {
	var doc string
	for _, g := range ast.Comments(f) {
		if g.Doc || g.Line && doc == "" {
			doc = strings.TrimSpace(g.Text())
		}
	}
	return doc
}
