package workspace

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/template"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// fileKind is a kind of file with the schema that is for it.
type fileKind struct {
	name    string
	parse   func(src []byte) error
	samples []string // valid, with every field there is
	schema  *jsonschema.Schema
	text    map[string]any // of the schema
}

func fileKinds(t *testing.T) []*fileKind {
	t.Helper()
	pin := "{version: 1.0.0, digest: sha256:" + strings.Repeat("a", 64) + "}"
	kinds := []*fileKind{
		{name: SettingsFile, parse: func(src []byte) error { _, err := ParseSettings(SettingsFile, src); return err }, samples: []string{fullSettings}},
		{name: LockFile, parse: func(src []byte) error { _, err := ParseLock(LockFile, src); return err }, samples: []string{"apiVersion: lcm/v1\nschemas: {a-b: " + pin + "}\ntemplates: {a_b@1: " + pin + "}\n"}},
		{name: "tenant.yaml", parse: func(src []byte) error { _, err := ParseTenant("acme", "tenant.yaml", src); return err }, samples: []string{
			"apiVersion: lcm/v1\nname: acme\ndescription: x\nowners: [a]\nnamespaces: [a]\nquotas: {bytes: 1.5 GB, secrets: 0, namespaces: 1}\nrecipients: [" + ageKey + ", {name: b, key: " + sshKey + "}]\n",
		}},
		{name: "template.yaml", parse: func(src []byte) error { _, err := template.Parse("templates/t.yaml", "t", "", src); return err }, samples: []string{
			"template: {version: 1.0.0, description: x, module: m, tenants: [a], extends: [b@1, c.yaml], values: {x: 1}, variables: {n: null, v: {type: integer, description: x, default: 1, example: 2, min: 1, max: 3, required: false, enum: [1, 2]}, w: {pattern: x}}}\na: 1\n",
			"template: {version: 1.0.0-rc.1, extends: b}\n",
		}},
	}
	for _, k := range kinds {
		data, ok := FileSchema(k.name)
		if !ok {
			t.Fatalf("no schema of %s", k.name)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		c := jsonschema.NewCompiler()
		if err := c.AddResource(k.name, doc); err != nil {
			t.Fatal(err)
		}
		if k.schema, err = c.Compile(k.name); err != nil {
			t.Fatal(err)
		}
		k.text = doc.(map[string]any)
	}
	return kinds
}

const fullSettings = `apiVersion: lcm/v1
environments: [a, {name: b, strict_override: true, inherits: a, dimensions: {device_class: phone}}]
dimensions: {device_class: [phone, eu-1]}
layers: [global/base, "global/class-{device_class}", "{tenant}/{environment}"]
namespaces: {n: null, m: {module: x}, o: {module: x, inherits: m}}
targets:
  local: {type: dir, path: out, secrets: {type: vault, address: x}}
  store: {type: s3, endpoint: x, bucket: b, region: r, prefix: p, secrets: {type: vault, address: x, mount: k, namespace: t, prefix: q,
    auth: {method: approle, mount: ar, role: r, secret_id_file: f, jwt_file: j}}}
  vault: {type: vault, address: x}
rules:
  all: {description: x, severity: warning, tenants: acme, environments: [a, "b*"], namespaces: n, isolate: {from: a, allow: ["*.example.com"], strict: true},
    references: {keys: "a[*].b", namespace: n, names: [x]}, acyclic: {nodes: x, name: id, edges: [y]}, unique: [a, {keys: [b], across: namespaces}],
    require: a.b, forbid: [c], values: {a: {one_of: [1, x, null], none_of: y, min: 1KB, max: 10GB, pattern: x}}}
secrets: {rotation: {api-key: 90d, "*": 365d}, grace: 14d, refuse: [b]}
`

// told gives the codes and messages of what a parser finds, nil for nothing.
func (k *fileKind) told(t *testing.T, src []byte) diag.List {
	t.Helper()
	err := k.parse(src)
	list, ok := errors.AsType[diag.List](err)
	if err != nil && !ok {
		t.Fatal(err)
	}
	return list
}

// refuses gives why the schema refuses a text.
func (k *fileKind) refuses(t *testing.T, src []byte) error {
	t.Helper()
	doc, err := yamldoc.Parse(k.name, src)
	if err != nil {
		t.Fatalf("%v: %s", err, src)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON(t, doc.Root())))
	if err != nil {
		t.Fatal(err)
	}
	return k.schema.Validate(v)
}

