package jsonschema

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// combined gives what other schemas a schema names demand, as far as it is not said inside its struct.
func (t *translator) combined(s *value, k kinds, inside blocks) []code {
	var list []code
	if v := s.get("allOf"); v != nil {
		for _, arm := range v.items {
			if !inside.said[arm] {
				list = append(list, t.allOf(arm, k))
			}
		}
	}
	if v := s.get("anyOf"); v != nil {
		list = append(list, t.anyOf(v, k))
	}
	if v := s.get("oneOf"); v != nil && !inside.said[v] {
		list = append(list, t.oneOf(v, k))
	}
	if v := s.get("not"); v != nil {
		list = append(list, from(v.pos, "matchN(0, [").add(t.argument(v, k), plain("])")))
	}
	if v := s.get("if"); v != nil && !inside.said[v] && (s.get("then") != nil || s.get("else") != nil) {
		c := from(v.pos, "matchIf(").add(t.argument(v, k))
		for _, key := range []string{"then", "else"} {
			branch := plain("_")
			if then := s.get(key); then != nil {
				branch = t.argument(then, k)
			}
			c = c.add(plain(", "), branch)
		}
		list = append(list, c.add(plain(")")))
	}
	if v := s.get("dependentRequired"); v != nil && !inside.said[v] && k.has(object) {
		for _, m := range v.members {
			var needs []string
			for _, name := range m.value.items {
				needs = append(needs, label(name.text)+"!: _, ")
			}
			list = append(list, from(m.pos, "matchIf({", label(m.key), "!: _, ...}, {", strings.Join(needs, ""), "...}, _)"))
		}
	}
	if v := s.get("dependentSchemas"); v != nil && k.has(object) {
		for _, m := range v.members {
			list = append(list, from(m.pos, "matchIf({", label(m.key), "!: _, ...}, ").add(t.argument(m.value, k), plain(", _)")))
		}
	}
	return list
}

// allOf gives one of several schemas that all hold.
func (t *translator) allOf(arm *value, k kinds) code {
	t.calls++ // a struct beside others
	defer func() { t.calls-- }()
	return choice([]code{t.part(arm, k)})
}

// anyOf gives a disjunction, where CUE does not have to choose between maps or lists that fit several schemas.
func (t *translator) anyOf(list *value, k kinds) code {
	scalar := of(null, boolean, number, integer, text)
	if t.areDisjoint(list.items, k) || !slices.ContainsFunc(list.items, func(s *value) bool { return t.kindsOf(s, k, 0)&^scalar != 0 }) {
		return t.disjunction(list, k)
	}
	return from(list.pos, "matchN(>=1, [").add(join(t.arms(list, k), ", "), plain("])"))
}

func (t *translator) oneOf(list *value, k kinds) code {
	if t.areDisjoint(list.items, k) {
		return t.disjunction(list, k)
	}
	return from(list.pos, "matchN(1, [").add(join(t.arms(list, k), ", "), plain("])"))
}

func (t *translator) disjunction(list *value, k kinds) code {
	return choice(t.arms(list, k))
}

func (t *translator) arms(list *value, k kinds) []code {
	var arms []code
	for _, arm := range list.items {
		arms = append(arms, t.argument(arm, k))
	}
	return arms
}

// areDisjoint reports whether no value fits two of several schemas, as far as that is easily seen: they are for different
// kinds of values, or for maps told apart by one field.
func (t *translator) areDisjoint(list []*value, k kinds) bool {
	for i, a := range list {
		for _, b := range list[:i] {
			common := t.kindsOf(a, k, 0) & t.kindsOf(b, k, 0)
			if common != 0 && (common != of(object) || !t.areToldApart(a, b)) && !areOthers(a, b) {
				return false
			}
		}
	}
	return true
}

// kindsOf gives of which kinds values are that fit a schema.
func (t *translator) kindsOf(s *value, within kinds, depth int) kinds {
	if s.kind == boolean {
		if s.isTrue() {
			return within
		}
		return 0
	}
	k := within
	if typ := s.get("type"); typ != nil {
		named, _ := kindsOf(typ)
		k &= named
	}
	if ref := s.get("$ref"); ref != nil && depth < maxNesting {
		if target := t.target(ref); target != nil {
			k = t.kindsOf(target, k, depth+1)
		}
	}
	if c := s.get("const"); c != nil {
		k &= kindOfValue(c)
	}
	if e := s.get("enum"); e != nil {
		var some kinds
		for _, v := range e.items {
			some |= kindOfValue(v)
		}
		k &= some
	}
	return k
}

