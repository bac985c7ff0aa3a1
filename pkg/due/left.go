package due

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/gitrepo"
	"github.com/llm-devops/lcm/pkg/inventory"
	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/workspace"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// Left takes out of lists the values that were set anew since, or are gone from the snapshot: what stays is what somebody still
// has to change. A value whose ciphertext is the same is the same. Where another program encrypted it anew, history says whether
// it was set since the list is there, as [inventory.List] reads it, and in a file that was closed to them.
func Left(ctx context.Context, w *workspace.Workspace, s *workspace.Snapshot, lists []*List) error {
	files := map[address.Address]map[string]string{} // the marks of each
	for _, l := range lists {
		for _, v := range l.Values {
			if files[v.Address] != nil {
				continue
			}
			file := v.Address.File()
			src, err := s.ReadFile(ctx, file)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("read %s: %w", file, err)
			}
			if files[v.Address], err = Marks(file, src); err != nil {
				return err
			}
		}
	}
	h := &history{w: w, s: s, secrets: map[address.Address][]*inventory.Secret{}}
	if err := h.read(ctx, lists, files); err != nil {
		return err
	}
	for _, l := range lists {
		var left []Value
		for _, v := range l.Values {
			mark := files[v.Address][v.Key]
			same := mark == v.Mark
			if mark != "" && !same {
				var err error
				if same, err = h.same(ctx, l, v); err != nil {
					return err
				}
			}
			if same {
				left = append(left, v)
			}
		}
		l.Values = left
	}
	return nil
}

// history tells of values that have another ciphertext whether they were set since.
type history struct {
	w       *workspace.Workspace
	s       *workspace.Snapshot
	secrets map[address.Address][]*inventory.Secret
	began   map[*List]gitrepo.Revision // the commit that a list is from; none where it is not committed
}

// read looks at the files in which a value of a list has another ciphertext, once for all lists.
func (h *history) read(ctx context.Context, lists []*List, files map[address.Address]map[string]string) error {
	h.began = map[*List]gitrepo.Revision{}
	var layers []address.Address
	var since []*List
	for _, l := range lists {
		differs := false
		for _, v := range l.Values {
			mark := files[v.Address][v.Key]
			if mark == "" || mark == v.Mark {
				continue
			}
			differs = true
			if _, ok := h.secrets[v.Address]; !ok {
				h.secrets[v.Address] = nil
				layers = append(layers, v.Address)
			}
		}
		if differs {
			since = append(since, l)
		}
	}
	if len(layers) == 0 {
		return nil
	}
	secrets, err := inventory.List(ctx, h.w, h.s, layers)
	if err != nil {
		return err
	}
	for _, secret := range secrets {
		h.secrets[secret.Address] = append(h.secrets[secret.Address], secret)
	}
	rev := h.s.Revision()
	if rev.IsZero() {
		if rev, _, _, err = h.w.Repo().Head(ctx); err != nil || rev.IsZero() {
			return err
		}
	}
	for _, l := range since {
		for c, err := range h.w.Repo().History(ctx, rev, l.File) {
			if err != nil {
				return err
			}
			h.began[l] = c.Revision // the last one that comes is the first there was
		}
	}
	return nil
}

// same reports whether a value is what it was when a list was written: what changed it last came before.
func (h *history) same(ctx context.Context, l *List, v Value) (bool, error) {
	for _, secret := range h.secrets[v.Address] {
		if secret.Key.String() != v.Key || secret.Changed == nil || secret.Uncommitted {
			continue
		}
		began, changed := h.began[l], secret.Changed.Revision
		if began.IsZero() || began == changed {
			return began.IsZero(), nil
		}
		before, err := h.w.Repo().IsAncestor(ctx, changed.Hash, began.Hash)
		if before || err != nil {
			return before, err
		}
		return h.open(ctx, l, v, changed)
	}
	return false, nil
}

// open reports whether whom a list is about could open a value in the commit that set it, and may not any more: on a branch that
// did not know yet that they lost access, it was still encrypted to them. To whom has access again nothing new is due.
func (h *history) open(ctx context.Context, l *List, v Value, set gitrepo.Revision) (bool, error) {
	lost := func(keys []string) bool {
		return slices.ContainsFunc(l.Keys, func(k string) bool { return slices.Contains(keys, k) })
	}
	if t, err := h.s.Tenant(ctx, l.Tenant); err == nil && lost(t.Keys()) {
		return false, nil
	}
	then, err := h.w.At(ctx, set.Hash)
	if err != nil {
		return false, err
	}
	file := v.Address.File()
	src, err := then.ReadFile(ctx, file)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read %s in %s: %w", file, set.Short(), err)
	}
	keys, ok := recipientsOf(file, src)
	return !ok || lost(keys), nil // where nobody can tell, it stays due until it is set once more
}

// recipientsOf gives to whom a file's text is encrypted.
func recipientsOf(file string, src []byte) (keys []string, ok bool) {
	doc, err := yamldoc.Parse(file, src)
	if err != nil {
		return nil, false
	}
	m, err := seal.Inspect(doc)
	if err != nil || m == nil {
		return nil, err == nil
	}
	return m.Recipients, true
}
