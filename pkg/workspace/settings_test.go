package workspace

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
)

// told gives findings as "line:column code: message | hint".
func told(t *testing.T, err error) []string {
	t.Helper()
	list, ok := errors.AsType[diag.List](err)
	if err != nil && !ok {
		t.Fatalf("%v is no list of findings", err)
	}
	var out []string
	for _, f := range list {
		_, at, _ := strings.Cut(f.Position.String(), ":")
		text := at + " " + f.Code + ": " + f.Message
		if f.Hint != "" {
			text += " | " + f.Hint
		}
		out = append(out, text)
	}
	return out
}

func TestParseSettings(t *testing.T) {
	s, err := ParseSettings(SettingsFile, []byte(`apiVersion: lcm/v1
environments:
  - development
  - {name: production, strict_override: true}
layers: [global/base, "{tenant}/base", "{tenant}/{environment}"]
namespaces:
  router: {module: model-router}
  inference: {module: inference-engine}
  batch: {inherits: inference, module: inference-engine}
  notes:
targets:
  local: {type: dir, path: out}
  runtime:
    type: s3
    endpoint: https://objects.example.com
    bucket: lcm
    region: eu-1
    prefix: p
    secrets:
      type: vault
      address: https://vault.example.com:8200
      mount: kv
      namespace: team
      prefix: q
      auth: {method: approle, mount: ar, role: r, secret_id_file: /run/id}
  plain: {type: vault, address: "https://vault.example.com"}
`))
	if err != nil {
		t.Fatal(err)
	}
	at := func(line, column int) diag.Position {
		return diag.Position{File: SettingsFile, Line: line, Column: column}
	}
	want := &Settings{
		Environments: []Environment{{Name: "development", Pos: at(3, 5)}, {Name: "production", Strict: ptr(true), Pos: at(4, 12)}},
		Layers:       []string{"global/base", "{tenant}/base", "{tenant}/{environment}"},
		Namespaces: []Namespace{
			{Name: "router", Module: "model-router", Pos: at(7, 3)},
			{Name: "inference", Module: "inference-engine", Pos: at(8, 3)},
			{Name: "batch", Module: "inference-engine", Inherits: "inference", Pos: at(9, 3)},
			{Name: "notes", Pos: at(10, 3)},
		},
		Targets: []Target{
			{Name: "local", Type: "dir", Path: "out", Pos: at(12, 3)},
			{
				Name: "runtime", Type: "s3", Endpoint: "https://objects.example.com", Bucket: "lcm", Region: "eu-1", Prefix: "p", Pos: at(13, 3),
				Secrets: &Target{
					Name: "runtime", Type: "vault", Address: "https://vault.example.com:8200", Mount: "kv", VaultNS: "team", Prefix: "q", Pos: at(19, 5),
					Auth: Auth{Method: "approle", Mount: "ar", Role: "r", SecretIDFile: "/run/id"},
				},
			},
			{Name: "plain", Type: "vault", Address: "https://vault.example.com", Mount: "secret", Auth: Auth{Method: "token"}, Pos: at(26, 3)},
		},
	}
	if !reflect.DeepEqual(s, want) {
		t.Errorf("got  %+v\nwant %+v", s, want)
	}
	if got := s.NamespaceNames(); !slices.Equal(got, []string{"batch", "inference", "notes", "router"}) {
		t.Errorf("namespaces %v are not sorted", got)
	}
	if got := s.EnvironmentNames(); !slices.Equal(got, []string{"development", "production"}) {
		t.Errorf("environments %v are not in promotion order", got)
	}
}

// fileFault is a file with something wrong in it, and what is told of it.
type fileFault struct {
	name, src string
	want      []string
}