// areOthers reports whether two schemas allow different values.
func areOthers(a, b *value) bool {
	x, y := scalars(a), scalars(b)
	return len(x) > 0 && len(y) > 0 && !slices.ContainsFunc(x, func(v *value) bool { return slices.ContainsFunc(y, v.same) })
}

// areToldApart reports whether there is a field that both schemas demand with different values.
func (t *translator) areToldApart(a, b *value) bool {
	a, b = t.referred(a), t.referred(b)
	properties := a.get("properties")
	if properties == nil {
		return false
	}
	return slices.ContainsFunc(properties.members, func(m member) bool {
		other := b.get("properties").get(m.key)
		return other != nil && has(a.get("required"), m.key) && has(b.get("required"), m.key) && areOthers(m.value, other)
	})
}

// referred follows references that stand alone.
func (t *translator) referred(s *value) *value {
	for range maxNesting {
		ref := s.get("$ref")
		if ref == nil {
			return s
		}
		target := t.target(ref)
		if target == nil {
			return s
		}
		s = target
	}
	return s
}

// moduleRef is what references to the definitions of another module begin with.
const moduleRef = "lcm.local/schemas/"

// imported gives the definition of another module that $ref names.
func (t *translator) imported(ref *value) (name string, ok bool) {
	path, fragment, _ := strings.Cut(ref.text, "#")
	module, ok := strings.CutPrefix(path, moduleRef)
	if !ok {
		return "", false
	}
	definition, isDefinition := strings.CutPrefix(fragment, "/$defs/")
	switch {
	case fragment == "":
		definition = strings.TrimPrefix(rootName, "#")
	case !isDefinition || !isIdentifier(definition):
		t.refuseOnce(ref, fmt.Sprintf("%s is no definition of a module", quote(ref.text)), "write "+moduleRef+"MODULE#/$defs/NAME")
	}
	t.imports[path] = true
	return strings.ReplaceAll(module, "-", "_") + ".#" + definition, true
}

// target gives the schema that $ref names, nil with a finding if there is none.
func (t *translator) target(ref *value) *value {
	id := ref.text
	if strings.HasPrefix(id, moduleRef) {
		return nil // of another module
	}
	if base := t.root.get("$id"); base != nil {
		if rest, ok := strings.CutPrefix(id, strings.TrimSuffix(base.text, "#")); ok && (rest == "" || rest[0] == '#') {
			id = "#" + strings.TrimPrefix(rest, "#")
		}
	}
	fragment, ok := strings.CutPrefix(id, "#")
	if !ok {
		t.refuseOnce(ref, "nothing outside of this file can be referred to, but for definitions of modules", "copy the definition below $defs, or refer to one as "+moduleRef+"MODULE#/$defs/NAME")
		return nil
	}
	fragment, err := url.PathUnescape(fragment)
	if err != nil {
		t.refuseOnce(ref, "not a reference", "")
		return nil
	}
	target := t.root
	if fragment != "" && fragment[0] != '/' {
		target = t.anchors[fragment]
	} else if fragment != "" {
		for step := range strings.SplitSeq(fragment[1:], "/") {
			step = strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
			if target != nil && target.kind == array {
				i, err := strconv.Atoi(step)
				if err != nil || i < 0 || i >= len(target.items) {
					target = nil
					break
				}
				target = target.items[i]
				continue
			}
			target = target.get(step)
		}
	}
	if target == nil || target.kind != object && target.kind != boolean {
		hint := ""
		if defs := t.root.get("$defs"); defs != nil {
			var names []string
			for _, m := range defs.members {
				names = append(names, "#/$defs/"+m.key)
			}
			hint = "there is " + strings.Join(names, ", ")
		}
		t.refuseOnce(ref, fmt.Sprintf("there is no schema %s", quote(ref.text)), hint)
		return nil
	}
	t.check(target)
	return target
}

// refuseOnce is for what is looked at several times.
func (t *translator) refuseOnce(ref *value, message, hint string) {
	for _, f := range t.found {
		if f.Position == ref.pos {
			return
		}
	}
	t.refuse(t.rules.Invalid, ref.pos, message, hint)
}
