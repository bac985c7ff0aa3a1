package yamldoc

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/llm-devops/lcm/pkg/tree"
)

func mustPath(t testing.TB, s string) tree.Path {
	t.Helper()
	p, err := tree.ParsePath(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func mustParse(t testing.TB, src string) *Doc {
	t.Helper()
	d, err := Parse("t.yaml", []byte(src))
	if err != nil {
		t.Fatalf("parse: %v\n%s", err, src)
	}
	return d
}

// val reads a value from its YAML text; a lone "-" is the removal.
func val(t testing.TB, text string) *tree.Node {
	t.Helper()
	if text == "-" {
		return nil
	}
	return mustParse(t, "v: "+text+"\n").Root().Field("v")
}

func TestApply(t *testing.T) {
	type edit struct{ path, value string }
	for _, c := range []struct {
		name, src string
		edits     []edit
		want      string
	}{
		{"plain", "a: 1 # one\nb: 2\n", []edit{{"a", "5"}}, "a: 5 # one\nb: 2\n"},
		{"aligned", "a:   1   # one\n", []edit{{"a", "yes"}}, "a:   \"yes\"   # one\n"},
		{"number text", "a: 0.70\n", []edit{{"a", "0.80"}}, "a: 0.80\n"},
		{"string like float", "a: x\n", []edit{{"a", `"0.70"`}}, "a: \"0.70\"\n"},
		{"keep double", "a: \"x\"\n", []edit{{"a", "y"}}, "a: \"y\"\n"},
		{"keep single", "a: 'x'\n", []edit{{"a", "it's"}}, "a: 'it''s'\n"},
		{"single to number", "a: 'x'\n", []edit{{"a", "3"}}, "a: 3\n"},
		{"empty value", "a:\nb: 1\n", []edit{{"a", "3"}}, "a: 3\nb: 1\n"},
		{"empty value comment", "a: # c\nb: 1\n", []edit{{"a", "3"}}, "a: 3 # c\nb: 1\n"},
		{"no final newline", "a: 1", []edit{{"a", "3"}, {"b", "4"}}, "a: 3\nb: 4"},
		{"crlf", "a: 1\r\nb: 2\r\n", []edit{{"c", `"x\ny\n"`}}, "a: 1\r\nb: 2\r\nc: |\r\n  x\r\n  y\r\n"},
		{"bom", "\uFEFFa: 1\n", []edit{{"a", "2"}}, "\uFEFFa: 2\n"},
		{"new key", "a:\n    b: 1\n\nc: 2\n", []edit{{"a.d", "x"}}, "a:\n    b: 1\n    d: x\n\nc: 2\n"},
		{"new parents", "a: 1\n", []edit{{"b.c.d", "x"}, {"b.c.e", "z"}}, "a: 1\nb:\n  c:\n    d: x\n    e: z\n"},
		{"null parent", "a:\nb: ~\n", []edit{{"a.x", "1"}, {"b.x", "1"}}, "a:\n  x: 1\nb:\n  x: 1\n"},
		{"before sops", "a: 1\n\n# enc\nsops:\n  mac: x\n", []edit{{"b", "2"}}, "a: 1\nb: 2\n\n# enc\nsops:\n  mac: x\n"},
		{"only sops", "sops:\n  mac: x\n", []edit{{"b", "2"}}, "b: 2\nsops:\n  mac: x\n"},
		{"before section comment", "a:\n  b: 1\n# next\nc: 1\n", []edit{{"a.d", "1"}}, "a:\n  b: 1\n  d: 1\n# next\nc: 1\n"},
		{"after nested comment", "a:\n  - b\n  # - c\n", []edit{{"d", "1"}}, "a:\n  - b\n  # - c\nd: 1\n"},
		{"list append", "a:\n  - 1\n  - 2\n", []edit{{"a[2]", "3"}}, "a:\n  - 1\n  - 2\n  - 3\n"},
		{"list append unindented", "a:\n- 1\n# next\nb: 1\n", []edit{{"a[1]", "3"}}, "a:\n- 1\n- 3\n# next\nb: 1\n"},
		{"list map item", "a:\n  - id: x\n    w: 1\n", []edit{{"a[id=x].w", "2"}, {"a[1]", "{id: z, w: 3}"}}, "a:\n  - id: x\n    w: 2\n  - id: z\n    w: 3\n"},
		{"list remove", "a:\n  - 1\n  - 2 # two\n  - 3\n", []edit{{"a[1]", "-"}}, "a:\n  - 1\n  - 3\n"},
		{"list remove of equals", "a:\n  - x # 1\n  - x # 2\n  - x # 3\n", []edit{{"a[1]", "-"}}, "a:\n  - x # 1\n  - x # 3\n"},
		{"list remove two", "a:\n  - 1\n  - 2 # two\n  - 3\n", []edit{{"a[0]", "-"}, {"a[0]", "-"}}, "a:\n  - 3\n"},
		{"list remove all", "a:\n  - 1\nb: 1\n", []edit{{"a[0]", "-"}}, "a: []\nb: 1\n"},
		{"new list", "a:\n- 1\nb: 1\n", []edit{{"c", "[x, z]"}}, "a:\n- 1\nb: 1\nc:\n- x\n- z\n"},
		{"flow set", "a: {x: 1, y: [1, 2]}\n", []edit{{"a.x", "2"}, {"a.y[2]", "3"}, {"a.z", "q"}}, "a: {x: 2, y: [1, 2, 3], z: q}\n"},
		{"flow remove", "a: {x: 1, y: 2, z: 3}\n", []edit{{"a.y", "-"}}, "a: {x: 1, z: 3}\n"},
		{"flow remove last", "a: {x: 1, y: 2}\n", []edit{{"a.y", "-"}}, "a: {x: 1}\n"},
		{"flow remove only", "a: {x: 1}\n", []edit{{"a.x", "-"}}, "a: {}\n"},
		{"flow lines", "a: [\n  x, # 1\n  y # 2\n]\n", []edit{{"a[2]", "z"}}, "a: [\n  x, # 1\n  y, # 2\n  z\n]\n"},
		{"flow lines remove", "a: [\n  x, # 1\n  y # 2\n]\n", []edit{{"a[1]", "-"}}, "a: [\n  x # 1\n]\n"},
		{"json", `{"a": {"b": 1}}` + "\n", []edit{{"a.c", "x"}}, `{"a": {"b": 1, "c": "x"}}` + "\n"},
		{"remove", "a: 1\n# about b\nb: 2 # two\n\nc: 3\n", []edit{{"b", "-"}}, "a: 1\n\nc: 3\n"},
		{"remove escapes", "a: {b: \"x \\\" } y\", c: 1}\n", []edit{{"a.b", "-"}}, "a: {c: 1}\n"},
		{"remove leaves others' comments", "l:\n  - x\n  # - y\nb: 1\n", []edit{{"b", "-"}}, "l:\n  - x\n  # - y\n"},
		{"remove takes comments inside", "a:\n  b: 1\n  # c: 2\nd: 1\n", []edit{{"a", "-"}}, "d: 1\n"},
		{"modeline stays", "# yaml-language-server: $schema=x\na: 1\nb: 2\n", []edit{{"a", "-"}}, "# yaml-language-server: $schema=x\nb: 2\n"},
		{"set a list", "a:\n  - x # 1\n  - z # 2\n  - w\n", []edit{{"a", "[x, new, z, w]"}}, "a:\n  - x # 1\n  - new\n  - z # 2\n  - w\n"},
		{"set a list, first", "a:\n  - x # 1\n", []edit{{"a", "[new, x]"}}, "a:\n  - new\n  - x # 1\n"},
		{"set a map", "a:\n  b: 1 # b\n  c: 2 # c\n", []edit{{"a", "{c: 3, d: 4, b: 1}"}}, "a:\n  b: 1 # b\n  c: 3 # c\n  d: 4\n"},
		{"unset and set", "a: !override 1 # a\nb: 2\n", []edit{{"a", "-"}, {"a", "3"}}, "a: 3 # a\nb: 2\n"},
		{"remove first", "a: 1\nb: 2\n", []edit{{"a", "-"}}, "b: 2\n"},
		{"remove last", "a: 1\nb: 2", []edit{{"b", "-"}}, "a: 1"},
		{"remove only", "a:\n  # c\n  b: 1\nc: 1\n", []edit{{"a.b", "-"}}, "a: {}\nc: 1\n"},
		{"remove root only", "# head\n\na: 1\n", []edit{{"a", "-"}}, "# head\n\n"},
		{"remove first of item", "a:\n  - n: x\n    w: 1\n", []edit{{"a[0].n", "-"}}, "a:\n  - w: 1\n"},
		{"literal", "a: |\n  x\n  y\nb: 1\n", []edit{{"a", `"p\n\n q\n"`}}, "a: |\n  p\n\n   q\nb: 1\n"},
		{"literal strip", "a: x\nb: 1\n", []edit{{"a", `"p\nq"`}}, "a: |-\n  p\n  q\nb: 1\n"},
		{"literal indicator", "a: x\nb: 1\n", []edit{{"a", `" p\nq\n"`}}, "a: |2\n   p\n  q\nb: 1\n"},
		{"literal keep", "a: x\nb: 1\n", []edit{{"a", `"p\nq\n\n"`}}, "a: |+\n  p\n  q\n\nb: 1\n"},
		{"literal before blank", "a: x\n\nb: 1\n", []edit{{"a", `"p\nq\n\n"`}}, "a: \"p\\nq\\n\\n\"\n\nb: 1\n"},
		{"folded", "a: >-\n  x\n  y\n\nb: 1\n", []edit{{"a", "z"}}, "a: |-\n  z\n\nb: 1\n"},
		{"directive stays", "a: !override 1\n", []edit{{"a", "2"}}, "a: !override 2\n"},
		{"directive changes", "a: !append [1]\n", []edit{{"a", "!override [1]"}}, "a: !override [1]\n"},
		{"directive new", "a: 1\n", []edit{{"a", "!override 2"}, {"b", "!delete"}}, "a: !override 2\nb: !delete\n"},
		{"delete goes", "a: !delete\n", []edit{{"a", "2"}}, "a: 2\n"},
		{"delete set", "a: 5 # x\n", []edit{{"a", "!delete"}}, "a: !delete # x\n"},
		{"directive on map", "a:\n  b: 1\n", []edit{{"a", "!override {b: 1}"}}, "a: !override\n  b: 1\n"},
		{"core tag goes", "a: !!str 5\n", []edit{{"a", "6"}}, "a: 6\n"},
		{"map to scalar", "a: # c\n  b: 1\n  c: 2\nd: 1\n", []edit{{"a", "x"}}, "a: x # c\nd: 1\n"},
		{"scalar to map", "a: x # c\nd: 1\n", []edit{{"a", "{b: 1}"}}, "a: # c\n  b: 1\nd: 1\n"},
		{"empty doc", "", []edit{{"a.b", "1"}}, "a:\n  b: 1\n"},
		{"comment doc", "# hi\n", []edit{{"a.b", "1"}}, "# hi\na:\n  b: 1\n"},
		{"braces doc", "{}\n", []edit{{"a.b", "1"}}, "a:\n  b: 1\n"},
		{"braces", "a: {}\n", []edit{{"a.b", "1"}}, "a:\n  b: 1\n"},
		{"multi plain", "a: x\n  y\n  z # c\nb: 1\n", []edit{{"a", "w"}}, "a: w # c\nb: 1\n"},
		{"sealed", "a: ENC[AES256_GCM,data:x,iv:y=,tag:z==,type:str]\n", []edit{{"b", "ENC[AES256_GCM,data:x,iv:y=,tag:z==,type:str]"}}, "a: ENC[AES256_GCM,data:x,iv:y=,tag:z==,type:str]\nb: ENC[AES256_GCM,data:x,iv:y=,tag:z==,type:str]\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var edits []Edit
			for _, e := range c.edits {
				edits = append(edits, Edit{mustPath(t, e.path), val(t, e.value)})
			}
			d, err := mustParse(t, c.src).Apply(edits...)
			if err != nil {
				t.Fatal(err)
			}
			if got := string(d.Source()); got != c.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, c.want)
			}
		})
	}
}

