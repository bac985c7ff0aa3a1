package validate_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/gitrepo"
	"github.com/llm-devops/lcm/pkg/pin"
	"github.com/llm-devops/lcm/pkg/schema"
	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/template"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/validate"
	"github.com/llm-devops/lcm/pkg/workspace"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

const engine = `package engine

@module(name="engine", version="1.0.0", title="Test engine")

#Config: {
	// Which model.
	model!: string & =~"^[a-z]"
	// How many.
	replicas: *1 | (int & >=1 & <=10)
	// Names.
	tags?: [...string]
	// The key.
	api_key?: string & =~"^key-" @secret()
}
`

const settings = `apiVersion: lcm/v1
environments:
  - development
  - {name: production, strict_override: true}
namespaces:
  inference: {module: engine}
  notes: {}
`

// fixture is a config repository on disk without a finding, and two age keys.
type fixture struct {
	t         *testing.T
	dir       string
	recipient string // acme's, which the keyring opens
	stranger  string // nobody's here
	keys      *seal.Keyring
	noKeys    *seal.Keyring
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	home := t.TempDir()
	for k, v := range map[string]string{
		"HOME": home, "XDG_CONFIG_HOME": filepath.Join(home, ".config"), "GNUPGHOME": filepath.Join(home, ".gnupg"),
		"GIT_CONFIG_GLOBAL": os.DevNull, "GIT_CONFIG_NOSYSTEM": "1",
	} {
		t.Setenv(k, v)
	}
	f := &fixture{t: t, dir: filepath.Join(home, "repo")}
	identity, recipient, err := seal.GenerateIdentity()
	f.must(err)
	f.recipient = recipient
	_, f.stranger, err = seal.GenerateIdentity()
	f.must(err)
	f.keys = seal.NewKeyring(seal.KeyringOptions{Home: home, ConfigDir: home, Getenv: func(name string) string {
		if name == "SOPS_AGE_KEY" {
			return identity.Reveal()
		}
		return ""
	}})
	f.noKeys = seal.NewKeyring(seal.KeyringOptions{Home: home, ConfigDir: home, Getenv: func(string) string { return "" }})
	f.write(map[string]string{
		"lcm.yaml":                              settings,
		"config/global/tenant.yaml":             "apiVersion: lcm/v1\nname: global\n",
		"config/global/base/inference.yaml":     "model: llama\n",
		"config/acme/tenant.yaml":               "apiVersion: lcm/v1\nname: acme\nrecipients: [{name: alice, key: " + recipient + "}]\n",
		"config/acme/production/inference.yaml": f.sealed("tags: [a]\n", "api_key", "key-1", recipient),
		"config/acme/base/notes.yaml":           "anything: {goes: here}\n",
	})
	lock, err := f.snapshot(f.noKeys).Locked(t.Context())
	f.must(err)
	f.write(map[string]string{"lcm.lock": string(lock.Bytes())})
	return f
}

func (f *fixture) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// write puts files into the repository; a file of "-" is removed.
func (f *fixture) write(files map[string]string) {
	f.t.Helper()
	for name, text := range files {
		p := filepath.Join(f.dir, filepath.FromSlash(name))
		if text == "-" {
			f.must(os.Remove(p))
			continue
		}
		f.must(os.MkdirAll(filepath.Dir(p), 0o755))
		f.must(os.WriteFile(p, []byte(text), 0o600))
	}
}

// sealed gives a layer file with one secret in it.
func (f *fixture) sealed(plain, key, value string, recipients ...string) string {
	f.t.Helper()
	doc, err := yamldoc.Parse("config/acme/production/inference.yaml", []byte(plain))
	f.must(err)
	change := seal.Change{Path: tree.Keys(key), Value: tree.NewString(value), Secret: true}
	doc, err = seal.Edit(f.t.Context(), doc, []seal.Change{change}, seal.Options{Access: seal.AccessOf(recipients...), Now: time.Unix(1e9, 0)})
	f.must(err)
	return string(doc.Source())
}

func (f *fixture) snapshot(k *seal.Keyring) *workspace.Snapshot {
	f.t.Helper()
	repo, err := gitrepo.Init(f.t.Context(), f.dir)
	f.must(err)
	return workspace.New(repo, workspace.Options{
		Keyring: k, Builtin: []schema.Source{{File: "engine.cue", Data: []byte(engine), Builtin: true}},
		Templates: []template.Source{
			{File: "starter.yaml", Data: []byte(starter("2.0.0", 20)), Builtin: true}, {File: "starter@1.0.0.yaml", Data: []byte(starter("1.0.0", 2)), Builtin: true},
		},
	}).Worktree()
}

