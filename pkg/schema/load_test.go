package schema

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/llm-devops/lcm/pkg/cuesource"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
)

// faults gives what is wrong with sources, as "FILE:LINE:COLUMN CODE MESSAGE | HINT".
func faults(t *testing.T, sources ...Source) []string {
	t.Helper()
	set, err := Load(sources, nil)
	if err == nil {
		for _, name := range set.Names() {
			if _, err = set.Module(name); err != nil {
				break
			}
		}
	}
	if err == nil {
		return nil
	}
	found, ok := errors.AsType[diag.List](err)
	if !ok {
		t.Fatalf("%v is not a list of findings", err)
	}
	return lines(found)
}

func TestBadSchemas(t *testing.T) {
	for _, tt := range []struct{ name, body, want string }{
		{"syntax", "#Config: {a: }", "schemas/mine.cue:3:14 syntax: expected operand, found '}' | see how CUE is written: https://cuelang.org/docs/reference/spec/"},
		{"no #Config", "#Conf: {}", "schemas/mine.cue header: no #Config | define the root of the configuration: #Config: {…}"},
		{"not a struct", "#Config: string", "schemas/mine.cue:3:1 header: #Config is not a struct"},
		{"a conflict", "#Config: {a: int & string}", "schemas/mine.cue:3:14 invalid: #Config.a: conflicting values int and string (mismatched types int and string)"},
		{"unresolved", "#Config: {a: #B}", "schemas/mine.cue:3:14 invalid: #Config.a: reference \"#B\" not found"},
		{"import of a stranger", "import \"example.com/x\"\n#Config: {a: x.A}", "schemas/mine.cue:3:8 import: \"example.com/x\" cannot be imported | these can be: encoding/base64, encoding/hex, encoding/json, list, math, math/bits, net, path, regexp, strconv, strings, struct, time, uuid, and other modules as \"lcm.local/schemas/NAME\""},
		{"import of a tool", "import \"tool/exec\"\n#Config: {a: exec.Run}", "schemas/mine.cue:3:8 import: \"tool/exec\" cannot be imported | these can be: encoding/base64, encoding/hex, encoding/json, list, math, math/bits, net, path, regexp, strconv, strings, struct, time, uuid, and other modules as \"lcm.local/schemas/NAME\""},
		{"import misspelt", "import \"string\"\n#Config: {a: string.X}", "schemas/mine.cue:3:8 import: \"string\" cannot be imported | did you mean strings?"},
		{"repeat", "import l \"list\"\n#Config: {a: *l.Repeat([0], 1000000000) | [...int]}", "schemas/mine.cue:4:15 limit: list.Repeat cannot be used in a schema | what it builds cannot be bounded; write the values out"},
		{"repeated text", "#Config: {a: *(\"x\" * 1000000000) | string}", "schemas/mine.cue:3:16 limit: repeated text cannot be used in a schema | write the text out"},
		{"endless struct", "#A: {a: #A}\n#Config: {x: #A}", "schemas/mine.cue:3:6 invalid: #A.a: structural cycle"},
		{"deep brackets", "#Config: {a: " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + "}", "schemas/mine.cue:3:77 limit: the schema is nested too deeply here | flatten it: give parts of it names of their own"},
		{"deep fields", "#Config: " + strings.Repeat("a: ", 5000) + "int", "schemas/mine.cue:3:4508 limit: the schema is nested too deeply here | flatten it: give parts of it names of their own"},
		{"deep operators", "#Config: {a: " + strings.Repeat("!", 5000) + "true}", "schemas/mine.cue:3:1512 limit: the schema is nested too deeply here | flatten it: give parts of it names of their own"},
		{"too large", "#Config: {}\n//" + strings.Repeat("x", cuesource.MaxBytes), "schemas/mine.cue limit: the schema has 262209 bytes, more than 262144 | split it, or take out what need not be in it"},
		{"a secret misspelt", "#Config: {a: string @secrets()}", "schemas/mine.cue:3:21 mark: there is no mark @secrets | did you mean @secret?"},
		{"a secret's argument", "#Config: {a: string @secret(typ=x)}", "schemas/mine.cue:3:21 mark: @secret does not understand \"typ=x\" | write @secret(type=api-key, rotate=90d)"},
		{"a rotation", "#Config: {a: string @secret(rotate=soon)}", "schemas/mine.cue:3:21 mark: @secret does not understand \"rotate=soon\" | write @secret(type=api-key, rotate=90d)"},
		{"a merge", "#Config: {a: [...string] @merge(join)}", "schemas/mine.cue:3:26 mark: @merge does not say how | write @merge(append), @merge(prepend), @merge(replace), @merge(merge) or @merge(key=name)"},
		{"a merge key", "#Config: {a: [...{nam: string}] @merge(key=name)}", "schemas/mine.cue:3:11 mark: @merge(key=name) is not on a list of maps with name"},
		{"a merge key of a map", "#Config: {a: {name: string} @merge(key=name)}", "schemas/mine.cue:3:11 mark: @merge(key=name) is not on a list of maps with name"},
		{"a promotion", "#Config: {a: string @promote(sometimes)}", "schemas/mine.cue:3:21 mark: @promote says something else than never | write @promote(never)"},
		{"a mark in an unused definition", "#Config: {}\n#X: {a: string @promot(never)}", "schemas/mine.cue:4:16 mark: there is no mark @promot | did you mean @promote?"},
		{"a regular expression", "#Config: {a: =~\"(\"}", "schemas/mine.cue:3:14 invalid: error parsing regexp: missing closing ): `(`"},
		{"columns are characters", "#Config: {\"äöü\": strin}", "schemas/mine.cue:3:18 invalid: #Config.äöü: reference \"strin\" not found"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := faults(t, inlineSource(tt.body))
			if len(got) == 0 || got[0] != "schemas/"+strings.TrimPrefix(tt.want, "schemas/") && got[0] != tt.want {
				t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), tt.want)
			}
		})
	}
}

