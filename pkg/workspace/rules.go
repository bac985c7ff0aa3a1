package workspace

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/quantity"
	"github.com/llm-devops/lcm/pkg/rules"
	"github.com/llm-devops/lcm/pkg/tree"
)

// codeRule is the code of what is wrong with a rule itself.
const codeRule = "settings-rule"

func (d *decoder) rule(f tree.Field) *rules.Rule {
	r := &rules.Rule{Name: f.Key, Severity: diag.Error, Pos: f.Pos}
	if err := address.CheckName("rule", f.Key); err != nil {
		d.report("settings-name", f.Pos, err.Error(), nameHint)
	}
	checks := 0
	check := func(read func(tree.Field)) func(tree.Field) {
		return func(f tree.Field) { checks++; read(f) }
	}
	d.object(f.Value, "a rule", map[string]func(tree.Field){
		"description":  func(f tree.Field) { r.Description = d.text(f) },
		"severity":     func(f tree.Field) { r.Severity = d.severity(f) },
		"tenants":      func(f tree.Field) { r.Tenants = d.globs(f) },
		"environments": func(f tree.Field) { r.Environments = d.globs(f) },
		"namespaces":   func(f tree.Field) { r.Namespaces = d.globs(f) },
		"isolate":      check(func(f tree.Field) { r.Isolate = d.isolate(f) }),
		"references": check(func(f tree.Field) {
			d.oneOrMany(f, func(n *tree.Node) { r.References = append(r.References, d.reference(n)) })
		}),
		"acyclic": check(func(f tree.Field) {
			d.oneOrMany(f, func(n *tree.Node) { r.Acyclic = append(r.Acyclic, d.graph(n)) })
		}),
		"unique": check(func(f tree.Field) {
			d.oneOrMany(f, func(n *tree.Node) { r.Unique = append(r.Unique, d.unique(n)) })
		}),
		"require": check(func(f tree.Field) { r.Require = d.patterns(f) }),
		"forbid":  check(func(f tree.Field) { r.Forbid = d.patterns(f) }),
		"values": check(func(f tree.Field) {
			d.entries(f, func(f tree.Field) { r.Values = append(r.Values, d.bounds(f)) })
		}),
	})
	if checks == 0 && f.Value.Kind == tree.Map {
		d.report(codeRule, f.Pos, fmt.Sprintf("rule %q checks nothing", f.Key),
			"give it one of: isolate, references, acyclic, unique, require, forbid, values")
	}
	return r
}

func (d *decoder) severity(f tree.Field) diag.Severity {
	switch f.Value.Text() {
	case "error":
	case "warning":
		return diag.Warning
	default:
		d.report(codeRule, f.Value.Pos, fmt.Sprintf("unknown severity %s", f.Value), diag.DidYouMean(f.Value.Text(), []string{"error", "warning"}, "write error or warning"))
	}
	return diag.Error
}

func (d *decoder) isolate(f tree.Field) *rules.Isolate {
	i := &rules.Isolate{}
	d.object(f.Value, "isolate", map[string]func(tree.Field){
		"from":   func(f tree.Field) { i.From = d.globs(f) },
		"allow":  func(f tree.Field) { i.Allow = d.texts(f) },
		"strict": func(f tree.Field) { i.Strict = d.boolean(f) },
	})
	for _, host := range i.Allow {
		if rest := strings.TrimPrefix(host, "*."); rest == "" || strings.ContainsAny(rest, "*/:@ ") {
			d.report(codeRule, f.Pos, fmt.Sprintf("allow: %q is no host", host), "write a host as api.example.com, without scheme and port, or *.example.com for all below one")
		}
	}
	if len(i.From) == 0 && f.Value.Kind == tree.Map {
		d.report(codeRule, f.Pos, "isolate needs from", "name the environments whose hosts are out of reach, for example from: production")
	}
	return i
}

func (d *decoder) reference(n *tree.Node) rules.Reference {
	var ref rules.Reference
	d.object(n, "references", map[string]func(tree.Field){
		"keys":      func(f tree.Field) { ref.Keys = d.patterns(f) },
		"namespace": func(f tree.Field) { ref.Namespace = d.text(f) },
		"names":     func(f tree.Field) { ref.Names = d.patterns(f) },
	})
	d.needs(n, "references", "keys", len(ref.Keys), "the keys whose values refer to something, for example keys: \"routes[*].model\"")
	d.needs(n, "references", "names", len(ref.Names), "the keys that hold what can be referred to, for example names: models")
	return ref
}

func (d *decoder) graph(n *tree.Node) rules.Graph {
	g := rules.Graph{Name: "name"}
	nodes := 0
	d.object(n, "acyclic", map[string]func(tree.Field){
		"nodes": func(f tree.Field) { g.Nodes, nodes = d.pattern(f.Value), 1 },
		"name":  func(f tree.Field) { g.Name = d.text(f) },
		"edges": func(f tree.Field) { g.Edges = d.patterns(f) },
	})
	d.needs(n, "acyclic", "nodes", nodes, "the map or list that holds the nodes, for example nodes: routes")
	d.needs(n, "acyclic", "edges", len(g.Edges), "the keys inside a node that name others, for example edges: fallbacks")
	return g
}

func (d *decoder) unique(n *tree.Node) rules.Unique {
	if n.Kind == tree.String { // a key is enough
		return rules.Unique{Keys: []tree.Pattern{d.pattern(n)}}
	}
	var u rules.Unique
	d.object(n, "unique", map[string]func(tree.Field){
		"keys": func(f tree.Field) { u.Keys = d.patterns(f) },
		"across": func(f tree.Field) {
			if u.Across = d.text(f) == "namespaces"; !u.Across && f.Value.Kind == tree.String {
				d.report(codeRule, f.Value.Pos, fmt.Sprintf("values cannot be unique across %q", f.Value.Text()), "write across: namespaces, or leave it out")
			}
		},
	})
	d.needs(n, "unique", "keys", len(u.Keys), "the keys whose values differ, for example keys: \"routes[*].name\"")
	return u
}

