package merge_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/llm-devops/lcm/pkg/merge"
	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// person is somebody with a key pair.
type person struct {
	recipient string
	keyring   *seal.Keyring
	private   string
}

func keyringOf(dir, private string) *seal.Keyring {
	return seal.NewKeyring(seal.KeyringOptions{Home: dir, ConfigDir: dir, Getenv: func(name string) string {
		if name == "SOPS_AGE_KEY" {
			return private
		}
		return ""
	}})
}

// pairOf gives the keys of two together.
func pairOf(t *testing.T, p, q person) *seal.Keyring {
	return keyringOf(t.TempDir(), p.private+"\n"+q.private)
}

func newPerson(t *testing.T) person {
	t.Helper()
	identity, recipient, err := seal.GenerateIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return person{recipient, keyringOf(t.TempDir(), identity.Reveal()), identity.Reveal()}
}

func nobody(t testing.TB) *seal.Keyring {
	dir := t.TempDir()
	return seal.NewKeyring(seal.KeyringOptions{Home: dir, ConfigDir: dir, Getenv: func(string) string { return "" }})
}

// world makes files and changes them at random.
type world struct {
	t    *testing.T
	r    *rand.Rand
	next int
}

// The keys of a file. Every map has one more key that stays, so that no map comes or goes.
func (w *world) keys() []string {
	var keys []string
	for _, group := range []string{"a", "b", "c.d"} {
		for _, name := range []string{"one", "two", "three", "four", "five"} {
			keys = append(keys, group+"."+name, group+".secret_"+name)
		}
	}
	return keys
}

func isSecret(key string) bool { return strings.Contains(key, "secret_") }

