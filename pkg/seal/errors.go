package seal

import (
	"fmt"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/pkg/diag"
)

// NoIdentityError says that none of the user's identities opens something.
type NoIdentityError struct {
	File       string   // "" where it is no file of the repository
	Recipients []string // to whom it is sealed, in its order; none where the format does not say
	Access     Access   // those, in their key groups; zero where the format knows none
	Opened     int      // of how many of the groups there is a key here
	Tried      []Tried  // where identities were looked for, in order
}

// Tried is one place where identities were looked for.
type Tried struct {
	Where   string // an environment variable or a file
	Problem string // why it did not help: "not set", "no such file", "none of its identities is a recipient", …
}

// Error implements error. It names the recipients and the places that had something wrong with them.
func (e *NoIdentityError) Error() string {
	var b strings.Builder
	if e.File != "" {
		b.WriteString(e.File + ": ")
	}
	switch {
	case e.Access.Grouped():
		fmt.Fprintf(&b, "it takes %s, and those here are of %d; the groups are %s", e.Access, e.Opened, groupsText(e.Access))
	case len(e.Recipients) > 0:
		b.WriteString("no identity here opens it; it is sealed to " + strings.Join(e.Recipients, ", "))
	default:
		b.WriteString("no identity here opens it")
	}
	for _, t := range e.Tried {
		if t.Problem != problemUnset && t.Problem != problemMissing {
			b.WriteString("; " + t.Where + ": " + t.Problem)
		}
	}
	return b.String()
}

// Wanted names the keys that open it: "one of age1…", or "keys of 2 of 3 groups: (age1…) (age1…) (age1…)".
func (e *NoIdentityError) Wanted() string {
	if e.Access.Grouped() {
		return fmt.Sprintf("%s: %s", e.Access, groupsText(e.Access))
	}
	return "one of " + strings.Join(e.Recipients, ", ")
}

func groupsText(a Access) string {
	groups := make([]string, len(a.Groups))
	for i, group := range a.Groups {
		groups[i] = "(" + strings.Join(group, ", ") + ")"
	}
	return strings.Join(groups, " ")
}

// hinted adds the next step: what stands in the way of an identity that is there, or where to put one.
func (e *NoIdentityError) hinted(file string) error {
	for _, t := range e.Tried {
		if t.Problem == problemNoPrompt {
			return diag.WithHint(e, "run it in a terminal to be asked for the passphrase of %s, or use a key without one", t.Where)
		}
	}
	if e.Access.Grouped() {
		return diag.WithHint(e, "bring the private keys of enough groups together: in %s, in SOPS_AGE_KEY_FILE, or of other kinds (SSH, GnuPG, Vault)", file)
	}
	return diag.WithHint(e, "put the private key of one of these recipients into %s, or name its file in SOPS_AGE_KEY_FILE; "+
		"without one, ask somebody who can open it to add your public key", file)
}

// add takes in where identities for one of several groups were looked for. That a place has none for it says little: it may for
// others.
func (e *NoIdentityError) add(places []Tried) {
	for _, t := range places {
		if t.Problem != problemNoMatch && !slices.Contains(e.Tried, t) {
			e.Tried = append(e.Tried, t)
		}
	}
}

// MACError says that the secrets of a file are not those that it was sealed with.
type MACError struct {
	File string
	Pos  diag.Position // of the mac
}

// Error implements error.
func (e *MACError) Error() string {
	return fmt.Sprintf("%s: the secrets do not match the mac: one was added, removed or moved without the key", e.Pos)
}

func macError(m *Metadata) error {
	return diag.WithHint(&MACError{File: m.file, Pos: m.macPos},
		"compare with the last good version (git diff -- %s) and restore the secrets; after a merge, seal what came together with lcm merge --continue", m.file)
}

// The codes of findings.
const (
	codeMetadata    = "seal-metadata"      // the sops block is malformed
	codeUnsupported = "seal-unsupported"   // the sops block uses what is not supported here
	codeFormat      = "seal-format"        // an encrypted value is malformed
	codeTampered    = "seal-tampered"      // an encrypted value does not open at its place
	codeUncovered   = "seal-uncovered"     // an encrypted value where the file encrypts none
	codePlaintext   = "plaintext-secret"   // a plain value where the file encrypts
	codeCatches     = "seal-catches-plain" // a new secret's name catches a plain value
	codeAlias       = "seal-alias"         // an alias or a merge key touches a secret
	codeReserved    = "seal-reserved"      // an edit of the sops block itself
	codeReadable    = "identity-readable"  // a private key that others can read
	codeRekey       = "seal-rekey"         // a file that cannot get a new data key here
	codeMixed       = "seal-mixed"         // a merge of two owners' files
)

func finding(code string, at diag.Position, key, message, hint string) diag.Finding {
	return diag.Finding{Code: code, Severity: diag.Error, Position: at, Key: key, Message: message, Hint: hint}
}

// CodeUnsupported is the code of findings about what SOPS can, and this package does not.
const CodeUnsupported = codeUnsupported
