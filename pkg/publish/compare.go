package publish

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/llm-devops/lcm/pkg/bundle"
	"github.com/llm-devops/lcm/pkg/diag"
)

// namespaces compares all namespaces of a unit, given and published.
func (p *planner) namespaces(ctx context.Context, u *UnitPlan) error {
	items := map[string]*bundle.Item{}
	for i := range u.bundle.Items {
		items[u.bundle.Items[i].Name] = &u.bundle.Items[i]
	}
	names := map[string]bool{}
	for name := range items {
		names[name] = true
	}
	if u.active != nil {
		for _, e := range u.active.Manifest.Namespaces {
			names[e.Name] = true
		}
	}
	sorted := slices.Sorted(maps.Keys(names))
	u.Namespaces = make([]NamespacePlan, len(sorted))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(objectsAtOnce)
	for i, name := range sorted {
		g.Go(func() error {
			ns := &u.Namespaces[i]
			ns.Name, ns.item = name, items[name]
			if u.active != nil {
				ns.old = u.active.Manifest.Entry(name)
			}
			if err := p.namespace(ctx, u, ns); err != nil {
				return fmt.Errorf("plan %s/%s: %w", u.Unit, name, err)
			}
			return nil
		})
	}
	return g.Wait()
}

func (p *planner) namespace(ctx context.Context, u *UnitPlan, ns *NamespacePlan) error {
	var oldKeys []string
	if ns.old != nil {
		ns.OldDigest, ns.OldSize = ns.old.Document.Digest, ns.old.Document.Size
		ns.OldModule, ns.OldSchema = ns.old.Module, ns.old.SchemaDigest
		var err error
		if oldKeys, err = p.document(ctx, u, ns); err != nil {
			return err
		}
	}
	if ns.item == nil {
		return p.without(ctx, u, ns, oldKeys)
	}
	ns.NewDigest, ns.NewSize = ns.item.Digest, int64(len(ns.item.Data))
	ns.NewModule, ns.NewSchema = ns.item.Module, ns.item.SchemaDigest
	if err := p.secrets(ctx, u, ns, oldKeys); err != nil {
		return err
	}
	switch {
	case ns.old == nil:
		ns.Action = Create
	case ns.OldDigest != ns.NewDigest || ns.OldModule != ns.NewModule || ns.OldSchema != ns.NewSchema || ns.Secrets.any():
		ns.Action = Update
	case len(ns.broken) > 0:
		ns.Action = Repair
	default:
		ns.Action = Unchanged
	}
	return nil
}

// without plans a namespace that is published and not given.
func (p *planner) without(ctx context.Context, u *UnitPlan, ns *NamespacePlan, oldKeys []string) error {
	if !u.bundle.Partial {
		ns.Action = Remove
		ns.Secrets.Removed = oldKeys
		return nil
	}
	ns.Action = Keep
	ns.NewDigest, ns.NewSize, ns.NewModule, ns.NewSchema = ns.OldDigest, ns.OldSize, ns.OldModule, ns.OldSchema
	ns.secrets = ns.old.Secrets
	if ns.secrets != nil && ns.secrets.Sealed != nil && !p.opts.Shallow {
		if _, err := bundle.ReadSealed(ctx, p.target.Store, p.target.Layout, u.Unit, ns.secrets.Sealed); err != nil {
			return p.lost(err)
		}
	}
	return nil
}

// document looks at the published document of a namespace and gives the keys of its secrets. One that is missing although
// its content is at hand is noted for writing again; one that is there and wrong is not touched unless asked to.
func (p *planner) document(ctx context.Context, u *UnitPlan, ns *NamespacePlan) (secretKeys []string, err error) {
	same := ns.item != nil && ns.item.Digest == ns.old.Document.Digest
	if same {
		secretKeys = ns.item.Secrets.Keys()
	}
	if same && p.opts.Shallow {
		return secretKeys, nil
	}
	key := p.target.Layout.Document(u.Tenant, ns.old.Document.Digest)
	doc, err := bundle.ReadDocument(ctx, p.target.Store, p.target.Layout, u.Unit, ns.old)
	switch {
	case err == nil:
		return slices.Sorted(slices.Values(doc.SecretKeys())), nil
	case !errors.Is(err, bundle.ErrInvalid):
		return nil, err
	case !same:
		if ns.item == nil && u.bundle.Partial {
			return nil, p.lost(err)
		}
		return nil, nil // it goes away
	case !p.opts.Repair && !p.absent(ctx, key):
		return nil, damage(err)
	}
	ns.broken = append(ns.broken, key)
	return secretKeys, nil
}

