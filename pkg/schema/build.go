package schema

import (
	"fmt"
	"slices"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/token"

	"github.com/llm-devops/lcm/pkg/cuesource"
	"github.com/llm-devops/lcm/pkg/tree"
)

func newBuilder(t *text, f *ast.File) *builder {
	b := &builder{
		text: t, imports: importNames(f), fieldOf: map[ast.Node]*ast.Field{}, dynamic: map[ast.Node]bool{},
		bound: map[ast.Node]bool{}, marksOf: map[*ast.Attribute]marks{}, patternOf: map[string]*pattern{}, shapes: map[string]*shape{},
	}
	depth := 0
	ast.Walk(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.StructLit:
			depth++
		case *ast.Field:
			b.fieldOf[n.Value] = n
			if _, pattern := patternLabel(n.Label); pattern {
				b.bound[n.Value] = true
			}
			name, _ := cuesource.LabelName(n.Label)
			b.dynamic[n.Value] = depth > 0 && !strings.HasPrefix(name, "#") && !strings.HasPrefix(name, "_#")
		case *ast.Attribute:
			if depth > 0 {
				b.readMarks([]*ast.Attribute{n})
			}
		}
		return true
	}, func(n ast.Node) {
		if _, ok := n.(*ast.StructLit); ok {
			depth--
		}
	})
	return b
}

// importNames gives the last part of the path of each package by its local name.
func importNames(f *ast.File) map[string]string {
	names := map[string]string{}
	for spec := range f.ImportSpecs() {
		path := strings.Trim(spec.Path.Value, `"`)
		name := baseName(path)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = baseName(path)
	}
	return names
}

// root builds the shape of #Config.
func (b *builder) root(e ast.Expr) *member {
	c := b.conj(e.Pos())
	b.flatten(c, e, "")
	return &member{shape: b.shape(c), presence: regular, marks: c.marks, doc: c.doc, pos: c.pos}
}

// shape builds the shape of what is unified in c, or gives the one that was built for the same expressions.
func (b *builder) shape(c *conj) *shape {
	id := fmt.Sprintf("%s%d%t%t%t", c.id.String(), c.kinds, c.opaque, c.unsure, c.computed)
	if s := b.shapes[id]; s != nil {
		return s
	}
	s := &shape{kinds: c.kinds, rules: c.rules, pos: c.pos, opaque: c.opaque, unsure: c.unsure || c.isJoined(), checks: c.checks}
	b.shapes[id] = s
	if len(b.shapes) > maxShapes {
		if len(b.shapes) == maxShapes+1 {
			f := b.text.finding(CodeLimit, token.NoPos, "the schema describes too many different values", "")
			f.Position = c.pos
			b.findings = append(b.findings, f)
		}
		s.opaque, s.unsure, s.open = true, true, true
		return s
	}
	if len(c.choices) > 0 {
		b.choose(s, c)
		return s
	}
	if len(c.consts) > 0 {
		s.unsure = s.unsure || len(c.consts) > 1
		s.enum = c.consts[:1]
		for _, other := range c.consts[1:] {
			s.opaque = s.opaque || !sameScalar(other, c.consts[0])
		}
		if !c.computed {
			s.def = c.consts[0]
		}
	}
	s.implicit = len(c.structs) > 0 || slices.ContainsFunc(c.lists, func(l part[*ast.ListLit]) bool { return isOpenList(l.lit) })
	if s.kinds.has(tree.Map) && len(c.structs) > 0 {
		b.fields(s, c)
		s.open = s.open || c.opened
	} else {
		s.open = s.kinds.has(tree.Map)
	}
	if s.kinds.has(tree.List) {
		b.items(s, c)
	}
	return s
}

// isJoined reports whether several structs, or lists, are unified, each of which may be closed.
func (c *conj) isJoined() bool {
	structs, lists := 0, 0
	for _, p := range c.structs {
		if p.guard == "" {
			structs++
		}
	}
	for _, p := range c.lists {
		if p.guard == "" {
			lists++
		}
	}
	return structs > 1 || lists > 1
}