// TestApplyTogether makes several edits at once and one after the other: the values are the same.
func TestApplyTogether(t *testing.T) {
	files, err := filepath.Glob("testdata/corpus/*")
	if err != nil {
		t.Fatal(err)
	}
	together := 0
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		d := mustParse(t, string(src))
		var all []Edit
		d.Root().Walk(func(p tree.Path, n *tree.Node) bool {
			for _, e := range []Edit{
				{append(p.Clone(), tree.Key("fresh")), tree.NewString("a\nb\n")},
				{append(p.Clone(), tree.Index(n.Len())), tree.NewMap(tree.Field{Key: "k", Value: tree.NewString("v")})},
				{p.Clone(), tree.NewString("set")},
				{Path: p.Clone()},
			} {
				if _, err := d.Apply(e); err == nil {
					all = append(all, e)
				}
			}
			return true
		})
		rnd := rand.New(rand.NewPCG(1, uint64(len(all))))
		for range 25 {
			one := d
			var done []Edit
			for range 5 {
				if len(all) == 0 {
					break
				}
				e := all[rnd.IntN(len(all))]
				if next, err := one.Apply(e); err == nil {
					one, done = next, append(done, e)
				}
			}
			both, err := d.Apply(done...)
			if err != nil {
				t.Errorf("%s: together: %v: %v", file, done, err)
				continue
			}
			if !tree.Equal(one.Root(), both.Root()) {
				t.Errorf("%s: %v\none by one:\n%s\ntogether:\n%s", file, done, one.Source(), both.Source())
			}
			together++
		}
	}
	t.Logf("%d groups of edits", together)
}

// Where the end of a value cannot be told, the edit is refused.
func TestApplyUnsafe(t *testing.T) {
	d := mustParse(t, "k: &an:chor value\nl: b\n")
	if _, err := d.Apply(Edit{mustPath(t, "k"), tree.NewString("x")}); err == nil || !strings.Contains(err.Error(), "edit-unsafe") {
		t.Errorf("error is %v", err)
	}
	if _, err := d.Apply(Edit{mustPath(t, "l"), tree.NewString("x")}); err != nil {
		t.Error(err)
	}
}

func TestApplyAllOrNone(t *testing.T) {
	d := mustParse(t, "a: 1\nb: 2\n")
	out, err := d.Apply(Edit{mustPath(t, "a"), tree.NewString("x")}, Edit{Path: mustPath(t, "missing")})
	if err == nil || out != nil || string(d.Source()) != "a: 1\nb: 2\n" {
		t.Errorf("%v, %v", out, err)
	}
	if same, err := d.Apply(Edit{mustPath(t, "a"), tree.Scalar(tree.Int, "1")}); err != nil || same != d {
		t.Errorf("nothing to do made a new document: %v", err)
	}
}
