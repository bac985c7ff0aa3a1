package change

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/gitrepo"
	"github.com/llm-devops/lcm/pkg/schema"
	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/workspace"
)

const engine = `package engine

@module(name="engine", version="1.0.0", title="Test engine")

#Config: {
	// Which model.
	model!: string
	// Where.
	region!: string
	// How many.
	replicas: *1 | (int & >=1 & <=10)
	// Names.
	tags?: [...string]
	// Upstreams.
	providers?: {[string]: {
		// Which.
		kind!: string
		// Its key.
		token?: string @secret()
	}}
}
`

// fixture is a config repository on disk.
type fixture struct {
	t   testing.TB
	dir string
	w   *workspace.Workspace
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	home := t.TempDir()
	for k, v := range map[string]string{
		"HOME": home, "XDG_CONFIG_HOME": filepath.Join(home, ".config"), "GNUPGHOME": filepath.Join(home, ".gnupg"),
		"GIT_CONFIG_GLOBAL": os.DevNull, "GIT_CONFIG_NOSYSTEM": "1",
	} {
		t.Setenv(k, v)
	}
	f := &fixture{t: t, dir: filepath.Join(home, "repo")}
	_, recipient, err := seal.GenerateIdentity()
	f.must(err)
	f.write(map[string]string{
		"lcm.yaml":                              "apiVersion: lcm/v1\nenvironments: [development, production]\nnamespaces: {inference: {module: engine}, notes: {}}\n",
		"config/global/tenant.yaml":             "apiVersion: lcm/v1\nname: global\n",
		"config/global/base/inference.yaml":     "model: llama\nregion: eu\n",
		"config/acme/tenant.yaml":               "apiVersion: lcm/v1\nname: acme\nrecipients: [" + recipient + "]\n",
		"config/acme/production/inference.yaml": "# ours\nmodel:   gpt   # pinned\n",
		"config/globex/tenant.yaml":             "apiVersion: lcm/v1\nname: globex\n",
	})
	repo, err := gitrepo.Init(t.Context(), f.dir)
	f.must(err)
	f.w = workspace.New(repo, workspace.Options{
		Keyring: seal.NewKeyring(seal.KeyringOptions{Home: home, ConfigDir: home, Getenv: func(string) string { return "" }}),
		Builtin: []schema.Source{{File: "engine.cue", Data: []byte(engine), Builtin: true}},
	})
	return f
}

func (f *fixture) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) write(files map[string]string) {
	f.t.Helper()
	for name, text := range files {
		p := filepath.Join(f.dir, filepath.FromSlash(name))
		f.must(os.MkdirAll(filepath.Dir(p), 0o755))
		f.must(os.WriteFile(p, []byte(text), 0o600))
	}
}

func (f *fixture) read(name string) string {
	f.t.Helper()
	b, err := os.ReadFile(filepath.Join(f.dir, filepath.FromSlash(name)))
	f.must(err)
	return string(b)
}

// edit gives the edit that "address key=value" or "address key" (to remove it) means.
func (f *fixture) edit(text string) Edit {
	f.t.Helper()
	where, what, _ := strings.Cut(text, " ")
	a, err := address.Parse(where)
	f.must(err)
	key, value, ok := strings.Cut(what, "=")
	p, err := tree.ParsePath(key)
	f.must(err)
	e := Edit{Address: a, Path: p}
	if ok {
		e.Value, err = ParseValue(p, value, nil)
		f.must(err)
	}
	return e
}

func (f *fixture) prepare(edits ...string) (*Plan, error) {
	f.t.Helper()
	r := Request{Kind: "set", Now: time.Unix(1e9, 0)}
	for _, e := range edits {
		r.Edits = append(r.Edits, f.edit(e))
	}
	return Prepare(f.t.Context(), f.w, f.w.Worktree(), r)
}

func codes(l diag.List) string {
	var out []string
	for _, x := range l {
		out = append(out, x.Code+" "+x.Key+"@"+x.Address)
	}
	return strings.Join(out, ", ")
}

func addresses(list []address.Address) string {
	var out []string
	for _, a := range list {
		out = append(out, a.String())
	}
	return strings.Join(out, " ")
}

