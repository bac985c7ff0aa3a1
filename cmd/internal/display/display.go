// Package display renders results: one function per report and format, writing text for people or JSON for machines.
//
// JSON results are {"apiVersion": "lcm/v1", "kind": …} with the report's fields beside them; within a version fields are
// added and never change. A list of nothing is []. Nothing here shows a secret unless the tree it was given had it revealed on purpose.
package display

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"github.com/llm-devops/lcm/cmd/internal/term"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// JSON writes a report as one indented JSON document of a kind.
func JSON(w io.Writer, kind string, report any) error {
	data, err := document(kind, report)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, data, "", "  "); err != nil {
		return fmt.Errorf("write %s: %w", kind, err)
	}
	b.WriteByte('\n')
	_, err = w.Write(b.Bytes())
	return err
}

// JSONLine writes a report as one line of JSON, for streams of them.
func JSONLine(w io.Writer, kind string, report any) error {
	data, err := document(kind, report)
	if err != nil {
		return err
	}
	_, err = w.Write(append(data, '\n'))
	return err
}

func document(kind string, report any) ([]byte, error) {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(listed(report)); err != nil {
		return nil, fmt.Errorf("write %s: %w", kind, err)
	}
	data := bytes.TrimSpace(body.Bytes())
	head := fmt.Sprintf(`{"apiVersion":%q,"kind":%q`, workspace.APIVersion, kind)
	if bytes.Equal(data, []byte("{}")) {
		return []byte(head + "}"), nil
	}
	return append([]byte(head+","), data[1:]...), nil
}

// Error writes an error to Err: what happened, and what to do about it.
func Error(t *term.IO, err error, code int, asJSON bool) {
	findings, _ := errors.AsType[diag.List](err)
	if asJSON {
		_ = JSON(t.Err, "Error", errorReport{err.Error(), diag.HintOf(err), code, findings})
		return
	}
	s := t.ErrStyle()
	if len(findings) > 0 {
		_ = FindingsText(t.Err, findings, s)
	}
	text := err.Error()
	if len(findings) > 0 { // they have said it
		text = strings.TrimSuffix(strings.TrimSuffix(text, findings.Error()), ": ")
	}
	if text != "" {
		_, _ = fmt.Fprintf(t.Err, "%s %s\n", s.Red("error:"), text)
	}
	if hint := diag.HintOf(err); hint != "" {
		_, _ = fmt.Fprintf(t.Err, "%s %s\n", s.Cyan("hint:"), hint)
	}
}

type errorReport struct {
	Message  string    `json:"message"`
	Hint     string    `json:"hint,omitempty"`
	ExitCode int       `json:"exitCode"`
	Findings diag.List `json:"findings,omitempty"`
}

// FindingsText writes findings for people: each with its place, its message, and below it the hint and the other places.
func FindingsText(w io.Writer, findings diag.List, s term.Style) error {
	var b strings.Builder
	for _, f := range findings {
		label := s.Red("error")
		if f.Severity == diag.Warning {
			label = s.Yellow("warning")
		}
		place := f.Position.String()
		if place != "" {
			place = s.Bold(place) + ": "
		}
		key := ""
		if f.Key != "" && !strings.Contains(f.Message, f.Key) {
			key = s.Cyan(f.Key) + ": "
		}
		fmt.Fprintf(&b, "%s%s: %s%s %s\n", place, label, key, f.Message, s.Dim("["+f.Code+"]"))
		if f.Address != "" && !strings.HasPrefix(f.Position.File, "config/"+f.Address+".") {
			more := ""
			if f.Reach > 1 {
				more = fmt.Sprintf(" and %d more", f.Reach-1)
			}
			fmt.Fprintf(&b, "    in: %s%s\n", f.Address, more)
		}
		for _, r := range f.Related {
			fmt.Fprintf(&b, "    %s: %s\n", r.Position, r.Message)
		}
		if f.Hint != "" {
			fmt.Fprintf(&b, "    %s %s\n", s.Cyan("hint:"), f.Hint)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// plural gives "1 key", "3 keys", "2 addresses".
func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	switch {
	case strings.HasSuffix(word, "s"):
		return fmt.Sprintf("%d %ses", n, word)
	case strings.HasSuffix(word, "y") && !strings.HasSuffix(word, "ey") && !strings.HasSuffix(word, "ay"):
		return fmt.Sprintf("%d %sies", n, strings.TrimSuffix(word, "y"))
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// Value gives a value in one short line for people: strings quoted only where it matters, long ones cut, secrets masked.
func Value(n *tree.Node) string {
	const longest = 60
	switch {
	case n == nil:
		return "(not set)"
	case n.Secret:
		return "(secret)"
	case n.Kind == tree.Map || n.Kind == tree.List:
		data, err := n.AppendJSON(nil, tree.Masked)
		if err != nil || len(data) > longest {
			return n.String()
		}
		return string(data)
	case n.Kind == tree.String:
		text := n.Text()
		if lines := strings.Count(strings.TrimSuffix(text, "\n"), "\n"); lines > 0 || len(text) > 4*longest {
			return fmt.Sprintf("(text, %s, %s)", plural(lines+1, "line"), plural(len(text), "byte"))
		}
		if kind, _ := tree.Resolve(text); kind != tree.String || strings.ContainsAny(text, " ") || strings.ContainsFunc(text, unicode.IsControl) {
			return n.String()
		}
		return text
	}
	return n.Text()
}

// columns pads cells into columns two spaces apart; width of a cell is counted without colour codes.
func columns(w io.Writer, rows [][]string) error {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], visible(cell))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		for i, cell := range row {
			b.WriteString(cell)
			if rest := row[i+1:]; slices.ContainsFunc(rest, func(c string) bool { return c != "" }) {
				b.WriteString(strings.Repeat(" ", widths[i]-visible(cell)+2))
			}
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// visible counts the characters of a cell without its colour codes.
func visible(s string) int {
	n, escape := 0, false
	for _, r := range s {
		switch {
		case escape:
			escape = r != 'm'
		case r == '\x1b':
			escape = true
		default:
			n++
		}
	}
	return n
}
