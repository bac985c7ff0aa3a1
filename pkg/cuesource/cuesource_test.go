package cuesource

import (
	"fmt"
	"strings"
	"testing"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/ast/astutil"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/token"
)

var rules = Rules{What: "test", Syntax: "syntax", Import: "import", Limit: "limit"}

func parse(t *testing.T, src string) (*Text, *ast.File) {
	t.Helper()
	text := New("a.cue", []byte(src), &rules)
	if found := text.CheckBytes(); len(found) > 0 {
		t.Fatal(found)
	}
	f, err := parser.ParseFile("a.cue", src)
	if err != nil {
		t.Fatal(err)
	}
	astutil.Resolve(f, func(_ token.Pos, message string, _ ...any) { t.Error(message) })
	return text, f
}

// Functions whose results grow faster than what is written are weighed as what they do.
func TestWeightOfCalls(t *testing.T) {
	chain := func(imports, first, step string) string {
		var b strings.Builder
		fmt.Fprintf(&b, "import %q\nx0: %s\n", imports, first)
		for i := range 12 {
			fmt.Fprintf(&b, "x%d: %s\n", i+1, strings.ReplaceAll(step, "$", fmt.Sprintf("x%d", i)))
		}
		return b.String()
	}
	for name, src := range map[string]string{
		"replace":   chain("strings", `"aaaaaaaaaaaaaaaa"`, `strings.Replace($, "a", $, -1)`),
		"regexp":    chain("regexp", `"aaaaaaaaaaaaaaaa"`, `regexp.ReplaceAll("a", $, $)`),
		"quote":     chain("strconv", `"\"\""`, `strconv.Quote($)`),
		"marshal":   chain("encoding/json", `"\"\""`, `json.Marshal($)`),
		"interpose": chain("strings", `["a", "b", "c", "d", "e", "f", "g", "h"]`, `strings.Split(strings.Join($, "xxxxxxxxxxxxxxxx"), "")`),
	} {
		text, f := parse(t, src)
		if found := text.CheckWeight(f, nil); len(found) != 1 || !strings.Contains(found[0].Message, "too large") {
			t.Errorf("%s: %v", name, found)
		}
	}
	text, f := parse(t, "import \"strings\"\nnames: [\"a\", \"b\"]\nx: strings.Join([for n in names {strings.ToUpper(n)}], \",\")\n")
	if found := text.CheckWeight(f, nil); len(found) > 0 {
		t.Errorf("refused: %v", found)
	}
}

func TestWeightOfImports(t *testing.T) {
	_, big := parse(t, "package big\nb: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]\nsmall: 1\n")
	imported := func(string) []*ast.File { return []*ast.File{big} }
	loops := "[for a in %[1]s for b in %[1]s for c in %[1]s for d in %[1]s for e in %[1]s for f in %[1]s {0}]"
	text, f := parse(t, "import \"lcm.local/shared/big\"\nx: "+fmt.Sprintf(loops, "big.b")+"\n")
	if found := text.CheckWeight(f, imported); len(found) != 1 {
		t.Errorf("loops over another package: %v", found)
	}
	text, f = parse(t, "import \"lcm.local/shared/big\"\nx: "+fmt.Sprintf(loops, "big.small")+"\n")
	if found := text.CheckWeight(f, imported); len(found) != 0 {
		t.Errorf("refused: %v", found)
	}
}

func TestPosition(t *testing.T) {
	text, f := parse(t, "a: 1\n\"é\": 2\nb: \"é\", c: 3\n")
	want := []string{"a.cue:1:1", "a.cue:2:1", "a.cue:3:1", "a.cue:3:9"}
	for i, d := range f.Decls {
		if got := text.Position(d.Pos()).String(); got != want[i] {
			t.Errorf("%d: %s, want %s", i, got, want[i])
		}
	}
	if got := text.Position(token.NoPos).String(); got != "a.cue" {
		t.Errorf("no position is %s", got)
	}
}
