package bundle

import (
	"context"
	"errors"
	"fmt"

	"github.com/llm-devops/lcm/pkg/tree"
)

// Objects is the store that bundles are read from.
type Objects interface {
	// Get gives an object and a tag that changes with its content. A missing one is an error that wraps [ErrNotExist].
	Get(ctx context.Context, key string) (data []byte, tag string, err error)
}

// Vault is where secrets are read from by version.
type Vault interface {
	// Mount names the engine, as manifests do.
	Mount() string
	// Read gives the secrets of one version. A missing one is an error that wraps [ErrNotExist].
	Read(ctx context.Context, path string, version int) (Secrets, error)
}

// ReadOptions says how to read a unit.
type ReadOptions struct {
	Layout  Layout
	Allowed *AllowedSigners // whose signatures count

	// Vault and OpenSealed give the secrets, by where they are. Without the one needed, references stay in the trees.
	Vault      Vault
	OpenSealed func(ctx context.Context, ciphertext []byte) ([]byte, error)
}

// Active is the version of a unit that its pointer names, verified.
type Active struct {
	Pointer  Pointer
	Tag      string // of the pointer, for replacing it
	Manifest *Manifest
	Signer   *Identity
}

// Published is a version with its documents.
type Published struct {
	Active
	Trees map[string]*tree.Node // by namespace, secrets in their places where they could be had
}

// ReadActive follows a unit's pointer to its manifest and verifies it. A unit that was never published is an error that
// wraps [ErrNotExist]; a version that is not whole, one that wraps [ErrInvalid]; all others are the store's own.
func ReadActive(ctx context.Context, objects Objects, unit Unit, o ReadOptions) (*Active, error) {
	if err := errors.Join(unit.Check(), o.Layout.Check()); err != nil {
		return nil, fmt.Errorf("read %s: %w", unit, err)
	}
	data, tag, err := objects.Get(ctx, o.Layout.Pointer(unit))
	if err != nil {
		return nil, fmt.Errorf("read pointer of %s: %w", unit, err)
	}
	p, err := ParsePointer(data)
	if err != nil {
		return nil, fmt.Errorf("read pointer of %s: %w", unit, err)
	}
	if (Unit{p.Tenant, p.Environment}) != unit {
		return nil, fmt.Errorf("read pointer of %s: %w: it is of %s/%s", unit, ErrInvalid, p.Tenant, p.Environment)
	}
	envelope, err := getWhole(ctx, objects, o.Layout.Manifest(unit, p.Serial), p.Manifest)
	if err != nil {
		return nil, fmt.Errorf("read manifest %d of %s: %w", p.Serial, unit, err)
	}
	m, signer, err := Verify(ctx, envelope, o.Allowed)
	if err != nil {
		return nil, fmt.Errorf("read manifest %d of %s: %w", p.Serial, unit, err)
	}
	if m.Unit() != unit || m.Serial != p.Serial {
		return nil, fmt.Errorf("read manifest %d of %s: %w: it is number %d of %s", p.Serial, unit, ErrInvalid, m.Serial, m.Unit())
	}
	return &Active{Pointer: *p, Tag: tag, Manifest: m, Signer: signer}, nil
}

// Read gives the active version of a unit with all its documents, each checked against its digest, and its secrets where
// o says how to get them. Errors are as of [ReadActive].
func Read(ctx context.Context, objects Objects, unit Unit, o ReadOptions) (*Published, error) {
	active, err := ReadActive(ctx, objects, unit, o)
	if err != nil {
		return nil, err
	}
	p := &Published{Active: *active, Trees: make(map[string]*tree.Node, len(active.Manifest.Namespaces))}
	for i := range active.Manifest.Namespaces {
		e := &active.Manifest.Namespaces[i]
		doc, err := ReadDocument(ctx, objects, o.Layout, unit, e)
		if err != nil {
			return nil, err
		}
		secrets, found, err := readSecrets(ctx, objects, unit, e, o)
		if err != nil {
			return nil, fmt.Errorf("read secrets of %s/%s: %w", unit, e.Name, err)
		}
		p.Trees[e.Name] = doc.Config
		if found {
			if p.Trees[e.Name], err = doc.Restore(secrets); err != nil {
				return nil, err
			}
		}
	}
	return p, nil
}

