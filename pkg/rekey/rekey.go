// Package rekey brings the encrypted files of tenants in line with whom policy names, in memory.
//
// [Prepare] reads who may open a tenant's secrets from its tenant.yaml, never from the files, and gives the new text of each
// file that has to change: a new list of recipients where somebody is to gain access, a new data key too where somebody is to
// lose it. It works on all processors, and for each tenant gives all of its files or none.
package rekey

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/workspace"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// Options says what to bring in line.
type Options struct {
	Tenants []string
	// NewDataKeys gives every file a new data key, and each secret a new ciphertext.
	NewDataKeys bool
	Keyring     *seal.Keyring
	Now         time.Time // for lastmodified
	// Total is told once how many files there are, Step after each. Both may be nil; Step is called concurrently.
	Total func(int)
	Step  func()
}

// Tenant is what becomes of one tenant's files.
type Tenant struct {
	Name  string
	Files []File // those that change, sorted
	Same  int    // how many files with secrets are right already
	// Err is why nothing of the tenant can change: a *[seal.NoIdentityError] if no identity opens one of its files, a
	// [diag.List] if one is broken.
	Err error
}

// File is a layer file that changes.
type File struct {
	Path       string
	Address    address.Address
	Gained     []string // the keys that it opens for from now on
	Lost       []string // the keys that it opened for before
	Regrouped  bool     // other key groups, or another number of them, open it from now on
	Before     seal.Access
	After      seal.Access
	NewDataKey bool
	Secrets    []string // the keys of its encrypted values
	Text       []byte
}

// Prepare gives what becomes of tenants, in the order they are named in. Policy and files are the snapshot's. The error is
// the context's, or says that a tenant's own file cannot be read.
func Prepare(ctx context.Context, s *workspace.Snapshot, o Options) ([]Tenant, error) {
	jobs, tenants, err := plan(ctx, s, o.Tenants)
	if err != nil {
		return nil, err
	}
	if o.Total != nil {
		o.Total(len(jobs))
	}
	r := &run{s: s, o: o, tenants: tenants}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, j := range jobs {
		g.Go(func() error { return r.do(gctx, j) })
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for i := range tenants {
		t := &tenants[i]
		if t.Err != nil {
			t.Files = nil
		}
		slices.SortFunc(t.Files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	}
	return tenants, nil
}

// job is one layer file to be looked at.
type job struct {
	tenant  int // index
	policy  *workspace.Tenant
	address address.Address
}

func plan(ctx context.Context, s *workspace.Snapshot, names []string) (jobs []job, tenants []Tenant, err error) {
	for _, name := range names {
		policy, err := s.Tenant(ctx, name)
		if err != nil {
			return nil, nil, err
		}
		layers, _, err := s.LayerFiles(ctx, name)
		if err != nil {
			return nil, nil, fmt.Errorf("list the layers of %s: %w", name, err)
		}
		for _, a := range layers {
			jobs = append(jobs, job{len(tenants), policy, a})
		}
		tenants = append(tenants, Tenant{Name: name})
	}
	return jobs, tenants, nil
}

type run struct {
	s *workspace.Snapshot
	o Options

	mu      sync.Mutex
	tenants []Tenant
}

// do works out one file. After the first that fails, nothing more is done for its tenant.
func (r *run) do(ctx context.Context, j job) error {
	t := &r.tenants[j.tenant]
	r.mu.Lock()
	failed := t.Err != nil
	r.mu.Unlock()
	if failed {
		return nil
	}
	f, has, err := r.file(ctx, j)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if r.o.Step != nil {
		r.o.Step()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err != nil:
		if t.Err == nil {
			t.Err = err
		}
	case f != nil:
		t.Files = append(t.Files, *f)
	case has:
		t.Same++
	}
	return nil
}

// file gives what becomes of one file; nil where it is right already, and whether it has secrets at all.
func (r *run) file(ctx context.Context, j job) (f *File, has bool, err error) {
	path := j.address.File()
	src, err := r.s.ReadFile(ctx, path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil // a layer in CUE, which holds no secrets
	}
	if err != nil {
		return nil, false, err
	}
	doc, err := yamldoc.Parse(path, src)
	if err != nil {
		return nil, false, err
	}
	meta, err := seal.Inspect(doc)
	if err != nil || meta == nil {
		return nil, false, err
	}
	want := j.policy.Access()
	if len(want.Recipients()) == 0 {
		return nil, true, diag.WithHint(fmt.Errorf("tenant %q has no recipients, and %s is encrypted", j.policy.Name, path),
			"add one: lcm keys add NAME --recipient KEY --tenant %s", j.policy.Name)
	}
	lost, missing := j.policy.Difference(meta.Recipients)
	f = &File{Path: path, Address: j.address, Before: meta.Access, After: want, Lost: lost, NewDataKey: r.o.NewDataKeys || !meta.Access.Within(want)}
	for _, m := range missing {
		f.Gained = append(f.Gained, m.Key)
	}
	f.Regrouped = len(meta.Access.Groups) != len(want.Groups) || meta.Access.Threshold != want.Threshold ||
		len(f.Gained)+len(f.Lost) == 0 && !meta.Access.Equal(want)
	if !f.NewDataKey && meta.Access.Equal(want) {
		return nil, true, nil
	}
	done, err := seal.Rekey(ctx, doc, want, r.o.Keyring, f.NewDataKey, r.o.Now)
	if err != nil {
		return nil, true, err
	}
	f.Text = done.Source()
	f.Secrets, err = secrets(doc)
	return f, true, err
}

// secrets gives the keys of a document's encrypted values.
func secrets(doc *yamldoc.Doc) ([]string, error) {
	root, err := seal.Sealed(doc)
	if err != nil {
		return nil, err
	}
	var out []string
	root.Walk(func(p tree.Path, n *tree.Node) bool {
		if n.Sealed {
			out = append(out, p.String())
		}
		return true
	})
	return out, nil
}
