package yamldoc

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
)

func TestParseScalars(t *testing.T) {
	for _, c := range []struct {
		text, value string
		kind        tree.Kind
	}{
		{"no", "no", tree.String},
		{"on", "on", tree.String},
		{"Yes", "Yes", tree.String},
		{"2025-11-21", "2025-11-21", tree.String},
		{"1_000", "1_000", tree.String},
		{"0b1", "0b1", tree.String},
		{"12:30:45", "12:30:45", tree.String},
		{"0o17", "0o17", tree.Int},
		{"017", "017", tree.Int},
		{"0x1F", "0x1F", tree.Int},
		{"123456789012345678901234567890", "123456789012345678901234567890", tree.Int},
		{"0.70", "0.70", tree.Float},
		{"1e3", "1e3", tree.Float},
		{".inf", ".inf", tree.Float},
		{"True", "true", tree.Bool},
		{"~", "null", tree.Null},
		{"", "null", tree.Null},
		{`"5"`, "5", tree.String},
		{"'true'", "true", tree.String},
		{"|\n  5", "5", tree.String},
		{"! 5", "5", tree.String},
		{"!!str 5", "5", tree.String},
		{"!!int \"5\"", "5", tree.Int},
		{"!!float 5", "5", tree.Float},
		{"!!bool \"true\"", "true", tree.Bool},
		{"!!null ''", "null", tree.Null},
		{"!<tag:yaml.org,2002:str> 5", "5", tree.String},
		{"1\n  2", "1 2", tree.String},
		{"\"a\\tb\"", "a\tb", tree.String},
		{"<<", "<<", tree.String},
	} {
		d := mustParse(t, "v: "+c.text)
		n := d.Root().Field("v")
		if n.Kind != c.kind || n.Text() != c.value {
			t.Errorf("%q is %s %q", c.text, n.Kind, n.Text())
		}
	}
}

func TestParseDirectives(t *testing.T) {
	d := mustParse(t, `a: !override 5
b: !append [1]
c: !prepend
  - x
d: !merge
  e: !delete
f: !override "5"
g: &x !override 7
`)
	for path, want := range map[string]string{
		"a": "!override integer", "b": "!append list", "c": "!prepend list", "d": "!merge map", "d.e": "!delete null", "f": "!override string",
		"g": "!override integer",
	} {
		n := d.Root().Get(mustPath(t, path))
		if got := n.Directive.String() + " " + n.Kind.String(); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
}

func TestParseMerge(t *testing.T) {
	d := mustParse(t, `a: &a {x: 1, y: 2}
b: &b
  y: 3
  <<: *a
  z: 4
c:
  <<: [{y: 9}, *b]
  x: 5
d: *b
`)
	for path, want := range map[string]string{"b.x": "1", "b.y": "3", "c.y": "9", "c.x": "5", "c.z": "4", "d.z": "4"} {
		if n := d.Root().Get(mustPath(t, path)); n == nil || n.Text() != want {
			t.Errorf("%s is %v, want %s", path, n, want)
		}
	}
	var places []string
	for _, a := range d.Aliases() {
		places = append(places, fmt.Sprintf("%s@%d", a.Path, a.Pos.Line))
	}
	if got := strings.Join(places, " "); got != "b@4 c@7 c@7 d@9" {
		t.Errorf("aliases are at %s", got)
	}
}

func TestParsePositions(t *testing.T) {
	for _, c := range []struct{ src, path, key, value string }{
		{"a: 1\nb:   x\n", "b", "2:1", "2:6"},
		{"é: {ü: ö}\n", "é.ü", "1:5", "1:8"},
		{"\uFEFFa: b\n", "a", "1:1", "1:4"},
		{"a: !override   x\n", "a", "1:1", "1:16"},
		{"a: &n !append\n  - x\n", "a", "1:1", "2:3"},
		{"a: &n\n  # c\n  b: 1\n", "a", "1:1", "3:3"},
		{"a: 1\rb: 2\u2028c: 3\u0085d: x", "d", "4:1", "4:4"},
		{"a: !!str é # é\nb: !!str x\n", "b", "2:1", "2:10"},
		{"&k a: 1\n", "a", "1:4", "1:7"},
		{"!!str a: 1\nb: 2\n", "b", "2:1", "2:4"},
		{"a: &x 1\nb: *x\n", "b", "2:1", "2:4"},
		{"a:\r\n  - b: |\r\n      x\r\n", "a[0].b", "2:5", "2:8"},
	} {
		d := mustParse(t, c.src)
		p := mustPath(t, c.path)
		at := func(pos diag.Position) string { return fmt.Sprintf("%d:%d", pos.Line, pos.Column) }
		key, _ := p[len(p)-1].AsKey()
		for _, f := range d.Root().Get(p[:len(p)-1]).Fields() {
			if f.Key == key && at(f.Pos) != c.key {
				t.Errorf("%q: key %s is at %s, want %s", c.src, key, at(f.Pos), c.key)
			}
		}
		if got := at(d.Root().Get(p).Pos); got != c.value {
			t.Errorf("%q: value %s is at %s, want %s", c.src, c.path, got, c.value)
		}
	}
}

func bombSource() string {
	var b strings.Builder
	b.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 9; i++ {
		fmt.Fprintf(&b, "a%d: &a%d [%s*a%d]\n", i, i, strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 9), i-1)
	}
	return b.String()
}

