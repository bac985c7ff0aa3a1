package diff

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/pin"
	"github.com/llm-devops/lcm/pkg/schema"
	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/workspace"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

const platform = `
-- lcm.yaml --
apiVersion: lcm/v1
environments: [development, staging, production]
namespaces:
  inference: {}
  router: {}
-- config/global/tenant.yaml --
apiVersion: lcm/v1
-- config/acme/tenant.yaml --
apiVersion: lcm/v1
recipients: [RECIPIENT]
-- config/globex/tenant.yaml --
apiVersion: lcm/v1
namespaces: [inference]
-- config/initech/tenant.yaml --
apiVersion: lcm/v1
namespaces: [inference]
-- config/global/base/inference.yaml --
# The platform's defaults.
sampling:
  temperature: 0.7
  top_p: 0.95
fallbacks: [gpt-4.1, claude-sonnet-4-5]
routes:
  - name: primary
    weight: 90
  - name: canary
    weight: 10
prompt: |
  You are a helpful assistant.
  Answer in the user's language.
  Be brief.
-- config/global/production/inference.yaml --
timeout: 30s
-- config/acme/production/inference.yaml --
sampling:
  temperature: 0.2
api_key: secret-of-acme
-- config/acme/base/router.yaml --
strategy: cheapest
-- config/globex/production/inference.yaml --
fallbacks: [mistral-large]
`

// sandbox is a config repository of a test, in a real Git repository.
type sandbox struct {
	t         *testing.T
	dir       string
	w         *workspace.Workspace
	recipient string
	keys      *seal.Keyring
}

func newSandbox(t *testing.T, archive string, withKey bool) *sandbox {
	t.Helper()
	home := t.TempDir()
	for k, v := range map[string]string{
		"HOME": home, "XDG_CONFIG_HOME": filepath.Join(home, ".config"), "GNUPGHOME": filepath.Join(home, ".gnupg"),
		"GIT_CONFIG_GLOBAL": os.DevNull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "Alice", "GIT_AUTHOR_EMAIL": "alice@example.com",
		"GIT_COMMITTER_NAME": "Alice", "GIT_COMMITTER_EMAIL": "alice@example.com",
	} {
		t.Setenv(k, v)
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	identity, recipient, err := seal.GenerateIdentity()
	if err != nil {
		t.Fatal(err)
	}
	s := &sandbox{t: t, dir: dir, recipient: recipient}
	s.keys = seal.NewKeyring(seal.KeyringOptions{Home: home, ConfigDir: home, Getenv: func(name string) string {
		if name == "SOPS_AGE_KEY" {
			return identity.Reveal()
		}
		return ""
	}})
	reader := s.keys
	if !withKey {
		reader = seal.NewKeyring(seal.KeyringOptions{Home: home, ConfigDir: home, Getenv: func(string) string { return "" }})
	}
	s.git("init", "-q", "-b", "main")
	for _, f := range txtar.Parse([]byte(archive)).Files {
		s.write(f.Name, strings.ReplaceAll(string(f.Data), "RECIPIENT", recipient))
	}
	s.seal("config/acme/production/inference.yaml", "api_key", "secret-of-acme")
	s.commit()
	if s.w, err = workspace.Open(t.Context(), dir, workspace.Options{Keyring: reader, Builtin: []schema.Source{}}); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *sandbox) git(args ...string) {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), "git", args...)
	cmd.Dir = s.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
}

func (s *sandbox) commit() {
	s.t.Helper()
	s.git("add", "-A")
	s.git("commit", "-q", "--allow-empty", "-m", "change")
}

func (s *sandbox) write(file, text string) {
	s.t.Helper()
	path := filepath.Join(s.dir, file)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *sandbox) read(file string) string {
	s.t.Helper()
	data, err := os.ReadFile(filepath.Join(s.dir, file))
	if errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return string(data)
}

// replace edits a file by text.
func (s *sandbox) replace(file, old, new string) {
	s.t.Helper()
	text := s.read(file)
	if !strings.Contains(text, old) {
		s.t.Fatalf("%s does not hold %q:\n%s", file, old, text)
	}
	s.write(file, strings.Replace(text, old, new, 1))
}

