package promote

import (
	"slices"

	"github.com/llm-devops/lcm/pkg/tree"
)

// planner looks for the edits that make the target resolve to what is wanted.
type planner struct {
	*target
	progress
}

// progress is how far a planner has come. It can be copied and gone back to.
type progress struct {
	own     *tree.Node // the own layer with the edits so far
	now     *tree.Node // what the target resolves to with them
	want    *tree.Node // what the whole target shall resolve to
	list    []Edit
	skipped []Skip
}

// edits finds the edits that turn what the target resolves to at a path into what is wanted there.
func (pl *planner) edits(p tree.Path, want, have *tree.Node) {
	switch {
	case want == have || tree.Equal(want, have):
	case isMap(want) && isMap(have):
		pl.inMap(p, want, have)
	case isList(want) && isList(have) && pl.inKeyed(p, want, have):
	default:
		pl.decide(p, want, have)
	}
}

func (pl *planner) inMap(p tree.Path, want, have *tree.Node) {
	before := pl.progress
	for _, f := range want.Fields() {
		pl.edits(append(p, tree.Key(f.Key)), f.Value, have.Field(f.Key))
	}
	for _, f := range have.Fields() {
		if want.Field(f.Key) == nil {
			pl.edits(append(p, tree.Key(f.Key)), nil, f.Value)
		}
	}
	if len(p) == 0 {
		return
	}
	after := pl.progress
	if len(after.skipped) > len(before.skipped) {
		// What cannot be edited key by key may go as a whole: a map that the schema wants replaced.
		if pl.progress = before; !pl.choose(p, want) {
			pl.progress = after
		}
		return
	}
	// One removal can do what several edits do: all overrides of the map go, or the one that replaced it as a whole.
	entry := before.own.Get(p)
	if len(after.list)-len(before.list) < 2 || entry == nil || entry.Directive == tree.None && !pl.allUnset(p, entry, len(before.list)) {
		return
	}
	if pl.progress = before; !pl.try(candidate{p, nil, Inherited}, p, want) {
		pl.progress = after
	}
}

// allUnset reports whether the edits since an index remove everything that a map of the own layer holds.
func (pl *planner) allUnset(p tree.Path, entry *tree.Node, since int) bool {
	for below := range entry.Leaves() {
		path := append(p.Clone(), below...)
		if !slices.ContainsFunc(pl.list[since:], func(e Edit) bool { return e.Value == nil && path.HasPrefix(e.Path) }) {
			return false
		}
	}
	return true
}

// inKeyed edits single items of a list whose items are known by a field. It reports false where the list is better
// decided as a whole.
func (pl *planner) inKeyed(p tree.Path, want, have *tree.Node) bool {
	key := pl.identity(p)
	own := pl.own.Get(p)
	if key == "" || own == nil || !known(want, key) || !known(have, key) || !known(own, key) || !sameKeys(want, have, key) {
		return false
	}
	for i, item := range want.Items() {
		if !tree.Equal(item, have.Items()[i]) && (!isMap(have.Items()[i]) || find(own, key, item.Field(key).Text()) == nil) {
			return false
		}
	}
	before := pl.progress
	for i, item := range want.Items() {
		pl.edits(append(p, tree.Match(key, item.Field(key).Text())), item, have.Items()[i])
	}
	if len(pl.skipped) > len(before.skipped) {
		pl.progress = before
		return false
	}
	return true
}

// candidate is an edit that may do.
type candidate struct {
	path   tree.Path
	value  *tree.Node
	reason Reason
}

// decide finds the edit for one key, or lists the key as one that stays behind.
func (pl *planner) decide(p tree.Path, want, have *tree.Node) {
	if pl.choose(p, want) {
		return
	}
	reason := HoldsKept
	if len(pl.above) > 0 {
		reason = Overridden
	}
	pl.skipped = append(slices.Clip(pl.skipped), Skip{Path: p.Clone(), Reason: reason, From: want, To: have})
	if root, ok := put(pl.want, p, have); ok {
		pl.want = root
	}
}

// choose makes one edit that gives what is wanted at a path, the smallest first. It reports false if none does.
func (pl *planner) choose(p tree.Path, want *tree.Node) bool {
	return slices.ContainsFunc(pl.candidates(p, want), func(c candidate) bool { return pl.try(c, p, want) })
}