// mergeBomb multiplies by merging: each map repeats the one before ten times in one field.
func mergeBomb() string {
	var b strings.Builder
	b.WriteString("a0: &a0 {f: [x, x, x, x, x, x, x, x, x, x]}\n")
	for i := 1; i < 9; i++ {
		fmt.Fprintf(&b, "a%d: &a%d {f: [%s{<<: *a%d}]}\n", i, i, strings.Repeat(fmt.Sprintf("{<<: *a%d}, ", i-1), 9), i-1)
	}
	return b.String()
}

func TestParseErrors(t *testing.T) {
	for _, c := range []struct{ name, src, want string }{
		{"duplicate keys, all of them", "a: 1\na: 2\nb: {c: 1, c: 2}\n", "2:1 yaml-duplicate-key, 3:11 yaml-duplicate-key"},
		{"keys", "1: a\ntrue: b\n~: c\n\"2\": d\n? [x]\n: e\n1.5: f\n", "1:1 yaml-key-type, 2:1 yaml-key-type, 3:1 yaml-key-type, 5:3 yaml-key-type, 7:1 yaml-key-type"},
		{"tags", "a: !foo 1\nb: !!binary aGk=\nc: !!set {x: }\nd: !!int x\n", "1:9 yaml-tag, 2:13 yaml-tag, 3:10 yaml-tag, 4:10 yaml-tag"},
		{"list", "- a\n", "1:1 yaml-not-a-map"},
		{"scalar", "just text\n", "1:1 yaml-not-a-map"},
		{"two documents", "a: 1\n---\nb: 2\n", "2:1 yaml-multi-document"},
		{"nul", "a: \x00\n", "1:4 yaml-nul"},
		{"utf8", "é: \xff\n", "1:4 yaml-utf8"},
		{"utf16", "\xff\xfea\x00:\x00", "1:1 yaml-utf8, 1:2 yaml-utf8, 1:4 yaml-nul, 1:6 yaml-nul"},
		{"control", "a: \x07\n", "1:4 yaml-control"},
		{"tab", "a:\n\tb: 1\n", "2:1 yaml-tab"},
		{"tab behind dash", "a:\n  -\tb\n", "2:4 yaml-tab"},
		{"cycle", "a: &a\n  b: *a\n", "2:6 yaml-alias-cycle"},
		{"bomb", bombSource(), "6:10 yaml-alias-bomb"},
		{"merge bomb", mergeBomb(), "yaml-alias-bomb"},
		{"unknown anchor", "a: 1\nb: *x\n", "2:4 yaml-unknown-anchor"},
		{"deep", "a: " + strings.Repeat("[", 150) + strings.Repeat("]", 150), "1:103 yaml-depth"},
		{"deep by alias", "a: &a " + strings.Repeat("[", 60) + strings.Repeat("]", 60) + "\nb: " + strings.Repeat("[", 60) + "*a" + strings.Repeat("]", 60), "2:64 yaml-depth"},
		{"colon", "a: 1\nb: x: y\nc: 1\n", "2:5 yaml-syntax"},
		{"conflict", "a: 1\n<<<<<<< ours\nb: 1\n=======\nb: 2\n>>>>>>> theirs\n", "2:1 yaml-conflict"},
		{"conflict that parses", "a: 1\n<<<<<<< ours: b\nb: 1\n>>>>>>> theirs: b\nb: 2\n", "2:1 yaml-conflict"},
		{"rest of a conflict", "a: 1\n=======\r\nb: 2\n", "2:1 yaml-conflict"},
		{"no mark", "a: 1\n======= b\nc: 2\n", "yaml-syntax"},
		{"indentation", "a:\n  b: 1\n c: 2\n", "3:2 yaml-syntax"},
		{"quote goes on", "a: 1\nb: \"x\" y\n", "2:8 yaml-syntax"},
		{"open bracket", "a: 1\nb: [x\nc: 2\n", "yaml-syntax"},
		{"open quote", "a: 1\nb: \"x\nc: 2\n", "yaml-syntax"},
		{"at", "a: @x\n", "1:4 yaml-syntax"},
		{"merge of a scalar", "a: &a 1\nb:\n  <<: *a\n", "3:7 yaml-merge"},
		{"merge twice", "a: &a {x: 1}\nb:\n  <<: *a\n  <<: *a\n", "4:3 yaml-duplicate-key"},
		{"size", strings.Repeat("#", MaxSize+1), "0:0 yaml-size"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("t.yaml", []byte(c.src))
			list, ok := errors.AsType[diag.List](err)
			if !ok {
				t.Fatalf("error is %v", err)
			}
			var got []string
			for _, f := range list {
				got = append(got, fmt.Sprintf("%d:%d %s", f.Position.Line, f.Position.Column, f.Code))
				if f.Hint == "" || f.Position.File != "t.yaml" {
					t.Errorf("no hint or file: %+v", f)
				}
			}
			if s := strings.Join(got, ", "); s != c.want && !(strings.HasSuffix(s, " "+c.want) && !strings.Contains(c.want, ":")) {
				t.Errorf("got %s, want %s\n%v", s, c.want, err)
			}
		})
	}
}

