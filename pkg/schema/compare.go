package schema

import (
	"bytes"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/pkg/tree"
)

// FieldChange is what a version of a module says otherwise of a field than another.
type FieldChange struct {
	Key     string   `json:"key"`               // as [Entry] has it
	Kind    string   `json:"kind"`              // added, removed or changed
	Changes []string `json:"changes,omitempty"` // in words: "default 10 → 20"
	// Narrower says that what was valid may not be any more: a value, the field itself, or a configuration without it.
	Narrower bool `json:"narrower,omitempty"`
	// Secret says that it is secret and was not, or that something below it is.
	Secret bool `json:"secret,omitempty"`
}

// Compare says in which fields two versions of a module differ, in the order of the new one, with what is gone at the end.
// Of a map that came or went, what is below it is not told. Rules between fields are not compared: what they decide shows
// in what [Module.Validate] finds.
func Compare(old, new *Module) []FieldChange {
	was := map[string]Field{}
	for e := range old.Fields() {
		was[e.Key] = e.Field
	}
	is := map[string]bool{}
	var out []FieldChange
	top := ""
	for e := range new.Fields() {
		is[e.Key] = true
		o, known := was[e.Key]
		switch {
		case !known && top != "" && isBelow(e.Key, top):
			added := &out[len(out)-1] // nothing else stands between a map and what is below it
			added.Secret = added.Secret || e.Field.Secret
		case !known:
			top = e.Key
			out = append(out, FieldChange{
				Key: e.Key, Kind: "added", Changes: []string{e.Field.summary()}, Secret: e.Field.Secret,
				Narrower: e.Field.Required && len(e.Field.Conditions) == 0,
			})
		default:
			if c := compareFields(o, e.Field); len(c.Changes) > 0 {
				c.Key, c.Kind = e.Key, "changed"
				out = append(out, c)
			}
		}
	}
	top = ""
	for e := range old.Fields() {
		if is[e.Key] || top != "" && isBelow(e.Key, top) {
			continue
		}
		top = e.Key
		out = append(out, FieldChange{Key: e.Key, Kind: "removed", Narrower: true})
	}
	return out
}

// isBelow reports whether a key of the reference is below another.
func isBelow(key, above string) bool {
	rest, ok := strings.CutPrefix(key, above)
	return ok && rest != "" && (rest[0] == '.' || rest[0] == '[')
}

// summary says in a few words what a field is.
func (f Field) summary() string {
	text := kindsOf(f.Kinds...).String()
	if f.Secret {
		text += ", secret"
	}
	switch {
	case f.Required && len(f.Conditions) > 0:
		text += ", required when " + strings.Join(f.Conditions, ", ")
	case f.Required:
		text += ", required"
	case f.Default != nil && !f.Secret:
		text += ", default " + show(f.Default)
	}
	return text
}

// comparison gathers what differs in one field.
type comparison struct{ FieldChange }

func (c *comparison) say(narrower bool, format string, args ...any) {
	c.Changes = append(c.Changes, fmt.Sprintf(format, args...))
	c.Narrower = c.Narrower || narrower
}

func compareFields(old, new Field) FieldChange {
	c := &comparison{}
	if a, b := kindsOf(old.Kinds...), kindsOf(new.Kinds...); a != b {
		c.say(a&^b != 0, "%s → %s", a, b)
	}
	c.presence(old, new)
	c.defaults(old, new)
	c.enums(old.Enum, new.Enum)
	c.bounds(old.Bounds, new.Bounds)
	c.marks(old, new)
	return c.FieldChange
}

func (c *comparison) presence(old, new Field) {
	a, b := strings.Join(old.Conditions, ", or when "), strings.Join(new.Conditions, ", or when ")
	switch {
	case old.Required == new.Required && a == b:
	case new.Required && b != "":
		c.say(!old.Required || a != "", "required when %s", b)
	case new.Required:
		c.say(true, "required")
	case old.Required:
		c.say(false, "not required")
	case b != "":
		c.say(true, "only when %s", b)
	default:
		c.say(false, "always allowed")
	}
}