func path(t *testing.T, key string) tree.Path {
	t.Helper()
	p, err := tree.ParsePath(key)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (w *world) parse(text []byte) *yamldoc.Doc {
	w.t.Helper()
	doc, err := yamldoc.Parse("config/acme/base/notes.yaml", text)
	if err != nil {
		w.t.Fatalf("%v\n%s", err, text)
	}
	return doc
}

// change makes n changes to a file and gives it with the values that it has then.
func (w *world) change(text []byte, values map[string]string, n int, k *seal.Keyring, to ...string) ([]byte, map[string]string) {
	w.t.Helper()
	values = cloneMap(values)
	doc := w.parse(text)
	var changes []seal.Change
	keys := w.keys()
	w.r.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	for _, key := range keys[:n] {
		c := seal.Change{Path: path(w.t, key), Secret: isSecret(key)}
		if _, has := values[key]; has && w.r.IntN(4) == 0 {
			delete(values, key)
		} else {
			w.next++
			values[key] = fmt.Sprintf("value %d", w.next)
			if w.r.IntN(6) == 0 {
				values[key] = "common" // both sides may set the same
			}
			c.Value = tree.NewString(values[key])
		}
		changes = append(changes, c)
	}
	done, err := seal.Edit(w.t.Context(), doc, changes, seal.Options{Access: seal.AccessOf(to...), Keyring: k, Now: now})
	if err != nil {
		w.t.Fatalf("change: %v\n%s", err, text)
	}
	out := string(done.Source())
	if w.r.IntN(2) == 0 { // a comment of its own
		w.next++
		out = strings.Replace(out, "stays:", fmt.Sprintf("# comment %d\nstays:", w.next), 1)
	}
	return []byte(out), values
}

func cloneMap(m map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range m {
		out[k] = v
	}
	return out
}

const empty = `# the notes
stays: yes
a: # first
  stays: 1

b:
  stays: 2
c:
  d:
    stays: 3
`

// want gives what a merge has to come to: the values, and the keys in conflict, at which ours stands.
func want(base, ours, theirs map[string]string, keys []string) (values map[string]string, conflicts []string) {
	values = map[string]string{}
	get := func(m map[string]string, k string) string {
		if v, ok := m[k]; ok {
			return v
		}
		return "(none)"
	}
	for _, k := range keys {
		b, o, t := get(base, k), get(ours, k), get(theirs, k)
		v := o
		switch {
		case o == b:
			v = t
		case t != b && t != o:
			conflicts = append(conflicts, k)
		}
		if v != "(none)" {
			values[k] = v
		}
	}
	slices.Sort(conflicts)
	return values, conflicts
}

func (w *world) check(text []byte, k *seal.Keyring, want map[string]string) {
	w.t.Helper()
	root, err := seal.Open(w.t.Context(), w.parse(text), k)
	if err != nil {
		w.t.Fatalf("open the merged file: %v\n%s", err, text)
	}
	for _, key := range w.keys() {
		got := "(none)"
		if n := root.Get(path(w.t, key)); n != nil {
			got = n.Reveal()
		}
		if v, ok := want[key]; ok && got != v || !ok && got != "(none)" {
			w.t.Fatalf("%s is %s, want %q\n%s", key, got, want[key], text)
		}
	}
}

func conflictsOf(r *merge.Result) []string {
	var keys []string
	for _, c := range r.Conflicts {
		keys = append(keys, c.KeyList()...)
	}
	slices.Sort(keys)
	return keys
}

func comments(text []byte) []string {
	var out []string
	for l := range strings.Lines(string(text)) {
		if strings.HasPrefix(l, "# comment") {
			out = append(out, l)
		}
	}
	return out
}

func seeds(t *testing.T) int {
	if testing.Short() {
		return 20
	}
	return 150
}

func TestRandomMerges(t *testing.T) {
	ada := newPerson(t)
	for seed := range seeds(t) {
		w := &world{t: t, r: rand.New(rand.NewPCG(uint64(seed), 1))}
		base, values := w.change([]byte(empty), nil, w.r.IntN(20), ada.keyring, ada.recipient)
		ours, o := w.change(base, values, 1+w.r.IntN(6), ada.keyring, ada.recipient)
		theirs, h := w.change(base, values, 1+w.r.IntN(6), ada.keyring, ada.recipient)
		v := merge.Versions{Base: base, Ours: ours, Theirs: theirs}
		options := merge.Options{Keyring: ada.keyring, Now: now}
		r, err := merge.Merge(t.Context(), "config/acme/base/notes.yaml", v, options)
		if err != nil || r.ByLine != nil || r.Pending != nil {
			t.Fatalf("seed %d: %v %v %v\n%s\n---\n%s\n---\n%s", seed, err, r.ByLine, r.Pending, base, ours, theirs)
		}
		merged, conflicts := want(values, o, h, w.keys())
		if got := conflictsOf(r); !slices.Equal(got, conflicts) {
			t.Fatalf("seed %d: conflicts at %v, want %v\n%s", seed, got, conflicts, r.Text)
		}
		for _, c := range append(comments(ours), comments(theirs)...) {
			if !strings.Contains(string(r.Text), c) && !slices.Contains(comments(base), c) {
				t.Fatalf("seed %d: %s is lost\n%s", seed, c, r.Text)
			}
		}
		for _, side := range []merge.Side{merge.Ours, merge.Theirs, merge.Base} {
			text := r.Text
			if len(conflicts) > 0 {
				if text, err = merge.Choose("notes.yaml", r.Text, nil, side, options); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
			}
			done, err := merge.Finish(t.Context(), "config/acme/base/notes.yaml", text, v, options)
			if err != nil {
				t.Fatalf("seed %d: %v\n%s", seed, err, text)
			}
			expected := cloneMap(merged)
			for _, k := range conflicts {
				from := map[merge.Side]map[string]string{merge.Ours: o, merge.Theirs: h, merge.Base: values}[side]
				delete(expected, k)
				if v, ok := from[k]; ok {
					expected[k] = v
				}
			}
			w.check(done.Text, ada.keyring, expected)
			w.untouched(base, ours, theirs, done.Text)
		}
	}
}

// untouched checks that a ciphertext that both sides left alone is the same after the merge.
func (w *world) untouched(base, ours, theirs, merged []byte) {
	w.t.Helper()
	b, o, h, m := w.parse(base).Root(), w.parse(ours).Root(), w.parse(theirs).Root(), w.parse(merged).Root()
	for _, key := range w.keys() {
		p := path(w.t, key)
		if !isSecret(key) || b.Get(p) == nil || !tree.Equal(b.Get(p), o.Get(p)) || !tree.Equal(b.Get(p), h.Get(p)) {
			continue
		}
		if !tree.Equal(b.Get(p), m.Get(p)) {
			w.t.Fatalf("%s was touched by nobody, and has another ciphertext\n%s", key, merged)
		}
	}
}

// Without the key: plain keys as ever, and secrets where one side alone has new ones. What is left pending is finished by one with
// the key.
func TestRandomMergesWithoutKey(t *testing.T) {
	ada := newPerson(t)
	for seed := range seeds(t) {
		w := &world{t: t, r: rand.New(rand.NewPCG(uint64(seed), 2))}
		base, values := w.change([]byte(empty), nil, w.r.IntN(20), ada.keyring, ada.recipient)
		ours, o := w.change(base, values, 1+w.r.IntN(3), ada.keyring, ada.recipient)
		theirs, h := w.change(base, values, 1+w.r.IntN(3), ada.keyring, ada.recipient)
		v := merge.Versions{Base: base, Ours: ours, Theirs: theirs}
		r, err := merge.Merge(t.Context(), "notes.yaml", v, merge.Options{Keyring: nobody(t), Now: now})
		if err != nil || r.ByLine != nil {
			t.Fatalf("seed %d: %v %v", seed, err, r.ByLine)
		}
		merged, conflicts := want(values, o, h, w.keys())
		extra := slices.DeleteFunc(conflictsOf(r), func(k string) bool { return slices.Contains(conflicts, k) })
		for _, k := range extra {
			if !isSecret(k) {
				t.Fatalf("seed %d: a conflict at %s, that takes no key\n%s", seed, k, r.Text)
			}
		}
		text := r.Text
		if len(r.Conflicts) > 0 {
			if text, err = merge.Choose("notes.yaml", r.Text, nil, merge.Ours, merge.Options{}); err != nil {
				t.Fatal(err)
			}
		}
		if r.Pending == nil && len(r.Conflicts) == 0 {
			w.check(text, ada.keyring, merged) // it is whole already
		}
		done, err := merge.Finish(t.Context(), "notes.yaml", text, v, merge.Options{Keyring: ada.keyring, Now: now})
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, text)
		}
		w.check(done.Text, ada.keyring, merged)
	}
}

