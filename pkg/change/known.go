package change

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/due"
	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/workspace"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// known keeps the lists of what people know who lost access to a file, as edited gets a new data key and becomes done: those that
// there are follow the new ciphertexts, and whoever loses access gets a list of the values that stay.
func (p *Plan) known(ctx context.Context, edited, done *yamldoc.Doc, lost []string) error {
	a, ok := address.FromFile(edited.File())
	if !ok {
		return nil
	}
	old, err := p.Before.ReadFile(ctx, edited.File())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var marks [3]map[string]string
	for i, src := range [][]byte{old, edited.Source(), done.Source()} {
		if marks[i], err = due.Marks(edited.File(), src); err != nil {
			return err
		}
	}
	before, between, after := marks[0], marks[1], marks[2]
	now := p.w.Overlay(p.Before, p.Files)
	lists, err := due.Read(ctx, now, a.Tenant)
	if err != nil {
		return err
	}
	for _, l := range lists {
		if l.Remark(a, between, after) {
			if p.Files[l.File], err = l.Bytes(); err != nil {
				return err
			}
		}
	}
	var values []due.Value
	for _, key := range slices.Sorted(maps.Keys(after)) {
		if before[key] != "" && before[key] == between[key] { // what is set in this change is another value
			values = append(values, due.Value{Address: a, Key: key, Mark: after[key]})
		}
	}
	if len(values) == 0 {
		return nil
	}
	for _, key := range lost {
		l, err := due.New(ctx, p.w.Overlay(p.Before, p.Files), due.List{
			Tenant: a.Tenant, Person: personOf(ctx, p.Before, a.Tenant, key), Keys: []string{key}, Since: p.now(), Values: values,
		})
		if err != nil {
			return err
		}
		if p.Files[l.File], err = l.Bytes(); err != nil {
			return fmt.Errorf("list what is known of %s: %w", edited.File(), err)
		}
		p.Known = append(p.Known, l)
	}
	return nil
}

// personOf gives whose key it is, by the tenant's own file or by those of others; the key itself where nobody says.
func personOf(ctx context.Context, s *workspace.Snapshot, tenant, key string) string {
	names, _ := s.Tenants(ctx)
	for _, name := range append([]string{tenant}, names...) {
		t, err := s.Tenant(ctx, name)
		if err != nil {
			continue // told where it is needed
		}
		for _, r := range t.All() {
			if r.Key == key && r.Name != "" {
				return r.Name
			}
		}
	}
	return seal.Handle(key)
}
