package schema

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/token"

	"github.com/llm-devops/lcm/pkg/cuesource"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
)

// check implements judge. A valid configuration costs one unification. For any other the walker finds what it can; then
// CUE is asked again with those values left open, because one fault hides others from it, and what it still refuses is
// explained from its answer.
func (j *cueJudge) check(root *tree.Node, top *member) diag.List {
	if j.trusted {
		return j.decide(root, top)
	}
	var found diag.List
	if ok := cuesource.Guard(validateTime, func() { found = j.decide(root, top) }); ok {
		return found
	}
	return diag.List{{
		Code: CodeLimit, Severity: diag.Error, Position: root.Pos,
		Message: fmt.Sprintf("the schema does not come to a decision within %s", validateTime),
		Related: []diag.Related{{Position: top.pos, Message: "the schema is here"}},
	}}
}

func (j *cueJudge) decide(root *tree.Node, top *member) diag.List {
	// Only of built-in modules, whose tests compare the two, is the description's word taken for CUE's.
	if j.trusted && certain(top, root) {
		return nil
	}
	return j.ask(root, top)
}

// ask lets CUE decide.
func (j *cueJudge) ask(root *tree.Node, top *member) diag.List {
	if found := j.build(); len(found) > 0 {
		return found
	}
	e := &encoder{top: j.top}
	value := j.root.Unify(j.ctx.Encode(e.encode(root)))
	err := value.Validate(cue.Concrete(true))
	if err == nil && !e.partial {
		return nil
	}
	w := newWalker()
	w.check(place{member: top}, top.shape, root)
	if len(w.findings) == 0 && e.partial {
		// Sealed secrets leave values open: only what is certain counts.
		if value.Validate() == nil && !j.missingAt(err, w, root) {
			return nil
		}
	}
	x := &explainer{judge: j, root: root, top: top, walker: w, said: map[string]bool{}}
	x.run()
	if len(w.findings) == 0 && err != nil && !e.partial {
		x.undecided(err)
	}
	return w.findings
}

// missingAt reports whether one of CUE's errors says that something required is missing.
func (j *cueJudge) missingAt(err error, w *walker, root *tree.Node) bool {
	return slices.ContainsFunc(errors.Errors(err), func(e errors.Error) bool {
		p, _ := treePath(e.Path(), root)
		return isMissing(e, p, root, w)
	})
}

// isMissing reports whether an error is about a field that is not there.
func isMissing(e errors.Error, p tree.Path, root *tree.Node, w *walker) bool {
	if len(p) == 0 || w.missing[p.String()] || root.Get(p) != nil || root.Get(p[:len(p)-1]) == nil {
		return false
	}
	format, _ := e.Msg()
	return strings.HasPrefix(format, "field is required") || strings.HasPrefix(format, "incomplete value")
}

// treePath turns CUE's path into ours, without #Config. ok is false if the path is not below it.
func treePath(path []string, root *tree.Node) (p tree.Path, ok bool) {
	if len(path) == 0 || path[0] != rootName {
		return nil, false
	}
	n := root
	for _, part := range path[1:] {
		if n != nil && n.Kind == tree.List {
			if i, err := strconv.Atoi(part); err == nil && i >= 0 {
				p = append(p, tree.Index(i))
				if n = nil; i < len(root.Get(p[:len(p)-1]).Items()) {
					n = root.Get(p)
				}
				continue
			}
		}
		if unquoted, err := strconv.Unquote(part); err == nil {
			part = unquoted
		}
		p = append(p, tree.Key(part))
		n = n.Field(part)
	}
	return p, true
}

// explainer turns what CUE refuses beside the walker's findings into findings.
type explainer struct {
	judge  *cueJudge
	root   *tree.Node
	top    *member
	walker *walker
	said   map[string]bool // paths at which the schema's own message was reported
}

// maxRounds bounds how often CUE is asked again: each round finds at least one fault more.
const maxRounds = 4

func (x *explainer) run() {
	for range maxRounds {
		before := len(x.walker.findings)
		value := x.unify()
		refused := map[string]errors.Error{}
		var order []string
		for _, e := range errors.Errors(value.Validate()) {
			p, ok := treePath(e.Path(), x.root)
			if !ok {
				continue
			}
			key := p.String()
			if refused[key] == nil {
				order = append(order, key)
				refused[key] = e
			} else if preferred(e, refused[key]) {
				refused[key] = e
			}
		}
		for _, key := range order {
			x.refused(refused[key], order)
		}
		x.conditional(value)
		if len(x.walker.findings) == before {
			return
		}
	}
}

// preferred reports whether e says more than the summary of a disjunction.
func preferred(e, than errors.Error) bool {
	format, _ := than.Msg()
	return strings.Contains(format, "empty disjunction") && e.Position().IsValid()
}

// unify asks CUE about the tree with all reported values left open.
func (x *explainer) unify() cue.Value {
	e := &encoder{top: x.judge.top, repaired: x.walker.repaired}
	return x.judge.root.Unify(x.judge.ctx.Encode(e.encode(x.root)))
}

