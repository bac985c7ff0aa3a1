package publish

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/llm-devops/lcm/pkg/bundle"
	"github.com/llm-devops/lcm/pkg/diag"
)

// planner holds what planning all units has in common.
type planner struct {
	target Target
	opts   Options
	read   bundle.ReadOptions
}

// NewPlan compares the inputs, one per unit, with what is active at the target. It writes nothing. All units are looked at
// even if one fails; errors are joined in their order.
func NewPlan(ctx context.Context, inputs []bundle.Input, target Target, opts Options) (*Plan, error) {
	bundles, err := prepare(inputs, target, opts)
	if err != nil {
		return nil, err
	}
	plan := &Plan{
		Target: target.Name, Store: target.Store.String(),
		Units: make([]*UnitPlan, len(bundles)), opts: opts,
	}
	target.Store = Retrying(target.Store, opts.Patience)
	if target.Secrets != nil {
		plan.Secrets = target.Secrets.String()
		target.Secrets = RetryingSecrets(target.Secrets, opts.Patience)
	}
	plan.target = target
	p := &planner{target: target, opts: opts, read: bundle.ReadOptions{Layout: target.Layout, Allowed: opts.Allowed}}
	errs := make([]error, len(bundles))
	var g errgroup.Group
	g.SetLimit(unitsAtOnce)
	for i, b := range bundles {
		g.Go(func() error {
			plan.Units[i], errs[i] = p.unit(ctx, b)
			return nil
		})
	}
	_ = g.Wait()
	if err := join(ctx, errs); err != nil {
		return nil, err
	}
	return plan, nil
}

