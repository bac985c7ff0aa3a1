// Package inventory lists the secrets that layer files hold, and tells from history since when each has the value it has.
//
// [Layers] chooses the files, [List] reads them. It needs no key, and shows no value: a secret is known to have changed where
// its ciphertext did, unless the commit says that it only encrypted it anew, or gave the file a new data key. A change that
// hides in such a commit is not told, so a secret may be younger than it is said to be, and never older.
package inventory

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/gitrepo"
	"github.com/llm-devops/lcm/pkg/quantity"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// Secret is one secret value of one layer file.
type Secret struct {
	Address   address.Address `json:"address"` // whose own layer file holds it
	Key       tree.Path       `json:"key"`
	Position  diag.Position   `json:"position"`
	Declared  bool            `json:"declared"`  // the schema says that it is secret
	Encrypted bool            `json:"encrypted"` // else it lies in plain text
	Type      string          `json:"type,omitempty"`
	Rotation  string          `json:"rotation,omitempty"` // how often it is to be changed, as written: 90d

	Owner string `json:"owner,omitempty"` // who is to change it, as the schema says

	// Expires is when the value stops working, as the commit that set it says; zero where that says nothing.
	Expires time.Time `json:"expiresAt,omitzero"`
	// Since is the commit since which the key has a value without a break, Changed the last that changed the value; nil
	// where nothing is committed.
	Since   *gitrepo.CommitInfo `json:"since,omitempty"`
	Changed *gitrepo.CommitInfo `json:"changed,omitempty"`
	Changes int                 `json:"changes"` // commits that set or changed the value since then
	// Uncommitted says that the value in the worktree is not the last commit's.
	Uncommitted bool `json:"uncommitted,omitempty"`
	// Cut says that history ends before that, as in a clone with --depth: it may be older.
	Cut bool `json:"historyCut,omitempty"`

	text string // as it stands in the file
}

// Age gives how long ago the value was changed; ok is false if it is not committed, or if commits claim to be later than now.
func (s *Secret) Age(now time.Time) (age time.Duration, ok bool) {
	if s.Changed == nil || s.Uncommitted {
		return 0, false
	}
	return max(0, now.Sub(s.Changed.Committed)), true
}

// Due gives when a secret is to be changed next: when it expires, or by how often it is to be changed, whichever is first; ok is
// false where nothing says it, or it is not known how old the secret is.
func (s *Secret) Due() (at time.Time, ok bool) {
	if s.Changed == nil || s.Uncommitted {
		return time.Time{}, false
	}
	at, ok = s.Expires, !s.Expires.IsZero()
	q, _ := quantity.Parse(s.Rotation)
	if every, rotates := q.Duration(); rotates && every > 0 {
		if next := s.Changed.Committed.Add(every); !ok || next.Before(at) {
			at, ok = next, true
		}
	}
	return at, ok
}

// Layers gives the addresses of the layer files that patterns mean: those of the patterns themselves, and those under the
// addresses that services read. No pattern means all.
func Layers(ctx context.Context, s *workspace.Snapshot, patterns ...address.Pattern) ([]address.Address, error) {
	settings, err := s.Settings(ctx)
	if err != nil {
		return nil, err
	}
	under := map[address.Address]bool{}
	if len(patterns) > 0 {
		addresses, err := s.Addresses(ctx, patterns...)
		if err != nil {
			return nil, err
		}
		for _, a := range addresses {
			for _, ref := range settings.Stack(a) {
				under[ref.Address] = true
			}
		}
	}
	tenants, err := s.Tenants(ctx)
	if err != nil {
		return nil, err
	}
	var out []address.Address
	for _, tenant := range tenants {
		layers, _, err := s.LayerFiles(ctx, tenant)
		if err != nil {
			return nil, err
		}
		for _, a := range layers {
			if len(patterns) == 0 || under[a] || slices.ContainsFunc(patterns, func(p address.Pattern) bool { return p.Match(a) }) {
				out = append(out, a)
			}
		}
	}
	return out, nil
}

// List gives the secrets of layer files, in the order of the files and of the keys in them. Layers in CUE hold none.
func List(ctx context.Context, w *workspace.Workspace, s *workspace.Snapshot, layers []address.Address) ([]*Secret, error) {
	var all []*Secret
	byFile := map[string][]*Secret{}
	for _, a := range layers {
		found, err := secretsOf(ctx, s, a)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
		if len(found) > 0 {
			byFile[a.File()] = found
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	rev := s.Revision()
	if rev.IsZero() {
		head, _, unborn, err := w.Repo().Head(ctx)
		if err != nil {
			return nil, err
		}
		if unborn {
			for _, secret := range all {
				secret.Uncommitted = true
			}
			return all, nil
		}
		rev = head
	}
	return all, date(ctx, w.Repo(), rev, byFile)
}

func secretsOf(ctx context.Context, s *workspace.Snapshot, a address.Address) ([]*Secret, error) {
	f, err := s.LayerOf(ctx, a)
	if err != nil || f == nil || f.IsCUE() {
		return nil, err
	}
	module, err := s.ModuleOf(ctx, a.Namespace)
	if err != nil {
		if _, unknown := err.(*workspace.UnknownError); !unknown { //nolint:errorlint // a namespace that is gone is a finding of validate
			return nil, err
		}
	}
	settings, err := s.Settings(ctx)
	if err != nil {
		return nil, err
	}
	var out []*Secret
	for p, n := range f.Sealed.Leaves() {
		if !n.Kind.IsScalar() || n.Kind == tree.Null {
			continue
		}
		secret := &Secret{Address: a, Key: p.Clone(), Position: n.Pos, Encrypted: n.Sealed, text: n.Reveal()}
		if module != nil {
			if field, ok := module.Field(p); ok && field.Secret {
				secret.Declared, secret.Type, secret.Rotation, secret.Owner = true, field.SecretType, field.Rotation, field.Owner
			}
		}
		secret.Rotation = settings.Secrets.RotationOf(secret.Type, secret.Rotation)
		if n.Secret || secret.Declared {
			out = append(out, secret)
		}
	}
	return out, nil
}

func errHistory(err error) error { return fmt.Errorf("date secrets: %w", err) }
