package layer_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/llm-devops/lcm/pkg/layer"
	"github.com/llm-devops/lcm/pkg/tree"
)

//go:generate go test -run ^TestTruthTable$ . -update

var update = flag.Bool("update", false, "write the table in docs/merging.md anew")

// truth is one row of the table: what two layers come to.
type truth struct {
	says, under, over string
	want              string // the result as JSON
	findings          string // "code@key"
}

// truths are all rows, by heading.
var truths = []struct {
	heading, note string
	rows          []truth
}{
	{"Maps", "", []truth{
		{"merge key by key, to any depth", "m: {a: 1, b: {c: 2}}", "m: {b: {d: 3}}", `{"m":{"a":1,"b":{"c":2,"d":3}}}`, ""},
		{"an empty map changes nothing", "m: {a: 1}", "m: {}", `{"m":{"a":1}}`, ""},
		{"`!override` replaces the whole map", "m: {a: 1}", "m: !override {b: 2}", `{"m":{"b":2}}`, ""},
		{"`!override` with an empty map empties it", "m: {a: 1}", "m: !override {}", `{"m":{}}`, ""},
		{"`!append` is for lists", "m: {a: 1}", "m: !append {b: 1}", `{"m":{"a":1,"b":1}}`, "merge-directive@m"},
		{"`@merge(replace)`: the schema wants the map replaced as a whole", "whole: {a: 1}", "whole: {b: 2}", `{"whole":{"b":2}}`, ""},
		{"a layer can still say `!merge`", "whole: {a: 1}", "whole: !merge {b: 2}", `{"whole":{"a":1,"b":2}}`, ""},
	}},
	{"Scalars and null", "", []truth{
		{"replace", "a: 1", "a: 2", `{"a":2}`, ""},
		{"also by another kind of scalar", "a: 1", "a: x", `{"a":"x"}`, ""},
		{"`null` is a value, it does not delete", "a: 1", "a: null", `{"a":null}`, ""},
		{"`null` over a map or list is a value too", "a: {b: 1}", "a: null", `{"a":null}`, ""},
		{"anything may replace `null`", "a: null", "a: {b: 1}", `{"a":{"b":1}}`, ""},
		{"`!override` is the same, and says that it is meant", "a: 1", "a: !override 2", `{"a":2}`, ""},
	}},
	{"Deleting", "", []truth{
		{"`!delete` takes the inherited key away", "a: 1\nb: 2", "a: !delete", `{"b":2}`, ""},
		{"inside a map", "m: {a: 1, b: 2}", "m: {a: !delete }", `{"m":{"b":2}}`, ""},
		{"a whole map or list", "m: {a: 1}\nb: 2", "m: !delete", `{"b":2}`, ""},
		{"where nothing is inherited it is a warning", "b: 2", "a: !delete", `{"b":2}`, "delete-nothing@a"},
	}},
	{"Lists", "", []truth{
		{"replace", "l: [1, 2]", "l: [3]", `{"l":[3]}`, ""},
		{"an empty list replaces too", "l: [1, 2]", "l: []", `{"l":[]}`, ""},
		{"`!append` adds behind", "l: [1, 2]", "l: !append [3]", `{"l":[1,2,3]}`, ""},
		{"`!prepend` adds before", "l: [1, 2]", "l: !prepend [3]", `{"l":[3,1,2]}`, ""},
		{"`!merge` goes item by item", "l: [{a: 1}, 2]", "l: !merge [{b: 2}]", `{"l":[{"a":1,"b":2},2]}`, ""},
		{"`!append` where nothing is inherited is the list itself", "{}", "l: !append [1]", `{"l":[1]}`, ""},
		{"`@merge(append)`: the schema wants it added", "appended: [1]", "appended: [2]", `{"appended":[1,2]}`, ""},
		{"`@merge(prepend)`", "prepended: [1]", "prepended: [2]", `{"prepended":[2,1]}`, ""},
		{"a layer can still say `!override`", "appended: [1]", "appended: !override [2]", `{"appended":[2]}`, ""},
	}},
	{"Lists whose items are known by a field", "The schema says `@merge(key=name)`.", []truth{
		{
			"items with the same name merge in place, new ones come last", "keyed: [{name: a, w: 1}, {name: b, w: 2}]", "keyed: [{name: c, w: 9}, {name: b, w: 3}]",
			`{"keyed":[{"name":"a","w":1},{"name":"b","w":3},{"name":"c","w":9}]}`, "",
		},
		{"an item goes with `!delete`", "keyed: [{name: a}, {name: b}]", "keyed: [!delete {name: a}]", `{"keyed":[{"name":"b"}]}`, ""},
		{"an item is replaced with `!override`", "keyed: [{name: a, w: 1, x: 1}]", "keyed: [!override {name: a, w: 2}]", `{"keyed":[{"name":"a","w":2}]}`, ""},
		{"the whole list too", "keyed: [{name: a}, {name: b}]", "keyed: !override [{name: c}]", `{"keyed":[{"name":"c"}]}`, ""},
		{"an item without the field is an error", "keyed: [{name: a}]", "keyed: [{w: 1}]", `{"keyed":[{"name":"a"}]}`, "merge-key@keyed"},
		{"so are two of one name", "keyed: [{name: a}]", "keyed: [{name: b}, {name: b}]", `{"keyed":[{"name":"a"},{"name":"b"}]}`, "merge-key@keyed"},
	}},
	{"What cannot be merged", "An error that names both places; the upper value stands. `!override` says that it is meant.", []truth{
		{"a map over a list", "x: [1]", "x: {a: 1}", `{"x":{"a":1}}`, "merge-conflict@x"},
		{"a list over a map", "x: {a: 1}", "x: [1]", `{"x":[1]}`, "merge-conflict@x"},
		{"a scalar over a map", "m: {x: {a: 1}}", "m: {x: 1}", `{"m":{"x":1}}`, "merge-conflict@m.x"},
		{"a list over a scalar", "x: 1", "x: [1]", `{"x":[1]}`, "merge-conflict@x"},
		{"a list appended to a map", "m: {a: 1}", "m: !append [1]", `{"m":[1]}`, "merge-conflict@m"},
		{"with `!override` the kind may change", "m: {a: 1}", "m: !override [1]", `{"m":[1]}`, ""},
	}},
	{"Where nothing is inherited", "", []truth{
		{"tags and tombstones below it are simply gone", "{}", "m: !override {a: !append [1], b: !delete }", `{"m":{"a":[1]}}`, ""},
	}},
}