func (pl *planner) candidates(p tree.Path, want *tree.Node) []candidate {
	var out []candidate
	entry := pl.own.Get(p)
	if entry != nil {
		reason := Inherited
		if want == nil {
			reason = Gone
		}
		// Maps that would be left empty go with their last key.
		if up := pl.lone(p); len(up) < len(p) {
			out = append(out, candidate{up, nil, reason})
		}
		out = append(out, candidate{p, nil, reason})
	}
	if want == nil {
		return append(out, candidate{p, tombstone(), Hidden})
	}
	if hasSecret(want) {
		return out
	}
	if isList(want) {
		for _, v := range pl.smallerLists(p, want, entry) {
			out = append(out, candidate{p, v, Set})
		}
	}
	values := []*tree.Node{plain(want)}
	if short := pl.withoutDefaults(want); short != nil {
		values = slices.Insert(values, 0, short)
	}
	for _, d := range []tree.Directive{tree.None, tree.Override} {
		for _, v := range values {
			out = append(out, candidate{p, tagged(v, d), Set})
		}
	}
	return out
}

// lone gives the highest path above p whose map in the own layer holds nothing but the way to p.
func (pl *planner) lone(p tree.Path) tree.Path {
	for len(p) > 1 {
		if _, isKey := p[len(p)-1].AsKey(); !isKey {
			break
		}
		up := pl.own.Get(p[:len(p)-1])
		if !isMap(up) || up.Len() > 1 || up.Directive != tree.None {
			break
		}
		p = p[:len(p)-1]
	}
	return p
}

// withoutDefaults gives a value without what the schema adds by itself, nil where nothing of it is.
func (pl *planner) withoutDefaults(n *tree.Node) *tree.Node {
	short, dropped := strip(n)
	if !dropped || short.Len() == 0 {
		return nil
	}
	return plain(short)
}

// strip drops the defaults inside of maps, and of maps in lists.
func strip(n *tree.Node) (out *tree.Node, dropped bool) {
	switch n.Kind {
	case tree.Map:
		var fields []tree.Field
		for _, f := range n.Fields() {
			if isDefault(f.Value) && f.Value.Len() == 0 {
				dropped = true
				continue
			}
			v, less := strip(f.Value)
			dropped = dropped || less
			if less && v.Len() == 0 {
				continue
			}
			fields = append(fields, tree.Field{Key: f.Key, Value: v})
		}
		return n.WithFields(fields), dropped
	case tree.List:
		items := make([]*tree.Node, n.Len())
		for i, item := range n.Items() {
			var less bool
			items[i], less = strip(item)
			dropped = dropped || less
		}
		return n.WithItems(items), dropped
	}
	return n, false
}

// smallerLists gives lists that are less to write than the wanted one where the merge rule adds the rest.
func (pl *planner) smallerLists(p tree.Path, want, entry *tree.Node) []*tree.Node {
	inherited := pl.inherited(p)
	if !isList(inherited) || inherited.Len() == 0 {
		return nil
	}
	strategy := pl.field(p).Merge.Strategy
	if entry != nil && entry.Directive != tree.None {
		strategy = entry.Directive
	}
	rest := want.Len() - inherited.Len()
	switch {
	case strategy == tree.Append && rest > 0 && slices.EqualFunc(want.Items()[:inherited.Len()], inherited.Items(), tree.Equal):
		return []*tree.Node{plain(want.WithItems(want.Items()[inherited.Len():]))}
	case strategy == tree.Prepend && rest > 0 && slices.EqualFunc(want.Items()[rest:], inherited.Items(), tree.Equal):
		return []*tree.Node{plain(want.WithItems(want.Items()[:rest]))}
	}
	if key := pl.identity(p); key != "" && known(want, key) && known(inherited, key) {
		var out []*tree.Node
		for _, w := range []partialist{{key: key}, {key: key, full: true}, {key: key, tagKey: true}, {key: key, full: true, tagKey: true}} {
			w.strict = pl.layer.Strict
			if partial := w.list(want, inherited); len(partial) > 0 && (w.strict || !w.tagKey) {
				out = append(out, plainItems(want, partial))
			}
		}
		return out
	}
	return nil
}

// inherited gives what the target would resolve to at a path without its own layer's entry.
func (pl *planner) inherited(p tree.Path) *tree.Node {
	own := pl.own
	if own.Get(p) != nil {
		if without, ok := put(own, p, nil); ok {
			own = without
		}
	}
	root, _ := pl.resolve(own)
	return root.Get(p)
}

// partialist writes what, merged over an inherited value, makes the wanted one.
type partialist struct {
	key    string // by which the items of the list are known
	strict bool   // shadowing an inherited scalar takes !override
	full   bool   // new items are written with their defaults
	tagKey bool   // the field key takes !override too
}

