package seal

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

func nothing(tree.Path) bool { return false }

func only(keys ...string) func(tree.Path) bool {
	return func(p tree.Path) bool { return slices.Contains(keys, p.String()) }
}

// edited is a sealed file and how its text reads, with what opens it.
func edited(t *testing.T) (sealed, text *yamldoc.Doc, k *Keyring) {
	t.Helper()
	r, k := pair(t)
	sealed = mustEdit(t, parse(t, "# notes\nplain: 1 # kept\n\ndb:\n    user: 'x'   # who\n    retries: !override 3\n"),
		Options{Access: AccessOf(r), Now: now}, secretChange(t, "db.password", "s3cr3t"), secretChange(t, "token", "two\nlines\n"), secretChange(t, "pin", "42"))
	text, err := Unsealed(t.Context(), sealed, k)
	if err != nil {
		t.Fatal(err)
	}
	return sealed, text, k
}

func TestUnsealedIsWhatPeopleEdit(t *testing.T) {
	_, text, _ := edited(t)
	want := "# notes\nplain: 1 # kept\n\ndb:\n    user: 'x'   # who\n    retries: !override 3\n    password: s3cr3t\ntoken: |\n    two\n    lines\npin: 42\n"
	if got := string(text.Source()); got != want {
		t.Errorf("%s", got)
	}
}

// resealed replaces a part of the text and seals it.
func resealed(t *testing.T, sealed, text *yamldoc.Doc, k *Keyring, from, to string, secret func(tree.Path) bool) (*yamldoc.Doc, error) {
	t.Helper()
	src := strings.Replace(string(text.Source()), from, to, 1)
	if src == string(text.Source()) && from != to {
		t.Fatalf("%q is not in the text", from)
	}
	return Reseal(t.Context(), sealed, parse(t, src), secret, Options{Keyring: k, Now: now})
}

func TestResealKeepsWhatDidNotChange(t *testing.T) {
	sealed, text, k := edited(t)
	for name, c := range map[string]struct {
		from, to       string
		removed, added []string // lines
	}{
		"nothing":   {"", "", nil, nil},
		"a comment": {"# kept", "# changed", []string{"plain: 1 # kept\n"}, []string{"plain: 1 # changed\n"}},
		"a value":   {"'x'", "y", []string{"    user: 'x'   # who\n"}, []string{"    user: y   # who\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			done, err := resealed(t, sealed, text, k, c.from, c.to, nothing)
			if err != nil {
				t.Fatal(err)
			}
			removed, added := changedLines(sealed.Source(), done.Source())
			if !slices.Equal(removed, c.removed) || !slices.Equal(added, c.added) {
				t.Errorf("-%q\n+%q", removed, added)
			}
		})
	}
}

func TestResealASecret(t *testing.T) {
	sealed, text, k := edited(t)
	later := Options{Keyring: k, Now: now.AddDate(0, 0, 1)}
	done, err := Reseal(t.Context(), sealed, parse(t, strings.Replace(string(text.Source()), "s3cr3t", "n3w", 1)), nothing, later)
	if err != nil {
		t.Fatal(err)
	}
	removed, added := changedLines(sealed.Source(), done.Source())
	if len(removed) != 3 || len(added) != 3 || bytes.Contains(done.Source(), []byte("n3w")) {
		t.Errorf("-%q\n+%q", removed, added)
	}
	root := mustOpen(t, done, k)
	for key, want := range map[string]string{"db.password": "n3w", "token": "two\nlines\n", "pin": "42"} {
		if got := reveal(t, root, key); got != want {
			t.Errorf("%s is %q", key, got)
		}
	}
	// Removing all of them removes the block.
	plain := parse(t, "plain: 1\n")
	if done, err = Reseal(t.Context(), sealed, plain, nothing, later); err != nil || string(done.Source()) != "plain: 1\n" {
		t.Errorf("%s, %v", done.Source(), err)
	}
}

func TestResealNewSecrets(t *testing.T) {
	sealed, text, k := edited(t)
	t.Run("that the file selects", func(t *testing.T) {
		done, err := resealed(t, sealed, text, k, "pin: 42", "pin: 42\nother:\n    token: t0k", nothing)
		if err != nil || reveal(t, mustOpen(t, done, k), "other.token") != "t0k" || bytes.Contains(done.Source(), []byte("t0k")) {
			t.Error(err)
		}
	})
	t.Run("that are named", func(t *testing.T) {
		done, err := resealed(t, sealed, text, k, "pin: 42", "pin: 42\nmore: {key: k3y}", only("more.key"))
		if err != nil || reveal(t, mustOpen(t, done, k), "more.key") != "k3y" || bytes.Contains(done.Source(), []byte("k3y")) {
			t.Error(err)
		}
	})
	t.Run("whose name is a plain one's too", func(t *testing.T) {
		_, err := resealed(t, sealed, text, k, "pin: 42", "pin: 42\nmore: {user: k3y}", only("more.user"))
		if codes(err) != codeCatches+" db.user" || strings.Contains(err.Error(), "k3y") {
			t.Error(err)
		}
	})
	t.Run("in a file without any", func(t *testing.T) {
		r, k := pair(t)
		o := Options{Access: AccessOf(r), Keyring: k, Now: now, SecretNames: []string{"a", "b", "plain"}}
		done, err := Reseal(t.Context(), parse(t, ""), parse(t, "plain: 1\na: s3cr3t\n"), only("a"), o)
		if err != nil || reveal(t, mustOpen(t, done, k), "a") != "s3cr3t" || !bytes.Contains(done.Source(), []byte("^(a|b)$")) {
			t.Errorf("%s, %v", done.Source(), err)
		}
	})
}

