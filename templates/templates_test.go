package templates_test

import (
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/layer"
	"github.com/llm-devops/lcm/pkg/schema"
	"github.com/llm-devops/lcm/pkg/template"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/schemas"
	"github.com/llm-devops/lcm/templates"
)

func modules(t *testing.T) *schema.Set {
	t.Helper()
	var sources []schema.Source
	for _, name := range glob(t, schemas.FS, "*.cue") {
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

func glob(t *testing.T, from fs.FS, pattern string) []string {
	t.Helper()
	names, err := fs.Glob(from, pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: %v, %v", pattern, names, err)
	}
	return names
}

func library(t *testing.T) *template.Set {
	t.Helper()
	var sources []template.Source
	for _, name := range glob(t, templates.FS, "*.yaml") {
		data, err := fs.ReadFile(templates.FS, name)
		if err != nil {
			t.Fatal(err)
		}
		sources = append(sources, template.Source{File: name, Data: data, Builtin: true})
	}
	return template.NewSet(sources, nil)
}

// TestLibrary makes every template of its defaults and examples, and holds the result against the schema of its module. What
// is missing afterwards is secret, or in security_mtls, which goes on top of a gateway's own values.
func TestLibrary(t *testing.T) {
	set, all := library(t), modules(t)
	for _, name := range set.Names() {
		t.Run(name, func(t *testing.T) {
			found, err := set.Find(template.Ref{Name: name})
			if err != nil {
				t.Fatal(err)
			}
			if list := set.Check(found); len(list) > 0 {
				t.Fatal(list)
			}
			if found.Description == "" || strings.HasSuffix(found.Description, ".") {
				t.Errorf("description %q", found.Description)
			}
			for _, v := range found.Variables {
				if v.Description == "" {
					t.Errorf("variable %s has no description", v.Name)
				}
			}
			m, err := all.Module(found.Module)
			if err != nil {
				t.Fatal(err)
			}
			made, list := set.Sample(found)
			if len(list) > 0 {
				t.Fatal(list)
			}
			for _, f := range findings(m, made) {
				path, err := tree.ParsePath(f.Key)
				if err != nil {
					t.Fatal(err)
				}
				field, _ := m.Field(path)
				if f.Code == schema.CodeRequired && (field.Secret || name == "security_mtls") {
					continue
				}
				t.Errorf("%v", f)
			}
		})
	}
}

func findings(m *schema.Module, made *template.Result) diag.List {
	stack := []layer.Layer{{Name: "schema", Root: m.Defaults(), Defaults: true}}
	for _, l := range made.Layers {
		stack = append(stack, layer.Layer{Name: l.Template.ID(), Root: l.Root})
	}
	root, list := layer.Merge(stack, nil)
	return append(list, m.Validate(m.Complete(root))...)
}

// TestEveryModuleHasAStarter keeps the promise of the package comment, and of the list of templates that platforms ask for.
func TestEveryModuleHasAStarter(t *testing.T) {
	set := library(t)
	want := []string{
		"llm_inference_openai", "llm_inference_anthropic", "llm_inference_aws_bedrock", "data_pipeline_postgres",
		"observability_prometheus", "security_mtls",
	}
	for _, module := range modules(t).Names() {
		name := strings.ReplaceAll(module, "-", "_")
		want = append(want, name)
		found, err := set.Find(template.Ref{Name: name})
		if err != nil {
			t.Error(err)
		} else if found.Module != module {
			t.Errorf("%s is for %q", name, found.Module)
		}
	}
	slices.Sort(want)
	if got := set.Names(); !slices.Equal(got, want) {
		t.Errorf("templates are %v, want %v", got, want)
	}
}
