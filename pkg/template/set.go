package template

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/pin"
	"github.com/llm-devops/lcm/pkg/tree"
)

// Set is all templates that there are. A file is parsed when it is first asked for; a set is safe for concurrent use.
type Set struct {
	names    []string
	files    map[string][]*file
	pins     map[string]pin.Pin
	findings diag.List // of the files' names
}

// file is one template file, parsed at most once.
type file struct {
	Source
	name, version string
	parse         func() (*Template, error)
	link          sync.Mutex
	linked        *linked
}

// NewSet makes a set of template files. Where the repository has a template of a name, a built-in one of that name does not
// exist for it. Pins say by reference, as [Ref.String] writes it, to which version of a built-in template it is held.
func NewSet(sources []Source, pins map[string]pin.Pin) *Set {
	s := &Set{files: map[string][]*file{}, pins: pins}
	own := map[string]bool{}
	for _, src := range sources {
		base, ok := strings.CutSuffix(path.Base(src.File), ext)
		if !ok {
			continue
		}
		f := &file{Source: src}
		f.name, f.version, _ = strings.Cut(base, "@")
		if err := CheckName(f.name); err != nil {
			s.findings = append(s.findings, finding("template-name", diag.Position{File: src.File}, "", err.Error(), "rename the file: NAME.yaml or NAME@VERSION.yaml"))
			continue
		}
		if src.Builtin {
			f.File = builtinPrefix + base // with the version of one that is not the newest any more
		}
		f.parse = sync.OnceValues(func() (*Template, error) {
			t, err := Parse(f.File, f.name, f.version, f.Data)
			if t != nil {
				t.Builtin = f.Builtin
			}
			return t, err
		})
		switch {
		case src.Builtin && own[f.name]:
			continue
		case !src.Builtin && !own[f.name]:
			own[f.name] = true
			s.files[f.name] = nil
		}
		s.files[f.name] = append(s.files[f.name], f)
	}
	for name := range s.files {
		s.names = append(s.names, name)
	}
	slices.Sort(s.names)
	return s
}

// Names gives the names of all templates, sorted.
func (s *Set) Names() []string { return slices.Clone(s.names) }

// Own gives the names of the templates that are the repository's own, sorted.
func (s *Set) Own() []string {
	return slices.DeleteFunc(s.Names(), func(name string) bool { return s.files[name][0].Builtin })
}

// Files gives the findings of files whose names are none of templates.
func (s *Set) Files() diag.List { return slices.Clone(s.findings) }

// UnknownError says that there is no template of a name, or none of a version.
type UnknownError struct {
	Ref      Ref
	Versions []Version // those there are; none where the name is not known
}

func (e *UnknownError) Error() string {
	if len(e.Versions) == 0 {
		return fmt.Sprintf("unknown template %q", e.Ref.Name)
	}
	return fmt.Sprintf("template %q has no version %s", e.Ref.Name, strings.TrimPrefix(e.Ref.String(), e.Ref.Name+"@"))
}

// Versions gives all versions of a template, the newest first. The error is an [UnknownError] with a hint, or a [diag.List]
// where a file of that name is broken; the templates are then those that are not.
func (s *Set) Versions(name string) ([]*Template, error) {
	files := s.files[name]
	if len(files) == 0 {
		return nil, diag.WithHint(&UnknownError{Ref: Ref{Name: name}}, "%s", diag.DidYouMean(name, s.names, "lcm template list shows what there is, and lcm template new "+name+" writes a new one"))
	}
	var out []*Template
	var broken diag.List
	for _, f := range files {
		t, err := f.parse()
		if list, ok := errors.AsType[diag.List](err); ok {
			broken = append(broken, list...)
			continue
		}
		if err != nil {
			return nil, err
		}
		if i := slices.IndexFunc(out, func(o *Template) bool { return o.Version == t.Version }); i >= 0 {
			broken = append(broken, diag.Finding{
				Code: "template-version", Severity: diag.Error, Position: diag.Position{File: t.File}, Message: fmt.Sprintf("%s says that it is %s, too", out[i].File, t.ID()),
				Hint: "give one of them another version, or remove it",
			})
			continue
		}
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b *Template) int { return b.Version.Compare(a.Version) })
	if len(broken) > 0 {
		return out, broken.Sorted()
	}
	return out, nil
}

