package template

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
)

// Layer is what one template makes.
type Layer struct {
	Template *Template
	Root     *tree.Node // every scalar has its place in the template's file
}

// Feed is a value that went into a scalar.
type Feed struct {
	Variable string        `json:"variable"`
	Pos      diag.Position `json:"position"` // where it was set: in the layer file, or as a default or a fixed value in a template
}

// Result is what a layer file gets from the templates that it extends.
type Result struct {
	Layers []Layer // lowest first
	// Fed tells, by their place in a template, which values went into scalars with placeholders.
	Fed map[diag.Position][]Feed
}

// value is the value of a variable and where it comes from.
type value struct {
	node *tree.Node
	from []Feed
}

// Apply makes what a layer file gets. owner is the tenant whose file it is, "" for none that has to be asked about; module
// is the one that the file is of, "" for none. The findings are errors, at the places in the layer file that set what is
// wrong or in a broken template; with any of them there is no result.
func (s *Set) Apply(u Use, owner, module string) (*Result, diag.List) {
	a := &applier{result: &Result{Fed: map[diag.Position][]Feed{}}, done: map[*Template][]map[string]value{}}
	var used []*linked
	for _, e := range u.Extends {
		t, err := s.Find(e.Ref)
		if err != nil {
			a.findings = append(a.findings, unresolved(err, e)...)
			continue
		}
		l := s.link(t, nil)
		if l.findings.Count(diag.Error) > 0 {
			a.findings = append(a.findings, slices.DeleteFunc(slices.Clone(l.findings), func(f diag.Finding) bool { return f.Severity != diag.Error })...)
			continue
		}
		a.mayExtend(l, e, owner, module)
		used = append(used, l)
	}
	a.variables(u, used)
	if len(used) == len(u.Extends) {
		for i, l := range used {
			values := a.valuesFor(u, l, u.Extends[i])
			if len(a.findings) == 0 {
				a.render(l, values)
			}
		}
	}
	if len(a.findings) > 0 {
		return nil, a.findings.Sorted()
	}
	return a.result, nil
}

type applier struct {
	result   *Result
	done     map[*Template][]map[string]value
	findings diag.List
}

func (a *applier) report(code string, pos diag.Position, key, message, hint string) {
	a.findings = append(a.findings, finding(code, pos, key, message, hint))
}

// mayExtend checks that a template, and what it extends, is shared with a tenant and for its module.
func (a *applier) mayExtend(l *linked, e Extend, owner, module string) {
	for _, t := range l.chain() {
		name := t.ID()
		if t != l.t {
			name += ", which " + l.t.ID() + " extends,"
		}
		if owner != "" && t.Tenants != nil && !slices.Contains(t.Tenants, owner) {
			a.report("template-private", e.Pos, ExtendsKey, fmt.Sprintf("%s is not shared with %s", name, owner),
				fmt.Sprintf("whoever owns it can add %s to tenants: in %s", owner, t.File))
		}
		if t.Module != "" && module != t.Module {
			what := "this file is of " + module
			if module == "" {
				what = "this file is of none"
			}
			a.report("template-module", e.Pos, ExtendsKey, fmt.Sprintf("%s is for the module %s, and %s", name, t.Module, what), "lcm template list shows for which module each template is")
		}
	}
}

// variables checks the entries of a file's variables, each for itself.
func (a *applier) variables(u Use, used []*linked) {
	var known []string
	for _, l := range used {
		known = append(known, l.names()...)
	}
	for _, f := range u.Variables.Fields() {
		key := VariablesKey + "." + f.Key
		secret := false
		f.Value.Walk(func(_ tree.Path, n *tree.Node) bool {
			secret = secret || n.Secret
			if n.Directive != tree.None {
				a.report("template-variables", n.Pos, key, fmt.Sprintf("%s means nothing on a variable", n.Directive), "write it in the template, or on the key that the file sets itself")
			}
			return true
		})
		if secret {
			a.report("template-secret", f.Pos, key, "a variable cannot be secret: what a template makes of it lies in plain text", "set the secret field itself: lcm set ADDR --secret KEY")
		}
		if len(used) == len(u.Extends) && !slices.Contains(known, f.Key) {
			a.report("unknown-variable", f.Pos, key, fmt.Sprintf("no template that this file extends has a variable %q", f.Key),
				diag.DidYouMean(f.Key, known, "the variables are: "+strings.Join(known, ", ")))
		}
	}
}

