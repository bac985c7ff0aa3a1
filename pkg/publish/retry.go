package publish

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/llm-devops/lcm/pkg/bundle"
	"github.com/llm-devops/lcm/pkg/diag"
)

// Retrying gives a store that bounds every request, and repeats those that failed with [ErrUnavailable] until they
// succeed or patience runs out. A conditional write is repeated only after reading back that it had no effect. Once
// patience has run out every later call fails at once, so that many calls to a dead store take no longer than one.
func Retrying(s Store, p Patience) Store {
	return &retryStore{store: s, patient: newPatient(s.String(), p)}
}

// RetryingSecrets is [Retrying] for a secret store.
func RetryingSecrets(s SecretStore, p Patience) SecretStore {
	return &retrySecrets{store: s, patient: newPatient(s.String(), p)}
}

// patient runs requests to one store.
type patient struct {
	name     string
	patience Patience

	waiting sync.Once // tells that it takes long

	mu   sync.Mutex
	dead error // set when patience ran out
}

func newPatient(name string, p Patience) *patient {
	if p.Request <= 0 {
		p.Request = defaultRequest
	}
	if p.Total <= 0 {
		p.Total = defaultTotal
	}
	return &patient{name: name, patience: p}
}

// try repeats request while it fails with ErrUnavailable. After such a failure of a conditional write nobody knows whether
// it took effect, so settled, unless it is nil, looks at the store before the next attempt: done says that the request took
// effect after all, an error that it can no longer succeed.
func try[T any](ctx context.Context, p *patient, request func(context.Context) (T, error),
	settled func(context.Context) (v T, done bool, err error),
) (T, error) {
	var zero T
	if err := p.gone(); err != nil {
		return zero, err
	}
	total, cancel := context.WithTimeout(ctx, p.patience.Total)
	defer cancel()
	if p.patience.Waiting != nil {
		slow := time.AfterFunc(p.patience.Total/15, func() {
			p.waiting.Do(func() { p.patience.Waiting(p.name, p.patience.Total) })
		})
		defer slow.Stop()
	}
	var last error
	attempt := func() (T, error) {
		req, cancel := context.WithTimeout(total, p.patience.Request)
		defer cancel()
		unclear := last != nil && settled != nil
		if unclear {
			if v, done, err := settled(req); done || err != nil {
				return v, p.judge(req, err, &last)
			}
		}
		v, err := request(req)
		if unclear && errors.Is(err, ErrConflict) {
			// The conflict may be with our own first attempt, arriving late.
			if v, done, _ := settled(req); done {
				return v, nil
			}
		}
		return v, p.judge(req, err, &last)
	}
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval = p.patience.Total / 150
	wait.MaxInterval = p.patience.Total / 6
	v, err := backoff.Retry(total, attempt, backoff.WithBackOff(wait), backoff.WithMaxElapsedTime(p.patience.Total))
	switch {
	case err == nil:
		return v, nil
	case ctx.Err() != nil:
		return zero, fmt.Errorf("%s: %w", p.name, context.Cause(ctx))
	case errors.Is(err, ErrUnavailable) || total.Err() != nil:
		return zero, p.giveUp(last)
	}
	return zero, err
}

// judge turns a request without an answer in time into unavailability, and marks all else as final.
func (p *patient) judge(req context.Context, err error, last *error) error {
	if err == nil {
		return nil
	}
	if req.Err() != nil && !errors.Is(err, ErrUnavailable) {
		err = fmt.Errorf("%w: no answer within %s", ErrUnavailable, p.patience.Request)
	}
	if !errors.Is(err, ErrUnavailable) {
		return backoff.Permanent(err)
	}
	*last = err
	return err
}

func (p *patient) gone() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead
}