func asJSON(t *testing.T, n *tree.Node) []byte {
	t.Helper()
	data, err := n.AppendJSON(nil, tree.Revealed)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// structural reports whether a finding is about fields that are not known and values of another type.
func structural(f diag.Finding) bool {
	return f.Code == "settings-unknown-field" || f.Code == "settings-type" || strings.Contains(f.Message, "has no field") ||
		f.Code == "template-header" && (strings.Contains(f.Message, " and this is ") || strings.HasSuffix(f.Message, " is a number"))
}

func (k *fileKind) agree(t *testing.T, src []byte) {
	t.Helper()
	found, refused := k.told(t, src), k.refuses(t, src)
	switch {
	case refused != nil && len(found) == 0:
		t.Errorf("%s is valid, and its schema refuses it: %v\n%s", k.name, refused, src)
	case refused == nil && slices.ContainsFunc(found, structural):
		t.Errorf("%s is wrong, and its schema accepts it: %v\n%s", k.name, found, src)
	}
}

// TestFileSchemasAgree: what a schema refuses the parser refuses, and where the parser meets another type or a field that it
// does not know, the schema does. It is held against samples that have every field, changed everywhere.
func TestFileSchemasAgree(t *testing.T) {
	for _, k := range fileKinds(t) {
		changes := 0
		for _, sample := range k.samples {
			if found, refused := k.told(t, []byte(sample)), k.refuses(t, []byte(sample)); len(found) > 0 || refused != nil {
				t.Fatalf("%s: %v, %v", k.name, found, refused)
			}
			doc, err := yamldoc.Parse(k.name, []byte(sample))
			if err != nil {
				t.Fatal(err)
			}
			for _, changed := range changed(doc.Root()) {
				if changed.Kind == tree.Map {
					k.agree(t, asJSON(t, changed))
					changes++
				}
			}
		}
		if changes < 50 {
			t.Errorf("%s: only %d changes", k.name, changes)
		}
	}
}

// changed gives every tree that differs from another in one place.
func changed(n *tree.Node) (out []*tree.Node) {
	number, err := tree.NewNumber("-7")
	if err != nil {
		panic(err)
	}
	out = append(out,
		tree.NewNull(), tree.NewString(""), tree.NewString("zz"), tree.NewString("Z /.."), number, tree.NewBool(true),
		tree.NewList(), tree.NewMap(), tree.NewList(tree.NewString("zz"), tree.NewMap()), tree.NewMap(tree.Field{Key: "Zz", Value: tree.NewNull()}),
	)
	switch n.Kind {
	case tree.Map:
		fields := n.Fields()
		out = append(out, n.WithFields(append(slices.Clone(fields), tree.Field{Key: "zzzz", Value: tree.NewNull()})))
		for i, f := range fields {
			out = append(out, n.WithFields(slices.Delete(slices.Clone(fields), i, i+1)))
			for _, value := range changed(f.Value) {
				other := slices.Clone(fields)
				other[i].Value = value
				out = append(out, n.WithFields(other))
			}
		}
	case tree.List:
		for i, item := range n.Items() {
			for _, value := range changed(item) {
				other := slices.Clone(n.Items())
				other[i] = value
				out = append(out, n.WithItems(other))
			}
		}
	}
	return out
}

// TestFileSchemasKnowTheFields: each map of a schema has exactly the fields that the parser knows there.
func TestFileSchemasKnowTheFields(t *testing.T) {
	for _, k := range fileKinds(t) {
		seen := map[string]bool{}
		for _, sample := range k.samples {
			doc, err := yamldoc.Parse(k.name, []byte(sample))
			if err != nil {
				t.Fatal(err)
			}
			for _, other := range changed(doc.Root()) {
				src := asJSON(t, other)
				if other.Kind != tree.Map || !bytes.Contains(src, []byte("zzzz")) {
					continue
				}
				for _, f := range k.told(t, src) {
					if !strings.Contains(f.Message, `has no field "zzzz"`) {
						continue
					}
					known := strings.FieldsFunc(strings.TrimPrefix(f.Hint, "the fields are"), func(r rune) bool { return strings.ContainsRune(" [],:", r) })
					for _, at := range unknownAt(k.refuses(t, src)) {
						seen[at] = true
						if fields := slices.Sorted(maps.Keys(k.properties(at))); !slices.Equal(fields, known) {
							t.Errorf("%s: the schema has the fields %v at %s, and the parser %v", k.name, fields, at, known)
						}
					}
				}
			}
		}
		for at, sub := range objects("", k.text) {
			if open, said := sub["additionalProperties"].(bool); said && !open && !seen[at] {
				t.Errorf("%s: no sample has %s", k.name, at)
			}
		}
	}
}

// unknownAt gives the places in a schema that do not know the field zzzz.
func unknownAt(err error) []string {
	e, ok := errors.AsType[*jsonschema.ValidationError](err)
	if !ok {
		return nil
	}
	var out []string
	if extra, ok := e.ErrorKind.(*kind.AdditionalProperties); ok && slices.Contains(extra.Properties, "zzzz") {
		_, at, _ := strings.Cut(e.SchemaURL, "#")
		out = append(out, at)
	}
	for _, cause := range e.Causes {
		out = append(out, unknownAt(cause)...)
	}
	return out
}

func (k *fileKind) properties(at string) map[string]any {
	for place, sub := range objects("", k.text) {
		if place == at {
			properties, _ := sub["properties"].(map[string]any)
			return properties
		}
	}
	return nil
}

// objects gives the schemas in a schema by their JSON pointers.
func objects(at string, v any) map[string]map[string]any {
	out := map[string]map[string]any{}
	switch v := v.(type) {
	case map[string]any:
		out[at] = v
		for key, value := range v {
			if key != "examples" {
				maps.Copy(out, objects(at+"/"+key, value))
			}
		}
	case []any:
		for i, value := range v {
			maps.Copy(out, objects(fmt.Sprintf("%s/%d", at, i), value))
		}
	}
	return out
}

// TestFileSchemasRefuse holds the schemas against what the parsers' own tests have.
func TestFileSchemasRefuse(t *testing.T) {
	beyond := map[string]int{}
	for _, k := range fileKinds(t) {
		for _, tt := range map[string][]fileFault{SettingsFile: settingsFaults(), "tenant.yaml": tenantFaults()}[k.name] {
			k.agree(t, []byte(tt.src))
			if k.refuses(t, []byte(tt.src)) == nil {
				_, code, _ := strings.Cut(tt.want[0], " ")
				code, _, _ = strings.Cut(code, ":")
				beyond[code]++
			}
		}
	}
	for code, n := range beyond { // what takes looking at two places, or at the bits of a key
		if !slices.Contains([]string{"settings-inherits", "settings-environments", "settings-layer", "tenant-name", "tenant-recipient"}, code) {
			t.Errorf("%d examples of %s are accepted", n, code)
		}
	}
}

// TestFileSchemasAcceptTheExamples holds the schemas against files that are in use.
func TestFileSchemasAcceptTheExamples(t *testing.T) {
	kinds := map[string]*fileKind{}
	for _, k := range fileKinds(t) {
		kinds[k.name] = k
	}
	counts := map[string]int{}
	for _, root := range []string{"../../examples/platform", "../../templates"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			k := kinds[d.Name()]
			if filepath.Base(filepath.Dir(path)) == "templates" && filepath.Ext(path) == ".yaml" {
				k = kinds["template.yaml"]
			}
			if k == nil {
				return nil
			}
			src, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			counts[k.name]++
			if k.name == "template.yaml" {
				src = []byte(strings.NewReplacer("{{", "<", "}}", ">").Replace(string(src))) // a placeholder alone is no YAML
			}
			if err := k.refuses(t, src); err != nil {
				t.Errorf("%s: %v", path, err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range FileSchemas() {
		if counts[name] == 0 {
			t.Errorf("there is no example of %s", name)
		}
	}
}

// TestFileSchemasExplain: every field has a description and valid examples, which is what an editor shows.
func TestFileSchemasExplain(t *testing.T) {
	for _, k := range fileKinds(t) {
		for at, sub := range objects("", k.text) {
			if !strings.HasSuffix(filepath.Dir(at), "/properties") || strings.Contains(at, "/if/") {
				continue
			}
			examples, _ := sub["examples"].([]any)
			if sub["description"] == nil || len(examples) == 0 {
				t.Errorf("%s: %s has no description, or no example", k.name, at)
			}
			c := jsonschema.NewCompiler()
			if err := c.AddResource("x", k.text); err != nil {
				t.Fatal(err)
			}
			s, err := c.Compile("x#" + at)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range examples {
				if err := s.Validate(e); err != nil {
					text, _ := json.Marshal(e)
					t.Errorf("%s: the example %s of %s: %v", k.name, text, at, err)
				}
			}
		}
	}
}
