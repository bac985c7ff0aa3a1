package diff

import (
	"context"
	"fmt"
	"strings"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
)

// addresses compares different addresses pair by pair.
func (c *comparer) addresses(ctx context.Context) error {
	var err error
	if c.old.Of, c.new.Of, err = fillIn(c.old.Of, c.new.Of); err != nil {
		return err
	}
	olds, err := c.existing(ctx, c.old)
	if err != nil {
		return err
	}
	news, err := c.existing(ctx, c.new)
	if err != nil {
		return err
	}
	jobs, onlyOld, onlyNew := pairUp(olds, news, c.old.Of, c.new.Of)
	tenants := map[string]bool{}
	err = c.run(ctx, jobs, c.pair, func(o outcome) {
		p := Pair{Old: o.old, New: o.new, Differences: make([]Difference, 0, len(o.changes))}
		for _, ch := range o.changes {
			if ch.Secret != SecretReencrypted {
				p.Differences = append(p.Differences, NewDifference(ch))
			}
		}
		if len(p.Differences) > 0 {
			c.report.Pairs = append(c.report.Pairs, p)
			c.report.Summary.Changes += len(p.Differences)
			c.report.Summary.Addresses++
			tenants[o.new.Tenant] = true
		}
	})
	if err != nil {
		return err
	}
	c.report.Summary.Tenants = len(tenants)
	return c.lone(ctx, onlyOld, onlyNew)
}

// existing gives a side's addresses. An exact one must exist as a declaration at least: that error is not a finding.
func (c *comparer) existing(ctx context.Context, s Side) ([]address.Address, error) {
	if a, ok := s.Of.Exact(); ok {
		return []address.Address{a}, s.Snapshot.Check(ctx, a)
	}
	return s.Snapshot.Addresses(ctx, s.Of)
}

func (c *comparer) pair(ctx context.Context, j job) (outcome, error) {
	out := outcome{job: j}
	old, new, err := c.resolve(ctx, j, &out)
	if err != nil || out.unresolved {
		return out, err
	}
	out.changes = Trees(old.Root, new.Root)
	return out, c.settle(ctx, out.changes, &out.findings)
}

// fillIn fills what one pattern leaves open with what the other names.
func fillIn(old, new address.Pattern) (address.Pattern, address.Pattern, error) {
	a, b := parts(old), parts(new)
	for i := range a {
		switch {
		case a[i] == b[i]:
		case a[i] == "*":
			a[i] = b[i]
		case b[i] == "*":
			b[i] = a[i]
		case strings.ContainsAny(a[i]+b[i], "*?"):
			return old, new, diag.WithHint(fmt.Errorf("%s and %s cannot be paired", old, new),
				"name both sides in full, or use the same pattern on both: acme/staging acme/production")
		}
	}
	old, err := address.ParsePattern(strings.Join(a[:], "/"))
	if err != nil {
		return old, new, err
	}
	new, err = address.ParsePattern(strings.Join(b[:], "/"))
	return old, new, err
}

func parts(p address.Pattern) [3]string {
	t, e, n := p.Parts()
	return [3]string{t, e, n}
}

// pairUp joins addresses that agree in every part in which the patterns do not differ.
func pairUp(olds, news []address.Address, old, new address.Pattern) (pairs []job, onlyOld, onlyNew []address.Address) {
	a, b := parts(old), parts(new)
	key := func(x address.Address) [3]string {
		k := [3]string{x.Tenant, x.Environment, x.Namespace}
		for i := range k {
			if a[i] != b[i] {
				k[i] = ""
			}
		}
		return k
	}
	counterpart := make(map[[3]string]address.Address, len(olds))
	for _, o := range olds {
		counterpart[key(o)] = o
	}
	paired := make(map[address.Address]bool, len(olds))
	for _, n := range news {
		if o, ok := counterpart[key(n)]; ok {
			pairs = append(pairs, job{o, n})
			paired[o] = true
		} else {
			onlyNew = append(onlyNew, n)
		}
	}
	for _, o := range olds {
		if !paired[o] {
			onlyOld = append(onlyOld, o)
		}
	}
	return pairs, onlyOld, onlyNew
}

// lone reports addresses that exist on one side only.
func (c *comparer) lone(ctx context.Context, onlyOld, onlyNew []address.Address) error {
	for _, side := range []struct {
		Side
		kind      Kind
		addresses []address.Address
	}{{c.new, Added, onlyNew}, {c.old, Removed, onlyOld}} {
		for _, a := range side.addresses {
			change := AddressChange{Address: a, Kind: side.kind}
			r, err := side.Snapshot.Resolve(ctx, a)
			if err != nil {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if err := c.broken(err, side.Side); err != nil {
					return err
				}
				c.report.Unresolved = append(c.report.Unresolved, a)
			} else {
				for range r.Root.Leaves() {
					change.Keys++
				}
			}
			c.report.Addresses = append(c.report.Addresses, change)
		}
	}
	return nil
}
