package rules_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/rules"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/workspace"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

const head = `apiVersion: lcm/v1
environments: [development, staging, production]
namespaces: {router: {}, inference: {}, gateway: {}, other: {}}
rules:
`

// world is trees by "environment/namespace" of the tenant acme. A value that begins with ENC or SECRET is a secret, the
// first of which stays closed.
type world map[string]string

func (w world) scope(t *testing.T, s *workspace.Settings) rules.Scope {
	trees := map[string]*tree.Node{}
	for where, text := range w {
		doc, err := yamldoc.Parse("config/acme/"+where+".yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		trees[where] = hide(doc.Root())
	}
	return rules.Scope{
		Tenant: "acme", Environments: s.EnvironmentNames(), Namespaces: s.NamespaceNames(),
		Tree: func(_ context.Context, a address.Address) (*tree.Node, bool, error) {
			root, ok := trees[a.Environment+"/"+a.Namespace]
			if ok && root.Field("broken") != nil {
				root = nil
			}
			return root, ok, nil
		},
	}
}

func hide(n *tree.Node) *tree.Node {
	switch {
	case n.Kind == tree.Map:
		fields := slices.Clone(n.Fields())
		for i := range fields {
			fields[i].Value = hide(fields[i].Value)
		}
		return n.WithFields(fields)
	case n.Kind == tree.List:
		items := slices.Clone(n.Items())
		for i := range items {
			items[i] = hide(items[i])
		}
		return n.WithItems(items)
	case strings.HasPrefix(n.Reveal(), "ENC"):
		c := n.Clone()
		c.Secret, c.Sealed = true, true
		return c
	case strings.HasPrefix(n.Reveal(), "SECRET "):
		c := n.WithText(tree.String, strings.TrimPrefix(n.Reveal(), "SECRET "))
		c.Secret = true
		return c
	}
	return n
}

func settings(t *testing.T, text string) *workspace.Settings {
	t.Helper()
	s, err := workspace.ParseSettings("lcm.yaml", []byte(head+indent(text)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func indent(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ") + "\n"
}

// check gives the findings as "code file:line:column key: message".
func (w world) check(t *testing.T, text string) []string {
	t.Helper()
	s := settings(t, text)
	scope := w.scope(t, s)
	var addresses []address.Address
	for where := range w {
		a, err := address.Parse("acme/" + where)
		if err != nil {
			t.Fatal(err)
		}
		addresses = append(addresses, a)
	}
	slices.SortFunc(addresses, address.Compare)
	list, err := s.Rules.Check(t.Context(), scope, addresses)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range list {
		place := strings.TrimPrefix(f.Position.String(), "config/acme/")
		out = append(out, strings.TrimPrefix(f.Code, "rule-")+" "+place+" "+f.Key+": "+strings.TrimSuffix(f.Message, " (rule r)"))
		if f.Rule != "r" || f.Hint == "" && !strings.Contains(f.Message, " is not a") || f.Address == "" || f.Related[len(f.Related)-1].Position.File != "lcm.yaml" {
			t.Errorf("%+v is not whole", f)
		}
		for _, text := range append([]string{f.Message, f.Hint}, related(f)...) {
			if strings.Contains(text, "hidden") {
				t.Errorf("the secret is told: %s", text)
			}
		}
	}
	return out
}

func related(f diag.Finding) []string {
	var out []string
	for _, r := range f.Related {
		out = append(out, r.Message)
	}
	return out
}

func TestEachKindOfRule(t *testing.T) {
	for _, tt := range []struct {
		name, rule string
		world      world
		want       []string
	}{
		{
			"a value that is required", "r: {environments: production, require: [tls.cert, 'up.*.tls.key', gone]}",
			world{"production/gateway": "tls: {cert: x}\nup:\n  a: {tls: {key: null}}\n  b: {tls: {key: k}}\n  c: {}\ngone: 1\n", "development/gateway": "x: 1\n"},
			[]string{
				"required production/gateway.yaml:3:6 up.a.tls.key: this key must have a value",
				"required production/gateway.yaml:5:6 up.c.tls.key: this key must have a value",
			},
		},
		{
			"a value that is required at the top", "r: {require: tls.cert}",
			world{"production/gateway": "tls: {}\n"},
			[]string{"required production/gateway.yaml tls.cert: this key must have a value"},
		},
		{
			"a key that may not be there", "r: {forbid: ['**.debug']}",
			world{"production/gateway": "a: {debug: false}\nb: [{debug: 1}]\n"},
			[]string{"forbidden production/gateway.yaml:1:12 a.debug: this key may not be here", "forbidden production/gateway.yaml:2:13 b[0].debug: this key may not be here"},
		},
		{
			"bounds", "r: {values: {a: {min: 1, max: 10}, b: {min: 30d}, c: {max: 1GB}, d: {one_of: [x, 1.0]}, e: {none_of: ['*']}, f: {pattern: '^https://'}, g: {min: 1}}}",
			world{"production/gateway": "a: 0.99\nb: 719h\nc: 1.1GB\nd: [x, 1, y]\ne: '*'\nf: http://x\ng: {h: 1}\n", "staging/gateway": "a: 10.0\nb: 720h\nc: 900MB\nd: 1.00\ne: x\nf: https://x\ng: ENC\n"},
			[]string{
				"value production/gateway.yaml:1:4 a: 0.99 is less than 1", `value production/gateway.yaml:2:4 b: "719h" is less than 30d`,
				`value production/gateway.yaml:3:4 c: "1.1GB" is more than 1GB`, `value production/gateway.yaml:4:11 d[2]: "y" is not allowed here`,
				`value production/gateway.yaml:5:4 e: "*" is not allowed here`, `value production/gateway.yaml:6:4 f: "http://x" does not have the required form`,
				"value production/gateway.yaml:7:4 g: this must be a single value, and is a map",
			},
		},
		{
			"what cannot be compared", "r: {values: {a: {min: 1, max: 5}, b: {max: 5d}, c: {min: 1}}}",
			world{"production/gateway": "a: 30s\nb: 5\nc: true\n"},
			[]string{
				`value production/gateway.yaml:1:4 a: "30s" is not a number, and must be at least 1`, "value production/gateway.yaml:2:4 b: 5 is not a duration, and must be at most 5d",
				"value production/gateway.yaml:3:4 c: true is not a number, and must be at least 1",
			},
		},
		{
			"names of another namespace", "r: {namespaces: router, references: {keys: ['up[kind=engine].model', 'routes[*].to'], namespace: inference, names: [models, 'chains[*].name', extra]}}",
			world{
				"production/router":    "up:\n  a: {kind: engine, model: one}\n  b: {kind: engine, model: tow}\n  c: {kind: other, model: none}\n  d: {kind: engine, model: ENC}\nroutes: [{to: [three, chain, four]}, {to: null}]\n",
				"production/inference": "models: {one: {}, two: {}}\nchains: [{name: chain}]\nextra: [three]\n",
			},
			[]string{
				`reference production/router.yaml:3:28 up.b.model: "tow" is no name that inference has under models or chains[*].name or extra`,
				`reference production/router.yaml:6:30 routes[0].to[2]: "four" is no name that inference has under models or chains[*].name or extra`,
			},
		},
		{
			"a namespace that is not there", "r: {namespaces: router, references: {keys: 'a[*]', namespace: inference, names: models}}",
			world{"production/router": "a: [x, y]\n", "staging/router": "a: []\n", "staging/other": "a: [z]\n", "development/router": "a: [q]\n", "development/inference": "broken: true\n"},
			[]string{`namespace production/router.yaml:1:5 a[0]: this refers to the namespace "inference", which "acme" does not have in this environment`},
		},
		{
			"names of the same namespace", "r: {references: {keys: default, names: models}}",
			world{"production/inference": "default: x\nmodels: {y: 1}\n"},
			[]string{`reference production/inference.yaml:1:10 default: "x" is no name that inference has under models`},
		},
		{
			"circles", "r: {acyclic: [{nodes: routes, edges: fallbacks}, {nodes: templates, edges: extends}]}",
			world{"production/router": "routes:\n  - {name: a, fallbacks: [b, d, elsewhere]}\n  - {name: b, fallbacks: [c]}\n  - {name: c, fallbacks: [d, a]}\n  - {name: d}\ntemplates:\n  x: {extends: x}\n  y: {extends: x}\n"},
			[]string{
				"cycle production/router.yaml:4:30 routes[2].fallbacks[1]: this closes a circle: a → b → c → a",
				"cycle production/router.yaml:7:16 templates.x.extends: this closes a circle: x → x",
			},
		},
		{
			"a value twice", "r: {unique: ['up[*].name', {keys: ['ids.*', more]}]}",
			world{"production/router": "up: [{name: a}, {name: b}, {name: a}]\nids: {x: 1, y: 2, s: ENC1, t: ENC1, n: null, m: null}\nmore: 1.0\n", "staging/router": "up: [{name: a}]\n"},
			[]string{
				`duplicate production/router.yaml:1:35 up[2].name: "a" stands at up[0].name already`,
				"duplicate production/router.yaml:3:7 more: 1.0 stands at ids.x already",
			},
		},
		{
			"a value twice across namespaces", "r: {namespaces: [router, gateway], unique: {keys: port, across: namespaces}}",
			world{"production/router": "port: 80\n", "production/gateway": "port: 80\n", "production/other": "port: 80\n", "staging/router": "port: 80\n"},
			[]string{"duplicate production/router.yaml:1:7 port: 80 stands at port in gateway already"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.world.check(t, tt.rule); !slices.Equal(got, tt.want) {
				t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(tt.want, "\n\t"))
			}
		})
	}
}

func TestIsolation(t *testing.T) {
	const rule = "r: {environments: [development, staging], isolate: {from: production, allow: [api.openai.com, '*.shared.example.com']}}"
	production := `url: https://User:pw@DB.prod.example.com:5432/orders?x=1
openai: https://api.openai.com/v1
shared: https://login.shared.example.com
brokers: [k1.prod.example.com:9092, "k2.prod.example.com:9092,k3.prod.example.com"]
host: plain.prod.example.com
model: gpt-4.1
mail: ops@prod.example.com
dsn: host=dsn.prod.example.com port=5432 user=u
go: user:pw@tcp(mysql.prod.example.com:3306)/db
mongo: "mongodb://u:p@m1.prod.example.com,m2.prod.example.com/db"
backup: s3://documents/x
local: http://localhost:8080
short: http://inference:8080
secret: SECRET postgres://u:p@hidden.prod.example.com/db
cidr: 10.0.0.0/8
address: 10.1.2.3
prompt: "See https://prose.prod.example.com\n for more"
`
	for value, want := range map[string]string{
		"https://db.prod.example.com":                          `"db.prod.example.com" is a host of production, which development may not reach`,
		"db.prod.example.com.":                                 `"db.prod.example.com" is a host of production, which development may not reach`,
		"jdbc:postgresql://u@db.prod.example.com:5432/x":       `"db.prod.example.com" is a host of production, which development may not reach`,
		"xdb.prod.example.com":                                 "",
		"db.prod.example.com.evil.example":                     "",
		"https://api.openai.com":                               "",
		"https://login.shared.example.com":                     "",
		"https://login.shared.example.com,k1.prod.example.com": `"k1.prod.example.com" is a host of production, which development may not reach`,
		"k2.prod.example.com:9092":                             `"k2.prod.example.com" is a host of production, which development may not reach`,
		"k3.prod.example.com":                                  `"k3.prod.example.com" is a host of production, which development may not reach`,
		"plain.prod.example.com":                               `"plain.prod.example.com" is a host of production, which development may not reach`,
		"gpt-4.1":                                              "",
		"ops@prod.example.com":                                 "",
		"host=dsn.prod.example.com":                            `"dsn.prod.example.com" is a host of production, which development may not reach`,
		"mysql.prod.example.com":                               `"mysql.prod.example.com" is a host of production, which development may not reach`,
		"m1.prod.example.com":                                  `"m1.prod.example.com" is a host of production, which development may not reach`,
		"m2.prod.example.com":                                  `"m2.prod.example.com" is a host of production, which development may not reach`,
		"s3://documents/y":                                     `"documents" is a host of production, which development may not reach`,
		"documents of ours":                                    "",
		"http://localhost:1":                                   "",
		"http://inference:8080":                                "",
		"http://hidden.prod.example.com":                       "this names a host of production, which development may not reach",
		"SECRET http://db.prod.example.com/hidden":             "this names a host of production, which development may not reach",
		"ENC db.prod.example.com":                              "",
		"http://10.1.2.3":                                      `"10.1.2.3" is a host of production, which development may not reach`,
		"https://prose.prod.example.com":                       "",
		"Ask\nhttps://db.prod.example.com":                     "",
		"ada@db.prod.example.com":                              "",
	} {
		layer := "value: " + yamlString(value) + "\n"
		got := world{"production/router": production, "development/router": layer}.check(t, rule)
		var message string
		if len(got) > 0 {
			_, message, _ = strings.Cut(got[0], " value: ")
		}
		if len(got) > 1 || message != want {
			t.Errorf("%q: %v, want %q", value, got, want)
		}
	}
	if got := (world{"production/router": production, "staging/router": "broken: x\n", "development/other": "a: https://db.prod.example.com\n"}).check(t, strings.Replace(rule, "r: {", "r: {namespaces: router, ", 1)); len(got) > 0 {
		t.Errorf("namespaces that the rule does not select: %v", got)
	}
}

func yamlString(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}

func TestDependents(t *testing.T) {
	s := settings(t, `
refs: {namespaces: router, references: {keys: a, namespace: inference, names: b}}
apart: {environments: [development, staging], namespaces: [gateway, other], isolate: {from: production}}
elsewhere: {tenants: globex, references: {keys: a, namespace: inference, names: b}}
`)
	scope := world{}.scope(t, s)
	for a, want := range map[string]string{
		"acme/staging/inference":  "acme/staging/router",
		"acme/production/gateway": "acme/development/gateway acme/development/other acme/staging/gateway acme/staging/other",
		"acme/production/router":  "",
		"acme/staging/gateway":    "",
	} {
		at, _ := address.Parse(a)
		var got []string
		for _, d := range s.Rules.Dependents(scope, at) {
			got = append(got, d.String())
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", a, got, want)
		}
	}
}

// A long chain of nodes needs no deep stack, and a graph of many edges no more time than it has edges.
func TestCyclesOfLargeGraphs(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a large graph")
	}
	var b strings.Builder
	b.WriteString("n:\n")
	for i := range 20000 {
		b.WriteString("  n" + number(i) + ": {next: [n" + number(i+1) + ", n" + number(i+2) + "]}\n")
	}
	if got := (world{"production/router": b.String()}).check(t, "r: {acyclic: {nodes: n, edges: next}}"); len(got) > 0 {
		t.Errorf("%d circles", len(got))
	}
	b.WriteString("  n20000: {next: n0}\n")
	got := world{"production/router": b.String()}.check(t, "r: {acyclic: {nodes: n, edges: next}}")
	if len(got) != 1 || len(got[0]) > 300 {
		t.Errorf("%d circles: %.300s", len(got), got)
	}
}

func number(i int) string {
	const digits = "0123456789"
	if i < 10 {
		return digits[i : i+1]
	}
	return number(i/10) + digits[i%10:i%10+1]
}

// Whatever a value holds, looking for hosts in it ends, and a value is isolated from itself.
func FuzzHosts(f *testing.F) {
	for _, s := range []string{"https://a.b/c", "u:p@tcp(h.x:1)/d", "mongodb://u:p@a.b,c.d/", "host=a.b port=1", "s3://bucket/x", "[::1]:80", "://", "a.b:", "@@a.b:1"} {
		f.Add(s)
	}
	s, err := workspace.ParseSettings("lcm.yaml", []byte(head+"  r: {environments: development, isolate: {from: production}}\n"))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		root := tree.NewMap(tree.Field{Key: "host", Value: tree.NewString(text)})
		scope := rules.Scope{
			Tenant: "acme", Environments: s.EnvironmentNames(), Namespaces: []string{"router"},
			Tree: func(context.Context, address.Address) (*tree.Node, bool, error) { return root, true, nil },
		}
		list, err := s.Rules.Check(t.Context(), scope, []address.Address{{Tenant: "acme", Environment: "development", Namespace: "router"}})
		if err != nil || len(list) > 1 {
			t.Errorf("%q: %v, %v", text, list, err)
		}
	})
}

