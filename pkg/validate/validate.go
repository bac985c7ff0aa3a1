// Package validate makes every check of a config repository that takes more than one file.
//
// [Run] reports all findings of a snapshot, sorted, each once however many addresses show it. It works without any private
// key: what takes one (the MACs, the values of secrets) is checked where an identity at hand opens the file, and counted as
// unchecked where none does. [Addresses] checks resolved results alone, for those who want to know what a change does.
package validate

import (
	"context"
	"errors"
	"path"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// Options says what to validate.
type Options struct {
	Patterns []address.Pattern // none is everything
	// Total is told once how many steps there are, Step after each. Both may be nil; Step is called concurrently.
	Total func(int)
	Step  func()
	// Cache knows what earlier runs found, and is told what this one finds; nil for none. Keys names the private keys at hand,
	// on which it depends what can be checked.
	Cache *Cache
	Keys  []string
}

// Report is what was found, and how much was looked at.
type Report struct {
	Findings  diag.List `json:"findings"`
	Addresses int       `json:"addresses"`
	Files     int       `json:"files"`
	Unopened  []string  `json:"unopened,omitempty"` // files with secrets that no identity at hand opens
}

// Run checks everything the patterns cover: the repository's own files, each layer file, each resolved address.
func Run(ctx context.Context, s *workspace.Snapshot, o Options) (*Report, error) {
	if len(o.Patterns) == 0 {
		all, err := address.ParsePattern("")
		if err != nil {
			return nil, err
		}
		global, err := address.ParsePattern(address.Global)
		if err != nil {
			return nil, err
		}
		o.Patterns = []address.Pattern{all, global}
	}
	r := &run{s: s, o: o, report: &Report{Findings: diag.List{}}}
	settings, err := s.Settings(ctx)
	if err != nil {
		return r.only(err)
	}
	r.settings = settings
	if err := r.schemas(ctx); err != nil {
		return r.only(err)
	}
	if err := r.unreadable(ctx); err != nil {
		return r.only(err)
	}
	if err := r.templates(ctx); err != nil {
		return nil, err
	}
	for _, ns := range settings.Namespaces {
		if _, err := s.ModuleOf(ctx, ns.Name); err != nil {
			if err := r.add(err); err != nil {
				return nil, err
			}
		}
	}
	unlocked, err := s.LockFindings(ctx)
	if err != nil {
		return nil, err
	}
	r.tell(unlocked...)
	tenants, err := s.Tenants(ctx)
	if err != nil {
		return nil, err
	}
	r.ruleTenants(tenants)
	tenants = slices.DeleteFunc(tenants, func(tenant string) bool {
		return !slices.ContainsFunc(o.Patterns, func(p address.Pattern) bool { return p.MatchTenant(tenant) })
	})
	if o.Total != nil {
		o.Total(len(tenants))
	}
	if r.keys, err = newKeys(ctx, s, settings, o); err != nil {
		return nil, err
	}
	if err := r.shared(ctx); err != nil {
		return nil, err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, tenant := range tenants {
		g.Go(func() error { return r.tenant(gctx, tenant) })
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	if err := r.drift(ctx); err != nil {
		return nil, err
	}
	r.report.Findings = r.report.Findings.Collapsed()
	slices.Sort(r.report.Unopened)
	return r.report, nil
}

type run struct {
	s        *workspace.Snapshot
	settings *workspace.Settings
	o        Options
	keys     *keys    // nil without a cache
	layers   sync.Map // address → layerState of the layer files that were checked or are known

	mu     sync.Mutex
	report *Report
}

// schemas checks the repository's own modules, those too that no namespace is of yet. The error says that there is no set of
// modules at all.
func (r *run) schemas(ctx context.Context) error {
	set, err := r.s.Schemas(ctx)
	if err != nil {
		return err
	}
	for _, name := range set.Names() {
		if set.IsBuiltin(name) {
			continue
		}
		if _, err := set.Module(name); err != nil {
			if err := r.add(err); err != nil {
				return err
			}
		}
	}
	return nil
}

// shared checks the packages that layers in CUE import, which findings about a layer do not cover where none imports them.
func (r *run) shared(ctx context.Context) error {
	key := r.keys.packages()
	if _, ok := r.o.Cache.get(key); ok {
		return nil
	}
	if err := r.s.CheckShared(ctx); err != nil {
		return r.add(err) // not kept: it may be about the time that one took
	}
	r.o.Cache.put(key, outcome{})
	return nil
}

// unreadable tells of what is no file and no folder, where files and folders are read.
func (r *run) unreadable(ctx context.Context) error {
	list, err := r.s.Unreadable(ctx)
	r.tell(list...)
	return err
}

// only gives a report of one error, when nothing else can be looked at because of it.
func (r *run) only(err error) (*Report, error) {
	if err := r.add(err); err != nil {
		return nil, err
	}
	r.report.Findings = r.report.Findings.Collapsed()
	return r.report, nil
}

// add takes the findings out of an error; any other error is given back.
func (r *run) add(err error) error {
	list, ok := errors.AsType[diag.List](err)
	if !ok {
		return err
	}
	r.tell(list...)
	return nil
}

// tell adds to the report.
func (r *run) tell(list ...diag.Finding) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Findings = append(r.report.Findings, list...)
}

// drift compares .sops.yaml with what the tenants' files say.
func (r *run) drift(ctx context.Context) error {
	key, sound, err := r.keys.drift(ctx)
	if err != nil {
		return err
	}
	if known, ok := r.o.Cache.get(key); ok && sound {
		r.take(known)
		return nil
	}
	found, err := r.s.SopsDrift(ctx)
	if err != nil {
		return r.add(err)
	}
	if sound {
		r.o.Cache.put(key, outcome{findings: found})
	}
	r.tell(found...)
	return nil
}

// take adds what one part of the configuration came to.
func (r *run) take(o outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Addresses += o.addresses
	r.report.Files += o.files
	r.report.Findings = append(r.report.Findings, o.findings...)
	r.report.Unopened = append(r.report.Unopened, o.unopened...)
}

// tenant checks all of a tenant that the patterns cover, unless that is known.
func (r *run) tenant(ctx context.Context, name string) error {
	defer func() {
		if r.o.Step != nil {
			r.o.Step()
		}
	}()
	of, err := r.keys.tenant(ctx, name)
	if err != nil {
		return err
	}
	if known, ok := r.o.Cache.get(of.all); ok && of.sound() {
		r.take(known)
		return nil
	}
	// The layers of global lie under everyone's: only a tenant's own can be forgotten once it is done.
	if name != address.Global {
		defer r.s.Forget(name)
	}
	whole := &part{run: r}
	if err := whole.tenant(ctx, name, of); err != nil {
		return err
	}
	if of.sound() && !whole.unreadable && of.still(ctx) {
		r.o.Cache.put(of.all, whole.outcome)
	}
	r.take(whole.outcome)
	return nil
}

// patternsOf gives what the patterns ask for of one tenant.
func (r *run) patternsOf(tenant string) []address.Pattern {
	var out []address.Pattern
	for _, p := range r.o.Patterns {
		named, environment, namespace := p.Parts()
		if !p.MatchTenant(tenant) || tenant == address.Global && named != address.Global {
			continue
		}
		if own, err := address.ParsePattern(tenant + "/" + environment + "/" + namespace); err == nil {
			out = append(out, own)
		}
	}
	return out
}

func (p *part) stray(file string) {
	f := diag.Finding{
		Code: "stray-file", Severity: diag.Warning, Position: diag.Position{File: file},
		Message: "this is no layer file, and nothing reads it",
		Hint:    "layer files are config/TENANT/ENVIRONMENT/NAMESPACE.yaml or .cue",
	}
	if path.Ext(file) == ".yml" {
		f.Severity, f.Hint = diag.Error, "rename it to end in .yaml"
	}
	p.found(f)
}

// isUnreadable reports whether something is neither a file nor a folder.
func (p *part) isUnreadable(ctx context.Context, name string) bool {
	_, err := p.s.ReadDir(ctx, name)
	_, ok := errors.AsType[diag.List](err)
	return ok
}

// covers reports whether a layer file belongs to what the patterns ask for: it is itself matched, or lies under base of a
// matched tenant and namespace.
func (r *run) covers(a address.Address) bool {
	return slices.ContainsFunc(r.o.Patterns, func(p address.Pattern) bool {
		if p.Match(a) {
			return true
		}
		tenant, _, namespace := p.Parts()
		below, err := address.ParsePattern(tenant + "/" + address.Base + "/" + namespace)
		return err == nil && below.Match(a)
	})
}
