package schema

import (
	"cmp"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
)

// shape describes what one value may be, as far as the text of the schema says it. Shapes form a graph: a schema that
// contains itself is a cycle. They are not changed once built.
//
// A shape never refuses what the schema accepts. Where something depends on other values, or on a function that is not
// known here, the shape is opaque there and leaves the decision to CUE.
type shape struct {
	kinds  kinds
	enum   []*tree.Node // if not nil, the value is one of these scalars
	rules  []rule
	alts   []*shape   // if not nil, the value fits one of these, and what else stands here is in each of them
	def    *tree.Node // the default, with positions in the schema
	marked bool       // def is one of several values, marked with *; else it is the only one

	fields   []*member // of maps, in the order of the schema
	byName   map[string]*member
	patterns []*member
	open     bool // maps may have other fields too
	implicit bool // a struct or list that is there without being written

	items []*member // of lists: the first ones
	rest  *member   // and all others; nil: there may be no others

	pos    diag.Position
	opaque bool // CUE knows more
	unsure bool // CUE knows more, and checks do not say it
	checks []check
}

// member is a field of a map, a pattern for fields, or an item of a list.
type member struct {
	name     string // of a field
	key      *shape // of a pattern: what keys it is for
	label    string // of a pattern: how keys are called in documentation, without <>
	keyText  string // of a pattern: the expression that keys fit, for messages
	shape    *shape
	presence presence
	guards   []condition // if not empty, it only exists where one of these holds
	needed   []condition // where it is required although it is optional elsewhere
	entries  []entry     // of a pattern: its declarations, while the shape is built
	marks    marks
	doc      string
	pos      diag.Position
}

// condition is what stands behind if.
type condition struct {
	text string        // in words as far as possible: kind is "vllm"
	pos  diag.Position // of the field's declaration under it
}

