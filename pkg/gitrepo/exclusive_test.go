package gitrepo

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestExclusiveTakesTurns(t *testing.T) {
	dir := t.TempDir()
	if _, err := runGit(t.Context(), dir, command{args: []string{"init", "-q", "."}}, nil); err != nil {
		t.Fatal(err)
	}
	r, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	release, err := r.Exclusive(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := r.Exclusive(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a second turn during the first: %v", err)
	}
	got := make(chan error, 1)
	go func() {
		second, err := r.Exclusive(t.Context())
		if err == nil {
			second()
		}
		got <- err
	}()
	release()
	if err := <-got; err != nil {
		t.Errorf("a turn after the first: %v", err)
	}
}
