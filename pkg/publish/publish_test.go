package publish_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/llm-devops/lcm/pkg/bundle"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/publish"
	"github.com/llm-devops/lcm/pkg/publish/mem"
	"github.com/llm-devops/lcm/pkg/tree"
)

func TestPublish(t *testing.T) {
	carriers(t, func(t *testing.T, w *world) {
		plan, result := w.mustPublish(t, w.input(acme, "one", 0))
		if u := plan.Units[0]; u.Action != publish.Create || u.NewSerial != 1 || len(u.Namespaces) != 4 {
			t.Errorf("first plan: %+v", u)
		}
		if r := result.Units[0]; r.Serial != 1 || r.Commit != commits[0] || r.Digest == "" {
			t.Errorf("first result: %+v", r)
		}
		w.wantVersion(t, acme, "one", 1)

		// Publishing again changes nothing, not even for a newer commit.
		plan, result = w.mustPublish(t, w.input(acme, "one", 1))
		if plan.Changed() || plan.Units[0].Action != publish.Unchanged || result.Units[0].Serial != 1 {
			t.Errorf("second plan: %+v", plan.Units[0])
		}
		w.wantVersion(t, acme, "one", 1)

		in := w.input(acme, "two", 2)
		plan, _ = w.mustPublish(t, in)
		u := plan.Units[0]
		if u.Action != publish.Update || u.OldSerial != 1 || u.NewSerial != 2 || u.OldCommit != commits[0] || u.NewCommit != commits[2] {
			t.Errorf("third plan: %+v", u)
		}
		ns := u.Namespaces[1]
		if ns.Name != "inference" || ns.Action != publish.Update || ns.OldDigest == ns.NewDigest || ns.OldSize == 0 || ns.NewSize == 0 {
			t.Errorf("inference: %+v", ns)
		}
		if w.target.Secrets != nil && !slices.Equal(ns.Secrets.Changed, []string{"api_key"}) {
			t.Errorf("secrets of inference: %+v", ns.Secrets)
		}
		if w.target.Secrets == nil && !ns.Secrets.Resealed {
			t.Errorf("secrets of inference: %+v", ns.Secrets)
		}
		w.wantVersion(t, acme, "two", 2)
	})
}

// A plan is printed and stored by others: no secret may be in it.
func TestPlanHoldsNoSecret(t *testing.T) {
	carriers(t, func(t *testing.T, w *world) {
		plan, err := publish.NewPlan(t.Context(), []bundle.Input{w.input(acme, "one", 0)}, w.target, w.opts)
		if err != nil {
			t.Fatal(err)
		}
		data, err := json.MarshalIndent(plan, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(data), "key of one") {
			t.Errorf("the plan holds a secret: %s", data)
		}
		for _, want := range []string{`"tenant": "acme"`, `"action": "create"`, `"newSerial": 1`, `"added"`} {
			if !strings.Contains(string(data), want) {
				t.Errorf("the plan lacks %s: %s", want, data)
			}
		}
	})
}

func TestOneNamespaceChanges(t *testing.T) {
	carriers(t, func(t *testing.T, w *world) {
		w.mustPublish(t, w.input(acme, "one", 0))
		in := w.input(acme, "one", 1)
		root := in.Namespaces[0].Tree
		in.Namespaces[0].Tree = root.WithFields(append(root.Fields(), tree.Field{Key: "new", Value: tree.NewString("x")}))
		plan, _ := w.mustPublish(t, in)
		var actions []publish.Action
		for _, ns := range plan.Units[0].Namespaces {
			actions = append(actions, ns.Action)
		}
		if !slices.Equal(actions, []publish.Action{publish.Update, publish.Unchanged, publish.Unchanged, publish.Unchanged}) {
			t.Errorf("actions %v", actions)
		}
		w.wantVersion(t, acme, "one", 2)
		if v, ok := w.target.Secrets.(*mem.Secrets); ok {
			if n, err := v.Current(t.Context(), "lcm/acme/production/inference"); n != 1 || err != nil {
				t.Errorf("unchanged secrets have version %d, %v, want 1", n, err)
			}
		}
	})
}

