package promote

import (
	"cmp"
	"slices"

	"github.com/llm-devops/lcm/pkg/tree"
)

// wanter works out what the target shall resolve to: the source's values, and the target's own where they are kept.
type wanter struct {
	*target
	keys    []tree.Path
	skipped []Skip
}

// want gives the wanted value at a path from the source's and the target's, each nil for none. Where nothing is to change
// it is the target's node itself.
func (w *wanter) want(p tree.Path, from, to *tree.Node) *tree.Node {
	if from == nil && to == nil || !w.chosen(p) {
		return to
	}
	if reason := w.kept(p, from, to); reason != "" {
		w.skip(p, reason, from, to)
		return to
	}
	if isMap(from) && isMap(to) || isMap(from) && to == nil || from == nil && isMap(to) {
		return w.maps(p, from, to)
	}
	if !w.inside(p) || tree.Equal(from, to) {
		return to
	}
	if isList(from) && isList(to) {
		if key := w.identity(p); key != "" && known(from, key) && known(to, key) {
			return w.keyed(p, key, from, to)
		}
	}
	if w.holdsKept(p, from) || w.holdsKept(p, to) {
		if !w.equalButKept(p, from, to) {
			w.skip(p, HoldsKept, from, to)
		}
		return to
	}
	return from
}

func isMap(n *tree.Node) bool  { return n != nil && n.Kind == tree.Map }
func isList(n *tree.Node) bool { return n != nil && n.Kind == tree.List }

// chosen reports whether a path is above, at or below one of the keys asked for; inside, whether at or below.
func (w *wanter) chosen(p tree.Path) bool {
	return len(w.keys) == 0 || slices.ContainsFunc(w.keys, func(k tree.Path) bool { return p.HasPrefix(k) || k.HasPrefix(p) })
}

func (w *wanter) inside(p tree.Path) bool {
	return len(w.keys) == 0 || slices.ContainsFunc(w.keys, p.HasPrefix)
}

// kept gives the reason why the value at a path is never carried, "" if it may be.
func (w *wanter) kept(p tree.Path, from, to *tree.Node) Reason {
	if len(p) == 0 {
		return ""
	}
	f := w.field(p)
	switch {
	case f.Secret || from != nil && from.Secret || to != nil && to.Secret:
		return Secret
	case f.NoPromote:
		return Never
	case slices.ContainsFunc(w.pins, func(pin tree.Path) bool { return pin.Equal(p) }):
		return Pinned
	}
	return ""
}

// skip lists a key that differs and is kept.
func (w *wanter) skip(p tree.Path, reason Reason, from, to *tree.Node) {
	if !tree.Equal(from, to) {
		if reason == Secret {
			from, to = masked(from), masked(to)
		}
		w.skipped = append(w.skipped, Skip{Path: p.Clone(), Reason: reason, From: from, To: to})
	}
}

// masked marks a value as secret, whose other side is.
func masked(n *tree.Node) *tree.Node {
	if n == nil || n.Secret || !n.Kind.IsScalar() {
		return n
	}
	c := n.Clone()
	c.Secret = true
	return c
}

func (w *wanter) maps(p tree.Path, from, to *tree.Node) *tree.Node {
	var fields []tree.Field
	same := to != nil
	for _, f := range to.Fields() {
		v := w.want(append(p, tree.Key(f.Key)), from.Field(f.Key), f.Value)
		same = same && v == f.Value
		if v != nil {
			fields = append(fields, tree.Field{Key: f.Key, Value: v})
		}
	}
	for _, f := range from.Fields() {
		if to.Field(f.Key) != nil {
			continue
		}
		if v := w.want(append(p, tree.Key(f.Key)), f.Value, nil); v != nil {
			fields = append(fields, tree.Field{Key: f.Key, Value: v})
			same = false
		}
	}
	switch {
	case same && (from != nil || to.Len() > 0 || !w.inside(p)):
		return to
	case len(fields) > 0 || from != nil && to != nil:
		return cmp.Or(to, from).WithFields(fields)
	case from != nil && from.Len() == 0 && w.inside(p):
		return from
	case from != nil || w.inside(p):
		return nil
	}
	return to.WithFields(nil)
}

// known reports whether every item of a list has an identity of its own.
func known(list *tree.Node, key string) bool {
	seen := map[string]bool{}
	for _, item := range list.Items() {
		id := item.Field(key)
		if id == nil || !id.Kind.IsScalar() || id.Secret || seen[id.Text()] {
			return false
		}
		seen[id.Text()] = true
	}
	return true
}

// find gives the item of a list by its identity, nil if there is none.
func find(list *tree.Node, key, id string) *tree.Node {
	for _, item := range list.Items() {
		if f := item.Field(key); f != nil && f.Text() == id {
			return item
		}
	}
	return nil
}

// keyed joins two lists of objects item by item, in the order of the source.
func (w *wanter) keyed(p tree.Path, key string, from, to *tree.Node) *tree.Node {
	for _, item := range to.Items() {
		id := item.Field(key).Text()
		if find(from, key, id) == nil && w.holdsKept(append(p, tree.Match(key, id)), item) {
			w.skip(p, HoldsKept, from, to)
			return to
		}
	}
	items := make([]*tree.Node, 0, from.Len())
	same := from.Len() == to.Len()
	for i, item := range from.Items() {
		id := item.Field(key).Text()
		v := w.want(append(p, tree.Match(key, id)), item, find(to, key, id))
		if v != nil {
			items = append(items, v)
		}
		same = same && i < to.Len() && v == to.Items()[i]
	}
	if same {
		return to
	}
	return from.WithItems(items)
}

// holdsKept reports whether anything at or below a value is kept.
func (w *wanter) holdsKept(p tree.Path, n *tree.Node) bool {
	found := false
	if n == nil {
		return false
	}
	n.Walk(func(below tree.Path, v *tree.Node) bool {
		found = found || w.kept(append(p.Clone(), below...), v, nil) != ""
		return !found
	})
	return found
}

// equalButKept reports whether two lists differ in nothing but what is kept.
func (w *wanter) equalButKept(p tree.Path, from, to *tree.Node) bool {
	if from == nil || to == nil || w.kept(p, from, to) != "" {
		return w.kept(p, from, to) != "" || from == to
	}
	if from.Kind != to.Kind || from.Len() != to.Len() {
		return false
	}
	switch from.Kind {
	case tree.Map:
		for _, f := range from.Fields() {
			if !w.equalButKept(append(p.Clone(), tree.Key(f.Key)), f.Value, to.Field(f.Key)) {
				return false
			}
		}
		return true
	case tree.List:
		for i, item := range from.Items() {
			if !w.equalButKept(append(p.Clone(), tree.Index(i)), item, to.Items()[i]) {
				return false
			}
		}
		return true
	}
	return tree.Equal(from, to)
}
