package schema

import (
	"bytes"
	"fmt"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/literal"
	"cuelang.org/go/cue/parser"

	"github.com/llm-devops/lcm/pkg/diag"
)

// Eject gives the text of a module as the organisation's own: under another name, or under the same one, with a header
// that says that it takes the built-in module's place. All else stays byte for byte.
func (s *Set) Eject(name, as string) ([]byte, error) {
	m := s.modules[name]
	if m == nil {
		return nil, s.unknown(name)
	}
	if as != "" && !moduleName().MatchString(as) {
		return nil, fmt.Errorf("%q is not a module's name: names are lower case with hyphens", as)
	}
	c, err := m.choose()
	if err != nil {
		return nil, err
	}
	if c.source.isJSON() {
		return nil, diag.WithHint(fmt.Errorf("%s is JSON Schema, not CUE", c.source.File), "copy the file, and give the copy another name in x-module")
	}
	data, h := c.source.Data, c.header
	f, err := parser.ParseFile(c.source.File, data, parser.ImportsOnly)
	if err != nil {
		return nil, fmt.Errorf("eject %s: %w", name, err)
	}
	var out bytes.Buffer
	at := 0
	replace := func(from, to int, text string) {
		out.Write(data[at:from])
		out.WriteString(text)
		at = to
	}
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.Package:
			if as != "" {
				replace(d.Name.Pos().Offset(), d.Name.End().Offset(), strings.ReplaceAll(as, "-", "_"))
			}
		case *ast.Attribute:
			if key, _ := d.Split(); key == "module" {
				replace(d.Pos().Offset(), d.End().Offset(), ejectedHeader(h, as))
			}
		}
	}
	out.Write(data[at:])
	return out.Bytes(), nil
}

// ejectedHeader gives the header of a copy, with a note on where it comes from.
func ejectedHeader(h header, as string) string {
	name, note, more := h.name, "in whose place it is: what a newer lcm changes there does not reach it", ", replaces="+literal.String.Quote(h.version)
	if as != "" && as != h.name {
		name, note, more = as, "of which it is independent", ""
	}
	return fmt.Sprintf("// Made from lcm's module %s %s, %s.\n@module(name=%s, version=%s, title=%s%s)", h.name, h.version, note,
		literal.String.Quote(name), literal.String.Quote(h.version), literal.String.Quote(h.title), more)
}