// rules are what the schema says of the fields in the table.
func rules(p tree.Path) layer.Rule {
	switch p.String() {
	case "appended":
		return layer.Rule{Strategy: tree.Append}
	case "prepended":
		return layer.Rule{Strategy: tree.Prepend}
	case "keyed":
		return layer.Rule{Key: "name"}
	case "whole":
		return layer.Rule{Strategy: tree.Override}
	}
	return layer.Rule{}
}

func TestMerge(t *testing.T) {
	for _, group := range truths {
		for _, tt := range group.rows {
			t.Run(tt.says, func(t *testing.T) {
				root, findings := layer.Merge(stack(t, tt.under, tt.over), rules)
				if got := text(t, root); got != tt.want {
					t.Errorf("merged to %s, want %s", got, tt.want)
				}
				if got := codes(findings); got != tt.findings {
					t.Errorf("findings %q, want %q", got, tt.findings)
				}
				for _, f := range findings {
					if f.Hint == "" || f.Code == "merge-conflict" && len(f.Related) != 1 {
						t.Errorf("a finding without hint or second place: %+v", f)
					}
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
}

// TestTruthTable keeps the table in docs/merging.md at what [layer.Merge] really does.
func TestTruthTable(t *testing.T) {
	const file, from, to = "../../docs/merging.md", "<!-- the table is generated from pkg/layer -->\n", "<!-- end of the table -->\n"
	var b strings.Builder
	code := func(yaml string) string { return "`" + strings.ReplaceAll(yaml, "\n", "` `") + "`" }
	for _, group := range truths {
		fmt.Fprintf(&b, "\n### %s\n\n", group.heading)
		if group.note != "" {
			b.WriteString(group.note + "\n\n")
		}
		b.WriteString("| | inherited | this layer | result |\n|---|---|---|---|\n")
		for _, row := range group.rows {
			root, findings := layer.Merge(stack(t, row.under, row.over), rules)
			result := "`" + text(t, root) + "`"
			for _, f := range findings {
				result += fmt.Sprintf(", %s `%s`", f.Severity, f.Code)
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", row.says, code(row.under), code(row.over), result)
		}
	}
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok1 := strings.Cut(string(page), from)
	old, tail, ok2 := strings.Cut(rest, to)
	if !ok1 || !ok2 {
		t.Fatalf("%s has no marks for the table", file)
	}
	if table := b.String() + "\n"; table != old {
		if !*update {
			t.Fatalf("%s says something else than what is so: run make generate", file)
		}
		if err := os.WriteFile(file, []byte(head+from+table+to+tail), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
