package schema

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
)

// maxShown bounds the characters of a value in a message.
const maxShown = 60

// show gives a value for a message; it is not called for secrets.
func show(n *tree.Node) string {
	switch n.Kind {
	case tree.Map:
		return "a map"
	case tree.List:
		return "a list"
	case tree.String:
		text := n.Text()
		if utf8.RuneCountInString(text) > maxShown {
			text = string([]rune(text)[:maxShown]) + "…"
		}
		return strconv.Quote(text)
	}
	if text := n.Text(); len(text) > maxShown {
		return text[:maxShown] + "…"
	}
	return n.Text()
}

// is gives " is 3.5", or nothing for a secret.
func is(p place, n *tree.Node) string {
	if p.secret || hasSecret(n) {
		return ""
	}
	return " is " + show(n)
}

// must joins a place, its value and what it must be: "temperature is 3.5, must be at most 2", "api_key must be a string".
func must(p place, n *tree.Node, demand string) string {
	if v := is(p, n); v != "" {
		return p.name() + v + ", must " + demand
	}
	return p.name() + " must " + demand
}

func hasSecret(n *tree.Node) bool { return n.Secret && n.Kind.IsScalar() }

func (w *walker) wrongKind(p place, s *shape, n *tree.Node) {
	f := diag.Finding{Code: CodeType, Message: must(p, n, "be "+s.expected())}
	if s.enum != nil {
		f.Message = must(p, n, "be "+oneOf(s.enum))
	}
	switch {
	case n.Kind == tree.Null:
		f.Hint = "null is a value of its own; to take an inherited value away write !delete"
	case n.Kind == tree.String && !p.secret && s.kinds&(numberKind|kindsOf(tree.Bool)) != 0:
		if kind, _ := tree.Resolve(n.Text()); s.kinds.has(kind) {
			f.Hint = "take the quotes away"
		}
	case n.Kind.IsScalar() && n.Kind != tree.String && s.kinds.has(tree.String):
		f.Hint = "put it in quotes to make it text"
	case n.Kind == tree.Int && s.kinds.has(tree.Float):
		f.Hint = "write " + show(n) + ".0"
		if p.secret {
			f.Hint = ""
		}
	}
	w.report(p, n, f)
}

func (w *walker) wrongValue(p place, enum []*tree.Node, n *tree.Node) {
	f := diag.Finding{Code: CodeEnum, Message: must(p, n, "be "+oneOf(enum))}
	if n.Kind == tree.String && !p.secret && !n.Secret {
		f.Hint = diag.DidYouMean(n.Text(), words(enum), "")
	}
	w.report(p, n, f)
}

func words(enum []*tree.Node) []string {
	var words []string
	for _, e := range enum {
		if e.Kind == tree.String {
			words = append(words, e.Text())
		}
	}
	return words
}

// oneOf lists allowed values.
func oneOf(enum []*tree.Node) string {
	words := make([]string, len(enum))
	for i, e := range enum {
		words[i] = show(e)
	}
	if len(words) == 1 {
		return words[0]
	}
	return "one of " + strings.Join(words, ", ")
}

// broken reports a rule that does not hold.
func (w *walker) broken(p place, r rule, n *tree.Node) {
	f := diag.Finding{Code: CodeBound}
	switch r.op {
	case matches, matchesNot:
		f.Code = CodePattern
		switch {
		case is(p, n) != "":
			f.Message = must(p, n, r.demand())
		case r.op == matches:
			f.Message = p.name() + " does not match " + r.text
		default:
			f.Message = p.name() + " matches " + r.text + ", must not"
		}
	case minRunes, maxRunes:
		f.Message = p.name() + " must " + r.demand()
		if !p.secret && !n.Secret {
			f.Message = fmt.Sprintf("%s has %s, must %s", p.name(), count(utf8.RuneCountInString(n.Text()), "character"), r.demand())
		}
	case minItems, maxItems:
		f.Message = fmt.Sprintf("%s has %s, must %s", p.name(), count(n.Len(), "item"), r.demand())
	case onlyCUE:
		f.Code = CodeConstraint
		f.Message = must(p, n, r.demand())
	default:
		f.Message = must(p, n, r.demand())
	}
	w.report(p, n, f)
}

// demand says what the rule wants, to go behind "must".
func (r rule) demand() string {
	switch r.op {
	case atLeast:
		return "be at least " + r.text
	case moreThan:
		return "be more than " + r.text
	case atMost:
		return "be at most " + r.text
	case lessThan:
		return "be less than " + r.text
	case notEqual:
		return "not be " + r.text
	case matches:
		return "match " + r.text
	case matchesNot:
		return "not match " + r.text
	case minRunes:
		return "have at least " + r.text
	case maxRunes:
		return "have at most " + r.text
	case minItems:
		return "have at least " + r.text
	case maxItems:
		return "have at most " + r.text
	}
	return satisfy(r.text)
}

// satisfy says in words what an expression wants, where it is well known.
func satisfy(expression string) string {
	if words, ok := demands[strings.TrimSuffix(expression, "()")]; ok {
		return words
	}
	if n, ok := strings.CutPrefix(expression, "math.MultipleOf("); ok {
		return "be a multiple of " + strings.TrimSuffix(n, ")")
	}
	return "satisfy " + expression
}

// demands says in words what well-known functions want.
var demands = map[string]string{
	"list.UniqueItems": "not hold an item twice",
	"time.Duration":    "be a length of time such as 30s or 1h30m",
	"time.Time":        "be a time such as 2006-01-02T15:04:05Z",
	"net.IP":           "be an IP address",
	"net.IPv4":         "be an IPv4 address",
	"net.IPv6":         "be an IPv6 address",
	"net.IPCIDR":       "be a network such as 10.0.0.0/8",
	"net.FQDN":         "be a fully qualified domain name",
	"net.URL":          "be a URL",
	"net.AbsURL":       "be an absolute URL",
	"net.HTTPURL":      "be an http or https URL",
	"json.Valid":       "be JSON",
	"regexp.Valid":     "be a regular expression",
	"uuid.Valid":       "be a UUID",
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// expected says what a value must be: "an integer", "one of "a", "b"", "a string or a map".
func (s *shape) expected() string {
	switch {
	case s.enum != nil:
		return oneOf(s.enum)
	case s.alts == nil:
		return s.kinds.String()
	}
	var plain kinds
	var enum []*tree.Node
	for _, a := range s.alts {
		if a.enum != nil {
			enum = append(enum, a.enum...)
		} else {
			plain |= a.kinds
		}
	}
	words := plain.String()
	if enum == nil {
		return words
	}
	if plain == 0 {
		return oneOf(enum)
	}
	return oneOf(enum) + ", or " + words
}

// expectation is the hint for a missing field: what it is, and the first sentence of its comment.
func expectation(p place, m *member) string {
	hint := p.path.String() + " is " + m.shape.expected()
	if m.doc != "" {
		hint += ": " + firstSentence(m.doc)
	}
	return hint
}

func firstSentence(doc string) string {
	doc = strings.Join(strings.Fields(doc), " ")
	if i := strings.Index(doc, ". "); i >= 0 {
		doc = doc[:i]
	}
	return strings.TrimSuffix(doc, ".")
}
