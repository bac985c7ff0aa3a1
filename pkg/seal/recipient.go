package seal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"filippo.io/age/armor"
	"filippo.io/age/plugin"
	"golang.org/x/crypto/ssh"

	"github.com/llm-devops/lcm/pkg/diag"
)

// Recipient is a public key that secrets can be sealed to.
type Recipient struct {
	text string
	age  age.Recipient // nil for a key of another kind
	pgp  string        // the fingerprint of a PGP key

	transit *transitKey // a key in a Vault
}

// maxRecipient bounds the text of a recipient, in bytes: post-quantum ones have about 2,000, RSA keys up to 3,000.
const maxRecipient = 16 << 10

// ParseRecipient reads a recipient as age and SOPS write it: age1… (X25519), age1pq1… (post-quantum),
// age1<name>1… (hardware and others, by a plugin), ssh-ed25519 … or ssh-rsa … with or without a comment; and pgp:FINGERPRINT for
// a PGP key, by its 40 hexadecimal digits, and https://HOST/v1/ENGINE/keys/NAME for a key of a Vault's transit engine.
func ParseRecipient(s string) (Recipient, error) {
	s = strings.TrimSpace(s)
	if len(s) > maxRecipient || strings.ContainsAny(s, "\r\n") {
		return Recipient{}, errors.New("a recipient is one line: age1… or the text of an SSH .pub file")
	}
	var r age.Recipient
	var err error
	text := s
	switch {
	case strings.HasPrefix(s, "age1pq1"):
		r, err = age.ParseHybridRecipient(s)
	case pluginName(s) != "":
		r, err = plugin.NewRecipient(s, silentUI())
	case strings.HasPrefix(s, "age1"):
		r, err = age.ParseX25519Recipient(s)
	case strings.HasPrefix(s, "ssh-"):
		if r, err = agessh.ParseRecipient(s); err == nil {
			text, err = canonicalSSH(s)
		}
	case strings.HasPrefix(s, pgpPrefix):
		return parsePGP(s)
	case isTransit(s):
		return parseTransit(s)
	case strings.HasPrefix(s, "AGE-SECRET-KEY-"), strings.HasPrefix(s, "AGE-PLUGIN-"), strings.HasPrefix(s, "-----BEGIN"):
		return Recipient{}, errors.New("this is a private key, not a recipient: give the public key that belongs to it")
	default:
		return Recipient{}, fmt.Errorf("%q is no recipient: expected age1…, the text of an SSH .pub file, pgp:FINGERPRINT or https://VAULT/v1/ENGINE/keys/NAME", oneLine(s))
	}
	if err != nil {
		return Recipient{}, fmt.Errorf("recipient %q: %w", oneLine(s), err)
	}
	return Recipient{text: text, age: r}, nil
}

// String gives the recipient in its canonical form: an SSH key without its comment.
func (r Recipient) String() string { return r.text }

// Kind gives what kind of key the recipient is: x25519, post-quantum, ssh-ed25519, ssh-rsa, pgp, vault, or plugin NAME.
func (r Recipient) Kind() string {
	switch name := pluginName(r.text); {
	case r.pgp != "":
		return "pgp"
	case r.transit != nil:
		return "vault"
	case strings.HasPrefix(r.text, "age1pq1"):
		return "post-quantum"
	case name != "":
		return "plugin " + name
	case strings.HasPrefix(r.text, "ssh-"):
		kind, _, _ := strings.Cut(r.text, " ")
		return kind
	}
	return "x25519"
}

// ShortKey gives enough of a recipient's text to know it by.
func ShortKey(key string) string {
	if r, err := parseTransit(key); err == nil {
		return "vault …/" + r.transit.engine + "/keys/" + r.transit.name
	}
	if kind, rest, ok := strings.Cut(key, " "); ok {
		return kind + " …" + rest[max(0, len(rest)-8):]
	}
	if len(key) > 20 {
		return key[:14] + "…"
	}
	return key
}

// Handle gives a recipient's text where it fits into a line; of one of thousands of characters, as post-quantum and RSA ones are,
// enough to know it by.
func Handle(key string) string {
	const longest = 128
	if len(key) > longest {
		return ShortKey(key)
	}
	return key
}

