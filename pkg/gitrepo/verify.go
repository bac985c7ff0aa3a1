package gitrepo

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"
)

// SignatureStatus is the outcome of verifying a commit.
type SignatureStatus string

// The outcomes. Only Good means that the commit is from a signer who is allowed.
const (
	Good          SignatureStatus = "good"
	Unsigned      SignatureStatus = "unsigned"
	Bad           SignatureStatus = "bad"            // the signature does not match the commit, or its key was revoked
	UnknownSigner SignatureStatus = "unknown-signer" // the signature matches, but its key is not an allowed one
	Expired       SignatureStatus = "expired"        // the key or the signature had expired
	Unverifiable  SignatureStatus = "unverifiable"   // the public key or the program to check it with is missing
)

// Signature is what is known about who signed a commit.
type Signature struct {
	Status SignatureStatus
	Format string // "ssh", "openpgp", "x509", or "" if unsigned
	Signer string // the principal from the allowed signers; only when Good
	Key    string // the key's fingerprint, "SHA256:…" or 40 hexadecimal digits, where known
	Detail string // why it is not good, in the signing program's words
	// What the commit says about its author, signed or not.
	Author, Email string
	Time          time.Time
}

// Verify checks a commit's signature against the allowed signers, in the format of ssh-keygen(1), "ALLOWED SIGNERS". So
// that OpenPGP keys can be allowed too, the file may hold lines of the form
//
//	alice@example.com openpgp:0123456789ABCDEF0123456789ABCDEF01234567
//
// with the fingerprint of a primary key or a signing subkey, and optionally namespaces="git" before it. ssh-keygen never sees
// those lines. Without such a line an OpenPGP signature is by an unknown signer, whatever the user's keyring trusts.
// The error is for what kept the check from running, not for its outcome.
func (r *Repo) Verify(ctx context.Context, rev Revision, allowedSigners []byte) (Signature, error) {
	c, err := r.readCommit(ctx, rev)
	if err != nil {
		return Signature{}, fmt.Errorf("verify commit %s: %w", rev.Short(), err)
	}
	sig := Signature{Author: c.Author, Email: c.Email, Time: c.Time, Format: signatureFormat(c.signature)}
	if !c.Signed {
		sig.Status = Unsigned
		return sig, nil
	}
	ssh, openpgp := splitSigners(allowedSigners)
	file, err := os.CreateTemp("", "lcm-allowed-signers-")
	if err != nil {
		return Signature{}, fmt.Errorf("verify commit %s: %w", rev.Short(), err)
	}
	defer os.Remove(file.Name()) //nolint:errcheck // a public file in the temporary folder
	_, err = file.Write(ssh)
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return Signature{}, fmt.Errorf("verify commit %s: %w", rev.Short(), err)
	}
	var said string
	_, err = r.run(ctx, command{
		args: []string{"-c", "gpg.ssh.allowedSignersFile=" + file.Name(), "verify-commit", "--raw", rev.Hash},
		said: &said,
	})
	if err != nil && exitCode(err) < 0 {
		return Signature{}, fmt.Errorf("verify commit %s: %w", rev.Short(), err)
	}
	if sig.Format == "ssh" {
		sig.readSSH(said, err == nil)
	} else {
		sig.readGnuPG(said, err == nil, openpgp)
	}
	return sig, nil
}

func signatureFormat(armor string) string {
	switch {
	case strings.HasPrefix(armor, "-----BEGIN SSH SIGNATURE-----"):
		return "ssh"
	case strings.HasPrefix(armor, "-----BEGIN SIGNED MESSAGE-----"):
		return "x509"
	case armor == "":
		return ""
	}
	return "openpgp"
}

var openpgpSigner = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^\s*(\S+)\s+(?:namespaces="git"\s+)?openpgp:([0-9A-Fa-f]{40}|[0-9A-Fa-f]{64})\s*(?:#.*)?$`)
})

// splitSigners takes the OpenPGP lines out of an allowed signers file: principals by upper-case fingerprint.
func splitSigners(file []byte) (ssh []byte, openpgp map[string]string) {
	openpgp = map[string]string{}
	var b bytes.Buffer
	lines := bufio.NewScanner(bytes.NewReader(file))
	lines.Buffer(nil, len(file)+1)
	for lines.Scan() {
		if m := openpgpSigner().FindStringSubmatch(lines.Text()); m != nil {
			openpgp[strings.ToUpper(m[2])] = m[1]
			continue
		}
		b.WriteString(lines.Text() + "\n")
	}
	return b.Bytes(), openpgp
}

var (
	sshGood = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?m)^Good "git" signature for (.+) with \S+ key (SHA256:\S+)$`)
	})
	sshUnknown = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?m)^Good "git" signature with \S+ key (SHA256:\S+)$`)
	})
)

// readSSH takes in what "git verify-commit" passed on from ssh-keygen.
func (s *Signature) readSSH(said string, accepted bool) {
	if m := sshGood().FindStringSubmatch(said); m != nil && accepted {
		s.Status, s.Signer, s.Key = Good, m[1], m[2]
		return
	}
	s.Detail = oneLine(said)
	if m := sshUnknown().FindStringSubmatch(said); m != nil {
		s.Status, s.Key, s.Detail = UnknownSigner, m[1], "the key is not among the allowed signers"
		return
	}
	if strings.Contains(said, "key is not permitted for use in signature namespace") {
		s.Status, s.Detail = UnknownSigner, "the key is among the allowed signers, but not for signing commits"
		return
	}
	s.Status = Bad
	if strings.Contains(said, "cannot run") || strings.Contains(said, "No such file or directory") {
		s.Status = Unverifiable
	}
}

// readGnuPG takes in GnuPG's status lines ("[GNUPG:] KEYWORD ARGS", doc/DETAILS in its source).
func (s *Signature) readGnuPG(said string, accepted bool, allowed map[string]string) {
	s.Status, s.Detail = Unverifiable, oneLine(said)
	var fingerprints []string
	good := false
	for line := range strings.Lines(said) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "[GNUPG:]" {
			continue
		}
		args := fields[2:]
		switch fields[1] {
		case "GOODSIG":
			good = true
		case "VALIDSIG":
			if len(args) > 0 {
				fingerprints = append(fingerprints, args[0], args[len(args)-1])
			}
		case "BADSIG", "REVKEYSIG":
			s.Status, s.Detail = Bad, "the signature does not match or its key was revoked"
			return
		case "EXPSIG", "EXPKEYSIG":
			s.Status, s.Detail = Expired, "the signature or its key has expired"
			return
		case "NO_PUBKEY":
			s.Detail = "the public key " + strings.Join(args, " ") + " is not in the keyring"
		}
	}
	if !good || len(fingerprints) == 0 {
		return
	}
	s.Status, s.Key, s.Detail = UnknownSigner, fingerprints[len(fingerprints)-1], "the key is not among the allowed signers"
	for _, f := range fingerprints {
		if who, ok := allowed[strings.ToUpper(f)]; ok && accepted {
			s.Status, s.Signer, s.Detail = Good, who, ""
			return
		}
	}
}