func TestSecretsChangeByKey(t *testing.T) {
	w := newWorld(t, &mem.Store{}, &mem.Secrets{})
	in := w.input(acme, "one", 0)
	set := func(commit int, fields ...tree.Field) publish.NamespacePlan {
		in.Commit = commits[commit]
		in.Namespaces[1].Tree = tree.NewMap(fields...)
		plan, _ := w.mustPublish(t, in)
		return plan.Units[0].Namespaces[1]
	}
	field := func(key, text string) tree.Field { return tree.Field{Key: key, Value: hidden(text)} }
	ns := set(0, field("a", "1"), field("b", "1"), field("c", "1"))
	if !slices.Equal(ns.Secrets.Added, []string{"a", "b", "c"}) {
		t.Errorf("first: %+v", ns.Secrets)
	}
	ns = set(1, field("b", "2"), field("c", "1"), field("d", "1"))
	if !slices.Equal(ns.Secrets.Added, []string{"d"}) || !slices.Equal(ns.Secrets.Changed, []string{"b"}) || !slices.Equal(ns.Secrets.Removed, []string{"a"}) {
		t.Errorf("second: %+v", ns.Secrets)
	}
	ns = set(2, tree.Field{Key: "plain", Value: tree.NewString("x")})
	if !slices.Equal(ns.Secrets.Removed, []string{"b", "c", "d"}) || ns.Action != publish.Update {
		t.Errorf("third: %+v", ns)
	}
}

// Without a vault secrets are found only in age files, and all of them can be opened by the recipient.
func TestSealedNeverPlain(t *testing.T) {
	store := &mem.Store{}
	w := newWorld(t, store, nil)
	w.mustPublish(t, w.input(acme, "one", 0))
	keys, err := store.List(t.Context(), "lcm/")
	if err != nil {
		t.Fatal(err)
	}
	sealed := 0
	for _, key := range keys {
		data, _, err := store.Get(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(data), "key of one") {
			t.Errorf("%s holds a secret in plain", key)
		}
		if strings.HasSuffix(key, ".age") {
			sealed++
			plain, err := w.open(t.Context(), data)
			if err != nil || string(plain) != "{\"api_key\":\"key of one\"}\n" {
				t.Errorf("%s: %v", key, err)
			}
		}
	}
	if sealed != 3 {
		t.Errorf("%d age files, want 3", sealed)
	}
	// Another recipient, same ciphertexts: sealed again.
	in := w.input(acme, "one", 1)
	in.Recipients = append(in.Recipients, newWorld(t, store, nil).identity.Recipient().String())
	plan, _ := w.mustPublish(t, in)
	if !plan.Units[0].Namespaces[1].Secrets.Resealed || plan.Units[0].NewSerial != 2 {
		t.Errorf("a new recipient: %+v", plan.Units[0])
	}
}

func TestSealedNeedsAllParts(t *testing.T) {
	for name, change := range map[string]func(*world, *bundle.Input){
		"recipients": func(_ *world, in *bundle.Input) { in.Recipients = nil },
		"input":      func(_ *world, in *bundle.Input) { in.Namespaces[1].SecretsInput = "" },
		"sealer":     func(w *world, _ *bundle.Input) { w.opts.Seal = nil },
	} {
		t.Run(name, func(t *testing.T) {
			store := &mem.Store{}
			w := newWorld(t, store, nil)
			in := w.input(acme, "one", 0)
			change(w, &in)
			if _, _, err := w.publish(t.Context(), in); err == nil {
				t.Error("secrets were published")
			}
			if keys, _ := store.List(t.Context(), ""); len(keys) > 0 {
				t.Errorf("something was written: %v", keys)
			}
		})
	}
}

func TestPartial(t *testing.T) {
	carriers(t, func(t *testing.T, w *world) {
		w.mustPublish(t, w.input(acme, "one", 0))
		in := w.input(acme, "two", 1)
		in.Partial = true
		in.Namespaces = in.Namespaces[:1]
		plan, _ := w.mustPublish(t, in)
		if ns := plan.Units[0].Namespaces; ns[0].Action != publish.Update || ns[1].Action != publish.Keep {
			t.Errorf("plan: %+v", ns)
		}
		got, err := bundle.Read(t.Context(), w.target.Store, acme, w.readOptions())
		if err != nil {
			t.Fatal(err)
		}
		if v := got.Trees["gateway"].Field("version").Text(); v != "two" {
			t.Errorf("gateway is %s", v)
		}
		if n := got.Trees["router"]; n.Field("version").Text() != "one" || n.Field("api_key").Reveal() != "key of one" {
			t.Error("router did not stay")
		}
	})
}