func (d *decoder) needs(n *tree.Node, what, field string, have int, hint string) {
	if have == 0 && n.Kind == tree.Map && n.Field(field) == nil {
		d.report(codeRule, n.Pos, what+" needs "+field, hint)
	}
}

func (d *decoder) bounds(f tree.Field) rules.Value {
	key := tree.NewString(f.Key)
	key.Pos = f.Pos
	v := rules.Value{Key: d.pattern(key)}
	scalars := func(f tree.Field) []*tree.Node {
		var out []*tree.Node
		d.oneOrMany(f, func(n *tree.Node) {
			if !n.Kind.IsScalar() {
				d.report("settings-type", n.Pos, fmt.Sprintf("%s takes single values, and this is %s", f.Key, kindOf(n)), "")
				return
			}
			out = append(out, n)
		})
		return out
	}
	bound := func(f tree.Field) quantity.Quantity {
		q, ok := quantity.Parse(f.Value.Text())
		if !ok || !f.Value.Kind.IsScalar() {
			d.report(codeRule, f.Value.Pos, fmt.Sprintf("%s is nothing to compare with", f.Value), "write a number, a duration such as 30d, or a size such as 10GB")
		}
		return q
	}
	d.object(f.Value, "values of "+f.Key, map[string]func(tree.Field){
		"one_of":  func(f tree.Field) { v.OneOf = scalars(f) },
		"none_of": func(f tree.Field) { v.NoneOf = scalars(f) },
		"min":     func(f tree.Field) { v.Min = bound(f) },
		"max":     func(f tree.Field) { v.Max = bound(f) },
		"pattern": func(f tree.Field) {
			var err error
			if v.Pattern, err = regexp.Compile(d.text(f)); err != nil {
				d.report(codeRule, f.Value.Pos, err.Error(), "the syntax is that of RE2: https://github.com/google/re2/wiki/Syntax")
			}
		},
	})
	if f.Value.Len() == 0 && f.Value.Kind == tree.Map {
		d.report(codeRule, f.Pos, "no bounds for "+f.Key, "give it one of: one_of, none_of, min, max, pattern")
	}
	if order, ok := quantity.Compare(v.Min, v.Max); v.Min.Kind != 0 && v.Max.Kind != 0 && (!ok || order > 0) {
		d.report(codeRule, f.Pos, fmt.Sprintf("nothing is at least %s and at most %s", v.Min, v.Max), "")
	}
	return v
}

// oneOrMany reads a list, or a single value as a list of one.
func (d *decoder) oneOrMany(f tree.Field, each func(*tree.Node)) {
	if f.Value.Kind == tree.List {
		d.list(f, each)
		return
	}
	each(f.Value)
}

func (d *decoder) texts(f tree.Field) []string {
	var out []string
	d.oneOrMany(f, func(n *tree.Node) { out = append(out, d.text(tree.Field{Key: f.Key, Value: n})) })
	return out
}

func (d *decoder) globs(f tree.Field) []string {
	out := d.texts(f)
	for _, glob := range out {
		if strings.Trim(glob, "abcdefghijklmnopqrstuvwxyz0123456789-*?") != "" || glob == "" {
			d.report(codeRule, f.Value.Pos, fmt.Sprintf("%s: %q may hold only a-z, 0-9, -, * and ?", f.Key, glob), "")
		}
	}
	if len(out) == 0 {
		d.report(codeRule, f.Pos, f.Key+" selects nothing", "leave it out to select all")
	}
	return out
}

func (d *decoder) patterns(f tree.Field) []tree.Pattern {
	var out []tree.Pattern
	d.oneOrMany(f, func(n *tree.Node) { out = append(out, d.pattern(n)) })
	return out
}

func (d *decoder) pattern(n *tree.Node) tree.Pattern {
	if n.Kind != tree.String {
		d.report("settings-type", n.Pos, "a key must be a string, and this is "+kindOf(n), "")
		return tree.Pattern{}
	}
	p, err := tree.ParsePattern(n.Text())
	if err != nil {
		d.report(codeRule, n.Pos, err.Error(), "for example tls.min_version, models.*.provider or \"chains[*].models[*]\"")
	}
	return p
}

// checkRules looks for names in rules that the settings do not declare: a rule that selects nothing by mistake is no guard.
func (d *decoder) checkRules(s *Settings) {
	for _, r := range s.Rules {
		named := func(kind string, names, known []string) {
			for _, name := range names {
				if !slices.ContainsFunc(known, func(k string) bool { ok, err := path.Match(name, k); return ok && err == nil }) {
					d.report(codeRule, r.Pos, fmt.Sprintf("rule %q names the %s %q, which is not declared", r.Name, kind, name),
						diag.DidYouMean(name, known, fmt.Sprintf("there are: %s", strings.Join(known, ", "))))
				}
			}
		}
		named("environment", r.Environments, s.EnvironmentNames())
		named("namespace", r.Namespaces, s.NamespaceNames())
		if r.Isolate != nil {
			named("environment", r.Isolate.From, s.EnvironmentNames())
		}
		for _, ref := range r.References {
			if ref.Namespace != "" {
				named("namespace", []string{ref.Namespace}, s.NamespaceNames())
			}
		}
	}
}