// seal encrypts a value of a layer.
func (s *sandbox) seal(file, key, value string) {
	s.t.Helper()
	doc, err := yamldoc.Parse(file, []byte(s.read(file)))
	if err != nil {
		s.t.Fatal(err)
	}
	p, err := tree.ParsePath(key)
	if err != nil {
		s.t.Fatal(err)
	}
	sealed, err := seal.Edit(s.t.Context(), doc, []seal.Change{{Path: p, Value: tree.NewString(value), Secret: true}},
		seal.Options{Access: seal.AccessOf(s.recipient), Keyring: s.keys, Now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)})
	if err != nil {
		s.t.Fatal(err)
	}
	s.write(file, string(sealed.Source()))
}

func (s *sandbox) at(rev, pattern string) Side {
	s.t.Helper()
	p, err := address.ParsePattern(pattern)
	if err != nil {
		s.t.Fatal(err)
	}
	side := Side{Snapshot: s.w.Worktree(), Of: p, Label: "worktree"}
	if rev != "" {
		if side.Snapshot, err = s.w.At(s.t.Context(), rev); err != nil {
			s.t.Fatal(err)
		}
		side.Label = rev
	}
	return side
}

// report compares, and checks that no way of finding the changed files gives another result.
func (s *sandbox) report(old, new Side) *Report {
	s.t.Helper()
	var last []byte
	var r *Report
	for _, o := range []Options{{Repo: s.w.Repo(), OpenSecrets: true}, {OpenSecrets: true}} {
		var err error
		if r, err = Compare(s.t.Context(), old, new, o); err != nil {
			s.t.Fatal(err)
		}
		data, err := json.MarshalIndent(r, "", " ")
		if err != nil {
			s.t.Fatal(err)
		}
		if last != nil && !bytes.Equal(data, last) {
			s.t.Errorf("by Git:\n%s\nby walking:\n%s", last, data)
		}
		if last = data; strings.Contains(string(data), "ENC[") || strings.Contains(string(data), "-of-acme") {
			s.t.Errorf("a secret shows:\n%s", data)
		}
	}
	return r
}

// lines gives a report in short lines.
func lines(r *Report) []string {
	var out []string
	value := func(v *Value) string {
		if v == nil {
			return "-"
		}
		return strings.TrimSpace(v.Node.Directive.String() + " " + v.Node.String())
	}
	differs := func(d Difference) string {
		s := fmt.Sprintf("%s %s: %s → %s", d.Kind, d.Key, value(d.Old), value(d.New))
		if d.Secret != "" {
			s += " secret " + string(d.Secret)
		}
		if len(d.Hunks) > 0 {
			s += fmt.Sprintf(" hunks %d", len(d.Hunks))
		}
		return s
	}
	for _, e := range r.Entries {
		s := fmt.Sprintf("%s:%d %s", strings.TrimSuffix(strings.TrimPrefix(e.File, "config/"), ".yaml"), e.Position.Line, differs(e.Difference))
		if e.Directive != "" {
			s += " by " + e.Directive
		}
		var reach []string
		for _, a := range e.Reach {
			reach = append(reach, a.String())
		}
		s += fmt.Sprintf(" | %s | %d/%d", strings.Join(reach, " "), e.ReachTenants, e.Tenants)
		for _, a := range e.Overridden {
			s += " not " + a.String()
		}
		out = append(out, s)
	}
	for _, p := range r.Pairs {
		for _, d := range p.Differences {
			out = append(out, fmt.Sprintf("%s %s %s", p.Old, p.New, differs(d)))
		}
	}
	for _, a := range r.Addresses {
		out = append(out, fmt.Sprintf("%s %s (%d)", a.Kind, a.Address, a.Keys))
	}
	for _, f := range r.Files {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %s", f.Kind, f.File, f.Note)))
		for _, d := range f.Differences {
			out = append(out, "  "+differs(d))
		}
	}
	for _, f := range r.Findings {
		out = append(out, "finding "+f.Code+" "+f.Position.String())
	}
	for _, a := range r.Unresolved {
		out = append(out, "unresolved "+a.String())
	}
	return out
}

