package schema

import (
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/parser"

	"github.com/llm-devops/lcm/pkg/cuesource"
	"github.com/llm-devops/lcm/pkg/diag"
)

// definition is a #Definition of a source and the lines it covers.
type definition struct {
	name     string
	from, to diag.Position
}

// definitionsOf finds the definitions of a source, for names that its readers know. A source that cannot be parsed has
// none.
func definitionsOf(m *Module) []definition {
	t, found := m.text()
	if len(found) > 0 {
		return nil
	}
	f, err := parser.ParseFile(t.File, t.Data)
	if err != nil {
		return nil
	}
	var list []definition
	var collect func(decls []ast.Decl)
	collect = func(decls []ast.Decl) {
		for _, d := range decls {
			field, ok := d.(*ast.Field)
			if !ok {
				continue
			}
			name, ok := cuesource.LabelName(field.Label)
			imported, isStruct := field.Value.(*ast.StructLit)
			switch {
			case ok && strings.HasPrefix(name, "#") && name != rootName:
				list = append(list, definition{strings.TrimPrefix(name, "#"), t.position(field.Pos()), t.position(field.End())})
			case ok && isStruct && !strings.HasPrefix(name, "#"):
				collect(imported.Elts)
			}
		}
	}
	collect(f.Decls)
	return list
}
