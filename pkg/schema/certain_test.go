package schema

import (
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cuelang.org/go/cue"

	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

var mutants = flag.Int("mutants", 24, "how many variants of each configuration are compared with CUE's verdict")

// documents gives the configurations in testdata of the built-in modules, valid ones and others, by module.
func documents(t testing.TB, pattern string) map[string][]*tree.Node {
	t.Helper()
	files, err := filepath.Glob("../../schemas/testdata/*/" + pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no configurations: %v", err)
	}
	docs := map[string][]*tree.Node{}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := yamldoc.Parse(filepath.Base(f), data)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(filepath.Dir(f))
		docs[name] = append(docs[name], doc.Root())
	}
	return docs
}

// mutator changes a configuration in one place, mostly to something that is valid as well or nearly so.
type mutator struct {
	*rand.Rand
	m       *Module
	scalars []*tree.Node // all there are
	place   int          // of the value to change, counted down
}

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

func (x *mutator) mutate(root *tree.Node) *tree.Node {
	x.scalars = nil
	count := 0
	root.Walk(func(_ tree.Path, n *tree.Node) bool {
		count++
		if n.Kind.IsScalar() && !n.Sealed {
			x.scalars = append(x.scalars, n)
		}
		return true
	})
	x.place = x.IntN(count)
	return x.at(nil, root)
}

func (x *mutator) at(p tree.Path, n *tree.Node) *tree.Node {
	if x.place--; x.place == -1 && len(p) > 0 && (n.Kind.IsScalar() || x.IntN(4) == 0) {
		return x.value(p, n)
	}
	here := x.place == -1
	switch n.Kind {
	case tree.Map:
		fields := slices.Clone(n.Fields())
		if here {
			return n.WithFields(x.fields(p, fields))
		}
		for i, f := range fields {
			fields[i].Value = x.at(append(p[:len(p):len(p)], tree.Key(f.Key)), f.Value)
		}
		return n.WithFields(fields)
	case tree.List:
		items := slices.Clone(n.Items())
		switch {
		case here && len(items) > 0 && x.IntN(2) == 0:
			items = slices.Delete(items, 0, 1)
		case here && len(items) > 0:
			items = append(items, pick(x.Rand, items))
		case here && len(x.scalars) > 0:
			items = append(items, pick(x.Rand, x.scalars))
		}
		for i, item := range items {
			items[i] = x.at(append(p[:len(p):len(p)], tree.Index(i)), item)
		}
		return n.WithItems(items)
	}
	return n
}

// fields takes a field away, renames one, or adds one that the schema knows.
func (x *mutator) fields(p tree.Path, fields []tree.Field) []tree.Field {
	key := ""
	if known := x.m.Keys(strings.TrimPrefix(p.String()+".", ".")); len(known) > 0 && x.IntN(3) > 0 {
		if full, err := tree.ParsePath(pick(x.Rand, known)); err == nil {
			key, _ = full[len(full)-1].AsKey()
		}
	}
	i := slices.IndexFunc(fields, func(f tree.Field) bool { return f.Key == key })
	switch {
	case len(fields) > 0 && (key == "" || x.IntN(3) == 0):
		i := x.IntN(len(fields))
		if x.IntN(3) > 0 {
			return slices.Delete(fields, i, i+1)
		}
		name := pick(x.Rand, []string{"a", "x_y", "UPPER", "_hidden", "#definition", "name", "kind"})
		if !slices.ContainsFunc(fields, func(f tree.Field) bool { return f.Key == name }) {
			fields[i].Key = name
		}
	case key != "":
		f := tree.Field{Key: key, Value: x.value(append(p[:len(p):len(p)], tree.Key(key)), tree.NewMap())}
		if i >= 0 {
			fields[i] = f
		} else {
			fields = append(fields, f)
		}
	}
	return fields
}