// isOpenList reports whether a list may be empty, so that CUE has it without being written.
func isOpenList(l *ast.ListLit) bool {
	if len(l.Elts) == 0 {
		return true
	}
	_, ok := l.Elts[0].(*ast.Ellipsis)
	return ok
}

// entry is one declaration of a field.
type entry struct {
	field *ast.Field
	guard string
}

// fields fills in what the structs in c declare.
func (b *builder) fields(s *shape, c *conj) {
	declared := map[string][]entry{}
	var names []string
	var patterns []entry
	isClosed := slices.ContainsFunc(c.structs, func(p part[*ast.StructLit]) bool { return !p.joined })
	for _, p := range c.structs {
		for _, d := range p.lit.Elts {
			switch d := d.(type) {
			case *ast.Ellipsis:
				s.open = s.open || !p.joined || !isClosed
			case *ast.Field:
				name, ok := cuesource.LabelName(d.Label)
				_, isList := patternLabel(d.Label)
				switch {
				case isList:
					patterns = append(patterns, entry{d, p.guard})
				case !ok: // a computed name
					s.opaque, s.unsure, s.open = true, true, true
				case strings.HasPrefix(name, "#") || strings.HasPrefix(name, "_"):
					if lit, quoted := d.Label.(*ast.BasicLit); !quoted || lit.Kind != token.STRING {
						s.unsure = true
						continue // definitions and hidden fields are no part of a configuration
					}
					fallthrough
				default:
					if declared[name] == nil {
						names = append(names, name)
					}
					declared[name] = append(declared[name], entry{d, p.guard})
				}
			}
		}
	}
	s.patterns = b.patterns(patterns)
	s.byName = make(map[string]*member, len(names))
	for _, name := range names {
		entries := declared[name]
		for _, p := range s.patterns {
			if p.fits(name) {
				entries = append(entries, p.entries...)
			}
		}
		m := b.member(name, entries)
		s.fields = append(s.fields, m)
		s.byName[name] = m
	}
	for _, p := range s.patterns {
		p.entries = nil
	}
}

// patternLabel gives the expression in [expr]: or [name=expr]:.
func patternLabel(l ast.Label) (e ast.Expr, ok bool) {
	list, ok := l.(*ast.ListLit)
	if !ok {
		if a, isAlias := l.(*ast.Alias); isAlias {
			list, ok = a.Expr.(*ast.ListLit)
		}
	}
	if !ok || len(list.Elts) != 1 {
		return nil, false
	}
	return list.Elts[0], true
}

// patterns builds the patterns of a struct. Those for the same keys are one, and one for all keys says more about those
// that another admits.
func (b *builder) patterns(entries []entry) []*member {
	var groups [][]entry
	for _, always := range []bool{true, false} {
		for _, e := range entries {
			if (e.guard == "") != always {
				continue
			}
			joined := false
			for i, g := range groups {
				if text := b.labelText(e); text == "string" || text == b.labelText(g[0]) {
					groups[i], joined = append(g, e), true
				}
			}
			if !joined {
				groups = append(groups, []entry{e})
			}
		}
	}
	var list []*member
	for _, g := range groups {
		list = append(list, b.pattern(g))
	}
	return list
}

func (b *builder) labelText(e entry) string {
	label, _ := patternLabel(e.field.Label)
	if a, ok := label.(*ast.Alias); ok {
		label = a.Expr
	}
	return b.source(label)
}

func (b *builder) pattern(entries []entry) *member {
	e := entries[0]
	m := b.member("", entries)
	m.presence = optional
	m.entries = entries
	label, _ := patternLabel(e.field.Label)
	m.label = "name"
	if a, ok := label.(*ast.Alias); ok {
		m.label, label = strings.ToLower(strings.TrimLeft(a.Ident.Name, "#_")), a.Expr
	} else if id, ok := label.(*ast.Ident); ok && id.Node != nil {
		m.label = strings.ToLower(strings.TrimLeft(id.Name, "#_"))
	}
	m.keyText = b.source(label)
	c := b.conj(label.Pos())
	b.flatten(c, label, "")
	m.key = b.shape(c)
	return m
}

