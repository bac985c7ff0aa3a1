package command

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/llm-devops/lcm/cmd/internal/term"
	"github.com/llm-devops/lcm/pkg/change"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/gitrepo"
	"github.com/llm-devops/lcm/pkg/publish"
	"github.com/llm-devops/lcm/pkg/seal"
)

func TestExitCode(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want int
	}{
		{"anything", errors.New("x"), 1},
		{"usage", usageError{errors.New("x")}, 2},
		{"nobody to ask", term.ErrNoTerminal, 2},
		{"findings", diag.List{{Severity: diag.Error}}, 3},
		{"findings that a change would bring", &change.FindingsError{Findings: diag.List{{Severity: diag.Error}}}, 3},
		{"differences", &silentError{code: exitDifferences}, 4},
		{"no identity", &seal.NoIdentityError{}, 5},
		{"the store's permission", publish.ErrPermission, 5},
		{"the file system's permission", &fs.PathError{Op: "open", Path: "x", Err: fs.ErrPermission}, 5},
		{"another was first, in Git", gitrepo.ErrConflict, 6},
		{"another was first, in Git, in detail", &gitrepo.ConflictError{}, 6},
		{"another was first, in the store", publish.ErrConflict, 6},
		{"the code that a report has chosen", &silentError{code: exitFindings, err: gitrepo.ErrConflict}, 3},
	} {
		for wrapping, err := range map[string]error{
			"": tt.err, " wrapped": fmt.Errorf("do it: %w", tt.err), " with a hint": diag.WithHint(tt.err, "do that"), " joined": errors.Join(errors.New("y"), tt.err),
		} {
			if got := exitCode(err); got != tt.want {
				t.Errorf("%s%s: %d, want %d", tt.name, wrapping, got, tt.want)
			}
		}
	}
}
