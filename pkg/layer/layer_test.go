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
		// Once more the same layer changes nothing, unless it says to add.
		if !strings.Contains(a+b+c, "!") && !strings.Contains(a+b+c, "pended") {
			again, _ := layer.Merge(append(layers[:3:3], layers[2]), rules)
			if !tree.Equal(first, again) {
				t.Error("the same layer twice is something else than once")
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

// TestStrictnessWithTemplates: a file and the templates it extends count as one layer, and what they hide of others' is told.
func TestStrictnessWithTemplates(t *testing.T) {
	for _, tt := range []struct {
		name, below, template, second, own, want string
	}{
		{"over one's own template", "x: 1\n", "a: 1\nb: {c: 1}\n", "a: 2\n", "a: 3\nb: {c: 2}\n", ""},
		{"over what is inherited", "a: 1\n", "b: 1\n", "b: 2\n", "a: 2\n", "strict-override@a"},
		{"a template over what is inherited", "a: 1\n", "a: 2\n", "b: 1\n", "b: 2\n", "strict-override@a"},
		{"over a template over what is inherited", "a: 1\n", "a: !override 2\n", "b: 1\n", "a: 3\n", ""},
	} {
		s := stack(t, tt.below, tt.template, tt.second, tt.own)
		for i := range s[1:] {
			s[i+1].Strict = true
		}
		s[1].Of, s[2].Of = s[3].File, s[3].File
		if _, findings := layer.Merge(s, nil); codes(findings) != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, codes(findings), tt.want)
		}
		// Of another file, the same templates are somebody else's.
		s[1].Of, s[2].Of = "other.yaml", "other.yaml"
		if _, findings := layer.Merge(s, nil); tt.own != "b: 2\n" && codes(findings) == "" {
			t.Errorf("%s: another file's templates are shadowed, and nobody tells", tt.name)
		}
	}
}