// member joins the declarations of one field. What is declared under a condition alone is described as if it always
// held; beside an unconditional declaration it adds marks, requirements and fields of its own.
func (b *builder) member(name string, entries []entry) *member {
	m := &member{name: name, pos: b.text.position(entries[0].field.Pos())}
	c := b.conj(entries[0].field.Value.Pos())
	conditional := !slices.ContainsFunc(entries, func(e entry) bool { return e.guard == "" })
	var own marks
	for _, e := range entries {
		own = own.join(b.readMarks(e.field.Attrs))
		if m.doc == "" {
			m.doc = docOf(e.field)
		}
		guard := e.guard
		isRequired := e.field.Constraint == token.NOT
		if e.guard != "" && isRequired {
			m.needed = append(m.needed, condition{conditionText(e.guard), b.text.position(e.field.Pos())})
		}
		if conditional && !strings.Contains(guard, oneAlternative) {
			m.guards = append(m.guards, condition{conditionText(e.guard), b.text.position(e.field.Pos())})
			guard = ""
		} else if _, isPattern := patternLabel(e.field.Label); e.guard == "" && !isPattern {
			switch {
			case isRequired:
				m.presence = max(m.presence, required)
			case e.field.Constraint != token.OPTION:
				m.presence = regular
			}
		}
		before := len(c.structs)
		b.flatten(c, e.field.Value, guard)
		for i := range c.structs[before:] {
			c.structs[before+i].joined = guard != ""
		}
	}
	m.marks = own.join(c.marks)
	if m.doc == "" {
		m.doc = c.doc
	}
	m.shape = b.shape(c)
	return m
}

// items fills in what the lists in c hold.
func (b *builder) items(s *shape, c *conj) {
	if len(c.lists) == 0 {
		s.rest = &member{shape: b.shape(b.conj(token.NoPos)), pos: s.pos}
		return
	}
	fixed := 0
	for _, l := range c.lists {
		for i, e := range l.lit.Elts {
			if _, ok := e.(*ast.Ellipsis); !ok {
				fixed = max(fixed, i+1)
			}
			if _, ok := e.(*ast.Comprehension); ok {
				s.opaque, s.unsure = true, true
				s.rest = &member{shape: b.shape(b.conj(token.NoPos)), pos: s.pos}
				return
			}
		}
	}
	for i := range fixed {
		if m := b.item(c, i, s); m != nil {
			s.items = append(s.items, m)
		}
	}
	s.rest = b.item(c, fixed, s)
	if n := len(c.lists[0].lit.Elts); len(c.lists) == 1 && c.lists[0].guard == "" && n > 0 && s.rest == nil && !c.computed {
		if def := b.literal(c.lists[0].lit, 0); def != nil {
			s.def = def
		}
	}
}

// item joins what the lists in c say about the item at i; nil: there is none.
func (b *builder) item(c *conj, i int, s *shape) *member {
	ic := b.conj(token.NoPos)
	ic.pos = s.pos
	unguarded := slices.ContainsFunc(c.lists, func(l part[*ast.ListLit]) bool { return l.guard == "" })
	for _, l := range c.lists {
		guard := l.guard
		if !unguarded {
			guard = ""
		}
		var e ast.Expr
		if i < len(l.lit.Elts) {
			e = l.lit.Elts[i]
		} else if n := len(l.lit.Elts); n > 0 {
			e = l.lit.Elts[n-1]
			if _, ok := e.(*ast.Ellipsis); !ok {
				e = nil
			}
		}
		switch x := e.(type) {
		case nil:
			if guard == "" {
				return nil
			}
		case *ast.Ellipsis:
			if x.Type != nil {
				ic.pos = b.text.position(x.Type.Pos())
				b.flatten(ic, x.Type, guard)
			}
		default:
			ic.pos = b.text.position(x.Pos())
			b.flatten(ic, x, guard)
		}
	}
	return &member{shape: b.shape(ic), marks: ic.marks, doc: ic.doc, pos: ic.pos}
}

