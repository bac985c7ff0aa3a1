package merge

import (
	"slices"
	"strings"

	"github.com/llm-devops/lcm/pkg/tree"
)

// prefer says whose value stands at a conflict.
type prefer int

const (
	preferOurs prefer = iota
	preferTheirs
	preferBase
)

// treeMerge merges values. Where a conflict is, the preferred version's value stands.
type treeMerge struct {
	prefer    prefer
	conflicts []tree.Path
}

// node merges one value; nil is a value that is not there.
func (m *treeMerge) node(p tree.Path, base, ours, theirs *tree.Node) *tree.Node {
	switch {
	case alike(ours, theirs), alike(base, theirs):
		return ours
	case alike(base, ours):
		return theirs
	case ours == nil || theirs == nil || ours.Kind != theirs.Kind:
		return m.conflict(p, base, ours, theirs)
	}
	directive, ok := mergeDirective(base, ours, theirs)
	if !ok {
		return m.conflict(p, base, ours, theirs)
	}
	var out *tree.Node
	before := len(m.conflicts)
	switch ours.Kind {
	case tree.Map:
		out = m.fields(p, base, ours, theirs)
	case tree.List:
		out = m.list(p, base, ours, theirs)
	default:
		out = mergeText(base, ours, theirs)
	}
	if out == nil {
		m.conflicts = m.conflicts[:before] // those within are part of this one
		return m.conflict(p, base, ours, theirs)
	}
	if out.Directive != directive {
		out = out.Clone()
		out.Directive = directive
	}
	return out
}

func (m *treeMerge) conflict(p tree.Path, base, ours, theirs *tree.Node) *tree.Node {
	m.conflicts = append(m.conflicts, p.Clone())
	switch m.prefer {
	case preferTheirs:
		return theirs
	case preferBase:
		return base
	}
	return ours
}

// mergeDirective merges how a value is merged into the layers below.
func mergeDirective(base, ours, theirs *tree.Node) (tree.Directive, bool) {
	was := tree.None
	if base != nil {
		was = base.Directive
	}
	switch {
	case ours.Directive == theirs.Directive || theirs.Directive == was:
		return ours.Directive, true
	case ours.Directive == was:
		return theirs.Directive, true
	}
	return tree.None, false
}

// fields merges maps key by key: ours in its order, then what is theirs only.
func (m *treeMerge) fields(p tree.Path, base, ours, theirs *tree.Node) *tree.Node {
	if base != nil && base.Kind != tree.Map {
		base = nil
	}
	var out []tree.Field
	add := func(key string) {
		var b *tree.Node
		if base != nil {
			b = base.Field(key)
		}
		if v := m.node(append(p, tree.Key(key)), b, ours.Field(key), theirs.Field(key)); v != nil {
			out = append(out, tree.Field{Key: key, Value: v})
		}
	}
	for _, f := range ours.Fields() {
		add(f.Key)
	}
	for _, f := range theirs.Fields() {
		if ours.Field(f.Key) == nil {
			add(f.Key)
		}
	}
	return ours.WithFields(out)
}

// list merges lists: item by item where a field names the items, else as sequences. nil is a conflict of the whole list.
func (m *treeMerge) list(p tree.Path, base, ours, theirs *tree.Node) *tree.Node {
	if base == nil || base.Kind != tree.List {
		return nil
	}
	if field, ok := keyField(base, ours, theirs); ok {
		return m.keyed(p, field, base, ours, theirs)
	}
	items := map[string]*tree.Node{}
	texts := func(list *tree.Node) []string {
		out := make([]string, list.Len())
		for i, item := range list.Items() {
			out[i] = fingerprint(item)
			items[out[i]] = item
		}
		return out
	}
	merged, ok := diff3(texts(base), texts(ours), texts(theirs), conflict)
	if !ok {
		return nil
	}
	out := make([]*tree.Node, len(merged))
	for i, text := range merged {
		out[i] = items[text]
	}
	return ours.WithItems(out)
}

// keyField gives the field that names every item of all lists uniquely.
func keyField(lists ...*tree.Node) (string, bool) {
	for _, field := range [...]string{"name", "id", "key", "path_regex"} {
		if !slices.ContainsFunc(lists, func(l *tree.Node) bool { return keysOf(l, field) == nil }) {
			return field, true
		}
	}
	return "", false
}

