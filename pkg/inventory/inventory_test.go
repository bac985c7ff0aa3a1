package inventory

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/gitrepo"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/yamldoc"
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

func TestSquashed(t *testing.T) {
	a := address.Address{Tenant: "acme", Environment: "production", Namespace: "notes"}
	const first = "Lcm-Change: set\nLcm-Address: acme/production/notes\nLcm-Keys: cert\nLcm-Expires: 2026-02-01\n"
	const second = "Lcm-Change: set\nLcm-Address: acme/production/notes\nLcm-Keys: cert\nLcm-Expires: 2027-02-01\n"
	indent := func(s string) string {
		return "    " + strings.ReplaceAll(strings.TrimSuffix(s, "\n"), "\n", "\n    ") + "\n"
	}
	byGit := gitrepo.CommitInfo{Subject: "Squashed commit of the following:", Body: "commit 2\nAuthor: Ada\n\n    set cert\n\n" + indent(second) +
		"\ncommit 1\nAuthor: Ada\n\n    set cert\n\n" + indent(first)}
	renamed := byGit
	renamed.Subject, renamed.Body = "the certificate", byGit.Subject+"\n\n"+byGit.Body
	byPage := gitrepo.CommitInfo{Subject: "The certificate (#12)", Body: "* set cert\n\n" + first + "\n* set cert\n\n" + second + "\n* fix a comment"}
	withTrailers := gitrepo.CommitInfo{Subject: "The certificate (#12)", Body: "* set cert\n\n" + first + "\n* set cert\n", Trailers: []gitrepo.Trailer{
		{Key: "Lcm-Change", Value: "set"}, {Key: "Lcm-Address", Value: a.String()}, {Key: "Lcm-Keys", Value: "cert"}, {Key: ExpiresTrailer, Value: "2027-02-01"},
	}}
	unset := gitrepo.CommitInfo{Subject: "The certificate (#12)", Body: "* set cert\n\n" + first + "\n* set cert\n\n" + strings.Replace(second, "Lcm-Expires: 2027-02-01\n", "", 1)}
	byHand := gitrepo.CommitInfo{Subject: "by hand", Trailers: []gitrepo.Trailer{{Key: ExpiresTrailer, Value: "2027-02-01"}}}
	for name, c := range map[string]struct {
		commit gitrepo.CommitInfo
		key    string
		expiry string
		yes    bool
	}{
		"by Git":                      {byGit, "cert", "2027-02-01", true},
		"by Git, with another title":  {renamed, "cert", "2027-02-01", true},
		"on a page":                   {byPage, "cert", "2027-02-01", true},
		"on a page, and trailers":     {withTrailers, "cert", "2027-02-01", true},
		"the last one does not say":   {unset, "cert", "", true},
		"another key":                 {byPage, "token", "", false},
		"another key, and trailers":   {withTrailers, "token", "", false},
		"nothing but the trailer":     {byHand, "cert", "2027-02-01", false},
		"lines that are no trailers":  {gitrepo.CommitInfo{Body: "see Lcm-Expires: 2027-02-01"}, "cert", "", false},
		"a trailer outside of a set":  {gitrepo.CommitInfo{Body: "Lcm-Expires: 2027-02-01\n\nmore"}, "cert", "", false},
		"a change that has no expiry": {gitrepo.CommitInfo{Body: "Lcm-Change: set\n\nLcm-Expires: 2027-02-01\n"}, "cert", "", false},
	} {
		got := ""
		if at := expiry(&c.commit, a, path(t, c.key)); !at.IsZero() {
			got = at.Format(time.DateOnly)
		}
		if yes, told := listed(&c.commit, a, path(t, c.key)); got != c.expiry || yes != c.yes || yes && !told {
			t.Errorf("%s: expires %q, listed %t", name, got, yes)
		}
	}
}

func TestDataKeys(t *testing.T) {
	for name, c := range map[string]struct {
		block string
		want  []string
	}{
		"none":       {"lastmodified: x\n  mac: ENC[x]", nil},
		"age":        {"age:\n    - {recipient: a, enc: one}\n    - {recipient: b, enc: two}\n  mac: x", []string{"one", "two"}},
		"other keys": {"pgp: [{fp: a, enc: one}]\n  hc_vault: [{enc: two}]\n  age: []", []string{"one", "two"}},
		"groups":     {"key_groups:\n    - age: [{enc: one}]\n    - {pgp: [{enc: two}], age: [{enc: three}]}\n  shamir_threshold: 2", []string{"one", "two", "three"}},
		"broken":     {"age: {enc: [x]}\n  pgp: text", nil},
	} {
		doc, err := yamldoc.Parse("f.yaml", []byte("a: 1\nsops:\n  "+c.block+"\n"))
		if err != nil {
			t.Fatal(name, err)
		}
		if got := dataKeys(doc.Root()); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
	doc, err := yamldoc.Parse("f.yaml", []byte("a: 1\n"))
	if err != nil || dataKeys(doc.Root()) != nil {
		t.Error("a file without a block has a key", err)
	}
}
