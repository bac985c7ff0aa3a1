package gitrepo

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/llm-devops/lcm/pkg/diag"
)

const (
	exclusiveWait = 30 * time.Second
	exclusivePoll = 15 * time.Millisecond
)

// Exclusive waits until no other process that calls it works on this worktree, so that writers who read, think and commit
// take turns in place of refusing each other. release ends the turn, and so does the end of the process. It holds off
// nobody else: Git itself is kept apart by [Repo.Commit]. If the others do not finish in time it is a [*ConflictError].
func (r *Repo) Exclusive(ctx context.Context) (release func(), err error) {
	path := filepath.Join(r.gitDir, txnFolder+".lock")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // inside the repository's own folder
	if err != nil {
		return nil, fmt.Errorf("wait for other writers: %w", err)
	}
	deadline := time.Now().Add(exclusiveWait)
	for {
		locked, err := tryLock(f)
		switch {
		case err != nil:
			_ = f.Close()
			return nil, fmt.Errorf("wait for other writers: %w", err)
		case locked:
			return func() { _ = f.Close() }, nil
		case time.Now().After(deadline):
			_ = f.Close()
			return nil, diag.WithHint(&ConflictError{Reason: "another lcm has been writing to this repository for " + exclusiveWait.String()},
				"wait until it is done, or end it; then run the command again")
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, context.Cause(ctx)
		case <-time.After(exclusivePoll):
		}
	}
}
