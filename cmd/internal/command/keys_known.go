package command

import (
	"context"
	"fmt"
	"slices"

	"github.com/llm-devops/lcm/pkg/due"
	"github.com/llm-devops/lcm/pkg/rekey"
	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// lists gives what those who lose access still know, one list for each person and tenant, and brings the lists that there are
// in line with the new ciphertexts. Their texts go into files.
func (c *keysChange) lists(ctx context.Context, e *env, tenants []rekey.Tenant, files map[string][]byte) ([]*due.List, error) {
	var out []*due.List
	for _, t := range tenants {
		if !slices.ContainsFunc(t.Files, func(f rekey.File) bool { return f.NewDataKey }) {
			continue
		}
		m := &marks{of: map[string]map[string]string{}}
		old, err := due.Read(ctx, c.base, t.Name)
		if err != nil {
			return nil, err
		}
		for _, l := range old {
			if err := c.remark(ctx, t, l, m, files); err != nil {
				return nil, err
			}
		}
		names, err := c.namesOf(ctx, t.Name)
		if err != nil {
			return nil, err
		}
		for _, l := range known(t, names, m) {
			l.Since = e.now()
			list, err := due.New(ctx, c.w.Overlay(c.base, files), l)
			if err != nil {
				return nil, err
			}
			if m.err != nil {
				return nil, m.err
			}
			if files[list.File], err = list.Bytes(); err != nil {
				return nil, err
			}
			out = append(out, list)
		}
	}
	return out, nil
}

// marks reads the marks of files once.
type marks struct {
	of  map[string]map[string]string // by path
	err error
}

func (m *marks) get(f rekey.File) map[string]string {
	if m.of[f.Path] == nil && m.err == nil {
		m.of[f.Path], m.err = due.Marks(f.Path, f.Text)
	}
	return m.of[f.Path]
}

// remark follows the files of a list that get new ciphertexts.
func (c *keysChange) remark(ctx context.Context, t rekey.Tenant, l *due.List, m *marks, files map[string][]byte) error {
	changed := false
	for _, f := range t.Files {
		if !f.NewDataKey || !slices.ContainsFunc(l.Values, func(v due.Value) bool { return v.Address == f.Address }) {
			continue
		}
		src, err := c.base.ReadFile(ctx, f.Path)
		if err != nil {
			return err
		}
		before, err := due.Marks(f.Path, src)
		if err != nil {
			return err
		}
		changed = l.Remark(f.Address, before, m.get(f)) || changed
	}
	if m.err != nil || !changed {
		return m.err
	}
	var err error
	files[l.File], err = l.Bytes()
	return err
}

// known gives for each person who loses access to files of a tenant the values that stand in them.
func known(t rekey.Tenant, names map[string]string, m *marks) []due.List {
	var out []due.List
	for _, f := range t.Files {
		told := map[string]bool{}
		for _, key := range f.Lost {
			person := names[key]
			if person == "" {
				person = seal.Handle(key)
			}
			i := slices.IndexFunc(out, func(l due.List) bool { return l.Person == person })
			if i < 0 {
				out = append(out, due.List{Tenant: t.Name, Person: person})
				i = len(out) - 1
			}
			if !slices.Contains(out[i].Keys, key) {
				out[i].Keys = append(out[i].Keys, key)
			}
			if told[person] {
				continue
			}
			told[person] = true
			for _, secret := range f.Secrets {
				out[i].Values = append(out[i].Values, due.Value{Address: f.Address, Key: secret, Mark: m.get(f)[secret]})
			}
		}
	}
	return out
}

// namesOf gives by key whose it is: by the tenant's own file before and after the change, or by those of others.
func (c *keysChange) namesOf(ctx context.Context, tenant string) (map[string]string, error) {
	all, err := c.base.Tenants(ctx)
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	note := func(t *workspace.Tenant) {
		for _, r := range t.All() {
			if names[r.Key] == "" {
				names[r.Key] = r.Name
			}
		}
	}
	for _, name := range append([]string{tenant}, all...) {
		t, err := c.base.Tenant(ctx, name)
		if err != nil {
			continue // told where the tenant itself is needed
		}
		note(t)
	}
	after, err := c.w.Overlay(c.base, c.policy).Tenant(ctx, tenant)
	if err != nil {
		return nil, fmt.Errorf("read whose keys they are: %w", err)
	}
	note(after)
	return names, nil
}
