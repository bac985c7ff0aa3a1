package seal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/getsops/sops/v3/shamir"

	"github.com/llm-devops/lcm/pkg/diag"
)

// audience is an access with its recipients read.
type audience struct {
	access Access
	groups [][]Recipient
}

// parseAccess reads the recipients of an access, each once in its group.
func parseAccess(a Access) (audience, error) {
	if len(a.Recipients()) == 0 {
		return audience{}, diag.WithHint(errors.New("there are no recipients to seal to"), "name at least one public key, age1… or ssh-…")
	}
	if err := a.Check(); err != nil {
		return audience{}, err
	}
	t := audience{access: Access{Threshold: a.Threshold}}
	for _, group := range a.Groups {
		recipients, err := parseRecipients(group)
		if err != nil {
			return audience{}, err
		}
		texts := make([]string, len(recipients))
		for i, r := range recipients {
			texts[i] = r.String()
		}
		t.groups = append(t.groups, recipients)
		t.access.Groups = append(t.access.Groups, texts)
	}
	return t, nil
}

// seal encrypts a data key to everybody: as a whole, or to each group its share.
func (t audience) seal(ctx context.Context, key *dataKey, now time.Time) ([]entry, error) {
	shares := [][]byte{key.raw}
	if t.access.Grouped() {
		var err error
		if shares, err = shamir.Split(key.raw, len(t.groups), t.access.Threshold); err != nil {
			return nil, fmt.Errorf("split the data key for %d key groups: %w", len(t.groups), err)
		}
		defer clearAll(shares)
	}
	var entries []entry
	for i, group := range t.groups {
		for _, r := range group {
			e, err := r.entry(ctx, shares[i], now)
			if err != nil {
				return nil, err
			}
			e.group = i
			entries = append(entries, e)
		}
	}
	return entries, nil
}

// sharedKey opens a data key of which each group has a share. Groups that an identity here is named in come first: one need not
// touch a token for a share that is not needed.
func (k *Keyring) sharedKey(ctx context.Context, m *Metadata) ([]byte, *NoIdentityError, error) {
	groups := make([]int, len(m.Access.Groups))
	for i := range groups {
		groups[i] = i
	}
	own := func(g int) bool {
		return slices.ContainsFunc(m.Access.Groups[g], func(r string) bool {
			id, ok := k.own[r]
			return ok && !id.asks
		})
	}
	slices.SortStableFunc(groups, func(a, b int) int {
		switch {
		case own(a) == own(b):
			return 0
		case own(a):
			return -1
		}
		return 1
	})
	failed := &NoIdentityError{File: m.file, Recipients: m.Access.Recipients(), Access: m.Access}
	var shares [][]byte
	defer func() { clearAll(shares) }()
	for i, g := range groups {
		if len(shares)+len(groups)-i < m.Access.Threshold {
			break // it cannot be enough any more
		}
		s := k.search(ctx, m, g)
		share, err := s.run()
		if err != nil {
			return nil, nil, err
		}
		if share == nil {
			failed.add(s.report())
			continue
		}
		if shares = append(shares, share); len(shares) == m.Access.Threshold {
			break
		}
	}
	if failed.Opened = len(shares); len(shares) < m.Access.Threshold {
		return nil, failed, nil
	}
	raw, err := shamir.Combine(shares)
	if err != nil {
		return nil, nil, diag.List{finding(codeMetadata, m.Pos, blockKey+"."+keyGroups, "the shares of the key groups do not fit together: "+err.Error(), hintRestore)}
	}
	return raw, nil, nil
}

func clearAll(secrets [][]byte) {
	for _, s := range secrets {
		clear(s)
	}
}
