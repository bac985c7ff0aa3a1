package display

import (
	"fmt"

	"github.com/llm-devops/lcm/cmd/internal/term"
	"github.com/llm-devops/lcm/pkg/diag"
)

// PreCommitReport is what lcm hooks pre-commit found in what is staged.
type PreCommitReport struct {
	Findings diag.List `json:"findings"`
	Changed  int       `json:"changed"`         // files
	Merge    bool      `json:"merge,omitempty"` // it is what a merge came to
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
	next := "nothing was committed; fix it and git add it, or skip this check with git commit --no-verify"
	if r.Merge {
		next = "the merge was not committed; fix it, git add it and git commit, or go back with git merge --abort " +
			"(git merge --no-verify skips this check)"
	}
	_, err := fmt.Fprintf(t.Out, "\n%s: %s\n", t.Style().Red(plural(n, "error")), next)
	return err
}
