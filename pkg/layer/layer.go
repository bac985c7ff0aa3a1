// Package layer merges an ordered stack of layers into one tree and keeps where every value came from.
//
// Maps merge deeply; scalars and lists replace what lies below. A field's [Rule] can say otherwise, and a directive written
// in a layer (tree.Directive) wins over the rule. Every scalar and list of the result knows the values it shadows, nearest
// first, in tree.Node.Shadowed. [Merge] is pure: it changes none of its inputs, and the same stack always gives the same
// result.
package layer

import (
	"fmt"
	"path"
	"strings"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
)

// Layer is one file's tree in a stack.
type Layer struct {
	Name   string // "acme/production", or "schema" for the defaults
	File   string
	Root   *tree.Node // a map, without reserved keys
	Strict bool       // shadowing an inherited scalar takes !override
	// Defaults marks the layer of schema defaults: shadowing it is never strict, as nobody chose its values.
	Defaults bool
	// Of is the file that brings this layer in, where it is that of a template. What one file and its templates say
	// counts as said together: shadowing within it is never strict.
	Of string
}

// together names what a layer belongs to.
func (l Layer) together() string {
	if l.Of != "" {
		return l.Of
	}
	return l.File
}

// Rule is how the schema wants a field merged.
type Rule struct {
	Strategy tree.Directive // None, Override, Append, Prepend or Merge
	Key      string         // of a list: items are objects known by this field, and merge one by one
}

// Rules gives the rule of the field at a path; the path must not be kept.
type Rules func(tree.Path) Rule

// Merge merges a stack, lowest layer first, into one map. The findings name every place that cannot be merged, and the
// result is then what could be merged: the higher layer's value stands.
func Merge(stack []Layer, rules Rules) (*tree.Node, diag.List) {
	if rules == nil {
		rules = func(tree.Path) Rule { return Rule{} }
	}
	m := merger{rules: rules}
	root := tree.NewMap()
	for _, l := range stack {
		if l.Root == nil {
			continue
		}
		if l.together() != m.layer.together() {
			m.own = nil
		}
		m.layer = l
		if merged := m.merge(root, l.Root); merged != nil {
			root = merged
		}
	}
	return root, m.findings
}

type merger struct {
	rules    Rules
	layer    Layer
	defaults map[*tree.Node]bool // nodes of the result that are schema defaults
	own      map[*tree.Node]bool // nodes of the result that are from templates of the file at hand
	path     tree.Path
	findings diag.List
}

// merge puts over on top of under and gives the result, nil for a deleted key. under may be nil.
func (m *merger) merge(under, over *tree.Node) *tree.Node {
	if over.Directive == tree.Delete {
		if under == nil {
			m.report("delete-nothing", diag.Warning, over.Pos, "nothing is inherited here that !delete could remove",
				"remove the key, or look at what is inherited with lcm explain")
		}
		return nil
	}
	if under == nil || over.Directive == tree.Override {
		return m.place(over, under)
	}
	switch {
	case over.Kind == tree.Map && under.Kind == tree.Map:
		return m.mergeMaps(under, over)
	case over.Kind == tree.List && under.Kind == tree.List:
		return m.mergeLists(under, over)
	}
	if over.Directive != tree.None && under.Kind != tree.Null {
		m.conflict(under, over, fmt.Sprintf("%s cannot join a %s with an inherited %s", over.Directive, over.Kind, under.Kind))
		return m.place(over, under)
	}
	if over.Kind != tree.Null && under.Kind != tree.Null && (over.Kind.IsScalar() != under.Kind.IsScalar() || !over.Kind.IsScalar()) {
		m.conflict(under, over, fmt.Sprintf("a %s cannot replace an inherited %s", over.Kind, under.Kind))
	}
	m.checkStrict(under, over)
	return m.place(over, under)
}

