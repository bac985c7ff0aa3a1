package diff

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"maps"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/tree"
)

// groups gathers effects of the same cause.
type groups struct {
	scope      *scope
	index      map[string]*group
	order      []*group
	used       map[*rawChange]bool
	overridden map[*rawChange][]address.Address
	turn       map[address.Address]int // the order in which addresses were taken
}

type group struct {
	effect
	reach []address.Address
}

func newGroups(s *scope) *groups {
	return &groups{
		scope: s, index: map[string]*group{}, used: map[*rawChange]bool{},
		overridden: map[*rawChange][]address.Address{}, turn: map[address.Address]int{},
	}
}

// take adds what one address came to.
func (g *groups) take(o outcome) {
	g.turn[o.new] = len(g.turn)
	for _, e := range o.effects {
		e.Path = layerPath(e)
		g.add(e, o.new)
	}
	for _, r := range o.parts {
		g.used[r] = true
	}
	for _, file := range o.templates {
		g.scope.over[file] = append(g.scope.over[file], o.new)
	}
	for _, r := range o.overridden {
		g.overridden[r] = append(g.overridden[r], o.new)
	}
}

// add adds an effect that some addresses share.
func (g *groups) add(e effect, reach ...address.Address) {
	key := identity(e)
	at, ok := g.index[key]
	if !ok {
		at = &group{effect: e}
		g.index[key] = at
		g.order = append(g.order, at)
	}
	for _, a := range reach {
		if len(at.reach) == 0 || at.reach[len(at.reach)-1] != a {
			at.reach = append(at.reach, a)
		}
	}
	if e.raw != nil {
		g.used[e.raw] = true
	}
}

// unify takes maps that came or went as a whole apart where the same edit shows key by key at other addresses, so that
// every key is one entry with all it reaches.
func (g *groups) unify() {
	for again := true; again; {
		again = false
		below := map[*rawChange][]*group{}
		for _, at := range g.order {
			if at.raw != nil {
				below[at.raw] = append(below[at.raw], at)
			}
		}
		order := g.order
		g.order = nil
		for _, at := range order {
			apart := wholeMap(at.Change) != nil && slices.ContainsFunc(below[at.raw], func(o *group) bool {
				return o.Kind == at.Kind && len(o.Path) > len(at.Path) && o.Path.HasPrefix(at.Path)
			})
			if !apart {
				g.order = append(g.order, at)
				continue
			}
			again = true
			delete(g.index, identity(at.effect))
			for child := range children(at.Change) {
				g.add(effect{child, at.raw, at.file}, at.reach...)
			}
		}
	}
	for _, at := range g.order {
		slices.SortFunc(at.reach, func(a, b address.Address) int { return g.turn[a] - g.turn[b] })
		at.reach = slices.Compact(at.reach)
	}
}

// layerPath gives the key of an effect as its layer file has it: where a list is joined from several layers, an item has
// another index there.
func layerPath(e effect) tree.Path {
	if e.raw != nil && fromHere(e.Change, e.raw) {
		return e.raw.Path
	}
	return e.Path
}

// identity is equal for effects that are one entry.
func identity(e effect) string {
	var b strings.Builder
	for _, part := range []string{e.file, e.Path.String(), string(e.Kind), string(e.Secret), placeOf(e).String(), digest(e.Old), digest(e.New)} {
		b.WriteString(part)
		b.WriteByte(0)
	}
	return b.String()
}

// digest is equal for equal values, secrets included.
func digest(n *tree.Node) string {
	h := sha256.New()
	write(h, n)
	return string(h.Sum(nil))
}

func write(h hash.Hash, n *tree.Node) {
	if n == nil {
		h.Write([]byte{0xFF})
		return
	}
	text := func(s string) {
		h.Write(binary.AppendUvarint(nil, uint64(len(s))))
		h.Write([]byte(s))
	}
	h.Write([]byte{byte(n.Kind)})
	h.Write(binary.AppendUvarint(nil, uint64(n.Len())))
	switch n.Kind {
	case tree.Map:
		fields := slices.SortedFunc(slices.Values(n.Fields()), func(a, b tree.Field) int { return strings.Compare(a.Key, b.Key) })
		for _, f := range fields {
			text(f.Key)
			write(h, f.Value)
		}
	case tree.List:
		for _, item := range n.Items() {
			write(h, item)
		}
	default:
		text(n.Reveal())
	}
}