// value gives another value for a place, or a sealed one.
func (x *mutator) value(p tree.Path, n *tree.Node) *tree.Node {
	f, _ := x.m.Field(p)
	switch x.IntN(9) {
	case 0, 1, 2:
		if len(f.Enum) > 0 {
			return pick(x.Rand, f.Enum)
		}
		if f.Default != nil {
			return f.Default
		}
	case 3, 4:
		if len(x.scalars) > 0 {
			return pick(x.Rand, x.scalars)
		}
	case 5:
		sealed := tree.NewString("ENC[AES256_GCM,data:xx,type:str]")
		sealed.Secret, sealed.Sealed = true, true
		return sealed
	case 6:
		return pick(x.Rand, []*tree.Node{tree.NewNull(), tree.NewMap(), tree.NewList(), tree.NewString(""), tree.NewBool(true), tree.NewBool(false), n})
	}
	if slices.Contains(f.Kinds, tree.String) {
		return tree.NewString(pick(x.Rand, []string{"a", "main", "30s", "https://a.example/x", "a:1", "2026-01-02", "10.0.0.0/8", "é", "\xff", "A B", strings.Repeat("a", 300)}))
	}
	if slices.Contains(f.Kinds, tree.Float) && x.IntN(2) == 0 {
		return tree.Scalar(tree.Float, pick(x.Rand, []string{"0.5", "1.0", "-0.0", ".inf", "1e3", "99.99999999999999999999999999999999999999", "1e5000"}))
	}
	return tree.Scalar(tree.Int, pick(x.Rand, []string{"0", "1", "-1", "2", "7", "64", "100", "101", "4096", "0x10", "100000000000000000000000000000"}))
}

// What the description is certain of is what CUE says, on thousands of configurations that are nearly right; and it is
// certain of nearly all that are valid.
func TestCertain(t *testing.T) {
	set, err := Load(builtins(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	n := *mutants
	if testing.Short() {
		n = 10
	}
	valid, decided := 0, 0
	compare := func(m *Module, root *tree.Node) bool {
		j := m.judge.(*cueJudge)
		if found := j.build(); len(found) > 0 {
			t.Fatal(found)
		}
		is := certain(m.root, root)
		e := &encoder{top: j.top}
		refused := j.root.Unify(j.ctx.Encode(e.encode(root))).Validate(cue.Concrete(true))
		if e.partial && is {
			if found := j.ask(root, m.root); len(found) > 0 {
				t.Fatalf("%s: sure of what is wrong: %v\n%s", m.Name(), found, jsonOf(t, root))
			}
		}
		if e.partial {
			return is
		}
		if is && refused != nil {
			t.Fatalf("%s: CUE refuses what is held for certain: %v\n%s", m.Name(), refused, jsonOf(t, root))
		}
		if refused == nil {
			valid++
			if is {
				decided++
			}
		}
		return refused == nil
	}
	seed := uint64(0)
	for name, docs := range documents(t, "*.yaml") {
		m, err := set.Module(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, doc := range docs {
			compare(m, doc)
			compare(m, m.Complete(doc))
			for range n / 4 {
				seed++
				x := &mutator{Rand: rand.New(rand.NewPCG(2, seed)), m: m}
				root := doc
				for range 4 { // further and further away
					if variant := x.mutate(root); compare(m, variant) {
						root = variant
					}
				}
			}
		}
	}
	t.Logf("%d variants were valid, %d of them without asking CUE", valid, decided)
	if decided*100 < valid*95 {
		t.Errorf("of %d valid variants only %d were decided without CUE", valid, decided)
	}
}

// No valid configuration in testdata needs CUE.
func TestValidNeedsNoCUE(t *testing.T) {
	set, err := Load(builtins(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, docs := range documents(t, "valid*.yaml") {
		m, err := set.Module(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, doc := range docs {
			if found := m.Validate(doc); len(found) > 0 || m.judge.(*cueJudge).ctx != nil {
				t.Errorf("%s: CUE was asked about %s: %v", name, doc.Pos, found)
			}
		}
	}
}
