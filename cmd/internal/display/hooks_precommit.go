package display

import (
	"fmt"

	"github.com/llm-devops/lcm/cmd/internal/term"
	"github.com/llm-devops/lcm/pkg/diag"
)

// PreCommitReport is what lcm hooks pre-commit found in what is staged.
type PreCommitReport struct {
	Findings diag.List `json:"findings"`
	Changed  int       `json:"changed"` // files
}

// PreCommitText writes what is wrong with what is staged; nothing if nothing is.
func PreCommitText(t *term.IO, r PreCommitReport) error {
	if err := FindingsText(t.Out, r.Findings, t.Style()); err != nil {
		return err
	}
	n := r.Findings.Count(diag.Error)
	if n == 0 {
		return nil
	}
	_, err := fmt.Fprintf(t.Out, "\n%s: nothing was committed; fix it and git add it, or skip this check with git commit --no-verify\n",
		t.Style().Red(plural(n, "error")))
	return err
}