// entries gives the groups as entries, and the edits without effect where told says that they are to be told.
func (g *groups) entries(told func(*layerFile) bool) []Entry {
	g.unify()
	out := make([]Entry, 0, len(g.order))
	first := map[*rawChange]bool{}
	for _, at := range g.order {
		e := g.entry(at.effect, at.reach)
		if r := at.raw; r != nil && !first[r] {
			first[r] = true
			e.Overridden = without(g.overridden[r], at.reach)
		}
		out = append(out, e)
	}
	for _, file := range slices.Sorted(maps.Keys(g.scope.layers)) {
		l := g.scope.layers[file]
		if !told(l) {
			continue
		}
		for _, r := range l.changes {
			// A tag that is no tombstone is told for itself even where it shows in the values.
			tag := r.Kind == Directive && !isTombstone(r.Old) && !isTombstone(r.New)
			if g.used[r] && !tag {
				continue
			}
			e := g.entry(effect{r.Change, r, causeOf(r)}, nil)
			if !g.used[r] {
				e.Overridden = g.overridden[r]
			}
			out = append(out, e)
		}
	}
	slices.SortStableFunc(out, func(a, b Entry) int {
		return cmp.Or(
			compareFiles(a.File, b.File), comparePositions(a.Position, b.Position), strings.Compare(a.Key.String(), b.Key.String()),
			strings.Compare(string(a.Kind), string(b.Kind)), len(b.Reach)-len(a.Reach),
		)
	})
	return out
}

func (g *groups) entry(e effect, reach []address.Address) Entry {
	out := Entry{
		Difference: NewDifference(e.Change), File: e.file, Layer: layerName(e.file), Position: placeOf(e),
		Reach: reach, ReachTenants: countTenants(reach),
	}
	if out.Reach == nil {
		out.Reach = []address.Address{}
	}
	out.Tenants = max(countTenants(g.scope.over[e.file]), out.ReachTenants)
	if r := e.raw; r != nil && e.Kind != Directive {
		out.Directive = tagOf(e, r)
	}
	return out
}

// tagOf gives the tag that made a change of value, "" where it was the value.
func tagOf(e effect, r *rawChange) string {
	if r.Kind == Directive {
		if r.New != nil {
			return r.New.Directive.String()
		}
		return ""
	}
	// A tombstone inside of what was added.
	if n := r.in.new.Get(mapPart(e.Path)); isTombstone(n) {
		return n.Directive.String()
	}
	return ""
}

func countTenants(list []address.Address) int {
	tenants := map[string]bool{}
	for _, a := range list {
		tenants[a.Tenant] = true
	}
	return len(tenants)
}

func without(list, remove []address.Address) []address.Address {
	return slices.DeleteFunc(slices.Clone(list), func(a address.Address) bool { return slices.Contains(remove, a) })
}

// summarise counts what the report holds.
func (c *comparer) summarise() {
	r := c.report
	files := map[string]bool{}
	reached, overridden := map[address.Address]bool{}, map[address.Address]bool{}
	for _, e := range r.Entries {
		files[e.File] = true
		for _, a := range e.Reach {
			reached[a] = true
		}
		for _, a := range e.Overridden {
			overridden[a] = true
		}
	}
	for _, f := range r.Files {
		files[f.File] = true
	}
	invalid := 0
	for _, s := range r.Schemas {
		invalid += len(s.Invalid)
	}
	r.Summary = Summary{
		Invalid: invalid,
		Changes: len(r.Entries), Files: len(files), Addresses: len(reached), Overridden: len(overridden),
		Tenants: countTenants(slices.Collect(maps.Keys(reached))),
	}
}