func TestParseEmpty(t *testing.T) {
	for _, src := range []string{"", "\n\n", "# only\n", "---\n", "~\n", "null", "{}", "\uFEFF", "--- # x\n...\n"} {
		d := mustParse(t, src)
		if d.Root().Kind != tree.Map || d.Root().Len() != 0 {
			t.Errorf("%q is %v", src, d.Root())
		}
	}
}

func TestApplyRefusals(t *testing.T) {
	src := `base: &b {x: 1, y: [1]}
copy: *b
merged:
  <<: *b
  y: 2
  own: 3
text: hello
list: [1, 2]
gone: !delete
unused: &u 5
`
	d := mustParse(t, src)
	for _, c := range []struct{ path, value, want string }{
		{"copy", "5", "2:7 edit-alias"},
		{"copy.x", "5", "2:7 edit-alias"},
		{"copy.new", "5", "2:7 edit-alias"},
		{"base.x", "5", "1:10 edit-alias"},
		{"base", "-", "1:10 edit-alias"},
		{"merged.x", "5", "4:3 edit-alias"},
		{"merged.x", "-", "4:3 edit-alias"},
		{"merged.y", "-", "5:3 edit-alias"},
		{"text.x", "5", "7:7 edit-path"},
		{"text[0]", "5", "7:7 edit-path"},
		{"list[5]", "5", "8:7 edit-path"},
		{"list.x", "5", "8:7 edit-path"},
		{"gone.x", "5", "9:7 edit-path"},
		{"missing", "-", "1:1 edit-missing"},
		{"list[2]", "-", "8:7 edit-missing"},
		{"list[a=b]", "1", "1:1 edit-missing"},
		{"merged.own", "4", ""},
		{"merged.y", "4", ""},
		{"unused", "6", ""},
		{"copy", "-", ""},
		{"merged", "-", ""},
		{"unused", "-", ""},
		{"merged.new", "4", ""},
	} {
		_, err := d.Apply(Edit{mustPath(t, c.path), val(t, c.value)})
		got := ""
		if list, ok := errors.AsType[diag.List](err); ok {
			got = fmt.Sprintf("%d:%d %s", list[0].Position.Line, list[0].Position.Column, list[0].Code)
			if list[0].Hint == "" {
				t.Errorf("%s: no hint", c.path)
			}
		}
		if got != c.want {
			t.Errorf("%s = %s: got %q, want %q (%v)", c.path, c.value, got, c.want, err)
		}
	}
	if string(d.Source()) != src {
		t.Error("the document changed")
	}
}

// An error must not repeat what may be a secret.
func TestErrorsHideValues(t *testing.T) {
	for _, src := range []string{"a: !!int hunter2\n", "a: !x hunter2\n"} {
		_, err := Parse("t.yaml", []byte(src))
		if err == nil || strings.Contains(fmt.Sprintf("%+v", err), "hunter2") {
			t.Errorf("%v", err)
		}
	}
}

func TestNew(t *testing.T) {
	secret := tree.NewString("s3cret")
	secret.Secret = true
	del := tree.NewNull()
	del.Directive = tree.Delete
	routes := tree.NewList(tree.NewMap(tree.Field{Key: "name", Value: tree.NewString("primary")}, tree.Field{Key: "weight", Value: tree.Scalar(tree.Int, "80")}), tree.NewList(tree.NewString("a"), tree.NewString("b")))
	routes.Directive = tree.Append
	d, err := New("n.yaml", tree.NewMap(
		tree.Field{Key: "model", Value: tree.NewString("llama")}, tree.Field{Key: "flag", Value: tree.NewString("no")},
		tree.Field{Key: "price", Value: tree.Scalar(tree.Float, "0.70")}, tree.Field{Key: "text", Value: tree.NewString("a\nb\n")},
		tree.Field{Key: "routes", Value: routes}, tree.Field{Key: "key", Value: secret}, tree.Field{Key: "gone", Value: del},
		tree.Field{Key: "gpt-4.1", Value: tree.NewMap()}, tree.Field{Key: "on", Value: tree.NewList()},
	))
	if err != nil {
		t.Fatal(err)
	}
	const want = `model: llama
flag: "no"
price: 0.70
text: |
  a
  b
routes: !append
  - name: primary
    weight: 80
  - - a
    - b
key: s3cret
gone: !delete
gpt-4.1: {}
"on": []
`
	if got := string(d.Source()); got != want {
		t.Errorf("got:\n%s", got)
	}
	for _, bad := range []*tree.Node{nil, tree.NewString("x"), tree.NewMap(tree.Field{Key: "a", Value: tree.NewString("\xff")}), tree.NewMap(tree.Field{Key: "a"}), tree.NewMap(tree.Field{Key: "a", Value: tree.Scalar(tree.Int, "x")})} {
		if _, err := New("n.yaml", bad); err == nil {
			t.Errorf("%v was written", bad)
		}
	}
}
