package workspace

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// SopsFile is the file under which the plain sops CLI works on the repository.
const SopsFile = ".sops.yaml"

// SopsRulePath gives the path_regex of a tenant's rule in .sops.yaml.
func SopsRulePath(tenant string) string { return "^" + address.Root + "/" + tenant + `/.*\.yaml$` }

// sopsKinds are the lists of keys in a rule of .sops.yaml, and what stands before such a key in a tenant.yaml.
var sopsKinds = [...]struct{ name, prefix string }{{"age", ""}, {"pgp", "pgp:"}, {"hc_vault_transit_uri", ""}}

// SopsKeyList is one list of keys in a rule of .sops.yaml.
type SopsKeyList struct {
	Name string // age, pgp or hc_vault_transit_uri
	Keys []string
}

// SopsKeys gives a tenant's keys as a rule of .sops.yaml has them.
func SopsKeys(t *Tenant) []SopsKeyList {
	var out []SopsKeyList
	for _, kind := range sopsKinds {
		list := SopsKeyList{Name: kind.name}
		for _, key := range t.Keys() {
			if sopsKindOf(key) == kind.name {
				list.Keys = append(list.Keys, strings.TrimPrefix(key, kind.prefix))
			}
		}
		if len(list.Keys) > 0 {
			out = append(out, list)
		}
	}
	return out
}

// sopsKindOf gives the list that a recipient stands in.
func sopsKindOf(key string) string {
	switch {
	case strings.HasPrefix(key, "pgp:"):
		return "pgp"
	case strings.HasPrefix(key, "http"):
		return "hc_vault_transit_uri"
	}
	return "age"
}

// IsOwnSopsRule reports whether a rule of .sops.yaml is one that is generated, by its path_regex.
func IsOwnSopsRule(rule *tree.Node) bool {
	p := rule.Field("path_regex")
	return p != nil && strings.HasPrefix(p.Text(), "^"+address.Root+"/")
}

// SopsDrift finds where .sops.yaml would have the sops CLI encrypt a tenant's files to others than its tenant.yaml says.
// Without the file there is nothing to find.
func (s *Snapshot) SopsDrift(ctx context.Context) (diag.List, error) {
	src, err := s.ReadFile(ctx, SopsFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, reading(SopsFile, err)
	}
	doc, err := yamldoc.Parse(SopsFile, src)
	if err != nil {
		if list, ok := errors.AsType[diag.List](err); ok {
			return list, nil
		}
		return nil, err
	}
	rules := doc.Root().Field("creation_rules").Items()
	names, err := s.Tenants(ctx)
	if err != nil {
		return nil, err
	}
	var list diag.List
	for _, name := range names {
		t, err := s.Tenant(ctx, name)
		if err != nil || len(t.Recipients) == 0 {
			continue // told elsewhere
		}
		report := func(pos diag.Position, message string) {
			list = append(list, diag.Finding{
				Code: "sops-policy", Severity: diag.Error, Position: pos, Message: message,
				Hint: "lcm keys sync writes the rules anew from the tenants' files",
			})
		}
		i := slices.IndexFunc(rules, func(r *tree.Node) bool {
			p := r.Field("path_regex")
			return p != nil && p.Text() == SopsRulePath(name)
		})
		if i < 0 {
			report(doc.Root().Pos, fmt.Sprintf("there is no rule for tenant %q, so the sops CLI would not know its recipients", name))
			continue
		}
		var have []string
		for _, kind := range sopsKinds {
			if keys := rules[i].Field(kind.name); keys != nil {
				for key := range strings.SplitSeq(keys.Text(), ",") {
					have = append(have, kind.prefix+strings.TrimSpace(key))
				}
			}
		}
		want := t.Keys()
		slices.Sort(have)
		slices.Sort(want)
		if !slices.Equal(have, want) {
			report(rules[i].Pos, fmt.Sprintf("the rule for tenant %q names other recipients than %s", name, t.File))
		}
	}
	return list, nil
}
