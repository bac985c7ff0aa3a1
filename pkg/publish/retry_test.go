package publish_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/llm-devops/lcm/pkg/bundle"
	"github.com/llm-devops/lcm/pkg/publish"
	"github.com/llm-devops/lcm/pkg/publish/mem"
	"github.com/llm-devops/lcm/pkg/publish/publishtest"
	"github.com/llm-devops/lcm/pkg/secret"
)

var impatient = publish.Patience{Request: 200 * time.Millisecond, Total: 600 * time.Millisecond}

// unclear fails the first request of a kind without an answer, before or after it took effect; meanwhile, if it is not nil,
// is what others do before it is repeated.
func unclear(effect bool, meanwhile func()) *publishtest.Faulty {
	failed := false
	once := func(_ int, what string) error {
		if failed || what[:3] == "get" {
			return nil
		}
		failed = true
		if meanwhile != nil {
			meanwhile()
		}
		return fmt.Errorf("connection reset: %w", publish.ErrUnavailable)
	}
	if effect {
		return &publishtest.Faulty{After: once}
	}
	return &publishtest.Faulty{At: once}
}

// A conditional write without an answer is repeated only if it had no effect, and succeeds if it had.
func TestRetryingWrites(t *testing.T) {
	for _, effect := range []bool{false, true} {
		store := &mem.Store{}
		s := publish.Retrying(unclear(effect, nil).Store(store), impatient)
		tag, err := s.Replace(t.Context(), "k", []byte("1"), "")
		if err != nil || tag != string(bundle.DigestOf([]byte("1"))) {
			t.Errorf("effect %t: create: %q, %v", effect, tag, err)
		}
		s = publish.Retrying(unclear(effect, nil).Store(store), impatient)
		if tag, err = s.Replace(t.Context(), "k", []byte("2"), tag); err != nil || tag != string(bundle.DigestOf([]byte("2"))) {
			t.Errorf("effect %t: replace: %q, %v", effect, tag, err)
		}
		s = publish.Retrying(unclear(effect, nil).Store(store), impatient)
		if err := s.PutIfAbsent(t.Context(), "p", []byte("x")); err != nil {
			t.Errorf("effect %t: put: %v", effect, err)
		}
		secrets := &mem.Secrets{}
		for version := range 2 {
			v := publish.RetryingSecrets(unclear(effect, nil).Secrets(secrets), impatient)
			got, err := v.Write(t.Context(), "k", bundle.Secrets{"n": secret.New(fmt.Sprint(version))}, version)
			if err != nil || got != version+1 {
				t.Errorf("effect %t: write %d: %d, %v", effect, version, got, err)
			}
		}
	}
}

// If others write in the meantime, the repetition is a conflict and theirs stays.
func TestRetryingIntoConflict(t *testing.T) {
	store := &mem.Store{}
	theirs := func() { store.Set("k", []byte("theirs")) }
	wantConflict := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, publish.ErrConflict) {
			t.Errorf("%s: %v", what, err)
		}
		if data, _, err := store.Get(t.Context(), "k"); err != nil || string(data) != "theirs" {
			t.Errorf("%s: %q, %v", what, data, err)
		}
	}
	wantConflict("put", publish.Retrying(unclear(false, theirs).Store(store), impatient).PutIfAbsent(t.Context(), "k", []byte("ours")))
	store.Set("k", []byte("old"))
	old := string(bundle.DigestOf([]byte("old")))
	_, err := publish.Retrying(unclear(false, theirs).Store(store), impatient).Replace(t.Context(), "k", []byte("ours"), old)
	wantConflict("replace", err)
	store.Set("k", []byte("old"))
	_, err = publish.Retrying(unclear(true, theirs).Store(store), impatient).Replace(t.Context(), "k", []byte("ours"), old)
	wantConflict("replace and replaced again", err)
	store.Set("k", []byte("old"))
	_, err = publish.Retrying(unclear(false, func() { store.Set("k", nil) }).Store(store), impatient).Replace(t.Context(), "k", []byte("ours"), old)
	if _, _, getErr := store.Get(t.Context(), "k"); !errors.Is(err, publish.ErrConflict) || !errors.Is(getErr, publish.ErrNotExist) {
		t.Errorf("removed: %v, %v", err, getErr)
	}

	secrets := &mem.Secrets{}
	other := func() {
		if _, err := secrets.Write(t.Context(), "k", bundle.Secrets{"n": secret.New("theirs")}, 0); err != nil {
			t.Error(err)
		}
	}
	v := publish.RetryingSecrets(unclear(false, other).Secrets(secrets), impatient)
	if _, err := v.Write(t.Context(), "k", bundle.Secrets{"n": secret.New("ours")}, 0); !errors.Is(err, publish.ErrConflict) {
		t.Errorf("write: %v", err)
	}
}

// late is a store whose first replacement takes effect only while it is repeated.
type late struct {
	mem.Store
	calls int
}

func (s *late) Replace(ctx context.Context, key string, data []byte, expected string) (string, error) {
	if s.calls++; s.calls == 1 {
		return "", fmt.Errorf("timeout: %w", publish.ErrUnavailable)
	}
	if _, err := s.Store.Replace(ctx, key, data, expected); err != nil {
		return "", err
	}
	return s.Store.Replace(ctx, key, data, expected)
}

func TestRetryingLateEffect(t *testing.T) {
	if _, err := publish.Retrying(&late{}, impatient).Replace(t.Context(), "k", []byte("x"), ""); err != nil {
		t.Errorf("our own late write is taken for another's: %v", err)
	}
}

// The caller's context ends everything at once, and is not taken for an absent store.
func TestRetryingCancelled(t *testing.T) {
	s := publish.Retrying(&hangingStore{hang: true}, publish.Patience{})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, _, err := s.Get(ctx, "k")
	if took := time.Since(start); took > time.Second {
		t.Errorf("it took %s", took)
	}
	if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, publish.ErrUnavailable) {
		t.Errorf("error %v", err)
	}
}

// Whoever waits is told of which store, once, and is told nothing while a store answers.
func TestRetryingTellsOfWaiting(t *testing.T) {
	told := make(chan string, 10)
	patience := impatient
	patience.Waiting = func(store string, total time.Duration) { told <- fmt.Sprint(store, " ", total) }
	quick := publish.Retrying(&mem.Store{}, patience)
	_, _, _ = quick.Get(t.Context(), "k")
	s := publish.Retrying(&hangingStore{hang: true}, patience)
	for range 2 {
		if _, _, err := s.Get(t.Context(), "k"); !errors.Is(err, publish.ErrUnavailable) {
			t.Errorf("error %v", err)
		}
	}
	if len(told) != 1 {
		t.Fatalf("told %d times", len(told))
	}
	if got, want := <-told, s.String()+" 600ms"; got != want {
		t.Errorf("told %q, want %q", got, want)
	}
}