// refused handles one value that CUE refuses.
func (x *explainer) refused(e errors.Error, all []string) {
	p, _ := treePath(e.Path(), x.root)
	key := p.String()
	n := x.root.Get(p)
	if x.said[key] || x.reported(p) {
		return
	}
	if message := x.schemaMessage(e); message != "" {
		x.say(p, e, message)
		return
	}
	if n == nil {
		return
	}
	format, _ := e.Msg()
	at := x.place(p)
	switch {
	case strings.HasPrefix(format, "field not allowed"):
		x.notAllowed(at, p, n)
	case n.Kind == tree.Map && slices.ContainsFunc(all, func(o string) bool { return strings.HasPrefix(o, key+".") || key == "" && o != "" }):
		// What is wrong is below, and is explained there.
	default:
		x.constraint(at, e, n)
	}
}

// reported reports whether a value or what it is in has a finding already.
func (x *explainer) reported(p tree.Path) bool {
	for i := range len(p) + 1 {
		if x.walker.repaired[p[:i].String()] != 0 {
			return true
		}
	}
	return false
}

// place finds the description of what is at p.
func (x *explainer) place(p tree.Path) place {
	at := place{member: x.top}
	members := []*member{x.top}
	for _, step := range p {
		var next []*member
		for _, m := range members {
			at.secret = at.secret || m.marks.secret
			next = m.shape.step(step, next)
		}
		members = next
		if len(next) > 0 {
			at.member = next[0]
		}
	}
	for _, m := range members {
		at.secret = at.secret || m.marks.secret
	}
	at.path = p
	return at
}

// notAllowed reports a field that the description knows but that is not allowed as things are.
func (x *explainer) notAllowed(at place, p tree.Path, n *tree.Node) {
	f := diag.Finding{Code: CodeUnknown, Message: at.name() + " is not known"}
	if at.member != nil && len(at.member.guards) > 0 {
		f.Message = at.name() + " is not allowed here"
		f.Hint = "it is allowed when " + strings.Join(texts(at.member.guards), ", or when ")
	}
	if step, ok := p[len(p)-1].AsKey(); ok {
		for _, field := range x.root.Get(p[:len(p)-1]).Fields() {
			if field.Key == step {
				f.Position = field.Pos
			}
		}
	}
	x.walker.report(at, n, f)
	x.walker.repaired[p.String()] = dropped
}

// constraint asks CUE what it wants at p when all else is as it is, and says so; what cannot be said in words is shown as
// the schema writes it.
func (x *explainer) constraint(at place, e errors.Error, n *tree.Node) {
	key := at.key()
	for _, r := range at.member.shape.rules {
		if r.op == onlyCUE && slices.ContainsFunc(e.InputPositions(), func(p token.Pos) bool { return x.judge.text.position(p) == r.pos }) {
			x.walker.broken(at, r, n)
			return
		}
	}
	x.walker.repaired[key] = replaced
	wanted := x.unify().LookupPath(cuePath(at.path))
	before := len(x.walker.findings)
	if wanted.Err() == nil {
		if s := x.judge.shapeOf(wanted); s != nil && !s.free() && !s.mentions(x.secrets()) {
			at := at
			at.member = &member{shape: s, pos: at.member.pos}
			if related := x.related(e); len(related) > 0 {
				at.member.pos = related[0].Position
			}
			x.walker.check(at, s, n)
		}
	}
	if len(x.walker.findings) > before {
		return
	}
	x.walker.report(at, n, diag.Finding{Code: CodeConstraint, Message: must(at, n, satisfy(x.ruleText(e))), Related: x.related(e)})
}

// conditional reports fields that are required as things are.
func (x *explainer) conditional(value cue.Value) {
	for _, e := range errors.Errors(value.Validate(cue.Concrete(true))) {
		p, ok := treePath(e.Path(), x.root)
		if !ok || !isMissing(e, p, x.root, x.walker) || x.reported(p) {
			continue
		}
		at := x.place(p)
		m := *at.member
		when := ""
		for _, c := range slices.Concat(m.needed, m.guards) {
			if slices.ContainsFunc(e.InputPositions(), func(p token.Pos) bool { return x.judge.text.position(p) == c.pos }) {
				when, m.pos = c.text, c.pos
				break
			}
		}
		at.member = &m
		x.walker.require(at, &m, x.root.Get(p[:len(p)-1]), when)
	}
}

// undecided reports what CUE refuses when neither the walker nor the rounds could say why.
func (x *explainer) undecided(err error) {
	for _, e := range errors.Errors(err) {
		p, _ := treePath(e.Path(), x.root)
		for len(p) > 0 && x.root.Get(p) == nil {
			p = p[:len(p)-1]
		}
		n := x.root.Get(p)
		if x.reported(p) || n == nil {
			continue
		}
		at := x.place(p)
		if key := discriminator(at.member.shape.alts); key != "" && n.Kind == tree.Map && n.Field(key) == nil {
			x.walker.requireKind(at, at.member.shape.alts, key, n)
			continue
		}
		x.walker.report(at, n, diag.Finding{Code: CodeConstraint, Message: at.name() + " must " + satisfy(x.ruleText(e)), Related: x.related(e)})
	}
}

