package publish

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/llm-devops/lcm/pkg/bundle"
	"github.com/llm-devops/lcm/pkg/diag"
)

// maxSkips is how many serials that dead runs left behind are skipped.
const maxSkips = 1000

// applier carries out a plan.
type applier struct {
	target Target
	opts   Options

	mu       sync.Mutex
	observer Observer
}

// Apply carries out a plan: for each unit it stages what is new, stores the signed manifest, and replaces the pointer. Units
// are independent: if one fails it keeps its old version and the others go on. The result has every unit, failed ones with
// their error; errors are joined in the order of the plan. observer may be nil.
func Apply(ctx context.Context, plan *Plan, observer Observer) (*Result, error) {
	a := &applier{target: plan.target, opts: plan.opts, observer: observer}
	result := &Result{Target: plan.Target, Units: make([]UnitResult, len(plan.Units))}
	errs := make([]error, len(plan.Units))
	var g errgroup.Group
	g.SetLimit(unitsAtOnce)
	for i, u := range plan.Units {
		r := &result.Units[i]
		*r = UnitResult{Unit: u.Unit, Action: u.Action, Serial: u.OldSerial, Commit: u.OldCommit}
		if u.active != nil {
			r.Digest = u.active.Pointer.Manifest
		}
		if u.Action == Unchanged {
			continue
		}
		g.Go(func() error {
			if errs[i] = a.unit(ctx, u, r); errs[i] != nil {
				r.Error = errs[i].Error()
				a.observe(Event{Unit: u.Unit, Stage: StageFailed, Err: errs[i]})
			}
			return nil
		})
	}
	_ = g.Wait()
	return result, join(ctx, errs)
}

func (a *applier) observe(e Event) {
	if a.observer == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.observer.Observe(e)
}

func (a *applier) unit(ctx context.Context, u *UnitPlan, r *UnitResult) error {
	a.observe(Event{Unit: u.Unit, Stage: StageStarted})
	entries, err := a.stage(ctx, u)
	if err != nil {
		return err
	}
	if u.NewSerial == 0 {
		a.observe(Event{Unit: u.Unit, Stage: StageDone, Serial: u.OldSerial})
		return nil
	}
	pointer, err := a.manifest(ctx, u, entries)
	if err != nil {
		return err
	}
	a.observe(Event{Unit: u.Unit, Stage: StageManifest, Serial: pointer.Serial})
	if err := a.flip(ctx, u, pointer); err != nil {
		return err
	}
	r.Serial, r.Digest, r.Commit = pointer.Serial, pointer.Manifest, u.NewCommit
	a.observe(Event{Unit: u.Unit, Stage: StageDone, Serial: pointer.Serial})
	return nil
}

