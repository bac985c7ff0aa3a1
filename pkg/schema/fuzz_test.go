package schema

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"cuelang.org/go/cue"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
)

// agree checks what must hold for any tree: CUE and the description come to the same verdict, and what is completed stays
// as valid as it was.
func agree(t *testing.T, m *Module, root *tree.Node) {
	t.Helper()
	found := m.Validate(root)
	w := newWalker()
	w.check(place{member: m.root}, m.root.shape, root)
	j := m.judge.(*cueJudge)
	e := &encoder{top: j.top}
	refused := j.root.Unify(j.ctx.Encode(e.encode(root))).Validate(cue.Concrete(true))
	text, err := root.AppendJSON(nil, tree.Revealed)
	if err != nil {
		text = []byte(root.String())
	}
	switch {
	case e.partial:
	case refused == nil && len(w.findings) > 0:
		t.Fatalf("%s\nCUE accepts what is described as wrong: %v", text, w.findings)
	case refused != nil && len(found) == 0:
		t.Fatalf("%s\nnothing is found, but CUE refuses: %v", text, refused)
	}
	for _, f := range found {
		if f.Message == "" || f.Code == "" || len(f.Message) > 2000 {
			t.Fatalf("%s\nfinding %+v", text, f)
		}
	}
	full := m.Complete(root)
	if m.Complete(full) != full {
		t.Fatalf("%s\ncompleting twice changes something", text)
	}
	if again := m.Validate(full); len(found) == 0 && len(again) > 0 {
		t.Fatalf("%s\nvalid, but not when complete: %v", text, again)
	}
	root.Walk(func(p tree.Path, _ *tree.Node) bool {
		m.Field(p)
		return true
	})
}

