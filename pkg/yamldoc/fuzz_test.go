package yamldoc

import (
	"errors"
	"strings"
	"testing"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
)

var seeds = []string{
	"", "a: 1\n", "a: &x {b: 1}\nc: *x\n", "a: &x {b: 1}\nc:\n  <<: *x\n  d: 2\n", "a: |+\n  x\n\nb: >-\n  y\n", "- a\n",
	"a: !override\n  - x\n", "a: [1, {b: c}, 'd', \"e\\n\"]\n", "a: 1\r\nb:\r\n- c\r\n", "\uFEFFa: b # c\n", "? a\n: b\n", "a: !!str 5\n",
	"a: !delete\nb: ! 12\n", "a:\n  # c\n  b: 1\n# d\n", "a:\n- b: 1\n  c: 2\n- - d\n  - e\n", "{\"a\": [1,\n 2, # x\n]}\n", "--- !merge\na: 1\n...\n",
	"a: |2\n   x\n  y\n", "a: x\n  y\n\n  z\nb: \"p\n  q\"\n", "a: {b, c: }\n", "a: *x\n", "a: &x [*x]\n", "\ta: b\n", "a: \x00\n", "a: \xff\n",
	"a: x\u2028  y\n", "k: &an:chor value\nl: b\n", "a: \"\u0085\"\n", "%YAML 1.2\n---\na: 1\n", "a: 1\n---\nb: 1\n", "a: {b: 1}}\n", "a: 'x\n\n  y'\nb: |\n\n  z\n",
}

func checkList(t *testing.T, err error) {
	t.Helper()
	list, ok := errors.AsType[diag.List](err)
	if !ok || len(list) == 0 {
		t.Fatalf("error is a %T: %v", err, err)
	}
	for _, f := range list {
		if f.Code == "" || f.Message == "" || f.Position.File == "" {
			t.Fatalf("finding is not complete: %+v", f)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		d, err := Parse("f.yaml", []byte(src))
		if err != nil {
			checkList(t, err)
			return
		}
		if d.Root().Kind != tree.Map {
			t.Fatalf("root is a %s", d.Root().Kind)
		}
		lines := strings.Count(src, "\n") + strings.Count(src, "\r") + strings.Count(src, "\u0085") + strings.Count(src, "\u2028") + strings.Count(src, "\u2029") + 1
		d.Root().Walk(func(p tree.Path, n *tree.Node) bool {
			if len(p) > MaxDepth {
				t.Fatalf("%d deep", len(p))
			}
			if n.Pos.Line < 1 || n.Pos.Line > lines || n.Pos.Column < 1 {
				t.Fatalf("%s is at %s", p, n.Pos)
			}
			return true
		})
		// What was read can be written, and reads back as the same.
		if _, err := New("n.yaml", d.Root()); err != nil {
			t.Fatalf("%v\n%q", err, src)
		}
	})
}