// valuesFor gives the values of a template's variables as a file sets them, or by default.
func (a *applier) valuesFor(u Use, l *linked, e Extend) map[string]value {
	values := map[string]value{}
	for _, v := range l.vars {
		set := u.Variables.Field(v.Name)
		switch {
		case set != nil:
			values[v.Name] = value{set, []Feed{{v.Name, set.Pos}}}
			a.fits(v, set, VariablesKey+"."+v.Name)
		case v.Default != nil:
			values[v.Name] = value{v.Default, []Feed{{v.Name, v.Default.Pos}}}
		case v.Required:
			what := article(v.Type)
			if v.Description != "" {
				what += ": " + v.Description
			}
			a.report("missing-variable", e.Pos, VariablesKey+"."+v.Name, fmt.Sprintf("%s needs the variable %s", l.t.ID(), v.Name),
				fmt.Sprintf("set it below %s: (%s)", VariablesKey, what))
		}
	}
	return values
}

func (a *applier) fits(v Variable, n *tree.Node, key string) {
	if code, message, hint := v.check(n); code != "" {
		a.report(code, n.Pos, key, message, hint)
	}
}

// render makes the layers of a template with its variables' values: those of its parents, then its own.
func (a *applier) render(l *linked, values map[string]value) {
	if slices.ContainsFunc(a.done[l.t], func(v map[string]value) bool { return sameValues(v, values) }) {
		return // several templates extend it, and it is the same for all of them
	}
	a.done[l.t] = append(a.done[l.t], values)
	fixed := map[string]value{}
	for _, f := range l.t.Values.Fields() {
		n, from := a.node(l.t, f.Value, values)
		if n != nil {
			fixed[f.Key] = value{n, append([]Feed{{f.Key, f.Value.Pos}}, from...)}
		}
	}
	for _, p := range l.parents {
		given := map[string]value{}
		for _, v := range p.vars {
			if x, ok := fixed[v.Name]; ok {
				given[v.Name] = x
			} else if x, ok := values[v.Name]; ok {
				given[v.Name] = x
			} else if v.Default != nil {
				given[v.Name] = value{v.Default, []Feed{{v.Name, v.Default.Pos}}}
			}
			if x, ok := given[v.Name]; ok {
				a.fits(v, x.node, "")
			} else if v.Required {
				a.report("missing-variable", l.t.extendsPos(), "", fmt.Sprintf("%s needs the variable %s, and %s gives it none", p.t.ID(), v.Name, l.t.ID()), "give it a value below values:, or require it")
			}
		}
		a.render(p, given)
	}
	root, _ := a.node(l.t, l.t.body, values)
	a.result.Layers = append(a.result.Layers, Layer{l.t, root})
}

func (t *Template) extendsPos() diag.Position {
	if len(t.Extends) == 0 {
		return diag.Position{File: t.File}
	}
	return t.Extends[0].Pos
}

func sameValues(a, b map[string]value) bool {
	if len(a) != len(b) {
		return false
	}
	for name, v := range a {
		if w, ok := b[name]; !ok || !tree.Equal(v.node, w.node) {
			return false
		}
	}
	return true
}

// node gives a node with its placeholders filled, nil where it is one whose variable has no value, and what went into it.
func (a *applier) node(t *Template, n *tree.Node, values map[string]value) (*tree.Node, []Feed) {
	var from []Feed
	switch n.Kind {
	case tree.Map:
		fields := make([]tree.Field, 0, n.Len())
		for _, f := range n.Fields() {
			v, more := a.node(t, f.Value, values)
			from = append(from, more...)
			if v != nil {
				f.Value = v
				fields = append(fields, f)
			}
		}
		return n.WithFields(fields), from
	case tree.List:
		items := make([]*tree.Node, 0, n.Len())
		for _, item := range n.Items() {
			v, more := a.node(t, item, values)
			from = append(from, more...)
			if v != nil {
				items = append(items, v)
			}
		}
		return n.WithItems(items), from
	}
	parts := t.scalars[n]
	if parts == nil {
		return n, nil
	}
	out, from := a.scalar(n, parts, values)
	if len(from) > 0 {
		known := a.result.Fed[n.Pos]
		for _, f := range from {
			if !slices.Contains(known, f) {
				known = append(known, f)
			}
		}
		a.result.Fed[n.Pos] = known
	}
	return out, from
}