func (m *merger) mergeMaps(under, over *tree.Node) *tree.Node {
	if over.Directive == tree.Append || over.Directive == tree.Prepend {
		m.report("merge-directive", diag.Error, over.Pos, over.Directive.String()+" is for lists, and this is a map",
			"maps merge by themselves; use !override to replace the whole map")
	}
	// Asked only where it can matter: a map that the schema wants replaced as a whole.
	if over.Directive == tree.None && m.rules(m.path).Strategy == tree.Override {
		return m.place(over, under)
	}
	fields := make([]tree.Field, 0, max(under.Len(), over.Len()))
	for _, f := range under.Fields() {
		o := over.Field(f.Key)
		if o == nil {
			fields = append(fields, f)
			continue
		}
		m.path = append(m.path, tree.Key(f.Key))
		if v := m.merge(f.Value, o); v != nil {
			f.Value = v
			if o.Kind.IsScalar() {
				f.Pos = o.Pos
			}
			fields = append(fields, f)
		}
		m.path = m.path[:len(m.path)-1]
	}
	for _, f := range over.Fields() {
		if under.Field(f.Key) != nil {
			continue
		}
		m.path = append(m.path, tree.Key(f.Key))
		if v := m.merge(nil, f.Value); v != nil {
			f.Value = v
			fields = append(fields, f)
		}
		m.path = m.path[:len(m.path)-1]
	}
	out := over.WithFields(fields)
	out.Directive = tree.None
	return out
}

func (m *merger) mergeLists(under, over *tree.Node) *tree.Node {
	rule := m.rules(m.path)
	strategy := over.Directive
	if strategy == tree.None {
		strategy = rule.Strategy
		if strategy == tree.None && rule.Key != "" {
			strategy = tree.Merge
		}
	}
	placed := m.place(over, under)
	var items []*tree.Node
	switch strategy {
	case tree.Append:
		items = append(append(items, under.Items()...), placed.Items()...)
	case tree.Prepend:
		items = append(append(items, placed.Items()...), under.Items()...)
	case tree.Merge:
		if rule.Key != "" {
			items = m.mergeKeyed(under, over, rule.Key)
		} else {
			items = m.mergeByIndex(under, over)
		}
	default:
		return placed
	}
	return placed.WithItems(items)
}

func (m *merger) mergeByIndex(under, over *tree.Node) []*tree.Node {
	items := make([]*tree.Node, 0, max(under.Len(), over.Len()))
	for i := range max(under.Len(), over.Len()) {
		var u, o *tree.Node
		if i < under.Len() {
			u = under.Items()[i]
		}
		if i < over.Len() {
			o = over.Items()[i]
		}
		items = m.appendMerged(items, i, u, o)
	}
	return items
}

func (m *merger) appendMerged(items []*tree.Node, i int, under, over *tree.Node) []*tree.Node {
	if over == nil {
		return append(items, under)
	}
	m.path = append(m.path, tree.Index(i))
	if v := m.merge(under, over); v != nil {
		items = append(items, v)
	}
	m.path = m.path[:len(m.path)-1]
	return items
}

// mergeKeyed merges lists of objects known by a field: known ones in place, new ones at the end.
func (m *merger) mergeKeyed(under, over *tree.Node, key string) []*tree.Node {
	at := make(map[string]*tree.Node, over.Len())
	var fresh []*tree.Node
	for _, o := range over.Items() {
		id, ok := identity(o, key)
		if !ok {
			m.report("merge-key", diag.Error, o.Pos, fmt.Sprintf("an item of this list needs a field %q, by which it is known", key),
				"add the field, or replace the whole list with !override")
			continue
		}
		if first, twice := at[id]; twice {
			m.findings = append(m.findings, diag.Finding{
				Code: "merge-key", Severity: diag.Error, Position: o.Pos, Key: m.path.String(),
				Message: fmt.Sprintf("two items have the same %s %q", key, id),
				Related: []diag.Related{{Position: first.Pos, Message: "the first is here"}},
				Hint:    "give one of them another " + key,
			})
			continue
		}
		at[id] = o
		fresh = append(fresh, o)
	}
	items := make([]*tree.Node, 0, under.Len()+len(fresh))
	used := map[string]bool{}
	for i, u := range under.Items() {
		id, ok := identity(u, key)
		if o := at[id]; ok && o != nil && !used[id] {
			used[id] = true
			items = m.appendMerged(items, i, u, o)
			continue
		}
		items = append(items, u)
	}
	for _, o := range fresh {
		if id, _ := identity(o, key); !used[id] {
			items = m.appendMerged(items, len(items), nil, o)
		}
	}
	return items
}

func identity(n *tree.Node, key string) (string, bool) {
	f := n.Field(key)
	if f == nil || !f.Kind.IsScalar() || f.Secret {
		return "", false
	}
	return f.Text(), true
}

