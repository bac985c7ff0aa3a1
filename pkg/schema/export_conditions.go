package schema

import "github.com/llm-devops/lcm/pkg/tree"

// export gives a check as a schema for the map of the shape s that the check is on: if, then. ok is false where JSON
// Schema would demand more, or nothing.
func (c *check) export(s *shape) (o object, ok bool) {
	if c.then.op == never && len(c.when) == 1 && c.when[0].op == isNot && c.when[0].of[0].op == exactlyOne {
		return exportExactlyOne(s, c.when[0].of[0])
	}
	var condition object
	var known []any // keys without which the condition is not decided
	for i := range c.when {
		one, ok := c.when[i].export(s, false, &known)
		if !ok {
			return o, false
		}
		if len(one.fields) > 0 {
			condition.also(one)
		}
	}
	if len(known) > 0 {
		condition.set("required", known)
	}
	then, ok := c.then.export(s)
	if !ok {
		return o, false
	}
	if len(condition.fields) == 0 {
		return then, true
	}
	o.set("if", condition.simple())
	o.set("then", then)
	return o, true
}

// simple joins allOf of a single schema with what stands beside it.
func (o object) simple() object {
	i := o.index("allOf")
	if i < 0 {
		return o
	}
	list := o.fields[i].value.([]any)
	only, isObject := list[0].(object)
	if len(list) != 1 || !isObject {
		return o
	}
	var out object
	for _, f := range o.fields {
		if f.key != "allOf" {
			out.set(f.key, f.value)
		}
	}
	for _, f := range only.fields {
		out.add(f.key, f.value)
	}
	return out
}

func exportExactlyOne(s *shape, t test) (o object, ok bool) {
	var arms []any
	for i := range t.of {
		m := s.byName[t.of[i].key]
		if m == nil || m.presence == regular {
			return o, false
		}
		var arm object
		arm.set("required", []any{m.name})
		arms = append(arms, arm)
	}
	o.set("oneOf", arms)
	return o, len(arms) > 0
}

// export gives a condition, or its opposite. To CUE a comparison with what is not there is neither true nor false: the
// keys that have to be there are added to known. A key that is there by its default is compared with that.
func (t *test) export(s *shape, negated bool, known *[]any) (o object, ok bool) {
	switch t.op {
	case isNot:
		return t.of[0].export(s, !negated, known)
	case both, either:
		keyword := "allOf"
		if (t.op == either) != negated {
			keyword = "anyOf"
		}
		var arms []any
		for i := range t.of {
			arm, ok := t.of[i].export(s, negated, known)
			if !ok {
				return o, false
			}
			arms = append(arms, arm)
		}
		o.set(keyword, arms)
		return o, true
	}
	m := s.byName[t.key]
	if m == nil || m.marks.secret { // a secret may be sealed
		return o, false
	}
	switch t.op {
	case isSet:
		switch {
		case m.presence != regular && !negated:
			o.set("required", []any{m.name})
		case m.presence != regular:
			var there object
			there.set("required", []any{m.name})
			o.set("not", there)
		case negated:
			o.set("not", object{})
		}
		return o, true
	case isTrue:
		return t.compare(m, tree.NewBool(true), negated, known), true
	case equals:
		return t.compare(m, t.value, negated, known), true
	}
	return o, false
}

// compare gives the condition that a field has a value, or that it has another one of that kind.
func (t *test) compare(m *member, value *tree.Node, negated bool, known *[]any) object {
	var is, properties, o object
	if negated {
		var other object
		other.set("const", value)
		is.set("type", jsonTypes(kindsOf(value.Kind)))
		is.set("not", other)
	} else {
		is.set("const", value)
	}
	properties.set(m.name, is)
	o.set("properties", properties)
	def := m.shape.def
	switch {
	case m.presence != regular || def == nil || len(m.guards) > 0 || m.shape.opaque:
		*known = appendNew(*known, m.name)
	case def.Kind != value.Kind || sameScalar(def, value) == negated:
		o.set("required", []any{m.name}) // it is something else by default
	}
	return o
}

func appendNew(list []any, name string) []any {
	for _, have := range list {
		if have == name {
			return list
		}
	}
	return append(list, name)
}

// export gives a demand on a value of the shape s; ok is false where nothing of it can be said.
func (d *demand) export(s *shape) (o object, ok bool) {
	switch d.op {
	case never:
		o.set("not", object{})
		return o, true
	case ofEach:
		// What a pattern demands is not told from what it demands of all values, so this is for lists alone.
		if s.kinds == kindsOf(tree.List) && len(s.items) == 0 && s.rest != nil && s.alts == nil {
			if inner, ok := d.each[0].export(s.rest.shape); ok {
				o.set("items", inner)
				return o, true
			}
		}
	case ofFields:
		if s.alts == nil {
			return d.exportFields(s)
		}
	}
	return o, false
}

func (d *demand) exportFields(s *shape) (o object, ok bool) {
	var properties object
	var needed []any
	for i := range d.fields {
		f := &d.fields[i]
		m := s.byName[f.name]
		if m == nil {
			continue
		}
		inner, says := f.demand.export(m.shape)
		if says {
			properties.set(f.name, inner)
		}
		// A field with a default is there. A struct that the check brings about has to have what is required in it.
		brought := f.presence == regular && m.shape.def == nil && inner.has("required")
		if m.presence != regular && f.presence == required || brought {
			needed = append(needed, f.name)
		}
	}
	if len(properties.fields) > 0 {
		o.set("properties", properties)
	}
	if len(needed) > 0 {
		o.set("required", needed)
	}
	return o, len(o.fields) > 0
}