// starter is a version of a built-in template.
func starter(version string, replicas int) string {
	return fmt.Sprintf("template: {version: %s}\nreplicas: %d\n", version, replicas)
}

// lock is the lock of the fixture, with starter held to a version that has some replicas.
func (f *fixture) lock(version string, replicas int) string {
	f.t.Helper()
	l, err := f.snapshot(f.noKeys).Lock(f.t.Context())
	f.must(err)
	return string((&workspace.Lock{Schemas: l.Schemas, Templates: map[string]pin.Pin{
		"starter": {Version: version, Digest: pin.Digest([]byte(starter(version, replicas)))},
	}}).Bytes())
}

// run gives the findings as "severity code file:line:column key @address".
func (f *fixture) run(k *seal.Keyring, patterns ...string) (*validate.Report, []string) {
	f.t.Helper()
	var o validate.Options
	for _, text := range patterns {
		p, err := address.ParsePattern(text)
		f.must(err)
		o.Patterns = append(o.Patterns, p)
	}
	report, err := validate.Run(f.t.Context(), f.snapshot(k), o)
	f.must(err)
	var out []string
	for _, x := range report.Findings {
		text := x.Severity.String() + " " + x.Code + " " + x.Position.String()
		if x.Key != "" {
			text += " " + x.Key
		}
		if x.Address != "" {
			text += " @" + x.Address
		}
		out = append(out, text)
		if x.Hint == "" && x.Severity.String() == "error" && !strings.HasPrefix(x.Code, "schema-") && !strings.HasPrefix(x.Code, "yaml-") {
			f.t.Errorf("%s has no hint", text)
		}
		if strings.Contains(x.Message+x.Hint, "hunter2") {
			f.t.Errorf("the secret is told: %s", x.Message)
		}
	}
	return report, out
}

