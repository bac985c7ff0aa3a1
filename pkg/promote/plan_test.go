package promote

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/llm-devops/lcm/pkg/layer"
	"github.com/llm-devops/lcm/pkg/schema"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// fieldOf is the schema of these tests: the name of a key says what it is.
func fieldOf(p tree.Path) schema.Field {
	var f schema.Field
	if len(p) == 0 {
		return f
	}
	switch key, _ := p[len(p)-1].AsKey(); key {
	case "tags":
		f.Merge.Strategy = tree.Append
	case "front":
		f.Merge.Strategy = tree.Prepend
	case "whole":
		f.Merge.Strategy = tree.Override
	case "routes":
		f.Merge.Key = "name"
	case "token":
		f.Secret = true
	case "local":
		f.NoPromote = true
	}
	return f
}

func read(t *testing.T, file, src string) *tree.Node {
	t.Helper()
	doc, err := yamldoc.Parse(file, []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return seals(doc.Root())
}

// seals makes strings that begin with ENC sealed secrets.
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
	case n.Kind == tree.String && strings.HasPrefix(n.Text(), "ENC"):
		c := n.Clone()
		c.Secret, c.Sealed = true, true
		return c
	}
	return n
}

// newTarget opens a target over layers without files.
func newTarget(below []*tree.Node, own *tree.Node, above []*tree.Node, strict bool) *target {
	t := &target{
		ownNow: own, schemaField: fieldOf, complete: func(n *tree.Node) *tree.Node { return n },
		layer: layer.Layer{Name: "own", Strict: strict},
	}
	for i, root := range below {
		t.below = append(t.below, layer.Layer{Name: fmt.Sprint("below", i), Root: root, Defaults: i == 0})
	}
	for i, root := range above {
		t.above = append(t.above, layer.Layer{Name: fmt.Sprint("above", i), Root: root})
	}
	t.root, t.faults = t.resolve(own)
	return t
}

func show(n *tree.Node) string {
	if n == nil {
		return "-"
	}
	data, err := n.AppendJSON(nil, tree.Masked)
	if err != nil {
		return n.String()
	}
	return strings.TrimSpace(n.Directive.String() + " " + string(data))
}

func describeEdit(e Edit) string {
	if e.Value == nil {
		return fmt.Sprintf("unset %s (%s)", e.Path, e.Reason)
	}
	return fmt.Sprintf("set %s %s (%s)", e.Path, show(e.Value), e.Reason)
}

