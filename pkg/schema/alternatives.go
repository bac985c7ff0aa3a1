package schema

import (
	"slices"
	"strings"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
)

// checkAlternatives compares n, whose kind fits, with the alternatives of s.
func (w *walker) checkAlternatives(p place, s *shape, n *tree.Node) {
	var fitting []*shape
	for _, a := range s.alts {
		if a.kinds.has(n.Kind) {
			fitting = append(fitting, a)
		}
	}
	if n.Kind == tree.Map {
		if key := discriminator(fitting); key != "" {
			w.checkKind(p, fitting, key, n)
			return
		}
	}
	best := w.try(p, fitting[0], n)
	nearest := fitting[0]
	for _, a := range fitting[1:] {
		if len(best.findings) == 0 {
			break
		}
		if t := w.try(p, a, n); len(t.findings) < len(best.findings) {
			best, nearest = t, a
		}
	}
	w.sealed = w.sealed || best.sealed
	switch {
	case len(best.findings) == 0:
	case len(fitting) == 1 && n.Kind.IsScalar() && fitting[0].enum == nil:
		w.merge(p, best, "")
	case n.Kind.IsScalar():
		f := best.findings[0]
		f.Message = must(p, n, "be "+s.expectedInFull())
		w.findings = append(w.findings, f)
		w.repaired[p.key()] = replaced
	case len(fitting) == 1:
		w.merge(p, best, "")
	default:
		w.merge(p, best, nearest.form())
	}
}

// try checks n against one alternative without keeping the result.
func (w *walker) try(p place, s *shape, n *tree.Node) *walker {
	t := newWalker()
	t.check(p, s, n)
	return t
}

// merge takes over the result of the alternative that was nearest. CUE is not asked about the rest of the value: it
// would compare it with the other alternatives too.
func (w *walker) merge(p place, t *walker, form string) {
	for i, f := range t.findings {
		if form != "" && i == 0 {
			f.Hint = strings.TrimPrefix(f.Hint+"; ", "; ") + "nearest of several forms: " + form
		}
		w.findings = append(w.findings, f)
	}
	for key := range t.missing {
		w.missing[key] = true
	}
	w.repaired[p.key()] = replaced
}

// discriminator gives the field by whose value the alternatives are told apart: each has it with values of its own.
func discriminator(alts []*shape) string {
	if len(alts) < 2 {
		return ""
	}
candidates:
	for _, m := range alts[0].fields {
		var seen []*tree.Node
		for _, a := range alts {
			own := a.byName[m.name]
			if own == nil || own.shape.enum == nil || own.presence == optional {
				continue candidates
			}
			for _, v := range own.shape.enum {
				if slices.ContainsFunc(seen, func(s *tree.Node) bool { return sameScalar(s, v) }) {
					continue candidates
				}
			}
			seen = append(seen, own.shape.enum...)
		}
		return m.name
	}
	return ""
}

// checkKind compares a map with the alternative that its discriminator chooses.
func (w *walker) checkKind(p place, alts []*shape, key string, n *tree.Node) {
	var all []*tree.Node
	for _, a := range alts {
		all = append(all, a.byName[key].shape.enum...)
	}
	m := alts[0].byName[key]
	at := p.below(tree.Key(key), m)
	v := n.Field(key)
	switch {
	case v == nil || v.Directive == tree.Delete:
		if chosen := onlyFit(alts, n); chosen != nil {
			w.check(p, chosen, n)
			return
		}
		w.requireKind(p, alts, key, n)
		return
	case v.Sealed:
		w.sealed = true
		return
	}
	for _, a := range alts {
		if a.byName[key].shape.allows(v) {
			w.check(p, a, n)
			return
		}
	}
	if v.Kind.IsScalar() {
		w.wrongValue(at, all, v)
	} else {
		w.wrongKind(at, m.shape, v)
	}
	w.repaired[p.key()] = replaced
}

// requireKind reports that a map does not say which alternative it is.
func (w *walker) requireKind(p place, alts []*shape, key string, n *tree.Node) {
	var all []*tree.Node
	for _, a := range alts {
		all = append(all, a.byName[key].shape.enum...)
	}
	at := p.below(tree.Key(key), alts[0].byName[key])
	w.report(at, n, diag.Finding{Code: CodeRequired, Message: at.name() + " is required", Hint: at.name() + " is " + oneOf(all)})
	w.missing[at.key()] = true
	w.repaired[p.key()] = replaced
}

// onlyFit gives the one alternative that n does not contradict, nil if there are none or several. Like CUE it does not
// count what is missing.
func onlyFit(alts []*shape, n *tree.Node) *shape {
	var fit *shape
	for _, a := range alts {
		w := newWalker()
		w.check(place{}, a, n)
		if slices.ContainsFunc(w.findings, func(f diag.Finding) bool { return f.Code != CodeRequired }) {
			continue
		}
		if fit != nil {
			return nil
		}
		fit = a
	}
	return fit
}

// form describes a kind of map by its fields: "with kind, api_key".
func (s *shape) form() string {
	var names []string
	for _, m := range s.fields {
		if m.presence != optional {
			names = append(names, m.name)
		}
	}
	if len(names) == 0 {
		for _, m := range s.fields {
			names = append(names, m.name)
		}
	}
	switch {
	case len(names) == 0:
		return s.kinds.String()
	case len(names) > maxNames:
		names = names[:maxNames]
	}
	return "a map with " + strings.Join(names, ", ")
}

// expectedInFull is expected with the rules of plain alternatives: "one of "auto", or an integer of at least 1".
func (s *shape) expectedInFull() string {
	var words []string
	var enum []*tree.Node
	for _, a := range s.alts {
		if a.enum != nil {
			enum = append(enum, a.enum...)
			continue
		}
		word := a.kinds.String()
		for i, r := range a.rules {
			if i == 0 {
				word += " that must " + r.demand()
			} else {
				word += " and " + r.demand()
			}
		}
		words = append(words, word)
	}
	if enum != nil {
		words = append([]string{oneOf(enum)}, words...)
	}
	return strings.Join(words, ", or ")
}
