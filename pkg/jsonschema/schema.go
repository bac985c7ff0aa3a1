package jsonschema

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// never is what no value satisfies, without being an error where it stands as _|_ is.
const never = "matchN(0, [_])"

// maxNesting bounds how deep schemas are followed; each may refer to a definition, where it ends.
const maxNesting = 60

// schema gives the expression of a schema for values that are known to be of some kinds.
func (t *translator) schema(s *value, within kinds) code {
	if s.kind == boolean {
		return from(s.pos, map[bool]string{true: "_", false: never}[s.isTrue()])
	}
	if t.depth++; t.depth > maxNesting {
		t.refuse(t.rules.Limit, s.pos, fmt.Sprintf("schemas are nested more than %d deep", maxNesting), "give an inner one a name below $defs, and refer to it")
	}
	defer func() { t.depth-- }()
	parts := t.parts(s, within)
	if len(parts) == 0 {
		parts = []code{plain("_")}
	}
	return from(s.pos).add(join(bare(parts), " & "))
}

// argument gives the expression of a schema as an argument of a function.
func (t *translator) argument(s *value, within kinds) code {
	t.calls++
	defer func() { t.calls-- }()
	return t.part(s, within)
}

// part gives a schema that stands in another, not behind a field: marks need a definition to stand behind.
func (t *translator) part(s *value, within kinds) code {
	if hasMarks(s) && s.kind == object {
		return from(s.pos, t.define(s, "Item"))
	}
	return t.schema(s, within)
}

// parts gives all that a schema demands.
func (t *translator) parts(s *value, within kinds) []code {
	k := within
	if typ := s.get("type"); typ != nil {
		named, _ := kindsOf(typ)
		k &= named
	}
	if k == 0 {
		return []code{plain(never)}
	}
	var parts []code
	if ref := s.get("$ref"); ref != nil {
		if name, ok := t.imported(ref); ok {
			parts = append(parts, from(ref.pos, name))
		} else if target := t.target(ref); target != nil {
			parts = append(parts, from(ref.pos, t.define(target, ref.text[strings.LastIndexAny(ref.text, "#/")+1:])))
		}
	}
	values := t.values(s, k)
	parts = append(parts, values...)
	inside := t.blocks(s, k)
	others := t.combined(s, k, inside)
	alone := len(parts) == 0 && len(others) == 0
	if typed := t.typed(s, k, values == nil && s.get("type") != nil, alone, inside); typed != nil {
		parts = append(parts, typed)
	}
	return append(parts, others...)
}

// groups are the kinds that keywords are for, in the order in which alternatives are written.
var groups = [...]struct {
	kinds kinds
	base  string
}{
	{of(null), "null"},
	{of(boolean), "bool"},
	{of(integer), "int"}, // without number
	{of(number, integer), "number"},
	{of(text), "string"},
	{of(array), "[...]"},
	{of(object), "{...}"},
}

// typed gives what a schema says of each kind by itself: nil if that is nothing.
func (t *translator) typed(s *value, k kinds, named, alone bool, inside blocks) code {
	var arms []code
	demands := false
	for _, g := range groups {
		if k&g.kinds == 0 || g.kinds == of(integer) && k.has(number) || g.kinds == of(number, integer) && !k.has(number) {
			continue
		}
		var list []code
		switch {
		case g.kinds.has(array):
			list = t.list(s)
		case g.kinds.has(object):
			list = t.object(s, alone && k == of(object), inside)
		case g.kinds.has(integer):
			list = t.numeric(s)
		case g.kinds.has(text):
			list = t.textual(s)
		}
		demands = demands || len(list) > 0
		if isLiteral := g.kinds.has(array) || g.kinds.has(object); len(list) == 0 || !isLiteral && (named || k != g.kinds) {
			list = append([]code{plain(g.base)}, list...)
		}
		arms = append(arms, join(list, " & "))
	}
	if !demands && !named {
		return nil
	}
	return choice(arms)
}

// numeric gives the bounds on numbers.
func (t *translator) numeric(s *value) []code {
	var list []code
	for _, b := range []struct{ key, op string }{{"minimum", ">="}, {"exclusiveMinimum", ">"}, {"maximum", "<="}, {"exclusiveMaximum", "<"}} {
		if v := s.get(b.key); v != nil {
			list = append(list, from(v.pos, b.op, v.text))
		}
	}
	if v := s.get("multipleOf"); v != nil {
		list = append(list, from(v.pos, t.call("math", "MultipleOf", v.text)))
	}
	return list
}

