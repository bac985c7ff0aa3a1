package bundle_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"

	"github.com/llm-devops/lcm/pkg/bundle"
	"github.com/llm-devops/lcm/pkg/secret"
	"github.com/llm-devops/lcm/pkg/tree"
)

// objects is a store in a map.
type objects map[string][]byte

func (o objects) Get(_ context.Context, key string) ([]byte, string, error) {
	data, ok := o[key]
	if !ok {
		return nil, "", fmt.Errorf("%s: %w", key, bundle.ErrNotExist)
	}
	return data, string(bundle.DigestOf(data)), nil
}

// safe is a vault in a map.
type safe map[string]bundle.Secrets

func (safe) Mount() string { return "secret" }

func (s safe) Read(_ context.Context, path string, version int) (bundle.Secrets, error) {
	got, ok := s[fmt.Sprintf("%s@%d", path, version)]
	if !ok {
		return nil, fmt.Errorf("%s: %w", path, bundle.ErrNotExist)
	}
	return got, nil
}

// publication is a published unit that can be harmed before it is read.
type publication struct {
	objects objects
	vault   safe
	layout  bundle.Layout
	entry   bundle.Entry
	serial  int64
	unit    bundle.Unit // that the manifest says it is of
	pointer bundle.Unit // that the pointer says it is of
}

func newPublication(t *testing.T) *publication {
	t.Helper()
	p := &publication{objects: objects{}, layout: bundle.Layout{Prefix: "lcm", VaultPrefix: "lcm"}, serial: 42, unit: acme, pointer: acme}
	root := tree.NewMap(field("key", hidden(tree.NewString("s3cr3t"))), field("plain", tree.NewString("x")))
	item := build(t, input(map[string]*tree.Node{"inference": root})).Items[0]
	p.objects[p.layout.Document("acme", item.Digest)] = item.Data
	p.vault = safe{"lcm/acme/production/inference@3": item.Secrets, "lcm/globex/production/inference@3": item.Secrets}
	p.entry = bundle.Entry{
		Name: "inference", Module: item.Module, SchemaDigest: item.SchemaDigest, Document: bundle.Object{Digest: item.Digest, Size: int64(len(item.Data))},
		Secrets: &bundle.SecretsRef{Vault: &bundle.VaultRef{Mount: "secret", Path: "lcm/acme/production/inference", Version: 3}},
	}
	return p
}

func (p *publication) read(t *testing.T, allowed *bundle.AllowedSigners) (*bundle.Published, error) {
	t.Helper()
	m := bundle.NewManifest(p.unit, p.serial, commit, created, []bundle.Entry{p.entry})
	envelope := sign(t, m, signer(t, 1))
	pointer := bundle.NewPointer(m, envelope)
	pointer.Serial, pointer.Tenant, pointer.Environment = 42, p.pointer.Tenant, p.pointer.Environment
	data, err := pointer.Encode()
	if err != nil {
		t.Fatal(err)
	}
	all := maps.Clone(p.objects)
	for key, data := range map[string][]byte{p.layout.Pointer(acme): data, p.layout.Manifest(acme, 42): envelope} {
		if _, harmed := all[key]; !harmed {
			all[key] = data
		}
		if all[key] == nil {
			delete(all, key)
		}
	}
	return bundle.Read(t.Context(), all, acme, bundle.ReadOptions{Layout: p.layout, Allowed: allowed, Vault: p.vault})
}

func TestRead(t *testing.T) {
	allowed := allow(t, "alice "+authorized(t, key(1).Public()))
	got, err := newPublication(t).read(t, allowed)
	if err != nil {
		t.Fatal(err)
	}
	if n := got.Trees["inference"].Field("key"); n.Reveal() != "s3cr3t" || !n.Secret || got.Manifest.Serial != 42 || got.Signer.Principals != "alice" || got.Tag == "" {
		t.Errorf("%+v", got)
	}
	layout := bundle.Layout{Prefix: "lcm", VaultPrefix: "lcm"}
	for name, harm := range map[string]func(p *publication){
		"manifest gone":      func(p *publication) { p.objects[layout.Manifest(acme, 42)] = nil },
		"manifest other":     func(p *publication) { p.objects[layout.Manifest(acme, 42)] = []byte("{}") },
		"pointer garbage":    func(p *publication) { p.objects[layout.Pointer(acme)] = []byte("x") },
		"pointer of another": func(p *publication) { p.pointer.Tenant = "globex" },
		"unit of another":    func(p *publication) { p.unit.Environment = "staging" },
		"serial of another":  func(p *publication) { p.serial = 41 },
		"document gone":      func(p *publication) { delete(p.objects, layout.Document("acme", p.entry.Document.Digest)) },
		"document changed":   func(p *publication) { p.objects[layout.Document("acme", p.entry.Document.Digest)] = []byte("{}\n") },
		"document's size":    func(p *publication) { p.entry.Document.Size++ },
		"document's name":    func(p *publication) { p.entry.Name = "router" },
		"document's module":  func(p *publication) { p.entry.Module = "" },
		"another's secrets":  func(p *publication) { p.entry.Secrets.Vault.Path = "lcm/globex/production/inference" },
		"secrets gone":       func(p *publication) { p.entry.Secrets.Vault.Version = 4 },
		"secrets too few":    func(p *publication) { p.vault["lcm/acme/production/inference@3"] = bundle.Secrets{} },
		"secrets too many": func(p *publication) {
			p.vault["lcm/acme/production/inference@3"] = bundle.Secrets{"key": secret.New("a"), "more": secret.New("b")}
		},
		"no secrets named": func(p *publication) { p.entry.Secrets = nil },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPublication(t)
			harm(p)
			_, err := p.read(t, allowed)
			if !errors.Is(err, bundle.ErrInvalid) || errors.Is(err, bundle.ErrNotExist) {
				t.Errorf("error %v", err)
			}
		})
	}
	p := newPublication(t)
	p.objects[layout.Pointer(acme)] = nil
	if _, err := p.read(t, allowed); !errors.Is(err, bundle.ErrNotExist) || errors.Is(err, bundle.ErrInvalid) {
		t.Errorf("never published: %v", err)
	}
	if _, err := newPublication(t).read(t, allow(t, "bob "+authorized(t, key(2).Public()))); !errors.Is(err, bundle.ErrInvalid) {
		t.Errorf("not allowed: %v", err)
	}
}
