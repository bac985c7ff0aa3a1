package merge

import (
	"strings"
	"testing"

	"github.com/llm-devops/lcm/pkg/workspace"
)

// sopsRulesOf gives a .sops.yaml of rules.
func sopsRulesOf(rules ...string) []byte {
	return []byte("creation_rules:\n" + strings.Join(rules, ""))
}

func TestSopsRulesAreSets(t *testing.T) {
	flat := func(tenant, age string) string {
		return "  - path_regex: ^config/" + tenant + "/.*\\.yaml$\n    encrypted_regex: ^(a|b)$\n    age: " + age + "\n"
	}
	grouped := func(first, second string) string {
		return "  - path_regex: ^config/acme/.*\\.yaml$\n    key_groups:\n      - age:\n" + first + "      - age:\n" + second + "    shamir_threshold: 2\n"
	}
	key := func(names ...string) string { return "          - " + strings.Join(names, "\n          - ") + "\n" }
	const other = "  - pgp: ABC\n"
	for name, c := range map[string]struct{ base, ours, theirs, want []byte }{
		"one more on each side": {
			sopsRulesOf(flat("acme", "x")), sopsRulesOf(flat("acme", "x,y")), sopsRulesOf(flat("acme", "x,z")), sopsRulesOf(flat("acme", "x,y,z")),
		},
		"in and out": {
			sopsRulesOf(flat("acme", "x,y")), sopsRulesOf(flat("acme", "x")), sopsRulesOf(flat("acme", "x,y,z")), sopsRulesOf(flat("acme", "x,z")),
		},
		"tenants in order, before other rules": {
			sopsRulesOf(flat("acme", "x"), other), sopsRulesOf(flat("acme", "x"), flat("beta", "w"), other),
			sopsRulesOf(flat("global", "g"), flat("acme", "x"), flat("acme-b", "z"), other),
			sopsRulesOf(flat("global", "g"), flat("acme", "x"), flat("acme-b", "z"), flat("beta", "w"), other),
		},
		"key groups": {
			sopsRulesOf(grouped(key("x"), key("y"))), sopsRulesOf(grouped(key("x", "o"), key("y"))),
			sopsRulesOf(grouped(key("x", "t"), key("y", "u"))), sopsRulesOf(grouped(key("x", "o", "t"), key("y", "u"))),
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := Merge(t.Context(), workspace.SopsFile, Versions{Base: c.base, Ours: c.ours, Theirs: c.theirs}, Options{})
			if err != nil || !r.Clean() || r.ByLine != nil {
				t.Fatalf("%+v, %v", r, err)
			}
			if string(r.Text) != string(c.want) {
				t.Errorf("got:\n%swant:\n%s", r.Text, c.want)
			}
		})
	}
}