// place gives over as it stands in a result: no directives, no tombstones, and what it shadows remembered.
func (m *merger) place(over, under *tree.Node) *tree.Node {
	out := clean(over)
	if out == over {
		out = over.Clone()
	}
	if under != nil {
		out.Shadowed = make([]*tree.Node, 0, 1+len(under.Shadowed))
		out.Shadowed = append(append(out.Shadowed, under), under.Shadowed...)
	}
	if m.layer.Defaults {
		m.defaults = marked(m.defaults, out)
	}
	if m.layer.Of != "" {
		m.own = marked(m.own, out)
	}
	return out
}

// marked adds all nodes of a tree to a set.
func marked(set map[*tree.Node]bool, n *tree.Node) map[*tree.Node]bool {
	if set == nil {
		set = map[*tree.Node]bool{}
	}
	n.Walk(func(_ tree.Path, v *tree.Node) bool {
		set[v] = true
		return true
	})
	return set
}

// clean strips directives and tombstones below n; it copies only what changes.
func clean(n *tree.Node) *tree.Node {
	out := n
	switch n.Kind {
	case tree.Map:
		var fields []tree.Field
		for i, f := range n.Fields() {
			v := f.Value
			if v.Directive != tree.Delete {
				v = clean(v)
			}
			if fields == nil && (v != f.Value || v.Directive == tree.Delete) {
				fields = append(make([]tree.Field, 0, n.Len()), n.Fields()[:i]...)
			}
			if fields != nil && v.Directive != tree.Delete {
				f.Value = v
				fields = append(fields, f)
			}
		}
		if fields != nil {
			out = n.WithFields(fields)
		}
	case tree.List:
		var items []*tree.Node
		for i, item := range n.Items() {
			v := item
			if v.Directive != tree.Delete {
				v = clean(v)
			}
			if items == nil && (v != item || v.Directive == tree.Delete) {
				items = append(make([]*tree.Node, 0, n.Len()), n.Items()[:i]...)
			}
			if items != nil && v.Directive != tree.Delete {
				items = append(items, v)
			}
		}
		if items != nil {
			out = n.WithItems(items)
		}
	}
	if out.Directive != tree.None {
		if out == n {
			out = n.Clone()
		}
		out.Directive = tree.None
	}
	return out
}

func (m *merger) checkStrict(under, over *tree.Node) {
	if !m.layer.Strict || !over.Kind.IsScalar() || !under.Kind.IsScalar() || m.defaults[under] || m.own[under] || m.isIdentity() {
		return
	}
	f := diag.Finding{
		Code: "strict-override", Severity: diag.Error, Position: over.Pos, Key: m.path.String(),
		Message: "this shadows an inherited value without " + spelled(tree.Override, over) + ", and the environment is strict",
		Related: []diag.Related{{Position: under.Pos, Message: "the inherited value is here"}},
		Hint:    "write the value as " + spelled(tree.Override, over) + ", or remove it",
	}
	if m.layer.Of != "" {
		f.Related = append(f.Related, diag.Related{Position: diag.Position{File: m.layer.Of}, Message: "it is extended here"})
		f.Hint = "extend the template in a layer that is not strict, or write its value as !override"
	}
	m.findings = append(m.findings, f)
}

// spelled gives a directive as the language of a value's layer has it.
func spelled(d tree.Directive, n *tree.Node) string {
	if path.Ext(n.LayerFile()) == ".cue" {
		return "@" + strings.TrimPrefix(d.String(), "!") + "()"
	}
	return d.String()
}

// isIdentity reports whether the value at hand is the field by which an item of a keyed list is known: it names the item
// that is meant and shadows nothing.
func (m *merger) isIdentity() bool {
	n := len(m.path)
	if n < 2 {
		return false
	}
	key, ok := m.path[n-1].AsKey()
	if _, item := m.path[n-2].AsIndex(); !ok || !item {
		return false
	}
	return m.rules(m.path[:n-2]).Key == key
}

func (m *merger) conflict(under, over *tree.Node, message string) {
	m.findings = append(m.findings, diag.Finding{
		Code: "merge-conflict", Severity: diag.Error, Position: over.Pos, Key: m.path.String(), Message: message,
		Related: []diag.Related{{Position: under.Pos, Message: "the inherited " + under.Kind.String() + " is here"}},
		Hint:    "write the value as " + spelled(tree.Override, over) + " to replace what is inherited",
	})
}

func (m *merger) report(code string, s diag.Severity, pos diag.Position, message, hint string) {
	m.findings = append(m.findings, diag.Finding{
		Code: code, Severity: s, Position: pos, Key: m.path.String(), Message: message, Hint: hint,
	})
}