// Find gives the template that a reference means: the version that it is held to, else the highest that matches; without a
// version the newest release, or the newest pre-release where there is no release. The error is as of [Set.Versions], or a
// [diag.List] where the program does not have what the reference is held to.
func (s *Set) Find(r Ref) (*Template, error) {
	if held, ok := s.pins[r.String()]; ok && s.isBuiltin(r.Name) {
		return s.pinned(r, held)
	}
	all, err := s.Versions(r.Name)
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(all, func(t *Template) bool { return r.matches(t.Version) }); i >= 0 {
		return all[i], nil
	}
	if r.numbers == 0 {
		return all[0], nil
	}
	e := &UnknownError{Ref: r}
	var texts []string
	for _, t := range all {
		e.Versions = append(e.Versions, t.Version)
		texts = append(texts, t.Version.String())
	}
	return nil, diag.WithHint(e, "there is %s", strings.Join(texts, ", "))
}

// linked is a template with those that it extends.
type linked struct {
	t        *Template
	parents  []*linked
	vars     []Variable // what can be set from outside: its own, and those of its parents that it does not fix
	findings diag.List  // errors and warnings of it and its parents
}

func (l *linked) variable(name string) *Variable {
	i := slices.IndexFunc(l.vars, func(v Variable) bool { return v.Name == name })
	if i < 0 {
		return nil
	}
	return &l.vars[i]
}

// chain gives the templates that make one up, lowest first, each once.
func (l *linked) chain() []*Template {
	var out []*Template
	for _, p := range l.parents {
		for _, t := range p.chain() {
			if !slices.Contains(out, t) {
				out = append(out, t)
			}
		}
	}
	return append(out, l.t)
}

// link looks up what a template extends, and checks that all of it fits together.
func (s *Set) link(t *Template, trail []*Template) *linked {
	var f *file
	for _, candidate := range s.files[t.Name] {
		if candidate.File == t.File {
			f = candidate
		}
	}
	if len(trail) == 0 && f != nil { // what is found on the way depends on where it was come from, if there is a cycle
		f.link.Lock()
		defer f.link.Unlock()
		if f.linked != nil {
			return f.linked
		}
	}
	l := &linked{t: t}
	trail = append(slices.Clip(trail), t)
	for _, e := range t.Extends {
		parent, err := s.Find(e.Ref)
		if err != nil {
			l.findings = append(l.findings, unresolved(err, e)...)
			continue
		}
		if i := slices.Index(trail, parent); i >= 0 {
			names := make([]string, 0, len(trail)+1)
			for _, on := range append(trail[i:], parent) {
				names = append(names, on.ID())
			}
			l.findings = append(l.findings, finding("template-cycle", e.Pos, ExtendsKey, "templates extend each other in a circle: "+strings.Join(names, " → "), "remove one of the extends"))
			continue
		}
		if parent.Module != "" && t.Module != "" && parent.Module != t.Module {
			l.findings = append(l.findings, finding("template-module", e.Pos, ExtendsKey,
				fmt.Sprintf("%s is for the module %s, and this template for %s", parent.ID(), parent.Module, t.Module), "extend one of the same module, or one of none"))
		}
		p := s.link(parent, trail)
		l.parents = append(l.parents, p)
		l.findings = append(l.findings, p.findings...)
	}
	l.interfaceOf()
	l.check()
	l.findings = l.findings.Sorted()
	if len(trail) == 1 && f != nil {
		f.linked = l
	}
	return l
}

// unresolved makes findings of a reference that leads nowhere.
func unresolved(err error, e Extend) diag.List {
	if list, ok := errors.AsType[diag.List](err); ok {
		return list
	}
	return diag.List{finding("unknown-template", e.Pos, ExtendsKey, err.Error(), diag.HintOf(err))}
}

// interfaceOf works out which variables can be set from outside.
func (l *linked) interfaceOf() {
	own := map[string]bool{}
	for _, v := range l.t.Variables {
		own[v.Name] = true
	}
	for _, p := range l.parents {
		for _, v := range p.vars {
			if !own[v.Name] && l.t.Values.Field(v.Name) == nil {
				own[v.Name] = true
				l.vars = append(l.vars, v)
			}
		}
	}
	l.vars = append(l.vars, l.t.Variables...)
}