func (c *comparison) defaults(old, new Field) {
	if old.Secret || new.Secret {
		return
	}
	switch a, b := old.Default, new.Default; {
	case a == nil && b == nil || a != nil && b != nil && sameValue(a, b):
	case a == nil:
		c.say(false, "default %s", showWhole(b))
	case b == nil:
		c.say(false, "no default, it was %s", showWhole(a))
	default:
		c.say(false, "default %s → %s", showWhole(a), showWhole(b))
	}
}

func sameValue(a, b *tree.Node) bool {
	x, errX := a.AppendJSON(nil, tree.Masked)
	y, errY := b.AppendJSON(nil, tree.Masked)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// showWhole gives a default in one line, lists and maps too.
func showWhole(n *tree.Node) string {
	if n.Kind.IsScalar() {
		return show(n)
	}
	text, err := n.AppendJSON(nil, tree.Masked)
	if err != nil || len(text) > maxShown {
		return show(n)
	}
	return string(text)
}

func (c *comparison) enums(old, new []*tree.Node) {
	switch {
	case len(old) == 0 && len(new) == 0:
		return
	case len(old) == 0:
		c.say(true, "must be %s", oneOf(new))
		return
	case len(new) == 0:
		c.say(false, "may be other than %s", oneOf(old))
		return
	}
	missing := func(from, in []*tree.Node) (words []string) {
		for _, n := range from {
			if !slices.ContainsFunc(in, func(o *tree.Node) bool { return sameScalar(n, o) }) {
				words = append(words, show(n))
			}
		}
		return words
	}
	if gone := missing(old, new); len(gone) > 0 {
		c.say(true, "may not be %s", strings.Join(gone, ", "))
	}
	if more := missing(new, old); len(more) > 0 {
		c.say(false, "may be %s", strings.Join(more, ", "))
	}
}

// bounds compares demands such as "be at most 9". One that only has another number is told as one.
func (c *comparison) bounds(old, new []string) {
	gone := slices.DeleteFunc(slices.Clone(old), func(b string) bool { return slices.Contains(new, b) })
	for _, b := range new {
		if slices.Contains(old, b) {
			continue
		}
		kind, limit := limitOf(b)
		i := slices.IndexFunc(gone, func(o string) bool { k, l := limitOf(o); return limit != nil && l != nil && k == kind })
		if i < 0 {
			c.say(true, "must %s", b)
			continue
		}
		_, was := limitOf(gone[i])
		lower := limit.Cmp(was) < 0
		isUpper := strings.Contains(kind, "at most") || strings.Contains(kind, "less than")
		c.say(lower == isUpper, "must %s, was %s", b, was.RatString())
		gone = slices.Delete(gone, i, i+1)
	}
	for _, b := range gone {
		c.say(false, "need not %s", b)
	}
}

// limitOf takes a demand apart into what it is and its number, nil if it has none.
func limitOf(bound string) (kind string, limit *big.Rat) {
	words := strings.Fields(bound)
	for i, w := range words {
		if i > 0 && (words[i-1] == "least" || words[i-1] == "most" || words[i-1] == "than") {
			if n, err := tree.NewNumber(w); err == nil {
				limit, _ = n.Number()
			}
			return strings.Join(words[:i], " "), limit
		}
	}
	return bound, nil
}

func (c *comparison) marks(old, new Field) {
	switch {
	case new.Secret && !old.Secret:
		c.Secret = true
		c.say(true, "secret")
	case old.Secret && !new.Secret:
		c.say(false, "not secret")
	case new.Secret:
		if old.SecretType != new.SecretType && new.SecretType != "" {
			c.say(false, "a secret of type %s", new.SecretType)
		}
		if old.Rotation != new.Rotation && new.Rotation != "" {
			c.say(false, "to be changed every %s", new.Rotation)
		}
		if old.Owner != new.Owner && new.Owner != "" {
			c.say(false, "changed by %s", new.Owner)
		}
	}
	if old.NoPromote != new.NoPromote && !new.Secret {
		if new.NoPromote {
			c.say(false, "never promoted")
		} else {
			c.say(false, "promoted")
		}
	}
	if a, b := old.Merge, new.Merge; a != b {
		c.say(false, "lists join by %s, were by %s", joinName(b), joinName(a))
	}
}

func joinName(r MergeRule) string {
	if text := r.String(); text != "" {
		return text
	}
	return "replace"
}
