package display

import (
	"fmt"
	"io"

	"github.com/llm-devops/lcm/cmd/internal/term"
	"github.com/llm-devops/lcm/pkg/diag"
)

// SchemaCheck is the report of looking schemas over.
type SchemaCheck struct {
	Findings diag.List `json:"findings"`
	Files    int       `json:"files"`
}

// SchemaCheckText writes the report for people: the findings, then one line that sums up.
func SchemaCheckText(t *term.IO, r SchemaCheck) error {
	s := t.Style()
	if err := FindingsText(t.Out, r.Findings, s); err != nil {
		return err
	}
	if r.Files == 0 {
		t.Note("there are no schemas of your own in schemas/; lcm schema eject MODULE copies one there")
		return nil
	}
	if len(r.Findings) > 0 {
		if _, err := io.WriteString(t.Out, "\n"); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(t.Out, "%s: %s\n", verdict(s, r.Findings), plural(r.Files, "schema"))
	return err
}

// verdict sums findings up.
func verdict(s term.Style, found diag.List) string {
	errs, warnings := found.Count(diag.Error), found.Count(diag.Warning)
	switch {
	case errs > 0 && warnings > 0:
		return s.Red(plural(errs, "error")) + ", " + s.Yellow(plural(warnings, "warning"))
	case errs > 0:
		return s.Red(plural(errs, "error"))
	case warnings > 0:
		return s.Green("valid") + ", with " + s.Yellow(plural(warnings, "warning"))
	}
	return s.Green("valid")
}
