package display

import (
	"fmt"
	"io"
	"strings"

	"github.com/llm-devops/lcm/cmd/internal/term"
	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/template"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// Templates is a list of templates.
type Templates struct {
	Items    []Template `json:"items"`
	Findings diag.List  `json:"findings,omitempty"` // of those that cannot be read
}

// Template is one version of a template.
type Template struct {
	Name        string     `json:"name"`
	Version     string     `json:"version"`
	Versions    []string   `json:"versions,omitempty"` // all there are, newest first
	Description string     `json:"description,omitempty"`
	File        string     `json:"file"`
	Builtin     bool       `json:"builtin"`
	Module      string     `json:"module,omitempty"`
	Tenants     []string   `json:"tenants,omitempty"` // who may extend it; absent for everyone
	Extends     []string   `json:"extends,omitempty"`
	Variables   []Variable `json:"variables,omitempty"`
	Source      string     `json:"source,omitempty"`
}

// Variable is one variable of a template.
type Variable struct {
	Name        string       `json:"name"`
	Type        string       `json:"type"`
	Required    bool         `json:"required,omitempty"`
	Default     *tree.Node   `json:"default,omitempty"`
	Example     *tree.Node   `json:"example,omitempty"`
	Enum        []*tree.Node `json:"enum,omitempty"`
	Min         *tree.Node   `json:"min,omitempty"`
	Max         *tree.Node   `json:"max,omitempty"`
	Pattern     string       `json:"pattern,omitempty"`
	Description string       `json:"description,omitempty"`
}

// NewTemplate makes the report of a template without its variables and its text.
func NewTemplate(t *template.Template) Template {
	out := Template{
		Name: t.Name, Version: t.Version.String(), Description: t.Description, File: t.File, Builtin: t.Builtin,
		Module: t.Module, Tenants: t.Tenants,
	}
	for _, e := range t.Extends {
		out.Extends = append(out.Extends, e.Ref.String())
	}
	return out
}

// NewVariable makes the report of a variable.
func NewVariable(v template.Variable) Variable {
	return Variable{
		Name: v.Name, Type: v.Type, Required: v.Required, Default: v.Default, Example: v.Example, Enum: v.Enum,
		Min: v.Min, Max: v.Max, Pattern: v.Pattern, Description: v.Description,
	}
}

// TemplatesText writes the list for people.
func TemplatesText(t *term.IO, l Templates) error {
	s := t.Style()
	rows := [][]string{{s.Dim("TEMPLATE"), s.Dim("VERSION"), s.Dim("MODULE"), s.Dim("FROM"), s.Dim("DESCRIPTION")}}
	for _, item := range l.Items {
		from := item.File
		if item.Builtin {
			from = "built in"
		}
		if item.Tenants != nil {
			from += s.Yellow(" for " + strings.Join(item.Tenants, ", "))
		}
		rows = append(rows, []string{item.Name, item.Version, item.Module, from, s.Dim(item.Description)})
	}
	if err := columns(t.Out, rows); err != nil {
		return err
	}
	return FindingsText(t.Err, l.Findings, t.ErrStyle())
}

// TemplateText writes one template for people: what it is, its variables, its text.
func TemplateText(t *term.IO, x Template) error {
	s := t.Style()
	var b strings.Builder
	fmt.Fprintf(&b, "%s@%s  %s\n", s.Bold(x.Name), x.Version, x.Description)
	from := x.File
	if x.Builtin {
		from = "built in"
	}
	facts := [][]string{{"from", from}, {"module", x.Module}, {"extends", strings.Join(x.Extends, ", ")}}
	if x.Tenants != nil {
		facts = append(facts, []string{"for", strings.Join(x.Tenants, ", ")})
	}
	if len(x.Versions) > 1 {
		facts = append(facts, []string{"versions", strings.Join(x.Versions, ", ")})
	}
	for _, f := range facts {
		if f[1] != "" {
			fmt.Fprintf(&b, "%s %s\n", s.Dim(f[0]), f[1])
		}
	}
	b.WriteByte('\n')
	if len(x.Variables) > 0 {
		rows := [][]string{{s.Dim("VARIABLE"), s.Dim("TYPE"), s.Dim("DEFAULT"), s.Dim("ALLOWED"), ""}}
		for _, v := range x.Variables {
			def := ""
			switch {
			case v.Default != nil:
				def = Value(v.Default)
			case v.Required:
				def = s.Red("required")
			}
			rows = append(rows, []string{s.Cyan(v.Name), v.Type, def, allowed(v), s.Dim(v.Description)})
		}
		if err := columns(&b, rows); err != nil {
			return err
		}
		b.WriteByte('\n')
	}
	b.WriteString(strings.TrimSuffix(x.Source, "\n") + "\n")
	_, err := io.WriteString(t.Out, b.String())
	return err
}

// allowed says in short what a variable can be.
func allowed(v Variable) string {
	var parts []string
	for _, e := range v.Enum {
		parts = append(parts, Value(e))
	}
	text := strings.Join(parts, " | ")
	switch {
	case v.Min != nil && v.Max != nil:
		text += v.Min.Text() + " to " + v.Max.Text()
	case v.Min != nil:
		text += "≥ " + v.Min.Text()
	case v.Max != nil:
		text += "≤ " + v.Max.Text()
	}
	if v.Pattern != "" {
		text = strings.TrimSpace(text + " " + v.Pattern)
	}
	return text
}

// Rendered is what a template makes of some values.
type Rendered struct {
	Template string `json:"template"` // NAME@VERSION
	Value    value  `json:"value"`
}

// NewRendered makes the report.
func NewRendered(t *template.Template, root *tree.Node) *Rendered {
	return &Rendered{t.ID(), value{root, tree.Masked}}
}

// RenderedText writes it as YAML.
func RenderedText(t *term.IO, r *Rendered) error { return yamlText(t.Out, r.Value.node, tree.Masked) }

// TemplateCheck is what is wrong with templates.
type TemplateCheck struct {
	Findings  diag.List `json:"findings"`
	Templates int       `json:"templates"` // how many versions of templates were looked at
}

// TemplateCheckText writes it for people.
func TemplateCheckText(t *term.IO, c TemplateCheck) error {
	s := t.Style()
	if err := FindingsText(t.Out, c.Findings, s); err != nil {
		return err
	}
	verdict := s.Green("valid")
	if errs, warnings := c.Findings.Count(diag.Error), c.Findings.Count(diag.Warning); errs > 0 {
		verdict = s.Red(plural(errs, "error"))
	} else if warnings > 0 {
		verdict += ", with " + s.Yellow(plural(warnings, "warning"))
	}
	_, err := fmt.Fprintf(t.Out, "%s: %s\n", verdict, plural(c.Templates, "template"))
	return err
}

// TemplateUsers is who gets something from a template.
type TemplateUsers struct {
	Template  string                   `json:"template"`
	Files     []workspace.TemplateUser `json:"files"`
	Templates []string                 `json:"templates"` // those that extend it
	Addresses []address.Address        `json:"addresses"` // those that have one of the files below them
}

// TemplateUsersText writes it for people.
func TemplateUsersText(t *term.IO, u TemplateUsers) error {
	s := t.Style()
	var b strings.Builder
	for _, name := range u.Templates {
		fmt.Fprintf(&b, "%s extends it\n", s.Bold(name))
	}
	rows := make([][]string, 0, len(u.Files))
	for _, f := range u.Files {
		means := f.Template
		if means == "" {
			means = s.Red("there is none")
		}
		rows = append(rows, []string{diag.Position{File: f.Position.File, Line: f.Position.Line}.String(), f.Extends, s.Dim(means)})
	}
	if err := columns(&b, rows); err != nil {
		return err
	}
	if len(u.Files)+len(u.Templates) == 0 {
		b.WriteString("nothing extends " + u.Template + "\n")
	} else {
		tenants := map[string]bool{}
		for _, a := range u.Addresses {
			tenants[a.Tenant] = true
		}
		fmt.Fprintf(&b, "%s, below %s of %s\n", plural(len(u.Files), "layer file"), plural(len(u.Addresses), "address"), plural(len(tenants), "tenant"))
	}
	_, err := io.WriteString(t.Out, b.String())
	return err
}
