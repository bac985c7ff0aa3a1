package cuelayer

import (
	"context"
	"errors"
	"fmt"
	"path"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
)

const layerFile = "config/acme/production/inference.cue"

// repo is the files of a repository by name; those that begin with module/ are modules.
type repo map[string]string

func (r repo) Folder(_ context.Context, folder string) ([]File, error) {
	var out []File
	for name, text := range r {
		if path.Dir(name) == folder {
			out = append(out, File{Name: name, Data: []byte(text)})
		}
	}
	slices.SortFunc(out, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

func (r repo) Module(_ context.Context, name string) (File, error) {
	text, ok := r["module/"+name]
	if !ok {
		return File{}, diag.WithHint(fmt.Errorf("there is no module %q", name), "look again")
	}
	return File{Name: "schema:" + name, Data: []byte(text), From: "lcm.lock"}, nil
}

func evaluate(t testing.TB, src string, r repo) (*Layer, error) {
	t.Helper()
	return New().Evaluate(t.Context(), Request{
		Address: address.Address{Tenant: "acme", Environment: "production", Namespace: "inference"},
		File:    File{Name: layerFile, Data: []byte(src)}, Packages: r,
		Plain: func(p tree.Path) bool { return p.String() != "api_key" },
	})
}

func mustEvaluate(t *testing.T, src string, r repo) *Layer {
	t.Helper()
	l, err := evaluate(t, src, r)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return l
}

// lines gives every leaf with its place and directive.
func lines(root *tree.Node) []string {
	var out []string
	root.Walk(func(p tree.Path, n *tree.Node) bool {
		if len(p) > 0 && (n.Len() == 0 || n.Directive != tree.None) {
			out = append(out, strings.TrimSpace(fmt.Sprintf("%s = %s %s %s", p, n, strings.TrimPrefix(n.Pos.String(), layerFile), n.Directive)))
		}
		return true
	})
	return out
}

func check(t *testing.T, got []string, want string) {
	t.Helper()
	if text := strings.Join(got, "\n"); text != strings.TrimSpace(want) {
		t.Errorf("got\n%s\nwant\n%s", text, strings.TrimSpace(want))
	}
}

func TestValues(t *testing.T) {
	l := mustEvaluate(t, `package acme

import "strings"

_tenant: string @tag(tenant)
_env:    string @tag(environment)
#Model: {name: string, temperature: *0.70 | number}
models: chat: #Model & {name: "é", temperature: 0.30}
models: code: #Model & {name: "code"}
host: "\(_tenant).\(strings.ToUpper(_env)).example.com"
exact: 123456789012345678901234567890123456789012345
tiny: 1e-9, half: -0.50, size: 4Ki, hex: 0x1F
sum: 0.1 + 0.2
whole: 2.0 * 2
if _env == "production" {
	replicas: 3 * 2
}
none: null
"a key": true
optional?: int
let hidden = 5
shown: hidden
tags: ["a", for i in [1, 2] {"n\(i)"}]
empty: {}
`, nil)
	check(t, lines(l.Root), `
replicas = 6 :16:12
models.chat.name = "é" :8:31
models.chat.temperature = 0.30 :8:49
models.code.name = "code" :9:31
models.code.temperature = 0.70 :7:37
host = "acme.PRODUCTION.example.com" :10:7
exact = 123456789012345678901234567890123456789012345 :11:8
tiny = 1e-9 :12:7
half = -0.50 :12:19
size = 4096 :12:32
hex = 0x1F :12:42
sum = 0.3 :13:6
whole = 4.0 :14:8
none = null :18:7
"a key" = true :19:10
shown = 5 :22:8
tags[0] = "a" :23:8
tags[1] = "n1" :23:29
tags[2] = "n2" :23:29
empty = map of 0 :24:8`)
	if len(l.Reads) > 0 {
		t.Errorf("reads %v", l.Reads)
	}
	if at := l.Root.Fields()[1].Value.Fields()[0].Pos.String(); at != layerFile+":8:9" {
		t.Errorf("the key chat is at %s", at)
	}
}

// References that the parser resolves itself: inside of a struct, and anywhere in a file without a package clause.
func TestTagsAreReferredTo(t *testing.T) {
	l := mustEvaluate(t, `_tenant: string @tag(tenant)
host: "db.\(_tenant).example.com"
a: {env: string @tag(environment), "is \(env)": env}
let l = _tenant
b: l
`, nil)
	check(t, lines(l.Root), `
host = "db.acme.example.com" :2:7
a.env = "production" :3:10
a."is production" = "production" :3:49
b = "acme" :5:4`)
}

func TestDirectives(t *testing.T) {
	l := mustEvaluate(t, `
routes: [{name: "chat", weight: 1}, {@delete(), name: "old"}] @append()
limits: {a: 1} @override()
cache: _ @delete()
gone: null @delete()
if true {extra: ["x"] @prepend()}
index: [1] @merge()
own: 1 @someone(else)
`, nil)
	check(t, lines(l.Root), `
extra = list of 1 :6:17 !prepend
extra[0] = "x" :6:18
routes = list of 2 :2:9 !append
routes[0].name = "chat" :2:17
routes[0].weight = 1 :2:33
routes[1] = null :2:37 !delete
limits = map of 1 :3:9 !override
limits.a = 1 :3:13
cache = null :4:8 !delete
gone = null :5:7 !delete
index = list of 1 :7:8 !merge
index[0] = 1 :7:9
own = 1 :8:6`)
}

func TestImports(t *testing.T) {
	r := repo{
		"shared/models/a.cue": "package models\n\nimport \"lcm.local/shared/base\"\n\n#Chat: {temperature: 0.7, limit: base.limit, tags: [\"x\"] @append(), ...}\n",
		"shared/models/b.cue": "package models\nfixed: {\n\ta: 1.50\n}\n",
		"shared/base/x.cue":   "package base\nlimit: 100\n",
		"module/engine":       "package engine\n#Config: {mode: *\"fast\" | \"slow\", name: string, size?: int, nested: {x: *1 | int}, routes: [...{name: string}] @merge(key=name), kind: \"engine\", must!: int}\n#Limits: {rps: int, burst: *5 | int}\n",
	}
	l := mustEvaluate(t, `package x
import "lcm.local/shared/models"
import "lcm.local/schemas/engine"
engine.#Config & {routes: [{name: "a"}]}
chat: models.#Chat & {name: "c"}
fixed: models.fixed
limits: engine.#Limits & {rps: 3}
`, r)
	check(t, lines(l.Root), `
routes[0].name = "a" :4:35
kind = "engine" schema:engine:2:136
chat.name = "c" :5:29
chat.temperature = 0.7 shared/models/a.cue:5:22
chat.limit = 100 shared/models/a.cue:5:34
chat.tags = list of 1 shared/models/a.cue:5:52 !append
chat.tags[0] = "x" shared/models/a.cue:5:53
fixed.a = 1.50 shared/models/b.cue:3:5
limits.rps = 3 :7:32`)
	if got := fmt.Sprint(l.Reads); got != "[lcm.lock shared/base/x.cue shared/models/a.cue shared/models/b.cue]" {
		t.Errorf("reads %s", got)
	}
	l.Root.Walk(func(p tree.Path, n *tree.Node) bool {
		if len(p) > 0 && n.LayerFile() != layerFile {
			t.Errorf("%s is of %s", p, n.LayerFile())
		}
		return true
	})
}

// What is wrong is told at its place, and nothing is evaluated that is not bounded.
func TestRefused(t *testing.T) {
	doubling := "a0: {x: 1}\n"
	for i := range 40 {
		doubling += fmt.Sprintf("a%d: {l: a%d, r: a%d}\n", i+1, i, i)
	}
	loops := "l0: [1,2,3,4,5,6,7,8,9,10]\n"
	for i := range 4 {
		loops += fmt.Sprintf("l%d: [for a in l%d for b in l%d {0}]\n", i+1, i, i)
	}
	shared := repo{
		"shared/a/a.cue":     "package a\nimport \"lcm.local/shared/b\"\nx: b.x\n",
		"shared/b/b.cue":     "package b\nimport \"lcm.local/shared/a\"\nx: a.x\n",
		"shared/mixed/a.cue": "package a\n", "shared/mixed/b.cue": "package b\n",
		"shared/none/a.cue":   "x: 1\n",
		"shared/tagged/a.cue": "package tagged\nt: string @tag(tenant)\n",
		"shared/wrong/a.cue":  "package wrong\nx: 1\nx: 2\n",
		"shared/huge/a.cue":   "package huge\nb: [1,2,3,4,5,6,7,8,9,10]\n",
	}
	imports := func(p, use string) string { return "import x \"" + p + "\"\na: x." + use + "\n" }
	for _, tt := range []struct{ name, src, want string }{
		{"syntax", "a: {\n", ":1:6 cue-syntax expected '}'"},
		{"incomplete", "é: 1\nb: int\n", `:2:4 cue-incomplete incomplete value: int`},
		{"undecided", "a: 1\n#x: {y: int}\nif #x.y > 1 {c: 1}\n", ":3:4 cue-incomplete"},
		{"undecided alone", "#x: {y: int}\nif #x.y > 1 {c: 1}\n", ":2:4 cue-incomplete"},
		{"contradiction", "a: 1\na: 2\n", `conflicting values 2 and 1`},
		{"secret value", "api_key: \"sk-12345\"\napi_key: int\n", "conflicting values … and …"},
		{"reference", "a: b\n", ":1:4 cue-invalid reference \"b\" not found"},
		{"bottom", "a: _|_\n", "explicit error"},
		{"list", "[1]\n", "cue-value the layer is no map"},
		{"bytes", "a: '\\x00'\n", ":1:4 cue-value bytes"},
		{"encrypted", "a: \"ENC[AES256_GCM,data:x]\"\n", ":1:4 cue-secret"},
		{"sops", "sops: {mac: \"x\"}\n", ":1:1 cue-secret"},
		{"invalid UTF-8", "a: \"\xff\"\n", "cue-syntax the CUE file is not valid UTF-8"},
		{"NUL", "a: \x00 1\n", "cue-syntax"},
		{"brackets", strings.Repeat("a: {", 100) + strings.Repeat("}", 100), "cue-limit the CUE file is nested too deeply"},
		{"chain of keys", strings.Repeat("a: ", 3000) + "1", "cue-limit the CUE file is nested too deeply"},
		{"deep value", "a0: 1\n" + chain(150, "a%d: {x: a%d}\n"), "cue-limit"},
		{"large file", "a: 1\n//" + strings.Repeat("x", 300<<10), "cue-limit the CUE file has"},
		{"structs", doubling, "cue-limit this becomes too large"},
		{"loops", loops, "cue-limit this becomes too large"},
		{"repeat", "import \"strings\"\na: strings.Repeat(\"x\", 1000000000)\n", ":2:4 cue-limit strings.Repeat cannot be used"},
		{"range", "import l \"list\"\na: l.Range(0, 1000000000, 1)\n", ":2:4 cue-limit list.Range cannot be used"},
		{"text times number", "x: \"ab\"\na: x * 1000000000\n", "(mismatched types number and string)"},
		{"immense number", "a: 1e999999999\n", ":1:4 cue-limit the number is too large"},
		{"inexact", "a: 123456789012345678901234567890 * 123456789012345678901234567890\n", "cue-value the number has more digits"},
		{"cycle", "a: b + 1\nb: a + 1\n", "cycle"},
		{"structural cycle", "#l: {n: #l}\na: #l\n", "structural cycle"},
		{"file", imports("./other", "x"), ":1:10 cue-import"},
		{"outside", imports("lcm.local/shared/../../etc", "x"), "cue-import \"lcm.local/shared/../../etc\" is no package of the repository"},
		{"network", imports("example.com/x", "x"), ":1:10 cue-import \"example.com/x\" cannot be imported"},
		{"tool", imports("tool/exec", "Run"), "cue-import \"tool/exec\" cannot be imported"},
		{"not there", imports("lcm.local/shared/gone", "x"), "cue-import there is no CUE file in shared/gone"},
		{"no module", imports("lcm.local/schemas/gone", "x"), "cue-import there is no module \"gone\""},
		{"unused", "import \"lcm.local/shared/huge\"\na: 1\n", "imported and not used"},
		{"circle", imports("lcm.local/shared/a", "x"), "shared/b/b.cue:2:8 cue-import packages import each other in a circle: lcm.local/shared/a → lcm.local/shared/b → lcm.local/shared/a"},
		{"mixed", imports("lcm.local/shared/mixed", "x"), "shared/mixed/b.cue cue-import the file is of package b"},
		{"no clause", imports("lcm.local/shared/none", "x"), "shared/none/a.cue cue-import no package clause"},
		{"tag in package", imports("lcm.local/shared/tagged", "t"), "shared/tagged/a.cue:2:11 cue-mark"},
		{"wrong package", imports("lcm.local/shared/wrong", "x"), "cue-invalid"},
		{"loops over import", "import x \"lcm.local/shared/huge\"\na: [for a in x.b for b in x.b for c in x.b for d in x.b for e in x.b for f in x.b {0}]\n", "cue-limit"},
		{"unknown tag", "a: string @tag(tenent)\n", ":1:11 cue-mark there is no tag \"tenent\""},
		{"tag on nothing", "a?: string @tag(tenant)\n", ":1:12 cue-mark a tag stands on a field"},
		{"contradicted tag", "a: \"globex\" @tag(tenant)\n", "conflicting values"},
		{"misspelt", "a: [1] @apend()\n", ":1:8 cue-mark there is no attribute @apend"},
		{"argument", "a: [1] @merge(append)\n", ":1:8 cue-mark @merge takes nothing"},
		{"two", "a: [1] @append() @override()\n", "cue-mark @append and @override"},
		{"embed", "@extern(embed)\npackage x\na: 1\n", ":1:1 cue-mark @extern means nothing here"},
		{"on nothing", "@override()\na: 1\n", ":1:1 cue-mark @override stands on no value"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			start := time.Now()
			_, err := evaluate(t, tt.src, shared)
			list, ok := errors.AsType[diag.List](err)
			if !ok {
				t.Fatalf("got %v", err)
			}
			var all []string
			for _, f := range list {
				all = append(all, strings.TrimPrefix(f.Position.String(), layerFile)+" "+f.Code+" "+f.Message)
			}
			if got := strings.Join(all, "\n"); !strings.Contains(got, tt.want) || strings.Contains(got, "sk-12345") {
				t.Errorf("got %s\nwant %s", got, tt.want)
			}
			if time.Since(start) > 2*maxTime {
				t.Errorf("took %s", time.Since(start))
			}
		})
	}
}

func chain(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i+1, i)
	}
	return b.String()
}

