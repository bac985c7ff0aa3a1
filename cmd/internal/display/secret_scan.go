package display

import (
	"fmt"
	"io"

	"github.com/llm-devops/lcm/cmd/internal/term"
	"github.com/llm-devops/lcm/pkg/scan"
)

// SecretScanText writes the report of lcm secret scan for people: the findings, then one line that sums up.
func SecretScanText(t *term.IO, r *scan.Report) error {
	s := t.Style()
	if err := FindingsText(t.Out, r.List(), s); err != nil {
		return err
	}
	verdict := s.Green("no secrets in plain text")
	if n := len(r.Findings); n > 0 {
		if _, err := io.WriteString(t.Out, "\n"); err != nil {
			return err
		}
		verdict = s.Red(plural(n, "finding"))
	}
	_, err := fmt.Fprintf(t.Out, "%s: %s\n", verdict, plural(r.Files, "file"))
	return err
}