func TestRefusals(t *testing.T) {
	empty := func(w *world) bundle.Input {
		in := w.input(acme, "none", 1)
		in.Namespaces = nil
		return in
	}
	for _, c := range []struct {
		name  string
		want  error
		in    func(w *world) bundle.Input
		allow func(o *publish.Options)
	}{
		{"older commit", publish.ErrRollback, func(w *world) bundle.Input { return w.input(acme, "old", 0) }, func(o *publish.Options) { o.AllowRollback = true }},
		{"empty", publish.ErrEmpty, empty, func(o *publish.Options) { o.AllowEmpty = true }},
		{"empty namespaces", publish.ErrEmpty, func(w *world) bundle.Input {
			in := w.input(acme, "none", 1)
			for i := range in.Namespaces {
				in.Namespaces[i].Tree = tree.NewMap()
			}
			return in
		}, func(o *publish.Options) { o.AllowEmpty = true }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, &mem.Store{}, &mem.Secrets{})
			w.mustPublish(t, w.input(acme, "one", 1))
			_, _, err := w.publish(t.Context(), c.in(w))
			if !errors.Is(err, c.want) || diag.HintOf(err) == "" {
				t.Errorf("error %v, hint %q", err, diag.HintOf(err))
			}
			w.wantVersion(t, acme, "one", 1)
			c.allow(&w.opts)
			plan, result := w.mustPublish(t, c.in(w))
			if result.Units[0].Serial != 2 {
				t.Errorf("result %+v", result.Units[0])
			}
			if c.want == publish.ErrRollback && !plan.Units[0].Rollback {
				t.Error("the plan does not say that it goes back")
			}
		})
	}
}

func TestSignerMustBeAllowed(t *testing.T) {
	w := newWorld(t, &mem.Store{}, nil)
	w.opts.Signer, _ = newSigner(t, []byte("another-seed-of-thirty-two-bytes"))
	_, _, err := w.publish(t.Context(), w.input(acme, "one", 0))
	if !errors.Is(err, publish.ErrPermission) || diag.HintOf(err) == "" {
		t.Errorf("error %v", err)
	}
}

// Every kind of damage is refused with a hint, and repaired when asked to, with a serial that rises.
func TestDamage(t *testing.T) {
	layout := bundle.Layout{Prefix: "lcm", VaultPrefix: "lcm"}
	pointer, manifest := layout.Pointer(acme), layout.Manifest(acme, 1)
	other, _ := newSigner(t, []byte("another-seed-of-thirty-two-bytes"))
	for name, harm := range map[string]func(t *testing.T, s *mem.Store){
		"pointer is garbage":  func(_ *testing.T, s *mem.Store) { s.Set(pointer, []byte("garbage")) },
		"manifest is gone":    func(_ *testing.T, s *mem.Store) { s.Set(manifest, nil) },
		"manifest is garbage": func(_ *testing.T, s *mem.Store) { s.Set(manifest, []byte("{}")) },
		"other signer": func(t *testing.T, s *mem.Store) {
			m := bundle.NewManifest(acme, 1, commits[0], testTime, nil)
			envelope, err := bundle.SignManifest(t.Context(), m, other)
			if err != nil {
				t.Fatal(err)
			}
			data, err := bundle.NewPointer(m, envelope).Encode()
			if err != nil {
				t.Fatal(err)
			}
			s.Set(manifest, envelope)
			s.Set(pointer, data)
		},
	} {
		t.Run(name, func(t *testing.T) {
			store := &mem.Store{}
			w := newWorld(t, store, &mem.Secrets{})
			w.mustPublish(t, w.input(acme, "one", 0))
			harm(t, store)
			in := w.input(acme, "two", 1)
			if _, _, err := w.publish(t.Context(), in); !errors.Is(err, publish.ErrDamaged) || diag.HintOf(err) == "" {
				t.Fatalf("error %v", err)
			}
			w.opts.Repair = true
			partial := in
			partial.Partial = true
			if _, _, err := w.publish(t.Context(), partial); !errors.Is(err, publish.ErrDamaged) {
				t.Errorf("a part was published over something unknown: %v", err)
			}
			plan, _ := w.mustPublish(t, in)
			if plan.Units[0].Action != publish.Repair {
				t.Errorf("action %s", plan.Units[0].Action)
			}
			w.wantVersion(t, acme, "two", 2)
		})
	}
}