// check finds placeholders without a declaration, declarations without a placeholder, and what cannot be done to a value.
func (l *linked) check() {
	t := l.t
	if len(l.parents) < len(t.Extends) {
		return // what a missing parent declares is not known
	}
	used := map[string]bool{}
	for e, n := range t.placeholders() {
		used[e.variable()] = true
		v := l.variable(e.variable())
		if v == nil {
			l.findings = append(l.findings, finding("undeclared-variable", e.pos, "", fmt.Sprintf("variable %s is not declared", e.variable()),
				diag.DidYouMean(e.variable(), l.names(), "declare it in the header: variables: {"+e.variable()+": {type: string}}; braces that mean nothing here are written \\{{")))
			continue
		}
		gives, err := e.check(withDefault(kinds(v.Type), v.Default))
		if err != nil {
			l.findings = append(l.findings, finding("template-filter", e.pos, "", err.Error(), "the value's type is that of the declaration"))
			continue
		}
		if len(t.scalars[n]) == 1 {
			continue
		}
		if gives != nil && !slices.ContainsFunc(gives, inText) {
			l.findings = append(l.findings, finding("template-filter", e.pos, "", fmt.Sprintf("%s inside of a text cannot be %s", e.variable(), kindList(gives)),
				`give it a text, with join: ", " or json, or let the placeholder be the whole value`))
		}
		if v.Default == nil && !v.Required && !e.hasDefault() {
			l.findings = append(l.findings, finding("template-optional", e.pos, "", fmt.Sprintf("%s need not be set, and this text has no words for that", e.variable()),
				`write {{`+e.variable()+` | default: "…"}}, or require the variable`))
		}
	}
	for _, v := range t.Variables {
		if !used[v.Name] && !slices.ContainsFunc(l.parents, func(p *linked) bool { return p.variable(v.Name) != nil }) {
			l.findings = append(l.findings, diag.Finding{
				Code: "unused-variable", Severity: diag.Warning, Position: v.Pos, Message: fmt.Sprintf("variable %s is declared and never used", v.Name),
				Hint: "use it as {{" + v.Name + "}}, or remove it",
			})
		}
	}
	for _, f := range t.Values.Fields() {
		if !slices.ContainsFunc(l.parents, func(p *linked) bool { return p.variable(f.Key) != nil }) {
			l.findings = append(l.findings, l.unknownValue(f))
		}
	}
}

func (l *linked) unknownValue(f tree.Field) diag.Finding {
	var known []string
	for _, p := range l.parents {
		known = append(known, p.names()...)
	}
	return finding("unknown-variable", f.Pos, "", fmt.Sprintf("no template that this one extends has a variable %q", f.Key),
		diag.DidYouMean(f.Key, known, "the variables are: "+strings.Join(known, ", ")))
}

// withDefault adds the kind of a default that is of no kind the type takes: it was reported where it stands.
func withDefault(kinds []tree.Kind, def *tree.Node) []tree.Kind {
	if kinds == nil || def == nil || slices.Contains(kinds, def.Kind) {
		return kinds
	}
	return append(slices.Clone(kinds), def.Kind)
}

// inText reports whether a value of a kind can stand inside of a text.
func inText(k tree.Kind) bool { return k.IsScalar() && k != tree.Null }

func (l *linked) names() []string {
	names := make([]string, len(l.vars))
	for i, v := range l.vars {
		names[i] = v.Name
	}
	return names
}

// Check gives everything that is wrong with a template and those that it extends, warnings too.
func (s *Set) Check(t *Template) diag.List { return s.link(t, nil).findings }

// Interface gives the variables that can be set for a template: its own, and those of the templates it extends but for
// what it fixes itself.
func (s *Set) Interface(t *Template) []Variable { return slices.Clone(s.link(t, nil).vars) }

// Chain gives the templates that make one up: those that it extends, lowest first, and itself.
func (s *Set) Chain(t *Template) []*Template { return s.link(t, nil).chain() }
