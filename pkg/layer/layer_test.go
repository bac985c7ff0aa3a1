package layer_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/layer"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// stack parses YAML texts into layers, lowest first.
func stack(t testing.TB, texts ...string) []layer.Layer {
	t.Helper()
	var out []layer.Layer
	for i, text := range texts {
		name := fmt.Sprintf("l%d.yaml", i)
		doc, err := yamldoc.Parse(name, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, layer.Layer{Name: name, File: name, Root: doc.Root()})
	}
	return out
}

func text(t testing.TB, n *tree.Node) string {
	t.Helper()
	data, err := n.AppendJSON(nil, tree.Masked)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func codes(l diag.List) string {
	var out []string
	for _, f := range l {
		out = append(out, f.Code+"@"+f.Key)
	}
	return strings.Join(out, " ")
}

func rules(p tree.Path) layer.Rule {
	switch p.String() {
	case "appended":
		return layer.Rule{Strategy: tree.Append}
	case "keyed":
		return layer.Rule{Key: "name"}
	case "whole":
		return layer.Rule{Strategy: tree.Override}
	}
	return layer.Rule{}
}

func TestMerge(t *testing.T) {
	for _, tt := range []struct {
		name, under, over, want, findings string
	}{
		{"scalars replace", "a: 1", "a: 2", `{"a":2}`, ""},
		{"maps merge deeply", "m: {a: 1, b: {c: 2}}", "m: {b: {d: 3}}", `{"m":{"a":1,"b":{"c":2,"d":3}}}`, ""},
		{"lists replace", "l: [1, 2]", "l: [3]", `{"l":[3]}`, ""},
		{"null is a value", "a: 1", "a: null", `{"a":null}`, ""},
		{"a map over null", "a: null", "a: {b: 1}", `{"a":{"b":1}}`, ""},
		{"another scalar kind", "a: 1", "a: x", `{"a":"x"}`, ""},
		{"!append", "l: [1, 2]", "l: !append [3]", `{"l":[1,2,3]}`, ""},
		{"!prepend", "l: [1, 2]", "l: !prepend [3]", `{"l":[3,1,2]}`, ""},
		{"!merge by position", "l: [{a: 1}, 2]", "l: !merge [{b: 2}]", `{"l":[{"a":1,"b":2},2]}`, ""},
		{"!override of a map", "m: {a: 1}", "m: !override {b: 2}", `{"m":{"b":2}}`, ""},
		{"!override changes the kind", "m: {a: 1}", "m: !override [1]", `{"m":[1]}`, ""},
		{"!delete", "a: 1\nb: 2", "a: !delete", `{"b":2}`, ""},
		{"!delete inside", "m: {a: 1, b: 2}", "m: {a: !delete }", `{"m":{"b":2}}`, ""},
		{"!delete of nothing", "b: 2", "a: !delete", `{"b":2}`, "delete-nothing@a"},
		{"directives of what is new vanish", "{}", "m: !override {a: !append [1], b: !delete }", `{"m":{"a":[1]}}`, ""},
		{"the schema appends", "appended: [1]", "appended: [2]", `{"appended":[1,2]}`, ""},
		{"a directive beats the schema", "appended: [1]", "appended: !override [2]", `{"appended":[2]}`, ""},
		{"the schema replaces a map", "whole: {a: 1}", "whole: {b: 2}", `{"whole":{"b":2}}`, ""},
		{
			"keyed lists merge by key", "keyed: [{name: a, w: 1}, {name: b, w: 2}]", "keyed: [{name: c, w: 9}, {name: b, w: 3}]",
			`{"keyed":[{"name":"a","w":1},{"name":"b","w":3},{"name":"c","w":9}]}`, "",
		},
		{"a keyed item can go", "keyed: [{name: a}, {name: b}]", "keyed: [!delete {name: a}]", `{"keyed":[{"name":"b"}]}`, ""},
		{"a keyed item without a key", "keyed: [{name: a}]", "keyed: [{w: 1}]", `{"keyed":[{"name":"a"}]}`, "merge-key@keyed"},
		{"a key twice", "keyed: [{name: a}]", "keyed: [{name: b}, {name: b}]", `{"keyed":[{"name":"a"},{"name":"b"}]}`, "merge-key@keyed"},
		{"a map over a list", "x: [1]", "x: {a: 1}", `{"x":{"a":1}}`, "merge-conflict@x"},
		{"a scalar over a map", "m: {x: {a: 1}}", "m: {x: 1}", `{"m":{"x":1}}`, "merge-conflict@m.x"},
		{"!append to a map", "m: {a: 1}", "m: !append [1]", `{"m":[1]}`, "merge-conflict@m"},
		{"!append on a map", "m: {a: 1}", "m: !append {b: 1}", `{"m":{"a":1,"b":1}}`, "merge-directive@m"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			layers := stack(t, tt.under, tt.over)
			root, findings := layer.Merge(layers, rules)
			if got := text(t, root); got != tt.want {
				t.Errorf("merged to %s, want %s", got, tt.want)
			}
			if got := codes(findings); got != tt.findings {
				t.Errorf("findings %q, want %q", got, tt.findings)
			}
			root.Walk(func(p tree.Path, n *tree.Node) bool {
				if n.Directive != tree.None {
					t.Errorf("%s still has %s", p, n.Directive)
				}
				return true
			})
		})
	}
}