// list gives items that are merged by identity over the inherited ones: new ones, the differing fields of known ones, and
// tombstones.
func (w partialist) list(want, inherited *tree.Node) []*tree.Node {
	var items []*tree.Node
	for _, u := range inherited.Items() {
		id := u.Field(w.key)
		if find(want, w.key, id.Text()) == nil {
			items = append(items, tagged(tree.NewMap(tree.Field{Key: w.key, Value: plain(id)}), tree.Delete))
		}
	}
	for _, item := range want.Items() {
		u := find(inherited, w.key, item.Field(w.key).Text())
		switch {
		case u == nil && w.full:
			items = append(items, plain(item))
		case u == nil:
			short, _ := strip(item)
			items = append(items, plain(short))
		case !tree.Equal(item, u):
			items = append(items, w.fields(item, u, true))
		}
	}
	return items
}

// fields gives the fields in which a map differs from the inherited one; those of an item have its key among them.
func (w partialist) fields(want, inherited *tree.Node, item bool) *tree.Node {
	var fields []tree.Field
	for _, f := range want.Fields() {
		u := inherited.Field(f.Key)
		v := plain(f.Value)
		switch {
		case item && f.Key == w.key:
			if w.tagKey {
				v = tagged(v, tree.Override)
			}
		case u == nil:
		case tree.Equal(f.Value, u):
			continue
		case isMap(f.Value) && isMap(u):
			v = w.fields(f.Value, u, false)
		case w.strict && f.Value.Kind.IsScalar():
			v = tagged(v, tree.Override)
		}
		fields = append(fields, tree.Field{Key: f.Key, Value: v})
	}
	for _, f := range inherited.Fields() {
		if want.Field(f.Key) == nil {
			fields = append(fields, tree.Field{Key: f.Key, Value: tombstone()})
		}
	}
	return tree.NewMap(fields...)
}

// plainItems gives a list of items that are to be written as they are, directives included.
func plainItems(like *tree.Node, items []*tree.Node) *tree.Node {
	out := like.WithItems(items)
	out.Directive, out.Shadowed = tree.None, nil
	return out
}

// try makes an edit if it gives what is wanted at a path, changes nothing beside it and breaks no rule of merging.
func (pl *planner) try(c candidate, p tree.Path, want *tree.Node) bool {
	own, ok := put(pl.own, c.path, c.value)
	if !ok {
		return false
	}
	intended, ok := put(pl.now, p, want)
	if !ok {
		return false
	}
	root, faults := pl.resolve(own)
	if !pl.acceptable(faults) || !tree.Equal(root, intended) {
		return false
	}
	pl.own, pl.now = own, root
	pl.list = append(slices.Clip(pl.list), Edit{Path: c.path.Clone(), Value: c.value, Reason: c.reason, meant: p.Clone()})
	return true
}

// narrow keeps edits from removing a map that another edit then makes again.
func (pl *planner) narrow() {
	for i, e := range pl.list {
		if len(e.Path) == len(e.meant) || !slices.ContainsFunc(pl.list[i+1:], func(o Edit) bool { return o.Path.HasPrefix(e.Path) }) {
			continue
		}
		list := slices.Clone(pl.list)
		list[i].Path = e.meant
		if own, ok := apply(pl.ownNow, list); ok {
			if root, faults := pl.resolve(own); pl.acceptable(faults) && tree.Equal(root, pl.want) {
				pl.list, pl.own = list, own
			}
		}
	}
}

// prune leaves out edits that others have made superfluous.
func (pl *planner) prune() {
	for i := len(pl.list) - 1; i >= 0; i-- {
		rest := slices.Delete(slices.Clone(pl.list), i, i+1)
		own, ok := apply(pl.ownNow, rest)
		if !ok {
			continue
		}
		if root, faults := pl.resolve(own); pl.acceptable(faults) && tree.Equal(root, pl.want) {
			pl.list, pl.own = rest, own
		}
	}
}

// apply makes edits one after the other.
func apply(own *tree.Node, edits []Edit) (*tree.Node, bool) {
	for _, e := range edits {
		var ok bool
		if own, ok = put(own, e.Path, e.Value); !ok {
			return nil, false
		}
	}
	return own, true
}

// finish fills in what every edit changes.
func (pl *planner) finish() []Edit {
	for i := range pl.list {
		e := &pl.list[i]
		e.Old, e.New = pl.root.Get(e.Path), pl.want.Get(e.Path)
	}
	return pl.list
}
