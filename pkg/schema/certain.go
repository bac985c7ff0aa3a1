package schema

import (
	"slices"
	"unicode/utf8"

	"github.com/llm-devops/lcm/pkg/tree"
)

// certain reports whether a configuration is valid beyond doubt, by the description alone. It is false for everything
// that is wrong, and for what only CUE can tell; it is true for most configurations there are, in a small part of the
// time that CUE takes.
func certain(top *member, root *tree.Node) bool {
	return isCertain(top.shape, complete(top.shape, root, 0), 0)
}

// maxSureDigits bounds the numbers that are compared here as CUE compares them: it rounds longer ones.
const maxSureDigits = 24

func isCertain(s *shape, n *tree.Node, depth int) bool {
	switch {
	case n == nil || n.Directive == tree.Delete || depth > maxTreeDepth || s.unsure || !s.kinds.has(n.Kind):
		return false
	case len(s.checks) > 0 && n.Kind != tree.Map:
		return false
	case n.Sealed:
		// Any text would do, but what should be a map may have to have fields.
		return s.kinds&kindsOf(tree.Map, tree.List) == 0
	case n.Kind.IsScalar() && !isPlain(n):
		return false
	case s.alts != nil:
		return isOneCertain(s.alts, n, depth)
	case s.enum != nil:
		return s.allows(n) && holdAll(s.rules, n)
	case !holdAll(s.rules, n):
		return false
	}
	switch n.Kind {
	case tree.Map:
		return isMapCertain(s, n, depth)
	case tree.List:
		for i, item := range n.Items() {
			if m := s.item(i); m == nil || !isCertain(m.shape, item, depth+1) {
				return false
			}
		}
		return n.Len() >= len(s.items)
	}
	return true
}

func holdAll(rules []rule, n *tree.Node) bool {
	for i := range rules {
		if ok, decided := rules[i].holds(n); !ok || !decided {
			return false
		}
	}
	return true
}

// isPlain reports whether a scalar means the same here and to CUE.
func isPlain(n *tree.Node) bool {
	text := n.Reveal()
	if n.Kind == tree.Int || n.Kind == tree.Float {
		return len(text) <= maxSureDigits && representable(n)
	}
	return utf8.ValidString(text)
}

// isOneCertain decides about alternatives: a scalar may fit several, as they come to the same value. Of maps and lists
// all but one have to be contradicted.
func isOneCertain(alts []*shape, n *tree.Node, depth int) bool {
	var fitting []*shape
	for _, a := range alts {
		switch {
		case a.unsure:
			return false
		case !a.kinds.has(n.Kind):
		case !n.Kind.IsScalar():
			fitting = append(fitting, a)
		case isCertain(a, n, depth):
			return true
		}
	}
	if len(fitting) > 1 {
		fitting = []*shape{onlyFit(fitting, n)}
	}
	return len(fitting) == 1 && fitting[0] != nil && isCertain(fitting[0], n, depth)
}

func isMapCertain(s *shape, n *tree.Node, depth int) bool {
	for _, f := range n.Fields() {
		m := s.byName[f.Key]
		if m == nil {
			if m = s.onlyPattern(f.Key); m == nil {
				return false
			}
		}
		if len(m.guards) > 0 || !isCertain(m.shape, f.Value, depth+1) {
			return false
		}
	}
	for _, m := range s.fields {
		if n.Field(m.name) == nil && !m.mayMiss(depth) {
			return false
		}
	}
	for i := range s.checks {
		if !s.checks[i].holds(s, n) {
			return false
		}
	}
	return true
}

// onlyPattern gives the one pattern for a key that no field has, nil if there is none or there are several.
func (s *shape) onlyPattern(key string) (only *member) {
	if !utf8.ValidString(key) {
		return nil
	}
	for _, p := range s.patterns {
		switch {
		case p.key != nil && (p.key.unsure || p.key.alts != nil):
			return nil
		case !p.fits(key):
		case only != nil:
			return nil
		default:
			only = p
		}
	}
	return only
}

// mayMiss reports whether a field without a value is as good as one that is there. Those with defaults have been given
// them before.
func (m *member) mayMiss(depth int) bool {
	s := m.shape
	switch {
	case m.presence == optional:
		return true
	case m.presence != regular || s.unsure || !s.implicit || s.alts != nil || len(s.rules) > 0 || len(s.checks) > 0 || depth > maxTreeDepth:
		return false
	case s.kinds == kindsOf(tree.List):
		return len(s.items) == 0
	case s.kinds == kindsOf(tree.Map):
		return !slices.ContainsFunc(s.fields, func(m *member) bool { return !m.mayMiss(depth + 1) })
	}
	return false
}

