// Package keyaudit shows who can open which secret of which tenant, from the files alone.
//
// [Run] needs no private key. It reads to whom each file is encrypted, at a snapshot and on demand in all of history, and finds
// what breaks the walls between tenants: keys that policy does not name, envelopes that open for more than they say, ciphertext
// or data keys that stand in two places, and secrets that were ever committed in plain text. What it cannot see it says: see
// [Limits].
package keyaudit

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/due"
	"github.com/llm-devops/lcm/pkg/gitrepo"
	"github.com/llm-devops/lcm/pkg/holders"
	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/validate"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// Options says what to look at.
type Options struct {
	Tenants []string // none is all
	History bool     // all versions, too
	// Start is told of each stage with how many steps it has, 0 if that is not known, and Step after each step. Both may be
	// nil; Step is called concurrently.
	Start func(stage string, steps int)
	Step  func()
}

// Report is what was found.
type Report struct {
	Revision string      `json:"revision,omitempty"` // "" for the worktree
	Time     time.Time   `json:"time,omitzero"`      // of the revision
	Tenants  []Tenant    `json:"tenants"`
	Shared   []Shared    `json:"shared"` // keys that open the secrets of several tenants
	Due      []*due.List `json:"due"`    // the values that people who lost access still know
	History  *History    `json:"history,omitempty"`
	Findings diag.List   `json:"findings"`
}

// Tenant is who can open the secrets of one tenant, and who named them.
type Tenant struct {
	holders.Tenant
	Named []Naming `json:"named"` // of the keys that the tenant's file names; what is not committed is left out
}

// Shared is a key that opens the secrets of more than one tenant.
type Shared struct {
	Key     string   `json:"key"`
	Name    string   `json:"name,omitempty"`
	Tenants []string `json:"tenants"`
}

// Secrets counts the encrypted values.
func (r *Report) Secrets() int {
	n := 0
	for _, t := range r.Tenants {
		for _, f := range t.Files {
			n += len(f.Secrets)
		}
	}
	return n
}

// Limits gives what a report does not show, a sentence each.
func Limits() []string {
	return []string{
		"An envelope to an age key of the kinds X25519 and post-quantum does not show whose it is: that it is for one key alone can be " +
			"seen, that it is for the key it names cannot. lcm keys rotate makes all envelopes anew.",
		"Whoever could open a file at any time may know its secrets of that time; who that was is in the history.",
		"What left the repository (published bundles, clones, copies) is not looked at.",
		"What is secret in layers in CUE, and in plain text in others, is known by today's schemas. lcm secret scan --history goes by what " +
			"values look like.",
	}
}

type run struct {
	w        *workspace.Workspace
	s        *workspace.Snapshot
	o        Options
	all      []holders.Tenant // all tenants, as ciphertext may come from any
	findings diag.List
}

// Run makes the report of a snapshot. An unknown tenant is a *[workspace.UnknownError].
func Run(ctx context.Context, w *workspace.Workspace, s *workspace.Snapshot, o Options) (*Report, error) {
	r := &run{w: w, s: s, o: o}
	if _, err := s.Settings(ctx); err != nil {
		return nil, err
	}
	known, err := s.Tenants(ctx)
	if err != nil {
		return nil, err
	}
	for _, name := range o.Tenants {
		if !slices.Contains(known, name) {
			return nil, workspace.Unknown("tenant", name, known)
		}
	}
	r.all, err = holders.Read(ctx, s, holders.Options{Total: func(n int) { r.start("reading", n) }, Step: o.Step})
	if err != nil {
		return nil, err
	}
	report := &Report{Tenants: []Tenant{}, Due: []*due.List{}, Shared: shared(r.all, r.selected)}
	if rev := s.Revision(); !rev.IsZero() {
		info, err := w.Repo().Log(ctx, rev)
		if err != nil {
			return nil, err
		}
		report.Revision, report.Time = rev.String(), info.Committed
	}
	for _, t := range r.all {
		if !r.selected(t.Name) {
			continue
		}
		if err := r.tenant(ctx, t); err != nil {
			return nil, fmt.Errorf("audit the keys of %s: %w", t.Name, err)
		}
		report.Tenants = append(report.Tenants, Tenant{t, []Naming{}})
	}
	if err := r.namings(ctx, report.Tenants); err != nil {
		return nil, fmt.Errorf("find who named the keys: %w", err)
	}
	if report.Due, err = r.due(ctx); err != nil {
		return nil, err
	}
	r.copies()
	if err := r.sops(ctx); err != nil {
		return nil, err
	}
	if o.History {
		if report.History, err = r.history(ctx); err != nil {
			return nil, fmt.Errorf("audit the history: %w", err)
		}
	}
	report.Findings = append(diag.List{}, r.findings.Sorted()...)
	return report, nil
}

func (r *run) selected(tenant string) bool {
	return len(r.o.Tenants) == 0 || slices.Contains(r.o.Tenants, tenant)
}

func (r *run) start(stage string, steps int) {
	if r.o.Start != nil {
		r.o.Start(stage, steps)
	}
}

func (r *run) found(code string, severity diag.Severity, at diag.Position, message, hint string) {
	r.findings = append(r.findings, diag.Finding{Code: code, Severity: severity, Position: at, Message: message, Hint: hint})
}

