package keyaudit

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/holders"
	"github.com/llm-devops/lcm/pkg/tree"
)

// place is where a ciphertext stands.
type place struct {
	address address.Address
	file    string
	key     string
	pos     diag.Position
}

// pair are two files, in order.
type pair struct{ a, b string }

// copies finds ciphertexts, and data keys, that stand in two places. Encrypting never gives the same twice, so one of them was
// copied.
func (r *run) copies() {
	sharing := r.dataKeys()
	places := map[[sha256.Size]byte][]place{}
	type copied struct{ from, to []place }
	found := map[pair]*copied{}
	var order []pair
	for _, t := range r.all {
		for _, f := range t.Files {
			for i, v := range f.Values {
				here := place{f.Address, f.Path, f.Secrets[i], v.Pos}
				for _, there := range places[v.Digest] {
					p := pair{there.file, here.file}
					if sharing[p] || there.file == here.file && boundTo(there.key) == boundTo(here.key) {
						continue // told of as a whole; or one value twice in a list, as sops writes it
					}
					if found[p] == nil {
						found[p] = &copied{}
						order = append(order, p)
					}
					found[p].from, found[p].to = append(found[p].from, there), append(found[p].to, here)
				}
				places[v.Digest] = append(places[v.Digest], here)
			}
		}
	}
	for _, p := range order {
		c := found[p]
		here, there := c.to[0], c.from[0]
		if !r.selected(here.address.Tenant) {
			if !r.selected(there.address.Tenant) {
				continue
			}
			here, there = there, here
		}
		what := here.key + " is"
		if n := len(c.to); n > 1 {
			what = fmt.Sprintf("%s and %d more are", here.key, n-1)
		}
		r.findings = append(r.findings, diag.Finding{
			Code: "copied-secret", Severity: diag.Error, Position: here.pos, Key: here.key, Address: here.address.String(),
			Message: fmt.Sprintf("%s the ciphertext of %s%s", what, there.file, ofWhom(here.address, there.address)),
			Related: []diag.Related{{Position: there.pos, Message: "the same ciphertext stands here, as " + there.key}},
			Hint:    fmt.Sprintf("a ciphertext opens only where it was made: set the value anew, with lcm set %s --secret '%s'", here.address, here.key),
		})
	}
}

// boundTo gives what a value's ciphertext is bound to: the keys above it, without the places in lists.
func boundTo(key string) string {
	p, err := tree.ParsePath(key)
	if err != nil {
		return key
	}
	return strings.Join(p.MapKeys(), "\x00")
}

func ofWhom(here, there address.Address) string {
	if here.Tenant != there.Tenant {
		return ", which is tenant " + there.Tenant + "'s"
	}
	return ""
}

// dataKeys finds files with one data key, and gives their pairs.
func (r *run) dataKeys() map[pair]bool {
	byDigest := map[string][]holders.File{}
	sharing := map[pair]bool{}
	told := map[string]bool{}
	for _, t := range r.all {
		for _, f := range t.Files {
			for _, e := range f.Envelopes {
				if !slices.ContainsFunc(byDigest[e.Digest], func(o holders.File) bool { return o.Path == f.Path }) {
					byDigest[e.Digest] = append(byDigest[e.Digest], f)
				}
			}
		}
	}
	for _, t := range r.all {
		for _, f := range t.Files {
			for _, e := range f.Envelopes {
				files := byDigest[e.Digest]
				for _, other := range files {
					if other.Path != f.Path {
						sharing[pair{other.Path, f.Path}] = true
					}
				}
				if len(files) > 1 && !told[e.Digest] {
					r.sharedKey(files, told)
				}
			}
		}
	}
	return sharing
}

// maxRelated bounds the places that a finding names.
const maxRelated = 10

// sharedKey tells of files with one data key.
func (r *run) sharedKey(files []holders.File, told map[string]bool) {
	for _, e := range files[0].Envelopes {
		told[e.Digest] = true
	}
	i := slices.IndexFunc(files, func(f holders.File) bool { return r.selected(f.Address.Tenant) })
	if i < 0 {
		return
	}
	here := files[i]
	finding := diag.Finding{
		Code: "shared-data-key", Severity: diag.Error, Position: here.Pos, Address: here.Address.String(),
		Hint: "one of them was copied; give each a data key of its own: lcm keys rotate --tenant " + here.Address.Tenant,
	}
	tenants := []string{here.Address.Tenant}
	for j, f := range files {
		if j == i {
			continue
		}
		if !slices.Contains(tenants, f.Address.Tenant) {
			tenants = append(tenants, f.Address.Tenant)
		}
		if len(finding.Related) < maxRelated {
			finding.Related = append(finding.Related, diag.Related{Position: f.Pos, Message: "this file has the same data key"})
		}
	}
	finding.Message = fmt.Sprintf("%d files have one data key, so that who can open one of them can open the others", len(files))
	if len(tenants) > 1 {
		finding.Message = fmt.Sprintf("%d files of the tenants %s have one data key, so that who can open one of them can open the others",
			len(files), strings.Join(tenants, " and "))
		finding.Hint = "one of them was copied; give each a data key of its own: lcm keys rotate --tenant " + strings.Join(tenants, " --tenant ")
	}
	r.findings = append(r.findings, finding)
}
