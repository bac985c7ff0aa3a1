package bundle

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/llm-devops/lcm/pkg/address"
)

// Limits of what is written and read back, in bytes.
const (
	MaxDocument = 16 << 20
	MaxManifest = 8 << 20
	MaxPointer  = 4 << 10
	// MaxObject is the most that any object of a bundle can have: a store need not read further.
	MaxObject = 24 << 20

	maxName   = 256
	maxSerial = 1 << 53
)

const (
	kindManifest = "Manifest"
	kindPointer  = "Pointer"
)

// Manifest names everything that one version of a unit consists of. It is stored signed, as an envelope.
type Manifest struct {
	APIVersion  string    `json:"apiVersion"`
	Kind        string    `json:"kind"`
	Tenant      string    `json:"tenant"`
	Environment string    `json:"environment"`
	Serial      int64     `json:"serial"` // from 1, only rising
	Commit      string    `json:"commit"`
	Created     time.Time `json:"created"` // UTC, whole seconds
	Namespaces  []Entry   `json:"namespaces"`
}

// Entry is one namespace of a [Manifest].
type Entry struct {
	Name         string      `json:"name"`
	Module       string      `json:"module,omitempty"`
	SchemaDigest string      `json:"schemaDigest,omitempty"`
	Document     Object      `json:"document"`
	Secrets      *SecretsRef `json:"secrets,omitempty"`
}

// Object is an immutable object, found by its digest.
type Object struct {
	Digest Digest `json:"digest"`
	Size   int64  `json:"size"`
}

// SecretsRef says where the secrets of a namespace are: one of the two is set.
type SecretsRef struct {
	Vault  *VaultRef  `json:"vault,omitempty"`
	Sealed *SealedRef `json:"sealed,omitempty"`
}

// VaultRef is one version of a secret in a vault's KV version 2 engine.
type VaultRef struct {
	Mount   string `json:"mount"`
	Path    string `json:"path"`
	Version int    `json:"version"`
}

// SealedRef is an age file, with the digest of what it was made from.
type SealedRef struct {
	Object
	Input Digest `json:"input"`
}

// Unit gives the unit the manifest is of.
func (m *Manifest) Unit() Unit { return Unit{m.Tenant, m.Environment} }

// Entry gives a namespace's entry, or nil.
func (m *Manifest) Entry(name string) *Entry {
	for i := range m.Namespaces {
		if m.Namespaces[i].Name == name {
			return &m.Namespaces[i]
		}
	}
	return nil
}

// NewManifest gives a manifest of one version, its kind and time set.
func NewManifest(u Unit, serial int64, commit string, created time.Time, entries []Entry) *Manifest {
	if entries == nil {
		entries = []Entry{}
	}
	return &Manifest{
		APIVersion: APIVersion, Kind: kindManifest, Tenant: u.Tenant, Environment: u.Environment,
		Serial: serial, Commit: commit, Created: created.UTC().Truncate(time.Second), Namespaces: entries,
	}
}

// Check says whether the manifest is well formed: names, digests, order.
func (m *Manifest) Check() error {
	switch {
	case m.APIVersion != APIVersion || m.Kind != kindManifest:
		return fmt.Errorf("manifest: neither %s nor a %s", APIVersion, kindManifest)
	case m.Serial < 1 || m.Serial > maxSerial:
		return fmt.Errorf("manifest: serial %d is out of range", m.Serial)
	case !commitText().MatchString(m.Commit):
		return fmt.Errorf("manifest: %q is not a full commit id", m.Commit)
	case m.Namespaces == nil:
		return fmt.Errorf("manifest: names no list of namespaces")
	}
	if err := m.Unit().Check(); err != nil {
		return fmt.Errorf("manifest: %w", err)
	}
	last := ""
	for i := range m.Namespaces {
		e := &m.Namespaces[i]
		if err := e.check(); err != nil {
			return fmt.Errorf("manifest: namespace %q: %w", e.Name, err)
		}
		if e.Name <= last {
			return fmt.Errorf("manifest: namespace %q is out of order", e.Name)
		}
		last = e.Name
	}
	return nil
}

