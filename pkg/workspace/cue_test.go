package workspace_test

import (
	"errors"
	"fmt"
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

// cueRepo is a repository whose files are the overlay of an empty folder: what is not handed over by the snapshot is not there.
func cueRepo(t *testing.T, files map[string]string) *workspace.Snapshot {
	t.Helper()
	home := t.TempDir()
	for k, v := range map[string]string{"HOME": home, "XDG_CONFIG_HOME": home, "GIT_CONFIG_GLOBAL": os.DevNull, "GIT_CONFIG_NOSYSTEM": "1"} {
		t.Setenv(k, v)
	}
	repo, err := gitrepo.Init(t.Context(), filepath.Join(home, "repo"))
	if err != nil {
		t.Fatal(err)
	}
	keys := seal.NewKeyring(seal.KeyringOptions{Home: home, ConfigDir: home, Getenv: func(string) string { return "" }})
	builtin := []schema.Source{engineSource("engine.cue", "1.0.0", "1")}
	other := builtin[0]
	other.File, other.Open = "spare.cue", func() ([]byte, error) {
		return []byte("package spare\n@module(name=\"spare\", version=\"1.0.0\")\n#Config: {\n\t// A.\n\ta?: int\n}\n"), nil
	}
	all := map[string][]byte{
		"lcm.yaml":                  []byte("apiVersion: lcm/v1\nenvironments: [production]\nnamespaces: {inference: {module: engine}, notes: {}}\n"),
		"config/global/tenant.yaml": []byte("apiVersion: lcm/v1\nname: global\n"),
		"config/acme/tenant.yaml":   []byte("apiVersion: lcm/v1\nname: acme\n"),
	}
	for name, text := range files {
		all[name] = []byte(text)
	}
	w := workspace.New(repo, workspace.Options{Keyring: keys, Builtin: append(builtin, other)})
	return w.Overlay(w.Worktree(), all)
}

func resolved(t *testing.T, s *workspace.Snapshot, namespace string) (string, error) {
	t.Helper()
	r, err := s.Resolve(t.Context(), address.Address{Tenant: "acme", Environment: "production", Namespace: namespace})
	if err != nil {
		return "", err
	}
	var out []string
	for p, n := range r.Root.Leaves() {
		out = append(out, fmt.Sprintf("%s=%s %s of %s", p, n, n.Pos, n.LayerFile()))
	}
	return strings.Join(out, "\n"), nil
}

// TestCUEAndYAMLLayersMerge keeps that a layer in CUE lies in the stack like any other, with its directives.
func TestCUEAndYAMLLayersMerge(t *testing.T) {
	s := cueRepo(t, map[string]string{
		"shared/lists/a.cue":           "package lists\nmore: [\"c\"]\n",
		"config/global/base/notes.cue": "a: {x: 1, y: 2}\nl: [\"a\"]\ngone: 1\n",
		"config/acme/base/notes.yaml":  "l: !append [b]\na: {y: 3}\n",
		"config/acme/production/notes.cue": `import "lcm.local/shared/lists"
l:    lists.more @append()
gone: null @delete()
a: z: 1.50
`,
	})
	got, err := resolved(t, s, "notes")
	want := `a.x=1 config/global/base/notes.cue:1:8 of config/global/base/notes.cue
a.y=3 config/acme/base/notes.yaml:2:8 of config/acme/base/notes.yaml
a.z=1.50 config/acme/production/notes.cue:4:7 of config/acme/production/notes.cue
l[0]="a" config/global/base/notes.cue:2:5 of config/global/base/notes.cue
l[1]="b" config/acme/base/notes.yaml:1:13 of config/acme/base/notes.yaml
l[2]="c" shared/lists/a.cue:2:8 of config/acme/production/notes.cue`
	if err != nil || got != want {
		t.Errorf("got %v\n%s\nwant\n%s", err, got, want)
	}
	f, err := s.LayerOf(t.Context(), address.Address{Tenant: "acme", Environment: "production", Namespace: "notes"})
	if err != nil || fmt.Sprint(f.Reads) != "[shared/lists/a.cue]" {
		t.Errorf("the layer reads %v, %v", f.Reads, err)
	}
}

// TestCUELayersThatAreRefused keeps what the repository around a layer forbids.
func TestCUELayersThatAreRefused(t *testing.T) {
	imports := func(module, use string) string {
		return "import x \"lcm.local/schemas/" + module + "\"\na: x." + use + "\n"
	}
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"two layers", map[string]string{"notes.cue": "a: 1\n", "notes.yaml": "a: 1\n"}, "config/acme/production/notes.cue: two-layers"},
		{"two broken layers", map[string]string{"notes.cue": "a: \n", "notes.yaml": "a: [\n"}, "config/acme/production/notes.cue: two-layers"},
		{"a module that nothing locks", map[string]string{"notes.cue": imports("spare", "#Config")}, ":1:8: cue-import no namespace is of module \"spare\", so lcm.lock"},
		{"a module that is not there", map[string]string{"notes.cue": imports("engines", "#Config")}, ":1:8: cue-import there is no module \"engines\""},
		{"a file that is no part of a package", map[string]string{
			"notes.cue": "import \"lcm.local/shared/x\"\na: x.a\n", "/shared/x/x_test.cue": "package x\na: 1\n", "/shared/x/_x.cue": "package x\na: 1\n",
		}, "there is no CUE file in shared/x"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			files := map[string]string{}
			for name, text := range tt.files {
				if name[0] != '/' {
					name = "/config/acme/production/" + name
				}
				files[name[1:]] = text
			}
			_, err := resolved(t, cueRepo(t, files), "notes")
			list, ok := errors.AsType[diag.List](err)
			if !ok || len(list) != 1 {
				t.Fatalf("got %v", err)
			}
			if got := list[0].Position.String() + ": " + list[0].Code + " " + list[0].Message; !strings.Contains(got, tt.want) || list[0].Hint == "" {
				t.Errorf("got %s (%s)\nwant %s", got, list[0].Hint, tt.want)
			}
		})
	}
}

// TestACUELayerCanImportItsSchema keeps that types are checked there, and that defaults stay the schema's.
func TestACUELayerCanImportItsSchema(t *testing.T) {
	text := "import \"lcm.local/schemas/engine\"\nengine.#Config\n"
	s := cueRepo(t, map[string]string{"config/acme/production/inference.cue": text})
	got, err := resolved(t, s, "inference")
	if err != nil || got != "replicas=1 schema:engine:5:13 of schema:engine" {
		t.Errorf("got %s, %v", got, err)
	}
	s = cueRepo(t, map[string]string{"config/acme/production/inference.cue": text + "replicas: \"x\"\n"})
	_, err = resolved(t, s, "inference")
	list, _ := errors.AsType[diag.List](err)
	if len(list) == 0 || list[0].Code != "cue-invalid" || list[0].Position.String() != "config/acme/production/inference.cue:3:11" {
		t.Errorf("got %v", err)
	}
	f, err := s.LayerOf(t.Context(), address.Address{Tenant: "acme", Environment: "production", Namespace: "inference"})
	if f != nil || err == nil {
		t.Errorf("a broken layer is %v, %v", f, err)
	}
	if n := tree.Keys("replicas"); list[0].Key != n.String() {
		t.Errorf("the key is %q", list[0].Key)
	}
}
