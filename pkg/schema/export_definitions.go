package schema

import (
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/parser"

	"github.com/llm-devops/lcm/pkg/cuesource"
)

// definition is a #Definition of a source and the lines it covers.
type definition struct {
	name     string
	from, to int
}

// definitionsOf finds the definitions of a source, for names that its readers know. A source that cannot be parsed has
// none.
func definitionsOf(src Source) []definition {
	t, found := textOf(src)
	if len(found) > 0 {
		return nil
	}
	f, err := parser.ParseFile(t.File, t.Data)
	if err != nil {
		return nil
	}
	var list []definition
	for _, d := range f.Decls {
		if field, ok := d.(*ast.Field); ok {
			if name, ok := cuesource.LabelName(field.Label); ok && strings.HasPrefix(name, "#") && name != rootName {
				list = append(list, definition{strings.TrimPrefix(name, "#"), t.position(field.Pos()).Line, t.position(field.End()).Line})
			}
		}
	}
	return list
}
