package diff

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// parse reads YAML; ENC[…] strings become sealed secrets.
func parse(t *testing.T, src string) *tree.Node {
	t.Helper()
	doc, err := yamldoc.Parse("test.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return seals(doc.Root())
}

func seals(n *tree.Node) *tree.Node {
	switch {
	case n.Kind == tree.Map:
		fields := slices.Clone(n.Fields())
		for i := range fields {
			fields[i].Value = seals(fields[i].Value)
		}
		return n.WithFields(fields)
	case n.Kind == tree.List:
		items := slices.Clone(n.Items())
		for i := range items {
			items[i] = seals(items[i])
		}
		return n.WithItems(items)
	case n.Kind == tree.String && strings.HasPrefix(n.Text(), "ENC["):
		c := n.Clone()
		c.Secret, c.Sealed = true, true
		return c
	}
	return n
}

func describe(c Change) string {
	s := fmt.Sprintf("%s %s", c.Kind, c.Path)
	if c.Secret != "" {
		s += " secret=" + string(c.Secret)
	}
	side := func(n *tree.Node) string {
		if n == nil {
			return "-"
		}
		return strings.TrimSpace(n.Directive.String() + " " + n.String())
	}
	return s + ": " + side(c.Old) + " → " + side(c.New)
}

func TestTrees(t *testing.T) {
	for _, test := range []struct {
		name, old, new string
		want           []string
	}{
		{"same", "a: 1\nb: [x, {c: 2}]", "b: [x, {c: 2}]\na: 1", nil},
		{"scalar", "temperature: 0.7", "temperature: 0.5", []string{"changed temperature: 0.7 → 0.5"}},
		{"respelled", "temperature: 0.7\nn: 0o17", "temperature: 0.70\nn: 15", []string{"respelled temperature: 0.7 → 0.70", "respelled n: 0o17 → 15"}},
		{"whole number and number", "a: 1", "a: 1.5", []string{"changed a: 1 → 1.5"}},
		{"huge numbers are not floats", "a: 12345678901234567890", "a: 12345678901234567891", []string{"changed a: 12345678901234567890 → 12345678901234567891"}},
		{"text that looks like a number", `a: "1"`, "a: 1", []string{`type-changed a: "1" → 1`}},
		{"null is a value", "a:", "a: 1", []string{"type-changed a: null → 1"}},
		{"keys", "a: 1\nb: 2", "b: 2\nc: 3", []string{"added c: - → 3", "removed a: 1 → -"}},
		{"whole map", "a: {}", "a: {}\np: {x: 1, y: 2}", []string{"added p: - → map of 2"}},
		{"nested", "p: {x: {y: 1, z: 2}}", "p: {x: {y: 1, z: 3}}", []string{"changed p.x.z: 2 → 3"}},
		{"type", "p: {x: 1}", "p: [1]", []string{"type-changed p: map of 1 → list of 1"}},
		{"list item added", "l: [a, c]", "l: [a, b, c]", []string{`added l[1]: - → "b"`}},
		{"list item removed", "l: [a, b, c]", "l: [a, c]", []string{`removed l[1]: "b" → -`}},
		{"list item changed", "l: [a, b, c]", "l: [a, x, c]", []string{`changed l[1]: "b" → "x"`}},
		{"list reordered", "l: [a, b, c]", "l: [c, a, b]", []string{"reordered l: list of 3 → list of 3"}},
		{
			"repeated items are no reordering", "l: [a, a, p, q]", "l: [p, q, a, b]",
			[]string{`removed l[0]: "a" → -`, `removed l[1]: "a" → -`, `added l[2]: - → "a"`, `added l[3]: - → "b"`},
		},
		{"objects without identity", "l: [{w: 1, x: 2}]", "l: [{w: 1, x: 3}]", []string{"changed l[0].x: 2 → 3"}},
		{
			"objects by name", "r: [{name: a, w: 1}, {name: b, w: 2}]", "r: [{name: new, w: 0}, {name: a, w: 1}, {name: b, w: 3}]",
			[]string{"added r[name=new]: - → map of 2", "changed r[name=b].w: 2 → 3"},
		},
		{
			"objects by id reordered", "r: [{id: 1, w: 1}, {id: 2}]", "r: [{id: 2}, {id: 1, w: 5}]",
			[]string{"changed r[id=1].w: 1 → 5", "reordered r: list of 2 → list of 2"},
		},
		{
			"names that are not unique", "r: [{name: a, w: 1}, {name: a, w: 2}]", "r: [{name: a, w: 1}, {name: a, w: 3}]",
			[]string{"changed r[1].w: 2 → 3"},
		},
		{"directive", "a: 1", "a: !override 1", []string{"directive a: 1 → !override 1"}},
		{"directive and value", "a: [1]", "a: !append [1, 2]", []string{"directive a: list of 1 → !append list of 2", "added a[1]: - → 2"}},
		{"tombstone", "a: 1", "a: !delete\nb: !delete", []string{"directive a: 1 → !delete null", "directive b: - → !delete null"}},
		{"tombstone gone", "a: !delete", "b: 1", []string{"added b: - → 1", "directive a: !delete null → -"}},
		{"secrets", "a: ENC[1]\nb: ENC[2]\nc: ENC[3]\nd: plain", "a: ENC[1]\nb: ENC[9]\nc: plain\nd: ENC[4]", []string{
			"changed b secret=unknown: •••••••• → ••••••••",
			"changed c secret=exposed: •••••••• → ••••••••",
			"changed d secret=sealed: •••••••• → ••••••••",
		}},
		{"secret added", "a: 1", "a: 1\nkey: ENC[1]", []string{"added key: - → ••••••••"}},
		{
			"secret in a list", `l: [{name: a, key: "ENC[1]"}]`, `l: [{name: a, key: "ENC[2]"}]`,
			[]string{"changed l[name=a].key secret=unknown: •••••••• → ••••••••"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for _, c := range Trees(parse(t, test.old), parse(t, test.new)) {
				got = append(got, describe(c))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(test.want, "\n  "))
			}
		})
	}
}