// What an unchanged configuration needs and is missing is written again; what is there and wrong is not touched unasked.
func TestLostObjects(t *testing.T) {
	carriers(t, func(t *testing.T, w *world) {
		store := w.target.Store.(*mem.Store)
		w.mustPublish(t, w.input(acme, "one", 0))
		active, err := bundle.ReadActive(t.Context(), store, acme, w.readOptions())
		if err != nil {
			t.Fatal(err)
		}
		key := w.target.Layout.Document("acme", active.Manifest.Namespaces[1].Document.Digest)

		store.Set(key, nil)
		plan, _ := w.mustPublish(t, w.input(acme, "one", 0))
		if u := plan.Units[0]; u.Action != publish.Repair || u.NewSerial != 0 || u.Namespaces[1].Action != publish.Repair {
			t.Errorf("plan for a lost document: %+v", u)
		}
		w.wantVersion(t, acme, "one", 1)

		store.Set(key, []byte("changed"))
		if _, _, err := w.publish(t.Context(), w.input(acme, "one", 0)); !errors.Is(err, publish.ErrDamaged) {
			t.Errorf("a changed document: %v", err)
		}
		w.opts.Repair = true
		w.mustPublish(t, w.input(acme, "one", 0))
		w.wantVersion(t, acme, "one", 1)

		if ref := active.Manifest.Namespaces[1].Secrets.Sealed; ref != nil {
			store.Set(w.target.Layout.Sealed("acme", ref.Digest), nil)
			w.mustPublish(t, w.input(acme, "one", 0))
			w.wantVersion(t, acme, "one", 2)
		}
	})
}

func TestInputsAreChecked(t *testing.T) {
	w := newWorld(t, &mem.Store{}, nil)
	in := w.input(acme, "one", 0)
	if _, _, err := w.publish(t.Context(), in, in); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("the same unit twice: %v", err)
	}
	w.target.Layout.Prefix = "../up"
	if _, _, err := w.publish(t.Context(), in); err == nil {
		t.Error("a prefix led out")
	}
}

// observed collects events.
type observed []publish.Event

func (o *observed) Observe(e publish.Event) { *o = append(*o, e) }

func TestManyUnits(t *testing.T) {
	carriers(t, func(t *testing.T, w *world) {
		var inputs []bundle.Input
		for _, tenant := range []string{"zeta", "acme", "globex"} {
			for _, environment := range []string{"staging", "production", "development"} {
				inputs = append(inputs, w.input(bundle.Unit{Tenant: tenant, Environment: environment}, tenant+environment, 0))
			}
		}
		plan, err := publish.NewPlan(t.Context(), inputs, w.target, w.opts)
		if err != nil {
			t.Fatal(err)
		}
		var events observed
		result, err := publish.Apply(t.Context(), plan, &events)
		if err != nil {
			t.Fatal(err)
		}
		if len(result.Units) != 9 || result.Units[0].Unit.String() != "acme/development" || result.Units[8].Unit.String() != "zeta/staging" {
			t.Errorf("units are not in order: %+v", result.Units)
		}
		counts := map[publish.Stage]int{}
		for _, e := range events {
			counts[e.Stage]++
		}
		if counts[publish.StageStarted] != 9 || counts[publish.StageDone] != 9 || counts[publish.StageStaging] != 9*7 || counts[publish.StageManifest] != 9 {
			t.Errorf("events %v", counts)
		}
		for _, in := range inputs {
			w.wantVersion(t, bundle.Unit{Tenant: in.Tenant, Environment: in.Environment}, in.Tenant+in.Environment, 1)
		}
	})
}

func TestExactValues(t *testing.T) {
	carriers(t, testExact)
}

func testExact(t *testing.T, w *world) {
	in := bundle.Input{
		Tenant: "acme", Environment: "production", Commit: commits[0], Recipients: []string{w.identity.Recipient().String()},
		Namespaces: []bundle.Namespace{
			{Name: "plain", Tree: exactTree(false)},
			{Name: "secret", Tree: exactTree(true), SecretsInput: "x"},
		},
	}
	w.mustPublish(t, in)
	got, err := bundle.Read(t.Context(), w.target.Store, acme, w.readOptions())
	if err != nil {
		t.Fatal(err)
	}
	for _, ns := range in.Namespaces {
		if !tree.Equal(got.Trees[ns.Name], ns.Tree) {
			t.Errorf("%s came back changed", ns.Name)
		}
	}
}
