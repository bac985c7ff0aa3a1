package schema

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"slices"

	"github.com/llm-devops/lcm/pkg/tree"
)

// Form gives a digest, of 32 bytes, of all in a layer's tree on which it depends whether the merge with other layers is accepted: what
// [Module.Accepts] accepts with one tree it accepts with any other of the same form in its place, and both merge without a
// finding if one does. Of a scalar that the schema takes there, and that no condition looks at, only the kind counts; of all
// else, everything but the place in the file. m is nil where there is no schema. fitting says that [Module.SecretsFit] is true of
// the tree, opened: then no more counts of a sealed secret than that it is one.
func Form(m *Module, root *tree.Node, fitting bool) string {
	f := former{hash: sha256.New(), fitting: fitting}
	var top *spot
	switch {
	case m == nil:
		f.free = true
	case m.Described():
		top = &spot{m: m.root}
	}
	f.node(top, root, 0)
	return f.sum()
}

// Content gives a digest of everything in a tree but the places in files.
func Content(root *tree.Node) string {
	f := former{hash: sha256.New()}
	f.node(nil, root, 0)
	return f.sum()
}

// Described reports whether the description of the schema decides for itself, as [Module.Accepts] does.
func (m *Module) Described() bool {
	j, ok := m.judge.(*cueJudge)
	return ok && j.trusted
}

// former writes down a tree so that no two forms come out the same.
type former struct {
	hash    hash.Hash
	free    bool // no schema: outside of lists, no scalar counts
	fitting bool
}

func (f *former) sum() string { return string(f.hash.Sum(nil)) }

func (f *former) number(n int) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(n)) //nolint:gosec // a length
	f.hash.Write(b[:])
}

func (f *former) text(s string) {
	f.number(len(s))
	f.hash.Write([]byte(s))
}

// node writes what stands at a spot, nil where everything counts.
func (f *former) node(at *spot, n *tree.Node, depth int) {
	if n == nil {
		f.hash.Write([]byte{0})
		return
	}
	mark := byte(1)
	if n.Secret {
		mark |= 2
	}
	if n.Sealed {
		mark |= 4
	}
	f.hash.Write([]byte{mark, byte(n.Kind), byte(n.Directive)})
	switch n.Kind {
	case tree.Map:
		f.number(n.Len())
		for _, field := range n.Fields() {
			f.text(field.Key)
			f.node(at.below(field.Key), field.Value, depth+1)
		}
	case tree.List:
		exact := former{hash: f.hash, fitting: f.fitting}
		f.number(n.Len())
		for _, item := range n.Items() {
			exact.node(nil, item, depth+1)
		}
	default:
		if n.Sealed && f.fitting {
			f.hash.Write([]byte{3})
			return
		}
		if n.Secret || !f.free && !at.free(n, depth) {
			f.hash.Write([]byte{1})
			f.text(n.Reveal())
			return
		}
		f.hash.Write([]byte{2})
	}
}

// spot is a place in a tree of which the schema's description alone decides.
type spot struct {
	m       *member
	demands []*demand // of checks further up
}

// below gives the spot at a key, nil if something else decides there too: an alternative, a condition, CUE.
func (p *spot) below(key string) *spot {
	if p == nil {
		return nil
	}
	s := p.m.shape
	if s.alts != nil || s.enum != nil || s.unsure || !s.kinds.has(tree.Map) {
		return nil
	}
	demands := p.demands[:len(p.demands):len(p.demands)]
	for i := range s.checks {
		c := &s.checks[i]
		// That it looks at the keys of a map does not count: they are in the form.
		if slices.ContainsFunc(c.when, func(t test) bool { return t.mentions(key) }) || c.then.looksUp(key) {
			return nil
		}
		demands = append(demands, &c.then)
	}
	m := s.byName[key]
	if m == nil {
		m = s.onlyPattern(key)
	}
	if m == nil || len(m.guards) > 0 {
		return nil
	}
	at := &spot{m: m}
	for _, d := range demands {
		at.demands = d.at(key, at.demands)
	}
	return at
}

// at adds what a demand on a map demands of the value at a key.
func (d *demand) at(key string, to []*demand) []*demand {
	switch d.op {
	case ofEach:
		return append(to, &d.each[0])
	case ofFields:
		for i := range d.fields {
			if d.fields[i].name == key {
				to = append(to, &d.fields[i].demand)
			}
		}
	case oneOfNames:
		return append(to, d)
	}
	return to
}

// free reports whether a scalar is accepted at the spot, and no check looks at it.
func (p *spot) free(n *tree.Node, depth int) bool {
	return p != nil && isCertain(p.m.shape, n, depth) && !slices.ContainsFunc(p.demands, func(d *demand) bool { return d.op != nothing })
}

// mentions reports whether a test looks at a field of its map, or at what is below it, and not just at the keys there.
func (t *test) mentions(key string) bool {
	return t.op != hasNames && t.key == key || t.names.mention(key) || slices.ContainsFunc(t.of, func(o test) bool { return o.mentions(key) })
}

func (x names) mention(key string) bool { return x.key == key && x.field != "" }

// looksUp reports whether a demand, or one within it, is about the values at a key of the map that the check is on.
func (d *demand) looksUp(key string) bool {
	return d.names.mention(key) || slices.ContainsFunc(d.each, func(e demand) bool { return e.looksUp(key) }) ||
		slices.ContainsFunc(d.fields, func(f fieldDemand) bool { return f.demand.looksUp(key) })
}
