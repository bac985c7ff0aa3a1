package vault

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"

	"github.com/llm-devops/lcm/pkg/bundle"
	"github.com/llm-devops/lcm/pkg/publish"
	"github.com/llm-devops/lcm/pkg/secret"
)

// ObjectStore keeps objects in a KV version 2 engine, so that a Vault alone can be a target. It is a [publish.Store]: an
// object is one secret, its tag the number of its version, and conditional writes are Vault's own check-and-set.
type ObjectStore struct{ store *Store }

// Objects gives the objects of an engine.
func Objects(s *Store) *ObjectStore { return &ObjectStore{s} }

// part is how many bytes of an object go into one field: Vault refuses strings of 1 MiB and more.
const part = 512 << 10

// String implements [publish.Store].
func (o *ObjectStore) String() string { return o.store.String() }

// Get implements [publish.Store].
func (o *ObjectStore) Get(ctx context.Context, key string) (data []byte, tag string, err error) {
	got, err := o.store.read(ctx, key, 0)
	if err != nil {
		return nil, "", err
	}
	fields, ok := got["data"].(map[string]any)
	if !ok {
		return nil, "", fmt.Errorf("read %s: it was deleted: %w", o.store.at("data", key), publish.ErrNotExist)
	}
	metadata, _ := got["metadata"].(map[string]any)
	version, err := o.store.version(metadata, "read", key)
	if err != nil {
		return nil, "", err
	}
	for i := 0; ; i++ {
		text, ok := fields[field(i)].(string)
		if !ok && i == 0 {
			return nil, "", fmt.Errorf("read %s: it was not written by lcm", o.store.at("data", key))
		}
		if !ok {
			break
		}
		chunk, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, "", fmt.Errorf("read %s: it was not written by lcm", o.store.at("data", key))
		}
		if data = append(data, chunk...); len(data) > bundle.MaxObject {
			return nil, "", fmt.Errorf("read %s: it is larger than %d bytes", o.store.at("data", key), bundle.MaxObject)
		}
	}
	return data, strconv.Itoa(version), nil
}

// PutIfAbsent implements [publish.Store].
func (o *ObjectStore) PutIfAbsent(ctx context.Context, key string, data []byte) error {
	_, err := o.write(ctx, key, data, 0)
	return err
}

// Replace implements [publish.Store].
func (o *ObjectStore) Replace(ctx context.Context, key string, data []byte, expected string) (string, error) {
	version := 0
	if expected != "" {
		var err error
		if version, err = strconv.Atoi(expected); err != nil || version < 1 {
			// A tag that no object ever had.
			return "", fmt.Errorf("replace %s: %w", o.store.at("data", key), publish.ErrConflict)
		}
	}
	written, err := o.write(ctx, key, data, version)
	if err != nil {
		return "", err
	}
	return strconv.Itoa(written), nil
}

func (o *ObjectStore) write(ctx context.Context, key string, data []byte, cas int) (int, error) {
	fields := bundle.Secrets{}
	for i := 0; i == 0 || len(data) > 0; i++ {
		n := min(part, len(data))
		fields[field(i)] = secret.New(base64.StdEncoding.EncodeToString(data[:n]))
		data = data[n:]
	}
	version, err := o.store.Write(ctx, key, fields, cas)
	if cas > 0 || !errors.Is(err, publish.ErrConflict) {
		return version, err
	}
	// A deleted object is absent, but its versions still count.
	latest, gone := o.deleted(ctx, key)
	if !gone {
		return 0, err
	}
	return o.store.Write(ctx, key, fields, latest)
}

// deleted reports whether the latest version of an object is deleted, and its number.
func (o *ObjectStore) deleted(ctx context.Context, key string) (version int, gone bool) {
	if _, err := o.store.Read(ctx, key, 0); !errors.Is(err, publish.ErrNotExist) {
		return 0, false
	}
	version, err := o.store.Current(ctx, key)
	return version, err == nil && version > 0
}

func field(i int) string { return fmt.Sprintf("part%04d", i) }
