package change

import (
	"errors"
	"strings"
	"testing"

	"github.com/llm-devops/lcm/pkg/schema"
	"github.com/llm-devops/lcm/pkg/tree"
)

func TestParseValue(t *testing.T) {
	of := func(kinds ...tree.Kind) *schema.Field { return &schema.Field{Kinds: kinds} }
	secret := func(kinds ...tree.Kind) *schema.Field { return &schema.Field{Kinds: kinds, Secret: true} }
	for _, tt := range []struct {
		text  string
		field *schema.Field
		want  string // kind and text, or kind and JSON of a list or a map; "error: …"
	}{
		// Without a schema, YAML's rules decide.
		{"true", nil, "boolean true"},
		{"no", nil, "string no"},
		{"2025-11-21", nil, "string 2025-11-21"},
		{"0.70", nil, "number 0.70"},
		{"12345678901234567890", nil, "integer 12345678901234567890"},
		{"null", nil, "null null"},
		{"", nil, "string "},
		{"0o17", nil, "string 0o17"},
		{".5", nil, "string .5"},
		{".inf", nil, "string .inf"},
		{"[a, 1]", nil, `list ["a",1]`},
		{`{"a": [true], b: c}`, nil, `map {"a":[true],"b":"c"}`},
		{"[a", nil, "string [a"},
		{"[a] b", nil, "string [a] b"},
		{"{a: 1}\nb: 2", nil, "string {a: 1}\nb: 2"},
		{"a: b", nil, "string a: b"},
		{"two\nlines", nil, "string two\nlines"},
		{" x ", nil, "string  x "},
		// With one, the field's type does.
		{"true", of(tree.String), "string true"},
		{"1", of(tree.String), "string 1"},
		{"[a]", of(tree.String), "string [a]"},
		{"", of(tree.String), "string "},
		{"null", of(tree.String), "string null"},
		{"null", of(tree.String, tree.Null), "null null"},
		{"", of(tree.String, tree.Null), "string "},
		{"1", of(tree.String, tree.Int), "integer 1"},
		{"0.70", of(tree.Float), "number 0.70"},
		{"1", of(tree.Float), "integer 1"},
		{"[a]", of(tree.List), `list ["a"]`},
		{"[a]", of(tree.Map), "error: k takes a map, and \"[a]\" is none"},
		{"1.5", of(tree.Int), `error: k takes an integer, and "1.5" is none`},
		{"yes", of(tree.Bool), `error: k takes a boolean, and "yes" is none`},
		{"x", of(tree.Int, tree.Float, tree.Null), `error: k takes a number or null, and "x" is none`},
		{"", of(tree.Int), `error: k takes an integer, and the value given is none`},
		{"anything", &schema.Field{}, "string anything"},
		// Secrets are text, whatever they look like, and are not told.
		{"123", secret(tree.String), "string 123"},
		{"[x]", secret(tree.String, tree.List), "string [x]"},
		{"hunter2", secret(tree.Int), "error: k takes an integer, and the value given is none"},
		{"hunter2", secret(tree.Map), "error: k takes a map, and the value given is none"},
		{strings.Repeat("x", 81), of(tree.Int), "error: k takes an integer, and the value given is none"},
		// What can be no value at all.
		{"a\x00b", nil, "error: k: the value has a NUL character in it"},
		{"a\xffb", of(tree.String), "error: k: the value is not UTF-8 text"},
		{strings.Repeat("x", MaxValue+1), nil, "error: k: the value is larger than 1048576 bytes, which is the most"},
	} {
		n, err := ParseValue(tree.Keys("k"), tt.text, tt.field)
		got := ""
		switch {
		case err != nil:
			got = "error: " + err.Error()
		case n.Kind.IsScalar():
			got = n.Kind.String() + " " + n.Text()
		default:
			b, err := n.AppendJSON(nil, tree.Masked)
			if err != nil {
				t.Fatal(err)
			}
			got = n.Kind.String() + " " + string(b)
		}
		if got != tt.want {
			t.Errorf("%.40q for %+v: %s, want %s", tt.text, tt.field, got, tt.want)
		}
	}
	if _, err := ParseValue(tree.Keys("k"), "x", of(tree.Int)); !isTypeError(err) {
		t.Errorf("%v is no TypeError", err)
	}
}

func isTypeError(err error) bool {
	_, ok := errors.AsType[*TypeError](err)
	return ok
}

func FuzzParseValue(f *testing.F) {
	for _, s := range []string{"true", "0.70", "[a, {b: 1}]", "{a: &x 1, b: *x}", "[!append a]", "x: y", "|\n a", "[a] # c", "{<<: {a: 1}}", "?", "[\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, field := range []*schema.Field{nil, {Kinds: []tree.Kind{tree.List, tree.Map}}, {Kinds: []tree.Kind{tree.Float}}} {
			n, err := ParseValue(tree.Keys("k"), text, field)
			if err == nil && n.Kind.IsScalar() && n.Kind == tree.String && n.Text() != text {
				t.Errorf("the text %q became %q", text, n.Text())
			}
		}
		n, err := ParseValue(tree.Keys("k"), text, &schema.Field{Kinds: []tree.Kind{tree.String}})
		if err == nil && (n.Kind != tree.String || n.Text() != text) {
			t.Errorf("a string field got %s from %q", n.Kind, text)
		}
	})
}
