package schema

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/llm-devops/lcm/pkg/tree"
)

func exportOf(t *testing.T, m *Module) *jsonschema.Schema {
	t.Helper()
	data, err := m.JSONSchema(JSONSchemaOptions{})
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("mine.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("mine.json")
	if err != nil {
		t.Fatalf("%v\n%s", err, data)
	}
	return s
}

// TestExportSaysWhatItCan holds exports of one schema each against configurations: accept is valid for the module too,
// which is asked; refuse is invalid for both; open is invalid, and JSON Schema cannot say so.
func TestExportSaysWhatItCan(t *testing.T) {
	for _, tt := range []struct {
		name, body           string
		accept, refuse, open []string
	}{
		{
			"types", `#Config: {i?: int, n?: number, s?: string, b?: bool, z?: null, l?: [...int], m?: {...}, a?: _}`,
			[]string{`{}`, `{"i": 1, "n": 0.5, "s": "", "b": false, "z": null, "l": [1], "m": {"x": 1}, "a": [{}]}`},
			[]string{`{"i": 0.5}`, `{"n": "1"}`, `{"s": 1}`, `{"b": "true"}`, `{"z": 0}`, `{"l": [""]}`, `{"m": []}`, `{"x": 1}`},
			[]string{`{"i": 1.0}`},
		},
		{
			"bounds", `import "strings"
#Config: {i?: int & >=1 & <10, f?: >-0.5 & <=1e3, s?: strings.MinRunes(2) & strings.MaxRunes(3), n?: int & !=3, u?: uint8}`,
			[]string{`{"i": 1, "f": -0.25, "s": "äöü", "n": 4, "u": 255}`, `{"f": 1000}`},
			[]string{`{"i": 0}`, `{"i": 10}`, `{"f": -0.5}`, `{"f": 1000.5}`, `{"s": "ä"}`, `{"s": "abcd"}`, `{"n": 3}`, `{"u": 256}`},
			nil,
		},
		{
			"patterns", `#Config: {a?: =~"^a.c$", b?: =~"^[^\\s]+$" & !~"^x", c?: =~"(?i)^c$"}`,
			[]string{`{"a": "a\rc", "b": "a\u00a0b", "c": "C"}`},
			[]string{`{"a": "a\nc"}`, `{"b": "a b"}`, `{"b": "xa"}`},
			[]string{`{"c": "d"}`},
		},
		{
			"alternatives", `#Config: {v?: "auto" | (int & >=1), w?: {kind!: "a", a?: int} | {kind!: "b", b!: int}}`,
			[]string{`{"v": "auto", "w": {"kind": "b", "b": 1}}`, `{"v": 3, "w": {"kind": "a"}}`},
			[]string{`{"v": "no"}`, `{"v": 0}`, `{"w": {"kind": "b"}}`, `{"w": {"kind": "a", "b": 1}}`, `{"w": {}}`},
			nil,
		},
		{
			"lists", `import "list"
#Config: {l?: [string, ...int], k?: list.MinItems(1) & list.MaxItems(2) & [...string], e?: [], f?: [int, int]}`,
			[]string{`{"l": ["a"], "k": ["x"], "e": [], "f": [1, 2]}`, `{"l": ["a", 1, 2]}`},
			[]string{`{"l": []}`, `{"l": [1]}`, `{"l": ["a", "b"]}`, `{"k": []}`, `{"k": ["x", "y", "z"]}`, `{"e": [1]}`, `{"f": [1]}`, `{"f": [1, 2, 3]}`},
			nil,
		},
		{
			"keys", `#Config: {m?: {[=~"^[a-z]+$"]: int}, a?: {[string]: int}, e?: {["x" | "y.z"]: int}, two?: {[=~"^a"]: int, [=~"z$"]: <10}}`,
			[]string{`{"m": {"ab": 1}, "a": {"A B": 1}, "e": {"y.z": 1}, "two": {"az": 5, "a": 50}}`},
			[]string{`{"m": {"A": 1}}`, `{"m": {"a": ""}}`, `{"a": {"x": ""}}`, `{"e": {"yxz": 1}}`, `{"two": {"az": 50}}`, `{"two": {"b": 1}}`},
			nil,
		},
		{
			"bounded keys", `import "strings"
#Config: {m?: {[=~"^[a-z]+$" & strings.MaxRunes(3)]: int}}`,
			[]string{`{"m": {"abc": 1}}`},
			[]string{`{"m": {"abc": ""}}`},
			[]string{`{"m": {"abcd": 1}}`},
		},
		{
			"what is required below", `#Config: {a: {b!: int}, c: {d: {e!: int}}, f: {g?: int}, h: *{i: 1} | {i: int}, j: string, k?: {l!: int}}`,
			[]string{`{"a": {"b": 1}, "c": {"d": {"e": 1}}, "j": ""}`},
			[]string{`{"c": {"d": {"e": 1}}, "j": ""}`, `{"a": {"b": 1}, "c": {}, "j": ""}`, `{"a": {"b": 1}, "c": {"d": {"e": 1}}}`, `{"a": {"b": 1}, "c": {"d": {"e": 1}}, "j": "", "k": {}}`},
			nil,
		},
		{
			"itself", `#Config: {next?: #Config, list: [...#Node]}
#Node: {name!: string, children: [...#Node]}`,
			[]string{`{"next": {"next": {}}, "list": [{"name": "a", "children": [{"name": "b"}]}]}`},
			[]string{`{"next": {"next": {"x": 1}}}`, `{"list": [{"name": "a", "children": [{}]}]}`},
			nil,
		},
		{
			"conditions", `#Config: {
	kind?: "a" | "b" | "c"
	mode: *"off" | "on" | "x"
	tls: *false | bool
	a?: int
	b?: int
	c?: int
	d: {e?: int}
	if kind != _|_ {
		if kind == "a" {a!: _}
		if kind != "a" {b!: _}
	}
	if mode == "on" {c!: _}
	if mode != "off" && tls {d: {e!: _}}
}`,
			[]string{`{}`, `{"kind": "a", "a": 1}`, `{"kind": "b", "b": 1}`, `{"mode": "on", "c": 1}`, `{"tls": true}`, `{"mode": "x"}`, `{"mode": "x", "tls": true, "d": {"e": 1}}`},
			[]string{`{"kind": "a"}`, `{"kind": "b"}`, `{"mode": "on"}`, `{"mode": "x", "tls": true}`, `{"mode": "x", "tls": true, "d": {}}`},
			nil,
		},
		{
			"one of two fields", `#Config: {a?: int, b?: int, matchN(1, [{a!: _, ...}, {b!: _, ...}])}`,
			[]string{`{"a": 1}`, `{"b": 1}`},
			[]string{`{}`, `{"a": 1, "b": 1}`},
			nil,
		},
		// What stands under conditions must not be demanded when they do not hold.
		{"a field of two types", `#Config: {
	kind!: "a" | "b"
	if kind == "a" {v?: int}
	if kind == "b" {v?: string}
}`, []string{`{"kind": "a", "v": 1}`, `{"kind": "b", "v": "x"}`}, []string{`{"kind": "a", "w": 1}`}, []string{`{"kind": "a", "v": "x"}`}},
		{"a field that may be anything", `#Config: {
	kind!: "a" | "b"
	v?: _
	w?: {...}
	if kind == "a" {v?: {x?: int}, w?: {x?: int}}
	if kind == "a" {v?: [...int] | {x?: int}}
}`, []string{`{"kind": "b", "v": {"y": 1}, "w": {"x": "x"}}`, `{"kind": "b", "v": "x"}`, `{"kind": "b", "v": ["x"]}`}, nil, []string{`{"kind": "a", "v": "x"}`}},
		{"a list of two types", `#Config: {
	kind!: "a" | "b"
	v?: _
	if kind == "a" {v?: [...int]}
	if kind == "b" {v?: [...string]}
}`, []string{`{"kind": "a", "v": [1]}`, `{"kind": "b", "v": ["x"]}`}, nil, []string{`{"kind": "a", "v": ["x"]}`}},
		{"keys under a condition", `#Config: {
	kind!: "a" | "b"
	m?: {[=~"^a"]: _}
	if kind == "a" {m?: {[=~"^a"]: int}}
}`, []string{`{"kind": "b", "m": {"a": "x"}}`, `{"kind": "a", "m": {"a": 1}}`}, []string{`{"kind": "b", "m": {"b": 1}}`}, []string{`{"kind": "a", "m": {"a": "x"}}`}},
		{"a condition of either of two", `#Config: {
	a?: string
	b?: string
	c?: int
	if a == "x" || b == "x" {c!: _}
}`, []string{`{"a": "y", "b": "y"}`, `{"a": "x", "b": "x", "c": 1}`}, []string{`{"a": "x", "b": "y"}`}, nil},
		{"a default that a condition decides", `#Config: {
	mode: *"x" | "y"
	on: *false | bool
	need?: int
	if mode == "y" {on: true}
	if !on {need!: _}
}`, []string{`{"mode": "y"}`, `{"need": 1}`}, nil, []string{`{}`}},
		{"functions", `import "net"
#Config: {ip?: net.IPv4, s?: >"a"}`, []string{`{"ip": "10.0.0.1", "s": "b"}`}, []string{`{"s": 1}`}, []string{`{"ip": "x"}`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := mustModule(t, inlineSource(tt.body))
			s := exportOf(t, m)
			check := func(text string, valid, accepted bool) {
				t.Helper()
				root, err := tree.FromJSON([]byte(text))
				if err != nil {
					t.Fatal(err)
				}
				if found := m.Validate(root); (len(found) == 0) != valid {
					t.Errorf("%s: the module finds %v", text, found)
				}
				v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
				if err != nil {
					t.Fatal(err)
				}
				if err := s.Validate(v); (err == nil) != accepted {
					t.Errorf("%s: accepted is %t, %v", text, err == nil, err)
				}
			}
			for _, text := range tt.accept {
				check(text, true, true)
			}
			for _, text := range tt.refuse {
				check(text, false, false)
			}
			for _, text := range tt.open {
				check(text, false, true)
			}
		})
	}
}

func TestExportKeepsTheMarks(t *testing.T) {
	m := mustModule(t, inlineSource(`// What it is.
#Config: {
	// A key.
	key?: int & >=1 @secret(type=api-key, rotate=90d, owner=ops)
	// Parts.
	parts?: {token?: string} @secret()
	// Routes.
	routes: [...#Route] @merge(key=name)
	more: [...#Route] @merge(append)
	// Where.
	host: *"a" | string @promote(never)
	kind: *"x" | "y"
	if kind == "y" {extra!: int}
}
#Route: {
	// Its name.
	name!: string
}`))
	data, err := m.JSONSchema(JSONSchemaOptions{Layer: true})
	if err != nil {
		t.Fatal(err)
	}
	var got any
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	type object = map[string]any
	list := func(about, merge string) object {
		o := object{"type": "array", "items": object{"$ref": "#/$defs/Route"}, "x-merge": merge}
		if about != "" {
			o["description"] = about
		}
		return o
	}
	want := object{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "urn:lcm:module:mine:1.0.0:layer",
		"$comment": "made by lcm schema export from " + m.Digest(), "title": "mine", "description": "What it is.",
		"type": "object", "additionalProperties": false,
		"properties": object{
			"extends": true, "variables": true, "sops": true,
			"key": object{"description": "A key.", "x-secret": object{"type": "api-key", "rotate": "90d", "owner": "ops"}, "anyOf": []any{
				object{"type": "integer", "minimum": 1.0}, object{"type": "string", "pattern": `^ENC\[`},
			}},
			"parts": object{
				"description": "Parts.", "x-secret": true, "type": "object", "additionalProperties": false,
				"properties": object{"token": object{"type": "string"}},
			},
			"routes": list("Routes.", "key=name"),
			"more":   list("", "append"),
			"host":   object{"description": "Where.", "x-promote": "never", "type": "string", "default": "a"},
			"kind":   object{"type": "string", "enum": []any{"x", "y"}, "default": "x"},
			"extra":  object{"description": `Required when kind is "y".` + "\n\n" + `Only when kind is "y".`, "type": "integer"},
		},
		"$defs": object{"Route": object{
			"type": "object", "additionalProperties": false,
			"properties": object{"name": object{"description": "Its name.", "type": "string"}},
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestECMAPatterns(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{`^[a-z0-9]([a-z0-9._-]{0,126}[a-z0-9])?$`, `^[a-z0-9]([a-z0-9._-]{0,126}[a-z0-9])?$`},
		{`^https?://[^\s/?#]+[^\s]*$`, `^https?://[^\t\n\f\r /?#]+[^\t\n\f\r ]*$`},
		{`\s\S.`, `[\t\n\f\r ][^\t\n\f\r ][^\n]`},
		{`[\w-.][]a][^]][a[b]`, `[\w\-.][\]a][^\]][a\[b]`},
		{`\-\_\"\.\/[\-\_]`, `-_"\.\/[\-_]`},
		{`(?P<x>a)(?<y>b)(?:c)`, `(?:a)(?:b)(?:c)`},
		{`\Aa{2}b{2,}?c{2,3}\z`, `^a{2}b{2,}?c{2,3}$`},
		{`a{,2}}]`, `a\{,2\}\}\]`},
		{`\x41[\x41]`, `\x41[\x41]`},
		{`(?i)a`, ""},
		{`a(?s:.)`, ""},
		{`[[:alpha:]]`, ""},
		{`\pL`, ""},
		{`\Qa\E`, ""},
		{`\x{10FFFF}`, ""},
		{`[\S]`, ""},
		{`^*`, ""},
		{`\101`, ""},
	} {
		got, ok := ecmaPattern(tt.in)
		if got != tt.want || ok != (tt.want != "") {
			t.Errorf("%s: %s, %t, want %s", tt.in, got, ok, tt.want)
		}
	}
	for _, src := range builtins(t) {
		for _, s := range shapesOf(mustModule(t, src).root) {
			for _, r := range s.rules {
				if r.op != matches && r.op != matchesNot {
					continue
				}
				if _, ok := ecmaPattern(r.text); !ok {
					t.Errorf("%s: %s is left open", src.File, r.text)
				}
			}
		}
	}
}

// What is translated is an expression that Go understands too, and in which it finds the same texts.
func FuzzECMAPattern(f *testing.F) {
	for _, seed := range []string{`^[a-z]+$`, `[^\s]\S.`, `a{2,3}?|(?P<n>b)`, `[\w-.]`, `\-[]x]`, `\b\x41\z`, `a|^b$`, `[a-\]]`} {
		f.Add(seed, "ab A\n-")
	}
	f.Fuzz(func(t *testing.T, text, subject string) {
		want, err := regexp.Compile(text)
		if err != nil {
			return
		}
		out, ok := ecmaPattern(text)
		if !ok {
			return
		}
		got, err := regexp.Compile(out)
		if err != nil {
			t.Fatalf("%q became %q: %v", text, out, err)
		}
		if want.MatchString(subject) != got.MatchString(subject) {
			t.Fatalf("%q became %q: they differ over %q", text, out, subject)
		}
	})
}
