package workspace_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/gitrepo"
	"github.com/llm-devops/lcm/pkg/schema"
	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/workspace"
)

func engineSource(file, version, replicas string) schema.Source {
	return schema.Source{File: file, Builtin: true, Open: func() ([]byte, error) {
		return []byte("package engine\n@module(name=\"engine\", version=\"" + version + "\")\n#Config: {\n\t// How many.\n\treplicas: *" + replicas + " | int\n}\n"), nil
	}}
}

// TestALockHoldsEachRevisionToItsVersions: two lcm with other built-in modules resolve a commit to the same, or refuse it.
func TestALockHoldsEachRevisionToItsVersions(t *testing.T) {
	home := t.TempDir()
	for k, v := range map[string]string{"HOME": home, "XDG_CONFIG_HOME": home, "GIT_CONFIG_GLOBAL": os.DevNull, "GIT_CONFIG_NOSYSTEM": "1"} {
		t.Setenv(k, v)
	}
	dir := filepath.Join(home, "repo")
	write := func(name, text string) {
		t.Helper()
		p := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(p), 0o755), os.WriteFile(p, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	write("lcm.yaml", "apiVersion: lcm/v1\nenvironments: [production]\nnamespaces: {inference: {module: engine}, other: {}}\n")
	write("config/global/tenant.yaml", "apiVersion: lcm/v1\nname: global\n")
	write("config/acme/tenant.yaml", "apiVersion: lcm/v1\nname: acme\n")
	write("config/acme/production/inference.yaml", "{}\n")
	repo, err := gitrepo.Init(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	open := func(sources ...schema.Source) *workspace.Snapshot {
		keys := seal.NewKeyring(seal.KeyringOptions{Home: home, ConfigDir: home, Getenv: func(string) string { return "" }})
		return workspace.New(repo, workspace.Options{Keyring: keys, Builtin: sources}).Worktree()
	}
	replicas := func(s *workspace.Snapshot) (string, error) {
		r, err := s.Resolve(t.Context(), address.Address{Tenant: "acme", Environment: "production", Namespace: "inference"})
		if err != nil {
			return "", err
		}
		return r.Root.Get(tree.Keys("replicas")).Text(), nil
	}
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

func FuzzParseLock(f *testing.F) {
	f.Add([]byte("apiVersion: lcm/v1\nschemas:\n  engine:\n    version: 1.0.0\n    digest: sha256:" + strings.Repeat("a", 64) + "\n"))
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
