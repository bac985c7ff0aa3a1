package validate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// part collects what is found in one part of the configuration.
type part struct {
	*run
	outcome
	unreadable bool   // a file could not be read: what came out may not be of what its digest says
	settled    bool   // of an address: without findings, it goes by the form of the layers
	form       string // of the layer file that was checked last
}

// add takes the findings out of an error; any other error is given back.
func (p *part) add(err error) error {
	list, ok := errors.AsType[diag.List](err)
	if !ok {
		return err
	}
	p.found(list...)
	return nil
}

func (p *part) found(list ...diag.Finding) { p.findings = append(p.findings, list...) }

// join adds what another part came to.
func (p *part) join(o outcome) {
	p.addresses += o.addresses
	p.files += o.files
	p.found(o.findings...)
	p.unopened = append(p.unopened, o.unopened...)
}

// within adds what a part of this one came to: what is known under one of its keys, or else what checking finds. That is kept
// where the keys stand for all that it depends on, which unchanged says once it is done.
func (p *part) within(keys partKeys, check func(*part) error, unchanged func() bool) (outcome, error) {
	if known, ok := keys.get(p.o.Cache); ok {
		p.join(known)
		return known, nil
	}
	sub := &part{run: p.run}
	if err := check(sub); err != nil {
		return outcome{}, err
	}
	sound := keys.sound && !sub.unreadable && unchanged()
	if sound {
		keys.put(p.o.Cache, sub)
	}
	p.unreadable = p.unreadable || !sound
	p.join(sub.outcome)
	return sub.outcome, nil
}

// tenant checks what is the tenant's own first, then its layer files, each for itself, then what its addresses resolve to.
// Each of these is known by what it depends on: a change of a layer that lies under everyone's leaves the first two as they are.
func (p *part) tenant(ctx context.Context, name string, of tenantKeys) error {
	tenant, err := p.s.Tenant(ctx, name)
	if err != nil {
		if _, ok := errors.AsType[diag.List](err); !ok {
			err = diag.List{{
				Code: "tenant-file", Severity: diag.Error, Message: err.Error(), Hint: diag.HintOf(err),
				Position: diag.Position{File: workspace.TenantFile(name)},
			}}
		}
		if err := p.add(err); err != nil {
			return err
		}
	}
	layers, strays, err := p.s.LayerFiles(ctx, name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, stray := range strays {
		if path.Dir(path.Dir(stray)) == address.Root && p.isUnreadable(ctx, stray) {
			continue // told of the whole repository
		}
		p.stray(stray)
	}
	var addresses []address.Address
	if tenant != nil {
		p.undeclared(tenant)
		_, err := p.within(of.usage(), func(p *part) error { return p.usage(ctx, tenant) }, func() bool { return of.still(ctx) })
		if err != nil {
			return err
		}
		if patterns := p.patternsOf(name); len(patterns) > 0 { // without any, all tenants' addresses would be meant
			if addresses, err = p.s.Addresses(ctx, patterns...); err != nil {
				return err
			}
		}
	}
	for _, n := range byNamespace(slices.DeleteFunc(layers, func(a address.Address) bool { return !p.covers(a) })) {
		if err := p.namespace(ctx, n, tenant, of); err != nil {
			return err
		}
	}
	for _, a := range addresses {
		if err := ctx.Err(); err != nil {
			return err
		}
		unchanged := func() bool { return of.unchanged(ctx, p.s, of.below(a)) }
		if _, err := p.within(of.address(ctx, a, p.run), func(p *part) error { return p.address(ctx, a) }, unchanged); err != nil {
			return err
		}
	}
	return p.rules(ctx, name, addresses, of)
}

// usage holds what a tenant has against what it may have.
func (p *part) usage(ctx context.Context, tenant *workspace.Tenant) error {
	quotas, err := Quotas(ctx, p.s, tenant)
	p.found(quotas...)
	return err
}

// undeclared finds namespaces that a tenant names and lcm.yaml does not.
func (p *part) undeclared(tenant *workspace.Tenant) {
	for _, ns := range tenant.Namespaces {
		if _, ok := p.settings.Namespace(ns); !ok {
			p.found(diag.Finding{
				Code: "unknown-namespace", Severity: diag.Error, Position: diag.Position{File: tenant.File},
				Message: fmt.Sprintf("namespaces names %q, which lcm.yaml does not declare", ns),
				Hint:    diag.DidYouMean(ns, p.settings.NamespaceNames(), "declare it: lcm namespace add "+ns+" --module MODULE"),
			})
		}
	}
}

// byNamespace groups the layers of a tenant.
func byNamespace(layers []address.Address) [][]address.Address {
	of := map[string]int{}
	var out [][]address.Address
	for _, a := range layers {
		i, ok := of[a.Namespace]
		if !ok {
			i = len(out)
			of[a.Namespace] = i
			out = append(out, nil)
		}
		out[i] = append(out[i], a)
	}
	return out
}

// namespace checks the layer files of one namespace of a tenant, each for itself.
func (p *part) namespace(ctx context.Context, layers []address.Address, tenant *workspace.Tenant, of tenantKeys) error {
	known, err := p.within(of.layers(layers), func(p *part) error {
		p.fitting = true
		for _, a := range layers {
			if err := ctx.Err(); err != nil {
				return err
			}
			p.form = ""
			if err := p.layer(ctx, a, tenant); err != nil {
				return err
			}
			p.forms = append(p.forms, p.form)
			p.files++
		}
		return nil
	}, func() bool { return of.unchanged(ctx, p.s, ownFiles(layers)) })
	if err != nil || len(known.forms) != len(layers) {
		return err
	}
	for i, a := range layers {
		p.layers.Store(a, layerState{fitting: known.fitting, form: known.forms[i]})
	}
	return nil
}

// address checks what an address resolves to.
func (p *part) address(ctx context.Context, a address.Address) error {
	list, settled, err := check(ctx, p.s, a, func(secret *tree.Node) bool { return p.fits(a.Namespace, secret) })
	if err != nil && p.cannotRead(ctx, p.s.LayerFile(ctx, a), err) != nil {
		return fmt.Errorf("validate %s: %w", a, err)
	}
	p.found(list...)
	p.settled = settled
	p.addresses++
	return nil
}
