package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
)

// suiteDir gives the folder of the official tests of JSON Schema 2020-12, a copy of which comes with CUE.
func suiteDir(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "cuelang.org/go").Output()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "encoding/jsonschema/testdata/external/tests/draft2020-12")
}

type suiteGroup struct {
	Description string
	Schema      json.RawMessage
	Tests       []suiteTest
}

type suiteTest struct {
	Description string
	Data        json.RawMessage
	Valid       bool
}

// module puts a schema of the suite below a field, as the root of a configuration is a map.
func (g suiteGroup) module() string {
	schema := string(g.Schema)
	schema = strings.ReplaceAll(schema, `"$schema": "https://json-schema.org/draft/2020-12/schema",`, "")
	schema = strings.ReplaceAll(schema, `"$ref": "#/`, `"$ref": "#/properties/x/`)
	schema = strings.ReplaceAll(schema, `"$ref": "#"`, `"$ref": "#/properties/x"`)
	return fmt.Sprintf(`{"x-module": {"name": "suite", "version": "1.0.0"}, "properties": {"x": %s}}`, schema)
}

// Where lcm decides otherwise than the suite, by the names of its tests.
var suiteDeviations = map[string]string{
	"const: const with 0 does not match other zero-like types: float zero is valid":              floats,
	"const: const with 1 does not match true: float one is valid":                                floats,
	"const: const with -2.0 matches integer and float types: integer -2 is valid":                floats,
	"const: float and integers are equal up to 64-bit representation limits: float is valid":     floats,
	"enum: enum with 0 does not match false: float zero is valid":                                floats,
	"enum: enum with 1 does not match true: float one is valid":                                  floats,
	"enum: enum with [0] does not match [false]: [0.0] is valid":                                 floats,
	"enum: enum with [1] does not match [true]: [1.0] is valid":                                  floats,
	"type: integer type matches integers: a float with zero fractional part is an integer":       floats,
	"ref: naive replacement of $ref with its destination is not correct: match the enum exactly": "moving the schema below a field changed the enum",
}

const floats = "1.0 is no integer, in YAML and CUE"

// What the suite has and lcm refuses, by the beginnings of messages.
var suiteRefusals = []string{
	"$id is only supported at the root", "nothing outside of this file can be referred to", "the default is not what the schema allows",
	"$dynamicRef is not supported", "$dynamicAnchor is not supported", "unevaluatedItems is not supported", "unevaluatedProperties is not supported",
	"$schema is only", "is not a number of things",
}

// The suite decides what a schema means: lcm decides the same, or refuses the schema by name.
func TestJSONSchemaSuite(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(suiteDir(t), "*.json"))
	if err != nil || len(files) < 40 {
		t.Fatal(files, err)
	}
	agreed, refused, met := 0, 0, map[string]bool{}
	for _, file := range files {
		kind := strings.TrimSuffix(filepath.Base(file), ".json")
		if kind == "format" { // has formats that are only told about; lcm holds to them
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var groups []suiteGroup
		if err := json.Unmarshal(data, &groups); err != nil {
			t.Fatal(err)
		}
		for _, g := range groups {
			name := kind + ": " + g.Description
			m, found := jsonModule(t, g.module())
			if len(found) > 0 {
				refused++
				for _, f := range found {
					if !slices.ContainsFunc(suiteRefusals, func(r string) bool { return strings.Contains(f.Message, r) }) {
						t.Errorf("%s: refused: %v", name, f)
					}
				}
				continue
			}
			for _, c := range g.Tests {
				root, err := tree.FromJSON(fmt.Appendf(nil, `{"x": %s}`, c.Data))
				if err != nil {
					t.Fatal(err)
				}
				test := name + ": " + c.Description
				agree(t, m, root)
				found := m.Validate(root)
				switch valid := len(found) == 0; {
				case suiteDeviations[test] != "" && valid != c.Valid:
					met[test] = true
				case valid != c.Valid:
					t.Errorf("%s: valid is %t: %s\nfindings: %v", test, c.Valid, c.Data, found)
				default:
					agreed++
				}
			}
		}
	}
	for test := range suiteDeviations {
		if !met[test] {
			t.Errorf("%s: no deviation any more", test)
		}
	}
	if agreed < 760 || refused > 140 {
		t.Errorf("%d tests agree, %d schemas are refused", agreed, refused)
	}
}

// jsonModule compiles a module in JSON Schema, or gives what is wrong with it.
func jsonModule(t testing.TB, src string) (*Module, diag.List) {
	t.Helper()
	set, err := Load([]Source{{File: "schemas/x.json", Data: []byte(src)}}, nil)
	if err == nil {
		var m *Module
		if m, err = set.Module(set.Names()[0]); err == nil {
			return m, nil
		}
	}
	found, ok := errors.AsType[diag.List](err)
	if !ok {
		t.Fatal(err)
	}
	return nil, found
}