// keysOf gives the names of a list's items, nil where one has none or two have the same.
func keysOf(list *tree.Node, field string) []string {
	keys := make([]string, 0, list.Len())
	for _, item := range list.Items() {
		if item.Kind != tree.Map {
			return nil
		}
		n := item.Field(field)
		if n == nil || n.Kind != tree.String || n.Secret || strings.HasPrefix(n.Reveal(), "ENC[") || slices.Contains(keys, n.Reveal()) {
			return nil
		}
		keys = append(keys, n.Reveal())
	}
	return keys
}

// keyed merges lists whose items have names. The order is merged as a sequence; if that is a conflict, or an item is gone on
// one side and changed on the other, so is the list.
func (m *treeMerge) keyed(p tree.Path, field string, base, ours, theirs *tree.Node) *tree.Node {
	order, ok := mergeOrder(keysOf(base, field), keysOf(ours, field), keysOf(theirs, field))
	if !ok {
		return nil
	}
	byName := func(list *tree.Node, name string) *tree.Node {
		return list.Get(tree.Path{tree.Match(field, name)})
	}
	var out []*tree.Node
	for _, name := range order {
		b, o, t := byName(base, name), byName(ours, name), byName(theirs, name)
		if o == nil && t != nil && b != nil && !alike(b, t) || t == nil && o != nil && b != nil && !alike(b, o) {
			return nil
		}
		if v := m.node(append(p, tree.Match(field, name)), b, o, t); v != nil {
			out = append(out, v)
		}
	}
	return ours.WithItems(out)
}

// mergeOrder merges the order of names, those of items that are gone on one side included.
func mergeOrder(base, ours, theirs []string) (order []string, ok bool) {
	stays := func(name string) bool {
		return !slices.Contains(base, name) || slices.Contains(ours, name) && slices.Contains(theirs, name)
	}
	keep := func(names []string) []string {
		return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !stays(n) })
	}
	merged, _ := diff3(keep(base), keep(ours), keep(theirs), mayTouch)
	seen := map[string]bool{}
	for _, name := range merged {
		if seen[name] {
			continue // added, or moved, on both sides
		}
		seen[name] = true
		order = append(order, name)
	}
	// A move is a removal and an insertion; of two different ones a name may fall out, or ours alone is left.
	for _, name := range slices.Concat(keep(ours), keep(theirs)) {
		if !seen[name] {
			return nil, false
		}
	}
	for _, name := range slices.Concat(base, ours, theirs) {
		if !seen[name] {
			seen[name] = true
			order = append(order, name)
		}
	}
	return order, true
}

// mergeText merges texts of several lines; nil is a conflict.
func mergeText(base, ours, theirs *tree.Node) *tree.Node {
	if base == nil || base.Kind != tree.String || ours.Kind != tree.String || ours.Secret {
		return nil
	}
	for _, n := range []*tree.Node{base, ours, theirs} {
		if strings.Count(strings.TrimRight(n.Reveal(), "\n"), "\n") == 0 {
			return nil
		}
	}
	merged, ok := diff3(lines([]byte(base.Reveal())), lines([]byte(ours.Reveal())), lines([]byte(theirs.Reveal())), conflict)
	if !ok {
		return nil
	}
	return ours.WithText(tree.String, strings.Join(merged, ""))
}

// alike reports whether two values are the same, with the directives on them and in them, in whatever order.
func alike(a, b *tree.Node) bool {
	switch {
	case a == nil || b == nil:
		return a == b
	case a.Kind != b.Kind || a.Directive != b.Directive:
		return false
	case a.Kind == tree.Map:
		return a.Len() == b.Len() && !slices.ContainsFunc(a.Fields(), func(f tree.Field) bool { return !alike(f.Value, b.Field(f.Key)) })
	case a.Kind == tree.List:
		return slices.EqualFunc(a.Items(), b.Items(), alike)
	}
	return a.Reveal() == b.Reveal()
}

// fingerprint gives a text that is the same for values that are alike, and for no others.
func fingerprint(n *tree.Node) string {
	var b strings.Builder
	var walk func(n *tree.Node)
	walk = func(n *tree.Node) {
		b.WriteByte(byte('a' + n.Kind))
		b.WriteByte(byte('0' + n.Directive))
		part := func(s string) {
			b.WriteString(s)
			b.WriteByte(0)
		}
		switch n.Kind {
		case tree.Map:
			fields := slices.SortedFunc(slices.Values(n.Fields()), func(x, y tree.Field) int { return strings.Compare(x.Key, y.Key) })
			for _, f := range fields {
				part(f.Key)
				walk(f.Value)
			}
			b.WriteByte(1)
		case tree.List:
			for _, item := range n.Items() {
				walk(item)
			}
			b.WriteByte(1)
		default:
			part(n.Reveal())
		}
	}
	walk(n)
	return b.String()
}
