package seal

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// people gives recipients and, for each of them, the private key.
func people(t *testing.T, n int) (recipients, secrets []string) {
	t.Helper()
	for range n {
		id, recipient, err := GenerateIdentity()
		if err != nil {
			t.Fatal(err)
		}
		recipients, secrets = append(recipients, recipient), append(secrets, id.Reveal())
	}
	return recipients, secrets
}

// keyringOf has some private keys.
func keyringOf(t *testing.T, secrets ...string) *Keyring {
	t.Helper()
	dir := t.TempDir()
	env := map[string]string{"SOPS_AGE_KEY": strings.Join(secrets, "\n")}
	return NewKeyring(KeyringOptions{Getenv: func(v string) string { return env[v] }, Home: dir, ConfigDir: dir})
}

func grouped(t *testing.T, a Access) *yamldoc.Doc {
	t.Helper()
	doc, err := Edit(t.Context(), parse(t, "plain: 1\n"), []Change{
		{Path: tree.Keys("token"), Value: tree.NewString("tok"), Secret: true},
		{Path: tree.Keys("db", "password"), Value: tree.NewString("pw"), Secret: true},
	}, Options{Access: a, Now: time.Unix(1e9, 0)})
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func opensFor(t *testing.T, doc *yamldoc.Doc, k *Keyring) bool {
	t.Helper()
	root, err := Open(t.Context(), doc, k)
	if _, missing := errors.AsType[*NoIdentityError](err); missing {
		return false
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, doc.Source())
	}
	if got := root.Get(tree.Keys("token")).Reveal() + root.Get(tree.Keys("db", "password")).Reveal(); got != "tokpw" {
		t.Fatalf("opens to %q", got)
	}
	return true
}

// TestGroupsOpenForEnoughOfThemOnly seals to random groups, and opens with every set of keys that there is.
func TestGroupsOpenForEnoughOfThemOnly(t *testing.T) {
	all, secrets := people(t, 6)
	rng := rand.New(rand.NewPCG(1, 2))
	for range 12 {
		a := Access{Groups: make([][]string, 2+rng.IntN(3))}
		a.Threshold = 2 + rng.IntN(len(a.Groups)-1)
		for i := range a.Groups { // a key may be in several
			for _, p := range rng.Perm(len(all))[:1+rng.IntN(3)] {
				a.Groups[i] = append(a.Groups[i], all[p])
			}
		}
		doc := grouped(t, a)
		m, err := Inspect(doc)
		if err != nil || !m.Access.Equal(a) {
			t.Fatalf("%v: %+v", err, m)
		}
		for set := range 1 << len(all) {
			var have, keys []string
			for i := range all {
				if set&(1<<i) != 0 {
					have, keys = append(have, all[i]), append(keys, secrets[i])
				}
			}
			if got, want := opensFor(t, doc, keyringOf(t, keys...)), a.OpensWith(have...); got != want {
				t.Fatalf("%d of %d groups: opens %t, want %t\n%s", a.Threshold, len(a.Groups), got, want, doc.Source())
			}
		}
	}
}

func TestWhatIsMissingOfGroupsIsSaid(t *testing.T) {
	all, secrets := people(t, 3)
	doc := grouped(t, Access{Groups: [][]string{{all[0]}, {all[1]}, {all[2]}}, Threshold: 2})
	_, err := Open(t.Context(), doc, keyringOf(t, secrets[1]))
	e, ok := errors.AsType[*NoIdentityError](err)
	if !ok || e.Opened != 1 || !strings.Contains(err.Error(), "it takes keys of 2 of 3 groups, and those here are of 1; the groups are ("+all[0]+") (") {
		t.Errorf("%v", err)
	}
}

// TestRekeyBetweenGroups goes from one key to groups, to other groups, and back.
func TestRekeyBetweenGroups(t *testing.T) {
	all, secrets := people(t, 4)
	everyone := keyringOf(t, secrets...)
	steps := []Access{
		AccessOf(all[0]),
		{Groups: [][]string{{all[0], all[1]}, {all[2]}}, Threshold: 2},
		{Groups: [][]string{{all[0]}, {all[2], all[1]}, {all[3]}}, Threshold: 2},
		{Groups: [][]string{{all[0]}, {all[2], all[1]}, {all[3]}}, Threshold: 3},
		AccessOf(all[1], all[3]),
	}
	doc := grouped(t, steps[0])
	for i, a := range steps[1:] {
		for _, newKey := range []bool{false, true} {
			done, err := Rekey(t.Context(), doc, a, everyone, newKey, time.Unix(2e9, 0))
			if err != nil {
				t.Fatalf("step %d: %v", i, err)
			}
			m, err := Inspect(done)
			if err != nil || !m.Access.Equal(a) || !slices.EqualFunc(m.Access.Groups, a.Groups, func(x, y []string) bool { return sameTexts(x, y) }) {
				t.Fatalf("step %d: %v %+v", i, err, m.Access)
			}
			before, _ := Inspect(doc)
			same := slices.Equal(ciphertexts(done, &m.rule), ciphertexts(doc, &before.rule))
			if same == newKey {
				t.Errorf("step %d: new data key %t, the ciphertexts stayed %t", i, newKey, same)
			}
			for j, s := range secrets {
				if got, want := opensFor(t, done, keyringOf(t, s)), a.OpensWith(all[j]); got != want {
					t.Errorf("step %d: opens for %d: %t", i, j, got)
				}
			}
			if again, err := Rekey(t.Context(), done, a, nil, false, time.Unix(3e9, 0)); err != nil || !bytes.Equal(again.Source(), done.Source()) {
				t.Errorf("step %d: the same again: %v", i, err)
			}
			if text := string(done.Source()); strings.Contains(text, keyGroups) != a.Grouped() || strings.Contains(text, shamirThreshold) != a.Grouped() {
				t.Errorf("step %d:\n%s", i, text)
			}
			if newKey {
				doc = done
			}
		}
	}
}