func TestBadHeaders(t *testing.T) {
	for _, tt := range []struct{ src, want string }{
		{"#Config: {}", "a.cue header: no package clause | begin the file with: package a"},
		{"package a\n#Config: {}", `a.cue header: no @module | name the module behind the package clause: @module(name="my-module", version="1.0.0", title="My module")`},
		{"package a\n@module(name=\"A B\", version=\"1.0.0\")", `a.cue:2:1 header: "A B" is not a module's name | names are lower case with hyphens: @module(name="my-module", …)`},
		{"package a\n@module(name=\"a\", version=\"1\")", `a.cue:2:1 header: "1" is not a module's version | versions are three numbers: @module(…, version="1.0.0")`},
		{"package a\n@module(nam=\"a\", version=\"1.0.0\")", `a.cue:2:1 header: @module does not know "nam" | did you mean name?`},
		{"package a\n@module(name=\"a\", version=\"1.0.0\")\n@module(name=\"a\", version=\"1.0.0\")", "a.cue:3:1 header: a second @module"},
		{"package a\n@module(name=\"a\" b, version=\"1.0.0\")", `a.cue:2:1 header: @module: "b, version=\"1.0.0\"" is not expected`},
		{"package \xff", "a.cue:1:9 syntax: the schema is not valid UTF-8 | save the file in the encoding UTF-8"},
		{"packge a", "a.cue header: no package clause | begin the file with: package a"},
	} {
		got := faults(t, Source{File: "a.cue", Data: []byte(tt.src)})
		if len(got) == 0 || got[0] != tt.want {
			t.Errorf("%q: got %q, want %q", tt.src, got, tt.want)
		}
	}
	before := "@module(name=\"a-b\", version=\"1.0.0\", title=\"A, (B)\")\n// Doc.\npackage a\nimport \"time\"\n#Config: {t?: time.Duration}"
	if m := mustModule(t, Source{File: "a.cue", Data: []byte(before)}); m.Name() != "a-b" || m.Title() != "A, (B)" || m.Doc() != "Doc." {
		t.Errorf("%s %q %q", m.Name(), m.Title(), m.Doc())
	}
}

func TestDuplicates(t *testing.T) {
	mine := inlineSource("#Config: {}")
	other := mine
	other.File = "schemas/other.cue"
	builtin := mine
	builtin.File, builtin.Builtin = "mine.cue", true
	for _, tt := range []struct {
		sources []Source
		want    string
		related string
	}{
		{[]Source{other, mine}, `schemas/other.cue:2:1 duplicate: there is another module "mine" | give this one another name in @module`, "schemas/mine.cue:2:1"},
		{[]Source{mine, builtin}, `schemas/mine.cue:2:1 duplicate: module "mine" is built in | give this one another name in @module, or say that it takes the other's place, with its version: replaces="1.0.0"`, "schema:mine"},
	} {
		_, err := Load(tt.sources, nil)
		found, _ := errors.AsType[diag.List](err)
		if got := lines(found); len(got) != 1 || got[0] != tt.want || found[0].Related[0].Position.String() != tt.related {
			t.Errorf("got %q %v", got, found)
		}
	}
}