// prepare builds the bundles and checks all that needs no store.
func prepare(inputs []bundle.Input, target Target, opts Options) ([]*bundle.Bundle, error) {
	if err := target.Layout.Check(); err != nil {
		return nil, fmt.Errorf("publish to %s: %w", target.Name, err)
	}
	if opts.Signer == nil {
		return nil, diag.WithHint(errors.New("publish: no key to sign manifests with"), "set user.signingkey to an Ed25519 SSH key")
	}
	id, err := opts.Signer.KeyID()
	if err != nil {
		return nil, fmt.Errorf("publish: signing key: %w", err)
	}
	if !opts.Allowed.Allows(id, opts.now()) {
		return nil, diag.WithHint(fmt.Errorf("publish: %w: the signing key %s is no allowed signer", ErrPermission, id),
			"add it to the allowed signers of the repository, or sign with another key: readers would not trust this one")
	}
	bundles := make([]*bundle.Bundle, 0, len(inputs))
	var errs []error
	var findings diag.List
	for _, in := range inputs {
		b, err := bundle.Build(in)
		if list, ok := errors.AsType[diag.List](err); ok {
			findings = append(findings, list...)
			continue
		}
		if err == nil {
			err = checkSecrets(b, target, opts)
		}
		errs = append(errs, err)
		bundles = append(bundles, b)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if len(findings) > 0 {
		return nil, findings.Sorted()
	}
	slices.SortFunc(bundles, func(a, b *bundle.Bundle) int {
		return cmp.Or(strings.Compare(a.Unit.Tenant, b.Unit.Tenant), strings.Compare(a.Unit.Environment, b.Unit.Environment))
	})
	for i := 1; i < len(bundles); i++ {
		if bundles[i].Unit == bundles[i-1].Unit {
			return nil, fmt.Errorf("publish: %s is given twice", bundles[i].Unit)
		}
	}
	return bundles, nil
}

// checkSecrets says whether the secrets of a bundle can travel sealed, if they must.
func checkSecrets(b *bundle.Bundle, target Target, opts Options) error {
	if target.Secrets != nil {
		return nil
	}
	for _, item := range b.Items {
		if len(item.Secrets) == 0 {
			continue
		}
		what := fmt.Sprintf("publish %s/%s: %d secrets would have to be sealed", b.Unit, item.Name, len(item.Secrets))
		switch {
		case opts.Seal == nil:
			return fmt.Errorf("%s, and nothing can seal them", what)
		case len(b.Recipients) == 0:
			return diag.WithHint(fmt.Errorf("%s, and %s has no recipients", what, b.Unit.Tenant),
				"give the tenant a recipient, or the target a vault")
		case item.SealInput == "":
			return fmt.Errorf("%s, and it is not known what they come from", what)
		}
	}
	return nil
}

// unit plans one unit.
func (p *planner) unit(ctx context.Context, b *bundle.Bundle) (*UnitPlan, error) {
	u := &UnitPlan{Unit: b.Unit, NewCommit: b.Commit, bundle: b, Namespaces: []NamespacePlan{}}
	damaged, err := p.current(ctx, u)
	if err != nil {
		return nil, err
	}
	if err := p.namespaces(ctx, u); err != nil {
		return nil, err
	}
	changed := damaged
	broken := false
	for _, ns := range u.Namespaces {
		changed = changed || ns.Action == Create || ns.Action == Update || ns.Action == Remove
		broken = broken || ns.Action == Repair
	}
	switch {
	case damaged:
		u.Action = Repair
	case changed && u.active == nil:
		u.Action = Create
	case changed:
		u.Action = Update
	case broken:
		u.Action = Repair
	default:
		u.Action = Unchanged
	}
	if !changed {
		return u, nil
	}
	u.NewSerial = u.floor + 1
	return u, p.permit(ctx, u)
}

// current finds what is active. damaged says that it cannot be trusted and is to be replaced.
func (p *planner) current(ctx context.Context, u *UnitPlan) (damaged bool, err error) {
	u.active, err = bundle.ReadActive(ctx, p.target.Store, u.Unit, p.read)
	switch {
	case err == nil:
		u.tag = u.active.Tag
		u.floor = u.active.Manifest.Serial
		u.OldSerial, u.OldCommit = u.active.Manifest.Serial, u.active.Manifest.Commit
		return false, nil
	case errors.Is(err, bundle.ErrInvalid):
		u.active = nil
		if !p.opts.Repair {
			return false, damage(err)
		}
		return true, p.recover(ctx, u)
	case errors.Is(err, ErrNotExist):
		u.active = nil
		highest, err := p.highest(ctx, u.Unit)
		// The highest one may be what a dead run left, ready to be used.
		u.floor = max(highest-1, 0)
		return false, err
	}
	return false, fmt.Errorf("plan: %w", err)
}

func damage(err error) error {
	hint := "look who changed it; publishing with --repair replaces it by a new version"
	if _, ok := errors.AsType[*bundle.UnknownSignerError](err); ok {
		hint = "if the signer was removed on purpose, publish with --repair; valid-before in allowed_signers would have kept old versions good"
	}
	return diag.WithHint(fmt.Errorf("%w: %w", ErrDamaged, err), "%s", hint)
}

// recover finds from which serial to go on when the active version cannot be read.
func (p *planner) recover(ctx context.Context, u *UnitPlan) error {
	data, tag, err := p.target.Store.Get(ctx, p.target.Layout.Pointer(u.Unit))
	if err != nil && !errors.Is(err, ErrNotExist) {
		return fmt.Errorf("plan %s: %w", u.Unit, err)
	}
	u.tag = tag
	if u.floor, err = p.highest(ctx, u.Unit); err != nil {
		return err
	}
	if pointer, err := bundle.ParsePointer(data); err == nil {
		u.OldSerial = pointer.Serial
		u.floor = max(u.floor, pointer.Serial)
	}
	return nil
}

// highest gives the highest serial for which a manifest is stored, or 0, also if the store cannot list: serials that are
// taken are skipped later, one by one.
func (p *planner) highest(ctx context.Context, unit bundle.Unit) (int64, error) {
	l, ok := p.target.Store.(Lister)
	if !ok {
		return 0, nil
	}
	keys, err := l.List(ctx, p.target.Layout.Manifests(unit))
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, ErrPermission) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("plan %s: list manifests: %w", unit, err)
	}
	var highest int64
	for _, key := range keys {
		if n, err := strconv.ParseInt(strings.TrimSuffix(path.Base(key), ".json"), 10, 64); err == nil && p.target.Layout.Manifest(unit, n) == key {
			highest = max(highest, n)
		}
	}
	return highest, nil
}

