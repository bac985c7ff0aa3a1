package schema

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
)

// builtins gives the sources of the program's own modules.
func builtins(t testing.TB) []Source {
	t.Helper()
	files, err := filepath.Glob("../../schemas/*.cue")
	if err != nil || len(files) == 0 {
		t.Fatalf("no built-in schemas: %v", err)
	}
	var sources []Source
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		sources = append(sources, Source{File: filepath.Base(f), Data: data, Builtin: true})
	}
	return sources
}

// inference is a configuration of the inference engine with some 40 fields.
const inference = `
default_model: main
providers:
  openai: {kind: openai, api_key: sk-123456, timeout_ms: 20000, organization: acme}
  azure: {kind: azure-openai, endpoint: "https://acme.openai.azure.com", api_version: "2024-10-21", region: westeurope}
  local: {kind: vllm, endpoint: "http://vllm:8000/v1", max_connections: 8}
models:
  main: {provider: openai, model: gpt-4.1, context_window: 1000000, capabilities: [chat, tools], price: {input_per_million: 2.00, output_per_million: 8.00}}
  small: {provider: azure, model: gpt-4.1-mini, context_window: 128000, tier: economy}
  own: {provider: local, model: llama, context_window: 32768, timeout_ms: 60000}
chains:
  - {name: default, models: [main, small], budget_ms: 30000}
parameters: {temperature: 0.70, max_tokens: 2048, top_p: 0.95}
cache: {enabled: true, backend: redis, address: "redis:6379", ttl: 10m}
circuit_breaker: {error_percent: 25, window: 1m}
retry: {max_retries: 3, multiplier: 1.5}
`

func TestBuiltins(t *testing.T) {
	set, err := Load(builtins(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range set.Names() {
		t.Run(name, func(t *testing.T) {
			m, err := set.Module(name)
			if err != nil {
				t.Fatal(err)
			}
			if found := m.judge.(*cueJudge).build(); len(found) > 0 {
				t.Fatal(found)
			}
			if m.Title() == m.Name() || m.Version() == "" || m.Doc() == "" || len(m.SecretNames()) == 0 || m.Defaults().Len() == 0 {
				t.Errorf("%s %s %q has secrets %v and %d defaults", m.Name(), m.Version(), m.Title(), m.SecretNames(), m.Defaults().Len())
			}
			for _, f := range m.Validate(m.Defaults()) {
				if f.Code != CodeRequired || f.Severity != diag.Error {
					t.Errorf("the defaults are wrong: %s", f)
				}
			}
			plain := map[string]string{}
			for e := range m.Fields() {
				if e.Field.Doc == "" && !strings.HasSuffix(e.Key, "]") && !strings.HasSuffix(e.Key, ">") {
					t.Errorf("%s has no comment", e.Key)
				}
				last := e.Key[strings.LastIndexByte(e.Key, '.')+1:]
				if !e.Field.Secret && len(e.Field.Kinds) == 1 && e.Field.Kinds[0].IsScalar() {
					plain[last] = e.Key
				}
			}
			for _, secret := range m.SecretNames() {
				if key := plain[secret]; key != "" {
					t.Errorf("%s is not secret, but has the name of a secret", key)
				}
			}
		})
	}
	m, err := set.Module("inference-engine")
	if err != nil {
		t.Fatal(err)
	}
	if found := m.Validate(config(t, inference)); len(found) > 0 {
		t.Error(found)
	}
	broken := strings.NewReplacer("main, small", "main, smal", "default_model: main", "default_model: mian", "endpoint: \"http://vllm:8000/v1\", ", "", "temperature: 0.70", "temperature: 7").Replace(inference)
	got := strings.Join(lines(m.Validate(config(t, broken))), "\n")
	want := `2:16 enum: default_model is "mian", must be one of "main", "own", "small"
6:10 required: providers.local.endpoint is required when kind is "vllm" | providers.local.endpoint is a string: Base URL; left out, it is the provider's public one
12:36 enum: chains[0].models[1] is "smal", must be one of "main", "own", "small" | did you mean small?
13:27 bound: parameters.temperature is 7, must be at most 2`
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// Validating keeps nothing: the heap after 20,000 configurations is that after the first ones.
func TestValidateMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	m := service(t)
	heap := func() int {
		runtime.GC()
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return int(s.HeapAlloc)
	}
	validate := func(from, to int) {
		for i := from; i < to; i++ {
			number, err := tree.NewNumber(fmt.Sprintf("%d.%d", i%2, i))
			if err != nil {
				t.Fatal(err)
			}
			found := m.Validate(tree.NewMap(
				tree.Field{Key: "name", Value: tree.NewString("abc")},
				tree.Field{Key: "temperature", Value: number},
				tree.Field{Key: "api_key", Value: tree.NewString(fmt.Sprintf("sk-%d", i))},
				tree.Field{Key: "backend", Value: tree.NewMap(tree.Field{Key: "type", Value: tree.NewString("cache")})},
				tree.Field{Key: "nested", Value: tree.NewMap(tree.Field{Key: "deep", Value: tree.NewMap(tree.Field{Key: "must", Value: tree.NewBool(i%20 > 0)})})},
			))
			if len(found) > 0 {
				t.Fatal(found)
			}
		}
	}
	validate(0, 1000)
	before := heap()
	validate(1000, 21000)
	if grown := heap() - before; grown > 2<<20 {
		t.Errorf("20,000 validations keep %d bytes", grown)
	}
}

func BenchmarkCompile(b *testing.B) {
	all := builtins(b)
	b.Run("load", func(b *testing.B) { // the headers of all modules, and the description of one
		b.ReportAllocs()
		for b.Loop() {
			set, err := Load(all, nil)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := set.Module("inference-engine"); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, src := range all {
		if src.File != "inference_engine.cue" {
			continue
		}
		b.Run("describe", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				mustModule(b, src)
			}
		})
		b.Run("evaluate", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				mustModule(b, src).judge.(*cueJudge).build()
			}
		})
	}
}

func BenchmarkValidate(b *testing.B) {
	set, err := Load(builtins(b), nil)
	if err != nil {
		b.Fatal(err)
	}
	m, err := set.Module("inference-engine")
	if err != nil {
		b.Fatal(err)
	}
	for name, root := range map[string]*tree.Node{
		"engine-valid":  config(b, inference),
		"engine-broken": config(b, strings.ReplaceAll(inference, "temperature: 0.70", "temperature: 7")),
		"engine-sealed": seal(config(b, inference), nil, true, "providers.openai.api_key"),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m.Validate(root)
			}
		})
	}
	b.Run("engine-parallel", func(b *testing.B) {
		root := config(b, inference)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				m.Validate(root)
			}
		})
	})
	b.Run("engine-cue", func(b *testing.B) { // what a valid configuration costs that only CUE can decide about
		root, j := config(b, inference), m.judge.(*cueJudge)
		j.build()
		b.ReportAllocs()
		for b.Loop() {
			j.ask(root, m.root)
		}
	})
	s := service(b)
	root := config(b, valid)
	b.Run("service-valid", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s.Validate(root)
		}
	})
}

func BenchmarkField(b *testing.B) {
	m := service(b)
	p := path(b, "providers.azure.key")
	b.ReportAllocs()
	for b.Loop() {
		m.Field(p)
	}
}
