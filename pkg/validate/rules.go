package validate

import (
	"context"
	"fmt"
	"maps"
	"path"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/rules"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// resolved is what an address came to.
type resolved struct {
	root   *tree.Node
	exists bool
}

// scope gives what the rules see of a tenant. It remembers in known what it has resolved, and is for one goroutine.
func scope(s *workspace.Snapshot, settings *workspace.Settings, tenant string, known map[address.Address]resolved) rules.Scope {
	return rules.Scope{
		Tenant: tenant, Environments: settings.EnvironmentNames(), Namespaces: settings.NamespaceNames(), Reveal: s.RevealWhatOpens,
		Tree: func(ctx context.Context, a address.Address) (*tree.Node, bool, error) {
			if r, ok := known[a]; ok {
				return r.root, r.exists, nil
			}
			root, exists, err := resolve(ctx, s, a)
			if err != nil {
				return nil, false, err
			}
			known[a] = resolved{root, exists}
			return root, exists, nil
		},
	}
}

// resolve gives what an address comes to, nil where it is too broken for that.
func resolve(ctx context.Context, s *workspace.Snapshot, a address.Address) (root *tree.Node, exists bool, err error) {
	tenant, err := s.Tenant(ctx, a.Tenant)
	if err == nil && tenant.Namespaces != nil && !slices.Contains(tenant.Namespaces, a.Namespace) {
		return nil, false, nil
	}
	r, err := s.Resolve(ctx, a)
	if err != nil {
		if ctx.Err() != nil {
			return nil, false, ctx.Err()
		}
		return nil, true, nil // what is wrong with it is told where it is checked for itself
	}
	for _, l := range r.Stack {
		if l.File != "" {
			return r.Root, true, nil
		}
	}
	return nil, false, nil
}

// rules holds the repository's rules against a tenant's addresses.
func (p *part) rules(ctx context.Context, tenant string, addresses []address.Address, of tenantKeys) error {
	set := p.settings.Rules.For(tenant)
	if len(set) == 0 || tenant == address.Global {
		return nil
	}
	known := map[address.Address]resolved{}
	list, err := set.Check(ctx, scope(p.s, p.settings, tenant, known), served(p.settings, addresses))
	if err != nil {
		return fmt.Errorf("check the rules for %s: %w", tenant, err)
	}
	p.found(list...)
	// Rules look beyond the namespaces that were checked just now, and so at files that nobody has compared with their digests.
	if of.sound() && !of.unchanged(ctx, p.s, of.below(slices.Collect(maps.Keys(known))...)) {
		p.unreadable = true
	}
	return nil
}

// served gives the addresses that services read, which rules are about: what is a layer for others may be completed there.
func served(settings *workspace.Settings, addresses []address.Address) []address.Address {
	return slices.DeleteFunc(slices.Clone(addresses), settings.Partial)
}

// ruleTenants warns of rules for tenants that there are none of.
func (r *run) ruleTenants(tenants []string) {
	for _, rule := range r.settings.Rules {
		for _, glob := range rule.Tenants {
			if slices.ContainsFunc(tenants, func(t string) bool { ok, err := path.Match(glob, t); return ok && err == nil }) {
				continue
			}
			r.tell(diag.Finding{
				Code: "rule-tenant", Severity: diag.Warning, Position: rule.Pos, Rule: rule.Name,
				Message: fmt.Sprintf("rule %q is for the tenant %q, which there is not", rule.Name, glob),
				Hint:    diag.DidYouMean(glob, tenants, "the tenants are: "+strings.Join(tenants, ", ")),
			})
		}
	}
}

// Rules holds the repository's rules against addresses, and against those whose agreement with them can have changed.
func Rules(ctx context.Context, s *workspace.Snapshot, addresses []address.Address) (diag.List, error) {
	settings, err := s.Settings(ctx)
	if err != nil || len(settings.Rules) == 0 {
		return nil, err
	}
	byTenant := map[string][]address.Address{}
	var tenants []string
	for _, a := range served(settings, addresses) {
		if byTenant[a.Tenant] == nil {
			tenants = append(tenants, a.Tenant)
		}
		byTenant[a.Tenant] = append(byTenant[a.Tenant], a)
	}
	found := make([]diag.List, len(tenants))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, tenant := range tenants {
		g.Go(func() error {
			set := settings.Rules.For(tenant)
			if len(set) == 0 {
				return nil
			}
			scope := scope(s, settings, tenant, map[address.Address]resolved{})
			list, err := set.Check(gctx, scope, withDependents(set, scope, byTenant[tenant]))
			found[i] = list
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return slices.Concat(found...), nil
}

func withDependents(set rules.Set, scope rules.Scope, addresses []address.Address) []address.Address {
	all := slices.Clone(addresses)
	in := make(map[address.Address]bool, len(all))
	for _, a := range addresses {
		in[a] = true
	}
	for _, a := range addresses {
		for _, d := range set.Dependents(scope, a) {
			if !in[d] {
				in[d] = true
				all = append(all, d)
			}
		}
	}
	return all
}
