package schema

import (
	"math/rand/v2"
	"testing"

	"github.com/llm-devops/lcm/pkg/tree"
)

// over puts one tree on another as layers are merged: maps deeply, all else replaces.
func over(under, top *tree.Node) *tree.Node {
	if under == nil || top == nil || under.Kind != tree.Map || top.Kind != tree.Map {
		if top == nil {
			return under
		}
		return top
	}
	var fields []tree.Field
	for _, f := range under.Fields() {
		f.Value = over(f.Value, top.Field(f.Key))
		fields = append(fields, f)
	}
	for _, f := range top.Fields() {
		if under.Field(f.Key) == nil {
			fields = append(fields, f)
		}
	}
	return top.WithFields(fields)
}

// some gives a part of a tree, as a layer on top of others would have.
func some(r *rand.Rand, n *tree.Node) *tree.Node {
	if n.Kind != tree.Map {
		return n
	}
	var fields []tree.Field
	for _, f := range n.Fields() {
		if r.IntN(2) == 0 {
			f.Value = some(r, f.Value)
			fields = append(fields, f)
		}
	}
	return n.WithFields(fields)
}

// variants visits pairs of configurations of the built-in modules, the second a little different from the first.
func variants(t *testing.T, visit func(r *rand.Rand, x *mutator, doc, variant *tree.Node)) {
	t.Helper()
	set, err := Load(builtins(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	n := 4 * *mutants
	if testing.Short() {
		n = 20
	}
	seed := uint64(0)
	for name, docs := range documents(t, "*.yaml") {
		m, err := set.Module(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, doc := range docs {
			for range n {
				seed++
				x := &mutator{Rand: rand.New(rand.NewPCG(3, seed)), m: m}
				visit(x.Rand, x, doc, x.mutate(doc))
			}
		}
	}
}

// Layers of the same form are as good as each other, whatever is merged onto them.
func TestForm(t *testing.T) {
	same, accepted := 0, 0
	variants(t, func(r *rand.Rand, x *mutator, doc, variant *tree.Node) {
		if Content(doc) == Content(variant) || Form(x.m, doc, true) != Form(x.m, variant, true) {
			return
		}
		same++
		for range 4 {
			top := some(r, x.mutate(doc))
			open := func(*tree.Node) bool { return true }
			a, b := x.m.Complete(over(doc, top)), x.m.Complete(over(variant, top))
			is := x.m.Accepts(a, open)
			if is != x.m.Accepts(b, open) {
				t.Fatalf("%s: below\n%s\nof one form, and not accepted alike:\n%s\n%s", x.m.Name(), jsonOf(t, top), jsonOf(t, doc), jsonOf(t, variant))
			}
			if is {
				accepted++
			}
		}
	})
	t.Logf("%d variants had the form of what they came from, and %d merges with them were accepted", same, accepted)
	if same < 100 || accepted < 100 {
		t.Errorf("too few to tell: %d variants of one form, %d merges accepted", same, accepted)
	}
}

// What the form leaves out is little enough: a name that something refers to, an item, a key and a kind are in it.
func TestFormTellsApart(t *testing.T) {
	set, err := Load(builtins(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := set.Module("inference-engine")
	if err != nil {
		t.Fatal(err)
	}
	const models = "models: {a: {provider: openai, model: x, context_window: 1000}}\n"
	for text, want := range map[string]bool{
		models: true, "models: {a: {provider: openai, model: y, context_window: 1000}}\n": true,
		"models: {b: {provider: openai, model: x, context_window: 1000}}\n": false, "models: {a: {provider: other, model: x, context_window: 1000}}\n": false,
	} {
		if got := Form(m, config(t, text), false) == Form(m, config(t, models), false); got != want {
			t.Errorf("the same form is %v:\n%s", got, text)
		}
	}
	const base = "default_model: a\nparameters: {temperature: 0.5}\nchains: [{name: x, models: [a]}]\n"
	form := Form(m, config(t, base), false)
	for text, want := range map[string]bool{
		"# moved\n\n" + base: true,
		"default_model: a\nparameters: {temperature: 0.25}\nchains: [{name: x, models: [a]}]\n":                 true,
		"default_model: b\nparameters: {temperature: 0.5}\nchains: [{name: x, models: [a]}]\n":                  false,
		"default_model: a\nparameters: {temperature: 7.5}\nchains: [{name: x, models: [a]}]\n":                  false,
		"default_model: a\nparameters: {temperature: low}\nchains: [{name: x, models: [a]}]\n":                  false,
		"default_model: a\nparameters: {temperature: !override 0.5}\nchains: [{name: x, models: [a]}]\n":        false,
		"default_model: a\nparameters: {temperature: 0.5}\nchains: [{name: x, models: [b]}]\n":                  false,
		"default_model: a\nparameters: {temperature: 0.5, unknown: 1}\nchains: [{name: x, models: [a]}]\n":      false,
		"default_model: a\nparameters: {temperature: 0.5, top_p: 0.9}\nchains: [{name: x, models: [a]}]\n":      false,
		"default_model: a\nparameters: {temperature: 0.5}\nchains: [{name: x, models: [a], budget_ms: 1000}]\n": false,
	} {
		if got := Form(m, config(t, text), false) == form; got != want {
			t.Errorf("the same form is %v:\n%s", got, text)
		}
	}
	if Form(nil, config(t, "a: 1\nb: [1]"), false) != Form(nil, config(t, "a: 2\nb: [1]"), false) || Form(nil, config(t, "a: 1\nb: [1]"), false) == Form(nil, config(t, "a: 1\nb: [2]"), false) {
		t.Error("without a schema only lists count")
	}
}

// Secrets that fit by themselves need not be opened: what is accepted with them sealed is accepted with them open.
func TestSecretsFit(t *testing.T) {
	fit, unfit := 0, 0
	variants(t, func(r *rand.Rand, x *mutator, doc, variant *tree.Node) {
		opened := x.m.MarkSecrets(nil, variant)
		sealed := sealedCopy(opened)
		if Content(sealed) == Content(opened) {
			return
		}
		top := some(r, x.mutate(doc))
		if r.IntN(2) == 0 {
			top = tree.NewMap()
		}
		if !x.m.Accepts(x.m.Complete(over(sealed, top)), func(*tree.Node) bool { return true }) {
			return
		}
		if !x.m.SecretsFit(opened) {
			unfit++
			return
		}
		fit++
		if !certain(x.m.root, x.m.Complete(over(opened, top))) {
			t.Fatalf("%s: not certain once it is open: %s", x.m.Name(), jsonOf(t, over(opened, top)))
		}
	})
	t.Logf("%d variants have secrets that fit, %d others", fit, unfit)
	if fit < 100 || unfit < 10 {
		t.Errorf("too few to tell: %d fit, %d do not", fit, unfit)
	}
}

// sealedCopy gives a tree with its secrets sealed.
func sealedCopy(n *tree.Node) *tree.Node {
	switch {
	case n.Kind == tree.Map:
		var fields []tree.Field
		for _, f := range n.Fields() {
			f.Value = sealedCopy(f.Value)
			fields = append(fields, f)
		}
		return n.WithFields(fields)
	case n.Kind == tree.List:
		var items []*tree.Node
		for _, item := range n.Items() {
			items = append(items, sealedCopy(item))
		}
		return n.WithItems(items)
	case !n.Secret || n.Reveal() == "":
		return n
	}
	c := tree.NewString("ENC[AES256_GCM,data:xx,type:str]")
	c.Secret, c.Sealed = true, true
	return c
}

// MarkSecrets marks what Field calls secret, at whatever depth it starts.
func TestMarkSecrets(t *testing.T) {
	marked := 0
	variants(t, func(_ *rand.Rand, x *mutator, _, variant *tree.Node) {
		root := x.m.MarkSecrets(nil, variant)
		for p, n := range variant.Leaves() {
			f, _ := x.m.Field(p)
			want := n.Secret || f.Secret && n.Kind.IsScalar() && n.Kind != tree.Null
			if root.Get(p).Secret != want || x.m.MarkSecrets(p, n).Secret != want {
				t.Fatalf("%s: %s is marked %v, want %v", x.m.Name(), p, root.Get(p).Secret, want)
			}
			if want {
				marked++
			}
		}
	})
	if marked < 100 {
		t.Errorf("only %d secrets", marked)
	}
}
