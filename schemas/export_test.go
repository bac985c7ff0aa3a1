package schemas_test

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/llm-devops/lcm/pkg/schema"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// exported compiles the JSON Schema of a module with a validator that knows nothing of lcm.
func exported(t testing.TB, m *schema.Module, o schema.JSONSchemaOptions) *jsonschema.Schema {
	t.Helper()
	data, err := m.JSONSchema(o)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatalf("%s: %v", m.Name(), err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("module.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("module.json")
	if err != nil {
		t.Fatalf("%s: %v", m.Name(), err)
	}
	return s
}

// instance gives a tree as the validator takes it.
func instance(t testing.TB, n *tree.Node) any {
	t.Helper()
	data, err := n.AppendJSON(nil, tree.Revealed)
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func example(t testing.TB, file string) (root *tree.Node, code string) {
	t.Helper()
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := yamldoc.Parse(filepath.Base(file), src)
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(src), "\n")
	if _, after, ok := strings.Cut(first, "# want: "); ok {
		_, code, _ = strings.Cut(after, " ")
	}
	return doc.Root(), code
}

// beyondJSONSchema are the invalid examples that an exported schema accepts, by what they break: a reference to a key
// elsewhere in the configuration.
func beyondJSONSchema(file string) bool {
	name := filepath.Base(file)
	for _, part := range []string{"unknown-", "apart", "in-template", "subscribes-to-nothing"} {
		if strings.Contains(name, part) && name != "invalid-unknown-field.yaml" {
			return true
		}
	}
	return false
}

// TestExportedExamples holds the JSON Schemas against the same examples as the modules themselves: every valid one is
// accepted, and of the invalid ones all are refused but for references.
func TestExportedExamples(t *testing.T) {
	set := load(t)
	refused, open := map[string]int{}, map[string]int{}
	for _, name := range modules {
		m := module(t, set, name)
		whole, layer := exported(t, m, schema.JSONSchemaOptions{}), exported(t, m, schema.JSONSchemaOptions{Layer: true})
		files, err := filepath.Glob(filepath.Join("testdata", name, "*.yaml"))
		if err != nil || len(files) < 5 {
			t.Fatalf("%s: %d files, %v", name, len(files), err)
		}
		for _, file := range files {
			root, code := example(t, file)
			err := whole.Validate(instance(t, root))
			switch {
			case code == "":
				if err != nil {
					t.Errorf("%s is valid, and refused: %v", file, err)
				}
				if err := layer.Validate(instance(t, root)); err != nil {
					t.Errorf("%s is refused as a layer: %v", file, err)
				}
				for _, f := range root.Fields() { // any part of it may be a layer
					if err := layer.Validate(instance(t, tree.NewMap(f))); err != nil {
						t.Errorf("%s: %s alone is refused as a layer: %v", file, f.Key, err)
					}
				}
			case err != nil:
				refused[code]++
			case !beyondJSONSchema(file):
				t.Errorf("%s (%s) is accepted", file, code)
			default:
				open[code]++
			}
			if code == schema.CodeRequired {
				if err := layer.Validate(instance(t, root)); err != nil {
					t.Errorf("%s: a layer need not be complete: %v", file, err)
				}
			}
		}
	}
	t.Logf("refused %v, left open %v", refused, open)
	for code, least := range map[string]int{
		schema.CodeType: 20, schema.CodeBound: 20, schema.CodeEnum: 20, schema.CodePattern: 20, schema.CodeRequired: 50, schema.CodeUnknown: 20,
	} {
		if refused[code] < least {
			t.Errorf("only %d of the examples with %s are refused", refused[code], code)
		}
	}
	if codes := slices.Collect(maps.Keys(open)); slices.ContainsFunc(codes, func(c string) bool { return c != schema.CodeEnum && c != schema.CodeConstraint }) {
		t.Errorf("left open: %v", open)
	}
}

// TestExportedIsNeverStricter changes the valid examples in many ways, one at a time: what the module still accepts, its
// JSON Schema does too.
func TestExportedIsNeverStricter(t *testing.T) {
	set := load(t)
	both, neither, refused := 0, 0, 0
	for _, name := range modules {
		m := module(t, set, name)
		whole := exported(t, m, schema.JSONSchemaOptions{})
		for _, file := range []string{"valid.yaml", "valid-full.yaml"} {
			root, _ := example(t, filepath.Join("testdata", name, file))
			for i, changed := range mutations(m, root) {
				if i%7 != 0 { // a part of them says enough
					continue
				}
				err := whole.Validate(instance(t, changed.root))
				if err == nil {
					both++
					continue
				}
				switch refused++; {
				case refused%37 != 0: // CUE takes its time over what is wrong
				case len(m.Validate(changed.root)) == 0:
					t.Errorf("%s/%s: %s: valid, and refused: %v", name, file, changed.what, err)
				default:
					neither++
				}
			}
		}
	}
	t.Logf("%d accepted by the JSON Schema, %d refused by both", both, neither)
	if both < 800 || neither < 100 {
		t.Fatalf("%d changes were accepted, %d refused by both: too few to tell", both, neither)
	}
}

type mutation struct {
	what string
	root *tree.Node
}

// mutations gives copies of a tree with one thing changed: a field left out, a value that is another one, a field too many.
// Secrets are sealed too; what a schema does not call secret, but somebody sealed, reads as text to other tools.
func mutations(m *schema.Module, root *tree.Node) []mutation {
	var out []mutation
	sealed := tree.NewString("ENC[AES256_GCM,data:eA==,iv:eA==,tag:eA==,type:str]")
	sealed.Sealed = true
	values := []*tree.Node{
		tree.NewString(""), tree.NewString("x"), tree.NewString("1h"), tree.NewBool(true), tree.NewBool(false), tree.NewNull(),
		tree.NewList(), tree.NewMap(),
	}
	for _, text := range []string{"0", "1", "-1", "0.5", "100", "1e9"} {
		n, err := tree.NewNumber(text)
		if err != nil {
			panic(err)
		}
		values = append(values, n)
	}
	root.Walk(func(p tree.Path, n *tree.Node) bool {
		at := p.Clone()
		if len(at) == 0 {
			return true
		}
		if _, isKey := at[len(at)-1].AsKey(); isKey {
			out = append(out, mutation{"without " + at.String(), replaced(root, at, nil)})
		}
		if f, ok := m.Field(at); ok && f.Secret && n.Kind.IsScalar() {
			out = append(out, mutation{at.String() + " sealed", replaced(root, at, sealed)})
		}
		for _, v := range values {
			out = append(out, mutation{at.String() + " = " + v.GoString(), replaced(root, at, v)})
		}
		if n.Kind == tree.Map {
			more := n.WithFields(append(slices.Clone(n.Fields()), tree.Field{Key: "zzz", Value: tree.NewString("x")}))
			out = append(out, mutation{"more in " + at.String(), replaced(root, at, more)})
		}
		return true
	})
	return out
}

// replaced gives a tree with the value at a path replaced, or left out for nil.
func replaced(n *tree.Node, p tree.Path, v *tree.Node) *tree.Node {
	if len(p) == 0 {
		return v
	}
	if key, ok := p[0].AsKey(); ok {
		fields := slices.Clone(n.Fields())
		for i, f := range fields {
			if f.Key != key {
				continue
			}
			if fields[i].Value = replaced(f.Value, p[1:], v); fields[i].Value == nil {
				fields = slices.Delete(fields, i, i+1)
			}
			break
		}
		return n.WithFields(fields)
	}
	i, _ := p[0].AsIndex()
	items := slices.Clone(n.Items())
	items[i] = replaced(items[i], p[1:], v)
	return n.WithItems(items)
}
