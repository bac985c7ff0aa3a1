package display

import (
	"fmt"
	"strings"

	"github.com/llm-devops/lcm/cmd/internal/term"
	"github.com/llm-devops/lcm/pkg/address"
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
	text, err := fieldLines(s, n.Fields, false)
	if err != nil {
		return err
	}
	_, err = t.Out.Write([]byte(text))
	return err
}
