package publish

import (
	"fmt"
)

// Error implements error.
func (e *ConflictError) Error() string {
	if e.Serial == 0 {
		return fmt.Sprintf("publish %s: %s", e.Unit, ErrConflict)
	}
	return fmt.Sprintf("publish %s: %s: serial %d of commit %s by %s is active now",
		e.Unit, ErrConflict, e.Serial, short(e.Commit), e.Signer)
}

// Unwrap gives ErrConflict.
func (e *ConflictError) Unwrap() error { return ErrConflict }

// short abbreviates a commit id for people.
func short(commit string) string { return commit[:min(12, len(commit))] }
