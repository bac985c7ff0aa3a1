package display

import (
	"fmt"
	"strings"

	"github.com/llm-devops/lcm/cmd/internal/term"
	"github.com/llm-devops/lcm/pkg/schema"
)

// Modules is a list of modules.
type Modules struct {
	Items []Module `json:"items"`
}

// Module is one module: its header, and where they are asked for its fields.
type Module struct {
	Name       string   `json:"name"`
	Version    string   `json:"version"`
	Title      string   `json:"title"`
	Builtin    bool     `json:"builtin"`
	File       string   `json:"file,omitempty"`     // of a module of the repository's own
	Replaces   string   `json:"replaces,omitempty"` // the version of the built-in module that it was made from, whose place it takes
	Current    string   `json:"current,omitempty"`  // the version of that built-in module that there is now
	Namespaces []string `json:"namespaces"`
	Doc        string   `json:"doc,omitempty"`
	Secrets    []string `json:"secrets,omitempty"` // the names by which the SOPS format chooses what is encrypted
	Key        string   `json:"key,omitempty"`     // to which the fields are narrowed down
	Fields     []Field  `json:"fields,omitempty"`
}

// NewModule makes the report of a module's header.
func NewModule(info schema.Info, namespaces []string) Module {
	m := Module{
		Name: info.Name, Version: info.Version, Title: info.Title, Builtin: info.Builtin, Replaces: info.Replaces, Current: info.Current,
		Namespaces: namespaces,
	}
	if !info.Builtin {
		m.File = info.File
	}
	if m.Namespaces == nil {
		m.Namespaces = []string{}
	}
	return m
}

// Describe adds what the schema says.
func (m *Module) Describe(s *schema.Module) {
	m.Doc, m.Secrets = s.Doc(), s.SecretNames()
	for f := range s.Fields() {
		m.Fields = append(m.Fields, NewField(f.Key, f.Field))
	}
}

// origin says where a module comes from.
func (m Module) origin() string {
	switch {
	case m.Builtin:
		return "built in"
	case m.Replaces != "" && m.Current != "" && m.Current != m.Replaces:
		return fmt.Sprintf("%s, for built-in %s (%s now)", m.File, m.Replaces, m.Current)
	case m.Replaces != "":
		return fmt.Sprintf("%s, for built-in %s", m.File, m.Replaces)
	}
	return m.File
}

// ModulesText writes the list for people.
func ModulesText(t *term.IO, l Modules) error {
	s := t.Style()
	rows := [][]string{{s.Dim("MODULE"), s.Dim("VERSION"), s.Dim("FROM"), s.Dim("USED BY"), s.Dim("TITLE")}}
	for _, m := range l.Items {
		from := m.origin()
		if !m.Builtin {
			from = s.Cyan(from)
		}
		rows = append(rows, []string{m.Name, m.Version, from, strings.Join(m.Namespaces, ", "), m.Title})
	}
	return columns(t.Out, rows)
}

// ModuleText writes one module for people.
func ModuleText(t *term.IO, m Module) error {
	s := t.Style()
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s  %s\n%s", s.Bold(m.Name), m.Version, m.Title, m.origin())
	if len(m.Namespaces) > 0 {
		fmt.Fprintf(&b, ", used by %s", strings.Join(m.Namespaces, ", "))
	}
	b.WriteString("\n\n")
	if m.Doc != "" && m.Key == "" {
		b.WriteString(m.Doc + "\n\n")
	}
	text, err := fieldLines(s, m.Fields, true)
	if err != nil {
		return err
	}
	b.WriteString(text)
	_, err = t.Out.Write([]byte(b.String()))
	return err
}