// answer is that of a test; unknown is left to CUE.
type answer uint8

const (
	unknown answer = iota
	no
	yes
)

func answerOf(is bool) answer {
	if is {
		return yes
	}
	return no
}

// holds reports whether a check is certain to hold for a map of the shape s, whose fields are valid for themselves.
func (c *check) holds(s *shape, n *tree.Node) bool {
	for i := range c.when {
		switch c.when[i].ask(s, n) {
		case unknown:
			return false
		case no:
			return true
		}
	}
	return c.then.holds(s, n, n)
}

func (t *test) ask(s *shape, n *tree.Node) answer {
	v := n.Field(t.key)
	switch t.op {
	case isSet:
		m := s.byName[t.key]
		switch {
		case m == nil || v != nil && v.Sealed:
			return unknown
		case v != nil || m.presence == regular:
			return yes
		}
		return no
	case isTrue, equals:
		want := tree.Bool
		if t.op == equals {
			want = t.value.Kind
		}
		if v == nil || v.Sealed || v.Kind != want {
			return unknown
		}
		if t.op == isTrue {
			return answerOf(v.Reveal() == "true")
		}
		return answerOf(sameScalar(v, t.value))
	case hasNames:
		return t.names.any(n)
	case isNot:
		switch t.of[0].ask(s, n) {
		case yes:
			return no
		case no:
			return yes
		}
		return unknown
	case exactlyOne:
		count := 0
		for i := range t.of {
			switch t.of[i].ask(s, n) {
			case unknown:
				return unknown
			case yes:
				count++
			}
		}
		return answerOf(count == 1)
	}
	a, b := t.of[0].ask(s, n), t.of[1].ask(s, n)
	switch {
	case a == unknown || b == unknown:
		return unknown
	case t.op == both:
		return min(a, b)
	}
	return max(a, b)
}

// any reports whether there are names in a map.
func (x names) any(n *tree.Node) answer {
	v := n.Field(x.key)
	switch {
	case v == nil:
		return no
	case v.Sealed:
		return unknown
	case x.field == "":
		return answerOf(v.Len() > 0)
	}
	for _, item := range v.Items() {
		switch name := item.Field(x.field); {
		case name == nil:
		case name.Sealed || name.Kind != tree.String:
			return unknown
		default:
			return yes
		}
	}
	return no
}

// has reports whether one of the names is certain to be text.
func (x names) has(n *tree.Node, text string) bool {
	v := n.Field(x.key)
	if v == nil || v.Sealed {
		return false
	}
	if x.field == "" {
		return v.Field(text) != nil
	}
	return slices.ContainsFunc(v.Items(), func(item *tree.Node) bool {
		name := item.Field(x.field)
		return name != nil && !name.Sealed && name.Kind == tree.String && name.Reveal() == text
	})
}

// holds reports whether a demand on n, of the shape s, is certain to hold. around is the map that the check is on.
func (d *demand) holds(s *shape, n, around *tree.Node) bool {
	switch d.op {
	case nothing:
		return true
	case never:
		return false
	case oneOfNames:
		return !n.Sealed && n.Kind == tree.String && d.names.has(around, n.Reveal())
	case ofEach:
		for i, item := range n.Items() {
			m := s.item(i)
			if m == nil || !d.each[0].holds(m.shape, item, around) {
				return false
			}
		}
		for _, f := range n.Fields() {
			m := s.onlyPattern(f.Key)
			if m == nil || !d.each[0].holds(m.shape, f.Value, around) {
				return false
			}
		}
		return !n.Sealed && s.alts == nil
	}
	if n.Kind != tree.Map || s.alts != nil {
		return false
	}
	for i := range d.fields {
		f := &d.fields[i]
		m, v := s.byName[f.name], n.Field(f.name)
		switch {
		case m == nil || len(m.guards) > 0:
			return false // the check would bring the field about
		case v != nil:
			if !f.demand.holds(m.shape, v, around) {
				return false
			}
		case f.presence == required || f.presence == regular && (m.presence != regular || f.demand.op != ofEach || m.shape.kinds != kindsOf(tree.List)):
			return false
		}
	}
	return true
}