var (
	presenceTest = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`[\w.]+ != _\|_ && `) })
	bareField    = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[\w.]+$`) })
)

// conditionText says a condition in words. That what is compared has to be there goes without saying.
func conditionText(source string) string {
	if bare, negated := strings.CutPrefix(source, "!"); bareField().MatchString(bare) {
		return bare + " is " + strconv.FormatBool(!negated)
	}
	return strings.NewReplacer(" != _|_", " is set", " == _|_", " is not set", " == ", " is ", " != ", " is not ", " && ", " and ", " || ", " or ").
		Replace(presenceTest().ReplaceAllString(source, ""))
}

func texts(conditions []condition) []string {
	var list []string
	for _, c := range conditions {
		if !slices.Contains(list, c.text) {
			list = append(list, c.text)
		}
	}
	return list
}

type presence uint8

// In CUE a regular field is there, whether a configuration has it or not: by its default, or else it is missing.
const (
	optional presence = iota
	required
	regular
)

// kinds is a set of tree kinds.
type kinds uint8

func kindsOf(list ...tree.Kind) (k kinds) {
	for _, kind := range list {
		k |= 1 << kind
	}
	return k
}

const (
	anyKind    = kinds(1<<tree.Null | 1<<tree.Bool | 1<<tree.Int | 1<<tree.Float | 1<<tree.String | 1<<tree.List | 1<<tree.Map)
	numberKind = kinds(1<<tree.Int | 1<<tree.Float)
)

func (k kinds) has(kind tree.Kind) bool { return k&(1<<kind) != 0 }

func (k kinds) list() []tree.Kind {
	var list []tree.Kind
	for kind := tree.Null; kind <= tree.Map; kind++ {
		if k.has(kind) {
			list = append(list, kind)
		}
	}
	return list
}

// String names the kinds as a message says what a value must be.
func (k kinds) String() string {
	if k == anyKind {
		return "any value"
	}
	var words []string
	for _, kind := range k.list() {
		switch {
		case kind == tree.Int && k.has(tree.Float):
		case kind == tree.Float && !k.has(tree.Int):
			words = append(words, "a number with a decimal point")
		default:
			words = append(words, kindWord(kind))
		}
	}
	return strings.Join(words, " or ")
}

func kindWord(k tree.Kind) string {
	switch k {
	case tree.Null:
		return "null"
	case tree.Bool:
		return "true or false"
	case tree.Int:
		return "an integer"
	}
	return "a " + k.String()
}

// ruleOp is what a rule demands.
type ruleOp uint8

const (
	atLeast ruleOp = iota
	moreThan
	atMost
	lessThan
	notEqual
	matches
	matchesNot
	minRunes
	maxRunes
	minItems
	maxItems
	onlyCUE // text is the expression
)

// rule is one thing demanded of a value.
type rule struct {
	op    ruleOp
	bound *big.Rat   // of comparisons and lengths
	value *tree.Node // of notEqual
	re    *pattern   // of patterns
	text  string     // how the schema writes the bound, the pattern or the expression
	pos   diag.Position
}

// holds decides about a value that is no secret's ciphertext; decided is false where only CUE can.
func (r rule) holds(n *tree.Node) (ok, decided bool) {
	switch r.op {
	case atLeast, moreThan, atMost, lessThan:
		c, isNumber := r.compare(n)
		if !isNumber {
			return true, false
		}
		switch r.op {
		case atLeast:
			return c >= 0, true
		case moreThan:
			return c > 0, true
		case atMost:
			return c <= 0, true
		}
		return c < 0, true
	case notEqual:
		return !sameScalar(n, r.value), true
	case matches, matchesNot:
		if n.Kind != tree.String {
			return true, false
		}
		return r.re.match(n.Reveal()) == (r.op == matches), true
	case minRunes, maxRunes:
		if n.Kind != tree.String {
			return true, false
		}
		return r.length(utf8.RuneCountInString(n.Reveal()), r.op == minRunes), true
	case minItems, maxItems:
		return r.length(n.Len(), r.op == minItems), n.Kind == tree.List
	}
	return true, false
}

// compare compares a number with the bound; ok is false for what is none.
func (r rule) compare(n *tree.Node) (c int, ok bool) {
	// Nearly all are small and whole on both sides, and need no arithmetic of any size.
	if v, ok := smallInt(n); ok && r.bound.IsInt() && r.bound.Num().IsInt64() {
		return cmp.Compare(v, r.bound.Num().Int64()), true
	}
	v, ok := n.Number()
	if !ok {
		return 0, false
	}
	return v.Cmp(r.bound), true
}

// smallInt gives the value of an integer in decimal digits that certainly fits.
func smallInt(n *tree.Node) (int64, bool) {
	const digits = 18
	text := n.Reveal()
	if n.Kind != tree.Int || len(text) > digits || strings.HasPrefix(text, "0") && text != "0" || strings.HasPrefix(text, "+") {
		return 0, false
	}
	v, err := strconv.ParseInt(text, 10, 64)
	return v, err == nil
}

func (r rule) length(n int, least bool) bool {
	var c int
	if r.bound.IsInt() && r.bound.Num().IsInt64() {
		c = cmp.Compare(int64(n), r.bound.Num().Int64())
	} else {
		c = new(big.Rat).SetInt64(int64(n)).Cmp(r.bound)
	}
	return c == 0 || (c > 0) == least
}

// sameScalar reports whether two scalars are the same to CUE: numbers by value, where an integer is no float.
func sameScalar(a, b *tree.Node) bool {
	if a.Kind != b.Kind {
		return false
	}
	if a.Kind == tree.Int || a.Kind == tree.Float {
		x, ok := a.Number()
		y, ok2 := b.Number()
		return ok && ok2 && x.Cmp(y) == 0
	}
	return a.Reveal() == b.Reveal()
}

// allows reports whether an enumeration has a value.
func (s *shape) allows(n *tree.Node) bool {
	return slices.ContainsFunc(s.enum, func(e *tree.Node) bool { return sameScalar(e, n) })
}

// free reports whether the shape knows nothing about a value, as for _.
func (s *shape) free() bool {
	return s.kinds == anyKind && s.enum == nil && s.alts == nil && len(s.rules) == 0 && len(s.fields) == 0 && len(s.patterns) == 0
}

// member gives what a map's key may be: the field of that name, or the patterns that the key fits. Several patterns can
// hold for one key.
func (s *shape) members(key string) []*member {
	if m := s.byName[key]; m != nil {
		return []*member{m}
	}
	var found []*member
	for _, p := range s.patterns {
		if p.fits(key) {
			found = append(found, p)
		}
	}
	return found
}

// fits reports whether a pattern is for a key.
func (m *member) fits(key string) bool {
	if m.key == nil || m.key.free() {
		return true
	}
	n := tree.NewString(key)
	if m.key.alts != nil {
		return accepts(m.key, n)
	}
	if !m.key.kinds.has(tree.String) || m.key.enum != nil && !m.key.allows(n) {
		return false
	}
	for i := range m.key.rules {
		if ok, _ := m.key.rules[i].holds(n); !ok {
			return false
		}
	}
	return true
}

// item gives what a list's item may be, or nil.
func (s *shape) item(i int) *member {
	if i < len(s.items) {
		return s.items[i]
	}
	return s.rest
}
