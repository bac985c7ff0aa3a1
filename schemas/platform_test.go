package schemas_test

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/llm-devops/lcm/pkg/layer"
	"github.com/llm-devops/lcm/pkg/schema"
	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/workspace"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// platform is the example that shows these modules in use.
const platform = "../examples/platform"

func keyring(t *testing.T, tenants ...string) *seal.Keyring {
	t.Helper()
	var keys []byte
	for _, tenant := range tenants {
		key, err := os.ReadFile(filepath.Join(platform, "demo-keys", tenant+".txt"))
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key...)
	}
	home := t.TempDir()
	return seal.NewKeyring(seal.KeyringOptions{Home: home, ConfigDir: home, Getenv: func(name string) string {
		if name == "SOPS_AGE_KEY" {
			return string(keys)
		}
		return ""
	}})
}

func settings(t *testing.T) *workspace.Settings {
	t.Helper()
	src, err := os.ReadFile(filepath.Join(platform, workspace.SettingsFile))
	if err != nil {
		t.Fatal(err)
	}
	s, err := workspace.ParseSettings(workspace.SettingsFile, src)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func document(t *testing.T, file string) (*yamldoc.Doc, bool) {
	t.Helper()
	src, err := os.ReadFile(filepath.Join(platform, filepath.FromSlash(file)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false
	}
	if err != nil {
		t.Fatal(err)
	}
	doc, err := yamldoc.Parse(file, src)
	if err != nil {
		t.Fatal(err)
	}
	return doc, true
}

func tenants(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(platform, "config"))
	if err != nil {
		t.Fatal(err)
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names
}

// TestPlatformResolves checks every address of the example against its schema, with secrets opened and without any key.
func TestPlatformResolves(t *testing.T) {
	set, config := load(t), settings(t)
	everyone := keyring(t, tenants(t)...)
	ways := map[string]func(*yamldoc.Doc) (*tree.Node, error){
		"opened": func(d *yamldoc.Doc) (*tree.Node, error) { return seal.Open(t.Context(), d, everyone) },
		"sealed": seal.Sealed,
	}
	for way, read := range ways {
		resolved := 0
		for _, tenant := range tenants(t) {
			for _, env := range config.EnvironmentNames() {
				for _, ns := range config.Namespaces {
					m := module(t, set, ns.Module)
					at := path.Join(tenant, env, ns.Name)
					root := resolve(t, config, m, tenant, env, ns.Name, read)
					for _, f := range m.Validate(root) {
						t.Errorf("%s, %s: %v", at, way, f)
					}
					resolved++
				}
			}
		}
		if resolved != 4*3*8 {
			t.Errorf("%d addresses resolved %s, want 96: three tenants and the platform itself", resolved, way)
		}
	}
}

func resolve(
	t *testing.T, s *workspace.Settings, m *schema.Module, tenant, env, ns string, read func(*yamldoc.Doc) (*tree.Node, error),
) *tree.Node {
	t.Helper()
	stack := []layer.Layer{{Name: "schema", Root: m.Defaults(), Defaults: true}}
	var names []string
	for _, l := range s.Layers {
		name := strings.NewReplacer("{tenant}", tenant, "{environment}", env).Replace(l)
		if slices.Contains(names, name) {
			continue // the platform's own stack has each layer once
		}
		names = append(names, name)
		doc, ok := document(t, path.Join("config", name, ns+".yaml"))
		if !ok {
			continue
		}
		root, err := read(doc)
		if err != nil {
			t.Fatal(err)
		}
		stack = append(stack, layer.Layer{Name: name, File: doc.File(), Root: root})
	}
	root, found := layer.Merge(stack, func(p tree.Path) layer.Rule {
		f, _ := m.Field(p)
		return layer.Rule{Strategy: f.Merge.Strategy, Key: f.Merge.Key}
	})
	for _, f := range found {
		t.Errorf("%s/%s/%s: %v", tenant, env, ns, f)
	}
	return root
}

// TestPlatformSecrets checks that every secret of the example is encrypted, to its tenant's recipients, and opens with that
// tenant's key and with no other.
func TestPlatformSecrets(t *testing.T) {
	set, config := load(t), settings(t)
	encrypted := 0
	for _, tenant := range tenants(t) {
		own := keyring(t, tenant)
		foreign := keyring(t, slices.DeleteFunc(tenants(t), func(n string) bool { return n == tenant })...)
		want := recipients(t, tenant)
		for _, env := range append([]string{"base"}, config.EnvironmentNames()...) {
			for _, ns := range config.Namespaces {
				doc, ok := document(t, path.Join("config", tenant, env, ns.Name+".yaml"))
				if !ok {
					continue
				}
				checkSealed(t, doc, module(t, set, ns.Module))
				meta, err := seal.Inspect(doc)
				if err != nil {
					t.Fatal(err)
				}
				if meta == nil {
					continue
				}
				encrypted++
				if !slices.Equal(meta.Recipients, want) {
					t.Errorf("%s is encrypted to %v, and tenant.yaml says %v", doc.File(), meta.Recipients, want)
				}
				if _, err := seal.Open(t.Context(), doc, own); err != nil {
					t.Errorf("%s does not open with its own key: %v", doc.File(), err)
				}
				if _, err := seal.Open(t.Context(), doc, foreign); err == nil {
					t.Errorf("%s opens with the other tenants' keys", doc.File())
				}
			}
		}
	}
	if encrypted < 20 {
		t.Errorf("only %d encrypted files found", encrypted)
	}
}

// checkSealed reports secrets in plain text, by schema and by what their values look like.
func checkSealed(t *testing.T, doc *yamldoc.Doc, m *schema.Module) {
	t.Helper()
	root, err := seal.Sealed(doc)
	if err != nil {
		t.Fatal(err)
	}
	for p, v := range root.Leaves() {
		if f, ok := m.Field(p); ok && f.Secret && !v.Sealed {
			t.Errorf("%s: %s is secret and not encrypted", doc.File(), p)
		}
		if text := v.Reveal(); !v.Sealed && (strings.Contains(text, "not-a-real") || strings.Contains(text, "PRIVATE KEY")) {
			t.Errorf("%s: %s looks like a secret and is not encrypted", doc.File(), p)
		}
	}
}

func recipients(t *testing.T, tenant string) []string {
	t.Helper()
	file := workspace.TenantFile(tenant)
	src, err := os.ReadFile(filepath.Join(platform, filepath.FromSlash(file)))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := workspace.ParseTenant(tenant, file, src)
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Keys()
}
