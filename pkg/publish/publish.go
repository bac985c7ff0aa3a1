// Package publish brings bundles to where they are read: a store for documents and manifests, and a vault for secrets or,
// without one, secrets sealed to their recipients in the same store.
//
// [NewPlan] compares the configuration with what is active and says what would change; [Apply] stages everything that is
// new and then replaces one pointer per unit with a conditional write.
//
// Guarantees: a reader sees all of the old version or all of the new one, across both stores; a crash at any moment leaves
// the old one active and whole, and a second run finishes the job; of two publishers at once one wins and the other gets
// [ErrConflict]; serials only rise; an older commit replaces a newer one, and an empty bundle a full one, only when asked
// to. Requests are retried where that is safe, and give up in bounded time. Nothing here prints, and no error holds a
// secret's value.
//
// Stores are adapters: publish/dir, publish/objstore, publish/vault and, for tests, publish/mem. Each must pass the
// contract suite in publish/publishtest.
package publish

import (
	"context"
	"errors"
	"time"

	"github.com/llm-devops/lcm/pkg/bundle"
)

// What adapters wrap their errors in. An error that wraps none of them is final.
var (
	// ErrNotExist says that the object or secret version is not there. A missing bucket or mount is not this.
	ErrNotExist = bundle.ErrNotExist
	// ErrConflict says that a conditional write found another state than it was told to expect. Nothing was written.
	ErrConflict = errors.New("someone else changed it first")
	// ErrPermission says that the store refused these credentials. Trying again does not help.
	ErrPermission = errors.New("permission denied")
	// ErrUnavailable says that the store could not be reached or did not answer properly. A write may have taken effect.
	ErrUnavailable = errors.New("not available")
)

// What stops a plan besides faults of the stores; each comes with a hint.
var (
	// ErrRollback says that the active version is not older than the one to publish.
	ErrRollback = errors.New("the active version is not an ancestor")
	// ErrEmpty says that an empty bundle would replace a full one.
	ErrEmpty = errors.New("nothing is configured")
	// ErrDamaged says that what is published cannot be trusted or is not whole.
	ErrDamaged = errors.New("what is published is damaged")
)

// Store keeps objects by key. Keys are slash-separated relative paths of letters, digits and ".", "_", "-".
//
// All methods may be called concurrently, by several processes too. They end soon after ctx does. Errors wrap the
// sentinels above. What a method returned without error is durable.
type Store interface {
	// Get gives an object and its version tag, which changes whenever the content does. It fails with ErrNotExist, and
	// for objects larger than [bundle.MaxObject]. It is idempotent.
	Get(ctx context.Context, key string) (data []byte, tag string, err error)

	// PutIfAbsent writes a new object whole or not at all, and fails with ErrConflict if there is one. Of several callers
	// at once, one succeeds. After ErrUnavailable the object may be there.
	PutIfAbsent(ctx context.Context, key string, data []byte) error

	// Replace writes an object whole or not at all if it still has the expected tag, and gives the new one. The tag ""
	// expects that there is none. It fails with ErrConflict otherwise. Of several callers at once with the same tag, one
	// succeeds. After ErrUnavailable the object may have been replaced.
	Replace(ctx context.Context, key string, data []byte, expected string) (tag string, err error)

	// String names the store for people, without credentials: "s3 https://objects.example.com/lcm".
	String() string
}

// Lister is a [Store] that can list keys. It is used to find the highest serial when the pointer is lost.
type Lister interface {
	// List gives the keys that start with a prefix ending in a slash, sorted.
	List(ctx context.Context, prefix string) ([]string, error)
}

// SecretStore keeps sets of secrets by path, in numbered versions. Rules for concurrency, ctx and errors are those of
// [Store].
type SecretStore interface {
	// Mount names the engine, as manifests do.
	Mount() string

	// Read gives the secrets of one version, 0 for the latest. It fails with ErrNotExist for a version that never was, or
	// was deleted or destroyed. It is idempotent.
	Read(ctx context.Context, path string, version int) (bundle.Secrets, error)

	// Current gives the number of the latest version, deleted or not, and 0 if there never was one. It is idempotent.
	Current(ctx context.Context, path string) (version int, err error)

	// Write adds a version if cas is the number of the latest, and gives its number, which is cas+1. It fails with
	// ErrConflict otherwise. After ErrUnavailable the version may have been added.
	Write(ctx context.Context, path string, secrets bundle.Secrets, cas int) (version int, err error)

	// String names the store for people, without credentials.
	String() string
}

// Target is where bundles go.
type Target struct {
	Name    string // as in the configuration, for people
	Store   Store
	Secrets SecretStore // nil: secrets travel sealed in Store
	Layout  bundle.Layout
}

// Options says how to publish.
type Options struct {
	Signer  bundle.Signer          // signs manifests
	Allowed *bundle.AllowedSigners // whose manifests are trusted; must allow Signer

	// Seal encrypts secrets to recipients, as a standard age file. It is needed without a SecretStore.
	Seal func(recipients []string, plaintext []byte) ([]byte, error)

	// Ancestor reports whether commit old is an ancestor of commit new. Without it no other commit can be replaced.
	Ancestor func(ctx context.Context, older, newer string) (bool, error)

	// Related reports whether two commits have history in common. A rollback to one that has none is refused, as whoever
	// may sign there is another matter altogether; nil is not asked.
	Related func(ctx context.Context, a, b string) (bool, error)

	AllowRollback bool // replace a version that is not older
	AllowEmpty    bool // let an empty bundle replace a full one
	Repair        bool // replace a version that is damaged or not trusted

	// Shallow trusts that what the active manifests name is there. Otherwise every object is read and checked.
	Shallow bool

	Now      func() time.Time // when manifests are made; nil for the clock
	Patience Patience
}

// Patience bounds how long a store may take. The zero value is for people who wait.
type Patience struct {
	Request time.Duration // one request; 0 means 10 s
	Total   time.Duration // one operation with all its repetitions; 0 means 30 s

	// Waiting is told once of a store that did not do what it was asked within a fifteenth of Total, which is how long it is tried
	// in all. It may be nil, and is called from any goroutine.
	Waiting func(store string, total time.Duration)
}

const (
	defaultRequest = 10 * time.Second
	defaultTotal   = 30 * time.Second
)

// units and objects are how many units, and objects of one unit, are worked on at once.
const (
	unitsAtOnce   = 8
	objectsAtOnce = 4
)

func (o *Options) now() time.Time {
	if o.Now != nil {
		return o.Now()
	}
	return time.Now()
}
