// Package jsonschema turns a module in JSON Schema 2020-12 into CUE that says the same, with the places in the JSON file
// that each part of it comes from. What CUE cannot say is refused by name.
//
// The keywords x-secret, x-rotation, x-merge and x-promote become lcm's marks, x-module the module's header. A default,
// which JSON Schema only tells about, becomes one that holds. The difference between 1 and 1.0 is that of YAML and CUE:
// the second is no integer.
package jsonschema

import (
	"fmt"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/pkg/diag"
)

// Rules are the codes of findings.
type Rules struct {
	Syntax  string // not JSON
	Header  string // x-module
	Mark    string // x-secret and the like
	Invalid string // no schema, or what cannot be said in CUE
	Limit   string // too large, too deep
}

// Source is the CUE of a schema.
type Source struct {
	CUE    []byte
	places []place
}

// place says where in the JSON file the text from offset on comes from.
type place struct {
	offset int
	pos    diag.Position
}

// DefaultsName is the hidden field with a list of all defaults, each unified with what it is the default of: where CUE
// finds fault with an item of it, a default does not fit.
const DefaultsName = "_defaults"

// Position gives the place in the JSON file from which a byte of the CUE comes.
func (s *Source) Position(offset int) diag.Position {
	i, exact := slices.BinarySearchFunc(s.places, offset, func(p place, o int) int { return p.offset - o })
	if exact {
		return s.places[i].pos
	}
	return s.places[max(i-1, 0)].pos
}

// Translate gives the CUE of a JSON Schema whose root describes a configuration, or everything that is wrong with it.
func Translate(file string, data []byte, r *Rules) (*Source, diag.List) {
	root, found := parse(file, data, r)
	if len(found) > 0 {
		return nil, found.Sorted()
	}
	t := &translator{
		rules: r, root: root, names: map[*value]string{root: rootName}, taken: map[string]bool{rootName: true}, imports: map[string]bool{},
		checked: map[*value]bool{}, anchors: map[string]*value{},
	}
	if root.kind == object {
		t.check(root)
	} else {
		t.refuse(r.Invalid, root.pos, "a module's schema is an object", "")
	}
	var out code
	if len(t.found) == 0 {
		out = t.module()
	}
	if len(t.found) > 0 {
		return nil, t.found.Sorted()
	}
	return out.source(), nil
}

const rootName = "#Config"

// translator makes the CUE of one schema.
type translator struct {
	rules    *Rules
	root     *value
	names    map[*value]string // of the definitions, by schema
	queue    []*value          // definitions to make
	taken    map[string]bool
	anchors  map[string]*value
	imports  map[string]bool
	checked  map[*value]bool
	defaults []code
	calls    int // how deep in arguments, where CUE closes nothing by itself
	depth    int
	found    diag.List
}

// maxFindings bounds the findings about one schema: more is noise.
const maxFindings = 20

func (t *translator) refuse(code string, pos diag.Position, message, hint string) {
	if len(t.found) < maxFindings {
		t.found = append(t.found, diag.Finding{Code: code, Severity: diag.Error, Position: pos, Message: message, Hint: hint})
	}
}

// module gives the whole file.
func (t *translator) module() code {
	h := t.readHeader()
	t.queue = append(t.queue, t.root)
	for _, key := range definitionKeys {
		if defs := t.root.get(key); defs != nil {
			for _, m := range defs.members {
				t.define(m.value, m.key)
			}
		}
	}
	var body code
	for len(t.queue) > 0 && len(t.found) == 0 {
		s := t.queue[0]
		t.queue = t.queue[1:]
		within := all
		if s == t.root {
			within = of(object)
		}
		body = body.add(comment(docOf(s)), from(s.pos, t.names[s], ": "), t.schema(s, within), t.marksOf(s), plain("\n\n"))
	}
	if len(t.defaults) > 0 {
		body = body.add(plain(DefaultsName, ": [\n"), join(t.defaults, ",\n"), plain(",\n]\n"))
	}
	out := from(t.root.pos, "package ", strings.ReplaceAll(h.Name, "-", "_"), "\n\n").add(from(h.Position, h.attribute(), "\n\n"))
	for _, path := range sorted(t.imports) {
		out = out.add(plain("import ", quote(path), "\n"))
	}
	return out.add(plain("\n"), body)
}

// call gives a function of one of CUE's packages.
func (t *translator) call(path, function string, args ...string) string {
	t.imports[path] = true
	return path[strings.LastIndex(path, "/")+1:] + "." + function + "(" + strings.Join(args, ", ") + ")"
}

// define gives the name of the definition of a schema, which is made later if there is none yet.
func (t *translator) define(s *value, hint string) string {
	if name, ok := t.names[s]; ok {
		return name
	}
	base := "#" + identifier(hint)
	name := base
	for n := 2; t.taken[name]; n++ {
		name = fmt.Sprintf("%s_%d", base, n)
	}
	t.names[s], t.taken[name] = name, true
	t.queue = append(t.queue, s)
	return name
}
