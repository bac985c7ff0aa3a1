package schema

import (
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/pkg/tree"
)

// Field is what a schema says about one key.
type Field struct {
	Kinds      []tree.Kind // what it may be; empty: nothing can satisfy the schema
	Secret     bool        // it, or a map or list it is in, is marked @secret
	SecretType string      // of @secret(type=…)
	Rotation   string      // of @secret(rotate=…), as written: 90d
	Owner      string      // of @secret(owner=…): who changes it
	Merge      MergeRule
	NoPromote  bool         // it, or a map or list it is in, is marked @promote(never)
	Required   bool         // it must be there where the map it is in is there; also when only at times, see Conditions
	Conditions []string     // those under which it is required, or exists at all: kind is "vllm"
	Default    *tree.Node   // what holds when it is not there; its Pos is in the schema
	Enum       []*tree.Node // the allowed values, if these are all
	Bounds     []string     // other demands in words: "be at least 1"
	Doc        string       // its comment, paragraphs separated by empty lines
}

// MergeRule says how a field's value joins that of a lower layer.
type MergeRule struct {
	Strategy tree.Directive // None: the usual way; Override: replace; Append, Prepend, Merge
	Key      string         // for lists of maps: items with the same value of this field are one item
}

// String gives the rule as @merge has it in brackets: append, key=name; "" for the usual way.
func (r MergeRule) String() string {
	switch {
	case r.Key != "":
		return "key=" + r.Key
	case r.Strategy == tree.Override:
		return "replace"
	}
	return strings.TrimPrefix(r.Strategy.String(), "!")
}

// Field looks a key up. ok is false for keys that the schema does not know; below a value of which the schema says
// nothing, every key is known. Where alternatives know the key differently, marks of any of them hold. Of a key that is not
// known, but stands below a field that is secret, the field given is secret too: what was put there is meant for that one.
func (m *Module) Field(p tree.Path) (f Field, ok bool) {
	at := []*member{m.root}
	var above marks
	for _, step := range p {
		for _, mem := range at {
			above = above.join(mem.marks.inherited())
		}
		next := stepAll(at, step)
		if len(next) == 0 {
			return Field{Secret: above.secret}, false
		}
		at = next
	}
	return describe(at, above), true
}

// anything is the member of which nothing is known.
func anything() *member {
	s := &shape{kinds: anyKind, open: true}
	s.rest = &member{shape: s}
	return s.rest
}

// step adds to next what the child at step may be, in s and in its alternatives.
func (s *shape) step(step tree.Step, next []*member) []*member {
	for _, a := range s.alts {
		next = a.step(step, next)
	}
	if s.alts != nil {
		return next
	}
	if key, ok := step.AsKey(); ok {
		if !s.kinds.has(tree.Map) {
			return next
		}
		found := s.members(key)
		if len(found) == 0 && s.open {
			return append(next, anything())
		}
		return append(next, found...)
	}
	if !s.kinds.has(tree.List) {
		return next
	}
	if i, ok := step.AsIndex(); ok {
		if m := s.item(i); m != nil {
			next = append(next, m)
		}
		return next
	}
	next = append(next, s.items...)
	if s.rest != nil {
		next = append(next, s.rest)
	}
	return next
}

// describe joins what all of several members say. above is what they inherit.
func describe(members []*member, above marks) Field {
	var k kinds
	own := marks{}
	f := Field{}
	enums := true
	for _, m := range members {
		k |= m.shape.kinds
		own = own.join(m.marks)
		f.Required = f.Required || m.isRequired()
		for _, c := range texts(slices.Concat(m.needed, m.guards)) {
			if !slices.Contains(f.Conditions, c) {
				f.Conditions = append(f.Conditions, c)
			}
		}
		if f.Default == nil && m.presence == regular && len(members) == 1 {
			f.Default = m.shape.def
		}
		enums = enums && m.shape.enum != nil
		for _, e := range m.shape.enum {
			if !slices.ContainsFunc(f.Enum, func(o *tree.Node) bool { return sameScalar(o, e) }) {
				f.Enum = append(f.Enum, e)
			}
		}
		for _, r := range m.shape.rules {
			if d := r.inFull(); !slices.Contains(f.Bounds, d) {
				f.Bounds = append(f.Bounds, d)
			}
		}
		if f.Doc == "" {
			f.Doc = m.doc
		}
	}
	if !enums {
		f.Enum = nil
	}
	f.Kinds = k.list()
	f.Merge = own.merge
	all := own.join(above)
	f.Secret, f.SecretType, f.Rotation, f.Owner, f.NoPromote = all.secret, all.secretType, all.rotation, all.owner, all.noPromote
	return f
}

// inFull is demand where the value at hand does not say what is counted.
func (r rule) inFull() string {
	what := ""
	switch r.op {
	case minRunes, maxRunes:
		what = " character"
	case minItems, maxItems:
		what = " item"
	default:
		return r.demand()
	}
	if r.text != "1" {
		what += "s"
	}
	return r.demand() + what
}