// permit refuses what must not happen by accident.
func (p *planner) permit(ctx context.Context, u *UnitPlan) error {
	if u.active == nil {
		return p.permitRepair(u)
	}
	if u.bundle.Empty() && len(u.active.Manifest.Namespaces) > 0 && !p.opts.AllowEmpty {
		return diag.WithHint(fmt.Errorf("plan %s: %w, and serial %d with %d namespaces is active", u.Unit, ErrEmpty, u.OldSerial, len(u.active.Manifest.Namespaces)),
			"if everything is to be removed, publish with --allow-empty")
	}
	if u.OldCommit == u.NewCommit {
		return nil
	}
	older, err := false, error(nil)
	if p.opts.Ancestor != nil {
		older, err = p.opts.Ancestor(ctx, u.OldCommit, u.NewCommit)
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil && older:
		return nil
	case p.opts.AllowRollback:
		u.Rollback = true
		return p.related(ctx, u)
	case err != nil:
		return diag.WithHint(fmt.Errorf("plan %s: commit %s of the active version: %w: %w", u.Unit, short(u.OldCommit), ErrRollback, err),
			"fetch the history it belongs to, or publish with --allow-rollback")
	}
	return diag.WithHint(fmt.Errorf("plan %s: %w: serial %d is of commit %s, which %s does not contain", u.Unit, ErrRollback, u.OldSerial, short(u.OldCommit), short(u.NewCommit)),
		"pull first; to go back to an older state on purpose, publish with --allow-rollback")
}

// related refuses a rollback to a commit that shares no history with the active one.
func (p *planner) related(ctx context.Context, u *UnitPlan) error {
	if p.opts.Related == nil || p.opts.Repair {
		return nil
	}
	related, err := p.opts.Related(ctx, u.OldCommit, u.NewCommit)
	if err != nil {
		return fmt.Errorf("plan %s: %w", u.Unit, err)
	}
	if related {
		return nil
	}
	return diag.WithHint(fmt.Errorf("plan %s: %w: commit %s of the active version and %s have no history in common", u.Unit, ErrRollback, short(u.OldCommit), short(u.NewCommit)),
		"fetch the history that is missing; to replace one history by another on purpose, publish with --allow-rollback --repair")
}

// permitRepair refuses to replace a damaged version by less than the whole: what it held cannot be carried over.
func (p *planner) permitRepair(u *UnitPlan) error {
	switch {
	case u.Action != Repair:
		return nil
	case u.bundle.Partial:
		return diag.WithHint(fmt.Errorf("plan %s: %w, and only some of its namespaces were given", u.Unit, ErrDamaged),
			"publish the whole tenant and environment")
	case u.bundle.Empty() && !p.opts.AllowEmpty:
		return diag.WithHint(fmt.Errorf("plan %s: %w, and what is active is damaged", u.Unit, ErrEmpty),
			"if everything is to be removed, publish with --allow-empty")
	}
	return nil
}

// join gives the errors in order, each once: a store that is away fails for every unit alike.
func join(ctx context.Context, errs []error) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	var all []error
	seen := map[string]bool{}
	for _, err := range errs {
		if err != nil && !seen[err.Error()] {
			seen[err.Error()] = true
			all = append(all, err)
		}
	}
	switch {
	case len(all) == 1:
		return all[0]
	case len(all) > shownErrors:
		all = append(all[:shownErrors:shownErrors], fmt.Errorf("and %d more like these", len(all)-shownErrors))
	}
	return errors.Join(all...)
}

// shownErrors is how many errors of units are told one by one.
const shownErrors = 3