func settingsFaults() []fileFault {
	const head = "apiVersion: lcm/v1\nenvironments: [development]\n" // two lines
	return []fileFault{
		{"no version", "environments: [a]\n", []string{"1:1 settings-version: apiVersion is missing | write apiVersion: lcm/v1 at the top"}},
		{"another version", "apiVersion: lcm/v9\nenvironments: [a]\n", []string{`1:13 settings-version: apiVersion "lcm/v9" is not known here | this lcm reads lcm/v1; a newer lcm may know it`}},
		{"an empty version", "apiVersion: \"\"\nenvironments: [a]\n", []string{`1:13 settings-version: apiVersion "" is not known here | this lcm reads lcm/v1; a newer lcm may know it`}},
		{"no environments", "apiVersion: lcm/v1\n", []string{"1:1 settings-environments: no environments | list them in promotion order, for example: environments: [{name: development}, {name: production}]"}},
		{"an environment twice", "apiVersion: lcm/v1\nenvironments: [a, b, a]\n", []string{`2:22 settings-environments: environment "a" stands twice | remove one`}},
		{"base is none", "apiVersion: lcm/v1\nenvironments:\n  - name: base\n", []string{`3:11 settings-name: "base" is the layer below all environments and cannot be one | choose another name`}},
		{"misspelt at the top", head + "namespace: {}\n", []string{`3:1 settings-unknown-field: lcm.yaml has no field "namespace" | did you mean namespaces?`}},
		{"misspelt in an environment", "apiVersion: lcm/v1\nenvironments: [{name: a, strict: true}]\n", []string{`2:26 settings-unknown-field: an environment has no field "strict" | did you mean strict_override?`}},
		{"not a truth value", "apiVersion: lcm/v1\nenvironments: [{name: a, strict_override: yes}]\n", []string{"2:43 settings-type: strict_override must be true or false, and this is a string"}},
		{"a layer without environment", head + "layers: [global]\n", []string{`3:10 settings-layer: a layer is written tenant/environment | for example "{tenant}/{environment}" or global/base`}},
		{"an unknown variable", head + "layers: [\"{tenant}/{env}\"]\n", []string{`3:10 settings-layer: `}},
		{"inherits from a stranger", head + "namespaces:\n  inference:\n  batch: {inherits: inferance}\n", []string{`5:3 settings-inherits: namespace "batch" inherits from "inferance", which is not declared | did you mean inference?`}},
		{"inherits from itself", head + "namespaces:\n  a: {inherits: a}\n", []string{`4:3 settings-inherits: namespaces inherit in a circle: a → a | `}},
		{"a circle of three", head + "namespaces:\n  a: {inherits: b}\n  b: {inherits: c}\n  c: {inherits: a}\n", []string{
			`4:3 settings-inherits: namespaces inherit in a circle: a → b → c → a | `,
			`5:3 settings-inherits: namespaces inherit in a circle: b → c → a → b | `,
			`6:3 settings-inherits: namespaces inherit in a circle: c → a → b → c | `,
		}},
		{"a circle further up", head + "namespaces:\n  a: {inherits: b}\n  b: {inherits: b}\n", []string{`4:3 settings-inherits: `, `5:3 settings-inherits: `}},
		{"another module", head + "namespaces:\n  a: {module: x}\n  b: {module: y, inherits: a}\n", []string{`5:3 settings-inherits: namespace "b" is a "y" and inherits from "a", a "x" | a namespace inherits from one of the same module`}},
		{"no type", head + "targets:\n  t: {path: x}\n", []string{`4:3 settings-target: target "t" needs a type | the types are dir, s3 and vault`}},
		{"a misspelt type", head + "targets:\n  t: {type: vualt}\n", []string{`4:13 settings-target: target "t" is of the unknown type "vualt" | `}},
		{"a field of another type", head + "targets:\n  t: {type: dir, path: x, bucket: y}\n", []string{`4:27 settings-unknown-field: a dir target has no field "bucket" | the fields are [path secrets type]`}},
		{"fields are missing", head + "targets:\n  t: {type: s3}\n", []string{"4:3 settings-target: a s3 target needs bucket", "4:3 settings-target: a s3 target needs endpoint"}},
		{"secrets into a folder", head + "targets:\n  t: {type: dir, path: x, secrets: {type: dir, path: y}}\n", []string{"4:36 settings-target: secrets can go to a vault only | write type: vault"}},
		{"an unknown login", head + "targets:\n  t: {type: vault, address: x, auth: {method: approl}}\n", []string{`4:38 settings-target: unknown auth method "approl" | did you mean approle?`}},
		{"several at once, in order", "environments: [base]\ntargets: []\nfoo: 1\n", []string{"1:1 settings-version: ", "1:16 settings-name: ", "2:10 settings-type: ", "3:1 settings-unknown-field: "}},
	}
}

func TestSettingsFindings(t *testing.T) {
	for _, tt := range settingsFaults() {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseSettings(SettingsFile, []byte(tt.src))
			got := told(t, err)
			if !slices.EqualFunc(got, tt.want, func(g, w string) bool { return g == w || strings.HasSuffix(w, " ") && strings.HasPrefix(g, w) }) {
				t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(tt.want, "\n\t"))
			}
		})
	}
}

func TestStack(t *testing.T) {
	s, err := ParseSettings(SettingsFile, []byte("apiVersion: lcm/v1\nenvironments: [dev, {name: prod, strict_override: true}]\nnamespaces: {a: , b: {inherits: a}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"acme/prod/a":   "global/base global/prod! acme/base acme/prod!",
		"acme/base/a":   "global/base acme/base",
		"global/prod/a": "global/base global/prod!",
		"acme/dev/b":    "global/base/a global/dev/a acme/base/a acme/dev/a global/base global/dev acme/base acme/dev",
	} {
		a, err := address.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, ref := range s.Stack(a) {
			name := ref.Name
			if ref.Strict {
				name += "!"
			}
			got = append(got, name)
			if !s.Reaches(ref.Address, a) {
				t.Errorf("%s is in the stack of %s and does not reach it", ref.Address, a)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("stack of %s: %v, want %s", a, got, want)
		}
	}
	if s.Reaches(address.Address{Tenant: "globex", Environment: "base", Namespace: "a"}, address.Address{Tenant: "acme", Environment: "prod", Namespace: "a"}) {
		t.Error("one tenant's layer reaches another tenant")
	}
}

func FuzzParseSettings(f *testing.F) {
	f.Add([]byte("apiVersion: lcm/v1\nenvironments: [a, {name: b, strict_override: true}]\nnamespaces: {x: {module: m}, y: {inherits: x}}\ntargets: {t: {type: dir, path: p}}\n"))
	f.Add([]byte("apiVersion: lcm/v1\nenvironments: [a]\nnamespaces: {x: {inherits: y}, y: {inherits: x}}\nlayers: [1]\n"))
	f.Add([]byte("targets: {t: {type: vault, auth: []}, u: 1, v: {type: [], secrets: {}}}\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		s, err := ParseSettings(SettingsFile, src)
		if err != nil {
			told(t, err)
			return
		}
		// What is accepted can be walked: no name is empty, and every stack comes to an end.
		for _, ns := range s.Namespaces {
			a := address.Address{Tenant: "acme", Environment: s.Environments[0].Name, Namespace: ns.Name}
			if err := a.Check(); err != nil {
				t.Fatal(err)
			}
			s.Stack(a)
		}
	})
}

func ptr[T any](v T) *T { return &v }
