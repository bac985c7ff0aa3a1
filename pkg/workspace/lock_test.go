package workspace_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/gitrepo"
	"github.com/llm-devops/lcm/pkg/schema"
	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/template"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/workspace"
)

func engineSource(file, version, replicas string) schema.Source {
	return schema.Source{File: file, Builtin: true, Open: func() ([]byte, error) {
		return []byte("package engine\n@module(name=\"engine\", version=\"" + version + "\")\n#Config: {\n\t// How many.\n\treplicas: *" + replicas + " | int\n}\n"), nil
	}}
}

// lockRepo is a repository that several lcm open, each with other things built in.
type lockRepo struct {
	t    *testing.T
	home string
	repo *gitrepo.Repo
}

func newLockRepo(t *testing.T, files map[string]string) *lockRepo {
	t.Helper()
	home := t.TempDir()
	for k, v := range map[string]string{"HOME": home, "XDG_CONFIG_HOME": home, "GIT_CONFIG_GLOBAL": os.DevNull, "GIT_CONFIG_NOSYSTEM": "1"} {
		t.Setenv(k, v)
	}
	r := &lockRepo{t: t, home: home}
	r.write("config/global/tenant.yaml", "apiVersion: lcm/v1\nname: global\n")
	r.write("config/acme/tenant.yaml", "apiVersion: lcm/v1\nname: acme\n")
	for name, text := range files {
		r.write(name, text)
	}
	var err error
	if r.repo, err = gitrepo.Init(t.Context(), filepath.Join(home, "repo")); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *lockRepo) write(name, text string) {
	r.t.Helper()
	p := filepath.Join(r.home, "repo", name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(p), 0o755), os.WriteFile(p, []byte(text), 0o600)); err != nil {
		r.t.Fatal(err)
	}
}

func (r *lockRepo) open(o workspace.Options) *workspace.Snapshot {
	o.Keyring = seal.NewKeyring(seal.KeyringOptions{Home: r.home, ConfigDir: r.home, Getenv: func(string) string { return "" }})
	return workspace.New(r.repo, o).Worktree()
}

// replicas gives the one value of acme/production/inference.
func (r *lockRepo) replicas(s *workspace.Snapshot) (string, error) {
	got, err := s.Resolve(r.t.Context(), address.Address{Tenant: "acme", Environment: "production", Namespace: "inference"})
	if err != nil {
		return "", err
	}
	return got.Root.Get(tree.Keys("replicas")).Text(), nil
}

// TestALockHoldsEachRevisionToItsVersions: two lcm with other built-in modules resolve a commit to the same, or refuse it.
func TestALockHoldsEachRevisionToItsVersions(t *testing.T) {
	r := newLockRepo(t, map[string]string{
		"lcm.yaml":                              "apiVersion: lcm/v1\nenvironments: [production]\nnamespaces: {inference: {module: engine}, other: {}}\n",
		"config/acme/production/inference.yaml": "{}\n",
	})
	write, replicas := r.write, r.replicas
	open := func(sources ...schema.Source) *workspace.Snapshot { return r.open(workspace.Options{Builtin: sources}) }
	one, two := engineSource("engine.cue", "1.0.0", "1"), engineSource("engine.cue", "2.0.0", "2")
	oldOne := engineSource("engine@1.0.0.cue", "1.0.0", "1")

	locked, err := open(one).Locked(t.Context())
	if err != nil || len(locked.Schemas) != 1 || locked.Schemas["engine"].Version != "1.0.0" {
		t.Fatalf("locked: %+v, %v", locked, err)
	}
	if n, err := replicas(open(two, oldOne)); n != "2" || err != nil {
		t.Errorf("without a lock the newest counts, and replicas is %q, %v", n, err)
	}
	write("lcm.lock", string(locked.Bytes()))
	for _, s := range []*workspace.Snapshot{open(one), open(oldOne, two), open(two, oldOne)} {
		if n, err := replicas(s); n != "1" || err != nil {
			t.Errorf("locked to 1.0.0, replicas is %q, %v", n, err)
		}
	}
	_, err = replicas(open(two))
	if found, ok := errors.AsType[diag.List](err); !ok || found[0].Code != schema.CodeLocked || found[0].Position.String() != "lcm.lock:5:3" ||
		!strings.Contains(found[0].Message, "held to engine 1.0.0, and this lcm has 2.0.0") {
		t.Errorf("a version that is not built in: %v", err)
	}
	_, err = replicas(open(engineSource("engine.cue", "1.0.0", "7")))
	if err == nil || !strings.Contains(err.Error(), "1.0.0 with another text") {
		t.Errorf("the same version with another text: %v", err)
	}

	moved, err := open(two, oldOne).Upgraded(t.Context(), func(name string) bool { return name == "engine" })
	if err != nil || moved.Schemas["engine"].Version != "2.0.0" {
		t.Fatalf("upgraded: %+v, %v", moved, err)
	}
	kept, err := open(two, oldOne).Upgraded(t.Context(), func(string) bool { return false })
	if err != nil || kept.Schemas["engine"].Version != "1.0.0" || string(kept.Bytes()) != string(locked.Bytes()) {
		t.Fatalf("not upgraded: %+v, %v", kept, err)
	}
	again, err := workspace.ParseLock(workspace.LockFile, moved.Bytes())
	if err != nil || string(again.Bytes()) != string(moved.Bytes()) {
		t.Errorf("what is written reads back as %+v, %v", again, err)
	}
}

