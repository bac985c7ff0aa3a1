package workspace

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/pin"
	"github.com/llm-devops/lcm/pkg/template"
)

// lockedTemplates gives what the layers of a repository use of the built-in templates, held to what it is held to now but for
// the templates that move names. Where not all of that can be found out, everything that is held stays so.
func (s *Snapshot) lockedTemplates(ctx context.Context, now *Lock, move func(name string) bool) (map[string]pin.Pin, error) {
	stay := maps.Clone(now.Templates)
	maps.DeleteFunc(stay, func(ref string, _ pin.Pin) bool { return move(TemplateOf(ref)) })
	set, err := s.templateSet(ctx, stay)
	if err != nil {
		return nil, err
	}
	tenants, err := s.Tenants(ctx)
	if err != nil {
		return nil, err
	}
	pins, whole := map[string]pin.Pin{}, true
	for _, tenant := range tenants {
		layers, _, err := s.LayerFiles(ctx, tenant)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, a := range layers {
			use, sound, err := s.useOf(ctx, a)
			if err != nil {
				return nil, err
			}
			found, all := set.Pins(use)
			maps.Copy(pins, found)
			whole = whole && sound && all
		}
		if tenant != address.Global {
			s.Forget(tenant)
		}
	}
	if whole {
		return pins, nil
	}
	all := maps.Clone(now.Templates)
	if all == nil {
		all = map[string]pin.Pin{}
	}
	maps.Copy(all, pins)
	return all, nil
}

// TemplateOf gives the name of the template that an entry of lcm.lock is about.
func TemplateOf(ref string) string {
	name, _, _ := strings.Cut(ref, "@")
	return name
}

// useOf gives what a layer file says about templates, as far as it is sound.
func (s *Snapshot) useOf(ctx context.Context, a address.Address) (use template.Use, sound bool, err error) {
	f, err := s.LayerOf(ctx, a)
	if err != nil {
		return use, false, ctx.Err() // what is wrong is told where the layer is checked
	}
	if f == nil {
		return use, true, nil
	}
	use, findings := template.ReadUse(f.Sealed)
	return use, len(findings) == 0, nil
}

// unlocked gives what a layer file uses of the built-in templates and lcm.lock does not hold.
func (s *Snapshot) unlocked(ctx context.Context, a address.Address) (map[string]pin.Pin, error) {
	use, _, err := s.useOf(ctx, a)
	if err != nil || len(use.Extends) == 0 {
		return nil, err
	}
	lock, err := s.Lock(ctx)
	if err != nil {
		return nil, err
	}
	set, err := s.Templates(ctx)
	if err != nil {
		return nil, err
	}
	pins, _ := set.Pins(use)
	maps.DeleteFunc(pins, func(ref string, _ pin.Pin) bool { _, held := lock.Templates[ref]; return held })
	return pins, nil
}

// LockedWith gives lcm.lock with what some layer files use of the built-in templates added; nil where it holds all of that.
// No other layer is looked at.
func (s *Snapshot) LockedWith(ctx context.Context, layers []address.Address) (*Lock, error) {
	added := map[string]pin.Pin{}
	for _, a := range layers {
		pins, err := s.unlocked(ctx, a)
		if err != nil {
			return nil, err
		}
		maps.Copy(added, pins)
	}
	if len(added) == 0 {
		return nil, nil
	}
	now, err := s.Lock(ctx)
	if err != nil {
		return nil, err
	}
	maps.Copy(added, now.Templates)
	return &Lock{Schemas: now.Schemas, Templates: added}, nil
}

// LayerLockFindings tells of built-in templates that a layer file uses and nothing holds the repository to.
func (s *Snapshot) LayerLockFindings(ctx context.Context, a address.Address) (diag.List, error) {
	pins, err := s.unlocked(ctx, a)
	if err != nil {
		return nil, err
	}
	var found diag.List
	for _, ref := range slices.Sorted(maps.Keys(pins)) {
		found = append(found, lockMissing("the template "+ref, "lock it: lcm schema upgrade "+TemplateOf(ref)))
	}
	return found, nil
}
