package cuelayer

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
)

// FuzzEvaluate checks what holds for any text: the result is concrete data with places, or findings with places, soon.
func FuzzEvaluate(f *testing.F) {
	for _, seed := range []string{
		"", "a: 1", "a: {b: [1, 2.50, \"x\"]} @override()", "a: b\nb: a", "#l: {n: #l}\na: #l", "a: _|_", "a: 'x'", "\x00", "a: \"\xff\"",
		strings.Repeat("a: {", 70), strings.Repeat("[", 100), "a: " + strings.Repeat("!", 2000) + "true", "a: 1e999999999",
		"import \"strings\"\na: strings.Repeat(\"x\", 1000000000)", "import x \"lcm.local/shared/../x\"\na: x.y",
		"import x \"lcm.local/shared/a\"\na: x.x\nb: x.#D & {n: 1}", "import \"lcm.local/schemas/engine\"\nengine.#Config & {n: 1}",
		"x: \"ab\"\na: x * 1000000000", "a: [for i in [1,2,3] for j in [1,2,3] {i*j}]", "_t: string @tag(tenant)\na: \"\\(_t)\"",
		"a: _ @delete()", "a: [{@delete(), name: \"x\"}] @merge()", "if x.y {a: 1}\nx: {y: bool}", "a: *1 | int\nb: >a", "let x = 1\na: x",
		"[string]: int\na: 1", "a?: int\nb!: int", "...", "(\"a\"): 1", "a: {...} & {b: 1}", "@if(x)\na: 1",
	} {
		f.Add(seed)
	}
	r := repo{
		"shared/a/a.cue": "package a\nx: 1\n#D: {n: int, d: *1 | int}\n", "module/engine": "package engine\n#Config: {n: int, d: *1 | int}\n",
	}
	f.Fuzz(func(t *testing.T, src string) {
		if len(src) > 4096 {
			t.Skip()
		}
		e := New()
		start := time.Now()
		l, err := e.Evaluate(t.Context(), Request{
			Address: address.Address{Tenant: "acme", Environment: "base", Namespace: "x"},
			File:    File{Name: layerFile, Data: []byte(src)}, Packages: r,
		})
		if took := time.Since(start); took > 2*e.limits.time {
			t.Fatalf("took %s", took)
		}
		if err != nil {
			list, ok := errors.AsType[diag.List](err)
			if !ok || len(list) == 0 {
				t.Fatalf("error %v", err)
			}
			for _, f := range list {
				if f.Code == "" || f.Message == "" || f.Position.File == "" {
					t.Fatalf("finding %+v", f)
				}
			}
			return
		}
		if l.Root.Kind != tree.Map {
			t.Fatalf("root is %s", l.Root)
		}
		l.Root.Walk(func(p tree.Path, n *tree.Node) bool {
			if n.LayerFile() != layerFile {
				t.Fatalf("%s is of %q", p, n.LayerFile())
			}
			if _, ok := n.Number(); !ok && (n.Kind == tree.Int || n.Kind == tree.Float) && len(n.Text()) < 100 && !strings.ContainsAny(n.Text(), "eE") {
				t.Fatalf("%s is no number: %s", p, n.Text())
			}
			return true
		})
	})
}
