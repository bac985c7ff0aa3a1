package jsonschema

import (
	"regexp"
	"slices"
	"strings"
)

// object gives what is demanded of maps, their fields first. Where a struct is not alone, or an argument, CUE does not
// close it by itself.
func (t *translator) object(s *value, alone bool, inside blocks) []code {
	var list []code
	if s.get("properties") != nil || s.get("patternProperties") != nil || s.get("additionalProperties") != nil || s.get("required") != nil || len(inside.codes) > 0 {
		fields := plain("{\n").add(t.fields(s))
		for _, b := range inside.codes {
			fields = fields.add(b, plain("\n"))
		}
		rest := s.get("additionalProperties")
		if rest == nil || rest.isTrue() {
			fields = fields.add(plain("...\n"))
		}
		fields = fields.add(plain("}"))
		if rest.isFalse() && (!alone || t.calls > 0) {
			fields = plain("close(").add(fields, plain(")"))
		}
		list = append(list, fields)
	}
	for _, b := range []struct{ key, function string }{{"minProperties", "MinFields"}, {"maxProperties", "MaxFields"}} {
		if v := s.get(b.key); v != nil && (v.text != "0" || b.key == "maxProperties") {
			list = append(list, from(v.pos, t.call("struct", b.function, v.text)))
		}
	}
	if names := s.get("propertyNames"); names != nil && !names.isTrue() {
		list = append(list, from(names.pos, "close({[").add(t.argument(names, of(text)), plain("]: _})")))
	}
	if len(list) > 0 && s.get("properties") == nil && !strings.HasPrefix(list[0].String(), "{") && !strings.HasPrefix(list[0].String(), "close({") {
		list = append([]code{plain("{...}")}, list...)
	}
	return list
}

// fields gives the fields of a struct.
func (t *translator) fields(s *value) code {
	required := map[string]*value{}
	if r := s.get("required"); r != nil {
		for _, name := range r.items {
			required[name.text] = name
		}
	}
	var c code
	properties := s.get("properties")
	if properties != nil {
		for _, m := range properties.members {
			c = c.add(t.field(m, required[m.key] != nil))
		}
	}
	if r := s.get("required"); r != nil {
		for _, name := range r.items {
			if properties.get(name.text) == nil && required[name.text] == name {
				c = c.add(from(name.pos, label(name.text), "!: _\n"))
			}
		}
	}
	if p := s.get("patternProperties"); p != nil {
		for _, m := range p.members {
			c = c.add(comment(docOf(m.value)), from(m.pos, "[=~", quote(t.pattern(m.key, m.pos)), "]: "), t.schema(m.value, all), t.marksOf(m.value), plain("\n"))
		}
	}
	if a := s.get("additionalProperties"); a != nil && a.kind == object {
		c = c.add(comment(docOf(a)), from(a.pos, "[", others(s), "]: "), t.schema(a, all), t.marksOf(a), plain("\n"))
	}
	return c
}

// others gives what keys fit that additionalProperties is about.
func others(s *value) string {
	var not []string
	if p := s.get("properties"); p != nil && len(p.members) > 0 {
		var names []string
		for _, m := range p.members {
			names = append(names, regexp.QuoteMeta(m.key))
		}
		not = append(not, "!~"+quote("^("+strings.Join(names, "|")+")$"))
	}
	if p := s.get("patternProperties"); p != nil {
		for _, m := range p.members {
			not = append(not, "!~"+quote(m.key))
		}
	}
	if not == nil {
		return "string"
	}
	return strings.Join(not, " & ")
}

// field gives one property. One with a default is always there.
func (t *translator) field(m member, required bool) code {
	c := comment(docOf(m.value)).add(from(m.pos, label(m.key)))
	expr := t.schema(m.value, all)
	def := t.defaultOf(m.value, 0)
	switch {
	case m.value.isFalse() && !required:
		c = c.add(plain("?: _|_"))
	case def == nil && required:
		c = c.add(plain("!: "), expr)
	case def == nil:
		c = c.add(plain("?: "), expr)
	case def.kind == object && len(def.members) == 0:
		c = c.add(plain(": "), expr)
	default:
		c = c.add(from(def.pos, ": *"), literalOf(def), plain(" | "), bracketed(expr))
		t.defaults = append(t.defaults, plain("(").add(expr, plain(") & "), literalOf(def)).at(def.pos))
	}
	return c.add(t.marksOf(m.value), plain("\n"))
}

// bracketed puts brackets around what has operators.
func bracketed(c code) code {
	if strings.Contains(c.String(), " & ") {
		return plain("(").add(c, plain(")"))
	}
	return c
}

// defaultOf gives the default of a schema, or of what it refers to.
func (t *translator) defaultOf(s *value, depth int) *value {
	if d := s.get("default"); d != nil {
		return d
	}
	ref := s.get("$ref")
	if ref == nil || depth == maxNesting {
		return nil
	}
	target := t.target(ref)
	if target == nil {
		return nil
	}
	return t.defaultOf(target, depth+1)
}

// blocks are what stands inside a struct beside its fields, with the keywords and schemas that it says.
type blocks struct {
	codes []code
	said  map[*value]bool
}

