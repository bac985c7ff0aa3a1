package display

import (
	"fmt"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/cmd/internal/term"
	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/schema"
	"github.com/llm-devops/lcm/pkg/tree"
)

// Namespaces is a list of namespaces.
type Namespaces struct {
	Items []Namespace `json:"items"`
}

// Namespace is one namespace.
type Namespace struct {
	Name      string            `json:"name"`
	Module    string            `json:"module,omitempty"`
	Title     string            `json:"title,omitempty"`
	Version   string            `json:"version,omitempty"`
	Inherits  string            `json:"inherits,omitempty"`
	Fields    []Field           `json:"fields,omitempty"`
	Addresses []address.Address `json:"addresses,omitempty"`
}

// Field is one field of a schema.
type Field struct {
	Key      string     `json:"key"` // <name> for any key of a map, [] for the items of a list
	Types    []string   `json:"types,omitempty"`
	Required bool       `json:"required,omitempty"`
	When     []string   `json:"when,omitempty"` // the conditions under which it is required, or exists
	Secret   bool       `json:"secret,omitempty"`
	Promote  bool       `json:"promote"`
	Default  *tree.Node `json:"default,omitempty"`
	Doc      string     `json:"doc,omitempty"`
}

// NewField makes the report of a field.
func NewField(key string, f schema.Field) Field {
	out := Field{Key: key, Required: f.Required, When: readable(f.Conditions), Secret: f.Secret, Promote: !f.NoPromote && !f.Secret, Default: f.Default, Doc: f.Doc}
	for _, k := range f.Kinds {
		if k == tree.Int && slices.Contains(f.Kinds, tree.Float) {
			continue // a number says it all
		}
		out.Types = append(out.Types, k.String())
	}
	return out
}

// readable leaves out conditions on a schema's own helpers, whose names mean nothing to who writes a configuration.
func readable(conditions []string) []string {
	return slices.DeleteFunc(slices.Clone(conditions), func(c string) bool { return strings.Contains(c, "(_") })
}

// NamespacesText writes the list for people.
func NamespacesText(t *term.IO, l Namespaces) error {
	s := t.Style()
	rows := [][]string{{s.Dim("NAMESPACE"), s.Dim("MODULE"), s.Dim("INHERITS")}}
	for _, item := range l.Items {
		module := item.Module
		if module == "" {
			module = s.Dim("none")
		}
		rows = append(rows, []string{item.Name, module, item.Inherits})
	}
	return columns(t.Out, rows)
}

// NamespaceText writes one namespace for people.
func NamespaceText(t *term.IO, n Namespace) error {
	s := t.Style()
	var b strings.Builder
	fmt.Fprintf(&b, "%s", s.Bold(n.Name))
	if n.Module != "" {
		fmt.Fprintf(&b, "  %s %s, %s", n.Module, n.Version, n.Title)
	}
	if n.Inherits != "" {
		fmt.Fprintf(&b, ", inherits from %s", n.Inherits)
	}
	fmt.Fprintf(&b, "\nat %s\n\n", plural(len(n.Addresses), "address"))
	if _, err := t.Out.Write([]byte(b.String())); err != nil {
		return err
	}
	if len(n.Fields) == 0 {
		return nil
	}
	rows := [][]string{{s.Dim("KEY"), s.Dim("TYPE"), s.Dim("DEFAULT"), ""}}
	for _, f := range n.Fields {
		var marks []string
		switch {
		case f.Secret:
			marks = append(marks, s.Yellow("secret"))
		case !f.Promote:
			marks = append(marks, s.Blue("not promoted"))
		}
		switch {
		case f.Required && len(f.When) > 0:
			marks = append(marks, s.Red("required when ")+strings.Join(f.When, ", "))
		case f.Required:
			marks = append(marks, s.Red("required"))
		case len(f.When) > 0:
			marks = append(marks, "when "+strings.Join(f.When, ", "))
		}
		def := ""
		if f.Default != nil {
			def = Value(f.Default)
		}
		rows = append(rows, []string{s.Cyan(f.Key), strings.Join(f.Types, " | "), def, strings.Join(marks, ", ")})
		// The sentence about a field gets a line of its own: beside the columns it would break on most terminals.
	}
	var table strings.Builder
	if err := columns(&table, rows); err != nil {
		return err
	}
	b.Reset()
	for i, line := range strings.Split(strings.TrimSuffix(table.String(), "\n"), "\n") {
		b.WriteString(line + "\n")
		if i == 0 {
			continue
		}
		if doc, _, _ := strings.Cut(n.Fields[i-1].Doc, "\n"); doc != "" {
			fmt.Fprintf(&b, "    %s\n", s.Dim(doc))
		}
	}
	_, err := t.Out.Write([]byte(b.String()))
	return err
}