// Recipients come and go on the branches, with new data keys or without. Who is out on one side cannot open the outcome, unless the
// side that let them out left the data key as it was.
func TestRandomRecipients(t *testing.T) {
	people := []person{newPerson(t), newPerson(t), newPerson(t), newPerson(t)}
	boss := newPerson(t) // stays
	for seed := range seeds(t) {
		w := &world{t: t, r: rand.New(rand.NewPCG(uint64(seed), 3))}
		choose := func() (to []string, who []person) {
			to = []string{boss.recipient}
			for _, p := range people {
				if w.r.IntN(2) == 0 {
					to, who = append(to, p.recipient), append(who, p)
				}
			}
			return to, who
		}
		first, _ := choose()
		base, values := w.change([]byte(empty), nil, 20, boss.keyring, first...)
		side := func() ([]byte, map[string]string, []string) {
			text, values := w.change(base, values, 1+w.r.IntN(4), boss.keyring)
			to := first
			if w.r.IntN(3) > 0 {
				to, _ = choose()
				doc, err := seal.Rekey(t.Context(), w.parse(text), seal.AccessOf(to...), boss.keyring, true, now)
				if err != nil {
					t.Fatal(err)
				}
				text = doc.Source()
			}
			return text, values, to
		}
		ours, o, toOurs := side()
		theirs, h, toTheirs := side()
		v := merge.Versions{Base: base, Ours: ours, Theirs: theirs}
		options := merge.Options{Keyring: boss.keyring, Now: now}
		r, err := merge.Merge(t.Context(), "notes.yaml", v, options)
		if err != nil || r.ByLine != nil || r.Pending != nil {
			t.Fatalf("seed %d: %v %v %v", seed, err, r.ByLine, r.Pending)
		}
		merged, conflicts := want(values, o, h, w.keys())
		if got := conflictsOf(r); !slices.Equal(got, conflicts) {
			t.Fatalf("seed %d: conflicts at %v, want %v\n%s", seed, got, conflicts, r.Text)
		}
		text, err := merge.Choose("notes.yaml", r.Text, nil, merge.Ours, options)
		if err != nil {
			t.Fatal(err)
		}
		done, err := merge.Finish(t.Context(), "notes.yaml", text, v, options)
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, text)
		}
		w.check(done.Text, boss.keyring, merged)
		w.checkRecipients(seed, done.Text, v, people, first, toOurs, toTheirs, merged)
	}
}