func TestPlan(t *testing.T) {
	for _, test := range []struct {
		name                    string
		below, own, above, from string
		strict                  bool
		keys                    []string
		want, skipped           []string
	}{
		{name: "equal", below: "a: 1", own: "b: 2", from: "b: 2\na: 1"},
		{name: "set", below: "a: 1", own: "", from: "a: 2", want: []string{"set a 2 (set)"}},
		{name: "keeps the spelling", below: "a: 1", own: "a: 0.7", from: "a: 0.70", want: []string{"set a 0.70 (set)"}},
		{name: "unset what is inherited", below: "a: 1", own: "a: 2\nb: 1", from: "a: 1\nb: 1", want: []string{"unset a (inherited)"}},
		{name: "remove own", below: "a: 1", own: "b: 2", from: "a: 1", want: []string{"unset b (gone)"}},
		{name: "hide inherited", below: "a: 1\nb: 2", own: "", from: "a: 1", want: []string{"set b !delete null (hidden)"}},
		{name: "uncover what a tombstone hides", below: "a: 1\nb: 2", own: "b: !delete", from: "a: 1\nb: 2", want: []string{"unset b (inherited)"}},
		{name: "no empty map is left", below: "m: {x: 1}", own: "m: {x: 2}\nb: 1", from: "m: {x: 1}\nb: 1", want: []string{"unset m (inherited)"}},
		{name: "one removal for several", below: "m: {x: 1, y: 1}", own: "m: {x: 2, y: 2}", from: "m: {x: 1, y: 1}", want: []string{"unset m (inherited)"}},
		{name: "no map is removed and made again", below: "m: {x: 1, y: 1}", own: "m: {x: 2}", from: "m: {x: 1, y: 5}", want: []string{"unset m.x (inherited)", "set m.y 5 (set)"}},
		{name: "a whole override goes", below: "m: {x: 1, y: 1, z: 1}", own: "m: !override {x: 1}", from: "m: {x: 1, y: 1, z: 1}", want: []string{"unset m (inherited)"}},
		{name: "new map", below: "a: 1", own: "", from: "a: 1\nm: {x: 1, y: {z: 2}}", want: []string{`set m {"x":1,"y":{"z":2}} (set)`}},
		{name: "strict", below: "a: 1", own: "", from: "a: 2\nb: 1", strict: true, want: []string{"set a !override 2 (set)", "set b 1 (set)"}},
		{name: "other kind", below: "a: {x: 1}", own: "", from: "a: 5", want: []string{"set a !override 5 (set)"}},
		{name: "list", below: "l: [1]", own: "", from: "l: [1, 2]", want: []string{"set l [1,2] (set)"}},
		{name: "appended", below: "tags: [a]", own: "", from: "tags: [a, b]", want: []string{`set tags ["b"] (set)`}},
		{name: "appended, and not by rule", below: "l: [a]", own: "l: !append [x]", from: "l: [a, b]", want: []string{`set l ["b"] (set)`}},
		{name: "prepended", below: "front: [b]", own: "front: [x]", from: "front: [a, b]", want: []string{`set front ["a"] (set)`}},
		{name: "append cannot drop", below: "tags: [a]", own: "tags: [b]", from: "tags: [b]", want: []string{`set tags !override ["b"] (set)`}},
		{
			name: "keyed field", below: "routes: [{name: a, w: 1}, {name: b, w: 1}]", own: "routes: [{name: b, w: 5}]", from: "routes: [{name: a, w: 1}, {name: b, w: 6}]",
			want: []string{"set routes[name=b].w 6 (set)"},
		},
		{
			name: "keyed item", below: "routes: [{name: a, w: 1}]", own: "", from: "routes: [{name: a, w: 1}, {name: b, w: 2}]",
			want: []string{`set routes [{"name":"b","w":2}] (set)`},
		},
		{
			name: "keyed item goes", below: "routes: [{name: a, w: 1}, {name: b, w: 1}]", own: "", from: "routes: [{name: b, w: 1}]",
			want: []string{`set routes [{"name":"a"}] (set)`},
		},
		{
			name: "keyed order", below: "routes: [{name: a}, {name: b}]", own: "", from: "routes: [{name: b}, {name: a}]",
			want: []string{`set routes !override [{"name":"b"},{"name":"a"}] (set)`},
		},
		{
			name: "secrets stay", below: "a: 1", own: "token: ENC1", from: "a: 2\ntoken: ENC2\nk: ENC3", want: []string{"set a 2 (set)"},
			skipped: []string{"secret token", "secret k"},
		},
		{name: "secrets inside of what is new", below: "", own: "", from: "p: {url: x, token: ENC1}", want: []string{`set p {"url":"x"} (set)`}, skipped: []string{"secret p.token"}},
		{name: "secrets inside of what goes", below: "", own: "p: {url: x, token: ENC1}", from: "", want: []string{"unset p.url (gone)"}, skipped: []string{"secret p.token"}},
		{name: "list with secrets", below: "", own: "l: [{token: ENC1, x: 1}]", from: "l: [{token: ENC2, x: 2}]", skipped: []string{"holds-kept l"}},
		{name: "list that differs in its secrets only", below: "", own: "l: [{token: ENC1, x: 1}]", from: "l: [{token: ENC2, x: 1}]"},
		{
			name: "keyed list with secrets", below: "", own: "routes: [{name: a, token: ENC1, x: 1}]", from: "routes: [{name: a, token: ENC2, x: 2}]",
			want: []string{"set routes[name=a].x 2 (set)"}, skipped: []string{"secret routes[name=a].token"},
		},
		{name: "never", below: "a: 1", own: "local: {x: 1}", from: "a: 1\nlocal: {x: 2}", skipped: []string{"never local"}},
		{name: "pinned", below: "a: 1\nb: 1", own: "a: 2 # lcm:pin\nb: 2", from: "a: 3\nb: 3", want: []string{"set b 3 (set)"}, skipped: []string{"pinned a"}},
		{name: "a higher layer decides", below: "a: 1", own: "", above: "a: 9", from: "a: 2\nb: 1", want: []string{"set b 1 (set)"}, skipped: []string{"overridden a"}},
		{name: "some keys", below: "a: 1\nm: {x: 1, y: 1}", own: "", from: "a: 2\nm: {x: 2, y: 2}", keys: []string{"m.x"}, want: []string{"set m.x 2 (set)"}},
		{name: "null is a value", below: "a: 1", own: "", from: "a: null", want: []string{"set a null (set)"}},
		{name: "empty collections", below: "", own: "", from: "m: {}\nl: []", want: []string{"set m {} (set)", "set l [] (set)"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			above := []*tree.Node{}
			if test.above != "" {
				above = append(above, read(t, "above.yaml", test.above))
			}
			target := newTarget([]*tree.Node{tree.NewMap(), read(t, "below.yaml", test.below)}, read(t, "own.yaml", test.own), above, test.strict)
			target.pins = pins([]byte(test.own), target.ownNow, target.identity)
			var keys []tree.Path
			for _, k := range test.keys {
				p, err := tree.ParsePath(k)
				if err != nil {
					t.Fatal(err)
				}
				keys = append(keys, p)
			}
			edits, skips := target.plan(read(t, "from.yaml", test.from), keys)
			var got, skipped []string
			for _, e := range edits {
				got = append(got, describeEdit(e))
			}
			for _, s := range skips {
				skipped = append(skipped, string(s.Reason)+" "+s.Path.String())
			}
			if !slices.Equal(got, test.want) || !slices.Equal(skipped, test.skipped) {
				t.Errorf("got\n  %s\n  behind %v\nwant\n  %s\n  behind %v", strings.Join(got, "\n  "), skipped, strings.Join(test.want, "\n  "), test.skipped)
			}
		})
	}
}

