package display

import (
	"fmt"
	"strings"

	"github.com/llm-devops/lcm/pkg/diff"
	"github.com/llm-devops/lcm/pkg/schema"
)

// schemas writes which modules differ: what is said otherwise of their fields, and which configurations they refuse now.
func (d *diffText) schemas(list []diff.SchemaChange) error {
	for _, c := range list {
		d.space()
		d.line("%s  %s", d.s.Bold(moduleTitle(c)), d.s.Dim("schema of "+plural(c.Addresses, "address")))
		for _, f := range c.Fields {
			sign, paint := signOf(d.s, diff.Kind(f.Kind))
			text := "  " + paint(sign) + " " + d.s.Cyan(f.Key)
			if len(f.Changes) > 0 {
				text += ": " + strings.Join(f.Changes, "; ")
			}
			if f.Narrower {
				text += "  " + d.s.Yellow("narrower")
			}
			d.line("%s", text)
		}
		if len(c.Fields) == 0 && c.Kind == diff.Changed {
			d.line("  %s", d.s.Dim(unsaid))
		}
		if len(c.Refused) == 0 || d.o.SkipRefused {
			continue
		}
		d.line("%s", d.s.Red(invalidText(c)+":"))
		if err := FindingsText(&d.b, c.Refused, d.s); err != nil {
			return err
		}
	}
	return nil
}

// unsaid is told of a module that differs in nothing that can be said of a field.
const unsaid = "comments, or rules that no field shows"

func moduleTitle(c diff.SchemaChange) string {
	switch {
	case c.Kind != diff.Changed:
		return fmt.Sprintf("%s %s %s", c.Module, c.Old+c.New, c.Kind)
	case c.Old == c.New:
		return c.Module + " " + c.New
	}
	return fmt.Sprintf("%s %s → %s", c.Module, c.Old, c.New)
}

func invalidText(c diff.SchemaChange) string {
	n := len(c.Invalid)
	return plural(n, "address") + verb(n, " becomes", " become") + " invalid"
}

// schemas writes which modules differ.
func (m *markdown) schemas(list []diff.SchemaChange) {
	for _, c := range list {
		m.heading(fmt.Sprintf("Schema %s, of %s", code(moduleTitle(c)), plural(c.Addresses, "address")))
		for _, f := range c.Fields {
			m.field(f)
		}
		if len(c.Fields) == 0 && c.Kind == diff.Changed {
			m.line("%s", unsaid)
		}
		if len(c.Refused) == 0 {
			continue
		}
		m.line("\n**%s:**\n", invalidText(c))
		for _, f := range c.Refused {
			text := f.String()
			if f.Reach > 1 {
				text += fmt.Sprintf(", in %s and %d more", f.Address, f.Reach-1)
			} else if f.Address != "" {
				text += ", in " + f.Address
			}
			m.line("- %s", escapeMarkdown(text))
		}
	}
}

func (m *markdown) field(f schema.FieldChange) {
	text := "- " + f.Kind + " " + code(f.Key)
	if len(f.Changes) > 0 {
		text += ": " + escapeMarkdown(strings.Join(f.Changes, "; "))
	}
	if f.Narrower {
		text += " **(narrower)**"
	}
	m.line("%s", text)
}
