package seal

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"
	"golang.org/x/crypto/ssh"

	"github.com/llm-devops/lcm/pkg/diag"
)

// Envelope is a file's data key as it is encrypted to one recipient, as far as it shows without a key.
type Envelope struct {
	Recipient string // as [Metadata.Recipients] has it
	Pos       diag.Position
	Digest    string // of the ciphertext: two files with the same have the same data key
	// Fault is what shows that it opens for somebody else than it says, or for more; "" where nothing does. An X25519 or
	// post-quantum envelope does not show for whom it is: that it is for one recipient alone is all that can be seen.
	Fault string
}

// Envelopes gives the envelopes of a file, in its order.
func (m *Metadata) Envelopes() []Envelope {
	out := make([]Envelope, len(m.entries))
	for i, e := range m.entries {
		sum := sha256.Sum256([]byte(strings.Join(strings.Fields(e.enc), "\n")))
		out[i] = Envelope{Recipient: e.recipient, Pos: m.RecipientPos[i], Digest: hex.EncodeToString(sum[:]), Fault: envelopeFault(e)}
	}
	return out
}

// stanzas is an identity that opens nothing and keeps what it was shown.
type stanzas struct{ seen []*age.Stanza }

// Unwrap implements [age.Identity].
func (s *stanzas) Unwrap(all []*age.Stanza) ([]byte, error) {
	s.seen = all
	return nil, age.ErrIncorrectIdentity
}

func envelopeFault(e entry) string {
	r, err := ParseRecipient(e.recipient)
	if err != nil {
		return "it names no recipient that could be checked"
	}
	if e.kind == pgpKey {
		return pgpFault(e.enc)
	}
	if e.kind == transitList {
		return transitFault(e.enc)
	}
	if pluginName(e.recipient) != "" {
		return "" // only the plugin knows what its stanzas mean
	}
	var s stanzas
	if _, err := age.Decrypt(armor.NewReader(strings.NewReader(e.enc)), &s); err != nil {
		if _, ok := errors.AsType[*age.NoIdentityMatchError](err); !ok {
			return "it is no age file"
		}
	}
	var real []*age.Stanza
	for _, st := range s.seen {
		if !strings.HasSuffix(st.Type, "-grease") { // what the format has for nobody
			real = append(real, st)
		}
	}
	if len(real) != 1 {
		return fmt.Sprintf("it is encrypted to %d keys, and names one", len(real))
	}
	want := map[string]string{"x25519": "X25519", "post-quantum": "mlkem768x25519"}[r.Kind()]
	if want == "" {
		want = r.Kind()
	}
	if real[0].Type != want {
		return fmt.Sprintf("it is encrypted to a key of the kind %s", oneLine(real[0].Type))
	}
	if strings.HasPrefix(want, "ssh-") && !isStanzaOf(real[0], e.recipient) {
		return "it is encrypted to another SSH key"
	}
	return ""
}

// isStanzaOf reports whether a stanza carries the fingerprint of an SSH key, as age writes it.
func isStanzaOf(s *age.Stanza, recipient string) bool {
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(recipient))
	if err != nil || len(s.Args) == 0 {
		return false
	}
	return s.Args[0] == sshFingerprint(key)
}
