package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/filelock"
)

const exclusiveWait = 30 * time.Second

// Exclusive waits until no other process that calls it works on this worktree, so that writers who read, think and commit
// take turns in place of refusing each other. release ends the turn, and so does the end of the process. It holds off
// nobody else: Git itself is kept apart by [Repo.Commit]. If the others do not finish in time it is a [*ConflictError].
func (r *Repo) Exclusive(ctx context.Context) (release func(), err error) {
	path := filepath.Join(r.gitDir, txnFolder+".lock")
	release, err = filelock.Acquire(ctx, path, exclusiveWait)
	if errors.Is(err, filelock.ErrHeld) {
		return nil, diag.WithHint(&ConflictError{Reason: "another lcm has been writing to this repository for " + exclusiveWait.String()},
			"wait until it is done, or end it; then run the command again")
	}
	if err != nil {
		return nil, fmt.Errorf("wait for other writers: %w", err)
	}
	return release, nil
}