func TestResealWithoutTheKey(t *testing.T) {
	sealed, _, _ := edited(t)
	text, err := WithoutBlock(sealed)
	if err != nil {
		t.Fatal(err)
	}
	done, err := resealed(t, sealed, text, nil, "plain: 1", "plain: 2", nothing)
	if err != nil {
		t.Fatal(err)
	}
	if removed, added := changedLines(sealed.Source(), done.Source()); len(removed) != 1 || len(added) != 1 {
		t.Errorf("-%q\n+%q", removed, added)
	}
	// A ciphertext opens at its own key only.
	if _, err := resealed(t, sealed, text, nil, "token:", "tokem:", nothing); codes(err) != codeUncovered+" tokem" {
		t.Error(err)
	}
	if _, err := resealed(t, sealed, text, nil, "password: ", "pin: ", nothing); codes(err) != codeUncovered+" db.pin" {
		t.Error(err)
	}
}

func TestResealRefuses(t *testing.T) {
	sealed, text, k := edited(t)
	for to, code := range map[string]string{
		"pin: 42\nsops: {}":                codeReserved,
		"pin: 42\nx: &a {token: s}\ny: *a": codeAlias,
		"pin: 42\n...":                     codeUnsupported,
	} {
		if _, err := resealed(t, sealed, text, k, "pin: 42", to, nothing); !strings.HasPrefix(codes(err), code+" ") || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%q: %v", to, err)
		}
	}
}

// What sops wrote comes back byte for byte, in every way it selects secrets.
func TestResealFilesOfSops(t *testing.T) {
	for _, name := range []string{"sops-encrypted-regex.yaml", "sops-unencrypted-suffix-maconly.yaml"} {
		sealed := fixture(t, name)
		text, err := Unsealed(t.Context(), sealed, fixtureKeys(t))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if bytes.Contains(text.Source(), []byte(": ENC[")) {
			t.Errorf("%s: a secret is still encrypted:\n%s", name, text.Source())
		}
		done, err := Reseal(t.Context(), sealed, text, nothing, Options{Keyring: fixtureKeys(t), Now: now})
		if err != nil || !bytes.Equal(done.Source(), sealed.Source()) {
			removed, added := changedLines(sealed.Source(), done.Source())
			t.Errorf("%s: %v\n-%.60q\n+%.60q", name, err, removed, added)
		}
	}
}

// Where the block stands, and how lines end, is the file's own matter.
func TestResealOddFiles(t *testing.T) {
	r, k := pair(t)
	o := Options{Access: AccessOf(r), Keyring: k, Now: now}
	for name, c := range map[string]struct {
		src  string
		move func(string) string // of the sealed file
		text string              // "" where it cannot be taken apart
	}{
		"lines of Windows":         {"a: 1\r\nb: 2\r\n", nil, "a: 1\r\nb: 2\r\ntoken: s3cr3t\r\n"},
		"block in the middle":      {"a: 1\n", func(s string) string { return s + "z: 9\n" }, "a: 1\ntoken: s3cr3t\nz: 9\n"},
		"no line break at the end": {"a: 1", nil, "a: 1\ntoken: s3cr3t\n"},
		"a comment at the end":     {"a: 1\n# end\n", nil, "a: 1\n# end\ntoken: s3cr3t\n"},
		"in brackets":              {"{a: 1}\n", nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			sealed := mustEdit(t, parse(t, c.src), o, secretChange(t, "token", "s3cr3t"))
			if c.move != nil {
				sealed = parse(t, c.move(string(sealed.Source())))
			}
			text, err := Unsealed(t.Context(), sealed, k)
			if c.text == "" {
				if !strings.HasPrefix(codes(err), codeUnsupported+" ") {
					t.Errorf("%v", err)
				}
				return
			}
			if err != nil || string(text.Source()) != c.text {
				t.Fatalf("%q, %v", text.Source(), err)
			}
			done, err := Reseal(t.Context(), sealed, parse(t, strings.Replace(c.text, "a: 1", "a: 2", 1)), nothing, o)
			if err != nil {
				t.Fatal(err)
			}
			root := mustOpen(t, done, k)
			if reveal(t, root, "token") != "s3cr3t" || root.Field("a").Reveal() != "2" || !bytes.Contains(done.Source(), []byte(sealed.Root().Field("token").Reveal())) {
				t.Errorf("%s", done.Source())
			}
		})
	}
}
