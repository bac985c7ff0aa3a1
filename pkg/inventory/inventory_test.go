package inventory

import (
	"testing"
	"time"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/gitrepo"
	"github.com/llm-devops/lcm/pkg/tree"
)

func path(t *testing.T, key string) tree.Path {
	t.Helper()
	p, err := tree.ParsePath(key)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestListed(t *testing.T) {
	a := address.Address{Tenant: "acme", Environment: "production", Namespace: "notes"}
	commit := func(pairs ...string) *gitrepo.CommitInfo {
		c := &gitrepo.CommitInfo{}
		for i := 0; i < len(pairs); i += 2 {
			c.Trailers = append(c.Trailers, gitrepo.Trailer{Key: pairs[i], Value: pairs[i+1]})
		}
		return c
	}
	for _, c := range []struct {
		commit    *gitrepo.CommitInfo
		key       string
		yes, told bool
	}{
		{commit(), "db.password", false, false},
		{commit("Lcm-Change", "keys-rotate"), "db.password", false, false},
		{commit("Lcm-Address", "acme/production/other", "Lcm-Keys", "db.password"), "db.password", false, false},
		{commit("Lcm-Address", a.String(), "Lcm-Keys", "x, db.password"), "db.password", true, true},
		{commit("Lcm-Address", a.String(), "Lcm-Keys", "db.passwords"), "db.password", false, true},
		{commit("Lcm-Address", a.String(), "Lcm-Keys", "db"), "db.password", true, true},
		{commit("Lcm-Address", a.String(), "Lcm-Keys", "routes[name=a].key"), "routes[3].key", true, true},
		{commit("Lcm-Address", a.String(), "Lcm-Keys", "x, … 7 more"), "db.password", true, true},
		{commit("Lcm-Address", a.String(), "Lcm-Keys", "x", "lcm-address", "acme/base/notes", "Lcm-Keys", "db"), "db.password", false, true},
	} {
		if yes, told := listed(c.commit, a, path(t, c.key)); yes != c.yes || told != c.told {
			t.Errorf("%v, %s: %t, %t", c.commit.Trailers, c.key, yes, told)
		}
	}
}

func TestDue(t *testing.T) {
	set := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	commit := &gitrepo.CommitInfo{Committed: set}
	for name, c := range map[string]struct {
		secret Secret
		days   int // 0 is never
	}{
		"nothing says it":            {Secret{Changed: commit}, 0},
		"no span of time":            {Secret{Changed: commit, Rotation: "often"}, 0},
		"a number":                   {Secret{Changed: commit, Rotation: "90"}, 0},
		"by rotation":                {Secret{Changed: commit, Rotation: "90d"}, 90},
		"by expiry":                  {Secret{Changed: commit, Expires: set.AddDate(0, 0, 7)}, 7},
		"by expiry, the sooner":      {Secret{Changed: commit, Rotation: "90d", Expires: set.AddDate(0, 0, 7)}, 7},
		"by rotation, the sooner":    {Secret{Changed: commit, Rotation: "3d", Expires: set.AddDate(0, 0, 7)}, 3},
		"not committed":              {Secret{Rotation: "90d"}, 0},
		"changed, and not committed": {Secret{Changed: commit, Rotation: "90d", Uncommitted: true}, 0},
	} {
		at, ok := c.secret.Due()
		if ok != (c.days > 0) || ok && !at.Equal(set.AddDate(0, 0, c.days)) {
			t.Errorf("%s: %v, %t", name, at, ok)
		}
	}
}