// ReadDocument gives the document of a manifest's entry, checked. Errors are as of [ReadActive].
func ReadDocument(ctx context.Context, objects Objects, l Layout, unit Unit, e *Entry) (*Document, error) {
	data, err := getObject(ctx, objects, l.Document(unit.Tenant, e.Document.Digest), e.Document)
	if err != nil {
		return nil, fmt.Errorf("read document of %s/%s: %w", unit, e.Name, err)
	}
	doc, err := ParseDocument(data)
	if err != nil {
		return nil, fmt.Errorf("read document of %s/%s: %w", unit, e.Name, err)
	}
	if doc.Unit != unit || doc.Namespace != e.Name || doc.Module != e.Module {
		return nil, fmt.Errorf("read document of %s/%s: %w: it is of %s/%s", unit, e.Name, ErrInvalid, doc.Unit, doc.Namespace)
	}
	return doc, nil
}

// ReadSealed gives the sealed secrets of a manifest's entry as the age file they are, checked. Errors are as of [ReadActive].
func ReadSealed(ctx context.Context, objects Objects, l Layout, unit Unit, ref *SealedRef) ([]byte, error) {
	return getObject(ctx, objects, l.Sealed(unit.Tenant, ref.Digest), ref.Object)
}

// readSecrets gives the secrets of an entry; found is false if o does not say how to get them.
func readSecrets(ctx context.Context, objects Objects, unit Unit, e *Entry, o ReadOptions) (s Secrets, found bool, err error) {
	switch {
	case e.Secrets == nil:
		return Secrets{}, true, nil
	case e.Secrets.Vault != nil && o.Vault != nil:
		ref := e.Secrets.Vault
		if ref.Mount != o.Vault.Mount() {
			return nil, false, fmt.Errorf("they are at the mount %q, not at %q", ref.Mount, o.Vault.Mount())
		}
		// A manifest that points into another tenant's secrets is not followed, whoever signed it.
		if ref.Path != o.Layout.Secrets(unit, e.Name) {
			return nil, false, fmt.Errorf("%w: they are at %q", ErrInvalid, ref.Path)
		}
		s, err = o.Vault.Read(ctx, ref.Path, ref.Version)
		return s, true, missing(err)
	case e.Secrets.Sealed != nil && o.OpenSealed != nil:
		ciphertext, err := ReadSealed(ctx, objects, o.Layout, unit, e.Secrets.Sealed)
		if err != nil {
			return nil, false, err
		}
		plain, err := o.OpenSealed(ctx, ciphertext)
		if err != nil {
			return nil, false, err
		}
		s, err = ParseSecrets(plain)
		return s, true, err
	}
	return nil, false, nil
}

func getObject(ctx context.Context, objects Objects, key string, want Object) ([]byte, error) {
	data, err := getWhole(ctx, objects, key, want.Digest)
	if err == nil && int64(len(data)) != want.Size {
		err = fmt.Errorf("%s: %w: %d bytes instead of %d", key, ErrInvalid, len(data), want.Size)
	}
	return data, err
}

// getWhole gets an object that must be there with a known digest.
func getWhole(ctx context.Context, objects Objects, key string, want Digest) ([]byte, error) {
	data, _, err := objects.Get(ctx, key)
	if err != nil {
		return nil, missing(err)
	}
	if got := DigestOf(data); got != want {
		return nil, fmt.Errorf("%s: %w: its digest is %s", key, ErrInvalid, got)
	}
	return data, nil
}

// missing turns the absence of what a manifest names into a fault of the bundle.
func missing(err error) error {
	if errors.Is(err, ErrNotExist) {
		return &missingError{err}
	}
	return err
}

// missingError is invalid, and no longer merely absent: callers take absence as "never published".
type missingError struct{ cause error }

func (e *missingError) Error() string   { return e.cause.Error() }
func (e *missingError) Is(t error) bool { return t == ErrInvalid } //nolint:errorlint // Is methods compare themselves