// stage writes everything that a manifest will name and that is not there yet, and gives the manifest's entries.
func (a *applier) stage(ctx context.Context, u *UnitPlan) ([]bundle.Entry, error) {
	var jobs []func(context.Context) error
	entries := make([]bundle.Entry, 0, len(u.Namespaces))
	for i := range u.Namespaces {
		ns := &u.Namespaces[i]
		switch {
		case ns.Action == Remove:
			continue
		case ns.item == nil:
			entries = append(entries, *ns.old)
			continue
		}
		entries = append(entries, bundle.Entry{
			Name: ns.Name, Module: ns.item.Module, SchemaDigest: ns.item.SchemaDigest,
			Document: bundle.Object{Digest: ns.item.Digest, Size: int64(len(ns.item.Data))},
			Secrets:  ns.secrets,
		})
		if ns.OldDigest != ns.NewDigest || len(ns.broken) > 0 || a.opts.Shallow {
			jobs = append(jobs, func(ctx context.Context) error { return a.document(ctx, u, ns) })
		}
		if ns.secrets == nil && len(ns.item.Secrets) > 0 {
			at := len(entries) - 1
			jobs = append(jobs, func(ctx context.Context) error {
				ref, err := a.secrets(ctx, u, ns)
				entries[at].Secrets = ref
				return err
			})
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(objectsAtOnce)
	done := 0
	for _, job := range jobs {
		g.Go(func() error {
			if err := job(ctx); err != nil {
				return err
			}
			a.mu.Lock()
			defer a.mu.Unlock()
			done++
			if a.observer != nil {
				a.observer.Observe(Event{Unit: u.Unit, Stage: StageStaging, Done: done, Total: len(jobs)})
			}
			return nil
		})
	}
	return entries, g.Wait()
}

// document stores a document under its digest. One that is there already is read back.
func (a *applier) document(ctx context.Context, u *UnitPlan, ns *NamespacePlan) error {
	key := a.target.Layout.Document(u.Tenant, ns.item.Digest)
	if err := a.put(ctx, key, ns.item.Data); err != nil {
		return fmt.Errorf("publish %s/%s: store document: %w", u.Unit, ns.Name, err)
	}
	return nil
}

func (a *applier) put(ctx context.Context, key string, data []byte) error {
	err := a.target.Store.PutIfAbsent(ctx, key, data)
	if !errors.Is(err, ErrConflict) {
		return err
	}
	got, tag, err := a.target.Store.Get(ctx, key)
	switch {
	case err != nil:
		return err
	case bytes.Equal(got, data):
		return nil
	case !a.opts.Repair:
		return damage(fmt.Errorf("%s: %w: its content is not what its name says", key, bundle.ErrInvalid))
	}
	_, err = a.target.Store.Replace(ctx, key, data, tag)
	return err
}

// secrets stores the secrets of a namespace and says where.
func (a *applier) secrets(ctx context.Context, u *UnitPlan, ns *NamespacePlan) (*bundle.SecretsRef, error) {
	var ref *bundle.SecretsRef
	var err error
	if a.target.Secrets != nil {
		ref, err = a.vaulted(ctx, u, ns)
	} else {
		ref, err = a.sealed(ctx, u, ns)
	}
	if err != nil {
		if _, ok := errors.AsType[*ConflictError](err); ok {
			return nil, err // it says all, and has its hint
		}
		return nil, fmt.Errorf("publish %s/%s: store secrets: %w", u.Unit, ns.Name, err)
	}
	return ref, nil
}

func (a *applier) sealed(ctx context.Context, u *UnitPlan, ns *NamespacePlan) (*bundle.SecretsRef, error) {
	plain, err := ns.item.Secrets.Encode()
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	data, err := a.opts.Seal(u.bundle.Recipients, plain)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	ref := &bundle.SealedRef{
		Object: bundle.Object{Digest: bundle.DigestOf(data), Size: int64(len(data))},
		Input:  ns.item.SealInput,
	}
	if ref.Size > bundle.MaxObject {
		return nil, fmt.Errorf("%d bytes are more than the %d allowed", ref.Size, bundle.MaxObject)
	}
	return &bundle.SecretsRef{Sealed: ref}, a.put(ctx, a.target.Layout.Sealed(u.Tenant, ref.Digest), data)
}

// vaultTries is how often a version is written when others write versions of the same secrets.
const vaultTries = 5

// vaulted adds a version, or takes the latest one if that is the same: a dead run may have left it.
func (a *applier) vaulted(ctx context.Context, u *UnitPlan, ns *NamespacePlan) (*bundle.SecretsRef, error) {
	store, path := a.target.Secrets, a.target.Layout.Secrets(u.Unit, ns.Name)
	ref := func(version int) *bundle.SecretsRef {
		return &bundle.SecretsRef{Vault: &bundle.VaultRef{Mount: store.Mount(), Path: path, Version: version}}
	}
	for range vaultTries {
		current, err := store.Current(ctx, path)
		if err != nil {
			return nil, err
		}
		if current > 0 {
			got, err := store.Read(ctx, path, current)
			if err == nil && got.Equal(ns.item.Secrets) {
				return ref(current), nil
			}
			if err != nil && !errors.Is(err, ErrNotExist) {
				return nil, err
			}
		}
		version, err := store.Write(ctx, path, ns.item.Secrets, current)
		if err == nil {
			return ref(version), nil
		}
		if !errors.Is(err, ErrConflict) {
			return nil, err
		}
		// Another publisher is at work. If it is done already, this one has lost; else both go on until the pointer decides.
		if err := a.overtaken(ctx, u); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%s: %w: others keep writing to it", path, ErrConflict)
}

// overtaken gives a [ConflictError] if the pointer is no longer the one that was planned with.
func (a *applier) overtaken(ctx context.Context, u *UnitPlan) error {
	_, tag, err := a.target.Store.Get(ctx, a.target.Layout.Pointer(u.Unit))
	switch {
	case err == nil && tag != u.tag, errors.Is(err, ErrNotExist) && u.tag != "":
		return a.conflict(ctx, u)
	case errors.Is(err, ErrNotExist):
		return nil
	}
	return err
}

// manifest stores the signed manifest under the next free serial and gives the pointer to it.
func (a *applier) manifest(ctx context.Context, u *UnitPlan, entries []bundle.Entry) (*bundle.Pointer, error) {
	for serial := u.NewSerial; serial < u.NewSerial+maxSkips; serial++ {
		m := bundle.NewManifest(u.Unit, serial, u.NewCommit, a.opts.now(), entries)
		envelope, err := bundle.SignManifest(ctx, m, a.opts.Signer)
		if err != nil {
			return nil, fmt.Errorf("publish %s: %w", u.Unit, err)
		}
		key := a.target.Layout.Manifest(u.Unit, serial)
		err = a.target.Store.PutIfAbsent(ctx, key, envelope)
		if err == nil {
			return bundle.NewPointer(m, envelope), nil
		}
		if !errors.Is(err, ErrConflict) {
			return nil, fmt.Errorf("publish %s: store manifest %d: %w", u.Unit, serial, err)
		}
		// A run that died, or one that is at work, took the serial. The same content can be used, anything else is left
		// alone.
		left, _, err := a.target.Store.Get(ctx, key)
		if err != nil && !errors.Is(err, ErrNotExist) {
			return nil, fmt.Errorf("publish %s: read manifest %d: %w", u.Unit, serial, err)
		}
		if other, _, err := bundle.Verify(ctx, left, a.opts.Allowed); err == nil && sameContent(m, other) {
			return bundle.NewPointer(other, left), nil
		}
	}
	err := fmt.Errorf("publish %s: the serials from %d to %d are all taken", u.Unit, u.NewSerial, u.NewSerial+maxSkips-1)
	return nil, diag.WithHint(err, "remove the manifests above the active one; something writes them without activating them")
}

// sameContent reports whether two manifests differ in time only.
func sameContent(a, b *bundle.Manifest) bool {
	return a.Unit() == b.Unit() && a.Serial == b.Serial && a.Commit == b.Commit &&
		slices.EqualFunc(a.Namespaces, b.Namespaces, sameEntry)
}

func sameEntry(a, b bundle.Entry) bool {
	if a.Name != b.Name || a.Module != b.Module || a.SchemaDigest != b.SchemaDigest || a.Document != b.Document {
		return false
	}
	if a.Secrets == nil || b.Secrets == nil {
		return a.Secrets == b.Secrets
	}
	return samePointee(a.Secrets.Vault, b.Secrets.Vault) && samePointee(a.Secrets.Sealed, b.Secrets.Sealed)
}

func samePointee[T comparable](a, b *T) bool { return a == b || a != nil && b != nil && *a == *b }

// flip makes a manifest the active one, if the pointer is still the one that was planned with.
func (a *applier) flip(ctx context.Context, u *UnitPlan, pointer *bundle.Pointer) error {
	data, err := pointer.Encode()
	if err != nil {
		return fmt.Errorf("publish %s: %w", u.Unit, err)
	}
	key := a.target.Layout.Pointer(u.Unit)
	_, err = a.target.Store.Replace(ctx, key, data, u.tag)
	if !errors.Is(err, ErrConflict) {
		if err != nil {
			return fmt.Errorf("publish %s: replace pointer: %w", u.Unit, err)
		}
		return nil
	}
	// Another publisher of the same content may have used our manifest, or we its.
	if got, _, err := a.target.Store.Get(ctx, key); err == nil && bytes.Equal(got, data) {
		return nil
	}
	return a.conflict(ctx, u)
}

// conflict says who was first.
func (a *applier) conflict(ctx context.Context, u *UnitPlan) error {
	e := &ConflictError{Unit: u.Unit}
	active, err := bundle.ReadActive(ctx, a.target.Store, u.Unit, bundle.ReadOptions{Layout: a.target.Layout, Allowed: a.opts.Allowed})
	if err == nil {
		e.Serial, e.Commit, e.Signer = active.Manifest.Serial, active.Manifest.Commit, active.Signer.Principals
	}
	return diag.WithHint(e, "pull and publish again: nothing of this run is visible")
}