// isRequired reports whether the field must be written.
func (m *member) isRequired() bool {
	switch {
	case len(m.needed) > 0:
		return true
	case m.presence == required:
		return len(m.guards) == 0
	case m.presence == regular:
		return m.shape.def == nil && !m.shape.implicit && !m.shape.opaque && !m.shape.free() && len(m.guards) == 0
	}
	return false
}

// Entry is one field of a schema, for documentation.
type Entry struct {
	Key   string // dotted; providers.<name>.models[].id
	Field Field
}

// Fields visits all fields in the order of the schema, each before what is below it. Patterns are written <name>, list
// items []. Of a schema that contains itself, every field comes once.
func (m *Module) Fields() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		v := &visitor{open: map[*shape]bool{}, yield: func(key string, members []*member, above marks) bool {
			return yield(Entry{Key: key, Field: describe(members, above)})
		}}
		v.visit("", []*member{m.root}, marks{})
	}
}

type visitor struct {
	yield func(key string, members []*member, above marks) bool
	open  map[*shape]bool // on the way from the root to here
	done  bool
}

// visit visits what is below members, which stand at the same key.
func (v *visitor) visit(key string, members []*member, above marks) {
	var shapes []*shape
	for _, m := range members {
		above = above.join(m.marks.inherited())
		shapes = m.shape.spread(shapes)
	}
	shapes = slices.DeleteFunc(shapes, func(s *shape) bool { return v.open[s] })
	for _, s := range shapes {
		v.open[s] = true
	}
	defer func() {
		for _, s := range shapes {
			delete(v.open, s)
		}
	}()
	children := map[string][]*member{}
	var order []string
	add := func(k string, m *member) {
		if children[k] == nil {
			order = append(order, k)
		}
		children[k] = append(children[k], m)
	}
	prefix := key
	if key != "" {
		prefix += "."
	}
	for _, s := range shapes {
		for _, m := range s.fields {
			add(prefix+tree.Keys(m.name).String(), m)
		}
		for _, m := range s.patterns {
			add(prefix+"<"+m.label+">", m)
		}
		for _, m := range s.elements() {
			add(key+"[]", m)
		}
	}
	for _, k := range order {
		if v.done || !v.yield(k, children[k], above) {
			v.done = true
			return
		}
		v.visit(k, children[k], above)
	}
}

// spread gives s, or its alternatives.
func (s *shape) spread(to []*shape) []*shape {
	if s.alts == nil {
		return append(to, s)
	}
	for _, a := range s.alts {
		to = a.spread(to)
	}
	return to
}

// elements gives what a list's items may be, nothing where that is anything.
func (s *shape) elements() []*member {
	list := slices.Clone(s.items)
	if s.rest != nil && !s.rest.shape.free() {
		list = append(list, s.rest)
	}
	return list
}

// SecretNames gives the keys of all secret fields, sorted: the names by which the SOPS format chooses what to encrypt. For
// secrets under keys of the user's choice, and in lists, it is the name of the nearest field around them.
func (m *Module) SecretNames() []string { return slices.Clone(m.secretNames()) }

func secretNames(root *member) []string {
	names := map[string]bool{}
	seen := map[*shape]map[string]bool{}
	var visit func(name string, m *member)
	visit = func(name string, m *member) {
		if m.name != "" {
			name = m.name
		}
		if m.marks.secret && name != "" {
			names[name] = true
			return
		}
		for _, s := range m.shape.spread(nil) {
			if seen[s][name] {
				continue
			}
			if seen[s] == nil {
				seen[s] = map[string]bool{}
			}
			seen[s][name] = true
			for _, list := range [][]*member{s.fields, s.patterns, s.elements()} {
				for _, child := range list {
					visit(name, child)
				}
			}
		}
	}
	visit("", root)
	return slices.Sorted(maps.Keys(names))
}

// Keys gives the known keys that begin with prefix, in the order of the schema, for completion. It completes the last
// part of prefix: "mod" gives models, "models." gives models.<name>, "models.gpt." gives what is below models.gpt.
func (m *Module) Keys(prefix string) []string {
	base, last := "", prefix
	at := []*member{m.root}
	if i := strings.LastIndexByte(prefix, '.'); i >= 0 {
		base, last = prefix[:i], prefix[i+1:]
		p, err := tree.ParsePath(base)
		if err != nil {
			return nil
		}
		for _, step := range p {
			at = stepAll(at, step)
		}
		base += "."
	}
	var keys []string
	add := func(k string) {
		if !slices.Contains(keys, base+k) {
			keys = append(keys, base+k)
		}
	}
	for _, mem := range at {
		for _, s := range mem.shape.spread(nil) {
			for _, f := range s.fields {
				if name := tree.Keys(f.name).String(); strings.HasPrefix(name, last) {
					add(name)
				}
			}
			for _, f := range s.patterns {
				if last == "" {
					add("<" + f.label + ">")
				}
			}
		}
	}
	return keys
}
