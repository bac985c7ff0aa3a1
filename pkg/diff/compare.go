package diff

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/gitrepo"
	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// Side is one of the two things compared: some addresses at a snapshot.
type Side struct {
	Snapshot *workspace.Snapshot
	Of       address.Pattern // the zero pattern stands for all addresses
	Label    string          // for people: "worktree", "HEAD~3", "acme/staging"
}

// Options say how to compare.
type Options struct {
	// Repo is asked which files differ; a side without a revision is then taken for the worktree. Without it the two
	// snapshots are walked side by side, which is right for overlays too.
	Repo *gitrepo.Repo
	// Files are the files that may differ, where the caller knows them.
	Files []string
	// OpenSecrets tells changed secrets from those that only were encrypted anew, with the identities at hand.
	OpenSecrets bool
	// Progress is called with how many of how many addresses are done. It must be safe for concurrent use. It may be nil.
	Progress func(done, total int)
}

// Compare tells what differs between two sides. Where both are the same addresses it groups by cause, reading only what can
// differ; else it pairs the addresses by what their patterns have in common and lists the keys that differ. Broken files are
// findings in the report; the error is for what made the comparison impossible.
func Compare(ctx context.Context, old, new Side, o Options) (*Report, error) {
	all, err := address.ParsePattern("")
	if err != nil {
		return nil, err
	}
	for _, s := range []*Side{&old, &new} {
		if s.Of == (address.Pattern{}) {
			s.Of = all
		}
		if s.Label == "" {
			s.Label = label(*s, all)
		}
	}
	c := &comparer{old: old, new: new, o: o, report: &Report{Old: old.Label, New: new.Label}}
	if old.Of == new.Of {
		err = c.snapshots(ctx)
	} else {
		err = c.addresses(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("compare %s with %s: %w", old.Label, new.Label, err)
	}
	c.report.Findings = c.report.Findings.Sorted()
	slices.SortFunc(c.report.Unresolved, address.Compare)
	c.report.Unresolved = slices.Compact(c.report.Unresolved)
	return c.report, nil
}

func label(s Side, all address.Pattern) string {
	at := "worktree"
	if r := s.Snapshot.Revision(); !r.IsZero() {
		at = r.Short()
	}
	if s.Of == all {
		return at
	}
	return s.Of.String() + " at " + at
}

type comparer struct {
	old, new Side
	o        Options
	report   *Report
}

// broken takes a fault of one side's files into the report; any other error is given back.
func (c *comparer) broken(err error, side Side) error {
	var list diag.List
	if found, ok := errors.AsType[diag.List](err); ok {
		list = found
	} else if unknown, ok := errors.AsType[*workspace.UnknownError](err); ok {
		list = diag.List{{Code: "unknown-" + unknown.Kind, Severity: diag.Error, Message: err.Error(), Hint: diag.HintOf(err)}}
	} else {
		return err
	}
	for _, f := range list {
		if side.Label != "" && c.old.Label != c.new.Label {
			f.Message += " (" + side.Label + ")"
		}
		c.report.Findings = append(c.report.Findings, f)
	}
	return nil
}

// job is an address to compare, or a pair of addresses.
type job struct{ old, new address.Address }

// outcome is what a job came to.
type outcome struct {
	job
	changes    []Change
	effects    []effect
	overridden []*rawChange
	parts      []*rawChange // that had a part in an effect of which another is the cause
	templates  []string     // the files of templates below the address, on either side
	findings   diag.List
	unresolved bool
	module     string    // whose schema differs, if that is the address's
	refused    diag.List // what that makes invalid
	failed     error     // of reading one side
	failedSide Side
}

// each runs jobs side by side and gives their outcomes in the order of the jobs.
func (c *comparer) each(ctx context.Context, jobs []job, total int, done *int, run func(context.Context, job) (outcome, error)) ([]outcome, error) {
	out := make([]outcome, len(jobs))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.NumCPU())
	before := *done
	for i, j := range jobs {
		g.Go(func() error {
			var err error
			if err = ctx.Err(); err == nil {
				out[i], err = run(ctx, j)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	*done = before + len(jobs)
	if c.o.Progress != nil {
		c.o.Progress(*done, total)
	}
	return out, nil
}

// byTenant cuts a list ordered by tenant into runs of one tenant, so that memory holds the layers of one at a time.
func byTenant(jobs []job) [][]job {
	var out [][]job
	for len(jobs) > 0 {
		n := 1
		for n < len(jobs) && jobs[n].new.Tenant == jobs[0].new.Tenant {
			n++
		}
		out = append(out, jobs[:n])
		jobs = jobs[n:]
	}
	return out
}

// run compares all jobs, tenant by tenant, and hands every outcome to take in order.
func (c *comparer) run(ctx context.Context, jobs []job, compare func(context.Context, job) (outcome, error), take func(outcome)) error {
	done := 0
	groups := byTenant(jobs)
	for _, group := range groups {
		outcomes, err := c.each(ctx, group, len(jobs), &done, compare)
		if err != nil {
			return err
		}
		for _, o := range outcomes {
			c.report.Findings = append(c.report.Findings, o.findings...)
			if o.failed != nil {
				if err := c.broken(o.failed, o.failedSide); err != nil {
					return err
				}
			}
			if o.unresolved {
				c.report.Unresolved = append(c.report.Unresolved, o.new)
			}
			take(o)
		}
		if t := group[0].new.Tenant; len(groups) > 1 && t != address.Global {
			c.old.Snapshot.Forget(t)
			c.new.Snapshot.Forget(t)
		}
	}
	return nil
}

// resolve resolves both sides of a job; nil for both where one cannot be.
func (c *comparer) resolve(ctx context.Context, j job, out *outcome) (old, new *workspace.Resolved, err error) {
	old, err = c.old.Snapshot.Resolve(ctx, j.old)
	side := c.old
	if err == nil {
		new, err = c.new.Snapshot.Resolve(ctx, j.new)
		side = c.new
	}
	if err == nil {
		return old, new, nil
	}
	if ctx.Err() != nil {
		return nil, nil, ctx.Err()
	}
	out.failed, out.failedSide, out.unresolved = err, side, true
	return nil, nil, nil
}

// settle finds out, where keys are at hand, which secrets really changed.
func (c *comparer) settle(ctx context.Context, changes []Change, findings *diag.List) error {
	if !c.o.OpenSecrets {
		return nil
	}
	for i, ch := range changes {
		if ch.Secret != SecretUnknown {
			continue
		}
		old, err := c.old.Snapshot.Reveal(ctx, ch.Old)
		if err == nil {
			new, err2 := c.new.Snapshot.Reveal(ctx, ch.New)
			if err = err2; err == nil {
				changes[i].Secret = SecretChanged
				if old.Kind == new.Kind && old.Reveal() == new.Reveal() {
					changes[i].Secret = SecretReencrypted
				}
				continue
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if _, ok := errors.AsType[*seal.NoIdentityError](err); ok {
			continue
		}
		if list, ok := errors.AsType[diag.List](err); ok {
			*findings = append(*findings, list...)
			continue
		}
		*findings = append(*findings, diag.Finding{
			Code: "secret-unreadable", Severity: diag.Warning, Position: ch.New.Pos, Key: ch.Path.String(),
			Message: fmt.Sprintf("the secret cannot be compared: %v", err), Hint: diag.HintOf(err),
		})
	}
	return nil
}
