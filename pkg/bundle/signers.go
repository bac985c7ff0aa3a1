package bundle

import (
	"crypto/ed25519"
	"fmt"
	"path"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/llm-devops/lcm/pkg/diag"
)

// AllowedSigners are the keys whose signatures count: an allowed_signers file as Git and ssh-keygen read it, see ALLOWED
// SIGNERS in ssh-keygen(1). The zero value allows nobody.
type AllowedSigners struct{ ids []Identity }

// Identity is one allowed signer.
type Identity struct {
	Principals string // as in the file: "alice@example.com,bob@example.com"
	KeyID      string // SHA256:…
	key        ed25519.PublicKey
	after      time.Time
	before     time.Time
}

// maxAllowedSigners bounds the file in bytes.
const maxAllowedSigners = 1 << 20

// ParseAllowedSigners reads an allowed_signers file; file is its name for the findings, which come as a [diag.List].
//
// Only keys that can sign manifests are kept: Ed25519 keys, no certificate authorities. An entry with a namespaces option
// counts if it covers "git" or "lcm": who may sign commits may publish, and namespaces="lcm" allows publishing alone.
// Times of valid-after and valid-before are taken as UTC, whatever the machine's zone.
func ParseAllowedSigners(file string, data []byte) (*AllowedSigners, error) {
	if len(data) > maxAllowedSigners {
		return nil, fmt.Errorf("read %s: %d bytes are more than the %d allowed", file, len(data), maxAllowedSigners)
	}
	a := &AllowedSigners{}
	var findings diag.List
	line := 0
	for text := range strings.Lines(string(data)) {
		line++
		text = strings.TrimSpace(text)
		if text == "" || text[0] == '#' {
			continue
		}
		id, usable, err := parseSigner(text)
		if err != nil {
			findings = append(findings, diag.Finding{
				Code: "allowed-signers", Severity: diag.Error, Message: err.Error(),
				Hint:     "a line is: principal [options] key-type base64-key",
				Position: diag.Position{File: file, Line: line},
			})
			continue
		}
		if usable {
			a.ids = append(a.ids, id)
		}
	}
	return a, findings.Err()
}

// Identities gives the signers that can sign manifests, in the order of the file.
func (a *AllowedSigners) Identities() []Identity {
	if a == nil {
		return nil
	}
	return append([]Identity(nil), a.ids...)
}

// Allows reports whether a key is allowed to sign at a time.
func (a *AllowedSigners) Allows(keyID string, at time.Time) bool {
	for _, id := range a.at(at) {
		if id.KeyID == keyID {
			return true
		}
	}
	return false
}

// at gives the signers whose validity covers t.
func (a *AllowedSigners) at(t time.Time) []Identity {
	if a == nil {
		return nil
	}
	var ids []Identity
	for _, id := range a.ids {
		if (id.after.IsZero() || !t.Before(id.after)) && (id.before.IsZero() || t.Before(id.before)) {
			ids = append(ids, id)
		}
	}
	return ids
}

// parseSigner reads one line. usable is false for an entry that is right but cannot sign manifests.
func parseSigner(line string) (id Identity, usable bool, err error) {
	principals, rest, err := cutPrincipals(line)
	if err != nil {
		return Identity{}, false, err
	}
	// The rest is a line of an authorized_keys file.
	key, _, options, _, err := ssh.ParseAuthorizedKey([]byte(rest))
	if err != nil {
		return Identity{}, false, fmt.Errorf("no public key can be read")
	}
	id = Identity{Principals: principals, KeyID: ssh.FingerprintSHA256(key)}
	usable = true
	for _, o := range options {
		name, value, _ := strings.Cut(o, "=")
		value = strings.Trim(value, `"`)
		switch strings.ToLower(name) {
		case "cert-authority":
			usable = false
		case "namespaces":
			usable = usable && (covers(value, "git") || covers(value, "lcm"))
		case "valid-after":
			id.after, err = parseTime(value)
		case "valid-before":
			id.before, err = parseTime(value)
		default:
			err = fmt.Errorf("unknown option %q", name)
		}
		if err != nil {
			return Identity{}, false, err
		}
	}
	pub, err := ed25519Of(key)
	if err != nil {
		return id, false, nil //nolint:nilerr // a key of another type is right in this file, it only cannot sign manifests
	}
	id.key = pub
	return id, usable, nil
}

func cutPrincipals(line string) (principals, rest string, err error) {
	if q, ok := strings.CutPrefix(line, `"`); ok {
		principals, rest, ok = strings.Cut(q, `"`)
		if !ok {
			return "", "", fmt.Errorf("the quote of the principals is not closed")
		}
	} else if i := strings.IndexAny(line, " \t"); i > 0 {
		principals, rest = line[:i], line[i:]
	}
	rest = strings.TrimSpace(rest)
	if principals == "" || rest == "" {
		return "", "", fmt.Errorf("principals or key are missing")
	}
	return principals, rest, nil
}

// covers matches a pattern list as ssh does: comma-separated globs, ! excludes.
func covers(patterns, name string) bool {
	found := false
	for p := range strings.SplitSeq(patterns, ",") {
		p, negated := strings.CutPrefix(p, "!")
		if ok, err := path.Match(p, name); err != nil || !ok {
			continue
		}
		if negated {
			return false
		}
		found = true
	}
	return found
}

// parseTime reads YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS, with or without a Z.
func parseTime(s string) (time.Time, error) {
	s = strings.TrimSuffix(s, "Z")
	for _, layout := range [...]string{"20060102", "200601021504", "20060102150405"} {
		if len(s) == len(layout) {
			if t, err := time.Parse(layout, s); err == nil {
				return t, nil
			}
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time", s)
}
