package schema

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/llm-devops/lcm/pkg/diag"
)

var update = flag.Bool("update", false, "write the descriptions of the built-in modules")

// fromSource gives a module that is described from its source, whatever is written down about it.
func fromSource(t testing.TB, src Source, like *Module) *Module {
	t.Helper()
	m := &Module{header: like.header, text: func() (*text, diag.List) { return textOf(src) }}
	if found := m.compile(src); len(found) > 0 {
		t.Fatal(found)
	}
	return m
}

// shapesOf gives all shapes below a member.
func shapesOf(m *member) []*shape {
	var list []*shape
	seen := map[*shape]bool{}
	var visit func(s *shape)
	visit = func(s *shape) {
		if s == nil || seen[s] {
			return
		}
		seen[s] = true
		list = append(list, s)
		for _, a := range s.alts {
			visit(a)
		}
		for _, m := range slices.Concat(s.fields, s.patterns, s.items, []*member{s.rest}) {
			if m != nil {
				visit(m.shape)
				visit(m.key)
			}
		}
	}
	visit(m.shape)
	return list
}

// What is written down about the built-in modules is what their sources say.
func TestDescriptions(t *testing.T) {
	for _, src := range builtins(t) {
		file := filepath.Join("descriptions", strings.TrimSuffix(src.File, ".cue")+".txt")
		m := mustModule(t, src)
		fresh := fromSource(t, src, m)
		// The header as the source says it too.
		plain := src
		plain.File = "other/" + src.File + "x.cue"
		h, found := readHeader(plain)
		if len(found) > 0 {
			t.Fatal(found)
		}
		fresh.header = h
		if *update {
			if err := os.WriteFile(file, fresh.describe(), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		written, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(written, fresh.describe()) {
			t.Fatalf("%s is not what %s says; run: go generate ./pkg/schema", file, src.File)
		}
		d := descriptionOf(src, m.Digest())
		if d == nil {
			t.Fatalf("%s cannot be read", file)
		}
		root, err := d.root()
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range shapesOf(fresh.root) {
			for i, r := range s.rules {
				if r.re != nil {
					s.rules[i].re = &pattern{text: r.re.text} // as if it had not been used yet
				}
			}
		}
		// Nothing is lost on the way: the shapes are the same, with all that hangs on them.
		if !reflect.DeepEqual(root, fresh.root) || d.header != fresh.header {
			t.Errorf("%s: what is read is not what was written", file)
		}
		if m.judge.(*cueJudge).text.file != nil {
			t.Errorf("%s: the source was parsed", src.File)
		}
	}
	if *update {
		t.Log("the descriptions were written; run the tests again")
	}
}

// A source that is not the one described is read itself, and so is one of the organisation's.
func TestDescriptionOfAnotherSource(t *testing.T) {
	src := builtins(t)[0]
	m := mustModule(t, src)
	if descriptionOf(Source{File: src.File, Data: src.Data}, m.Digest()) != nil {
		t.Error("the organisation's module has a built-in description")
	}
	src.Data = append(bytes.Clone(src.Data), "\n// more\n"...)
	other := mustModule(t, src)
	if other.Digest() == m.Digest() || other.judge.(*cueJudge).text.file == nil {
		t.Error("a changed source was not read")
	}
}

// What was not written by the codec is refused without harm.
func FuzzDescription(f *testing.F) {
	for _, src := range builtins(f) {
		f.Add(string(mustModule(f, src).describe()))
	}
	f.Add("0 1 9999999 ")
	f.Fuzz(func(_ *testing.T, text string) {
		d := &description{rest: codec{reading: true, in: text, patterns: map[string]*pattern{}}}
		d.rest.header(&d.header)
		_, _ = d.root()
	})
}
