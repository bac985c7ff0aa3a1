// Package holders says who can open the secrets of a config repository.
//
// [Read] puts side by side what the files say (to which keys each is encrypted) and what the tenants' own files say (to which
// keys it should be), at any snapshot. It needs no private key. What a file says is read from its sops block, which nobody
// signs but the commit: see the limits that [Read] names.
package holders

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/workspace"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// Role says why a key is to open a tenant's secrets.
type Role string

// The roles.
const (
	Recipient Role = "recipient"
	Recovery  Role = "recovery"          // for emergencies, of the tenant's own
	Platform  Role = "platform-recovery" // for emergencies, of the platform's
	Unnamed   Role = "unnamed"           // the tenant's file does not name it: it should open nothing
	Unknown   Role = "unknown"           // the tenant's file cannot be read
)

// Tenant is who can open the secrets of one tenant.
type Tenant struct {
	Name     string    `json:"name"`
	Holders  []Holder  `json:"holders"` // in the order of the tenant's file, then who is in files alone
	Files    []File    `json:"files"`   // the layer files with secrets, sorted
	Problems diag.List `json:"problems,omitempty"`

	// By the tenant's file, of how many key groups it takes a key to open a secret; 0 and none where each key is enough.
	Threshold int      `json:"threshold,omitempty"`
	Groups    []string `json:"groups,omitempty"`
}

// Holder is a key, and what it opens.
type Holder struct {
	Key   string `json:"key"`
	Name  string `json:"name,omitempty"`  // whose it is, by the tenant's file
	Known string `json:"known,omitempty"` // whose it is by other tenants' files: "NAME of TENANT"
	Kind  string `json:"kind"`            // x25519, post-quantum, ssh-ed25519, ssh-rsa, plugin NAME, pgp, kms, …
	Role  Role   `json:"role"`
	Group string `json:"group,omitempty"` // its key group by the tenant's file; recovery keys are of all of them
	Files int    `json:"files"`           // how many of the tenant's files with secrets it opens
}

// File is a layer file with secrets.
type File struct {
	Path    string          `json:"path"`
	Address address.Address `json:"address"`
	Keys    []string        `json:"keys"`    // to whom it is encrypted
	Secrets []string        `json:"secrets"` // the keys of its encrypted values
	Extra   []string        `json:"extra,omitempty"`
	Missing []string        `json:"missing,omitempty"`
	// The key groups, of which it takes keys of Threshold to open it; none where each key is enough.
	Groups    [][]string `json:"groups,omitempty"`
	Threshold int        `json:"threshold,omitempty"`
	Regrouped bool       `json:"regrouped,omitempty"` // the groups are not those of the tenant's file

	Pos       diag.Position   `json:"-"` // of the sops block
	Values    []Value         `json:"-"` // of Secrets
	Envelopes []seal.Envelope `json:"-"`

	others []seal.OtherKey
}

// Value is where an encrypted value stands, and what tells its ciphertext from others.
type Value struct {
	Pos    diag.Position
	Digest [sha256.Size]byte // of the ciphertext
}

// Differs reports whether a file is encrypted to others than policy says.
func (f File) Differs() bool { return len(f.Extra)+len(f.Missing) > 0 || f.Regrouped }

// Differs reports whether any file of the tenant does.
func (t Tenant) Differs() bool { return slices.ContainsFunc(t.Files, File.Differs) }

// Options says what to read.
type Options struct {
	Tenants []string // none is all
	// Total is told once how many tenants there are, Step after each. Both may be nil; Step is called concurrently.
	Total func(int)
	Step  func()
}

// Read gives who can open the secrets of tenants, in the order of [workspace.Snapshot.Tenants]. What cannot be read of a
// tenant is among its problems. An unknown tenant is a *[workspace.UnknownError].
//
// The limits: a file's sops block names the keys, and for age's own keys nothing but their private half can prove that the
// name is right. Files that lcm or the sops CLI wrote are right; one that somebody made by hand need not be.
func Read(ctx context.Context, s *workspace.Snapshot, o Options) ([]Tenant, error) {
	names, known, err := whom(ctx, s, o)
	if err != nil {
		return nil, err
	}
	if o.Total != nil {
		o.Total(len(names))
	}
	out := make([]Tenant, len(names))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, name := range names {
		g.Go(func() error {
			t, err := read(gctx, s, name, known)
			if err != nil {
				return fmt.Errorf("read who can open the secrets of %s: %w", name, err)
			}
			out[i] = *t
			if o.Step != nil {
				o.Step()
			}
			return nil
		})
	}
	return out, g.Wait()
}