// random builds a tree of the shapes that occur: small maps, lists of scalars, lists of objects with and without a name.
func random(r *rand.Rand, depth int) *tree.Node {
	n := randomValue(r, depth)
	if r.IntN(12) == 0 {
		n.Directive = []tree.Directive{tree.Override, tree.Append, tree.Merge}[r.IntN(3)]
	}
	return n
}

func randomValue(r *rand.Rand, depth int) *tree.Node {
	kind := r.IntN(10)
	if depth == 0 {
		kind = r.IntN(6)
	}
	switch kind {
	case 0:
		return tree.NewNull()
	case 1:
		return tree.NewBool(r.IntN(2) == 0)
	case 2, 3:
		n, _ := tree.NewNumber([]string{"1", "2", "1.0", "0.7", "0.70", "1e2", "100"}[r.IntN(7)])
		return n
	case 4:
		n := tree.NewString(fmt.Sprintf("ENC[%d]", r.IntN(3)))
		n.Secret, n.Sealed = true, true
		return n
	case 5:
		return tree.NewString([]string{"", "a", "b\nc\n", "1"}[r.IntN(4)])
	case 6:
		items := make([]*tree.Node, r.IntN(6))
		for i := range items {
			items[i] = randomValue(r, 0)
		}
		return tree.NewList(items...)
	case 7:
		var items []*tree.Node
		for _, i := range r.Perm(5)[:r.IntN(5)] {
			item := randomMap(r, depth-1).Without("name")
			items = append(items, item.WithFields(append([]tree.Field{{Key: "name", Value: tree.NewString(fmt.Sprint("n", i))}}, item.Fields()...)))
		}
		return tree.NewList(items...)
	}
	return randomMap(r, depth-1)
}

func randomMap(r *rand.Rand, depth int) *tree.Node {
	var fields []tree.Field
	for _, key := range []string{"a", "b", "c", "name"} {
		if r.IntN(3) > 0 {
			fields = append(fields, tree.Field{Key: key, Value: random(r, depth)})
		}
	}
	return tree.NewMap(fields...)
}

// mutate gives a variant of a tree, so that most of it is shared.
func mutate(r *rand.Rand, n *tree.Node, depth int) *tree.Node {
	if r.IntN(8) == 0 {
		return random(r, depth)
	}
	switch n.Kind {
	case tree.Map:
		var fields []tree.Field
		for _, f := range n.Fields() {
			if r.IntN(8) > 0 {
				fields = append(fields, tree.Field{Key: f.Key, Value: mutate(r, f.Value, max(depth-1, 0))})
			}
		}
		return n.WithFields(fields)
	case tree.List:
		var items []*tree.Node
		for _, item := range n.Items() {
			switch r.IntN(8) {
			case 0:
				items = append(items, item, randomValue(r, 0))
			case 1:
			default:
				items = append(items, item)
			}
		}
		if r.IntN(4) == 0 {
			r.Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
		}
		return n.WithItems(items)
	}
	return n
}

