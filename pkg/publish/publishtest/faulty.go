package publishtest

import (
	"context"
	"fmt"
	"sync"

	"github.com/llm-devops/lcm/pkg/bundle"
	"github.com/llm-devops/lcm/pkg/publish"
)

// Faulty counts the requests to all stores it wraps and calls At before, and After after, every one. Numbers start at 1. An
// error stops the request, or replaces its answer. Either may be nil.
type Faulty struct {
	At    func(n int, what string) error
	After func(n int, what string) error

	mu sync.Mutex
	n  int
}

// Count gives the number of requests so far.
func (f *Faulty) Count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.n
}

func (f *Faulty) run(what string, request func() error) error {
	f.mu.Lock()
	f.n++
	n := f.n
	f.mu.Unlock()
	if f.At != nil {
		if err := f.At(n, what); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	err := request()
	if f.After != nil {
		if err := f.After(n, what); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	return err
}

// Store wraps a store.
func (f *Faulty) Store(s publish.Store) publish.Store { return &faultyStore{s, f} }

// Secrets wraps a secret store.
func (f *Faulty) Secrets(s publish.SecretStore) publish.SecretStore { return &faultySecrets{s, f} }

type faultyStore struct {
	publish.Store
	f *Faulty
}

func (s *faultyStore) Get(ctx context.Context, key string) (data []byte, tag string, err error) {
	err = s.f.run("get "+key, func() error {
		data, tag, err = s.Store.Get(ctx, key)
		return err
	})
	return data, tag, err
}

func (s *faultyStore) PutIfAbsent(ctx context.Context, key string, data []byte) error {
	return s.f.run("put "+key, func() error { return s.Store.PutIfAbsent(ctx, key, data) })
}

func (s *faultyStore) Replace(ctx context.Context, key string, data []byte, expected string) (tag string, err error) {
	err = s.f.run("replace "+key, func() error {
		tag, err = s.Store.Replace(ctx, key, data, expected)
		return err
	})
	return tag, err
}

type faultySecrets struct {
	publish.SecretStore
	f *Faulty
}

func (s *faultySecrets) Read(ctx context.Context, path string, version int) (got bundle.Secrets, err error) {
	err = s.f.run("read "+path, func() error {
		got, err = s.SecretStore.Read(ctx, path, version)
		return err
	})
	return got, err
}

func (s *faultySecrets) Current(ctx context.Context, path string) (version int, err error) {
	err = s.f.run("current "+path, func() error {
		version, err = s.SecretStore.Current(ctx, path)
		return err
	})
	return version, err
}

func (s *faultySecrets) Write(ctx context.Context, path string, secrets bundle.Secrets, cas int) (version int, err error) {
	err = s.f.run("write "+path, func() error {
		version, err = s.SecretStore.Write(ctx, path, secrets, cas)
		return err
	})
	return version, err
}
