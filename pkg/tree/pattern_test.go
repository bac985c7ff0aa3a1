package tree

import (
	"slices"
	"testing"
)

func sample() *Node {
	str := NewString
	field := func(k string, v *Node) Field { return Field{Key: k, Value: v} }
	hidden := str("vllm")
	hidden.Secret = true
	return NewMap(
		field("upstreams", NewMap(
			field("a", NewMap(field("kind", str("vllm")), field("model", str("llama")))),
			field("b", NewMap(field("kind", str("openai")), field("model", str("gpt")))),
			field("c", NewMap(field("kind", hidden), field("model", str("x")))),
		)),
		field("chains", NewList(
			NewMap(field("name", str("one")), field("models", NewList(str("m1"), str("m2")))),
			NewMap(field("name", str("two")), field("models", NewList())),
		)),
		field("*", str("star")), field("a.b", str("dotted")),
	)
}

func TestPatternMatches(t *testing.T) {
	for pattern, want := range map[string][]string{
		"upstreams.*.model":             {"upstreams.a.model", "upstreams.b.model", "upstreams.c.model"},
		"upstreams[kind=vllm].model":    {"upstreams.a.model"}, // a secret is matched by nobody
		"upstreams[*].model":            nil,
		"chains[*].models[*]":           {"chains[0].models[0]", "chains[0].models[1]"},
		"chains.*":                      nil,
		"chains[1].name":                {"chains[1].name"},
		"chains[name=two].name":         {"chains[1].name"},
		"chains[7].name":                nil,
		"**.name":                       {"chains[0].name", "chains[1].name"},
		"chains.**.name":                {"chains[0].name", "chains[1].name"},
		"**[*].name":                    {"chains[0].name", "chains[1].name"},
		`"*"`:                           {"*"},
		`"a.b"`:                         {`"a.b"`},
		"missing.*.x":                   nil,
		"upstreams.a.model.deeper.none": nil,
	} {
		p, err := ParsePattern(pattern)
		if err != nil {
			t.Errorf("%s: %v", pattern, err)
			continue
		}
		var got []string
		for path := range p.Matches(sample()) {
			got = append(got, path.String())
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s matches %v, want %v", pattern, got, want)
		}
		for range p.Matches(sample()) {
			break // and nothing goes on after it
		}
	}
}

func TestPatternSplit(t *testing.T) {
	for pattern, want := range map[string][2]string{
		"tls.cert": {"", "tls.cert"}, "up.*.tls.cert": {"a.b", "tls.cert"}, "list[*]": {"", ""},
	} {
		p, err := ParsePattern(pattern)
		if err != nil {
			t.Fatal(err)
		}
		if _, one := p.Split(); one.String() != want[1] {
			t.Errorf("%s: one is %q, want %q", pattern, one, want[1])
		}
	}
	p, _ := ParsePattern("upstreams.*.tls.cert")
	many, _ := p.Split()
	n := 0
	for range many.Matches(sample()) {
		n++
	}
	if n != 3 {
		t.Errorf("there are %d upstreams", n)
	}
}

func TestPatternErrors(t *testing.T) {
	for _, s := range []string{"", "a..b", "a*", "a.b*.c", "**.a.**", "a[", "a[x", "a[b", `"a`, "a]b", ".a", "a[*]b"} {
		if p, err := ParsePattern(s); err == nil {
			t.Errorf("%q is read as %v", s, p.steps)
		}
	}
}

func FuzzPattern(f *testing.F) {
	for _, s := range []string{"a.*.b", "a[*][0].c", "**.x", `"*".y[n=v]`, "a[k=\"v w\"]", "chains[*].models[*]"} {
		f.Add(s)
	}
	n := sample()
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePattern(s)
		if err != nil {
			return
		}
		for path, v := range p.Matches(n) {
			if n.Get(path) != v {
				t.Fatalf("%s: %s is another value", s, path)
			}
		}
		// A key is a pattern for itself, but that a choice takes all, where a key takes the first.
		if path, err := ParsePath(s); err == nil && n.Get(path) != nil {
			found := false
			for _, v := range p.Matches(n) {
				found = found || v == n.Get(path)
			}
			if !found && s != "*" && s != "**" {
				t.Fatalf("%s does not match itself", s)
			}
		}
	})
}
