package schemas_test

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/parser"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/schema"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/yamldoc"
	"github.com/llm-devops/lcm/schemas"
)

var modules = [...]string{
	"api-gateway", "audit-trail", "auto-optimizer", "compliance-monitor", "cost-tracker", "data-pipeline", "edge-agent",
	"evaluation-suite", "experiment-tracker", "feature-store", "governance-dashboard", "inference-engine", "model-router",
	"observatory", "plugin-loader", "policy-engine", "prompt-registry", "scaling-controller", "security-guard",
	"vector-store", "webhook-manager", "workflow-orchestrator",
}

func load(t *testing.T) *schema.Set {
	t.Helper()
	var sources []schema.Source
	for _, name := range files(t) {
		data, err := fs.ReadFile(schemas.FS, name)
		if err != nil {
			t.Fatal(err)
		}
		sources = append(sources, schema.Source{File: name, Data: data, Builtin: true})
	}
	set, err := schema.Load(sources, nil)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func module(t *testing.T, set *schema.Set, name string) *schema.Module {
	t.Helper()
	m, err := set.Module(name)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func files(t *testing.T) []string {
	t.Helper()
	names, err := fs.Glob(schemas.FS, "*")
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestModules(t *testing.T) {
	set := load(t)
	if got := set.Names(); !slices.Equal(got, modules[:]) {
		t.Errorf("modules are %v, want %v", got, modules)
	}
	for _, name := range files(t) {
		want := strings.ReplaceAll(strings.TrimSuffix(name, ".cue"), "_", "-")
		m := module(t, set, want)
		if m.Name() != want || m.Title() == "" || m.Version() == "" {
			t.Errorf("%s: name %q, title %q, version %q", name, m.Name(), m.Title(), m.Version())
		}
		if len(m.SecretNames()) == 0 {
			t.Errorf("%s: no secret fields", name)
		}
	}
}

// TestConfigurations runs every module over testdata/MODULE: valid*.yaml have no finding, invalid-*.yaml exactly the one
// that their first line names, as "# want: KEY CODE" with a part of the key.
func TestConfigurations(t *testing.T) {
	set := load(t)
	for _, name := range modules {
		m := module(t, set, name)
		paths, err := filepath.Glob(filepath.Join("testdata", name, "*.yaml"))
		if err != nil || len(paths) < 5 {
			t.Fatalf("%s: %d files, %v", name, len(paths), err)
		}
		for _, p := range paths {
			t.Run(name+"/"+filepath.Base(p), func(t *testing.T) {
				src, err := os.ReadFile(p)
				if err != nil {
					t.Fatal(err)
				}
				doc, err := yamldoc.Parse(path.Base(filepath.ToSlash(p)), src)
				if err != nil {
					t.Fatal(err)
				}
				found := m.Validate(doc.Root())
				if strings.HasPrefix(filepath.Base(p), "valid") {
					if len(found) > 0 {
						t.Errorf("findings in a valid configuration:\n%v", found)
					}
					return
				}
				checkWanted(t, src, found)
			})
		}
	}
}

func checkWanted(t *testing.T, src []byte, found diag.List) {
	t.Helper()
	first, _, _ := strings.Cut(string(src), "\n")
	want, ok := strings.CutPrefix(first, "# want: ")
	key, code, ok2 := strings.Cut(want, " ")
	if !ok || !ok2 {
		t.Fatalf("the first line is %q, want \"# want: KEY CODE\"", first)
	}
	if len(found) != 1 {
		t.Errorf("%d findings, want one:\n%v", len(found), found)
	}
	for _, f := range found {
		if !strings.Contains(f.Key, key) || f.Code != code {
			t.Errorf("finding %s at %s (%s), want %s at %s", f.Code, f.Key, f.Message, code, key)
		}
	}
}

// TestDefaults checks that what schemas say by themselves is valid where no field is missing.
func TestDefaults(t *testing.T) {
	set := load(t)
	for _, name := range modules {
		m := module(t, set, name)
		defaults := m.Defaults()
		if defaults.Kind != tree.Map || defaults.Len() == 0 {
			t.Errorf("%s: no defaults", name)
		}
		for _, f := range m.Validate(defaults) {
			if f.Code != schema.CodeRequired {
				t.Errorf("%s: the defaults themselves: %v", name, f)
			}
		}
	}
}

// declared is a field as a schema's text has it.
type declared struct {
	file, name string
	line       int
	documented bool
	secret     string // the body of @secret
	isSecret   bool
}

// eachField visits the fields of #Config and of all definitions, without the constraints that stand below if.
func eachField(t *testing.T, visit func(file string, f *ast.Field)) {
	t.Helper()
	for _, name := range files(t) {
		src, err := fs.ReadFile(schemas.FS, name)
		if err != nil {
			t.Fatal(err)
		}
		file, err := parser.ParseFile(name, src, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Walk(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.Comprehension, *ast.LetClause, *ast.CallExpr:
				return false
			case *ast.Field:
				visit(name, n)
			}
			return true
		}, nil)
	}
}

func declarations(t *testing.T) []declared {
	t.Helper()
	var all []declared
	eachField(t, func(file string, f *ast.Field) {
		if d, ok := declaration(file, f); ok {
			all = append(all, d)
		}
	})
	return all
}

func declaration(file string, f *ast.Field) (declared, bool) {
	name, _, err := ast.LabelName(f.Label)
	if err != nil || name == "#Config" { // a pattern; and the root is described by the package's comment
		return declared{}, false
	}
	d := declared{file: file, name: name, line: f.Pos().Line()}
	for _, c := range ast.Comments(f) {
		d.documented = d.documented || c.Doc && strings.TrimSpace(c.Text()) != ""
	}
	for _, a := range f.Attrs {
		if key, body := a.Split(); key == "secret" {
			d.isSecret, d.secret = true, body
		}
	}
	return d, true
}

func TestEveryFieldIsDocumented(t *testing.T) {
	all := declarations(t)
	if len(all) < 500 {
		t.Fatalf("only %d fields found", len(all))
	}
	for _, d := range all {
		if !d.documented {
			t.Errorf("%s:%d: %s has no comment", d.file, d.line, d.name)
		}
	}
}

// TestSecretNames guards the rule that lets .sops.yaml choose by name: a name is secret in every module or in none.
func TestSecretNames(t *testing.T) {
	all := declarations(t)
	secrets := map[string]bool{}
	for _, d := range all {
		if !d.isSecret {
			continue
		}
		secrets[d.name] = true
		if !strings.Contains(d.secret, "type=") || !strings.Contains(d.secret, "rotate=") {
			t.Errorf("%s:%d: %s: @secret(%s) lacks type or rotate", d.file, d.line, d.name, d.secret)
		}
	}
	if len(secrets) < 10 {
		t.Fatalf("only %d secret names found", len(secrets))
	}
	for _, d := range all {
		if secrets[d.name] && !d.isSecret {
			t.Errorf("%s:%d: %s is plain here and secret elsewhere", d.file, d.line, d.name)
		}
	}
}

// TestMergeRules checks that every list says what becomes of it when several layers have it: nobody should have to find out
// whether a block list is added to or replaced.
func TestMergeRules(t *testing.T) {
	lists := 0
	eachField(t, func(file string, f *ast.Field) {
		if !canBeList(f.Value, 0) {
			return
		}
		lists++
		if !slices.ContainsFunc(f.Attrs, func(a *ast.Attribute) bool { key, _ := a.Split(); return key == "merge" }) {
			t.Errorf("%s:%d: a list without @merge", file, f.Pos().Line())
		}
	})
	if lists < 80 {
		t.Fatalf("only %d lists found", lists)
	}
}

// canBeList reports whether an expression admits a list; of references it follows those to definitions.
func canBeList(e ast.Expr, depth int) bool {
	if depth > 8 {
		return false
	}
	switch x := e.(type) {
	case *ast.ListLit:
		return true
	case *ast.ParenExpr:
		return canBeList(x.X, depth)
	case *ast.UnaryExpr:
		return canBeList(x.X, depth)
	case *ast.BinaryExpr:
		return canBeList(x.X, depth) || canBeList(x.Y, depth)
	case *ast.Ident:
		switch n := x.Node.(type) {
		case *ast.Field:
			return canBeList(n.Value, depth+1)
		case ast.Expr:
			return canBeList(n, depth+1)
		}
	}
	return false
}