// FuzzSet sets, adds or removes a value somewhere in a document: it is refused, or exactly that changed.
func FuzzSet(f *testing.F) {
	for i, s := range seeds {
		f.Add(s, i, "x", "new")
		f.Add(s, i+1, "a\nb\n", "k")
		f.Add(s, i+2, "", "")
	}
	f.Fuzz(func(t *testing.T, src string, which int, value, key string) {
		d, err := Parse("f.yaml", []byte(src))
		if err != nil {
			return
		}
		var paths []tree.Path
		d.Root().Walk(func(p tree.Path, _ *tree.Node) bool {
			paths = append(paths, p.Clone())
			return len(paths) < 1000
		})
		path := paths[int(uint(which)%uint(len(paths)))]
		at := d.Root().Get(path)
		v := tree.NewString(value)
		if kind, text := tree.Resolve(value); len(value)%2 == 0 {
			v = tree.Scalar(kind, text)
		}
		edit := Edit{Path: path, Value: v}
		switch {
		case at.Kind == tree.Map && len(key)%2 == 0:
			edit.Path = append(path.Clone(), tree.Key(key))
		case at.Kind == tree.List && len(key)%2 == 0:
			edit.Path = append(path.Clone(), tree.Index(at.Len()))
		case which%3 == 0:
			edit.Value = nil
		}
		out, err := d.Apply(edit)
		if err != nil {
			checkList(t, err)
			return
		}
		got := out.Root().Get(edit.Path)
		switch {
		case edit.Value != nil && (got == nil || !tree.Equal(got, edit.Value)):
			t.Fatalf("%s is %v in %q", edit.Path, got, out.Source())
		case edit.Value == nil && len(edit.Path) > 0:
			if _, isKey := edit.Path[len(edit.Path)-1].AsKey(); isKey && got != nil {
				t.Fatalf("%s is still there in %q", edit.Path, out.Source())
			}
		}
		// The rest is as it was.
		d.Root().Walk(func(p tree.Path, n *tree.Node) bool {
			if p.HasPrefix(edit.Path) || edit.Value == nil && len(p) >= len(edit.Path) && p[:len(edit.Path)-1].Equal(edit.Path[:len(edit.Path)-1]) {
				return false
			}
			if n.Kind.IsScalar() && !edit.Path.HasPrefix(p) && !tree.Equal(n, out.Root().Get(p)) {
				t.Fatalf("%s changed from %v in %q to %q", p, n, src, out.Source())
			}
			return true
		})
	})
}

// FuzzNew builds a tree from bytes, writes it and reads it back.
func FuzzNew(f *testing.F) {
	f.Add([]byte("a\x01text\x02b"))
	f.Add([]byte("mkx\x00lab\n\n c\x00s y\n"))
	f.Add([]byte("m\x00no\x00sno\x00s2025-11-21\x00n0.70\x00l\x00"))
	for _, s := range seeds {
		f.Add([]byte("ma\x00s" + s + "\x00b\x00l" + "s" + s + "\x00m" + s + "\x00s\n" + s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > MaxKey {
			t.Skip() // a key of it may be too long
		}
		b := &builder{data: data}
		root := b.fields(0)
		d, err := New("n.yaml", root)
		if err != nil {
			checkList(t, err)
			if b.valid {
				t.Fatalf("refused: %v", err)
			}
			return
		}
		if !tree.Identical(d.Root(), root) {
			t.Fatalf("reads back differently:\n%s", d.Source())
		}
	})
}

// builder makes a tree from bytes.
type builder struct {
	data  []byte
	valid bool
}

func (b *builder) next() byte {
	if len(b.data) == 0 {
		return 0
	}
	c := b.data[0]
	b.data = b.data[1:]
	return c
}

func (b *builder) text() string {
	s, rest, _ := strings.Cut(string(b.data), "\x00")
	b.data = []byte(rest)
	return s
}

func (b *builder) fields(depth int) *tree.Node {
	var fields []tree.Field
	seen := map[string]bool{}
	b.valid = true
	for len(b.data) > 0 && b.data[0] != '}' {
		key := strings.ToValidUTF8(b.text(), "?")
		v := b.value(depth)
		if !seen[key] {
			fields = append(fields, tree.Field{Key: key, Value: v})
		}
		seen[key] = true
	}
	b.next()
	return tree.NewMap(fields...)
}

func (b *builder) value(depth int) *tree.Node {
	var n *tree.Node
	switch c := b.next(); {
	case c == 'm' && depth < 20:
		n = b.fields(depth + 1)
	case c == 'l' && depth < 20:
		var items []*tree.Node
		for len(b.data) > 0 && b.data[0] != ']' {
			items = append(items, b.value(depth+1))
		}
		b.next()
		n = tree.NewList(items...)
	case c == 'n':
		kind, text := tree.Resolve(strings.ToValidUTF8(b.text(), "?"))
		n = tree.Scalar(kind, text)
	case c == 'f':
		n = tree.Scalar(tree.Float, "3")
	default:
		n = tree.NewString(strings.ToValidUTF8(b.text(), "?"))
	}
	if len(b.data) > 0 && b.data[0] < 6 {
		n.Directive = tree.Directive(b.next())
	}
	return n
}
