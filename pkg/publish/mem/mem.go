// Package mem keeps bundles and secrets in memory, for tests and for trying things out: the simplest thing that honours the
// contracts of [publish.Store] and [publish.SecretStore].
package mem

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/llm-devops/lcm/pkg/bundle"
	"github.com/llm-devops/lcm/pkg/publish"
)

// Store is a [publish.Store] and a [publish.Lister]. The zero value is empty and ready.
type Store struct {
	mu      sync.Mutex
	objects map[string][]byte
}

// String implements [publish.Store].
func (*Store) String() string { return "memory" }

// Get implements [publish.Store]; the tag is the content's digest.
func (s *Store) Get(ctx context.Context, key string) ([]byte, string, error) {
	if err := check(ctx, key); err != nil {
		return nil, "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	data, ok := s.objects[key]
	if !ok {
		return nil, "", fmt.Errorf("%s: %w", key, publish.ErrNotExist)
	}
	return slices.Clone(data), string(bundle.DigestOf(data)), nil
}

// PutIfAbsent implements [publish.Store].
func (s *Store) PutIfAbsent(ctx context.Context, key string, data []byte) error {
	_, err := s.Replace(ctx, key, data, "")
	return err
}

// Replace implements [publish.Store].
func (s *Store) Replace(ctx context.Context, key string, data []byte, expected string) (string, error) {
	if err := check(ctx, key); err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	tag := ""
	if old, ok := s.objects[key]; ok {
		tag = string(bundle.DigestOf(old))
	}
	if tag != expected {
		return "", fmt.Errorf("%s: %w", key, publish.ErrConflict)
	}
	if s.objects == nil {
		s.objects = map[string][]byte{}
	}
	s.objects[key] = slices.Clone(data)
	return string(bundle.DigestOf(data)), nil
}

// List implements [publish.Lister].
func (s *Store) List(ctx context.Context, prefix string) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []string
	for _, key := range slices.Sorted(maps.Keys(s.objects)) {
		if strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	return keys, ctx.Err()
}

// Set writes an object without conditions, and removes it if data is nil: what an operator could do to a real store.
func (s *Store) Set(key string, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if data == nil {
		delete(s.objects, key)
		return
	}
	if s.objects == nil {
		s.objects = map[string][]byte{}
	}
	s.objects[key] = slices.Clone(data)
}

func check(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return publish.CheckKey(key)
}

// Secrets is a [publish.SecretStore]. The zero value is empty and ready.
type Secrets struct {
	mu       sync.Mutex
	versions map[string][]bundle.Secrets
}

// String implements [publish.SecretStore].
func (*Secrets) String() string { return "memory" }

// Mount implements [publish.SecretStore].
func (*Secrets) Mount() string { return "secret" }

// Read implements [publish.SecretStore].
func (s *Secrets) Read(ctx context.Context, path string, version int) (bundle.Secrets, error) {
	if err := check(ctx, path); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.versions[path]
	if version == 0 {
		version = len(all)
	}
	if version < 1 || version > len(all) {
		return nil, fmt.Errorf("%s version %d: %w", path, version, publish.ErrNotExist)
	}
	return maps.Clone(all[version-1]), nil
}

// Current implements [publish.SecretStore].
func (s *Secrets) Current(ctx context.Context, path string) (int, error) {
	if err := check(ctx, path); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.versions[path]), nil
}

// Write implements [publish.SecretStore].
func (s *Secrets) Write(ctx context.Context, path string, secrets bundle.Secrets, cas int) (int, error) {
	if err := check(ctx, path); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if latest := len(s.versions[path]); latest != cas {
		return 0, fmt.Errorf("%s: %w: version %d is the latest, not %d", path, publish.ErrConflict, latest, cas)
	}
	if s.versions == nil {
		s.versions = map[string][]bundle.Secrets{}
	}
	s.versions[path] = append(s.versions[path], maps.Clone(secrets))
	return cas + 1, nil
}
