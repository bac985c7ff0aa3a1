package merge_test

import (
	"bytes"
	"testing"

	"github.com/llm-devops/lcm/pkg/merge"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// FuzzMerge merges any three texts. A clean merge by key reads back, is the same from either side, and a side that changed
// nothing changes nothing.
func FuzzMerge(f *testing.F) {
	for _, v := range [][3]string{
		{"a: 1\nb: 2\n", "a: 1\nb: 3\n", "a: 2\nb: 2\n"},
		{"", "a: {x: 1}\n", "a: {y: 2}\n"},
		{"l: [1, 2]\n", "l: [1, 2, 3]\n", "l: [0, 1, 2]\n"},
		{"l:\n  - name: x\n    v: 1\n", "l:\n  - name: x\n    v: 2\n", "l:\n  - name: y\n  - name: x\n    v: 1\n"},
		{"t: |\n  one\n  two\n  three\n", "t: |\n  1\n  two\n  three\n", "t: |\n  one\n  two\n  3\n"},
		{"a: !override 1 # c\n", "a: !override 2\n", "# new\na: !override 1 # c\n"},
		{"a: &x {b: 1}\nc: *x\n", "a: &x {b: 2}\nc: *x\n", "a: &x {b: 1}\nc: *x\nd: 1\n"},
		{"a: 1\n", "<<<<<<< ours\n", "=======\n"},
		{"a: 'x\n  y'\n", "a: \"x\"\n", "a: >-\n  x\n"},
	} {
		f.Add(v[0], v[1], v[2])
	}
	k := nobody(f)
	f.Fuzz(func(t *testing.T, base, ours, theirs string) {
		run := func(base, ours, theirs string) *merge.Result {
			v := merge.Versions{Base: []byte(base), Ours: []byte(ours), Theirs: []byte(theirs)}
			r, err := merge.Merge(t.Context(), "f.yaml", v, merge.Options{Keyring: k, Now: now})
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		r := run(base, ours, theirs)
		if r.ByLine != nil {
			return
		}
		root := func(text []byte) *tree.Node {
			doc, err := yamldoc.Parse("f.yaml", text)
			if err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			return doc.Root()
		}
		if len(r.Conflicts) > 0 {
			for _, side := range []merge.Side{merge.Ours, merge.Theirs, merge.Base} {
				text, err := merge.Choose("f.yaml", r.Text, nil, side, merge.Options{})
				if err != nil {
					t.Fatalf("%v\n%s", err, r.Text)
				}
				root(text)
			}
			return
		}
		if other := run(base, theirs, ours); other.ByLine == nil && (len(other.Conflicts) > 0 || !tree.Equal(root(other.Text), root(r.Text))) {
			t.Fatalf("from the other side it is something else:\n%s---\n%s", r.Text, other.Text)
		}
		for _, same := range []*merge.Result{run(base, ours, base), run(base, base, ours)} {
			if same.ByLine == nil && !tree.Equal(root(same.Text), root([]byte(ours))) {
				t.Fatalf("one side changed something else:\n%s---\n%s", ours, same.Text)
			}
		}
		if same := run(base, ours, ours); same.ByLine == nil && !bytes.Equal(bytes.TrimRight(same.Text, "\n"), bytes.TrimRight([]byte(ours), "\n")) &&
			!tree.Equal(root(same.Text), root([]byte(ours))) {
			t.Fatalf("both changed the same:\n%s---\n%s", ours, same.Text)
		}
	})
}