func (e *Entry) check() error {
	if err := address.CheckName("namespace", e.Name); err != nil {
		return err
	}
	if len(e.Module) > maxName || len(e.SchemaDigest) > maxName {
		return fmt.Errorf("module or schema digest is longer than %d bytes", maxName)
	}
	if err := e.Document.check(); err != nil {
		return err
	}
	if e.Secrets == nil {
		return nil
	}
	switch v, s := e.Secrets.Vault, e.Secrets.Sealed; {
	case (v == nil) == (s == nil):
		return fmt.Errorf("secrets are neither in a vault nor sealed, or both")
	case v != nil && (v.Version < 1 || v.Mount == "" || v.Path == "" || len(v.Mount)+len(v.Path) > 4*maxName):
		return fmt.Errorf("the place in the vault is incomplete")
	case s != nil:
		if err := s.Input.Check(); err != nil {
			return err
		}
		return s.check()
	}
	return nil
}

func (o Object) check() error {
	if o.Size < 1 || o.Size > MaxObject {
		return fmt.Errorf("size %d is out of range", o.Size)
	}
	return o.Digest.Check()
}

// Encode gives the manifest's canonical JSON: what gets signed.
func (m *Manifest) Encode() ([]byte, error) {
	if err := m.Check(); err != nil {
		return nil, err
	}
	data, err := encode(m)
	if err != nil {
		return nil, fmt.Errorf("encode manifest: %w", err)
	}
	if len(data) > maxPayload {
		return nil, fmt.Errorf("encode manifest: %d bytes are more than the %d allowed", len(data), maxPayload)
	}
	return data, nil
}

// parseManifest reads what Encode wrote and nothing else.
func parseManifest(data []byte) (*Manifest, error) {
	m, err := decode[Manifest](data, maxPayload)
	if err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	return m, m.Check()
}

// Pointer says which manifest of a unit is active.
type Pointer struct {
	APIVersion  string `json:"apiVersion"`
	Kind        string `json:"kind"`
	Tenant      string `json:"tenant"`
	Environment string `json:"environment"`
	Serial      int64  `json:"serial"`
	Manifest    Digest `json:"manifest"` // of the signed envelope
}

// NewPointer gives the pointer to a manifest, of which envelope holds the signed form.
func NewPointer(m *Manifest, envelope []byte) *Pointer {
	return &Pointer{
		APIVersion: APIVersion, Kind: kindPointer, Tenant: m.Tenant, Environment: m.Environment,
		Serial: m.Serial, Manifest: DigestOf(envelope),
	}
}

// Encode gives the pointer's canonical JSON.
func (p *Pointer) Encode() ([]byte, error) { return encode(p) }

// ParsePointer reads what [Pointer.Encode] wrote and nothing else; errors wrap [ErrInvalid].
func ParsePointer(data []byte) (*Pointer, error) {
	p, err := decode[Pointer](data, MaxPointer)
	if err == nil {
		err = p.check()
	}
	if err != nil {
		return nil, fmt.Errorf("pointer: %w: %w", ErrInvalid, err)
	}
	return p, nil
}

func (p *Pointer) check() error {
	switch {
	case p.APIVersion != APIVersion || p.Kind != kindPointer:
		return fmt.Errorf("neither %s nor a %s", APIVersion, kindPointer)
	case p.Serial < 1 || p.Serial > maxSerial:
		return fmt.Errorf("serial %d is out of range", p.Serial)
	}
	if err := (Unit{p.Tenant, p.Environment}).Check(); err != nil {
		return err
	}
	return p.Manifest.Check()
}

// encode gives v as one line of JSON, a function of v alone.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}

// decode reads what encode wrote and nothing else: unknown and double fields, other spellings and anything after the end
// are errors.
func decode[T any](data []byte, limit int) (*T, error) {
	if len(data) > limit {
		return nil, fmt.Errorf("%d bytes are more than the %d allowed", len(data), limit)
	}
	v := new(T)
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return nil, err
	}
	again, err := encode(v)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(again, data) {
		return nil, fmt.Errorf("not in canonical form")
	}
	return v, nil
}
