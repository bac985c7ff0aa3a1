package change

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"slices"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/validate"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// quotas checks what the tenants whose layers grow use afterwards: too much is refused, even where it was too much before.
// What the change makes no more of is not looked at, so that an ordinary change reads none of the tenant's other files.
func (p *Plan) quotas(ctx context.Context) error {
	growth, err := p.growth(ctx)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(growth)) {
		quotas := growth[name].quotas()
		if len(quotas) == 0 {
			continue
		}
		tenant, err := p.After.Tenant(ctx, name)
		if err != nil {
			return err
		}
		list, err := validate.Quotas(ctx, p.After, tenant, quotas...)
		if err != nil {
			return err
		}
		for _, f := range list {
			if f.Severity == diag.Error {
				p.Introduced = append(p.Introduced, f)
			} else {
				p.Warned = append(p.Warned, f)
			}
		}
	}
	return nil
}

// growth is by how much a change makes a tenant's layers more.
type growth struct {
	bytes, secrets int64
	namespace      bool // there is a layer of one that had none
}

func (g growth) quotas() []string {
	var out []string
	if g.bytes > 0 {
		out = append(out, "bytes")
	}
	if g.secrets > 0 {
		out = append(out, "secrets")
	}
	if g.namespace {
		out = append(out, "namespaces")
	}
	return out
}

// growth compares the changed layer files before and after, by tenant.
func (p *Plan) growth(ctx context.Context) (map[string]growth, error) {
	out := map[string]growth{}
	for file, text := range p.Files {
		a, layer := address.FromFile(file)
		if !layer {
			continue
		}
		before, err := p.Before.ReadFile(ctx, file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		g := out[a.Tenant]
		g.bytes += int64(len(text) - len(before))
		g.secrets += workspace.SecretsAtMost(text) - workspace.SecretsAtMost(before)
		if err != nil && text != nil && !g.namespace {
			if g.namespace, err = p.firstOf(ctx, a); err != nil {
				return nil, err
			}
		}
		out[a.Tenant] = g
	}
	return out, nil
}

// firstOf reports whether a tenant had no layer of a namespace before the change.
func (p *Plan) firstOf(ctx context.Context, a address.Address) (bool, error) {
	layers, _, err := p.Before.LayerFiles(ctx, a.Tenant)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	return !slices.ContainsFunc(layers, func(l address.Address) bool { return l.Namespace == a.Namespace }), nil
}