func (p *patient) giveUp(last error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead == nil {
		if last == nil {
			last = ErrUnavailable
		}
		err := fmt.Errorf("%s: gave up after %s: %w", p.name, p.patience.Total, last)
		hint := diag.HintOf(last)
		if hint == "" {
			hint = "check that its address in lcm.yaml is right, that it is up, and that it can be reached from here (VPN, HTTPS_PROXY); " +
				"then run the same again: nothing half done is visible"
		}
		p.dead = diag.WithHint(err, "%s", hint)
	}
	return p.dead
}

type retryStore struct {
	store Store
	*patient
}

func (r *retryStore) String() string { return r.store.String() }

type object struct {
	data []byte
	tag  string
}

func (r *retryStore) Get(ctx context.Context, key string) ([]byte, string, error) {
	o, err := try(ctx, r.patient, func(ctx context.Context) (object, error) {
		data, tag, err := r.store.Get(ctx, key)
		return object{data, tag}, err
	}, nil)
	return o.data, o.tag, err
}

func (r *retryStore) PutIfAbsent(ctx context.Context, key string, data []byte) error {
	_, err := try(ctx, r.patient, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, r.store.PutIfAbsent(ctx, key, data)
	}, func(ctx context.Context) (none struct{}, done bool, err error) {
		_, done, err = r.written(ctx, key, data, "")
		return none, done, err
	})
	return err
}

func (r *retryStore) Replace(ctx context.Context, key string, data []byte, expected string) (string, error) {
	return try(ctx, r.patient, func(ctx context.Context) (string, error) {
		return r.store.Replace(ctx, key, data, expected)
	}, func(ctx context.Context) (string, bool, error) {
		return r.written(ctx, key, data, expected)
	})
}

// written looks whether a conditional write took effect, or somebody else's did.
func (r *retryStore) written(ctx context.Context, key string, data []byte, expected string) (tag string, done bool, err error) {
	got, tag, err := r.store.Get(ctx, key)
	switch {
	case errors.Is(err, ErrNotExist) && expected == "":
		return "", false, nil
	case errors.Is(err, ErrNotExist):
		return "", false, fmt.Errorf("%s: %w: it was removed", key, ErrConflict)
	case err != nil:
		return "", false, err
	case bytes.Equal(got, data):
		return tag, true, nil
	case tag != expected:
		return "", false, fmt.Errorf("%s: %w", key, ErrConflict)
	}
	return "", false, nil
}

func (r *retryStore) List(ctx context.Context, prefix string) ([]string, error) {
	l, ok := r.store.(Lister)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return try(ctx, r.patient, func(ctx context.Context) ([]string, error) { return l.List(ctx, prefix) }, nil)
}

type retrySecrets struct {
	store SecretStore
	*patient
}

func (r *retrySecrets) Mount() string  { return r.store.Mount() }
func (r *retrySecrets) String() string { return r.store.String() }

func (r *retrySecrets) Read(ctx context.Context, path string, version int) (bundle.Secrets, error) {
	return try(ctx, r.patient, func(ctx context.Context) (bundle.Secrets, error) {
		return r.store.Read(ctx, path, version)
	}, nil)
}

func (r *retrySecrets) Current(ctx context.Context, path string) (int, error) {
	return try(ctx, r.patient, func(ctx context.Context) (int, error) { return r.store.Current(ctx, path) }, nil)
}

func (r *retrySecrets) Write(ctx context.Context, path string, secrets bundle.Secrets, cas int) (int, error) {
	return try(ctx, r.patient, func(ctx context.Context) (int, error) {
		return r.store.Write(ctx, path, secrets, cas)
	}, func(ctx context.Context) (int, bool, error) {
		current, err := r.store.Current(ctx, path)
		if err != nil || current == cas {
			return 0, false, err
		}
		if current > cas {
			got, err := r.store.Read(ctx, path, cas+1)
			switch {
			case err == nil && got.Equal(secrets):
				return cas + 1, true, nil
			case err != nil && !errors.Is(err, ErrNotExist):
				return 0, false, err
			}
		}
		return 0, false, fmt.Errorf("%s: %w: version %d is the latest, not %d", path, ErrConflict, current, cas)
	})
}