func templateSource(file, version, text string) template.Source {
	return template.Source{File: file, Builtin: true, Data: []byte("template: {version: " + version + text + "}\nreplicas: " + version[:1] + "\n")}
}

// TestALockHoldsEachRevisionToItsTemplates: as for modules, the ones that a template extends included.
func TestALockHoldsEachRevisionToItsTemplates(t *testing.T) {
	r := newLockRepo(t, map[string]string{
		"lcm.yaml":                              "apiVersion: lcm/v1\nenvironments: [production]\nnamespaces: {inference: {}, other: {}}\n",
		"lcm.lock":                              "apiVersion: lcm/v1\nschemas: {}\n",
		"config/acme/production/inference.yaml": "extends: size\n",
		"config/acme/base/other.yaml":           "extends: [pair, size@1]\n",
		"templates/pair.yaml":                   "template: {version: 1.0.0, extends: heir@1.0}\n",
	})
	open := func(sources ...template.Source) *workspace.Snapshot {
		return r.open(workspace.Options{Templates: sources})
	}
	pins := func(l *workspace.Lock, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, ref := range slices.Sorted(maps.Keys(l.Templates)) {
			out = append(out, ref+"="+l.Templates[ref].Version)
		}
		return strings.Join(out, " ")
	}
	stay := func(string) bool { return false }
	one, two, oldOne := templateSource("size.yaml", "1.0.0", ""), templateSource("size.yaml", "2.0.0", ""), templateSource("size@1.0.0.yaml", "1.0.0", "")
	heir := templateSource("heir.yaml", "1.0.3", ", extends: size")

	locked, err := open(one, heir).Upgraded(t.Context(), stay)
	if got := pins(locked, err); got != "heir@1.0=1.0.3 size=1.0.0 size@1=1.0.0" {
		t.Fatalf("locked: %s", got)
	}
	if n, err := r.replicas(open(two, oldOne, heir)); n != "2" || err != nil {
		t.Errorf("without a lock the newest counts, and replicas is %q, %v", n, err)
	}
	unheld, err := open(two, oldOne, heir).LayerLockFindings(t.Context(), address.Address{Tenant: "acme", Environment: "base", Namespace: "other"})
	if err != nil || len(unheld) != 3 || unheld[0].Code != "lock-missing" || unheld[0].Severity != diag.Warning ||
		!strings.Contains(unheld[0].Message, "the template heir@1.0,") || unheld[0].Hint != "lock it: lcm schema upgrade heir" {
		t.Errorf("what nothing holds: %v, %v", unheld, err)
	}
	// What layers that are written bring in is added, and no other layer is looked at.
	with, err := open(two, oldOne, heir).LockedWith(t.Context(), []address.Address{{Tenant: "acme", Environment: "production", Namespace: "inference"}})
	if got := pins(with, err); got != "size=2.0.0" {
		t.Errorf("with one layer: %s", got)
	}
	r.write("lcm.lock", string(locked.Bytes()))
	if none, err := open(two, oldOne, heir).LockedWith(t.Context(), []address.Address{{Tenant: "acme", Environment: "production", Namespace: "inference"}}); none != nil || err != nil {
		t.Errorf("what is held is added once more: %v, %v", none, err)
	}
	for _, s := range []*workspace.Snapshot{open(one, heir), open(oldOne, two, heir), open(two, oldOne, heir)} {
		if n, err := r.replicas(s); n != "1" || err != nil {
			t.Errorf("locked to 1.0.0, replicas is %q, %v", n, err)
		}
	}
	_, err = r.replicas(open(two, heir))
	if found, ok := errors.AsType[diag.List](err); !ok || found[0].Code != template.CodeLocked || found[0].Position.String() != "lcm.lock:9:3" ||
		!strings.Contains(found[0].Message, "held to the template size 1.0.0, and this lcm has 2.0.0") {
		t.Errorf("a version that is not built in: %v", err)
	}
	_, err = r.replicas(open(templateSource("size.yaml", "1.0.0", ", description: other"), heir))
	if err == nil || !strings.Contains(err.Error(), "1.0.0 with another text") {
		t.Errorf("the same version with another text: %v", err)
	}

	for name, want := range map[string]string{
		"size": "heir@1.0=1.0.3 size=2.0.0 size@1=1.0.0", "heir": "heir@1.0=1.0.3 size=1.0.0 size@1=1.0.0", "": "heir@1.0=1.0.3 size=1.0.0 size@1=1.0.0",
	} {
		moved, err := open(two, oldOne, heir).Upgraded(t.Context(), func(n string) bool { return n == name })
		if got := pins(moved, err); got != want {
			t.Errorf("%s moves: %s, want %s", name, got, want)
		}
		again, err := workspace.ParseLock(workspace.LockFile, moved.Bytes())
		if err != nil || string(again.Bytes()) != string(moved.Bytes()) {
			t.Errorf("what is written reads back as %+v, %v", again, err)
		}
	}
	// What cannot move stays, and so does what may be in use where not all can be found out.
	if got := pins(open(two, heir).Upgraded(t.Context(), func(string) bool { return true })); got != "heir@1.0=1.0.3 size=2.0.0 size@1=1.0.0" {
		t.Errorf("with one that has no 1.x any more: %s", got)
	}
	r.write("config/acme/base/other.yaml", "extends: [\n")
	if got := pins(open(two, oldOne, heir).Upgraded(t.Context(), stay)); got != "heir@1.0=1.0.3 size=1.0.0 size@1=1.0.0" {
		t.Errorf("with a broken layer: %s", got)
	}
	r.write("config/acme/base/other.yaml", "extends: pair\n")
	if got := pins(open(two, oldOne, heir).Upgraded(t.Context(), stay)); got != "heir@1.0=1.0.3 size=1.0.0" {
		t.Errorf("what is not in use any more: %s", got)
	}
	if got := pins(open(two, oldOne, heir).Locked(t.Context())); got != "heir@1.0=1.0.3 size=1.0.0 size@1=1.0.0" {
		t.Errorf("without a look at the layers: %s", got)
	}
	// A template of the repository's own takes the place of all versions of the built-in one.
	r.write("templates/size.yaml", "template: {version: 9.0.0}\nreplicas: 9\n")
	if n, err := r.replicas(open(two, heir)); n != "9" || err != nil {
		t.Errorf("with one of its own, replicas is %q, %v", n, err)
	}
	if got := pins(open(two, oldOne, heir).Upgraded(t.Context(), stay)); got != "heir@1.0=1.0.3" {
		t.Errorf("with one of its own: %s", got)
	}
}

func FuzzParseLock(f *testing.F) {
	f.Add([]byte("apiVersion: lcm/v1\nschemas:\n  engine:\n    version: 1.0.0\n    digest: sha256:" + strings.Repeat("a", 64) + "\n"))
	f.Add([]byte("apiVersion: lcm/v1\nschemas: {}\ntemplates:\n  chat@1.2:\n    version: 1.2.0-rc.1\n    digest: sha256:" + strings.Repeat("a", 64) + "\n"))
	f.Add([]byte("apiVersion: lcm/v1\ntemplates:\n  chat@1:\n    version: 1.2.0\n    digest: sha256:" + strings.Repeat("a", 64) + "\n"))
	f.Add([]byte("apiVersion: lcm/v2\nschemas: [x]\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		l, err := workspace.ParseLock(workspace.LockFile, src)
		if err != nil {
			return
		}
		again, err := workspace.ParseLock(workspace.LockFile, l.Bytes())
		if err != nil || string(again.Bytes()) != string(l.Bytes()) {
			t.Errorf("%q reads back as %v, %v", l.Bytes(), again, err)
		}
	})
}