// randomLayer builds a layer in which a key has a usual kind and directives stand where they make sense.
func randomLayer(r *rand.Rand, depth int, top bool) *tree.Node {
	var fields []tree.Field
	add := func(key string, v *tree.Node) {
		if !top && r.IntN(14) == 0 {
			v = v.Clone()
			v.Directive = tree.Override
		}
		fields = append(fields, tree.Field{Key: key, Value: v})
	}
	scalar := func() *tree.Node {
		return []*tree.Node{tree.NewString("x"), tree.NewString("y"), tree.NewBool(true), tree.Scalar(tree.Int, "1"), tree.Scalar(tree.Float, "0.70"), tree.NewNull()}[r.IntN(6)]
	}
	for _, key := range []string{"a", "b", "tags", "front", "whole", "routes", "token", "local", "m", "n"} {
		if r.IntN(2) == 0 {
			continue
		}
		if !top && r.IntN(12) == 0 {
			fields = append(fields, tree.Field{Key: key, Value: tombstone()})
			continue
		}
		switch key {
		case "tags", "front":
			items := make([]*tree.Node, r.IntN(3))
			for i := range items {
				items[i] = scalar()
			}
			list := tree.NewList(items...)
			if !top && r.IntN(6) == 0 {
				list.Directive = []tree.Directive{tree.Append, tree.Prepend, tree.Override, tree.Merge}[r.IntN(4)]
			}
			fields = append(fields, tree.Field{Key: key, Value: list})
		case "routes":
			var items []*tree.Node
			for _, i := range r.Perm(3)[:r.IntN(4)] {
				item := tree.NewMap(tree.Field{Key: "name", Value: tree.NewString(fmt.Sprint("r", i))}, tree.Field{Key: "w", Value: scalar()})
				if r.IntN(8) == 0 {
					item = item.WithFields(append(slices.Clone(item.Fields()), tree.Field{Key: "token", Value: sealed(r)}))
				}
				items = append(items, item)
			}
			fields = append(fields, tree.Field{Key: key, Value: tree.NewList(items...)})
		case "token":
			fields = append(fields, tree.Field{Key: key, Value: sealed(r)})
		case "m", "n", "whole":
			if depth > 0 {
				add(key, randomLayer(r, depth-1, false))
			}
		default:
			if r.IntN(20) == 0 {
				add(key, randomLayer(r, 0, true))
			} else {
				add(key, scalar())
			}
		}
	}
	return tree.NewMap(fields...)
}

func sealed(r *rand.Rand) *tree.Node {
	n := tree.NewString(fmt.Sprintf("ENC%d", r.IntN(4)))
	n.Secret, n.Sealed = true, true
	return n
}

