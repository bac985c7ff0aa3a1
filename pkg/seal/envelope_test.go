package seal

import (
	"bytes"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/armor"
)

func TestEnvelopesShowWhoMoreCanOpen(t *testing.T) {
	a, b := newX25519(t), newX25519(t)
	hybrid, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	sealed := func(to ...age.Recipient) string {
		var out bytes.Buffer
		w := armor.NewWriter(&out)
		if err := encryptAge(w, make([]byte, dataKeySize), to...); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	ssh1, ssh2 := sshRecipient(t), sshRecipient(t)
	for _, tt := range []struct{ name, recipient, enc, fault string }{
		{"its own", a.Recipient().String(), sealed(a.Recipient()), ""},
		{"post-quantum", hybrid.Recipient().String(), sealed(hybrid.Recipient()), ""},
		{"ssh", ssh1.String(), sealed(ssh1.age), ""},
		{"two", a.Recipient().String(), sealed(a.Recipient(), b.Recipient()), "encrypted to 2 keys"},
		{"another ssh key", ssh1.String(), sealed(ssh2.age), "another SSH key"},
		{"another kind", a.Recipient().String(), sealed(ssh1.age), "of the kind ssh-ed25519"},
		{"no age file", a.Recipient().String(), "x", "no age file"},
		{"no recipient", "age1nonsense", sealed(a.Recipient()), "no recipient"},
	} {
		got := envelopeFault(entry{recipient: tt.recipient, enc: tt.enc})
		if (got == "") != (tt.fault == "") || !strings.Contains(got, tt.fault) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.fault)
		}
	}
}

func newX25519(t *testing.T) *age.X25519Identity {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func sshRecipient(t *testing.T) Recipient {
	t.Helper()
	_, public := sshPair(t, ed25519Key(t), "")
	r, err := ParseRecipient(public)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
