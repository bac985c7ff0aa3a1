package schema

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"slices"

	"github.com/llm-devops/lcm/pkg/tree"
)

// Form gives a digest of all in a layer's tree on which it depends whether the merge with other layers is accepted: what
// [Module.Accepts] accepts with one tree it accepts with any other of the same form in its place, and both merge without a
// finding if one does. Of a scalar that the schema takes there, and that no condition looks at, only the kind counts; of all
// else, everything but the place in the file. m is nil where there is no schema.
func Form(m *Module, root *tree.Node) string {
	f := former{hash: sha256.New()}
	var top *member
	switch {
	case m == nil:
		f.free = true
	case m.Described():
		top = m.root
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
	hash hash.Hash
	free bool // no schema: outside of lists, no scalar counts
}

func (f *former) sum() string { return hex.EncodeToString(f.hash.Sum(nil)) }

func (f *former) number(n int) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(n)) //nolint:gosec // a length
	f.hash.Write(b[:])
}

func (f *former) text(s string) {
	f.number(len(s))
	f.hash.Write([]byte(s))
}

// node writes what stands where the schema has a member, nil where everything counts.
func (f *former) node(at *member, n *tree.Node, depth int) {
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
			f.node(at.alone(field.Key), field.Value, depth+1)
		}
	case tree.List:
		exact := former{hash: f.hash}
		f.number(n.Len())
		for _, item := range n.Items() {
			exact.node(nil, item, depth+1)
		}
	default:
		if n.Secret || !f.free && (at == nil || !isCertain(at.shape, n, depth)) {
			f.hash.Write([]byte{1})
			f.text(n.Reveal())
			return
		}
		f.hash.Write([]byte{2})
	}
}

// alone gives the member for a key of a map if nothing but that member decides about the value, nil if something else may:
// an alternative, a condition, CUE.
func (m *member) alone(key string) *member {
	if m == nil {
		return nil
	}
	s := m.shape
	if s.alts != nil || s.enum != nil || s.unsure || !s.kinds.has(tree.Map) ||
		slices.ContainsFunc(s.checks, func(c check) bool { return c.mentions(key) }) {
		return nil
	}
	field := s.byName[key]
	if field == nil {
		field = s.onlyPattern(key)
	}
	if field == nil || len(field.guards) > 0 {
		return nil
	}
	return field
}

// mentions reports whether a check looks at a field of its map, or at what is below it.
func (c *check) mentions(key string) bool {
	return slices.ContainsFunc(c.when, func(t test) bool { return t.mentions(key) }) || c.then.mentions(key)
}

func (t *test) mentions(key string) bool {
	return t.key == key || t.names.key == key || slices.ContainsFunc(t.of, func(o test) bool { return o.mentions(key) })
}

func (d *demand) mentions(key string) bool {
	return d.op == ofEach || d.looksUp(key) || slices.ContainsFunc(d.fields, func(f fieldDemand) bool { return f.name == key })
}

// looksUp reports whether it is the names at a key of the map that the check is on which a demand, or one within it, is about.
func (d *demand) looksUp(key string) bool {
	return d.names.key == key || slices.ContainsFunc(d.each, func(e demand) bool { return e.looksUp(key) }) ||
		slices.ContainsFunc(d.fields, func(f fieldDemand) bool { return f.demand.looksUp(key) })
}
