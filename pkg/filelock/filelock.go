// Package filelock holds files locked between processes, with locks of the operating system: they end with the process
// that has them, however it dies, so nobody has to judge whether a lock that was left behind is still somebody's.
package filelock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// ErrHeld says that another process kept the lock for as long as the caller was ready to wait.
var ErrHeld = errors.New("another process holds the lock")

const poll = 15 * time.Millisecond

// Acquire makes the file at path if it is not there (mode 0600), and waits at most the given time until its lock is had. The
// lock lasts until release is called. The error is [ErrHeld] if somebody else had it all the time.
func Acquire(ctx context.Context, path string, wait time.Duration) (release func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	for deadline := time.Now().Add(wait); ; {
		locked, err := Try(f)
		switch {
		case err != nil:
			_ = f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		case locked:
			return func() { _ = f.Close() }, nil
		case time.Now().After(deadline):
			_ = f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, ErrHeld)
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, context.Cause(ctx)
		case <-time.After(poll):
		}
	}
}