func (p *planner) absent(ctx context.Context, key string) bool {
	_, _, err := p.target.Store.Get(ctx, key)
	return errors.Is(err, ErrNotExist)
}

// lost is for a part of the active version that is needed and not at hand.
func (p *planner) lost(err error) error {
	if !errors.Is(err, bundle.ErrInvalid) {
		return err
	}
	return diag.WithHint(fmt.Errorf("%w: %w", ErrDamaged, err), "publish the whole tenant and environment, not only some namespaces")
}

// secrets compares the secrets of a namespace with the published ones. What can stay is noted in ns.secrets.
func (p *planner) secrets(ctx context.Context, u *UnitPlan, ns *NamespacePlan, oldKeys []string) error {
	var old bundle.SecretsRef
	if ns.old != nil && ns.old.Secrets != nil {
		old = *ns.old.Secrets
	} else {
		oldKeys = nil
	}
	plan := &ns.Secrets
	newKeys := ns.item.Secrets.Keys()
	plan.Added, plan.Removed = without(newKeys, oldKeys), without(oldKeys, newKeys)
	if len(newKeys) == 0 {
		return nil
	}
	none := old.Vault == nil && old.Sealed == nil
	switch {
	case p.target.Secrets != nil && old.Vault != nil:
		return p.vaulted(ctx, u, ns, old.Vault)
	case p.target.Secrets == nil && old.Sealed != nil:
		return p.sealed(ctx, u, ns, old.Sealed)
	case !none:
		plan.Moved = true
	}
	return nil
}

// vaulted compares with a version in the vault, by value.
func (p *planner) vaulted(ctx context.Context, u *UnitPlan, ns *NamespacePlan, ref *bundle.VaultRef) error {
	plan := &ns.Secrets
	if ref.Mount != p.target.Secrets.Mount() || ref.Path != p.target.Layout.Secrets(u.Unit, ns.Name) {
		plan.Moved = true
		return nil
	}
	got, err := p.target.Secrets.Read(ctx, ref.Path, ref.Version)
	switch {
	case errors.Is(err, ErrNotExist):
		// The version was deleted: everything is written again.
		plan.Added, plan.Changed, plan.Removed = nil, ns.item.Secrets.Keys(), nil
		return nil
	case err != nil:
		return err
	}
	want := ns.item.Secrets
	plan.Added, plan.Removed, plan.Changed = without(want.Keys(), got.Keys()), without(got.Keys(), want.Keys()), nil
	for _, key := range want.Keys() {
		if value, ok := got[key]; ok && value != want[key] {
			plan.Changed = append(plan.Changed, key)
		}
	}
	if !plan.any() {
		ns.secrets = &bundle.SecretsRef{Vault: ref}
	}
	return nil
}

// sealed compares with an age file, by what it was made from.
func (p *planner) sealed(ctx context.Context, u *UnitPlan, ns *NamespacePlan, ref *bundle.SealedRef) error {
	if ref.Input != ns.item.SealInput {
		ns.Secrets.Resealed = true
		return nil
	}
	if !p.opts.Shallow {
		_, err := bundle.ReadSealed(ctx, p.target.Store, p.target.Layout, u.Unit, ref)
		if errors.Is(err, bundle.ErrInvalid) {
			// Lost or changed: sealing again gives another object, so nothing is overwritten.
			ns.Secrets.Resealed = true
			return nil
		}
		if err != nil {
			return err
		}
	}
	ns.secrets = &bundle.SecretsRef{Sealed: ref}
	return nil
}

// without gives what is in a and not in b, both sorted.
func without(a, b []string) []string {
	var out []string
	for _, s := range a {
		if _, found := slices.BinarySearch(b, s); !found {
			out = append(out, s)
		}
	}
	return out
}
