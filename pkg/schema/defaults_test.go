package schema

import (
	"testing"

	"github.com/llm-devops/lcm/pkg/tree"
)

func TestDefaults(t *testing.T) {
	m := service(t)
	want := `{"high":10,"kind":"service","level":"mid","low":1,"nested":{"deep":{"count":3},"list":["a","b"],"map":{"a":1}},` +
		`"port":8080,"temperature":0.70,"tls":{"enabled":false}}`
	if got := jsonOf(t, m.Defaults()); got != want {
		t.Errorf("got %s", got)
	}
	for key, at := range map[string]string{
		"temperature": "schema:service:20:16", "port": "schema:service:13:19", "nested.deep.count": "schema:service:57:12",
		"nested.list[1]": "schema:service:60:16", "nested.map.a": "schema:service:61:13", "kind": "schema:service:49:8",
	} {
		if got := m.Defaults().Get(path(t, key)).Pos.String(); got != at {
			t.Errorf("%s at %s, want %s", key, got, at)
		}
	}
}

// What a configuration has with its defaults is valid, and complete already.
func TestDefaultsAreValid(t *testing.T) {
	m := service(t)
	full := m.Complete(config(t, valid))
	if found := m.Validate(full); len(found) > 0 {
		t.Error(found)
	}
	if m.Complete(full) != full {
		t.Error("completing twice changes something")
	}
}

func TestComplete(t *testing.T) {
	m := inline(t, `
#Config: {
	maybe?: {a: *1 | int, b?: int, sub: {c: *2.50 | number}, opt?: {d: *3 | int}}
	named?: {[string]: {timeout: *30 | int, list: *[{}] | [...{x: *1 | int}]}}
	items?: [...{w: *1 | int}]
	fixed?: [{f: *1 | int}, {g: *2 | int}]
	kind?: {k!: "a", x: *1 | int} | {k!: "b", y: *2 | int}
	free?: {s: *"t" | string} | string
	rec?: #Rec
	must?: {r!: *1 | int}
	computed?: {a: *1 | int, b: *(a * 2) | int}
	nul?: {n: *null | string}
	empty?: {l: [...int], m: {[string]: int}}
	order?: {z: *1 | int, a: *2 | int}
	outer: *"o" | string
}
#Rec: {v: *1 | int, sub?: #Rec}
`)
	for _, tt := range []struct{ config, want string }{
		{"{}", `{}`},
		{"maybe: {}", `{"maybe":{"a":1,"sub":{"c":2.50}}}`},
		{"maybe: {a: 5, opt: {}}", `{"maybe":{"a":5,"opt":{"d":3},"sub":{"c":2.50}}}`},
		{"maybe: {sub: {c: 1}}", `{"maybe":{"a":1,"sub":{"c":1}}}`},
		{"named: {p: {}, q: {timeout: 1, list: []}}", `{"named":{"p":{"list":[{"x":1}],"timeout":30},"q":{"list":[],"timeout":1}}}`},
		{"items: [{}, {w: 5}, {}]", `{"items":[{"w":1},{"w":5},{"w":1}]}`},
		{"fixed: [{}, {}]", `{"fixed":[{"f":1},{"g":2}]}`},
		{"kind: {k: a}", `{"kind":{"k":"a","x":1}}`},
		{"kind: {k: b}", `{"kind":{"k":"b","y":2}}`},
		{"kind: {y: 5}", `{"kind":{"y":5}}`},
		{"kind: {}", `{"kind":{}}`},
		{"kind: {k: c}", `{"kind":{"k":"c"}}`},
		{"free: text", `{"free":"text"}`},
		{"free: {}", `{"free":{"s":"t"}}`},
		{"rec: {sub: {sub: {}}}", `{"rec":{"sub":{"sub":{"v":1},"v":1},"v":1}}`},
		{"must: {}", `{"must":{}}`},
		{"computed: {}", `{"computed":{"a":1}}`},
		{"nul: {}", `{"nul":{"n":null}}`},
		{"empty: {}", `{"empty":{}}`},
		{"maybe: 5", `{"maybe":5}`},
		{"unknown: {}", `{"unknown":{}}`},
	} {
		got := m.Complete(config(t, tt.config)).Without("outer")
		if text := jsonOf(t, got); text != tt.want {
			t.Errorf("%s: got %s, want %s", tt.config, text, tt.want)
		}
	}
	root := config(t, "items: [{w: 1}, {}]\nrec: {v: 2}\nouter: x")
	full := m.Complete(root)
	if full.Field("rec") != root.Field("rec") || full.Get(path(t, "items[0]")) != root.Get(path(t, "items[0]")) {
		t.Error("what is not completed is not shared")
	}
	if p := full.Get(path(t, "items[1].w")).Pos; p.File != "schemas/mine.cue" || p.Line == 0 {
		t.Errorf("the default is at %s", p)
	}
	if p := full.Get(path(t, "items[1]")).Pos; p != root.Get(path(t, "items[1]")).Pos {
		t.Errorf("the item is at %s", p)
	}
	if got := m.Complete(config(t, "order: {}")).Field("order").Fields(); len(got) != 2 || got[0].Key != "z" {
		t.Error("defaults are not in the order of the schema")
	}
	if m.Complete(nil) != m.Defaults() {
		t.Error("nothing is not completed to the defaults")
	}
}

func TestNumbersKeepTheirSpelling(t *testing.T) {
	m := inline(t, `#Config: {
	a: *0.70 | number, b: *1e-06 | number, c: *12345678901234567890123 | int, d: *-5 | int, e: *1_000 | int, f: *4Ki | int, g: *0x1F | int, h: *.5 | number
}`)
	want := `{"a":0.70,"b":1e-06,"c":12345678901234567890123,"d":-5,"e":1000,"f":4096,"g":31,"h":0.5}`
	if got := jsonOf(t, m.Defaults()); got != want {
		t.Errorf("got %s", got)
	}
	if got := m.Defaults().Field("a"); got.Kind != tree.Float {
		t.Errorf("a is %s", got.Kind)
	}
}