// pluginName gives the name of the plugin that a recipient needs, "" if it needs none.
func pluginName(recipient string) string {
	rest, ok := strings.CutPrefix(recipient, "age1")
	if !ok {
		return ""
	}
	i := strings.LastIndexByte(rest, '1')
	if i <= 0 || strings.HasPrefix(rest, "pq1") {
		return ""
	}
	return rest[:i]
}

func canonicalSSH(s string) (string, error) {
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(s))
	if err != nil {
		return "", err
	}
	return sshText(key), nil
}

func sshText(key ssh.PublicKey) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
}

// silentUI is for plugins that encrypt: they have nothing to ask.
func silentUI() *plugin.ClientUI {
	refuse := errors.New("the plugin asks for something, and encrypting is not interactive")
	return &plugin.ClientUI{
		DisplayMessage: func(string, string) error { return nil },
		RequestValue:   func(string, string, bool) (string, error) { return "", refuse },
		Confirm:        func(string, string, string, string) (bool, error) { return false, refuse },
		WaitTimer:      func(string) {},
	}
}

// parseRecipients reads recipients in order, each once.
func parseRecipients(texts []string) ([]Recipient, error) {
	seen := map[string]bool{}
	var out []Recipient
	for _, text := range texts {
		r, err := ParseRecipient(text)
		if err != nil {
			return nil, err
		}
		if !seen[r.text] {
			seen[r.text] = true
			out = append(out, r)
		}
	}
	if len(out) == 0 {
		return nil, diag.WithHint(errors.New("there are no recipients to seal to"), "name at least one public key, age1… or ssh-…")
	}
	return out, nil
}

// entry encrypts a data key, or a share of one, to one recipient.
func (r Recipient) entry(ctx context.Context, raw []byte, now time.Time) (entry, error) {
	if r.pgp != "" {
		enc, err := wrapPGP(ctx, r.pgp, raw)
		return entry{kind: pgpKey, recipient: r.text, text: r.pgp, enc: enc, created: timeText(now)}, err
	}
	if r.transit != nil {
		enc, err := wrapTransit(ctx, r.transit, raw)
		return entry{kind: transitList, recipient: r.text, text: r.text, enc: enc, created: timeText(now)}, err
	}
	enc, err := r.wrap(raw)
	return entry{kind: ageKey, recipient: r.text, text: r.text, enc: enc}, err
}

// wrap encrypts a data key, or a share of one, to an age recipient, as SOPS keeps it: an armored age file.
func (r Recipient) wrap(raw []byte) (string, error) {
	var b bytes.Buffer
	a := armor.NewWriter(&b)
	if err := encryptAge(a, raw, r.age); err != nil {
		err = fmt.Errorf("seal to %s: %w", oneLine(r.text), err)
		if _, missing := errors.AsType[*plugin.NotFoundError](err); missing {
			return "", diag.WithHint(err, "encrypting to this key takes its plugin: install age-plugin-%s, and put it on PATH", pluginName(r.text))
		}
		return "", err
	}
	if err := a.Close(); err != nil {
		return "", fmt.Errorf("seal to %s: %w", oneLine(r.text), err)
	}
	return b.String(), nil
}

func encryptAge(dst io.Writer, plaintext []byte, to ...age.Recipient) error {
	w, err := age.Encrypt(dst, to...)
	if err != nil {
		return err
	}
	if _, err := w.Write(plaintext); err != nil {
		return err
	}
	return w.Close()
}

// SealTo encrypts plaintext to recipients as a binary age file, which `age -d` opens: keys of other kinds are left out. Post-quantum
// recipients cannot be mixed with others in one file.
func SealTo(recipients []string, plaintext []byte) ([]byte, error) {
	parsed, err := parseRecipients(recipients)
	if err != nil {
		return nil, err
	}
	var to []age.Recipient
	for _, r := range parsed {
		if r.age != nil {
			to = append(to, r.age)
		}
	}
	if len(to) == 0 {
		return nil, diag.WithHint(errors.New("there are only keys of PGP or Vault to seal to, and this is an age file"), "name an age or SSH key among the tenant's recipients")
	}
	var b bytes.Buffer
	if err := encryptAge(&b, plaintext, to...); err != nil {
		return nil, fmt.Errorf("seal to %d recipients: %w", len(to), err)
	}
	return b.Bytes(), nil
}