// replay makes the changes on the old tree, using nothing else of the new one.
func replay(old *tree.Node, changes []Change, depth int) *tree.Node {
	var below []Change
	out := old
	for _, c := range changes {
		if len(c.Path) > depth {
			below = append(below, c)
			continue
		}
		switch {
		case c.Kind == Directive && c.Old != nil && c.New != nil && !isTombstone(c.Old) && !isTombstone(c.New):
			out = out.Clone()
			out.Directive = c.New.Directive
		case c.Kind == Reordered: // the items themselves are changed below, or not at all
		default:
			return c.New
		}
	}
	if out == nil {
		return nil
	}
	switch out.Kind {
	case tree.Map:
		return replayMap(out, below, depth)
	case tree.List:
		return replayList(out, below, changes, depth)
	}
	return out
}

func replayMap(n *tree.Node, changes []Change, depth int) *tree.Node {
	groups := map[string][]Change{}
	var keys []string
	for _, f := range n.Fields() {
		keys = append(keys, f.Key)
	}
	for _, c := range changes {
		k, _ := c.Path[depth].AsKey()
		groups[k] = append(groups[k], c)
		if !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	var fields []tree.Field
	for _, k := range keys {
		if v := replay(n.Field(k), groups[k], depth+1); v != nil {
			fields = append(fields, tree.Field{Key: k, Value: v})
		}
	}
	return n.WithFields(fields)
}

func replayList(n *tree.Node, below, at []Change, depth int) *tree.Node {
	removed, added := map[int]bool{}, map[int]*tree.Node{}
	var inner []Change
	for _, c := range below {
		switch {
		case len(c.Path) == depth+1 && c.Item >= 0 && c.New == nil:
			removed[c.Item] = true
		case len(c.Path) == depth+1 && c.Item >= 0 && c.Old == nil:
			added[c.Item] = c.New
		default:
			inner = append(inner, c)
		}
	}
	var kept []*tree.Node
	for i, item := range n.Items() {
		if !removed[i] {
			kept = append(kept, item)
		}
	}
	for _, c := range at {
		if len(c.Path) == depth && c.Kind == Reordered {
			kept = reorder(kept, c, added)
		}
	}
	var items []*tree.Node
	for i := range len(kept) + len(added) {
		if v, ok := added[i]; ok {
			items = append(items, v)
			continue
		}
		if len(kept) == 0 {
			break
		}
		var mine []Change
		for _, c := range inner {
			if index, ok := c.Path[depth].AsIndex(); ok && index == i {
				mine = append(mine, c)
			} else if key, value, ok := c.Path[depth].AsMatch(); ok && kept[0].Field(key) != nil && kept[0].Field(key).Text() == value {
				mine = append(mine, c)
			}
		}
		items = append(items, replay(kept[0], mine, depth+1))
		kept = kept[1:]
	}
	return n.WithItems(items)
}

// reorder puts kept items into the order that a Reordered change names.
func reorder(kept []*tree.Node, c Change, added map[int]*tree.Node) []*tree.Node {
	key := identityField(c.Old.Items(), c.New.Items())
	var out []*tree.Node
	rest := slices.Clone(kept)
	for i, want := range c.New.Items() {
		if added[i] != nil {
			continue
		}
		at := slices.IndexFunc(rest, func(n *tree.Node) bool {
			if key != "" {
				return n.Field(key).Text() == want.Field(key).Text()
			}
			return tree.Equal(n, want)
		})
		out = append(out, rest[at])
		rest = slices.Delete(rest, at, at+1)
	}
	return out
}

// canonical sorts the keys of maps, so that trees can be compared with their directives.
func canonical(n *tree.Node) *tree.Node {
	switch {
	case n != nil && n.Kind == tree.Map:
		fields := slices.Clone(n.Fields())
		slices.SortFunc(fields, func(a, b tree.Field) int { return strings.Compare(a.Key, b.Key) })
		for i := range fields {
			fields[i].Value = canonical(fields[i].Value)
		}
		return n.WithFields(fields)
	case n != nil && n.Kind == tree.List:
		items := slices.Clone(n.Items())
		for i := range items {
			items[i] = canonical(items[i])
		}
		return n.WithItems(items)
	}
	return n
}

func TestChangesMakeTheNewTree(t *testing.T) {
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 1))
		old := randomMap(r, 3)
		new := mutate(r, old, 3)
		if new.Kind != tree.Map {
			continue
		}
		changes := Trees(old, new)
		if got := replay(old, changes, 0); !tree.Identical(canonical(got), canonical(new)) {
			a, _ := old.AppendJSON(nil, tree.Revealed)
			b, _ := new.AppendJSON(nil, tree.Revealed)
			c, _ := got.AppendJSON(nil, tree.Revealed)
			var list []string
			for _, c := range changes {
				list = append(list, describe(c))
			}
			t.Fatalf("seed %d\nold %s\nnew %s\ngot %s\n%s", seed, a, b, c, strings.Join(list, "\n"))
		}
		if same := Trees(new, new); len(same) > 0 {
			t.Fatalf("seed %d: a tree differs from itself: %s", seed, describe(same[0]))
		}
	}
}