// scalar fills the placeholders of one scalar. A placeholder that is the whole of it keeps its value's type.
func (a *applier) scalar(n *tree.Node, parts []part, values map[string]value) (*tree.Node, []Feed) {
	var text strings.Builder
	var from []Feed
	for _, p := range parts {
		if p.expr == nil {
			text.WriteString(p.text)
			continue
		}
		v := values[p.expr.variable()]
		from = append(from, v.from...)
		got, err := p.expr.evaluate(v.node)
		switch {
		case err != nil:
			a.cannot(p.expr, v, err.Error())
		case len(parts) == 1 && got == nil:
			return nil, from
		case len(parts) == 1:
			out := moved(got, n.Pos)
			out.Directive = n.Directive
			return out, from
		case got == nil || !inText(got.Kind):
			a.cannot(p.expr, v, fmt.Sprintf("%s inside of a text has to be a text, a number, true or false", strings.Join(p.expr.path, ".")))
		default:
			text.WriteString(got.Text())
		}
	}
	return n.WithText(tree.String, text.String()), from
}

// cannot reports a value of which a placeholder can make nothing, at the place that sets it.
func (a *applier) cannot(e *expression, v value, message string) {
	pos, key := e.pos, ""
	if len(v.from) > 0 {
		last := v.from[len(v.from)-1]
		pos, key = last.Pos, VariablesKey+"."+last.Variable
	}
	f := finding("variable-value", pos, key, message, "see how the template uses it: lcm template show NAME")
	if pos != e.pos {
		f.Related = []diag.Related{{Position: e.pos, Message: "it is used here"}}
	}
	a.findings = append(a.findings, f)
}

// moved gives a copy of a value with all of it at one place.
func moved(n *tree.Node, to diag.Position) *tree.Node {
	var out *tree.Node
	switch n.Kind {
	case tree.Map:
		fields := make([]tree.Field, n.Len())
		for i, f := range n.Fields() {
			fields[i] = tree.Field{Key: f.Key, Pos: to, Value: moved(f.Value, to)}
		}
		out = tree.NewMap(fields...)
	case tree.List:
		items := make([]*tree.Node, n.Len())
		for i, item := range n.Items() {
			items[i] = moved(item, to)
		}
		out = tree.NewList(items...)
	default:
		out = tree.Scalar(n.Kind, n.Reveal())
	}
	out.Pos = to
	return out
}

// Sample gives what a template makes of its variables' examples and defaults. Where there is neither, the finding says which
// declaration should have an example.
func (s *Set) Sample(t *Template) (*Result, diag.List) {
	l := s.link(t, nil)
	a := &applier{result: &Result{Fed: map[diag.Position][]Feed{}}, done: map[*Template][]map[string]value{}}
	values := map[string]value{}
	for _, v := range l.vars {
		n := v.Example
		if n == nil {
			n = v.Default
		}
		if n != nil {
			values[v.Name] = value{n, []Feed{{v.Name, n.Pos}}}
		} else if v.Required {
			a.findings = append(a.findings, diag.Finding{
				Code: "template-example", Severity: diag.Warning, Position: v.Pos,
				Message: fmt.Sprintf("variable %s has neither default nor example, so what the template makes cannot be checked", v.Name), Hint: "add an example: to its declaration",
			})
		}
	}
	if len(a.findings) == 0 {
		a.render(l, values)
	}
	if len(a.findings) > 0 {
		return nil, a.findings.Sorted()
	}
	return a.result, nil
}

// Render gives what a template makes of some values, as for a layer file that sets them. The findings are as of [Set.Apply].
func (s *Set) Render(t *Template, variables *tree.Node) (*Result, diag.List) {
	at := diag.Position{File: t.File}
	ref := Ref{Name: t.Name, version: t.Version, numbers: len(t.Version.numbers)}
	module := ""
	for _, in := range s.Chain(t) {
		module = cmp.Or(module, in.Module)
	}
	return s.Apply(Use{Extends: []Extend{{ref, at}}, Variables: variables, pos: at}, "", module)
}