// People come and go in two key groups on the branches. Who opens the outcome together is, group by group, who stayed and who came.
func TestRandomGroups(t *testing.T) {
	people := []person{newPerson(t), newPerson(t), newPerson(t), newPerson(t)}
	boss := newPerson(t) // of both groups
	var stay [2][]string // of one group, so that it shows which it is
	for i := range stay {
		for range len(people) + 1 {
			stay[i] = append(stay[i], newPerson(t).recipient)
		}
	}
	merges := 0
	for seed := range seeds(t) / 4 {
		w := &world{t: t, r: rand.New(rand.NewPCG(uint64(seed), 5))}
		choose := func() seal.Access {
			a := seal.Access{Groups: [][]string{append([]string{boss.recipient}, stay[0]...), append([]string{boss.recipient}, stay[1]...)}, Threshold: 2}
			for _, p := range people {
				if g := w.r.IntN(3); g < 2 {
					a.Groups[g] = append(a.Groups[g], p.recipient)
				}
			}
			return a
		}
		first := choose()
		text, values := w.change([]byte(empty), nil, 20, boss.keyring, boss.recipient)
		rekey := func(text []byte, a seal.Access) []byte {
			doc, err := seal.Rekey(t.Context(), w.parse(text), a, boss.keyring, true, now)
			if err != nil {
				t.Fatal(err)
			}
			return doc.Source()
		}
		base := rekey(text, first)
		side := func() ([]byte, map[string]string, seal.Access) {
			text, values := w.change(base, values, 1+w.r.IntN(4), boss.keyring)
			if w.r.IntN(3) == 0 {
				return text, values, first
			}
			to := choose()
			return rekey(text, to), values, to
		}
		ours, o, toOurs := side()
		theirs, h, toTheirs := side()
		v := merge.Versions{Base: base, Ours: ours, Theirs: theirs}
		options := merge.Options{Keyring: boss.keyring, Now: now}
		r, err := merge.Merge(t.Context(), "notes.yaml", v, options)
		if err != nil || r.Pending != nil {
			t.Fatalf("seed %d: %v %v", seed, err, r.Pending)
		}
		both := slices.ContainsFunc(people, func(p person) bool {
			return isIn(p, 0, first, toOurs, toTheirs) && isIn(p, 1, first, toOurs, toTheirs)
		})
		if both != (r.ByLine != nil) {
			t.Fatalf("seed %d: somebody would be of both groups %t, and merging by key says %v", seed, both, r.ByLine)
		}
		if both {
			continue
		}
		merges++
		if text, err = merge.Choose("notes.yaml", r.Text, nil, merge.Ours, options); err != nil {
			t.Fatal(err)
		}
		done, err := merge.Finish(t.Context(), "notes.yaml", text, v, options)
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, text)
		}
		merged, _ := want(values, o, h, w.keys())
		w.check(done.Text, boss.keyring, merged)
		for i, p := range people {
			for _, q := range people[i:] {
				var together bool
				for _, pair := range [][2]person{{p, q}, {q, p}} {
					together = together || isIn(pair[0], 0, first, toOurs, toTheirs) && isIn(pair[1], 1, first, toOurs, toTheirs)
				}
				_, err := seal.Open(t.Context(), w.parse(done.Text), pairOf(t, p, q))
				if _, locked := errors.AsType[*seal.NoIdentityError](err); locked == together || err != nil && !locked {
					t.Fatalf("seed %d: together %t, and opening says %v\n%s", seed, together, err, done.Text)
				}
			}
		}
	}
	if merges == 0 {
		t.Error("nothing was merged")
	}
}

// isIn reports whether somebody is in a group after a merge.
func isIn(p person, group int, base, ours, theirs seal.Access) bool {
	in := func(a seal.Access) bool { return slices.Contains(a.Groups[group], p.recipient) }
	if in(ours) == in(theirs) {
		return in(ours)
	}
	return !in(base)
}

func (w *world) checkRecipients(seed int, text []byte, v merge.Versions, people []person, first, ours, theirs []string, merged map[string]string) {
	w.t.Helper()
	for _, p := range people {
		in := slices.Contains(ours, p.recipient) && slices.Contains(theirs, p.recipient) ||
			!slices.Contains(first, p.recipient) && (slices.Contains(ours, p.recipient) || slices.Contains(theirs, p.recipient))
		_, err := seal.Open(w.t.Context(), w.parse(text), p.keyring)
		if _, locked := errors.AsType[*seal.NoIdentityError](err); locked == in {
			w.t.Fatalf("seed %d: %s: in the outcome %t, and opening says %v", seed, p.recipient, in, err)
		}
		if in {
			w.check(text, p.keyring, merged)
			continue
		}
		// Nor with what they kept: the wrapped key of an older version in place of the new ones.
		for _, old := range [][]byte{v.Base, v.Ours, v.Theirs} {
			if _, err := seal.Open(w.t.Context(), w.parse(old), p.keyring); err != nil {
				continue
			}
			forged := w.withKeysOf(text, old)
			if _, err := seal.Open(w.t.Context(), forged, p.keyring); err == nil {
				w.t.Fatalf("seed %d: %s is out, and opens the outcome with a data key from before", seed, p.recipient)
			}
		}
	}
}

// withKeysOf gives a file with the list of wrapped keys of another one.
func (w *world) withKeysOf(text, old []byte) *yamldoc.Doc {
	w.t.Helper()
	doc, err := w.parse(text).Apply(yamldoc.Edit{Path: tree.Keys("sops", "age"), Value: w.parse(old).Root().Field("sops").Field("age")})
	if err != nil {
		w.t.Fatal(err)
	}
	return doc
}
