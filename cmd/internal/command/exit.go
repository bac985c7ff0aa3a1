package command

import (
	"errors"
	"io/fs"

	"github.com/llm-devops/lcm/cmd/internal/term"
	"github.com/llm-devops/lcm/pkg/change"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/gitrepo"
	"github.com/llm-devops/lcm/pkg/publish"
	"github.com/llm-devops/lcm/pkg/release"
	"github.com/llm-devops/lcm/pkg/seal"
)

// The exit codes, as documented in docs/exit-codes.md.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitFindings    = 3
	exitDifferences = 4
	exitDenied      = 5
	exitConflict    = 6
)

// silentError ends a command with a code when its report has already said everything.
type silentError struct {
	code int
	err  error
}

func (e *silentError) Error() string {
	if e.err != nil {
		return e.err.Error()
	}
	return "done, with differences or findings"
}

func (e *silentError) Unwrap() error { return e.err }

// exitCode is the one table from errors to exit codes.
func exitCode(err error) int {
	if s, ok := errors.AsType[*silentError](err); ok {
		return s.code
	}
	for _, row := range []struct {
		is   func(error) bool
		code int
	}{
		{isA[usageError], exitUsage},
		{isA[*change.FindingsError], exitFindings},
		{isA[diag.List], exitFindings},
		{isA[*release.RefusedError], exitFindings},
		{isA[*seal.NoIdentityError], exitDenied},
		{is(publish.ErrPermission), exitDenied},
		{is(fs.ErrPermission), exitDenied},
		{is(gitrepo.ErrConflict), exitConflict},
		{is(publish.ErrConflict), exitConflict},
		{is(term.ErrNoTerminal), exitUsage},
	} {
		if row.is(err) {
			return row.code
		}
	}
	return exitFailed
}

func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func is(target error) func(error) bool {
	return func(err error) bool { return errors.Is(err, target) }
}