func TestOriginsAndWhatIsShadowed(t *testing.T) {
	root, _ := layer.Merge(stack(t, "a: 1\nm: {x: 1}", "# above\na: 2", "\n\na: 3\nm: {y: 2}"), nil)
	a := root.Field("a")
	if got := a.Pos.String(); got != "l2.yaml:3:4" {
		t.Errorf("a is from %s", got)
	}
	var shadowed []string
	for _, s := range a.Shadowed {
		shadowed = append(shadowed, s.Text()+"@"+s.Pos.String())
	}
	if got := strings.Join(shadowed, " "); got != "2@l1.yaml:2:4 1@l0.yaml:1:4" {
		t.Errorf("a shadows %s", got)
	}
	if got := root.Get(tree.Keys("m", "x")).Pos.File; got != "l0.yaml" {
		t.Errorf("m.x is from %s", got)
	}
}

func TestStrict(t *testing.T) {
	layers := stack(t, "a: 1\nb: [1]\nd: 1", "a: 2\nb: [2]\nc: 3\nd: !override 2")
	layers[1].Strict = true
	_, findings := layer.Merge(layers, nil)
	if got := codes(findings); got != "strict-override@a" {
		t.Errorf("findings %q", got)
	}
	keyed := stack(t, "keyed: [{name: a, w: 1}]", "keyed: [{name: a, w: 2}]")
	keyed[1].Strict = true
	if _, findings = layer.Merge(keyed, rules); codes(findings) != "strict-override@keyed[0].w" {
		t.Errorf("findings %q", codes(findings))
	}
	layers[0].Defaults = true
	if _, findings = layer.Merge(layers, nil); len(findings) > 0 {
		t.Errorf("shadowing a default of the schema: %v", findings)
	}
}

// FuzzMerge checks what holds for every stack: nothing panics, the inputs stay as they were, an empty layer changes nothing,
// and merging the same layer twice is the same as once where no list is joined.
func FuzzMerge(f *testing.F) {
	f.Add("a: 1\nm: {b: [1, {c: 2}]}", "m: {b: !append [3]}", "a: !delete\nm: !override {x: 1}")
	f.Add("keyed: [{name: a, w: 1}]", "keyed: [{name: a, w: 2}, {name: b}]", "keyed: !prepend [{name: c}]")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		var layers []layer.Layer
		for _, src := range []string{a, b, c} {
			doc, err := yamldoc.Parse("x.yaml", []byte(src))
			if err != nil {
				return
			}
			layers = append(layers, layer.Layer{Root: doc.Root()})
		}
		before := make([]string, len(layers))
		for i, l := range layers {
			before[i], _ = dump(l.Root)
		}
		first, _ := layer.Merge(layers, rules)
		second, _ := layer.Merge(append(layers[:3:3], layer.Layer{Root: tree.NewMap()}), rules)
		if !tree.Equal(first, second) {
			t.Error("an empty layer changes the result")
		}
		for i, l := range layers {
			if after, _ := dump(l.Root); after != before[i] {
				t.Errorf("merging changed layer %d", i)
			}
		}
		// Associativity from the top: merging the lower two first gives the same, as long as no tombstone or directive of
		// the middle layer is consumed too early, which is so when it has none.
		if !strings.Contains(b+c, "!") {
			low, findings := layer.Merge(layers[:2], rules)
			if len(findings) == 0 {
				again, _ := layer.Merge([]layer.Layer{{Root: low}, layers[2]}, rules)
				if !tree.Equal(first, again) {
					t.Error("merging is not associative")
				}
			}
		}
	})
}

func dump(n *tree.Node) (string, int) {
	var b strings.Builder
	count := 0
	n.Walk(func(p tree.Path, n *tree.Node) bool {
		fmt.Fprintf(&b, "%s %s %s %s %d\n", p, n.Kind, n.Directive, n.Reveal(), len(n.Shadowed))
		count++
		return true
	})
	return b.String(), count
}

func BenchmarkMerge(b *testing.B) {
	var texts []string
	for l := range 4 {
		var s strings.Builder
		for i := range 40 {
			fmt.Fprintf(&s, "key%d: {value: %d, list: [1, 2, 3]}\n", i, l)
		}
		texts = append(texts, s.String())
	}
	layers := stack(b, texts...)
	for b.Loop() {
		layer.Merge(layers, nil)
	}
}
