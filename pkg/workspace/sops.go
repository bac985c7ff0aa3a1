package workspace

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// SopsFile is the file under which the plain sops CLI works on the repository.
const SopsFile = ".sops.yaml"

// SopsRulePath gives the path_regex of a tenant's rule in .sops.yaml.
func SopsRulePath(tenant string) string { return "^" + address.Root + "/" + tenant + `/.*\.yaml$` }

// sopsKinds are the lists of keys in a rule of .sops.yaml, in the rule itself and in its key groups, and what stands before
// such a key in a tenant.yaml.
var sopsKinds = [...]struct{ name, inGroup, prefix string }{{"age", "age", ""}, {"pgp", "pgp", "pgp:"}, {"hc_vault_transit_uri", "hc_vault", ""}}

// SopsKeys gives a tenant's keys as the fields that a rule of .sops.yaml has for them.
func SopsKeys(t *Tenant) []tree.Field {
	access := t.Access()
	var fields []tree.Field
	if !access.Grouped() {
		for _, kind := range sopsKinds {
			if keys := sopsKeysOf(access.Recipients(), kind.name); len(keys) > 0 {
				fields = append(fields, tree.Field{Key: kind.name, Value: tree.NewString(strings.Join(keys, ","))})
			}
		}
		return fields
	}
	groups := make([]*tree.Node, len(access.Groups))
	for i, group := range access.Groups {
		var lists []tree.Field
		for _, kind := range sopsKinds {
			var keys []*tree.Node
			for _, key := range sopsKeysOf(group, kind.name) {
				keys = append(keys, tree.NewString(key))
			}
			if len(keys) > 0 {
				lists = append(lists, tree.Field{Key: kind.inGroup, Value: tree.NewList(keys...)})
			}
		}
		groups[i] = tree.NewMap(lists...)
	}
	return []tree.Field{
		{Key: "key_groups", Value: tree.NewList(groups...)},
		{Key: "shamir_threshold", Value: tree.NewInt(int64(access.Threshold))},
	}
}

// sopsKeysOf gives those of some keys that stand in one list, as they do there.
func sopsKeysOf(keys []string, list string) []string {
	var out []string
	for _, key := range keys {
		for _, kind := range sopsKinds {
			if kind.name == list && sopsKindOf(key) == list {
				out = append(out, strings.TrimPrefix(key, kind.prefix))
			}
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

// sopsAccess gives to whom a rule of .sops.yaml has the sops CLI encrypt.
func sopsAccess(rule *tree.Node) seal.Access {
	groups := rule.Field("key_groups").Items()
	if len(groups) == 0 {
		var have []string
		for _, kind := range sopsKinds {
			if keys := rule.Field(kind.name); keys != nil {
				for key := range strings.SplitSeq(keys.Text(), ",") {
					have = append(have, kind.prefix+strings.TrimSpace(key))
				}
			}
		}
		return seal.AccessOf(have...)
	}
	access := seal.Access{}
	if n := rule.Field("shamir_threshold"); n != nil {
		if v, err := parseCount(n); err == nil {
			access.Threshold = int(min(v, math.MaxInt32))
		}
	}
	for _, group := range groups {
		var have []string
		for _, kind := range sopsKinds {
			for _, key := range group.Field(kind.inGroup).Items() {
				have = append(have, kind.prefix+key.Text())
			}
		}
		access.Groups = append(access.Groups, have)
	}
	return access
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
		if !sopsAccess(rules[i]).Equal(t.Access()) {
			report(rules[i].Pos, fmt.Sprintf("the rule for tenant %q names other recipients than %s", name, t.File))
		}
	}
	return list, nil
}