func TestEachCode(t *testing.T) {
	const layer = "config/acme/production/inference.yaml"
	for _, tt := range []struct {
		name  string
		files func(*fixture) map[string]string
		want  []string
	}{
		{"nothing", nil, nil},
		{"broken settings", files("lcm.yaml", "apiVersion: lcm/v1\nenvironments: [base]\n"), []string{"error settings-name lcm.yaml:2:16"}},
		{"an unknown module", files("lcm.yaml", strings.Replace(settings, "module: engine", "module: engin", 1)), []string{"error unknown-module lcm.yaml:6:3"}},
		{"nothing locked", files("lcm.lock", "-"), []string{"warning lock-missing lcm.lock:1:1"}},
		{"a version that is not built in", files("lcm.lock", "apiVersion: lcm/v1\nschemas:\n  engine: {version: 0.9.0, digest: \"sha256:"+strings.Repeat("0", 64)+"\"}\n"), []string{"error schema-locked lcm.lock:3:3"}},
		{"a template that nothing locks", files("config/acme/base/notes.yaml", "extends: starter\n", "config/acme/base/inference.yaml", "extends: [starter@1, starter]\n"), []string{
			"warning lock-missing lcm.lock:1:1", "warning lock-missing lcm.lock:1:1", "error schema-bound template:starter:2:11 replicas @acme/development/inference",
		}},
		{"a template held to its older version", func(f *fixture) map[string]string {
			return map[string]string{"lcm.lock": f.lock("1.0.0", 2), "config/acme/base/inference.yaml": "extends: starter\n"}
		}, nil},
		{"a template that is not built in", func(f *fixture) map[string]string {
			return map[string]string{"lcm.lock": f.lock("1.5.0", 2), "config/acme/base/inference.yaml": "extends: starter\n", "config/acme/base/notes.yaml": "extends: starter\n"}
		}, []string{"error template-locked lcm.lock:9:3"}},
		{"a template that cannot have its version", func(f *fixture) map[string]string {
			return map[string]string{"lcm.lock": strings.Replace(f.lock("1.0.0", 2), "  starter:", "  starter@2:", 1)}
		}, []string{"error lock-version lcm.lock:9:3"}},
		{"a broken lock", files("lcm.lock", "apiVersion: lcm/v1\nschemas:\n  engine: {version: 0.9.0}\nmore: 1\n"), []string{
			"error lock-version lcm.lock:3:3", "error settings-unknown-field lcm.lock:4:1",
		}},
		{"a broken schema", files("schemas/own.cue", "package own\n@module(name=\"own\", version=\"1.0.0\", title=\"x\")\n#Config: {"), []string{"error schema-syntax schemas/own.cue:3:11"}},
		{"no tenant file", files("config/acme/tenant.yaml", "-"), []string{"error tenant-file config/acme/tenant.yaml"}},
		{"a broken tenant file", files("config/acme/tenant.yaml", "apiVersion: lcm/v1\nname: acne\nrecipients: [age1x]\n"), []string{
			"error tenant-name config/acme/tenant.yaml:2:7", "error tenant-recipient config/acme/tenant.yaml:3:14",
		}},
		{"a tenant's unknown namespace", func(f *fixture) map[string]string {
			return map[string]string{"config/acme/tenant.yaml": "apiVersion: lcm/v1\nname: acme\nrecipients: [" + f.recipient + "]\nnamespaces: [inference, inferno]\n"}
		}, []string{"error unknown-namespace config/acme/tenant.yaml"}},
		{"a layer's unknown namespace", files("config/acme/production/inferense.yaml", "a: 1\n"), []string{"error unknown-namespace config/acme/production/inferense.yaml"}},
		{"an unknown environment", files("config/acme/prod/inference.yaml", "tags: []\n"), []string{"error unknown-environment config/acme/prod/inference.yaml"}},
		{"stray files", files("config/acme/README.md", "x", "config/acme/base/notes.yml", "a: 1\n", "config/acme/base/deep/x.yaml", "a: 1\n"), []string{
			"warning stray-file config/acme/README.md", "warning stray-file config/acme/base/deep", "error stray-file config/acme/base/notes.yml",
		}},
		{"no YAML", files("config/acme/base/notes.yaml", "a: [\n"), []string{"error yaml-syntax config/acme/base/notes.yaml:1:4"}},
		{"an unknown template", files("config/acme/base/notes.yaml", "a: 1\nextends: x\n"), []string{"error unknown-template config/acme/base/notes.yaml:2:10 extends"}},
		{"a secret in plain text", files(layer, "api_key: key-hunter2\n"), []string{"error plaintext-secret " + layer + ":1:10 api_key @acme/production/inference"}},
		{"an empty secret", files(layer, "api_key: !override ''\n"), []string{"error schema-pattern " + layer + ":1:20 api_key @acme/production/inference"}},
		{"a secret in plain text by the file's own rule", func(f *fixture) map[string]string {
			return map[string]string{"config/acme/base/notes.yaml": strings.Replace(f.sealed("a: 1\n", "token", "x", f.recipient), "a: 1\n", "a: {token: hunter2}\n", 1)}
		}, []string{"error plaintext-secret config/acme/base/notes.yaml:1:12 a.token @acme/base/notes"}},
		{"other recipients", func(f *fixture) map[string]string {
			return map[string]string{layer: f.sealed("", "api_key", "key-1", f.stranger)}
		}, []string{"error foreign-recipient " + layer + ":2:1", "error missing-recipient " + layer + ":2:1"}},
		{"a secret from elsewhere", func(f *fixture) map[string]string {
			text := f.sealed("", "api_key", "key-1", f.recipient)
			return map[string]string{layer: strings.Replace(text, "api_key: ENC[", "model: \"!\"\napi_key: ENC[", 1), "config/acme/base/notes.yaml": strings.Replace(text, "api_key: ENC", "b: {c: 1}\nmoved: ENC", 1)}
		}, []string{
			"error seal-uncovered config/acme/base/notes.yaml:2:8 moved", "error schema-pattern " + layer + ":1:8 model @acme/production/inference",
			"error strict-override " + layer + ":1:8 model @acme/production/inference",
		}},
		{"a tampered secret", func(f *fixture) map[string]string {
			a, b := f.sealed("", "api_key", "key-1", f.recipient), f.sealed("", "api_key", "key-2", f.recipient)
			first, _, _ := strings.Cut(b, "\n")
			_, rest, _ := strings.Cut(a, "\n")
			return map[string]string{layer: first + "\n" + rest}
		}, []string{"error seal-tampered " + layer + ":1:10 api_key"}},
		{"an old MAC", func(f *fixture) map[string]string {
			text := f.sealed("", "api_key", "key-1", f.recipient)
			return map[string]string{layer: strings.Replace(text, `lastmodified: "2001-`, `lastmodified: "2002-`, 1)}
		}, []string{"error seal-tampered " + layer + ":15:10 sops.mac"}},
		{"a secret value that the schema refuses", func(f *fixture) map[string]string {
			return map[string]string{layer: f.sealed("", "api_key", "hunter2", f.recipient)}
		}, []string{"error schema-pattern " + layer + ":1:10 api_key @acme/production/inference"}},
		{"shadowed where it is strict", files(layer, "model: gpt\n"), []string{"error strict-override " + layer + ":1:8 model @acme/production/inference"}},
		{"a shared layer", files("config/global/base/inference.yaml", "model: llama\nreplicas: 11\n"), []string{
			"error schema-bound config/global/base/inference.yaml:2:11 replicas @acme/development/inference",
		}},
		{"a missing field", files("config/global/base/inference.yaml", "replicas: 2\n"), []string{
			"error schema-required " + layer + ":1:1 model @acme/production/inference",
			"error schema-required config/global/base/inference.yaml:1:1 model @acme/development/inference",
		}},
		{"a field that a tenant fills in", files("config/global/base/inference.yaml", "replicas: 2\n", "config/acme/base/inference.yaml", "model: x\n"), nil},
		{"an unknown field", files(layer, "tag: [a]\n"), []string{"error schema-unknown-field " + layer + ":1:1 tag @acme/production/inference"}},
		{"another type", files(layer, "tags: a\n"), []string{"error schema-type " + layer + ":1:7 tags @acme/production/inference"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			if tt.files != nil {
				f.write(tt.files(f))
			}
			if _, got := f.run(f.keys); !slices.Equal(got, tt.want) {
				t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(tt.want, "\n\t"))
			}
		})
	}
}