func TestWhatIntroducesFindingsIsRefused(t *testing.T) {
	f := newFixture(t)
	for _, tt := range []struct{ edit, introduced string }{
		{"acme/production/inference replicas=11", "schema-bound replicas@acme/production/inference"},
		{"acme/production/inference modle=x", "schema-unknown-field modle@acme/production/inference"},
		// A shared layer: told once, at the first address that shows it.
		{"global/base/inference replicas=none", "schema-type replicas@acme/base/inference"},
		{"global/base/inference region", "schema-required region@acme/production/inference, schema-required region@acme/development/inference"},
		{"acme/base/notes extends=x", "unknown-template extends@"},
	} {
		p, err := f.prepare(tt.edit)
		f.must(err)
		if got := codes(p.Introduced); got != tt.introduced || len(p.Remaining) > 0 {
			t.Errorf("%s introduces %s, want %s; remaining %s", tt.edit, got, tt.introduced, codes(p.Remaining))
		}
		var refused *FindingsError
		for name, write := range map[string]func(context.Context) error{
			"write":  p.Write,
			"commit": func(ctx context.Context) error { _, err := p.Commit(ctx); return err },
		} {
			if err := write(t.Context()); !errors.As(err, &refused) || len(refused.Findings) != len(p.Introduced) {
				t.Errorf("%s of %s: %v", name, tt.edit, err)
			}
		}
	}
	if got := f.read("config/acme/production/inference.yaml"); got != "# ours\nmodel:   gpt   # pinned\n" {
		t.Errorf("something was written: %q", got)
	}
}

func TestWhatWasWrongBeforeIsNoHindrance(t *testing.T) {
	f := newFixture(t)
	f.write(map[string]string{"config/acme/production/inference.yaml": "model: gpt\nreplicas: 11\n"})
	p, err := f.prepare("acme/production/inference tags=[a]")
	f.must(err)
	if p.Err() != nil || codes(p.Remaining) != "schema-bound replicas@acme/production/inference" {
		t.Errorf("introduced %s, remaining %s", codes(p.Introduced), codes(p.Remaining))
	}
	// Another fault of the same kind elsewhere is a new one.
	if p, err = f.prepare("acme/development/inference replicas=11"); err != nil || codes(p.Introduced) != "schema-bound replicas@acme/development/inference" {
		t.Errorf("introduced %s, %v", codes(p.Introduced), err)
	}
	if p, err = f.prepare("acme/production/inference replicas=3"); err != nil || p.Err() != nil || len(p.Remaining) > 0 {
		t.Errorf("mending it leaves %s, %v", codes(p.Remaining), err)
	}
}

func TestAnIncompleteNamespaceIsFilledStepByStep(t *testing.T) {
	f := newFixture(t)
	f.must(os.Remove(filepath.Join(f.dir, "config/global/base/inference.yaml")))
	f.must(os.Remove(filepath.Join(f.dir, "config/acme/production/inference.yaml")))
	step := func(edit, introduced, remaining string) {
		t.Helper()
		p, err := f.prepare(edit)
		f.must(err)
		if codes(p.Introduced) != introduced || codes(p.Remaining) != remaining {
			t.Fatalf("%s: introduced %q, remaining %q; want %q, %q", edit, codes(p.Introduced), codes(p.Remaining), introduced, remaining)
		}
		if introduced == "" {
			f.must(p.Write(t.Context()))
		}
	}
	const at = "@acme/production/inference"
	step("acme/production/inference replicas=2", "", "schema-required model"+at+", schema-required region"+at)
	step("acme/production/inference providers.openai.token=x", "", // a step that opens another gap
		"schema-required model"+at+", schema-required region"+at+", schema-required providers.openai.kind"+at)
	step("acme/production/inference replicas=20", "schema-bound replicas"+at, // what is there must be right
		"schema-required model"+at+", schema-required region"+at+", schema-required providers.openai.kind"+at)
	step("acme/production/inference model=gpt", "", "schema-required region"+at+", schema-required providers.openai.kind"+at)
	step("acme/production/inference region=eu", "", "schema-required providers.openai.kind"+at)
	step("acme/production/inference providers.openai.kind=openai", "", "")
	// What is complete stays so.
	step("acme/production/inference model", "schema-required model"+at, "")
	step("acme/production/inference providers.other={}", "schema-required providers.other.kind"+at, "")
}