// What takes too long, or too much, is left behind, and nothing else is started beside it.
func TestLimits(t *testing.T) {
	e := &Evaluator{slot: make(chan struct{}, 1), limits: limits{time: 50 * time.Millisecond, memory: 64 << 20}}
	end := make(chan struct{})
	if err := e.run(t.Context(), func() { <-end }); err == nil || !strings.Contains(err.Error(), "within 50ms") {
		t.Errorf("endless: %v", err)
	}
	if err := e.run(t.Context(), func() {}); err != errBusy {
		t.Errorf("beside it: %v", err)
	}
	close(end)
	e.limits.time = 10 * time.Second
	if err := e.run(t.Context(), func() {}); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	if err := e.run(t.Context(), func() { panic("sk-12345") }); err != errBroke {
		t.Errorf("panic: %v", err)
	}
	// Those that wait their turn are not hurried by the time that one of them may take.
	e.limits.time = 300 * time.Millisecond
	var g errgroup.Group
	for range 12 {
		g.Go(func() error { return e.run(t.Context(), func() { time.Sleep(40 * time.Millisecond) }) })
	}
	if err := g.Wait(); err != nil {
		t.Errorf("one after the other: %v", err)
	}
	e.limits.time = 10 * time.Second
	done := make(chan struct{})
	var kept [][]byte
	runtime.GC() // what is alive is known from the last collection
	err := e.run(t.Context(), func() {
		defer close(done)
		for range 500 {
			kept = append(kept, make([]byte, 1<<20))
			time.Sleep(time.Millisecond)
		}
	})
	if err == nil || !strings.Contains(err.Error(), "more than 64 MB") {
		t.Errorf("memory: %v", err)
	}
	<-done
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := e.Evaluate(ctx, Request{File: File{Name: "a.cue"}}); err != context.Canceled {
		t.Errorf("cancelled: %v", err)
	}
}