func TestSet(t *testing.T) {
	set, err := Load(builtins(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.IsSorted(set.Names()) || !slices.Contains(set.Names(), "inference-engine") {
		t.Errorf("names %v", set.Names())
	}
	_, err = set.Module("inference-engin")
	unknown, ok := errors.AsType[*UnknownModuleError](err)
	if !ok || unknown.Name != "inference-engin" || !slices.Equal(unknown.Nearest, []string{"inference-engine"}) || diag.HintOf(err) != "did you mean inference-engine?" {
		t.Errorf("%v, hint %q", err, diag.HintOf(err))
	}
	one, err := set.Module("inference-engine")
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := set.Module("inference-engine"); again != one {
		t.Error("compiled twice")
	}
	if src, ok := set.Source("inference-engine"); !ok || src.File != "inference_engine.cue" {
		t.Errorf("source %q", src.File)
	}
}

func TestDigest(t *testing.T) {
	src := inlineSource("#Config: {}\n")
	digest := mustModule(t, src).Digest()
	if !strings.HasPrefix(digest, "sha256:") || len(digest) != 71 {
		t.Errorf("digest %s", digest)
	}
	for name, data := range map[string]string{
		"line ends": strings.ReplaceAll(string(src.Data), "\n", "\r\n"), "end": strings.TrimSpace(string(src.Data)), "mark": "\uFEFF" + string(src.Data),
	} {
		if got := mustModule(t, Source{File: "schemas/mine.cue", Data: []byte(data)}).Digest(); got != digest {
			t.Errorf("%s change the digest", name)
		}
	}
	if mustModule(t, inlineSource("#Config: {a?: int}")).Digest() == digest {
		t.Error("the digest does not depend on the text")
	}
}

// A schema that would take for ever is given up.
func TestHostile(t *testing.T) {
	var doubling strings.Builder
	doubling.WriteString("#Config: {a0?: #A0}\n")
	for i := range 40 {
		fmt.Fprintf(&doubling, "#A%d: {l: #A%d, r: #A%d}\n", i, i+1, i+1)
	}
	doubling.WriteString("#A40: {x: 1}\n")
	start := time.Now()
	if ok := cuesource.Guard(50*time.Millisecond, func() { time.Sleep(10 * time.Second) }); ok || time.Since(start) > 5*time.Second {
		t.Error("endless work is waited for")
	}
	if cuesource.Guard(time.Minute, func() { panic("in CUE") }) {
		t.Error("a panic counts as done")
	}
	text := "x0: \"0123456789abcdef\"\n"
	for i := range 40 {
		text += fmt.Sprintf("x%d: \"\\(x%d)\\(x%d)\"\n", i+1, i, i)
	}
	loops := "l0: [1,2,3,4,5,6,7,8,9,10]\n"
	for i := range 4 {
		loops += fmt.Sprintf("l%d: [for a in l%d for b in l%d {0}]\n", i+1, i, i)
	}
	for name, body := range map[string]string{
		"structs": doubling.String(), "text": "#Config: {a: *x40 | string}\n" + text, "loops": "#Config: {a: *l4 | [...int]}\n" + loops,
	} {
		got := faults(t, inlineSource(body))
		if len(got) != 1 || !strings.Contains(got[0], "limit: this becomes too large") {
			t.Errorf("%s: %q", name, got)
		}
	}
	// Bombs of alternatives and of patterns stay within the bounds of the description.
	alternatives := "#Config: {a?: " + strings.Repeat("({x: 1} | {y: 1}) & ", 30) + "{z?: int}}"
	for name, body := range map[string]string{"alternatives": alternatives} {
		if testing.Short() {
			break
		}
		set, err := Load([]Source{inlineSource(body)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if _, err = set.Module("mine"); time.Since(start) > 4*compileTime {
			t.Errorf("%s: %s, %v", name, time.Since(start), err)
		}
	}
}

// Recursive schemas are described as cycles, also where a definition is unified with something on the way.
func TestRecursion(t *testing.T) {
	m := inline(t, `
#Config: {n?: #N, m?: #M}
#N: {v?: int, next?: #N & {w?: int @secret()}}
#M: {[!~"^list$"]: #M | int, list?: [...#M & {extra?: string}]}
`)
	for _, key := range []string{"n.next.next.next.v", "m.a.b.c.d", "m.a.list[0].list[3].list[1].b"} {
		if _, ok := m.Field(path(t, key)); !ok {
			t.Errorf("%s is not known", key)
		}
	}
	deep := tree.NewMap()
	for range 1000 {
		deep = tree.NewMap(tree.Field{Key: "a", Value: deep})
	}
	if found := m.Validate(tree.NewMap(tree.Field{Key: "m", Value: deep})); len(found) == 0 {
		t.Error("a tree of 1000 levels is accepted")
	}
	if m.Complete(tree.NewMap(tree.Field{Key: "m", Value: deep})) == nil {
		t.Error("not completed")
	}
}

func TestOwnModuleFile(t *testing.T) {
	m := inline(t, "#Config: {a: *1 | int}")
	if got := m.Defaults().Field("a").Pos.String(); got != "schemas/mine.cue:3:15" {
		t.Errorf("default at %s", got)
	}
	found := m.Validate(config(t, "a: x"))
	if len(found) != 1 || found[0].Related[0].Position.String() != "schemas/mine.cue:3:11" {
		t.Errorf("%v", found)
	}
}

func TestArgs(t *testing.T) {
	for _, tt := range []struct{ body, want string }{
		{"", "[]"},
		{"append", "[append]"},
		{" type = api-key , rotate=90d ", "[type=api-key rotate=90d]"},
		{`name="a, b", title="c \"d\" (e)"`, `[name=a, b title=c "d" (e)]`},
		{`"a"`, "[a]"},
	} {
		args, err := parseArgs(tt.body)
		if got := fmt.Sprint(args); err != nil || got != tt.want {
			t.Errorf("%q: got %s, %v", tt.body, got, err)
		}
	}
	for _, body := range []string{`a="b`, `a="b"c`, `"\z"`} {
		if args, err := parseArgs(body); err == nil {
			t.Errorf("%q: got %s", body, args)
		}
	}
}
