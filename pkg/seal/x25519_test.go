package seal

import (
	"bytes"
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"golang.org/x/crypto/ssh"
)

// stanzasFor wraps a file key.
func stanzasFor(t testing.TB, fileKey []byte, to age.Recipient) []*age.Stanza {
	t.Helper()
	s, err := to.Wrap(fileKey)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestX25519AsAge compares with the age library, which is the oracle.
func TestX25519AsAge(t *testing.T) {
	fileKey := []byte("0123456789abcdef")
	for range 50 {
		theirs, err := age.GenerateX25519Identity()
		if err != nil {
			t.Fatal(err)
		}
		mine, err := parseX25519([]byte(theirs.String()))
		if err != nil {
			t.Fatalf("%v: %s", err, theirs)
		}
		if mine.recipient() != theirs.Recipient().String() {
			t.Fatalf("recipient %s, want %s", mine.recipient(), theirs.Recipient())
		}
		other, err := age.GenerateX25519Identity()
		if err != nil {
			t.Fatal(err)
		}
		stanzas := append(stanzasFor(t, []byte("another file key"), other.Recipient()), stanzasFor(t, fileKey, theirs.Recipient())...)
		if got, err := mine.Unwrap(stanzas); err != nil || !bytes.Equal(got, fileKey) {
			t.Fatalf("%q, %v", got, err)
		}
		if _, err := mine.Unwrap(stanzas[:1]); !errors.Is(err, age.ErrIncorrectIdentity) {
			t.Fatalf("for another: %v", err)
		}
		if _, err := mine.Unwrap(nil); !errors.Is(err, age.ErrIncorrectIdentity) {
			t.Fatalf("for nobody: %v", err)
		}
	}
}

func TestSSHAsAge(t *testing.T) {
	fileKey := []byte("0123456789abcdef")
	for range 20 {
		key := ed25519Key(t)
		public, err := ssh.NewPublicKey(key.Public())
		if err != nil {
			t.Fatal(err)
		}
		to, err := agessh.NewEd25519Recipient(public)
		if err != nil {
			t.Fatal(err)
		}
		toOther, err := agessh.ParseRecipient(sshTextOf(t))
		if err != nil {
			t.Fatal(err)
		}
		mine, err := sshX25519(key)
		if err != nil {
			t.Fatal(err)
		}
		stanzas := append(stanzasFor(t, fileKey, toOther), stanzasFor(t, fileKey, to)...)
		if got, err := mine.Unwrap(stanzas); err != nil || !bytes.Equal(got, fileKey) {
			t.Fatalf("%q, %v", got, err)
		}
		if _, err := mine.Unwrap(stanzas[:1]); !errors.Is(err, age.ErrIncorrectIdentity) {
			t.Fatalf("for another: %v", err)
		}
		// The fingerprint is short, and may be another key's.
		stanzas[0].Args[0] = stanzas[1].Args[0]
		if got, err := mine.Unwrap(stanzas); err != nil || !bytes.Equal(got, fileKey) {
			t.Fatalf("%q, %v", got, err)
		}
	}
}

func sshTextOf(t testing.TB) string {
	_, public := sshPair(t, ed25519Key(t), "")
	return public
}

// FuzzOpenSSH compares with the ssh library, which is the oracle: what is read here it reads too, and as the same key.
func FuzzOpenSSH(f *testing.F) {
	for _, passphrase := range []string{"", "open sesame"} {
		private, _ := sshPair(f, ed25519Key(f), passphrase)
		block, _ := pem.Decode(private)
		f.Add(block.Bytes)
		if _, ok := parseOpenSSH(private); ok != (passphrase == "") {
			f.Fatalf("with the passphrase %q it is read: %t", passphrase, ok)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		data := pem.EncodeToMemory(&pem.Block{Type: "OPENSSH PRIVATE KEY", Bytes: body})
		key, ok := parseOpenSSH(data)
		if !ok {
			return
		}
		raw, err := ssh.ParseRawPrivateKey(data)
		want, isEd25519 := raw.(*ed25519.PrivateKey)
		if err != nil || !isEd25519 || !want.Equal(key) {
			t.Errorf("%T, %v", raw, err)
		}
	})
}

// TestMalformedStanzas are refused where age refuses them.
func TestMalformedStanzas(t *testing.T) {
	theirs, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	mine, err := parseX25519([]byte(theirs.String()))
	if err != nil {
		t.Fatal(err)
	}
	good := stanzasFor(t, []byte("0123456789abcdef"), theirs.Recipient())[0]
	for name, change := range map[string]func(s *age.Stanza){
		"no share":        func(s *age.Stanza) { s.Args = nil },
		"two shares":      func(s *age.Stanza) { s.Args = append(s.Args, s.Args[0]) },
		"no base64":       func(s *age.Stanza) { s.Args = []string{"%" + s.Args[0][1:]} },
		"padding":         func(s *age.Stanza) { s.Args = []string{s.Args[0] + "="} },
		"a line break":    func(s *age.Stanza) { s.Args = []string{s.Args[0][:9] + "\n" + s.Args[0][9:]} },
		"a short share":   func(s *age.Stanza) { s.Args = []string{s.Args[0][:40]} },
		"low order":       func(s *age.Stanza) { s.Args = []string{strings.Repeat("A", 43)} },
		"a short body":    func(s *age.Stanza) { s.Body = s.Body[1:] },
		"a long body":     func(s *age.Stanza) { s.Body = append(s.Body, 0) },
		"another share":   func(s *age.Stanza) { s.Args = []string{"B" + s.Args[0][1:]} },
		"a changed body":  func(s *age.Stanza) { s.Body[3] ^= 1 },
		"of another kind": func(s *age.Stanza) { s.Type = "x25519" },
	} {
		s := &age.Stanza{Type: good.Type, Args: append([]string(nil), good.Args...), Body: bytes.Clone(good.Body)}
		change(s)
		_, want := theirs.Unwrap([]*age.Stanza{s})
		_, got := mine.Unwrap([]*age.Stanza{s})
		if got == nil || errors.Is(got, age.ErrIncorrectIdentity) != errors.Is(want, age.ErrIncorrectIdentity) {
			t.Errorf("%s: %v, and age says %v", name, got, want)
		}
	}
}

func FuzzX25519(f *testing.F) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(id.String())
	f.Add("AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQS9XEKFY")
	f.Add(x25519Prefix)
	f.Fuzz(func(t *testing.T, text string) {
		mine, err := parseX25519([]byte(text))
		theirs, want := age.ParseX25519Identity(text)
		if strings.ToUpper(text) != text {
			want = errIdentity // age takes small letters too, and SOPS and this package look for the prefix in capitals
		}
		if (err == nil) != (want == nil) {
			t.Fatalf("%v, and age says %v", err, want)
		}
		if err == nil && mine.recipient() != theirs.Recipient().String() {
			t.Errorf("recipient %s, want %s", mine.recipient(), theirs.Recipient())
		}
	})
}

// TestEveryCharacterOfAnIdentityCounts changes each to each other.
func TestEveryCharacterOfAnIdentityCounts(t *testing.T) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	text := []byte(id.String())
	for i := range text {
		was := text[i]
		for c := byte('!'); c < '~'; c++ {
			if text[i] = c; c != was {
				if _, err := parseX25519(text); err == nil {
					t.Fatalf("%d: %c in the place of %c", i, c, was)
				}
			}
		}
		text[i] = was
	}
	for _, bad := range [][]byte{text[:len(text)-1], append(bytes.Clone(text), 'Q'), nil} {
		if _, err := parseX25519(bad); err == nil {
			t.Errorf("%q", bad)
		}
	}
}