func FuzzValidate(f *testing.F) {
	m := service(f)
	for _, seed := range []string{
		`{}`, `{"name":"ab"}`, `{"name":"ab","nested":{"deep":{"must":true}},"backend":{"type":"memory"}}`,
		`{"name":"ab","nested":{"deep":{"must":true}},"backend":{"type":"disk","path":"x"},"size":3,"union":{"to":"x"},"pair":[1,"a"]}`,
		`{"routes":[{"name":"a"},{"weight":-1}],"providers":{"a":{"kind":"azure"},"b":{"kind":"x"},"c":null}}`,
		`{"tls":{"enabled":true},"models":{"a":{}},"default_model":"a","temperature":1.6,"hot":1,"tree":{"children":[{"value":1}]}}`,
		`{"low":1e400,"high":12345678901234567890123,"ratio":0.5,"mode":null,"anything":[{}],"timeout":"5m","unique":[1,1]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		root, err := tree.FromJSON(data)
		if err != nil || root.Kind != tree.Map || len(data) > 4096 {
			t.Skip()
		}
		agree(t, m, root)
	})
}

// FuzzSchema reads any text as a schema. It is a module that can be described and hold configurations against itself, or there
// are findings with places, soon.
func FuzzSchema(f *testing.F) {
	for _, seed := range []string{
		"", "#Config: {}", "#Config: {a: int, b?: string @secret(), c: *1 | int}", "#Config: {a: [...{name: string}] @merge(key=name)}", "#Config: {a: #B}\n#B: {b?: #B}",
		"import \"list\"\n#Config: {a: list.MaxItems(3)}", "#Config: {[string]: int}", "#Config: {a: {x: 1} | {x: 2, y: string}}", "#Config: {if a {b: int}, a: bool}",
		"#Config: {a: =~\"(\"}", "#Config: {a: >0 & <1e999}", "#Config: close({a: _})", "#Config: {a: _|_}", "\x00", "#Config: {\"\xff\": 1}", "#Config: " + strings.Repeat("{a: ", 70),
		"#A: {x: #A | null}\n#Config: {#A, ...}", "#Config: {a: int @promote(never) @merge(append)}", "let x = 1\n#Config: {a: x}", "\ufeff#Config: {a: 1}\r\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		if len(body) > 4096 {
			t.Skip()
		}
		start := time.Now()
		set, err := Load([]Source{inlineSource(body)}, nil)
		var m *Module
		if err == nil {
			m, err = set.Module("mine")
		}
		if took := time.Since(start); took > 2*compileTime {
			t.Fatalf("took %s", took)
		}
		if err != nil {
			list, ok := errors.AsType[diag.List](err)
			if _, unknown := errors.AsType[*UnknownModuleError](err); !unknown && (!ok || len(list) == 0) {
				t.Fatalf("error %v", err)
			}
			for _, x := range list {
				if x.Code == "" || x.Message == "" || x.Position.File == "" {
					t.Fatalf("finding %+v", x)
				}
			}
			return
		}
		for range m.Fields() {
		}
		m.Defaults()
		for _, root := range []*tree.Node{tree.NewMap(), tree.NewMap(tree.Field{Key: "a", Value: tree.NewList(tree.NewNull())})} {
			m.Validate(m.Complete(root))
		}
	})
}

// mutate gives a copy of n in which something is changed, as people and merges do it.
func mutate(r *rand.Rand, n *tree.Node, words []string) *tree.Node {
	if r.IntN(8) == 0 {
		switch r.IntN(7) {
		case 0:
			return tree.NewNull()
		case 1:
			return tree.NewBool(r.IntN(2) == 0)
		case 2:
			return tree.Scalar(tree.Int, []string{"0", "-1", "1", "7", "100000000", "0x10"}[r.IntN(6)])
		case 3:
			return tree.Scalar(tree.Float, []string{"0.5", "-1.0", "1.0", "2e3", "1e-9"}[r.IntN(5)])
		case 4:
			return tree.NewList()
		case 5:
			return tree.NewMap()
		}
		return tree.NewString(words[r.IntN(len(words))])
	}
	switch n.Kind {
	case tree.Map:
		var fields []tree.Field
		for _, f := range n.Fields() {
			switch r.IntN(12) {
			case 0:
			case 1:
				f.Key = words[r.IntN(len(words))]
				fallthrough
			default:
				f.Value = mutate(r, f.Value, words)
				fields = append(fields, f)
			}
		}
		if r.IntN(6) == 0 {
			fields = append(fields, tree.Field{Key: words[r.IntN(len(words))], Value: mutate(r, n, words)})
		}
		seen := map[string]bool{}
		kept := fields[:0]
		for _, f := range fields {
			if !seen[f.Key] {
				kept = append(kept, f)
			}
			seen[f.Key] = true
		}
		return n.WithFields(kept)
	case tree.List:
		var items []*tree.Node
		for _, item := range n.Items() {
			if r.IntN(10) > 0 {
				items = append(items, mutate(r, item, words))
			}
		}
		return n.WithItems(items)
	}
	return n
}

// The description and CUE agree on thousands of configurations that are nearly right.
func TestAgreement(t *testing.T) {
	set, err := Load(builtins(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	engine, err := set.Module("inference-engine")
	if err != nil {
		t.Fatal(err)
	}
	rounds := 150
	if testing.Short() {
		rounds = 20
	}
	for _, c := range []struct {
		module *Module
		root   *tree.Node
	}{
		{service(t), config(t, valid+`
providers: {a: {kind: openai, key: sk-2}, b: {kind: azure, region: eu, timeout: 5}}
routes: [{name: a}, {name: b, weight: 0, match: {path: /x}}]
tls: {enabled: true, cert: c, key: k, strict: false}
models: {a: {}, b: {price: 1e-06}}
default_model: b
union: {to: x, also: 1}
low: 1
high: 5
size: auto
tree: {children: [{value: 1}, {children: []}]}
maybe: {shared: s}
`)},
		{engine, config(t, inference)},
	} {
		words := strings.Fields("a b name kind openai azure memory disk type path region x AB sk-1 vllm enabled backend redis")
		for e := range c.module.Fields() {
			if key := e.Key[strings.LastIndexByte(e.Key, '.')+1:]; !strings.ContainsAny(key, `<[]"`) {
				words = append(words, key)
			}
		}
		for i := range rounds {
			r := rand.New(rand.NewPCG(1, uint64(i)))
			root := mutate(r, c.root, words)
			if root.Kind == tree.Map {
				agree(t, c.module, root)
			}
		}
	}
}
