package schema

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
)

// valid is the least that the service module accepts, on two lines.
const valid = "name: ab\nnested: {deep: {must: true}}\nbackend: {type: memory}\n"

func TestValidate(t *testing.T) {
	m := service(t)
	for _, tt := range []struct {
		name, config string
		want         []string
	}{
		{"the least", "", nil},
		{"everything", `
temperature: 1.0
port: 443
level: high
api_key: sk-1
token: tok-1
labels: {a: b}
credentials: {x: "1"}
providers: {a: {kind: openai, key: sk-2}, b: {kind: azure, region: eu, timeout: 5}}
routes: [{name: a}, {name: b, weight: 0, match: {path: /x}}]
tags: [a]
timeout: 5m
address: 10.0.0.1
unique: [1, 2]
few: [1, 2]
pair: [1, a]
low: 5
high: 5
size: auto
ratio: 0.5
big: 12345678901234567890123456789012345678901234567890
mode: null
tree: {children: [{value: 1}, {children: []}]}
anything: {a: [1, {b: null}]}
open: {known: 1, other: [x]}
maybe: {shared: s}
tls: {enabled: true, cert: c, key: k, strict: false}
models: {a: {}, b: {price: 1e-06}}
default_model: b
"quoted.key": q
union: {to: x, also: 1}
n16: 65535
not: z
promoted: {y: {z: 1}}`, nil},
		{"hexadecimal and octal", "port: 0x1F\nn16: 0o17\nbig: +5\nlow: 007", nil},
		{"floats as YAML spells them", "temperature: .5\nratio: +.5", nil},
		{"a number for a number", "temperature: 1", nil},

		{"type", "port: x", []string{`4:7 type: port is "x", must be an integer`}},
		{"type: quotes", `port: "80"`, []string{`4:7 type: port is "80", must be an integer | take the quotes away`}},
		{"type: no quotes", "labels: {a: 1}", []string{`4:13 type: labels.a is 1, must be a string | put it in quotes to make it text`}},
		{"type: bool", "tls: {enabled: no}", []string{`4:16 type: tls.enabled is "no", must be true or false`}},
		{"type: float", "ratio: 1", []string{`4:8 type: ratio is 1, must be a number with a decimal point | write 1.0`}},
		{"type: int", "big: 1.0", []string{`4:6 type: big is 1.0, must be an integer`}},
		{"type: null", "routes: null", []string{`4:9 type: routes is null, must be a list | null is a value of its own; to take an inherited value away write !delete`}},
		{"type: map", "labels: [a]", []string{`4:9 type: labels is a list, must be a map`}},
		{"type: list", "tags: {}", []string{`4:7 type: tags is a map, must be a list`}},
		{"type: union", "union: true", []string{`4:8 type: union is true, must be a string or a map | put it in quotes to make it text`}},
		{"type: infinite", "big: .inf\nratio: 1e999999999", []string{
			"4:6 type: big is .inf, which is not a number that can be computed with",
			"5:8 type: ratio is 1e999999999, which is not a number that can be computed with",
		}},

		{"bound: most", "temperature: 3.5", []string{"4:14 bound: temperature is 3.5, must be at most 2"}},
		{"bound: least", "temperature: -1e-30", []string{"4:14 bound: temperature is -1e-30, must be at least 0"}},
		{"bound: more", "ratio: 0.0", []string{"4:8 bound: ratio is 0.0, must be more than 0"}},
		{"bound: less", "ratio: 1.0", []string{"4:8 bound: ratio is 1.0, must be less than 1"}},
		{"bound: of a type", "n16: 65536", []string{"4:6 bound: n16 is 65536, must be at most 65535"}},
		{"bound: beyond 64 bits", "port: 12345678901234567890", []string{"4:7 bound: port is 12345678901234567890, must be at most 65535"}},
		{"bound: items", "few: [1, 2, 3]", []string{"4:6 bound: few has 3 items, must have at most 2"}},
		{"bound: pair", "pair: [1]", []string{"4:7 bound: pair has 1 item, must have at least 2"}},
		{"bound: pair, too long", "pair: [1, a, 2]", []string{"4:7 bound: pair has 3 items, must have at most 2"}},
		{"bound: another field", "low: 5\nhigh: 3", []string{"5:7 bound: high is 3, must be at least 5"}},
		{"bound: in an alternative", "size: 0", []string{"4:7 bound: size is 0, must be at least 1"}},

		{"enum", "level: mdi", []string{`4:8 enum: level is "mdi", must be one of "low", "mid", "high"`}},
		{"enum: near", "level: hihg", []string{`4:8 enum: level is "hihg", must be one of "low", "mid", "high"`}},
		{"enum: prefix", "backend: {type: mem}", []string{`3:17 enum: backend.type is "mem", must be one of "memory", "cache", "disk" | did you mean memory?`}},
		{"enum: constant", "kind: other", []string{`4:7 enum: kind is "other", must be "service"`}},
		{"enum: or more", "size: big", []string{`4:7 enum: size is "big", must be "auto", or an integer that must be at least 1`}},
		{"enum: computed", "models: {a: {}, c: {}}\ndefault_model: b", []string{`5:16 enum: default_model is "b", must be one of "a", "c" | did you mean a or c?`}},

		{"pattern", "not: yx", []string{`4:6 pattern: not is "yx", must not match x`}},
		{"pattern: secret", "api_key: abc\ntoken: def", []string{
			"4:10 pattern: api_key does not match ^sk-",
			"5:8 pattern: token does not match ^tok-",
		}},

		{"required: in a list", "routes: [{weight: 1}]", []string{"4:10 required: routes[0].name is required | routes[0].name is a string"}},
		{"required: under a condition", "tls: {enabled: true, key: k, strict: true}", []string{
			"4:6 required: tls.cert is required when enabled is true | tls.cert is a string: Certificate",
		}},
		{"required: discriminator", "providers: {a: {timeout: 1}}", []string{
			`4:16 required: providers.a.kind is required | providers.a.kind is one of "openai", "azure"`,
		}},
		{"required: of the alternative", "providers: {a: {kind: azure}}", []string{
			"4:16 required: providers.a.region is required | providers.a.region is a string",
		}},
		{"required: beside a type error", "port: x\nproviders: {a: {kind: azure}}\ntls: {enabled: true, cert: c, key: k}", []string{
			`4:7 type: port is "x", must be an integer`,
			"5:16 required: providers.a.region is required | providers.a.region is a string",
			"6:6 required: tls.strict is required when enabled is true | tls.strict is true or false",
		}},

		{"unknown", "temprature: 1", []string{"4:1 unknown-field: temprature is not known | did you mean temperature?"}},
		{"unknown: nothing near", "nested: {deep: {must: true, zzz: 1}}", []string{"2:29 unknown-field: nested.deep.zzz is not known | known here: count, must"}},
		{"unknown: of another alternative", "providers: {a: {kind: openai, region: x}}", []string{
			"4:31 unknown-field: providers.a.region is not known | known here: key, kind, timeout",
		}},
		{"unknown: not as things are", "tls: {cert: c}", []string{"4:7 unknown-field: tls.cert is not allowed here | it is allowed when enabled is true"}},
		{"unknown: key", "models: {A1: {}}", []string{"4:10 unknown-field: models.A1 is not a valid key | keys here must match ^[a-z]+$"}},
		{"unknown: quoted", `"quoted.kez": a`, []string{`4:1 unknown-field: "quoted.kez" is not known | did you mean quoted.key?`}},

		{"constraint: duration", "timeout: 5 minutes", []string{`4:10 constraint: timeout is "5 minutes", must be a length of time such as 30s or 1h30m`}},
		{"constraint: address", "address: a.b", []string{`4:10 constraint: address is "a.b", must be an IPv4 address`}},
		{"constraint: unique", "unique: [1, 1]", []string{"4:9 constraint: unique is a list, must not hold an item twice"}},
		{"constraint: the schema's words", "temperature: 1.7\nhot: 1", []string{"5:6 constraint: hot: hot is for the cold"}},

		{"constraint: of several fields", "low: 50\nhigh: 60\nport: x", []string{
			"1:1 constraint: 50 to 60 is out of the question", `6:7 type: port is "x", must be an integer`,
		}},

		{"alternatives: nearest", "union: {to: 1, also: 2}", []string{
			"4:13 type: union.to is 1, must be a string | put it in quotes to make it text; nearest of several forms: a map with to",
		}},
		{"recursion", "tree: {children: [{children: [{value: x, z: 1}]}]}", []string{
			`4:39 type: tree.children[0].children[0].value is "x", must be an integer`,
			"4:42 unknown-field: tree.children[0].children[0].z is not known | known here: children, secret_value, value",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			src := valid + tt.config
			if key, _, ok := strings.Cut(tt.config, ":"); ok && (key == "nested" || key == "backend") {
				src = strings.ReplaceAll(valid, map[string]string{"nested": "nested: {deep: {must: true}}", "backend": "backend: {type: memory}"}[key], tt.config)
			}
			root := config(t, src)
			if tt.want == nil {
				agree(t, m, root)
			}
			got := lines(m.Validate(root))
			if !slices.Equal(got, tt.want) {
				t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}

func TestValidateEmpty(t *testing.T) {
	got := lines(service(t).Validate(config(t, "")))
	want := []string{
		"1:1 required: backend is required | backend is a map",
		"1:1 required: name is required | name is a string: what it is called",
		"1:1 required: nested.deep.must is required | nested.deep.must is true or false",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got:\n%s", strings.Join(got, "\n"))
	}
}

func TestFindingPlaces(t *testing.T) {
	for _, tt := range []struct{ config, key, related string }{
		{"temperature: 3.5", "temperature", "schema:service:20:2: declared here"},
		{"providers: {a: {kind: azure}}", "providers.a.region", "schema:service:112:2: declared here"},
		{"routes: [{name: a}, {name: a, weight: x}]", "routes[1].weight", "schema:service:118:2: declared here"},
		{"tls: {enabled: true, cert: c, key: k}", "tls.strict", "schema:service:74:15: declared here"},
		{"low: 5\nhigh: 3", "high", "schema:service:42:21: declared here"},
	} {
		found := service(t).Validate(config(t, valid+tt.config))
		if len(found) != 1 || len(found[0].Related) != 1 {
			t.Fatalf("%s: %v", tt.config, found)
		}
		r := found[0].Related[0]
		if got := r.Position.String() + ": " + r.Message; got != tt.related || found[0].Key != tt.key || found[0].Severity != diag.Error {
			t.Errorf("%s: got %q %q", tt.config, found[0].Key, got)
		}
	}
}

// seal gives a tree with the scalars at some keys secret, or sealed too.
func seal(n *tree.Node, p tree.Path, sealed bool, keys ...string) *tree.Node {
	switch n.Kind {
	case tree.Map:
		fields := slices.Clone(n.Fields())
		for i, f := range fields {
			fields[i].Value = seal(f.Value, append(p[:len(p):len(p)], tree.Key(f.Key)), sealed, keys...)
		}
		return n.WithFields(fields)
	case tree.List:
		items := slices.Clone(n.Items())
		for i, item := range items {
			items[i] = seal(item, append(p[:len(p):len(p)], tree.Index(i)), sealed, keys...)
		}
		return n.WithItems(items)
	}
	if !slices.Contains(keys, p.String()) {
		return n
	}
	c := n.Clone()
	c.Secret = true
	if sealed {
		c = c.WithText(tree.String, "ENC[AES256_GCM,data:xx,type:str]")
		c.Sealed = true
	}
	return c
}

func TestValidateSealed(t *testing.T) {
	m := service(t)
	for _, tt := range []struct {
		name, config string
		sealed       []string
		want         []string
	}{
		{"a pattern", "api_key: x", []string{"api_key"}, nil},
		{"a number", "low: 1", []string{"low"}, nil},
		{"what others are computed from", "low: 50\nhigh: 60", []string{"low"}, nil},
		{"a condition", "tls: {enabled: true}", []string{"tls.enabled"}, nil},
		{"an enumeration", "level: x", []string{"level"}, nil},
		{"in an alternative", "providers: {a: {kind: azure, key: k, region: r}}", []string{"providers.a.key"}, nil},
		{"a discriminator", "providers: {a: {kind: azure, region: r}}", []string{"providers.a.kind"}, nil},
		{"under a condition", "tls: {enabled: true, cert: c, key: k, strict: true}", []string{"tls.key"}, nil},
		{"in a free map", "anything: {a: {b: x}}", []string{"anything.a.b"}, nil},
		{"does not hide others", "api_key: x\nport: x\nlevel: y\ntls: {enabled: true, cert: c, strict: true}", []string{"api_key"}, []string{
			`5:7 type: port is "x", must be an integer`,
			`6:8 enum: level is "y", must be one of "low", "mid", "high"`,
			"7:6 required: tls.key is required when enabled is true | tls.key is a string",
		}},
		{"does not hide a required one", "api_key: x\nproviders: {a: {kind: azure, key: k}}", []string{"api_key", "providers.a.key"}, []string{
			"5:16 required: providers.a.region is required | providers.a.region is a string",
		}},
		{"only a condition's is missing", "api_key: x\ntls: {enabled: true, cert: c, strict: true}", []string{"api_key"}, []string{
			"5:6 required: tls.key is required when enabled is true | tls.key is a string",
		}},
		{"an unknown one", "api_kez: x", []string{"api_kez"}, []string{"4:1 unknown-field: api_kez is not known | did you mean api_key?"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := lines(m.Validate(seal(config(t, valid+tt.config), nil, true, tt.sealed...)))
			if !slices.Equal(got, tt.want) {
				t.Errorf("got:\n%s", strings.Join(got, "\n"))
			}
		})
	}
}

// Whatever is wrong with a secret, or with what is compared with it, its value stays hidden.
func TestNoSecretShown(t *testing.T) {
	const value = "hunter2hunter2"
	m := inline(t, `
import "strings"
#Config: {
	key?: =~"^sk-" & strings.MinRunes(20) & !="hunter2" @secret()
	number?: int & <10 @secret()
	kind?: "a" | "b" @secret()
	pair?: "x" | {a?: int} @secret()
	vault?: {[=~"^[a-z]+$"]: string} @secret()
	list?: [...int] @secret()
	length?: strings.MaxRunes(3) @secret()
	repeated?: string
	if key != _|_ {repeated?: key}
	differs?: string
	if key != _|_ {differs?: !=key}
	listed?: string
	if key != _|_ {listed?: or([key, "other"])}
	said?: string
	if key != _|_ {said?: error("the key is \(key)")}
	sum?: int
	if number != _|_ {sum?: >number}
}
`)
	for _, src := range []string{
		"key: " + value, "number: 987654", "number: " + value, "kind: " + value, "pair: [" + value + "]", "pair: {a: " + value + "}",
		"pair: " + value, "vault: {a: {b: " + value + "}}", "vault: [" + value + "]", "list: [" + value + "]", "list: " + value,
		"length: " + value, "key: [" + value + "]", "key: {a: " + value + "}",
		"key: sk-" + value + "aaaaaaaa\nrepeated: x", "key: sk-" + value + "aaaaaaaa\ndiffers: x", "key: sk-" + value + "aaaaaaaa\nlisted: x",
		"key: sk-" + value + "aaaaaaaa\nsaid: x", "number: 7\nsum: 5", "key: sk-" + value + "aaaaaaaa\ndiffers: sk-" + value + "aaaaaaaa",
	} {
		found := m.Validate(config(t, src))
		if len(found) == 0 && !strings.Contains(src, "differs: x") {
			t.Errorf("%s: nothing found", src)
		}
		for _, f := range found {
			// A plain field that has the same value shows it: its own text is in the file.
			if f.Key == "differs" {
				f.Message = strings.Replace(f.Message, ` is "sk-`+value, "", 1)
			}
			if f.Key == "said" && f.Message != `said: the key is \(key)` {
				t.Errorf("%s: %s", src, f)
			}
			if text := fmt.Sprintf("%+v", f); strings.Contains(text, "hunter2h") || strings.Contains(text, "987654") || strings.Contains(text, "than 7") {
				t.Errorf("%s: %s", src, text)
			}
		}
	}
}

func TestValidateConcurrently(t *testing.T) {
	m := service(t)
	good, bad := config(t, valid), config(t, valid+"low: 5\nhigh: 3\nport: x\nproviders: {a: {kind: azure}}")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 20 {
				if found := m.Validate(good); len(found) > 0 {
					t.Error(found)
				}
				if found := m.Validate(bad); len(found) != 3 {
					t.Errorf("%d findings: %v", len(found), found)
				}
				m.Field(path(t, fmt.Sprintf("providers.p%d.key", i)))
				m.Complete(bad)
				m.Keys("")
			}
		})
	}
	wg.Wait()
}
