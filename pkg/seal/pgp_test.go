package seal

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/llm-devops/lcm/pkg/tree"
)

// gnupg gives a home of GnuPG's own with keys for some people, and their fingerprints. Sockets need a short path.
func gnupg(t *testing.T, people ...string) (keyring *Keyring, fingerprints []string) {
	t.Helper()
	if _, err := exec.LookPath("gpg"); err != nil {
		t.Skip("gpg is not installed")
	}
	home, err := os.MkdirTemp("", "g") //nolint:usetesting // a socket lies in it, which needs a short path
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GNUPGHOME", home)
	t.Cleanup(func() {
		_ = exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run()
		_ = os.RemoveAll(home)
	})
	for _, name := range people {
		if out, err := exec.CommandContext(t.Context(), "gpg", "--batch", "--passphrase", "", "--quick-gen-key", name, "future-default", "default", "never").CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		out, err := exec.CommandContext(t.Context(), "gpg", "--list-keys", "--with-colons", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(out), "\nfpr:::::::::")
		fp, _, _ := strings.Cut(rest, ":")
		fingerprints = append(fingerprints, fp)
	}
	return NewKeyring(KeyringOptions{Home: t.TempDir(), ConfigDir: t.TempDir()}), fingerprints
}

func TestPGPKeysOpenBesideAgesAndAlone(t *testing.T) {
	withGPG, fps := gnupg(t, "ada@example.com", "bob@example.com")
	age, ageKeys := pair(t)
	pgp := "pgp:" + strings.ToLower(fps[0])
	doc, err := Edit(t.Context(), parse(t, "plain: 1\n"), []Change{{Path: tree.Keys("token"), Value: tree.NewString("tok-1"), Secret: true}},
		Options{Access: AccessOf(age, pgp), Now: time.Unix(1e9, 0)})
	if err != nil {
		t.Fatal(err)
	}
	m, err := Inspect(doc)
	if err != nil || !slices.Equal(m.Recipients, []string{age, "pgp:" + fps[0]}) {
		t.Fatalf("%v %v", m, err)
	}
	for _, e := range m.Envelopes() {
		if e.Fault != "" {
			t.Error(e)
		}
	}
	check := func(what string, k *Keyring) {
		t.Helper()
		root, err := Open(t.Context(), doc, k)
		if err != nil || root.Get(tree.Keys("token")).Reveal() != "tok-1" {
			t.Errorf("%s: %v", what, err)
		}
	}
	check("by PGP", withGPG)
	check("by age", ageKeys)

	// Another PGP key, with the data key that is there; then without age, and with a new data key.
	if doc, err = Rekey(t.Context(), doc, AccessOf(age, pgp, "pgp:"+fps[1]), ageKeys, false, time.Time{}); err != nil {
		t.Fatal(err)
	}
	check("with another", ageKeys)
	if doc, err = Rekey(t.Context(), doc, AccessOf("pgp:"+fps[1]), ageKeys, true, time.Time{}); err != nil {
		t.Fatal(err)
	}
	check("by PGP alone", withGPG)
	if strings.Contains(string(doc.Source()), "age:") {
		t.Errorf("age is left:\n%s", doc.Source())
	}
	if _, err := Open(t.Context(), doc, env(t, nil, nil)); err == nil {
		t.Error("it opens for nobody's keyring")
	}
	if doc, err = Rekey(t.Context(), doc, AccessOf(age), withGPG, true, time.Time{}); err != nil {
		t.Fatal(err)
	}
	check("by age again", ageKeys)
	if strings.Contains(string(doc.Source()), "pgp:") {
		t.Errorf("PGP is left:\n%s", doc.Source())
	}
}

func TestPGPMessagesShowHowManyCanOpen(t *testing.T) {
	_, fps := gnupg(t, "ada@example.com", "bob@example.com")
	cmd := exec.CommandContext(t.Context(), "gpg", "--batch", "--trust-model", "always", "--armor", "--encrypt", "-r", fps[0], "-r", fps[1])
	cmd.Stdin = strings.NewReader("x")
	two, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for enc, want := range map[string]string{
		string(two): "2 keys", "x": "no PGP message", "-----BEGIN PGP MESSAGE-----\n\nAAAA\n-----END PGP MESSAGE-----": "no PGP message",
	} {
		if got := pgpFault(enc); !strings.Contains(got, want) {
			t.Errorf("%q: %q, want %q", enc, got, want)
		}
	}
}

func TestPGPKeysAreNamedInFull(t *testing.T) {
	for _, text := range []string{"pgp:ada@example.com", "pgp:0123456789ABCDEF", "pgp:", "pgp:" + strings.Repeat("G", 40)} {
		if _, err := ParseRecipient(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
	r, err := ParseRecipient("pgp:0123 4567 89ab cdef 0123  4567 89ab cdef 0123 4567")
	if err != nil || r.String() != "pgp:0123456789ABCDEF0123456789ABCDEF01234567" || r.Kind() != "pgp" {
		t.Errorf("%v %v", r, err)
	}
}

func FuzzPGPFault(f *testing.F) {
	f.Add("-----BEGIN PGP MESSAGE-----\n\nhQ==\n-----END PGP MESSAGE-----")
	f.Fuzz(func(t *testing.T, enc string) { pgpFault(enc) })
}