// whom gives the tenants to be read, and by key whose it is in all tenants' files.
func whom(ctx context.Context, s *workspace.Snapshot, o Options) (names []string, known map[string]string, err error) {
	all, err := s.Tenants(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, name := range o.Tenants {
		if !slices.Contains(all, name) {
			return nil, nil, workspace.Unknown("tenant", name, all)
		}
	}
	known = map[string]string{}
	for _, name := range all {
		t, err := s.Tenant(ctx, name)
		if err != nil {
			continue // told where it is read itself
		}
		for _, r := range t.Recipients {
			if r.Name != "" && known[r.Key] == "" {
				known[r.Key] = r.Name + " of " + name
			}
		}
	}
	if len(o.Tenants) == 0 {
		return all, known, nil
	}
	return slices.DeleteFunc(slices.Clone(all), func(n string) bool { return !slices.Contains(o.Tenants, n) }), known, nil
}

func read(ctx context.Context, s *workspace.Snapshot, name string, known map[string]string) (*Tenant, error) {
	out := &Tenant{Name: name, Holders: []Holder{}, Files: []File{}}
	policy, err := s.Tenant(ctx, name)
	if err != nil {
		if err := out.problem(ctx, workspace.TenantFile(name), err); err != nil {
			return nil, err
		}
		policy = nil
	}
	for _, r := range policy.All() {
		out.Holders = append(out.Holders, Holder{Key: r.Key, Name: r.Name, Kind: kindOf(r.Key), Role: roleOf(policy, r), Group: r.Group})
	}
	if policy != nil {
		out.Threshold, out.Groups = policy.Threshold, policy.Groups()
	}
	layers, _, err := s.LayerFiles(ctx, name)
	if err != nil {
		return nil, err
	}
	for _, a := range layers {
		f, err := readFile(ctx, s, a)
		if err != nil {
			if err := out.problem(ctx, a.File(), err); err != nil {
				return nil, err
			}
			continue
		}
		if f != nil {
			out.add(f, policy, known)
		}
	}
	slices.SortFunc(out.Files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return out, nil
}

// problem keeps what is wrong with a file; an error that is about none is given back.
func (t *Tenant) problem(ctx context.Context, file string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if list, ok := errors.AsType[diag.List](err); ok {
		t.Problems = append(t.Problems, list...)
		return nil
	}
	t.Problems = append(t.Problems, diag.Finding{
		Code: "unreadable-file", Severity: diag.Error, Position: diag.Position{File: file}, Message: err.Error(), Hint: diag.HintOf(err),
	})
	return nil
}

// add takes a file in, and counts it for all who can open it.
func (t *Tenant) add(f *File, policy *workspace.Tenant, known map[string]string) {
	role := Unknown
	access := seal.Access{Groups: f.Groups, Threshold: f.Threshold}
	if len(f.Groups) == 0 {
		access = seal.AccessOf(f.Keys...)
	}
	for _, other := range f.others {
		f.Keys = append(f.Keys, other.Name)
	}
	if policy != nil {
		extra, missing := policy.Difference(f.Keys)
		for _, r := range missing {
			f.Missing = append(f.Missing, r.Key)
		}
		f.Extra, role = extra, Unnamed
		f.Regrouped = len(f.Extra)+len(f.Missing) == 0 && !access.Equal(policy.Access())
	}
	for _, key := range slices.Compact(slices.Sorted(slices.Values(f.Keys))) {
		at := slices.IndexFunc(t.Holders, func(h Holder) bool { return h.Key == key })
		if at < 0 {
			kind := kindOf(key)
			if o := slices.IndexFunc(f.others, func(o seal.OtherKey) bool { return o.Name == key }); o >= 0 {
				kind = f.others[o].Kind
			}
			t.Holders = append(t.Holders, Holder{Key: key, Known: known[key], Kind: kind, Role: role})
			at = len(t.Holders) - 1
		}
		t.Holders[at].Files++
	}
	t.Files = append(t.Files, *f)
}

func roleOf(t *workspace.Tenant, r workspace.Recipient) Role {
	switch {
	case slices.ContainsFunc(t.Recipients, func(own workspace.Recipient) bool { return own.Key == r.Key }):
		return Recipient
	case r.Pos.File == t.File:
		return Recovery
	}
	return Platform
}

func kindOf(key string) string {
	r, err := seal.ParseRecipient(key)
	if err != nil {
		return "unknown"
	}
	return r.Kind()
}

// readFile gives a layer file with secrets; nil for one without.
func readFile(ctx context.Context, s *workspace.Snapshot, a address.Address) (*File, error) {
	src, err := s.ReadFile(ctx, a.File())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // a layer in CUE, which holds no secrets
	}
	if err != nil {
		return nil, err
	}
	return Parse(a, src)
}

// Parse gives a layer file's keys and secrets from its text; nil where it has none.
func Parse(a address.Address, src []byte) (*File, error) {
	doc, err := yamldoc.Parse(a.File(), src)
	if err != nil {
		return nil, err
	}
	meta, err := seal.Inspect(doc)
	if err != nil || meta == nil {
		return nil, err
	}
	root, err := seal.Sealed(doc)
	if err != nil {
		return nil, err
	}
	f := &File{Path: a.File(), Address: a, Keys: meta.Access.Recipients(), Secrets: []string{}, Pos: meta.Pos, Envelopes: meta.Envelopes(), others: meta.Others}
	if meta.Access.Grouped() {
		f.Groups, f.Threshold = meta.Access.Groups, meta.Access.Threshold
	}
	root.Walk(func(p tree.Path, n *tree.Node) bool {
		if n.Sealed {
			f.Secrets = append(f.Secrets, p.String())
			f.Values = append(f.Values, Value{n.Pos, sha256.Sum256([]byte(n.Reveal()))})
		}
		return true
	})
	return f, nil
}