// choose fills in a disjunction: every arm with all else that is unified.
func (b *builder) choose(s *shape, c *conj) {
	type arm struct {
		shape     *shape
		isDefault bool
	}
	var arms []arm
	for _, a := range c.choices[0] {
		s := b.shape(c.with(a.conj))
		if a.isDefault && s.def == nil && s.kinds == kindsOf(tree.Map) && len(a.conj.structs) == 1 {
			written := *s
			written.def = b.literal(a.conj.structs[0].lit, 0)
			s = &written
		}
		if s.kinds != 0 || s.opaque { // else it contradicts the rest
			arms = append(arms, arm{s, a.isDefault})
		}
	}
	// What CUE makes of a map that fits a default too is not foreseen here.
	s.unsure = s.unsure || slices.ContainsFunc(arms, func(a arm) bool { return a.isDefault && a.shape.kinds.has(tree.Map) })
	isMarked := slices.ContainsFunc(arms, func(a arm) bool { return a.isDefault })
	var def *tree.Node
	for _, a := range arms {
		if def == nil && !c.computed && (a.isDefault || !isMarked && a.shape.marked) {
			def = a.shape.def
		}
	}
	// A default that is one of the other values is no value of its own: *8080 | int.
	kept := slices.DeleteFunc(slices.Clone(arms), func(a arm) bool {
		return a.isDefault && a.shape.def != nil && slices.ContainsFunc(arms, func(o arm) bool {
			return !o.isDefault && !o.shape.opaque && accepts(o.shape, a.shape.def)
		})
	})
	s.rules = nil
	s.def, s.marked = def, def != nil
	switch {
	case len(kept) == 0:
		s.opaque, s.unsure = true, true
		return
	case len(kept) == 1:
		pos, opaque, unsure := s.pos, s.opaque, s.unsure
		*s = *kept[0].shape
		s.pos, s.opaque, s.unsure, s.def, s.marked = pos, s.opaque || opaque, s.unsure || unsure, def, def != nil
		return
	}
	s.kinds = 0
	isEnum := true
	for _, a := range kept {
		s.kinds |= a.shape.kinds
		if a.shape.alts != nil {
			s.alts = append(s.alts, a.shape.alts...)
		} else {
			s.alts = append(s.alts, a.shape)
		}
		s.opaque = s.opaque || a.shape.opaque
		s.unsure = s.unsure || a.shape.unsure
		isEnum = isEnum && a.shape.enum != nil && len(a.shape.rules) == 0 && !a.shape.opaque
	}
	if isEnum {
		for _, a := range s.alts {
			s.enum = append(s.enum, a.enum...)
		}
		s.alts = nil
	}
}

// with gives c and one arm of its first disjunction.
func (c *conj) with(arm *conj) *conj {
	out := &conj{
		kinds: c.kinds & arm.kinds, structs: slices.Concat(c.structs, arm.structs), lists: slices.Concat(c.lists, arm.lists),
		consts: slices.Concat(c.consts, arm.consts), rules: slices.Concat(c.rules, arm.rules),
		choices: slices.Concat(c.choices[1:], arm.choices), marks: c.marks.join(arm.marks), doc: c.doc, pos: arm.pos,
		opaque: c.opaque || arm.opaque, unsure: c.unsure || arm.unsure, checks: slices.Concat(c.checks, arm.checks), computed: c.computed || arm.computed,
		left: c.left + arm.left, opened: c.opened || arm.opened,
	}
	out.id.WriteString(c.id.String())
	out.id.WriteByte('|')
	out.id.WriteString(arm.id.String())
	return out
}
