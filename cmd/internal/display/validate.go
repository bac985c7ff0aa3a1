package display

import (
	"fmt"
	"io"
	"strings"

	"github.com/llm-devops/lcm/cmd/internal/term"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/validate"
)

// ValidationText writes a validation report for people: the findings, then one line that sums up.
func ValidationText(t *term.IO, r *validate.Report) error {
	s := t.Style()
	if err := FindingsText(t.Out, r.Findings, s); err != nil {
		return err
	}
	if len(r.Findings) > 0 {
		if _, err := io.WriteString(t.Out, "\n"); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintf(t.Out, "%s: %s, %s\n", verdict(s, r.Findings), plural(r.Addresses, "address"), plural(r.Files, "layer file")); err != nil {
		return err
	}
	if n := len(r.Unopened); n > 0 {
		t.Note("the secrets of %s were not opened, as no identity here can: their MACs and values are unchecked", plural(n, "file"))
	}
	return nil
}

// FindingsGitHub writes findings as workflow commands, which GitHub shows at the lines of a pull request.
// Source: https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions
func FindingsGitHub(w io.Writer, findings diag.List) error {
	data := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	var b strings.Builder
	for _, f := range findings {
		fmt.Fprintf(&b, "::%s file=%s", f.Severity, property.Replace(f.Position.File))
		if f.Position.Line > 0 {
			fmt.Fprintf(&b, ",line=%d", f.Position.Line)
		}
		if f.Position.Column > 0 {
			fmt.Fprintf(&b, ",col=%d", f.Position.Column)
		}
		message := f.Message
		if f.Key != "" {
			message = f.Key + ": " + message
		}
		if f.Hint != "" {
			message += "\n" + f.Hint
		}
		fmt.Fprintf(&b, ",title=%s::%s\n", property.Replace("lcm: "+f.Code), data.Replace(message))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
