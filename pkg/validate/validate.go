// Package validate makes every check of a config repository that takes more than one file.
//
// [Run] reports all findings of a snapshot, sorted, each once however many addresses show it. It works without any private
// key: what takes one (the MACs, the values of secrets) is checked where an identity at hand opens the file, and counted as
// unchecked where none does. [Addresses] checks resolved results alone, for those who want to know what a change does.
package validate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// Options says what to validate.
type Options struct {
	Patterns []address.Pattern // none is everything
	// Total is told once how many steps there are, Step after each. Both may be nil; Step is called concurrently.
	Total func(int)
	Step  func()
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
	for _, ns := range settings.Namespaces {
		if _, err := s.ModuleOf(ctx, ns.Name); err != nil {
			if err := r.add(err); err != nil {
				return nil, err
			}
		}
	}
	drift, err := s.SopsDrift(ctx)
	if err != nil {
		return nil, err
	}
	r.findings(drift...)
	unlocked, err := s.LockFindings(ctx)
	if err != nil {
		return nil, err
	}
	r.findings(unlocked...)
	tenants, err := s.Tenants(ctx)
	if err != nil {
		return nil, err
	}
	addresses, err := s.Addresses(ctx, o.Patterns...)
	if err != nil {
		return nil, err
	}
	if o.Total != nil {
		o.Total(len(addresses))
	}
	byTenant := map[string][]address.Address{}
	for _, a := range addresses {
		byTenant[a.Tenant] = append(byTenant[a.Tenant], a)
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, tenant := range tenants {
		if !slices.ContainsFunc(o.Patterns, func(p address.Pattern) bool { return p.MatchTenant(tenant) }) {
			continue
		}
		g.Go(func() error { return r.tenant(gctx, tenant, byTenant[tenant]) })
	}
	if err := g.Wait(); err != nil {
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
	r.findings(list...)
	return nil
}

// findings adds to the report.
func (r *run) findings(list ...diag.Finding) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Findings = append(r.report.Findings, list...)
}

func (r *run) tenant(ctx context.Context, name string, addresses []address.Address) error {
	// The layers of global lie under everyone's: only a tenant's own can be forgotten once it is done.
	if name != address.Global {
		defer r.s.Forget(name)
	}
	tenant, err := r.s.Tenant(ctx, name)
	if err != nil {
		if _, ok := errors.AsType[diag.List](err); !ok {
			err = diag.List{{
				Code: "tenant-file", Severity: diag.Error, Message: err.Error(), Hint: diag.HintOf(err),
				Position: diag.Position{File: workspace.TenantFile(name)},
			}}
		}
		if err := r.add(err); err != nil {
			return err
		}
	}
	if err := r.files(ctx, name, tenant); err != nil {
		return err
	}
	if tenant == nil {
		return nil
	}
	for _, ns := range tenant.Namespaces {
		if _, ok := r.settings.Namespace(ns); !ok {
			r.findings(diag.Finding{
				Code: "unknown-namespace", Severity: diag.Error, Position: diag.Position{File: tenant.File},
				Message: fmt.Sprintf("namespaces names %q, which lcm.yaml does not declare", ns),
				Hint:    diag.DidYouMean(ns, r.settings.NamespaceNames(), "declare it: lcm namespace add "+ns+" --module MODULE"),
			})
		}
	}
	for _, a := range addresses {
		if err := ctx.Err(); err != nil {
			return err
		}
		list, err := check(ctx, r.s, a)
		if err != nil && r.unreadable(ctx, a.File(), err) != nil {
			return fmt.Errorf("validate %s: %w", a, err)
		}
		r.findings(list...)
		r.mu.Lock()
		r.report.Addresses++
		r.mu.Unlock()
		if r.o.Step != nil {
			r.o.Step()
		}
	}
	return nil
}

// files checks a tenant's layer files, each for itself.
func (r *run) files(ctx context.Context, name string, tenant *workspace.Tenant) error {
	layers, strays, err := r.s.LayerFiles(ctx, name)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	for _, stray := range strays {
		f := diag.Finding{
			Code: "stray-file", Severity: diag.Warning, Position: diag.Position{File: stray},
			Message: "this is no layer file, and nothing reads it",
			Hint:    "layer files are config/TENANT/ENVIRONMENT/NAMESPACE.yaml",
		}
		if path.Ext(stray) == ".yml" {
			f.Severity, f.Hint = diag.Error, "rename it to end in .yaml"
		}
		r.findings(f)
	}
	for _, a := range layers {
		if !r.covers(a) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := r.layer(ctx, a, tenant); err != nil {
			return err
		}
		r.mu.Lock()
		r.report.Files++
		r.mu.Unlock()
	}
	return nil
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

func (r *run) layer(ctx context.Context, a address.Address, tenant *workspace.Tenant) error {
	at := diag.Position{File: a.File()}
	if !r.settings.Folder(a.Environment) {
		r.findings(diag.Finding{
			Code: "unknown-environment", Severity: diag.Error, Position: at,
			Message: fmt.Sprintf("environment %q is not declared in lcm.yaml", a.Environment),
			Hint:    diag.DidYouMean(a.Environment, r.settings.FolderNames(), "declare it under environments:, or remove the folder"),
		})
		return nil
	}
	if _, ok := r.settings.Namespace(a.Namespace); !ok {
		r.findings(diag.Finding{
			Code: "unknown-namespace", Severity: diag.Error, Position: at,
			Message: fmt.Sprintf("namespace %q is not declared in lcm.yaml", a.Namespace),
			Hint: diag.DidYouMean(a.Namespace, r.settings.NamespaceNames(),
				"declare it: lcm namespace add "+a.Namespace+" --module MODULE"),
		})
		return nil
	}
	f, err := r.s.Layer(ctx, a.File())
	if err != nil {
		return r.unreadable(ctx, a.File(), err)
	}
	if f == nil {
		return nil
	}
	module, err := r.s.ModuleOf(ctx, a.Namespace)
	if err != nil {
		if err := r.add(err); err != nil {
			return err
		}
	}
	list, err := checkLayer(a, f, module, tenant)
	if err != nil {
		return r.add(err)
	}
	r.findings(list...)
	return r.mac(ctx, f, list)
}

// unreadable makes a finding of a file that cannot be read, so that the rest is still looked at.
func (r *run) unreadable(ctx context.Context, file string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if r.add(err) == nil {
		return nil
	}
	hint := diag.HintOf(err)
	if hint == "" {
		hint = "a layer is a regular file of YAML inside the repository"
	}
	r.findings(diag.Finding{Code: "unreadable-file", Severity: diag.Error, Position: diag.Position{File: file}, Message: err.Error(), Hint: hint})
	return nil
}

// Layer checks the layer file of an address for itself, if there is one: reserved keys, secrets in plain text, recipients.
func Layer(ctx context.Context, s *workspace.Snapshot, a address.Address) (diag.List, error) {
	f, err := s.Layer(ctx, a.File())
	if broken, ok := errors.AsType[diag.List](err); ok {
		return broken, nil
	}
	if err != nil || f == nil {
		return nil, err
	}
	module, err := s.ModuleOf(ctx, a.Namespace)
	if err != nil {
		return nil, err
	}
	tenant, err := s.Tenant(ctx, a.Tenant)
	if err != nil {
		return nil, err
	}
	list, err := checkLayer(a, f, module, tenant)
	if broken, ok := errors.AsType[diag.List](err); ok {
		return broken, nil
	}
	return list, err
}

// mac opens a file's secrets where an identity does, which checks its MAC. told is what the file's own check has found:
// opening meets a secret in plain text once more.
func (r *run) mac(ctx context.Context, f *workspace.File, told diag.List) error {
	meta, err := seal.Inspect(f.Doc)
	if err != nil {
		return r.add(err)
	}
	if meta == nil {
		return nil
	}
	err = r.s.CanOpen(ctx, f.Path)
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*seal.NoIdentityError](err); ok {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.report.Unopened = append(r.report.Unopened, f.Path)
		return nil
	}
	if list, ok := errors.AsType[diag.List](err); ok {
		r.findings(slices.DeleteFunc(slices.Clone(list), func(again diag.Finding) bool {
			return slices.ContainsFunc(told, func(t diag.Finding) bool { return t.Code == again.Code && t.Position == again.Position })
		})...)
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	hint := diag.HintOf(err)
	r.findings(diag.Finding{
		Code: "unreadable-secrets", Severity: diag.Error, Position: diag.Position{File: f.Path}, Message: err.Error(), Hint: hint,
	})
	return nil
}