func TestReach(t *testing.T) {
	f := newFixture(t)
	for _, tt := range []struct{ edit, reach, overridden string }{
		{"global/base/inference model=mistral", "acme/development/inference globex/development/inference globex/production/inference", "acme/production/inference"},
		{"acme/base/inference replicas=2", "acme/development/inference acme/production/inference", ""},
		{"acme/production/inference tags=[x]", "acme/production/inference", ""},
		{"global/production/inference tags=[x]", "acme/production/inference globex/production/inference", ""},
	} {
		p, err := f.prepare(tt.edit)
		f.must(err)
		if addresses(p.Reach) != tt.reach || addresses(p.Overridden) != tt.overridden {
			t.Errorf("%s reaches %q, overridden %q; want %q, %q", tt.edit, addresses(p.Reach), addresses(p.Overridden), tt.reach, tt.overridden)
		}
	}
}

func TestOnlyWhatChangesIsWritten(t *testing.T) {
	f := newFixture(t)
	const file = "config/acme/production/inference.yaml"
	if p, err := f.prepare("acme/production/inference model=gpt"); err != nil || !p.Empty() {
		t.Errorf("the same value is a change of %v, %v", slices.Collect(maps.Keys(p.Files)), err)
	}
	p, err := f.prepare("acme/production/inference model=other")
	f.must(err)
	if got := string(p.Files[file]); len(p.Files) != 1 || got != "# ours\nmodel:   other   # pinned\n" {
		t.Errorf("%v: %q", slices.Collect(maps.Keys(p.Files)), got)
	}
	if p.Subject() != "set model in acme/production/inference" {
		t.Error(p.Subject())
	}
	p, err = f.prepare("acme/production/inference model=other", "acme/base/notes a=1", "acme/base/notes b=1")
	f.must(err)
	if p.Subject() != "set 3 keys in 2 layers" || len(p.Files) != 2 {
		t.Error(p.Subject(), len(p.Files))
	}
	same := f.read("lcm.yaml")
	r := Request{Kind: "x", Files: map[string][]byte{"lcm.yaml": []byte(same), "config/globex/tenant.yaml": nil}}
	p, err = Prepare(t.Context(), f.w, f.w.Worktree(), r)
	if err != nil || len(p.Files) != 1 || p.Files["config/globex/tenant.yaml"] != nil {
		t.Errorf("%v, %v", slices.Collect(maps.Keys(p.Files)), err)
	}
}

func TestSecretsAreEncryptedWhereverTheyLie(t *testing.T) {
	f := newFixture(t)
	for _, edit := range []string{
		"acme/production/inference providers.openai={kind: openai, token: hunter2}",
		"acme/production/inference providers={openai: {kind: openai, token: hunter2}, other: {kind: x, token: hunter2}}",
	} {
		p, err := f.prepare(edit)
		f.must(err)
		text := string(p.Files["config/acme/production/inference.yaml"])
		if p.Err() != nil || strings.Contains(text, "hunter2") || !strings.Contains(text, "token: ENC[") || !strings.Contains(text, "kind: openai") {
			t.Errorf("%s: %s\n%s", edit, codes(p.Introduced), text)
		}
	}
	_, err := f.prepare("globex/production/inference providers.openai={kind: openai, token: hunter2}")
	if err == nil || !strings.Contains(err.Error(), "has no recipients") || diag.HintOf(err) == "" || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a tenant without recipients: %v", err)
	}
}

func TestRefusedOutright(t *testing.T) {
	f := newFixture(t)
	for _, edit := range []string{"acne/production/inference a=1", "acme/prod/inference a=1", "acme/production/inferno a=1"} {
		_, err := f.prepare(edit)
		if _, ok := errors.AsType[*workspace.UnknownError](err); !ok || diag.HintOf(err) == "" {
			t.Errorf("%s: %v", edit, err)
		}
	}
	for file, text := range map[string]string{"lcm.yaml": "environments: 1\n", "config/new/tenant.yaml": "name: old\n"} {
		_, err := Prepare(t.Context(), f.w, f.w.Worktree(), Request{Kind: "x", Files: map[string][]byte{file: []byte(text)}})
		if _, ok := errors.AsType[diag.List](err); !ok {
			t.Errorf("a broken %s: %v", file, err)
		}
	}
}