func TestCompareSnapshots(t *testing.T) {
	const base, acme = "config/global/base/inference.yaml", "config/acme/production/inference.yaml"
	for _, test := range []struct {
		name, pattern string
		change        func(*sandbox)
		want          []string
	}{
		{name: "nothing", change: func(*sandbox) {}},
		{name: "one default of the platform", change: func(s *sandbox) { s.replace(base, "0.7", "0.5") }, want: []string{
			"global/base/inference:3 changed sampling.temperature: 0.7 → 0.5 | " +
				"acme/development/inference acme/staging/inference globex/development/inference globex/staging/inference globex/production/inference " +
				"initech/development/inference initech/staging/inference initech/production/inference | 3/3 not acme/production/inference",
		}},
		{name: "restricted to a tenant", pattern: "acme", change: func(s *sandbox) {
			s.replace(base, "0.7", "0.5")
			s.write("config/globex/base/inference.yaml", "a: 1\n")
		}, want: []string{
			"global/base/inference:3 changed sampling.temperature: 0.7 → 0.5 | acme/development/inference acme/staging/inference | 1/1 not acme/production/inference",
		}},
		{name: "an override goes", change: func(s *sandbox) { s.replace(acme, "sampling:\n  temperature: 0.2\n", "") }, want: []string{
			"acme/production/inference:2 changed sampling.temperature: 0.2 → 0.7 | acme/production/inference | 1/1",
		}},
		{name: "hidden by a tombstone", change: func(s *sandbox) { s.replace(acme, "temperature: 0.2", "temperature: 0.2\n  top_p: !delete") }, want: []string{
			"acme/production/inference:3 removed sampling.top_p: 0.95 → - by !delete | acme/production/inference | 1/1",
		}},
		{name: "a tag without effect", change: func(s *sandbox) { s.replace(acme, "0.2", "!override 0.2") }, want: []string{
			"acme/production/inference:2 directive sampling.temperature: 0.2 → !override 0.2 |  | 0/1",
		}},
		{name: "a tag that changes the result", change: func(s *sandbox) {
			s.replace("config/globex/production/inference.yaml", "[mistral-large]", "!append [mistral-large]")
		}, want: []string{
			`globex/production/inference:1 directive fallbacks: list of 1 → !append list of 1 |  | 0/1`,
			`globex/production/inference:1 added fallbacks[0]: - → "gpt-4.1" by !append | globex/production/inference | 1/1`,
			`globex/production/inference:1 added fallbacks[1]: - → "claude-sonnet-4-5" by !append | globex/production/inference | 1/1`,
		}},
		{name: "list", change: func(s *sandbox) { s.replace(base, "[gpt-4.1, claude-sonnet-4-5]", "[claude-sonnet-4-5, gpt-4.1]") }, want: []string{
			"global/base/inference:5 reordered fallbacks: list of 2 → list of 2 | acme/development/inference acme/staging/inference acme/production/inference " +
				"globex/development/inference globex/staging/inference initech/development/inference initech/staging/inference initech/production/inference | 3/3 not globex/production/inference",
		}},
		{name: "item known by its name", pattern: "initech/production", change: func(s *sandbox) { s.replace(base, "weight: 10", "weight: 20") }, want: []string{
			"global/base/inference:10 changed routes[name=canary].weight: 10 → 20 | initech/production/inference | 1/1",
		}},
		{name: "prompt", pattern: "initech/production", change: func(s *sandbox) { s.replace(base, "Be brief.", "Be brief and kind.") }, want: []string{
			`global/base/inference:11 changed prompt: "You are a helpful assistant.\nAnswer in the user's language.\nBe brief.\n" → "You are a helpful assistant.\nAnswer in the user's language.\nBe brief and kind.\n" hunks 1 | initech/production/inference | 1/1`,
		}},
		{name: "secret", change: func(s *sandbox) { s.seal(acme, "api_key", "another-of-acme") }, want: []string{
			"acme/production/inference:3 changed api_key: •••••••• → •••••••• secret changed | acme/production/inference | 1/1",
		}},
		{name: "secret encrypted anew", change: func(s *sandbox) { s.seal(acme, "api_key", "x-of-acme"); s.seal(acme, "api_key", "secret-of-acme") }, want: []string{
			"acme/production/inference:3 changed api_key: •••••••• → •••••••• secret reencrypted | acme/production/inference | 1/1",
		}},
		{name: "two layers make one map", pattern: "acme", change: func(s *sandbox) {
			s.replace(base, "prompt: |", "limits:\n  rpm: 100\nprompt: |")
			s.replace(acme, "sampling:", "limits:\n  tpm: 5\nsampling:")
		}, want: []string{
			"global/base/inference:12 added limits.rpm: - → 100 | acme/development/inference acme/staging/inference acme/production/inference | 1/1",
			"acme/production/inference:2 added limits.tpm: - → 5 | acme/production/inference | 1/1",
		}},
		{name: "an edit without effect", change: func(s *sandbox) { s.write("config/acme/base/inference.yaml", "sampling:\n  top_p: 0.95\n") }, want: []string{
			"acme/base/inference:1 added sampling: - → map of 1 |  | 0/1",
		}},
		{name: "new tenant", change: func(s *sandbox) {
			s.write("config/hooli/tenant.yaml", "apiVersion: lcm/v1\nnamespaces: [inference]\n")
			s.write("config/hooli/production/inference.yaml", "timeout: 5s\n")
		}, want: []string{
			"added hooli/development/inference (9)", "added hooli/staging/inference (9)", "added hooli/production/inference (10)",
			"added config/hooli/tenant.yaml",
		}},
		{name: "namespace gone", change: func(s *sandbox) {
			s.replace("lcm.yaml", "  router: {}\n", "")
		}, want: []string{
			"removed acme/development/router (1)", "removed acme/staging/router (1)", "removed acme/production/router (1)",
			"changed lcm.yaml", "  removed namespaces.router: map of 0 → -",
		}},
		{name: "comments only", change: func(s *sandbox) { s.replace(base, "# The platform's defaults.", "# Defaults.") }, want: []string{
			"changed " + base + " comments or layout only",
		}},
		{name: "other layers", pattern: "initech/production", change: func(s *sandbox) {
			s.replace("lcm.yaml", "namespaces:", "layers: [global/base, \"{tenant}/base\", \"{tenant}/{environment}\"]\nnamespaces:")
		}, want: []string{
			`global/production/inference:1 removed timeout: "30s" → - | initech/production/inference | 1/1`,
			"changed lcm.yaml", "  added layers: - → list of 3",
		}},
		{name: "broken file", change: func(s *sandbox) {
			s.replace(acme, "temperature: 0.2", "temperature: [0.2")
			s.replace(base, "0.95", "0.9")
		}, want: []string{
			"global/base/inference:4 changed sampling.top_p: 0.95 → 0.9 | acme/development/inference acme/staging/inference " +
				"globex/development/inference globex/staging/inference globex/production/inference " +
				"initech/development/inference initech/staging/inference initech/production/inference | 3/3",
			"finding yaml-syntax " + acme + ":2:17", "unresolved acme/production/inference",
		}},
		{name: "broken settings", change: func(s *sandbox) {
			s.replace("lcm.yaml", "environments:", "environment:")
			s.replace(base, "0.95", "0.9")
		}, want: []string{
			"global/base/inference:4 changed sampling.top_p: 0.95 → 0.9 |  | 0/0",
			"changed lcm.yaml", `  added environment: - → list of 3`, `  removed environments: list of 3 → -`,
			"finding settings-environments lcm.yaml:1:1", "finding settings-unknown-field lcm.yaml:2:1",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSandbox(t, platform, true)
			test.change(s)
			got := lines(s.report(s.at("HEAD", test.pattern), s.at("", test.pattern)))
			if !slices.Equal(got, test.want) {
				t.Errorf("worktree: got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(test.want, "\n  "))
			}
			s.commit()
			got = lines(s.report(s.at("HEAD~1", test.pattern), s.at("HEAD", test.pattern)))
			want := slices.Clone(test.want)
			if !slices.Equal(got, want) {
				t.Errorf("revisions: got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
			}
			// The other way round and from further back nothing is lost either.
			back := s.report(s.at("", test.pattern), s.at("HEAD~1", test.pattern))
			if len(back.Entries) == 0 && len(test.want) > 0 && len(back.Addresses) == 0 && len(back.Files) == 0 {
				t.Error("back: nothing differs")
			}
		})
	}
}

func TestCompareWithoutKey(t *testing.T) {
	s := newSandbox(t, platform, false)
	s.seal("config/acme/production/inference.yaml", "api_key", "another-of-acme")
	got := lines(s.report(s.at("HEAD", ""), s.at("", "")))
	want := []string{"acme/production/inference:3 changed api_key: •••••••• → •••••••• secret unknown | acme/production/inference | 1/1"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestCompareAddresses(t *testing.T) {
	s := newSandbox(t, platform, true)
	s.write("config/acme/staging/inference.yaml", "api_key: x\nsampling:\n  temperature: 0.20\n")
	s.seal("config/acme/staging/inference.yaml", "api_key", "secret-of-acme")
	s.write("config/acme/staging/router.yaml", "strategy: fastest\n")
	for _, test := range []struct {
		a, b string
		want []string
	}{
		{"acme/staging", "acme/production", []string{
			"acme/staging/inference acme/production/inference respelled sampling.temperature: 0.20 → 0.2",
			`acme/staging/inference acme/production/inference added timeout: - → "30s"`,
			`acme/staging/router acme/production/router changed strategy: "fastest" → "cheapest"`,
		}},
		{"acme/staging/router", "acme/production", []string{
			`acme/staging/router acme/production/router changed strategy: "fastest" → "cheapest"`,
		}},
		{"initech", "globex", []string{
			`initech/production/inference globex/production/inference added fallbacks[0]: - → "mistral-large"`,
			`initech/production/inference globex/production/inference removed fallbacks[0]: "gpt-4.1" → -`,
			`initech/production/inference globex/production/inference removed fallbacks[1]: "claude-sonnet-4-5" → -`,
		}},
		{"globex/production", "acme/production", []string{
			"globex/production/inference acme/production/inference changed sampling.temperature: 0.7 → 0.2",
			`globex/production/inference acme/production/inference removed fallbacks[0]: "mistral-large" → -`,
			`globex/production/inference acme/production/inference added fallbacks[0]: - → "gpt-4.1"`,
			`globex/production/inference acme/production/inference added fallbacks[1]: - → "claude-sonnet-4-5"`,
			"globex/production/inference acme/production/inference added api_key: - → ••••••••",
			"added acme/production/router (1)",
		}},
	} {
		t.Run(test.a+" "+test.b, func(t *testing.T) {
			got := lines(s.report(s.at("", test.a), s.at("", test.b)))
			slices.Sort(got)
			want := slices.Sorted(slices.Values(test.want))
			if !slices.Equal(got, want) {
				t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
			}
		})
	}
	if _, err := Compare(t.Context(), s.at("", "acme/prod*"), s.at("", "acme/stag*"), Options{}); err == nil {
		t.Error("patterns that cannot be paired are compared")
	}
	if _, err := Compare(t.Context(), s.at("", "acme/staging/inferense"), s.at("", "acme/production/inference"), Options{}); err == nil {
		t.Error("an unknown namespace is compared")
	}
}

// TestANewerSchemaShowsInWhatItReaches: a lock that moves on is told with the addresses that come out differently by it.
func TestANewerSchemaShowsInWhatItReaches(t *testing.T) {
	s := newSandbox(t, platform, true)
	version := func(file, version, timeout string) schema.Source {
		text := "package engine\n@module(name=\"engine\", version=\"" + version + "\")\n#Config: {\n\t// Time.\n\ttimeout: *\"" + timeout + "\" | string\n\t...\n}\n"
		return schema.Source{File: file, Data: []byte(text), Builtin: true}
	}
	var err error
	s.w, err = workspace.Open(t.Context(), s.dir, workspace.Options{Keyring: s.keys, Builtin: []schema.Source{
		version("engine.cue", "2.0.0", "20s"), version("engine@1.0.0.cue", "1.0.0", "10s"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	s.write("lcm.yaml", "apiVersion: lcm/v1\nenvironments: [development, staging, production]\nnamespaces:\n  inference: {module: engine}\n  router: {}\n")
	all := func(string) bool { return true }
	newest, err := s.w.Worktree().Upgraded(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	set, err := schema.Load([]schema.Source{version("engine.cue", "1.0.0", "10s")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	v, d, err := set.Identity("engine")
	if err != nil {
		t.Fatal(err)
	}
	old := workspace.Lock{Schemas: map[string]pin.Pin{"engine": {Version: v, Digest: d}}}
	s.write("lcm.lock", string(old.Bytes()))
	s.commit()
	s.write("lcm.lock", string(newest.Bytes()))
	report := s.report(s.at("HEAD", ""), s.at("", ""))
	// Production's timeout is set by a layer, so it stays; that of the other two environments of three tenants differs.
	if len(report.Entries) != 1 || len(report.Findings) > 0 {
		t.Fatalf("%+v, %v", report.Entries, report.Findings)
	}
	e := report.Entries[0]
	if e.File != "schema:engine" || e.Difference.Key.String() != "timeout" || e.Kind != Changed || len(e.Reach) != 6 {
		t.Errorf("%+v", e)
	}
}
