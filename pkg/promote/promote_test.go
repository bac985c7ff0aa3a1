package promote_test

import (
	"errors"
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
	"github.com/llm-devops/lcm/pkg/diff"
	"github.com/llm-devops/lcm/pkg/promote"
	"github.com/llm-devops/lcm/pkg/schema"
	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/workspace"
	"github.com/llm-devops/lcm/pkg/yamldoc"
	"github.com/llm-devops/lcm/schemas"
)

// open makes a folder a Git repository and opens it.
func open(t *testing.T, dir string) *workspace.Workspace {
	t.Helper()
	home := t.TempDir()
	for k, v := range map[string]string{
		"HOME": home, "XDG_CONFIG_HOME": filepath.Join(home, ".config"), "GNUPGHOME": filepath.Join(home, ".gnupg"),
		"GIT_CONFIG_GLOBAL": os.DevNull, "GIT_CONFIG_NOSYSTEM": "1",
	} {
		t.Setenv(k, v)
	}
	cmd := exec.CommandContext(t.Context(), "git", "init", "-q", "-b", "main", dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git init: %v\n%s", err, out)
	}
	var builtin []schema.Source
	files, err := fs.Glob(schemas.FS, "*.cue")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		data, err := schemas.FS.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		builtin = append(builtin, schema.Source{File: file, Data: data, Builtin: true})
	}
	keys := seal.NewKeyring(seal.KeyringOptions{Home: home, ConfigDir: home, Getenv: func(string) string { return "" }})
	w, err := workspace.Open(t.Context(), dir, workspace.Options{Keyring: keys, Builtin: builtin})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func unpack(t *testing.T, archive string) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range txtar.Parse([]byte(archive)).Files {
		write(t, filepath.Join(dir, f.Name), f.Data)
	}
	return dir
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// carryOut makes a plan's edits in the files, as they are made for a commit.
func carryOut(t *testing.T, dir string, p *promote.Plan) {
	t.Helper()
	file := filepath.Join(dir, p.To.File())
	src, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	doc, err := yamldoc.Parse(p.To.File(), src)
	if err != nil {
		t.Fatal(err)
	}
	var changes []seal.Change
	for _, e := range p.Edits {
		changes = append(changes, seal.Change{Path: e.Path, Value: e.Value})
	}
	doc, err = seal.Edit(t.Context(), doc, changes, seal.Options{Now: time.Unix(1767225600, 0)})
	if err != nil {
		t.Fatalf("edit %s: %v", p.To, err)
	}
	write(t, file, doc.Source())
}