func TestText(t *testing.T) {
	for _, test := range []struct{ name, old, new, want string }{
		{"one line of many", "1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n", "@2,7 2,7\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n"},
		{"two hunks", "a\n1\n2\n3\n4\n5\n6\n7\nb\n", "A\n1\n2\n3\n4\n5\n6\n7\nB\n", "@1,4 1,4\n-a\n+A\n 1\n 2\n 3\n@6,4 6,4\n 5\n 6\n 7\n-b\n+B\n"},
		{"near changes share a hunk", "a\n1\n2\n3\n4\n5\n6\nb\n", "A\n1\n2\n3\n4\n5\n6\nB\n", "@1,8 1,8\n-a\n+A\n 1\n 2\n 3\n 4\n 5\n 6\n-b\n+B\n"},
		{"line break at the end", "a\nb", "a\nb\n", "@1,2 1,2\n a\n-b$\n+b\n"},
		{"from nothing", "", "a\nb\n", "@1,0 1,2\n+a\n+b\n"},
		{
			"word", "You are a helpful assistant.\nBe brief.\n", "You are a careful assistant.\nBe brief.\n",
			"@1,2 1,2\n-You are a [help]ful assistant.\n+You are a [care]ful assistant.\n Be brief.\n",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			var b strings.Builder
			for _, h := range Text(test.old, test.new) {
				fmt.Fprintf(&b, "@%d,%d %d,%d\n", h.OldStart, h.OldLines, h.NewStart, h.NewLines)
				for _, l := range h.Lines {
					text := l.Text
					for _, m := range slices.Backward(l.Marks) {
						text = text[:m.Start] + "[" + text[m.Start:m.End] + "]" + text[m.End:]
					}
					if l.NoEOL {
						text += "$"
					}
					b.WriteString(l.Op + text + "\n")
				}
			}
			if b.String() != test.want {
				t.Errorf("got\n%swant\n%s", b.String(), test.want)
			}
		})
	}
}

// FuzzText checks that hunks say what both texts are where they differ, and that nothing outside of them does.
func FuzzText(f *testing.F) {
	f.Add("a\nb\nc\n", "a\nx\nc\n")
	f.Add("", "a")
	f.Add("a\r\nb", "a\nb\n")
	f.Add("é\n\xff\n", "\n\n\n")
	f.Fuzz(func(t *testing.T, old, new string) {
		a, b := splitLines(old), splitLines(new)
		hunks := Text(old, new)
		if (old == new) != (len(hunks) == 0) && len(a) <= maxLines && len(b) <= maxLines {
			t.Fatalf("%d hunks", len(hunks))
		}
		i, j := 0, 0
		for _, h := range hunks {
			for ; i < h.OldStart-1; i, j = i+1, j+1 {
				if a[i] != b[j] {
					t.Fatalf("line %d differs outside of the hunks", i+1)
				}
			}
			if j != h.NewStart-1 {
				t.Fatalf("hunk starts at new line %d, not %d", h.NewStart, j+1)
			}
			for _, l := range h.Lines {
				text := l.Text
				if !l.NoEOL {
					text += "\n"
				}
				if l.Op != "+" {
					if a[i] != text {
						t.Fatalf("old line %d is %q, not %q", i+1, a[i], text)
					}
					i++
				}
				if l.Op != "-" {
					if b[j] != text {
						t.Fatalf("new line %d is %q, not %q", j+1, b[j], text)
					}
					j++
				}
			}
		}
		if !slices.Equal(a[i:], b[j:]) && len(hunks) > 0 {
			t.Fatal("the rest differs")
		}
	})
}