func sameTexts(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// TestEditInGroups changes a value of a file with groups: the groups stay as they are, byte for byte.
func TestEditInGroups(t *testing.T) {
	all, secrets := people(t, 2)
	doc := grouped(t, Access{Groups: [][]string{{all[0]}, {all[1]}}, Threshold: 2})
	change := []Change{{Path: tree.Keys("token"), Value: tree.NewString("new"), Secret: true}}
	if _, err := Edit(t.Context(), doc, change, Options{Keyring: keyringOf(t, secrets[0])}); err == nil {
		t.Error("changed with one key of two")
	}
	done, err := Edit(t.Context(), doc, change, Options{Keyring: keyringOf(t, secrets...)})
	if err != nil {
		t.Fatal(err)
	}
	of := func(d *yamldoc.Doc) string {
		_, rest, _ := strings.Cut(string(d.Source()), "    key_groups:\n")
		groups, _, _ := strings.Cut(rest, "    lastmodified:")
		return groups
	}
	if of(done) == "" || of(done) != of(doc) {
		t.Errorf("the groups are not what they were:\n%s", done.Source())
	}
}

func TestAccessWithin(t *testing.T) {
	two := func(groups ...[]string) Access { return Access{Groups: groups, Threshold: 2} }
	for _, c := range []struct {
		a, b Access
		want bool
	}{
		{AccessOf("a"), AccessOf("a", "b"), true},
		{AccessOf("a", "b"), AccessOf("a"), false},
		{AccessOf("a"), two([]string{"a"}, []string{"b"}), false},
		{AccessOf("a"), two([]string{"a"}, []string{"b", "a"}), true},
		{two([]string{"a"}, []string{"b"}), AccessOf("a", "b"), true},
		{two([]string{"a"}, []string{"c"}), AccessOf("a", "b"), false},
		{two([]string{"a"}, []string{"b"}), two([]string{"b"}, []string{"a"}), true},
		{two([]string{"a"}, []string{"b"}), two([]string{"a", "c"}, []string{"b"}), true},
		{two([]string{"a", "c"}, []string{"b"}), two([]string{"a"}, []string{"b"}), false},
		{two([]string{"a"}, []string{"b"}), two([]string{"a"}, []string{"b"}, []string{"c"}), false},
		{
			Access{Groups: [][]string{{"a"}, {"b"}, {"c"}}, Threshold: 3},
			Access{Groups: [][]string{{"a"}, {"b"}, {"c"}}, Threshold: 2},
			true,
		},
		{
			Access{Groups: [][]string{{"a"}, {"b"}, {"c"}}, Threshold: 2},
			Access{Groups: [][]string{{"a"}, {"b"}, {"c"}}, Threshold: 3},
			false,
		},
	} {
		if got := c.a.Within(c.b); got != c.want {
			t.Errorf("%v within %v: %t", c.a, c.b, got)
		}
	}
}

func TestMergeAccess(t *testing.T) {
	g := func(threshold int, groups ...string) Access {
		a := Access{Threshold: threshold}
		for _, group := range groups {
			a.Groups = append(a.Groups, strings.Split(group, ""))
		}
		return a
	}
	for _, c := range []struct {
		base, ours, theirs Access
		want               string
	}{
		{g(0, "ab"), g(0, "abc"), g(0, "a"), "0 [[a c]]"},
		{g(0, "ab"), g(2, "a", "b"), g(0, "ab"), "2 [[a] [b]]"},
		{g(2, "a", "b"), g(2, "a", "b"), g(0, "ab"), "0 [[a b]]"},
		{g(2, "a", "b"), g(2, "ac", "b"), g(2, "a", "bd"), "2 [[a c] [b d]]"},
		{g(2, "ax", "b"), g(2, "a", "b"), g(2, "ax", "bd"), "2 [[a] [b d]]"},
		{g(2, "a", "b"), g(2, "a", "b", "c"), g(2, "ad", "b"), "conflict"},
		{g(2, "a", "b", "c"), g(3, "a", "b", "c"), g(2, "ad", "b", "c"), "conflict"},
		{g(2, "a", "b"), g(2, "b", "ac"), g(2, "a", "bd"), "2 [[a c] [b d]]"},        // the groups in another order
		{g(2, "ab", "cd"), g(2, "ac", "bd"), g(2, "ab", "cde"), "2 [[a c] [b d e]]"}, // equally near to both
		{g(2, "ab", "cd"), g(2, "abe", "cd"), g(2, "ab", "cde"), "conflict"},         // e came to another group on each side
		{g(2, "abx", "cd"), g(2, "ab", "x"), g(2, "abx", "cde"), "conflict"},
		{g(2, "ac", "b"), g(2, "a", "b"), g(2, "c", "b"), "conflict"}, // nobody would be left in a group
	} {
		got, ok := mergeAccess(&c.base, c.ours, c.theirs)
		text := fmt.Sprint(got.Threshold, " ", got.Groups)
		if !ok {
			text = "conflict"
		}
		if text != c.want {
			t.Errorf("%v, %v, %v: %s, want %s", c.base, c.ours, c.theirs, text, c.want)
		}
	}
}