// tenant finds what is wrong with one tenant's files.
func (r *run) tenant(ctx context.Context, t holders.Tenant) error {
	r.findings = append(r.findings, t.Problems...)
	names := map[string]string{}
	for _, h := range t.Holders {
		names[h.Key] = h.Name
		if h.Name == "" {
			names[h.Key] = h.Known
		}
	}
	called := func(key string) string {
		if n := names[key]; n != "" {
			return n + " (" + seal.ShortKey(key) + ")"
		}
		return seal.ShortKey(key)
	}
	for _, f := range t.Files {
		for _, key := range f.Extra {
			r.found("foreign-recipient", diag.Error, f.Pos,
				fmt.Sprintf("%s opens for %s, which %s does not name", secrets(f), called(key), workspace.TenantFile(t.Name)),
				"lcm keys sync --tenant "+t.Name+" closes it; the values are known and are listed then")
		}
		for _, key := range f.Missing {
			r.found("missing-recipient", diag.Error, f.Pos,
				fmt.Sprintf("%s does not open for %s, which %s names", secrets(f), called(key), workspace.TenantFile(t.Name)),
				"lcm keys sync --tenant "+t.Name)
		}
		if f.Regrouped {
			r.found("key-groups", diag.Error, f.Pos,
				fmt.Sprintf("%s opens for other key groups than %s has", secrets(f), workspace.TenantFile(t.Name)), "lcm keys sync --tenant "+t.Name)
		}
		for _, e := range f.Envelopes {
			if e.Fault != "" {
				r.found("hidden-recipient", diag.Error, e.Pos, fmt.Sprintf("the envelope of %s opens for somebody else: %s", called(e.Recipient), e.Fault),
					"lcm keys rotate --tenant "+t.Name+" makes all envelopes anew; find out who made this one: git log -p -- "+f.Path)
			}
		}
	}
	return r.layers(ctx, t.Name)
}

// secrets names a file's secrets by their number.
func secrets(f holders.File) string {
	if len(f.Secrets) == 1 {
		return "the secret of this file"
	}
	return fmt.Sprintf("each of the %d secrets of this file", len(f.Secrets))
}

// layers looks at all of a tenant's layers for secrets in plain text, and beside them for encrypted files that nothing reads.
func (r *run) layers(ctx context.Context, tenant string) error {
	layers, strays, err := r.s.LayerFiles(ctx, tenant)
	if err != nil {
		return err
	}
	for _, a := range layers {
		_, list, err := validate.Plaintext(ctx, r.s, a)
		if err != nil {
			return err
		}
		r.findings = append(r.findings, list...)
	}
	r.s.Forget(tenant)
	for _, file := range strays {
		src, err := r.s.ReadFile(ctx, file)
		if err != nil {
			continue // a folder, or what validation tells of
		}
		if bytes.Contains(src, []byte("ENC[AES256_GCM,")) {
			r.found("stray-secrets", diag.Error, diag.Position{File: file},
				"there are encrypted values in a file that is no layer: nobody watches who can open it",
				"move it to config/TENANT/ENVIRONMENT/NAMESPACE.yaml, or out of "+path.Join(address.Root, tenant))
		}
	}
	return nil
}

// sops finds where the sops CLI would encrypt to others than policy says.
func (r *run) sops(ctx context.Context) error {
	drift, err := r.s.SopsDrift(ctx)
	if err != nil {
		return err
	}
	for _, f := range drift {
		if len(r.o.Tenants) == 0 || slices.ContainsFunc(r.o.Tenants, func(t string) bool { return strings.Contains(f.Message, `"`+t+`"`) }) {
			r.findings = append(r.findings, f)
		}
	}
	return nil
}

// due gives what is left of the lists of what people who lost access know.
func (r *run) due(ctx context.Context) ([]*due.List, error) {
	all := []*due.List{}
	for _, t := range r.all {
		if !r.selected(t.Name) {
			continue
		}
		lists, err := due.Read(ctx, r.s, t.Name)
		if err != nil {
			return nil, err
		}
		all = append(all, lists...)
	}
	if err := due.Left(ctx, r.w, r.s, all); err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(l *due.List) bool { return len(l.Values) == 0 })
	for _, l := range all {
		r.found("known-value", diag.Warning, diag.Position{File: l.File},
			fmt.Sprintf("%s lost access to %s on %s, and still knows %d of its values", l.Person, l.Tenant, l.Since.Format(time.DateOnly), len(l.Values)),
			"change each at its source: lcm keys due --tenant "+l.Tenant)
	}
	return all, nil
}

// shared gives the keys that open the secrets of several tenants, one of which is selected, in the order of the tenants.
func shared(tenants []holders.Tenant, selected func(string) bool) []Shared {
	out := []Shared{}
	for _, t := range tenants {
		for _, h := range t.Holders {
			i := slices.IndexFunc(out, func(s Shared) bool { return s.Key == h.Key })
			if i < 0 {
				out = append(out, Shared{Key: h.Key})
				i = len(out) - 1
			}
			if out[i].Name == "" {
				out[i].Name = h.Name
			}
			out[i].Tenants = append(out[i].Tenants, t.Name)
		}
	}
	return slices.DeleteFunc(out, func(s Shared) bool { return len(s.Tenants) < 2 || !slices.ContainsFunc(s.Tenants, selected) })
}

// commitOf says what a report says of a commit.
func commitOf(ctx context.Context, repo *gitrepo.Repo, rev gitrepo.Revision) (Commit, error) {
	info, err := repo.Log(ctx, rev)
	if err != nil {
		return Commit{}, err
	}
	return Commit{Revision: rev.String(), Author: info.Author, Time: info.Committed, Subject: info.Subject}, nil
}