// files gives names and texts, in pairs, to write.
func files(pairs ...string) func(*fixture) map[string]string {
	return func(*fixture) map[string]string {
		out := map[string]string{}
		for pair := range slices.Chunk(pairs, 2) {
			out[pair[0]] = pair[1]
		}
		return out
	}
}

func TestASharedFaultIsCountedOnce(t *testing.T) {
	f := newFixture(t)
	f.write(map[string]string{"config/global/base/inference.yaml": "model: llama\nreplicas: 11\n"})
	report, _ := f.run(f.keys)
	// Two environments of acme; and global's own, which is base.
	if len(report.Findings) != 1 || report.Findings[0].Reach < 2 {
		t.Errorf("%+v", report.Findings)
	}
}

func TestWithoutAnyKey(t *testing.T) {
	f := newFixture(t)
	const layer = "config/acme/production/inference.yaml"
	f.write(map[string]string{layer: f.sealed("tags: 1\n", "api_key", "not a key", f.recipient)})
	report, got := f.run(f.noKeys)
	if want := []string{"error schema-type " + layer + ":1:7 tags @acme/production/inference"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v: the secret's value cannot be judged, and all else can", got, want)
	}
	if !slices.Equal(report.Unopened, []string{layer}) {
		t.Errorf("unopened %v", report.Unopened)
	}
}

func TestPatternsNarrowItDown(t *testing.T) {
	f := newFixture(t)
	f.write(map[string]string{
		"config/acme/base/notes.yaml":           "extends: x\n",
		"config/acme/production/inference.yaml": "tags: 1\n",
		"config/globex/tenant.yaml":             "apiVersion: lcm/v1\nname: globex\n",
		"config/globex/base/notes.yaml":         "variables: x\n",
	})
	for pattern, want := range map[string]string{
		"acme/production/inference": "schema-type",
		"acme/production/notes":     "unknown-template", // base lies below
		"globex":                    "template-variables",
		"*/*/inference":             "schema-type",
		"acme":                      "unknown-template schema-type",
		"global":                    "",
	} {
		report, _ := f.run(f.keys, pattern)
		var got []string
		for _, x := range report.Findings {
			got = append(got, x.Code)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", pattern, got, want)
		}
	}
}

func TestProgressAddsUp(t *testing.T) {
	f := newFixture(t)
	var total, steps atomic.Int64
	report, err := validate.Run(t.Context(), f.snapshot(f.keys), validate.Options{
		Total: func(n int) { total.Store(int64(n)) }, Step: func() { steps.Add(1) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if steps.Load() != total.Load() || total.Load() != 2 || report.Addresses != 6 || report.Files != 3 {
		t.Errorf("%d steps of %d, %d addresses, %d files", steps.Load(), total.Load(), report.Addresses, report.Files)
	}
}

func TestLayerAlone(t *testing.T) {
	f := newFixture(t)
	f.write(map[string]string{"config/acme/production/inference.yaml": "api_key: plain\nextends: 1\n"})
	a := address.Address{Tenant: "acme", Environment: "production", Namespace: "inference"}
	list, err := validate.Layer(t.Context(), f.snapshot(f.noKeys), a)
	f.must(err)
	var codes []string
	for _, x := range list {
		codes = append(codes, x.Code)
	}
	if want := []string{"plaintext-secret", "template-extends"}; !slices.Equal(codes, want) {
		t.Errorf("%v, want %v", codes, want)
	}
	a.Environment = "development"
	if list, err := validate.Layer(t.Context(), f.snapshot(f.noKeys), a); err != nil || len(list) > 0 {
		t.Errorf("where there is no file: %v, %v", list, err)
	}
}