// TestPlanProperties makes plans for random stacks and checks what a plan promises.
func TestPlanProperties(t *testing.T) {
	edited, empty := 0, 0
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 7))
		shared := []*tree.Node{randomLayer(r, 2, true), randomLayer(r, 2, false)}
		target := newTarget(append(slices.Clone(shared), randomLayer(r, 2, false)), randomLayer(r, 2, false), nil, r.IntN(3) == 0)
		source := newTarget(append(slices.Clone(shared), randomLayer(r, 2, false)), randomLayer(r, 2, false), nil, false)
		edits, skips := target.plan(source.root, nil)

		own, ok := apply(target.ownNow, edits)
		if !ok {
			t.Fatalf("seed %d: the edits cannot be made", seed)
		}
		after, faults := target.resolve(own)
		if !target.acceptable(faults) {
			t.Fatalf("seed %d: the edits break a rule of merging: %v", seed, faults)
		}
		behind := func(p tree.Path) bool {
			return slices.ContainsFunc(skips, func(s Skip) bool { return p.HasPrefix(s.Path) || s.Path.HasPrefix(p) })
		}
		if p := unequal(nil, source.root, after, behind); p != nil {
			t.Fatalf("seed %d: %s differs still: %s and %s", seed, *p, show(source.root.Get(*p)), show(after.Get(*p)))
		}
		for _, s := range skips {
			if s.Reason == Overridden {
				t.Fatalf("seed %d: %s was given up, and nothing lies above", seed, s.Path)
			}
			if !tree.Equal(target.root.Get(s.Path), after.Get(s.Path)) {
				t.Fatalf("seed %d: %s was to stay behind and changed", seed, s.Path)
			}
		}
		for _, e := range edits {
			if e.Value != nil && hasSecret(e.Value) {
				t.Fatalf("seed %d: %s carries a secret", seed, e.Path)
			}
		}
		for i := range edits {
			rest := slices.Delete(slices.Clone(edits), i, i+1)
			if own, ok := apply(target.ownNow, rest); ok {
				if less, faults := target.resolve(own); target.acceptable(faults) && tree.Equal(less, after) {
					t.Fatalf("seed %d: %s is superfluous", seed, describeEdit(edits[i]))
				}
			}
		}
		target.ownNow = own
		target.root, target.faults = after, faults
		if again, _ := target.plan(source.root, nil); len(again) > 0 {
			t.Fatalf("seed %d: a second plan is not empty: %s", seed, describeEdit(again[0]))
		}
		if edited++; len(edits) == 0 {
			empty++
		}
	}
	if empty*2 > edited {
		t.Fatalf("%d of %d plans are empty: the stacks test nothing", empty, edited)
	}
}

// unequal gives the first path where two resolved trees differ and neither it nor anything around it stays behind.
func unequal(p tree.Path, a, b *tree.Node, behind func(tree.Path) bool) *tree.Path {
	if tree.Equal(a, b) {
		return nil
	}
	if isMap(a) && isMap(b) {
		for _, f := range slices.Concat(a.Fields(), b.Fields()) {
			if at := unequal(append(p.Clone(), tree.Key(f.Key)), a.Field(f.Key), b.Field(f.Key), behind); at != nil {
				return at
			}
		}
		return nil
	}
	if behind(p) {
		return nil
	}
	if len(p) > 0 {
		if f := fieldOf(p); f.Secret || f.NoPromote || a != nil && a.Secret || b != nil && b.Secret {
			return nil
		}
	}
	// A map that is only on one side may be there, or be gone, for what it holds.
	if (a == nil || isMap(a)) && (b == nil || isMap(b)) {
		for _, f := range slices.Concat(a.Fields(), b.Fields()) {
			if at := unequal(append(p.Clone(), tree.Key(f.Key)), a.Field(f.Key), b.Field(f.Key), behind); at != nil {
				return at
			}
		}
		if a.Fields() == nil && b.Fields() == nil {
			return &p
		}
		return nil
	}
	return &p
}

func TestPins(t *testing.T) {
	src := `# lcm:pin
a: 1
b: 2 # lcm:pin we measured this
# lcm:pin
c:
  d: 1
e: "text # lcm:pin"
f: 'x' # lcm:pin
g: it's # lcm:pin
h: text#lcm:pin
i: |  # lcm:pin
  # lcm:pin
  text
j: |
  # lcm:pin
k: 1 # not lcm:pin
routes:
  - name: x
    w: 1 # lcm:pin
  - name: y # lcm:pin
    w: 2
list:
  - 1
  - x: 1 # lcm:pin
"q\"#": 1 # lcm:pin
`
	root := read(t, "x.yaml", src)
	target := &target{schemaField: fieldOf}
	var got []string
	for _, p := range pins([]byte(src), root, target.identity) {
		got = append(got, p.String())
	}
	want := []string{"a", "b", "c", "f", "g", "i", "routes[name=x].w", "routes[name=y]", "list", `"q\"#"`}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
