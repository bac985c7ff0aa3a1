package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/llm-devops/lcm/pkg/tree"
)

// JSONSchemaOptions says for which files a JSON Schema is meant.
type JSONSchemaOptions struct {
	// Layer is for layer files: what is required may stand in another layer, so nothing is, and the keys that are
	// reserved in layers are allowed.
	Layer bool
}

// JSONSchema gives the module in JSON Schema, draft 2020-12, for editors and other tools: types, bounds, patterns, allowed
// values, defaults, comments, and the marks as x-secret, x-merge and x-promote.
//
// It never refuses what the module accepts. Where JSON Schema cannot say what the module demands (a reference to another
// key, a function of CUE's packages), or would say it differently, it is left open: what is valid is for
// [Module.Validate] to decide. A secret may be the ciphertext that files hold.
func (m *Module) JSONSchema(o JSONSchemaOptions) ([]byte, error) {
	x := &exporter{layer: o.Layer, uses: map[defKey]int{}, cyclic: map[defKey]bool{}, open: map[defKey]bool{}, names: map[defKey]string{}}
	x.definitions = definitionsOf(m)
	x.count(m.root.shape, m.root.marks.secret)
	var top object
	top.set("$schema", "https://json-schema.org/draft/2020-12/schema")
	id := "urn:lcm:module:" + m.Name() + ":" + m.Version()
	if o.Layer {
		id += ":layer"
	}
	top.set("$id", id)
	top.set("$comment", "made by lcm schema export from "+m.Digest())
	top.set("title", m.Title())
	if doc := m.Doc(); doc != "" {
		top.set("description", doc)
	}
	root := x.shape(m.root.shape, m.root.marks.secret)
	if o.Layer {
		root = withReserved(root)
	}
	top.fields = append(top.fields, root.fields...)
	if len(x.defs.fields) > 0 {
		top.set("$defs", x.defs)
	}
	data, err := top.appendJSON(nil)
	if err != nil {
		return nil, fmt.Errorf("write the JSON Schema of %s: %w", m.Name(), err)
	}
	var b bytes.Buffer
	if err := json.Indent(&b, data, "", "  "); err != nil {
		return nil, fmt.Errorf("write the JSON Schema of %s: %w", m.Name(), err)
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

// withReserved allows the keys that lcm itself reads in a layer file.
func withReserved(root object) object {
	for i, f := range root.fields {
		if properties, ok := f.value.(object); ok && f.key == "properties" {
			for _, key := range []string{"extends", "variables", "sops"} {
				properties.setNew(key, true)
			}
			root.fields[i].value = properties
		}
	}
	return root
}

// exporter turns shapes into schemas. A map that is used in several places, and whatever contains itself, becomes a
// definition.
type exporter struct {
	layer       bool
	definitions []definition
	uses        map[defKey]int
	cyclic      map[defKey]bool
	open        map[defKey]bool // on the way from the root to here, while counting
	names       map[defKey]string
	defs        object
}

// defKey tells schemas apart: of a secret's parts every scalar may be ciphertext.
type defKey struct {
	shape  *shape
	secret bool
}

// count notes how often shapes are used, and which contain themselves.
func (x *exporter) count(s *shape, secret bool) {
	key := defKey{s, secret}
	if x.open[key] {
		x.cyclic[key] = true
		return
	}
	if x.uses[key]++; x.uses[key] > 1 {
		return
	}
	x.open[key] = true
	for _, a := range s.alts {
		x.count(a, secret)
	}
	for _, m := range slices.Concat(s.fields, s.patterns, s.items) {
		x.count(m.shape, secret || m.marks.secret)
	}
	if s.rest != nil {
		x.count(s.rest.shape, secret || s.rest.marks.secret)
	}
	delete(x.open, key)
}

// member gives the schema of a field, a pattern or an item. vague says that the schema may demand something else of it,
// depending on other values.
func (x *exporter) member(m *member, secret, vague bool) object {
	var o object
	if doc := describeMember(m); doc != "" {
		o.set("description", doc)
	}
	o.marks(m.marks)
	if !vague && len(m.guards) < 2 {
		o.fields = append(o.fields, x.reference(m.shape, secret || m.marks.secret).fields...)
	}
	if m.presence == regular && m.shape.def != nil && len(m.guards) == 0 {
		o.set("default", m.shape.def)
	}
	return o
}

// describeMember gives a member's comment with what it depends on.
func describeMember(m *member) string {
	doc := m.doc
	add := func(sentence string) {
		if doc != "" {
			doc += "\n\n"
		}
		doc += sentence
	}
	if list := readable(texts(m.needed)); len(list) > 0 {
		add("Required when " + strings.Join(list, ", or when ") + ".")
	}
	if list := readable(texts(m.guards)); len(list) > 0 {
		add("Only when " + strings.Join(list, ", or when ") + ".")
	}
	return doc
}

// readable leaves out conditions on a schema's own helpers, whose names mean nothing to who writes a configuration.
func readable(conditions []string) []string {
	return slices.DeleteFunc(conditions, func(c string) bool { return strings.Contains(c, "(_") })
}

// marks adds what JSON Schema has no words for.
func (o *object) marks(m marks) {
	if m.secret {
		var about object
		if m.secretType != "" {
			about.set("type", m.secretType)
		}
		if m.rotation != "" {
			about.set("rotate", m.rotation)
		}
		if m.owner != "" {
			about.set("owner", m.owner)
		}
		if len(about.fields) > 0 {
			o.set("x-secret", about)
		} else {
			o.set("x-secret", true)
		}
	}
	if rule := m.merge.String(); rule != "" {
		o.set("x-merge", rule)
	}
	if m.noPromote {
		o.set("x-promote", "never")
	}
}

// reference gives the schema of a shape, or a reference to its definition.
func (x *exporter) reference(s *shape, secret bool) object {
	key := defKey{s, secret}
	shared := x.uses[key] > 1 && s.alts == nil && len(s.fields)+len(s.patterns) > 0
	if !shared && !x.cyclic[key] {
		return x.shape(s, secret)
	}
	name, known := x.names[key]
	if !known {
		name = x.name(s)
		x.names[key] = name
		x.defs.set(name, nil) // its place, before those it refers to
		x.defs.set(name, x.shape(s, secret))
	}
	var o object
	o.set("$ref", "#/$defs/"+name)
	return o
}

// name gives a shape a name that is not taken, the source's own where it has one.
func (x *exporter) name(s *shape) string {
	base := "Value"
	at := s.pos
	if len(s.fields) > 0 {
		at = s.fields[0].pos
		base = "Map"
	}
	for _, d := range x.definitions {
		if d.from.File == at.File && d.from.Line <= at.Line && at.Line <= d.to.Line {
			base = d.name
		}
	}
	name := base
	for i := 2; x.defs.has(name); i++ {
		name = base + strconv.Itoa(i)
	}
	return name
}

// shape gives the schema of a shape.
func (x *exporter) shape(s *shape, secret bool) object {
	o := x.plain(s, secret)
	scalars := kindsOf(tree.Null, tree.Bool, tree.Int, tree.Float, tree.String)
	if secret && s.kinds&scalars != 0 && !o.admitsText() {
		var sealed, either object
		sealed.set("type", "string")
		sealed.set("pattern", `^ENC\[`)
		either.set("anyOf", []any{o, sealed})
		return either
	}
	return o
}

// plain is shape for a value that is not ciphertext.
func (x *exporter) plain(s *shape, secret bool) object {
	var o object
	switch {
	case s.kinds == 0 && s.opaque:
		return o
	case s.kinds == 0:
		o.set("not", object{})
		return o
	case s.alts != nil:
		var arms []any
		for _, a := range s.alts {
			arm := x.plain(a, secret)
			if x.cyclic[defKey{a, secret}] {
				arm = x.reference(a, secret)
			}
			arms = append(arms, arm)
		}
		o.set("anyOf", arms)
		return o
	}
	if t := jsonTypes(s.kinds); t != nil {
		o.set("type", t)
	}
	switch len(s.enum) {
	case 0:
	case 1:
		o.set("const", s.enum[0])
	default:
		values := make([]any, len(s.enum))
		for i, n := range s.enum {
			values[i] = n
		}
		o.set("enum", values)
	}
	for _, r := range s.rules {
		x.rule(&o, r)
	}
	if s.kinds.has(tree.Map) {
		x.fields(&o, s, secret)
	}
	if s.kinds.has(tree.List) {
		x.items(&o, s, secret)
	}
	return o
}

// jsonTypes gives the types of JSON that a value may have, nil for any. JSON's integer is looser than CUE's int: 1.0 is
// one too.
func jsonTypes(k kinds) any {
	if k == anyKind {
		return nil
	}
	names := map[tree.Kind]string{
		tree.Null: "null", tree.Bool: "boolean", tree.Int: "integer", tree.Float: "number", tree.String: "string",
		tree.List: "array", tree.Map: "object",
	}
	var list []any
	for _, kind := range k.list() {
		if kind == tree.Int && k.has(tree.Float) {
			continue
		}
		list = append(list, names[kind])
	}
	if len(list) == 1 {
		return list[0]
	}
	return list
}

// rule adds what JSON Schema can say of a rule.
func (x *exporter) rule(o *object, r rule) {
	switch r.op {
	case atLeast, moreThan, atMost, lessThan:
		if number, ok := decimal(r.bound); ok {
			o.add(map[ruleOp]string{atLeast: "minimum", moreThan: "exclusiveMinimum", atMost: "maximum", lessThan: "exclusiveMaximum"}[r.op], number)
		}
	case notEqual:
		var is object
		is.set("const", r.value)
		o.add("not", is)
	case matches, matchesNot:
		text, ok := ecmaPattern(r.text)
		switch {
		case !ok:
		case r.op == matches:
			o.add("pattern", text)
		default:
			var is object
			is.set("pattern", text)
			o.add("not", is)
		}
	case minRunes, maxRunes, maxItems:
		if number, ok := decimal(r.bound); ok && r.bound.IsInt() && r.bound.Sign() >= 0 {
			o.add(map[ruleOp]string{minRunes: "minLength", maxRunes: "maxLength", maxItems: "maxItems"}[r.op], number)
		}
	case minItems:
		// Of a layer's list, the rest may be in another layer.
		if number, ok := decimal(r.bound); ok && r.bound.IsInt() && r.bound.Sign() >= 0 && !x.layer {
			o.add("minItems", number)
		}
	case onlyCUE:
	}
}

// maxBoundDigits bounds the digits of a bound: a longer one is left open.
const maxBoundDigits = 40

// decimal spells a number as JSON does; ok is false for what has no short decimal spelling.
func decimal(r *big.Rat) (json.RawMessage, bool) {
	digits, exact := r.FloatPrec()
	text := r.FloatString(min(digits, maxBoundDigits))
	return json.RawMessage(text), exact && digits <= maxBoundDigits && len(text) <= maxBoundDigits
}

// fields adds what a map may hold.
func (x *exporter) fields(o *object, s *shape, secret bool) {
	// Where the value need not be a map at all, its fields stand under a condition alone, and another map would do too.
	vague := s.opaque && s.kinds != kindsOf(tree.Map)
	open := s.open || vague
	var properties, patterns object
	var needed []any
	for _, m := range s.fields {
		properties.set(m.name, x.member(m, secret, len(m.guards) > 0 && open))
		if mustBeWritten(m, map[*shape]bool{}) && !x.layer && !vague {
			needed = append(needed, m.name)
		}
	}
	var others *object
	for _, p := range s.patterns {
		// A pattern under a condition demands nothing when that does not hold.
		value := x.member(p, secret, len(p.guards) > 0 || vague)
		keys, exact := keyPattern(p.key)
		switch {
		case exact && keys == "":
			others = &value
		case exact:
			patterns.set(keys, value)
		case len(s.patterns) == 1 && !open:
			others = &value // for more keys than those it is for
		default:
			open = true
		}
	}
	if len(properties.fields) > 0 {
		o.set("properties", properties)
	}
	if len(patterns.fields) > 0 {
		o.set("patternProperties", patterns)
	}
	switch {
	case others != nil:
		o.set("additionalProperties", *others)
	case !open:
		o.set("additionalProperties", false)
	}
	if len(needed) > 0 {
		o.set("required", needed)
	}
	if x.layer || vague {
		return
	}
	for i := range s.checks {
		if condition, ok := s.checks[i].export(s); ok {
			o.also(condition)
		}
	}
}

// mustBeWritten reports whether a configuration without the field is invalid in any case: it is required, or a struct that
// is there without being written has such a field.
func mustBeWritten(m *member, seen map[*shape]bool) bool {
	switch {
	case len(m.guards) > 0 || m.presence == optional:
		return false
	case m.presence == required:
		return true
	case m.shape.def != nil:
		return false
	case m.shape.implicit && m.shape.alts == nil:
		if seen[m.shape] {
			return false
		}
		seen[m.shape] = true
		return slices.ContainsFunc(m.shape.fields, func(inner *member) bool { return mustBeWritten(inner, seen) })
	}
	return !m.shape.implicit && !m.shape.opaque && !m.shape.free()
}

// keyPattern gives the regular expression of the keys that a pattern is for, "" for all keys. exact is false if it is for
// fewer keys than an expression can say.
func keyPattern(key *shape) (text string, exact bool) {
	switch {
	case key == nil || key.free() || key.isAnyText():
		return "", true
	case key.alts != nil || key.opaque || key.kinds != kindsOf(tree.String):
		return "", false
	case key.enum != nil && len(key.rules) == 0:
		var words []string
		for _, n := range key.enum {
			words = append(words, quotePattern(n.Reveal()))
		}
		return "^(?:" + strings.Join(words, "|") + ")$", true
	case key.enum == nil && len(key.rules) == 1 && key.rules[0].op == matches:
		return ecmaPattern(key.rules[0].text)
	}
	return "", false
}

// isAnyText reports whether a shape is string and no more.
func (s *shape) isAnyText() bool {
	return s.kinds == kindsOf(tree.String) && s.enum == nil && s.alts == nil && len(s.rules) == 0 && !s.opaque
}

// items adds what a list may hold.
func (x *exporter) items(o *object, s *shape, secret bool) {
	if s.opaque && s.kinds != kindsOf(tree.List) {
		return // as for maps
	}
	var first []any
	for _, m := range s.items {
		first = append(first, x.member(m, secret, false))
	}
	if len(first) > 0 && !x.layer {
		o.add("minItems", json.RawMessage(strconv.Itoa(len(first))))
	}
	if len(first) > 0 && !(x.layer && s.rest != nil) { // what a layer adds to a list is not its beginning
		o.set("prefixItems", first)
	}
	switch {
	case s.rest == nil && len(first) == 0:
		o.add("maxItems", json.RawMessage("0"))
	case s.rest == nil:
		o.set("items", false)
	case !s.rest.shape.free():
		o.set("items", x.member(s.rest, secret, false))
	}
}
