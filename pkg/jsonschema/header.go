package jsonschema

import (
	"fmt"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/pkg/diag"
)

const dialect = "https://json-schema.org/draft/2020-12/schema"

// Header is what a schema says about itself in x-module. Its name and versions are any text here.
type Header struct {
	Name, Version, Title, Replaces string
	Position                       diag.Position
}

// ReadHeader reads the header alone.
func ReadHeader(file string, data []byte, r *Rules) (Header, diag.List) {
	root, found := parse(file, data, r)
	if len(found) > 0 {
		return Header{}, found.Sorted()
	}
	t := &translator{rules: r, root: root}
	h := t.readHeader()
	return h, t.found.Sorted()
}

var headerKeys = []string{"name", "version", "title", "replaces"}

func (t *translator) readHeader() Header {
	if s := t.root.get("$schema"); s != nil && strings.TrimSuffix(s.text, "#") != dialect {
		t.refuse(t.rules.Header, s.pos, fmt.Sprintf("$schema is %s", quote(s.text)), "lcm reads JSON Schema 2020-12: "+dialect)
	}
	h := Header{Position: t.root.pos}
	x := t.root.get("x-module")
	if x == nil || x.kind != object {
		if x != nil {
			h.Position = x.pos
		}
		t.refuse(t.rules.Header, h.Position, "no x-module", `name the module: "x-module": {"name": "my-module", "version": "1.0.0"}`)
		return h
	}
	h.Position = x.pos
	for _, m := range x.members {
		switch {
		case !slices.Contains(headerKeys, m.key):
			t.refuse(t.rules.Header, m.pos, fmt.Sprintf("x-module does not know %q", m.key),
				diag.DidYouMean(m.key, headerKeys, "it knows name, version, title and replaces"))
		case m.value.kind != text:
			t.refuse(t.rules.Header, m.value.pos, m.key+" is not text", "")
		}
		switch m.key {
		case "name":
			h.Name = m.value.text
		case "version":
			h.Version = m.value.text
		case "title":
			h.Title = m.value.text
		case "replaces":
			h.Replaces = m.value.text
		}
	}
	if title := t.root.get("title"); h.Title == "" && title != nil {
		h.Title = title.text
	}
	for _, required := range []struct{ key, value string }{{"name", h.Name}, {"version", h.Version}} {
		if required.value == "" {
			t.refuse(t.rules.Header, h.Position, "x-module has no "+required.key, `it has at least "name": "my-module" and "version": "1.0.0"`)
		}
	}
	return h
}

// attribute gives the header as CUE has it.
func (h Header) attribute() string {
	args := []string{"name=" + quote(h.Name), "version=" + quote(h.Version)}
	if h.Title != "" {
		args = append(args, "title="+quote(h.Title))
	}
	if h.Replaces != "" {
		args = append(args, "replaces="+quote(h.Replaces))
	}
	return "@module(" + strings.Join(args, ", ") + ")"
}