// textual gives the bounds on strings.
func (t *translator) textual(s *value) []code {
	var list []code
	if v := s.get("minLength"); v != nil && v.text != "0" {
		list = append(list, from(v.pos, t.call("strings", "MinRunes", v.text)))
	}
	if v := s.get("maxLength"); v != nil {
		list = append(list, from(v.pos, t.call("strings", "MaxRunes", v.text)))
	}
	if v := s.get("pattern"); v != nil {
		list = append(list, from(v.pos, "=~", quote(t.pattern(v.text, v.pos))))
	}
	if v := s.get("format"); v != nil {
		if f := t.format(v.text); f != "" {
			list = append(list, from(v.pos, f))
		}
	}
	return list
}

// list gives what is demanded of lists, their items first.
func (t *translator) list(s *value) []code {
	var list []code
	if items := t.items(s); items != nil {
		list = append(list, items)
	}
	for _, b := range []struct{ key, function string }{{"minItems", "MinItems"}, {"maxItems", "MaxItems"}} {
		if v := s.get(b.key); v != nil && (v.text != "0" || b.key == "maxItems") {
			list = append(list, from(v.pos, t.call("list", b.function, v.text)))
		}
	}
	if v := s.get("uniqueItems"); v.isTrue() {
		list = append(list, from(v.pos, t.call("list", "UniqueItems")))
	}
	if v := s.get("contains"); v != nil {
		count := ">=1"
		if least := s.get("minContains"); least != nil {
			count = ">=" + least.text
		}
		if most := s.get("maxContains"); most != nil {
			count += " & <=" + most.text
		}
		t.imports["list"] = true
		list = append(list, from(v.pos, "list.MatchN(", count, ", ").add(t.argument(v, all), plain(")")))
	}
	if len(list) > 0 && s.get("items") == nil && s.get("prefixItems") == nil {
		list = append([]code{plain("[...]")}, list...)
	}
	return list
}

// maxPrefix bounds prefixItems that need not be there, as each number of them is written out.
const maxPrefix = 12

// items gives the list that prefixItems and items describe.
func (t *translator) items(s *value) code {
	prefix, rest := s.get("prefixItems"), s.get("items")
	if prefix == nil {
		switch {
		case rest == nil:
			return nil
		case rest.isFalse():
			return from(rest.pos, "[]")
		case rest.isTrue():
			return from(rest.pos, "[...]")
		}
		return from(rest.pos, "[...").add(t.part(rest, all), plain("]"))
	}
	var first []code
	for _, p := range prefix.items {
		first = append(first, t.part(p, all))
	}
	open := plain("...")
	if rest != nil && rest.kind == object {
		open = plain("...").add(t.part(rest, all))
	}
	least := 0
	if v := s.get("minItems"); v != nil {
		least, _ = strconv.Atoi(v.text)
	}
	if len(first)-least > maxPrefix {
		t.refuse(t.rules.Limit, prefix.pos, fmt.Sprintf("more than %d items that need not be there", maxPrefix), "demand them by minItems")
		return nil
	}
	var arms []code
	for n := min(least, len(first)); n <= len(first); n++ {
		list := slices.Clone(first[:n])
		if n == len(first) && !rest.isFalse() {
			list = append(list, open)
		}
		arms = append(arms, plain("[").add(join(list, ", "), plain("]")))
	}
	return choice(arms)
}

// values gives enum and const, as far as they are of the right kinds.
func (t *translator) values(s *value, k kinds) []code {
	var lists [][]*value
	if c := s.get("const"); c != nil {
		lists = append(lists, []*value{c})
	}
	if e := s.get("enum"); e != nil {
		lists = append(lists, e.items)
	}
	var parts []code
	for _, list := range lists {
		var arms []code
		for _, v := range list {
			if kindOfValue(v)&k != 0 {
				arms = append(arms, from(v.pos).add(written(v)))
			}
		}
		if len(arms) == 0 {
			arms = []code{plain(never)}
		}
		parts = append(parts, choice(arms))
	}
	return parts
}

// written gives a value as something that others have to be: the same fields, each of which is there.
func written(v *value) code {
	switch v.kind {
	case object:
		c := plain("close({")
		for i, m := range v.members {
			if i > 0 {
				c = c.add(plain(", "))
			}
			c = c.add(plain(quote(m.key), "!: "), written(m.value))
		}
		return c.add(plain("})"))
	case array:
		var list []code
		for _, i := range v.items {
			list = append(list, written(i))
		}
		return plain("[").add(join(list, ", "), plain("]"))
	}
	return literalOf(v)
}

// literalOf gives a value as it is.
func literalOf(v *value) code {
	switch v.kind {
	case null:
		return plain("null")
	case text:
		return plain(quote(v.text))
	case array:
		var list []code
		for _, i := range v.items {
			list = append(list, literalOf(i))
		}
		return plain("[").add(join(list, ", "), plain("]"))
	case object:
		var list []code
		for _, m := range v.members {
			list = append(list, plain(quote(m.key), ": ").add(literalOf(m.value)))
		}
		return plain("{").add(join(list, ", "), plain("}"))
	}
	return plain(v.text)
}