// blocks gives what can be said inside the struct of a schema that is for maps only: there the reasons for what is wrong
// are known better than for conditions around it.
func (t *translator) blocks(s *value, k kinds) blocks {
	b := blocks{said: map[*value]bool{}}
	if k != of(object) || t.depth == maxNesting {
		return b
	}
	add := func(v *value, c code, ok bool) {
		if ok {
			b.codes = append(b.codes, c)
			b.said[v] = true
		}
	}
	if cond := s.get("if"); cond != nil {
		c, ok := t.conditional(s, s)
		add(cond, c, ok)
	}
	if list := s.get("allOf"); list != nil {
		for _, arm := range list.items {
			if arm.get("if") != nil && onlyHas(arm, "if", "then", "else") {
				c, ok := t.conditional(arm, s)
				add(arm, c, ok)
			}
		}
	}
	if d := s.get("dependentRequired"); d != nil {
		c, ok := dependent(d, s)
		add(d, c, ok)
	}
	if one := s.get("oneOf"); one != nil {
		c, ok := exclusive(one)
		add(one, c, ok)
	}
	return b
}

// notes are the keywords that demand nothing.
var notes = [...]string{"title", "description", "$comment", "examples", "deprecated"}

// onlyHas reports whether a schema has no other keywords that demand something.
func onlyHas(s *value, keys ...string) bool {
	return s.kind == object && !slices.ContainsFunc(s.members, func(m member) bool { return !slices.Contains(keys, m.key) && !slices.Contains(notes[:], m.key) })
}

// conditional gives if, then and else that ask whether a field of the owner has one of some values.
func (t *translator) conditional(s, owner *value) (code, bool) {
	cond := s.get("if")
	fields := cond.get("properties")
	if !onlyHas(cond, "properties", "required") || fields == nil || len(fields.members) != 1 {
		return nil, false
	}
	m := fields.members[0]
	values := scalars(m.value)
	declared := owner.get("properties").get(m.key)
	if len(values) == 0 || !isIdentifier(m.key) || declared == nil {
		return nil, false
	}
	if r := cond.get("required"); r != nil && (len(r.items) != 1 || r.items[0].text != m.key) {
		return nil, false
	}
	always := has(owner.get("required"), m.key) || t.defaultOf(declared, 0) != nil
	if !always && (!has(cond.get("required"), m.key) || s.get("else") != nil) {
		return nil, false
	}
	var c code
	for _, branch := range []struct{ key, op, joint string }{{"then", " == ", " || "}, {"else", " != ", " && "}} {
		then := s.get(branch.key)
		if then == nil || then.isTrue() {
			continue
		}
		if !onlyHas(then, "properties", "required") || owner.get("additionalProperties").isFalse() && addsTo(owner, then) {
			return nil, false
		}
		var tests []string
		for _, v := range values {
			tests = append(tests, m.key+branch.op+literalOf(v).String())
		}
		inner := from(cond.pos, "if ", strings.Join(tests, branch.joint), " {\n").add(t.fields(then), plain("}"))
		if t.defaultOf(declared, 0) == nil {
			inner = from(cond.pos, "if ", m.key, " != _|_ {\n").add(inner, plain("\n}"))
		}
		c = c.add(inner, plain("\n"))
	}
	return c, true
}

// scalars gives the values that a schema allows, where it says nothing else.
func scalars(s *value) []*value {
	if !onlyHas(s, "const", "enum", "type") {
		return nil
	}
	list := []*value{s.get("const")}
	if e := s.get("enum"); e != nil {
		if list[0] != nil {
			return nil
		}
		list = e.items
	}
	if slices.ContainsFunc(list, func(v *value) bool { return v == nil || v.kind != text && v.kind != boolean }) {
		return nil
	}
	return list
}

func has(names *value, name string) bool {
	return names != nil && slices.ContainsFunc(names.items, func(v *value) bool { return v.text == name })
}

// addsTo reports whether a schema is about fields that the owner does not declare.
func addsTo(owner, s *value) bool {
	declared := owner.get("properties")
	if r := s.get("required"); r != nil && slices.ContainsFunc(r.items, func(v *value) bool { return declared.get(v.text) == nil }) {
		return true
	}
	p := s.get("properties")
	return p != nil && slices.ContainsFunc(p.members, func(m member) bool { return declared.get(m.key) == nil })
}

// dependent gives dependentRequired between fields that can be referred to.
func dependent(d, owner *value) (code, bool) {
	var c code
	for _, m := range d.members {
		if !isIdentifier(m.key) || owner.get("properties").get(m.key) == nil || owner.get("additionalProperties").isFalse() &&
			slices.ContainsFunc(m.value.items, func(v *value) bool { return owner.get("properties").get(v.text) == nil }) {
			return nil, false
		}
		if len(m.value.items) == 0 {
			continue
		}
		c = c.add(from(m.pos, "if ", m.key, " != _|_ {"))
		for i, name := range m.value.items {
			if i > 0 {
				c = c.add(plain(", "))
			}
			c = c.add(from(name.pos, label(name.text), "!: _"))
		}
		c = c.add(plain("}\n"))
	}
	return c, true
}

// exclusive gives oneOf of schemas each of which demands one field.
func exclusive(one *value) (code, bool) {
	var arms []code
	for _, s := range one.items {
		r := s.get("required")
		if !onlyHas(s, "required") || r == nil || len(r.items) != 1 {
			return nil, false
		}
		arms = append(arms, from(r.items[0].pos, "{", label(r.items[0].text), "!: _, ...}"))
	}
	return from(one.pos, "matchN(1, [").add(join(arms, ", "), plain("])")), true
}