// related gives the places in the schema that an error names.
func (x *explainer) related(e errors.Error) []diag.Related {
	var list []diag.Related
	for _, p := range append([]token.Pos{e.Position()}, e.InputPositions()...) {
		if !p.IsValid() || p.Filename() != x.judge.text.File {
			continue
		}
		r := diag.Related{Position: x.judge.text.position(p), Message: "the rule is here"}
		if !slices.Contains(list, r) {
			list = append(list, r)
		}
		break
	}
	return list
}

// ruleText gives the expression of the schema that an error names. CUE's own words are not used: they quote values.
func (x *explainer) ruleText(e errors.Error) string {
	rule := x.rule(e)
	if rule == nil {
		return "another rule of the schema"
	}
	text := x.judge.builder().source(rule)
	if len(text) > maxRuleText {
		return "another rule of the schema"
	}
	return text
}

// rule gives the widest expression that begins where an error points to.
func (x *explainer) rule(e errors.Error) (rule ast.Expr) {
	for _, r := range x.related(e) {
		ast.Walk(x.judge.text.file, func(n ast.Node) bool {
			expr, ok := n.(ast.Expr)
			if ok && rule == nil && x.judge.text.position(n.Pos()) == r.Position {
				rule = expr
			}
			return rule == nil
		}, nil)
	}
	return rule
}

// schemaMessage gives what the schema itself says with error("…"), "" for other errors. A message into which the schema
// puts values is shown as the schema writes it where there are secrets.
func (x *explainer) schemaMessage(e errors.Error) string {
	call, ok := x.rule(e).(*ast.CallExpr)
	if !ok || len(call.Args) != 1 {
		return ""
	}
	if id, ok := call.Fun.(*ast.Ident); !ok || id.Name != "error" {
		return ""
	}
	format, args := e.Msg()
	if message := fmt.Sprintf(format, args...); x.mayShow(message) {
		return message
	}
	return strings.Trim(x.judge.builder().source(call.Args[0]), `"`)
}

// say reports the schema's own message, at the nearest value where the field that has it is not in the configuration:
// if a > b {_check: error("…")}.
func (x *explainer) say(p tree.Path, e errors.Error, message string) {
	x.said[p.String()] = true
	near := p
	for len(near) > 0 && x.root.Get(near) == nil {
		near = near[:len(near)-1]
	}
	at := x.place(near)
	if len(near) > 0 {
		message = at.name() + ": " + message
	}
	x.walker.report(at, x.root.Get(near), diag.Finding{Code: CodeConstraint, Message: message, Related: x.related(e)})
	if len(near) < len(p) {
		delete(x.walker.repaired, near.String()) // the value itself is not at fault
	}
}

// maxRuleText bounds what of a schema stands in a message.
const maxRuleText = 120

// secrets gives the values of all secrets that lie open.
func (x *explainer) secrets() []string {
	var list []string
	x.root.Walk(func(p tree.Path, n *tree.Node) bool {
		if n.Kind.IsScalar() && !n.Sealed && n.Reveal() != "" && (n.Secret || x.place(p.Clone()).secret) {
			list = append(list, n.Reveal())
		}
		return true
	})
	return list
}

// mayShow reports whether a message that the schema made holds nothing that it took from a secret: it stands in the
// schema as it is, or there are no secrets.
func (x *explainer) mayShow(message string) bool {
	return strings.Contains(string(x.judge.text.Data), message) || len(x.secrets()) == 0
}

// mentions reports whether what CUE computed from a configuration has any of the values in it.
func (s *shape) mentions(secrets []string) bool {
	has := func(text string) bool {
		return slices.ContainsFunc(secrets, func(secret string) bool { return strings.Contains(text, secret) })
	}
	return slices.ContainsFunc(s.enum, func(n *tree.Node) bool { return has(n.Reveal()) }) ||
		slices.ContainsFunc(s.rules, func(r rule) bool { return has(r.text) }) ||
		slices.ContainsFunc(s.alts, func(a *shape) bool { return a.mentions(secrets) })
}

func cuePath(p tree.Path) cue.Path {
	var sel []cue.Selector
	for _, s := range p {
		if i, ok := s.AsIndex(); ok {
			sel = append(sel, cue.Index(i))
		} else if k, ok := s.AsKey(); ok {
			sel = append(sel, cue.Str(k))
		}
	}
	return cue.MakePath(sel...)
}

// shapeOf describes what CUE has computed, nil if that is not simple.
func (j *cueJudge) shapeOf(v cue.Value) *shape {
	e, ok := v.Eval().Syntax().(ast.Expr)
	if !ok {
		return nil
	}
	b := j.builder()
	b.computed = true
	c := b.conj(token.NoPos)
	b.flatten(c, e, "")
	return b.shape(c)
}

// builder gives a builder for expressions that are not declarations of the schema.
func (j *cueJudge) builder() *builder {
	b := newBuilder(j.text, &ast.File{})
	b.imports = j.imports
	return b
}
