package schema

import (
	"fmt"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
)

// walker compares a tree with its shape and says in words what does not fit.
type walker struct {
	findings diag.List
	// repaired are the paths of values that were reported, so that CUE can be asked what is wrong beside them. Dropped
	// ones are not allowed at all.
	repaired map[string]repair
	missing  map[string]bool // paths that were reported as missing
	sealed   bool            // there are sealed secrets
}

type repair uint8

const (
	replaced repair = iota + 1 // by any value
	dropped
)

func newWalker() *walker {
	return &walker{repaired: map[string]repair{}, missing: map[string]bool{}}
}

// place is where the walker stands.
type place struct {
	path   tree.Path
	secret bool
	member *member // for positions in the schema; nil for what is tried only
}

func (p place) key() string { return p.path.String() }

// name is how messages call the place.
func (p place) name() string {
	if len(p.path) == 0 {
		return "the configuration"
	}
	return p.path.String()
}

func (p place) below(step tree.Step, m *member) place {
	return place{path: append(p.path[:len(p.path):len(p.path)], step), secret: p.secret || m.marks.secret, member: m}
}

// accepts reports whether a value fits a shape as far as the shape knows.
func accepts(s *shape, n *tree.Node) bool {
	w := newWalker()
	w.check(place{member: &member{shape: s}}, s, n)
	return len(w.findings) == 0
}

// report adds a finding about the value n at p.
func (w *walker) report(p place, n *tree.Node, f diag.Finding) {
	f.Severity = diag.Error
	f.Key = p.key()
	if f.Position.IsZero() {
		f.Position = n.Pos
	}
	if p.member != nil && p.member.pos.Line > 0 && f.Related == nil {
		f.Related = []diag.Related{{Position: p.member.pos, Message: "declared here"}}
	}
	w.findings = append(w.findings, f)
	w.repaired[f.Key] = replaced
}

// check compares n with s.
func (w *walker) check(p place, s *shape, n *tree.Node) {
	switch {
	case len(p.path) > maxTreeDepth:
		w.report(p, n, diag.Finding{Code: CodeConstraint, Message: fmt.Sprintf("%s is nested more than %d deep", p.name(), maxTreeDepth)})
		return
	case n.Sealed:
		w.sealed = true
		return
	case !representable(n):
		w.report(p, n, diag.Finding{Code: CodeType, Message: p.name() + is(p, n) + ", which is not a number that can be computed with"})
		return
	case !s.kinds.has(n.Kind):
		w.wrongKind(p, s, n)
		return
	case s.alts != nil:
		w.checkAlternatives(p, s, n)
		return
	case s.enum != nil && !s.allows(n):
		if !n.Kind.IsScalar() {
			return
		}
		w.wrongValue(p, s.enum, n)
		return
	}
	for _, r := range s.rules {
		if ok, _ := r.holds(n); !ok {
			w.broken(p, r, n)
		}
	}
	switch n.Kind {
	case tree.Map:
		w.checkMap(p, s, n)
	case tree.List:
		w.checkList(p, s, n)
	}
}

func (w *walker) checkMap(p place, s *shape, n *tree.Node) {
	for _, f := range n.Fields() {
		if f.Value == nil || f.Value.Directive == tree.Delete {
			continue
		}
		members := s.members(f.Key)
		if len(members) == 0 && !s.open {
			w.unknown(p, s, f)
			continue
		}
		for _, m := range members {
			w.check(p.below(tree.Key(f.Key), m), m.shape, f.Value)
		}
		if len(members) == 0 {
			w.lookForSealed(f.Value)
		}
	}
	for _, m := range s.fields {
		if v := n.Field(m.name); v == nil || v.Directive == tree.Delete {
			w.checkMissing(p.below(tree.Key(m.name), m), m, n)
		}
	}
}

// checkMissing reports what is required of a field that is not there. CUE has structs even where they are not written,
// so what is required in them is missing too.
func (w *walker) checkMissing(p place, m *member, nearest *tree.Node) {
	switch {
	case m.presence == optional || len(m.guards) > 0 || len(p.path) > maxTreeDepth:
	case m.presence == regular && m.shape.def != nil:
	case m.presence == regular && m.shape.implicit && m.shape.alts == nil:
		for _, inner := range m.shape.fields {
			w.checkMissing(p.below(tree.Key(inner.name), inner), inner, nearest)
		}
	case m.presence == regular && (m.shape.opaque || m.shape.free()):
	default:
		w.require(p, m, nearest, "")
	}
}

func (w *walker) require(p place, m *member, nearest *tree.Node, condition string) {
	message := p.name() + " is required"
	if condition != "" {
		message += " when " + condition
	}
	w.report(p, nearest, diag.Finding{Code: CodeRequired, Message: message, Hint: expectation(p, m)})
	w.missing[p.key()] = true
}

func (w *walker) checkList(p place, s *shape, n *tree.Node) {
	for i, item := range n.Items() {
		m := s.item(i)
		if m == nil {
			if len(s.items) > 0 || s.rest == nil {
				w.report(p, n, diag.Finding{Code: CodeBound, Message: fmt.Sprintf("%s has %s, must have at most %d", p.name(), count(n.Len(), "item"), len(s.items))})
			}
			return
		}
		w.check(p.below(tree.Index(i), m), m.shape, item)
	}
	if n.Len() < len(s.items) {
		w.report(p, n, diag.Finding{Code: CodeBound, Message: fmt.Sprintf("%s has %s, must have at least %d", p.name(), count(n.Len(), "item"), len(s.items))})
	}
}

// lookForSealed notes whether there are sealed secrets where the schema says nothing.
func (w *walker) lookForSealed(n *tree.Node) {
	n.Walk(func(_ tree.Path, v *tree.Node) bool {
		w.sealed = w.sealed || v.Sealed
		return !w.sealed
	})
}

func (w *walker) unknown(p place, s *shape, f tree.Field) {
	at := p.below(tree.Key(f.Key), &member{})
	at.member = p.member
	known := make([]string, 0, len(s.fields))
	for _, m := range s.fields {
		known = append(known, m.name)
	}
	finding := diag.Finding{Code: CodeUnknown, Message: at.name() + " is not known", Position: f.Pos}
	if len(s.patterns) > 0 && len(known) == 0 {
		finding.Message = fmt.Sprintf("%s is not a valid key", at.name())
		finding.Hint = "keys here " + s.patterns[0].key.demand(s.patterns[0].keyText)
	} else {
		finding.Hint = diag.DidYouMean(f.Key, known, knownHere(known))
	}
	if finding.Position.IsZero() {
		finding.Position = f.Value.Pos
	}
	w.report(at, f.Value, finding)
	w.repaired[at.key()] = dropped
}

// maxNames bounds the names listed in a hint.
const maxNames = 12

func knownHere(names []string) string {
	if len(names) == 0 {
		return "no fields are allowed here"
	}
	names = slices.Sorted(slices.Values(names))
	if len(names) > maxNames {
		return fmt.Sprintf("known here: %s and %d more", strings.Join(names[:maxNames], ", "), len(names)-maxNames)
	}
	return "known here: " + strings.Join(names, ", ")
}

// demand says what a key must be.
func (s *shape) demand(source string) string {
	for _, r := range s.rules {
		if r.op == matches {
			return "must match " + r.text
		}
	}
	if len(s.enum) > 0 {
		return "must be " + oneOf(s.enum)
	}
	return "must be " + source
}
