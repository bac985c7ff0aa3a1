package jsonschema

import (
	"strings"
	"testing"

	"cuelang.org/go/cue/format"
	"cuelang.org/go/cue/parser"
)

var rules = Rules{Syntax: "syntax", Header: "header", Mark: "mark", Invalid: "invalid", Limit: "limit"}

const head = `{"x-module": {"name": "m", "version": "1.0.0"}, `

// config gives what follows the header in the CUE of a schema, formatted.
func config(t *testing.T, schema string) string {
	t.Helper()
	s, found := Translate("m.json", []byte(schema), &rules)
	if len(found) > 0 {
		t.Fatalf("%s\n%v", schema, found)
	}
	out, err := format.Source(s.CUE)
	if err != nil {
		t.Fatalf("%v\n%s", err, s.CUE)
	}
	_, rest, _ := strings.Cut(string(out), "#Config: ")
	if before, _, ok := strings.Cut(rest, "\n"+DefaultsName); ok {
		rest = before
	}
	return strings.Join(strings.Fields(rest), " ")
}

// The CUE reads as somebody would write it, so that what is said about it is understood.
func TestTranslate(t *testing.T) {
	for _, c := range []struct{ name, schema, want string }{
		{
			"presence", `"properties": {"a": {"type": "string"}, "b": {"type": "boolean"}}, "required": ["a", "c"]}`,
			`{ a!: string b?: bool c!: _ ... }`,
		},
		{"closed", `"properties": {"a": true}, "additionalProperties": false}`, `{ a?: _ }`},
		{"open with a type", `"properties": {"a": true}, "additionalProperties": {"type": "integer"}}`, `{ a?: _ [!~"^(a)$"]: int }`},
		{"keys by pattern", `"patternProperties": {"^x-": {"type": "string"}}, "additionalProperties": false}`, `{ [=~"^x-"]: string }`},
		{"names that need quotes", `"properties": {"a-b": true, "for": true, "_x": true}}`, `{ "a-b"?: _ "for"?: _ "_x"?: _ ... }`},
		{
			"bounds", `"properties": {"a": {"type": "integer", "minimum": 1, "exclusiveMaximum": 1e3, "multipleOf": 2}}}`,
			`{ a?: int & >=1 & <1e3 & math.MultipleOf(2) ... }`,
		},
		{
			"text", `"properties": {"a": {"type": "string", "minLength": 1, "maxLength": 5, "pattern": "^\\u0041\\d"}}}`,
			`{ a?: string & strings.MinRunes(1) & strings.MaxRunes(5) & =~"^\\x{0041}\\d" ... }`,
		},
		{
			"lists", `"properties": {"a": {"type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": true}}}`,
			`{ a?: [...string] & list.MinItems(1) & list.UniqueItems() ... }`,
		},
		{
			"pairs", `"properties": {"a": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "items": false, "minItems": 2}}}`,
			`{ a?: [string, int] & list.MinItems(2) ... }`,
		},
		{"several types", `"properties": {"a": {"type": ["string", "null"], "minLength": 1}}}`, `{ a?: null | string & strings.MinRunes(1) ... }`},
		{"no type", `"properties": {"a": {"minimum": 1}}}`, `{ a?: null | bool | number & >=1 | string | [...] | {...} ... }`},
		{
			"enum", `"properties": {"a": {"enum": ["x", 1, null]}, "b": {"type": "string", "enum": ["x", 1]}, "c": {"const": {"k": [1]}}}}`,
			`{ a?: "x" | 1 | null b?: "x" c?: close({"k"!: [1]}) ... }`,
		},
		{
			"defaults", `"properties": {"a": {"type": "integer", "default": 3}, "b": {"type": "object", "default": {}, "properties": {"c": {"default": ["x"]}}}}, "required": ["a"]}`,
			`{ a: *3 | int b: { c: *["x"] | _ ... } ... }`,
		},
		{
			"default of a definition", `"properties": {"a": {"$ref": "#/$defs/T"}}, "$defs": {"T": {"type": "integer", "default": 30}}}`,
			`{ a: *30 | #T ... } #T: int`,
		},
		{
			"marks", `"properties": {"a": {"type": "string", "x-secret": {"type": "api-key", "rotate": "90d", "owner": "ops"}}, "b": {"type": "array", "items": {"type": "string", "x-secret": true}, "x-merge": "append"}, "c": {"x-promote": false}}}`,
			`{ a?: string @secret(type=api-key, rotate=90d, owner=ops) b?: [...#Item] @merge(append) c?: _ @promote(never) ... } #Item: string @secret()`,
		},
		{
			"descriptions", `"description": "All of it.\nMore.", "properties": {"a": {"title": "A", "description": "An a."}}}`,
			`{ // An a. a?: _ ... }`,
		},
		{"recursion", `"properties": {"all": {"type": "array", "items": {"$ref": "#"}}}}`, `{ all?: [...#Config] ... }`},
		{
			"disjoint alternatives", `"properties": {"a": {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}}}`,
			`{ a?: string | [...string] ... }`,
		},
		{
			"told apart by a field", `"properties": {"a": {"type": "object", "oneOf": [{"properties": {"k": {"const": "x"}}, "required": ["k"]}, {"properties": {"k": {"enum": ["y", "z"]}}, "required": ["k"]}]}}}`,
			`{ a?: {...} & ({ k!: "x" ... } | { k!: "y" | "z" ... }) ... }`,
		},
		{"one of several fields", `"oneOf": [{"required": ["cron"]}, {"required": ["event"]}]}`, `{ matchN(1, [{cron!: _, ...}, {event!: _, ...}]) ... }`},
		{
			"condition on a field", `"properties": {"kind": {"enum": ["a", "b"]}, "url": true}, "required": ["kind"], "if": {"properties": {"kind": {"const": "a"}}}, "then": {"required": ["url"]}}`,
			`{ kind!: "a" | "b" url?: _ if kind != _|_ { if kind == "a" { url!: _ } } ... }`,
		},
		{
			"condition on a field with a default", `"properties": {"on": {"type": "boolean", "default": false}}, "if": {"properties": {"on": {"const": true}}}, "then": {"required": ["url"]}, "else": {"required": ["why"]}}`,
			`{ on: *false | bool if on == true { url!: _ } if on != true { why!: _ } ... }`,
		},
		{
			"condition that holds without the field", `"properties": {"kind": true}, "if": {"properties": {"kind": {"const": "a"}}}, "then": {"required": ["url"]}}`,
			`{ kind?: _ ... } & matchIf({ kind?: "a" ... }, { url!: _ ... }, _)`,
		},
		{
			"condition that adds to a closed map", `"properties": {"kind": true}, "required": ["kind"], "additionalProperties": false, "if": {"properties": {"kind": {"const": "a"}}}, "then": {"required": ["url"]}}`,
			`close({ kind!: _ }) & matchIf({ kind?: "a" ... }, { url!: _ ... }, _)`,
		},
		{
			"fields that go together", `"properties": {"user": true, "password": true}, "dependentRequired": {"user": ["password"]}}`,
			`{ user?: _ password?: _ if user != _|_ {password!: _} ... }`,
		},
		{
			"closed beside another", `"allOf": [{"properties": {"a": true}, "additionalProperties": false}, {"properties": {"b": true}}]}`,
			`close({ a?: _ }) & { b?: _ ... }`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := config(t, head+c.schema); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// Places are those of the JSON.
func TestPlaces(t *testing.T) {
	s, found := Translate("m.json", []byte(head+`
 "properties": {
  "a": {"type": "integer", "minimum": 1},
  "é": {"$ref": "#/$defs/T"}},
 "$defs": {"T": {"type": "string", "pattern": "x"}}}`), &rules)
	if len(found) > 0 {
		t.Fatal(found)
	}
	for text, want := range map[string]string{
		"@module": "m.json:1:14", `>=1`: "m.json:3:39", "a?:": "m.json:3:3", `"é"`: "m.json:4:3", `=~"x"`: "m.json:5:47", "#T\n": "m.json:4:17",
	} {
		i := strings.Index(string(s.CUE), text)
		if got := s.Position(i).String(); i < 0 || got != want {
			t.Errorf("%s comes from %s, not %s", text, got, want)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct{ name, schema, want string }{
		{"not JSON", `{"a": 1,}`, `m.json:1:9 syntax not JSON: invalid character '}' looking for beginning of object key string`},
		{"nothing", ``, `m.json:1:1 syntax not JSON: unexpected end of JSON input`},
		{"two documents", `{} {}`, `m.json:1:4 syntax not JSON: invalid character '{' after top-level value`},
		{"not UTF-8", "{\"a\": \"\xff\"}", `m.json syntax the schema is not valid UTF-8`},
		{"twice", "{\"é\": 1,\n\"é\": 2}", `m.json:2:1 syntax "é" is there twice`},
		{"deep", `{"a": ` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`, `m.json:1:106 limit nested more than 100 deep`},
		{"too deep for JSON", strings.Repeat("[", 20000), `m.json:1:10001 syntax not JSON: invalid character '[' exceeded max depth`},
		{"large", `{"a": "` + strings.Repeat("x", 256<<10) + `"}`, `m.json limit the schema has 262153 bytes, more than 262144`},
		{"a list", `[]`, `m.json:1:1 invalid a module's schema is an object`},
		{"true", `true`, `m.json:1:1 invalid a module's schema is an object`},
		{"no header", `{}`, `m.json:1:1 header no x-module | name the module: "x-module": {"name": "my-module", "version": "1.0.0"}`},
		{
			"another draft", `{"$schema": "http://json-schema.org/draft-07/schema#", "x-module": {"name": "m", "version": "1.0.0"}}`,
			`m.json:1:13 header $schema is "http://json-schema.org/draft-07/schema#" | lcm reads JSON Schema 2020-12: https://json-schema.org/draft/2020-12/schema`,
		},
		{"misspelt", head + `"propertis": {}}`, `m.json:1:49 invalid "propertis" is no keyword of JSON Schema 2020-12 | did you mean properties?`},
		{"misspelt mark", head + `"properties": {"a": {"x-secrt": true}}}`, `m.json:1:70 mark there is no keyword "x-secrt" | did you mean x-secret?`},
		{"mark", head + `"properties": {"a": {"x-secret": "API Key"}}}`, `m.json:1:82 mark x-secret is not understood | write "x-secret": "api-key", "x-rotation": "90d"`},
		{"rotation of what is no secret", head + `"properties": {"a": {"x-rotation": "90d"}}}`, `m.json:1:84 mark x-secret is not understood | write "x-secret": "api-key", "x-rotation": "90d"`},
		{"mark where nothing is declared", head + `"not": {"properties": {"a": {"x-secret": true}}}}`, `m.json:1:78 mark x-secret means nothing below not, which only asks | mark the field where it is declared`},
		{"merge", head + `"properties": {"a": {"x-merge": "key"}}}`, `m.json:1:81 mark x-merge does not say how | write "append", "prepend", "replace", "merge" or "key=name"`},
		{"type", head + `"type": "strng"}`, `m.json:1:57 invalid type is not a type, or a list of types | the types are null, boolean, number, string, array, object, integer`},
		{"count", head + `"properties": {"a": {"minLength": -1}}}`, `m.json:1:83 invalid minLength is not a number of things`},
		{"reference", head + `"properties": {"a": {"$ref": "#/$defs/B"}}, "$defs": {"A": {}}}`, `m.json:1:78 invalid there is no schema "#/$defs/B" | there is #/$defs/A`},
		{"reference elsewhere", head + `"properties": {"a": {"$ref": "https://example.com/a.json"}}}`, `m.json:1:78 invalid nothing outside of this file can be referred to, but for definitions of modules | copy the definition below $defs, or refer to one as lcm.local/schemas/MODULE#/$defs/NAME`},
		{"reference to a list", head + `"properties": {"a": {"$ref": "#/required"}}, "required": ["a"]}`, `m.json:1:78 invalid there is no schema "#/required"`},
		{"unsaid", head + `"unevaluatedProperties": false}`, `m.json:1:49 invalid unevaluatedProperties is not supported | write additionalProperties: false where the properties are`},
		{"pattern", head + `"properties": {"a": {"pattern": "(?=x)"}}}`, "m.json:1:81 invalid error parsing regexp: invalid or unsupported Perl syntax: `(?=` | regular expressions are those of RE2: they cannot look ahead, behind or back"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, found := Translate("m.json", []byte(c.schema), &rules)
			if len(found) == 0 {
				t.Fatal("it is taken")
			}
			f := found[0]
			got := f.Position.String() + " " + f.Code + " " + f.Message
			if f.Hint != "" {
				got += " | " + f.Hint
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// Whatever is taken is CUE, every byte of which comes from somewhere.
func FuzzTranslate(f *testing.F) {
	for _, s := range []string{
		`"properties": {"a": {"type": "string", "pattern": "^a", "default": "x"}}, "required": ["a"]}`,
		`"allOf": [{"$ref": "#/$defs/A"}, {"if": {"properties": {"k": {"const": 1}}}, "then": {"required": ["a"]}}], "$defs": {"A": {"$anchor": "b"}}}`,
		`"properties": {"a": {"items": {"$ref": "#"}, "contains": {"minimum": 1}, "prefixItems": [{}, false]}}}`,
		`"oneOf": [{"required": ["a"]}, {"not": {"enum": [1, "x", null, {"a": [1.5]}]}}], "dependentSchemas": {"a": {"propertyNames": {"maxLength": 3}}}}`,
	} {
		f.Add(head + s)
	}
	f.Fuzz(func(t *testing.T, schema string) {
		s, found := Translate("m.json", []byte(schema), &rules)
		for _, f := range found {
			if f.Message == "" || f.Code == "" || f.Position.File == "" {
				t.Fatalf("finding %+v", f)
			}
		}
		if len(found) > 0 {
			return
		}
		if _, err := parser.ParseFile("m.cue", s.CUE, parser.ParseComments); err != nil {
			t.Fatalf("%v\n%s\n%s", err, schema, s.CUE)
		}
		for i := range s.CUE {
			if p := s.Position(i); p.Line < 1 || p.Line > strings.Count(schema, "\n")+1 {
				t.Fatalf("byte %d is at %s", i, p)
			}
		}
	})
}
