package merge

import (
	"slices"
	"strings"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// sopsMerge merges the rules that lcm generates in .sops.yaml. They say again what the tenants' files say, which are merged by
// themselves: a key list is a set in which nobody collides with anybody, in whatever order it is written.
type sopsMerge struct{ *treeMerge }

// sopsRules is where the rules stand, and rulePath what names one.
var sopsRules = tree.Keys("creation_rules")

const rulePath = "path_regex"

// fields merges the file: its generated rules by tenant, the others, which may have no name, as any list.
func (m sopsMerge) fields(base, ours, theirs *tree.Node) *tree.Node {
	const key = "creation_rules"
	b, o, t := base.Field(key), ours.Field(key), theirs.Field(key)
	rest := func(n *tree.Node) *tree.Node { return n.Without(key) }
	if o == nil || t == nil || o.Kind != tree.List || t.Kind != tree.List {
		return m.treeMerge.fields(nil, base, ours, theirs)
	}
	rules := m.rules(b, o, t)
	if rules == nil {
		rules = m.node(sopsRules, b, o, t)
	}
	out := []tree.Field{{Key: key, Value: rules}}
	return ours.WithFields(append(out, m.treeMerge.fields(nil, rest(base), rest(ours), rest(theirs)).Fields()...))
}

// rules merges the lists of rules; nil is a conflict of the whole list.
func (m sopsMerge) rules(base, ours, theirs *tree.Node) *tree.Node {
	if base == nil || base.Kind != tree.List {
		base = tree.NewList()
	}
	part := func(list *tree.Node, own bool) *tree.Node {
		return list.WithItems(slices.DeleteFunc(slices.Clone(list.Items()), func(r *tree.Node) bool { return workspace.IsOwnSopsRule(r) != own }))
	}
	before := len(m.conflicts)
	others := m.list(sopsRules, part(base, false), part(ours, false), part(theirs, false))
	b, o, t := part(base, true), part(ours, true), part(theirs, true)
	if others == nil || slices.ContainsFunc([]*tree.Node{b, o, t}, func(l *tree.Node) bool { return keysOf(l, rulePath) == nil }) {
		m.conflicts = m.conflicts[:before]
		return nil
	}
	own := m.own(b, o, t)
	if own == nil {
		m.conflicts = m.conflicts[:before]
		return nil
	}
	return ours.WithItems(slices.Concat(own, others.Items()))
}

// own merges the generated rules, which come in the order of the tenants; nil is a conflict.
func (m sopsMerge) own(base, ours, theirs *tree.Node) []*tree.Node {
	names := slices.Concat(keysOf(base, rulePath), keysOf(ours, rulePath), keysOf(theirs, rulePath))
	slices.SortFunc(names, compareRules)
	base, ours, theirs = mergeRegex(base, ours, theirs)
	out := []*tree.Node{}
	for _, name := range slices.Compact(names) {
		step := tree.Match(rulePath, name)
		rule := func(list *tree.Node) *tree.Node { return list.Get(tree.Path{step}) }
		b, o, t := rule(base), rule(ours), rule(theirs)
		switch {
		case o != nil && t != nil:
			out = append(out, m.rule(append(sopsRules.Clone(), step), b, o, t))
		case b == nil && o != nil:
			out = append(out, o)
		case b == nil:
			out = append(out, t)
		case o != nil && !alike(b, o), t != nil && !alike(b, t):
			return nil // gone on one side, and changed on the other
		}
	}
	return out
}

// compareRules orders the generated rules by their tenants, the platform's own first.
func compareRules(a, b string) int {
	tenant := func(rule string) string {
		name, _, _ := strings.Cut(strings.TrimPrefix(rule, "^"+address.Root+"/"), "/")
		if name == address.Global {
			return ""
		}
		return name
	}
	return strings.Compare(tenant(a), tenant(b))
}

// mergeRegex gives all rules the words that are secret of both sides, as those of the whole repository stand in each rule: a tenant
// that is new on one side gets those of the other too.
func mergeRegex(base, ours, theirs *tree.Node) (b, o, t *tree.Node) {
	const field = "encrypted_regex"
	var all [3]*tree.Node
	for i, list := range []*tree.Node{base, ours, theirs} {
		for _, rule := range list.Items() {
			n := rule.Field(field)
			if n == nil || all[i] != nil && !alike(all[i], n) {
				return base, ours, theirs
			}
			all[i] = n
		}
	}
	merged, ok := mergeSopsField(field, all[0], all[1], all[2])
	if !ok || merged == nil {
		return base, ours, theirs
	}
	with := func(list *tree.Node) *tree.Node {
		rules := make([]*tree.Node, list.Len())
		for i, rule := range list.Items() {
			fields := slices.Clone(rule.Fields())
			at := slices.IndexFunc(fields, func(f tree.Field) bool { return f.Key == field })
			fields[at].Value = merged
			rules[i] = rule.WithFields(fields)
		}
		return list.WithItems(rules)
	}
	return with(base), with(ours), with(theirs)
}

// rule merges one generated rule.
func (m sopsMerge) rule(p tree.Path, base, ours, theirs *tree.Node) *tree.Node {
	var sets []tree.Field
	for _, f := range slices.Concat(ours.Fields(), theirs.Fields()) {
		if slices.ContainsFunc(sets, func(s tree.Field) bool { return s.Key == f.Key }) {
			continue
		}
		if v, ok := mergeSopsField(f.Key, base.Field(f.Key), ours.Field(f.Key), theirs.Field(f.Key)); ok {
			sets = append(sets, tree.Field{Key: f.Key, Value: v})
		}
	}
	// Both sides are given what comes out, so that only what is no set is left to be merged.
	with := func(n *tree.Node) *tree.Node {
		out := slices.Clone(n.Fields())
		for _, s := range sets {
			i := slices.IndexFunc(out, func(f tree.Field) bool { return f.Key == s.Key })
			switch {
			case i < 0 && s.Value != nil:
				out = append(out, s)
			case i >= 0 && s.Value != nil:
				out[i].Value = s.Value
			case i >= 0:
				out = slices.Delete(out, i, i+1)
			}
		}
		return n.WithFields(out)
	}
	return m.treeMerge.fields(p, base, with(ours), with(theirs))
}

// mergeSopsField merges a field of a generated rule that is a set. A nil value is none.
func mergeSopsField(key string, base, ours, theirs *tree.Node) (merged *tree.Node, ok bool) {
	versions := []*tree.Node{base, ours, theirs}
	if key == "key_groups" {
		return mergeSopsGroups(base, ours, theirs)
	}
	var open, between, end string
	switch key {
	case "age", "pgp", "hc_vault_transit_uri":
		between = ","
	case "encrypted_regex":
		open, between, end = "^(", "|", ")$"
	default:
		return nil, false
	}
	var sets [3][]string
	for i, n := range versions {
		if n == nil {
			continue
		}
		if n.Kind != tree.String || !strings.HasPrefix(n.Text(), open) || !strings.HasSuffix(n.Text(), end) {
			return nil, false
		}
		text := strings.TrimSuffix(strings.TrimPrefix(n.Text(), open), end)
		for item := range strings.SplitSeq(text, between) {
			sets[i] = append(sets[i], strings.TrimSpace(item))
		}
	}
	items := mergeSet(sets[0], sets[1], sets[2])
	if key == "encrypted_regex" {
		slices.Sort(items) // as it is generated
	}
	if len(items) == 0 {
		return nil, true
	}
	return tree.NewString(open + strings.Join(items, between) + end), true
}

// mergeSopsGroups merges key groups one by one, as long as there are as many.
func mergeSopsGroups(base, ours, theirs *tree.Node) (merged *tree.Node, ok bool) {
	for _, n := range []*tree.Node{base, ours, theirs} {
		if n == nil || n.Kind != tree.List || n.Len() != ours.Len() {
			return nil, false
		}
	}
	groups := make([]*tree.Node, ours.Len())
	for i := range groups {
		b, o, t := base.Items()[i], ours.Items()[i], theirs.Items()[i]
		var lists []tree.Field
		for _, kind := range []string{"age", "pgp", "hc_vault"} {
			keys := mergeSet(textsOf(b.Field(kind)), textsOf(o.Field(kind)), textsOf(t.Field(kind)))
			if len(keys) > 0 {
				nodes := make([]*tree.Node, len(keys))
				for j, k := range keys {
					nodes[j] = tree.NewString(k)
				}
				lists = append(lists, tree.Field{Key: kind, Value: tree.NewList(nodes...)})
			}
		}
		groups[i] = tree.NewMap(lists...)
	}
	return tree.NewList(groups...), true
}

func textsOf(list *tree.Node) []string {
	var out []string
	for _, item := range list.Items() {
		out = append(out, item.Text())
	}
	return out
}

// mergeSet gives what a set is after the changes of both sides, in ours' order, then what is new of theirs.
func mergeSet(base, ours, theirs []string) []string {
	var out []string
	for _, s := range slices.Concat(ours, theirs) {
		was, in := slices.Contains(base, s), slices.Contains(ours, s) && slices.Contains(theirs, s)
		if (in || !was) && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