func mustParse(t *testing.T, s string) address.Address {
	t.Helper()
	a, err := address.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

const service = `
-- lcm.yaml --
apiVersion: lcm/v1
environments: [development, staging, {name: production, strict_override: true}]
namespaces:
  chat: {module: chat}
  free: {}
-- schemas/chat.cue --
package chat

@module(name="chat", version="1.0.0", title="Chat")

#Config: {
	model: *"gpt-4.1" | string
	temperature?: number
	replicas?: int @promote(never)
	stop?: [...string] @merge(append)
	providers?: {[string]: {url: string, timeout: *"30s" | string, api_key?: string @secret()}}
	routes?: [...{name: string, weight: int, note?: string}] @merge(key=name)
	limits?: {rpm?: int, tpm?: int}
}
-- config/global/tenant.yaml --
apiVersion: lcm/v1
-- config/acme/tenant.yaml --
apiVersion: lcm/v1
-- config/global/base/chat.yaml --
temperature: 0.7
stop: [END]
routes:
  - {name: primary, weight: 90}
  - {name: canary, weight: 10}
-- config/acme/staging/chat.yaml --
model: gpt-5
replicas: 1
stop: [STOP]
providers:
  openai:
    url: https://eu.api.openai.com/v1
routes:
  - {name: canary, weight: 50}
limits: {rpm: 100, tpm: 2000}
-- config/acme/production/chat.yaml --
# Production.
temperature: !override 0.2   # calmer
replicas: 12
limits:
  rpm: 5000  # lcm:pin measured
-- config/acme/staging/free.yaml --
a: 1
`

func TestPrepare(t *testing.T) {
	dir := unpack(t, service)
	w := open(t, dir)
	plans, err := promote.PrepareAll(t.Context(), w.Worktree(), promote.Stage{Tenant: "acme", Environment: "staging"}, promote.Stage{Tenant: "acme", Environment: "production"}, promote.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range plans {
		carryOut(t, dir, p)
	}
	got, err := os.ReadFile(filepath.Join(dir, "config/acme/production/chat.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	want := `replicas: 12
limits:
  rpm: 5000  # lcm:pin measured
  tpm: 2000
model: gpt-5
stop:
  - STOP
routes:
  - name: canary
    weight: 50
providers:
  openai:
    url: https://eu.api.openai.com/v1
`
	// The keyed item shadows an inherited scalar, which a strict environment wants said.
	want = strings.NewReplacer("weight: 50", "weight: !override 50").Replace(want)
	if string(got) != want {
		t.Errorf("production is now\n%s", got)
	}
	if free, err := os.ReadFile(filepath.Join(dir, "config/acme/production/free.yaml")); err != nil || string(free) != "a: 1\n" {
		t.Errorf("free is %q, %v", free, err)
	}
	var behind []string
	for _, s := range plans[0].Skipped {
		behind = append(behind, string(s.Reason)+" "+s.Path.String())
	}
	if want := []string{"never replicas", "pinned limits.rpm"}; !slices.Equal(slices.Sorted(slices.Values(behind)), want) {
		t.Errorf("behind: %q", behind)
	}
	again, err := promote.Prepare(t.Context(), w.Worktree(), mustParse(t, "acme/staging/chat"), mustParse(t, "acme/production/chat"), promote.Options{})
	if err != nil || !again.Empty() {
		t.Errorf("a second plan: %v, %v", again, err)
	}
}

func TestWarnings(t *testing.T) {
	dir := unpack(t, service)
	w := open(t, dir)
	for _, test := range []struct{ from, to, want string }{
		{"acme/staging/chat", "acme/production/chat", ""},
		{"acme/development/chat", "acme/production/chat", "this skips staging"},
		{"acme/production/chat", "acme/staging/chat", "this goes against the promotion order: production comes after staging"},
		{"acme/staging/chat", "acme/base/chat", "base lies under all environments: this changes every one that does not override it"},
	} {
		p, err := promote.Prepare(t.Context(), w.Worktree(), mustParse(t, test.from), mustParse(t, test.to), promote.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(p.Warnings, "; "); got != test.want {
			t.Errorf("%s → %s: %q", test.from, test.to, got)
		}
	}
	for _, test := range []struct{ from, to, want string }{
		{"acme/staging/chat", "acme/staging/chat", "to itself"},
		{"acme/staging/chat", "acme/production/free", "different modules"},
		{"acme/staging/nope", "acme/production/nope", "unknown namespace"},
	} {
		_, err := promote.Prepare(t.Context(), w.Worktree(), mustParse(t, test.from), mustParse(t, test.to), promote.Options{})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s → %s: %v", test.from, test.to, err)
		}
	}
}

// TestExamplePlatform promotes everything in the example repository, there and back, and looks with diff at what is left.
func TestExamplePlatform(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../../examples/platform")); err != nil {
		t.Fatal(err)
	}
	w := open(t, dir)
	snap := w.Worktree()
	tenants, err := snap.Tenants(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	edits := 0
	for _, tenant := range tenants {
		if tenant == address.Global {
			continue
		}
		for _, step := range [][2]string{{"staging", "production"}, {"production", "development"}} {
			from, to := promote.Stage{Tenant: tenant, Environment: step[0]}, promote.Stage{Tenant: tenant, Environment: step[1]}
			plans, err := promote.PrepareAll(t.Context(), snap, from, to, promote.Options{})
			if err != nil {
				t.Fatalf("%s → %s: %v", from, to, err)
			}
			behind := map[string]bool{}
			for _, p := range plans {
				edits += len(p.Edits)
				carryOut(t, dir, p)
				for _, s := range p.Skipped {
					behind[s.Address.String()+" "+s.Path.String()] = true
				}
			}
			snap = w.Worktree()
			again, err := promote.PrepareAll(t.Context(), snap, from, to, promote.Options{})
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range again {
				for _, e := range p.Edits {
					t.Errorf("%s → %s: a second plan edits %s", from, p.To, e.Path)
				}
			}
			checkRest(t, snap, from, to, behind)
		}
	}
	if edits == 0 {
		t.Error("nothing was promoted")
	}
}

// checkRest checks that only what was to stay behind differs now.
func checkRest(t *testing.T, snap *workspace.Snapshot, from, to promote.Stage, behind map[string]bool) {
	t.Helper()
	a, err := address.ParsePattern(from.String())
	if err != nil {
		t.Fatal(err)
	}
	b, err := address.ParsePattern(to.String())
	if err != nil {
		t.Fatal(err)
	}
	r, err := diff.Compare(t.Context(), diff.Side{Snapshot: snap, Of: a}, diff.Side{Snapshot: snap, Of: b}, diff.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range r.Pairs {
		for _, d := range p.Differences {
			for _, key := range leaves(d) {
				if !listed(behind, p.New.String(), key) {
					t.Errorf("%s → %s: %s %s differs", from, p.New, d.Kind, key)
				}
			}
		}
	}
}

// leaves gives the keys of a difference: of a map that is there on one side only, those of the values in it that a layer
// sets.
func leaves(d diff.Difference) []tree.Path {
	whole := d.New
	if whole == nil {
		whole = d.Old
	}
	if d.Kind != diff.Added && d.Kind != diff.Removed || whole.Node.Kind != tree.Map {
		return []tree.Path{d.Key}
	}
	var out []tree.Path
	for p, n := range whole.Node.Leaves() {
		if _, ok := address.FromFile(n.Pos.File); ok {
			out = append(out, slices.Concat(d.Key, p))
		}
	}
	return out
}

func listed(behind map[string]bool, address string, key tree.Path) bool {
	for i := 1; i <= len(key); i++ {
		if behind[address+" "+key[:i].String()] {
			return true
		}
	}
	return false
}
