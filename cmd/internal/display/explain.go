package display

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/llm-devops/lcm/cmd/internal/term"
	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// Explanations is how the values of an address came to be.
type Explanations struct {
	Address  address.Address         `json:"address"`
	Revision string                  `json:"revision,omitempty"`
	Values   []workspace.Explanation `json:"values"`
	Findings diag.List               `json:"findings,omitempty"`
	Reveal   bool                    `json:"-"`
}

// MarshalJSON implements json.Marshaler: secrets are shown where Reveal is set.
func (e Explanations) MarshalJSON() ([]byte, error) {
	type plain Explanations
	if e.Reveal {
		e.Values = revealed(e.Values)
	}
	return json.Marshal(plain(e))
}

// revealed drops the secret mark of values that were opened, so that encoders show them.
func revealed(values []workspace.Explanation) []workspace.Explanation {
	out := make([]workspace.Explanation, len(values))
	for i, v := range values {
		v.Value = shown(v.Value)
		sources := make([]workspace.Source, len(v.Sources))
		for j, s := range v.Sources {
			s.Value = shown(s.Value)
			sources[j] = s
		}
		v.Sources = sources
		out[i] = v
	}
	return out
}

func shown(n *tree.Node) *tree.Node {
	if n == nil || !n.Secret || n.Sealed {
		return n
	}
	c := n.Clone()
	c.Secret = false
	return c
}

// ExplainText writes explanations for people.
func ExplainText(t *term.IO, e Explanations) error {
	s := t.Style()
	if e.Reveal {
		e.Values = revealed(e.Values)
	}
	for i, v := range e.Values {
		if i > 0 {
			if _, err := fmt.Fprintln(t.Out); err != nil {
				return err
			}
		}
		value := s.Red("(deleted)")
		if v.Value != nil {
			value = s.Bold(Value(v.Value))
		}
		if _, err := fmt.Fprintf(t.Out, "%s = %s\n", s.Cyan(v.Key.String()), value); err != nil {
			return err
		}
		rows := make([][]string, 0, len(v.Sources))
		for _, src := range v.Sources {
			rows = append(rows, sourceRow(s, src))
		}
		if err := columns(t.Out, rows); err != nil {
			return err
		}
	}
	if len(e.Findings) > 0 {
		if _, err := io.WriteString(t.Out, "\n"); err != nil {
			return err
		}
		return FindingsText(t.Out, e.Findings, s)
	}
	return nil
}

func sourceRow(s term.Style, src workspace.Source) []string {
	role := map[workspace.Role]string{
		workspace.Wins: s.Green("wins"), workspace.Shadowed: s.Dim("shadowed"),
		workspace.Deletes: s.Red("deletes"), workspace.Joins: s.Green("joins"),
	}[src.Role]
	value := ""
	if src.Role != workspace.Deletes {
		value = Value(src.Value)
	}
	if src.Says != "" {
		value = strings.TrimSpace(s.Yellow(src.Says) + " " + value)
	}
	who := ""
	switch c := src.Commit; {
	case c == nil && src.Layer == workspace.DefaultsLayer:
		who = s.Dim("default of the schema")
	case c == nil:
	case c.Revision.IsZero():
		who = s.Yellow("not committed yet")
	default:
		who = s.Dim(fmt.Sprintf("%s %s, %s", c.Revision.Short(), c.Author, c.Time.Format("2006-01-02")))
	}
	place := src.File
	if src.Line > 0 {
		place = fmt.Sprintf("%s:%d", src.File, src.Line)
	}
	if src.Extender != "" {
		who = strings.TrimPrefix(who+", "+templateOf(src), ", ")
	}
	if src.Via != "" {
		place += s.Dim(" by " + src.Via)
	}
	return []string{"  " + role, value, place, who}
}

// templateOf says through which file a template's value came, and which variables made it.
func templateOf(src workspace.Source) string {
	text := fmt.Sprintf("%s by %s", strings.TrimPrefix(src.Layer, workspace.TemplatePrefix), src.Extender)
	for _, v := range src.Variables {
		if workspace.IsTemplate(v.Pos.File) {
			continue // a default, which stands beside the value that it made
		}
		text += fmt.Sprintf(", %s at %s", v.Variable, diag.Position{File: v.Pos.File, Line: v.Pos.Line})
	}
	return text
}