// What production inherits from a layer under all environments is everybody's, unless the rule is strict; what only
// production's own layers say is not, even where a layer under all says it, too.
func TestIsolationOfWhatIsShared(t *testing.T) {
	doc := func(file, text string) *tree.Node {
		d, err := yamldoc.Parse(file, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return d.Root()
	}
	base := doc("config/acme/base/router.yaml", "a: https://shared.example.com\nb: https://db.example.com\n")
	own := doc("config/acme/production/router.yaml", "b: https://db.example.com\n")
	production := tree.NewMap(base.Fields()[0], own.Fields()[0])
	for rule, want := range map[string]string{
		"isolate: {from: 'prod*'}":                                                 "b",
		"isolate: {from: production, strict: true}":                                "a b",
		"isolate: {from: production, strict: true, allow: shared.example.com}":     "b",
		"isolate: {from: production, strict: true, allow: ['*.example.com']}":      "",
		"{environments: production, isolate: {from: [development, staging]}}":      "",
		"isolate: {from: [production, development]}":                               "",
		"{tenants: globex, isolate: {from: production}}":                           "",
		"{severity: warning, namespaces: 'rout*', isolate: {from: production}}":    "b",
		"{namespaces: [inference, gateway, other], isolate: {from: production}}":   "",
		"{environments: 'dev*', tenants: ['a*'], isolate: {from: ['prod?ction']}}": "b",
	} {
		if !strings.HasPrefix(rule, "{") {
			rule = "{" + rule + "}"
		}
		s := settings(t, "r: "+rule)
		list, err := s.Rules.Check(t.Context(), rules.Scope{
			Tenant: "acme", Environments: s.EnvironmentNames(), Namespaces: s.NamespaceNames(),
			Tree: func(_ context.Context, a address.Address) (*tree.Node, bool, error) {
				switch {
				case a.Namespace != "router":
					return nil, false, nil
				case a.Environment == "production":
					return production, true, nil
				}
				return base, true, nil
			},
		}, []address.Address{{Tenant: "acme", Environment: "development", Namespace: "router"}})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range list {
			got = append(got, f.Key)
			if f.Position.File != "config/acme/base/router.yaml" || (f.Severity == diag.Warning) != strings.Contains(rule, "warning") {
				t.Errorf("%s: %+v", rule, f)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %q", rule, got, want)
		}
	}
}
