package seal

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"github.com/llm-devops/lcm/pkg/diag"
)

// pgpPrefix is how a PGP key is told from others: pgp:FINGERPRINT.
const pgpPrefix = "pgp:"

// envGPG names the program in the place of gpg, as for SOPS.
const envGPG = "SOPS_GPG_EXEC"

// parsePGP reads the fingerprint of a PGP key.
func parsePGP(s string) (Recipient, error) {
	digits := strings.ToUpper(strings.ReplaceAll(strings.TrimPrefix(s, pgpPrefix), " ", ""))
	if len(digits) != 40 && len(digits) != 64 || strings.Trim(digits, "0123456789ABCDEF") != "" {
		return Recipient{}, errors.New("a PGP key is written pgp:FINGERPRINT, with all 40 digits: gpg --list-keys --with-colons prints them")
	}
	return Recipient{text: pgpPrefix + digits, pgp: digits}, nil
}

func gpg(getenv func(string) string) string {
	if p := getenv(envGPG); p != "" {
		return p
	}
	return "gpg"
}

// wrapPGP encrypts a data key to a PGP key of the user's keyring with GnuPG. The fingerprint says whose key it is: that policy
// names it is all the trust that is needed.
func wrapPGP(ctx context.Context, fingerprint string, raw []byte) (string, error) {
	cmd := exec.CommandContext(ctx, gpg(os.Getenv), "--batch", "--no-tty", "--yes", "--no-default-recipient", "--no-encrypt-to", "--trust-model", "always",
		"--armor", "--encrypt", "--recipient", fingerprint)
	cmd.Stdin = bytes.NewReader(raw)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		if errors.Is(err, exec.ErrNotFound) {
			return "", diag.WithHint(fmt.Errorf("seal to PGP key %s: %w", fingerprint, err), "install GnuPG, or name its program in %s", envGPG)
		}
		return "", diag.WithHint(fmt.Errorf("seal to PGP key %s: gpg: %s", fingerprint, oneLine(said.String())),
			"import the public key: gpg --import FILE, or gpg --recv-keys %s", fingerprint)
	}
	return strings.TrimSpace(out.String()) + "\n", nil
}

// pgpKeys knows which PGP keys the user has the private half of.
type pgpKeys struct {
	mu   sync.Mutex
	have map[string]bool
}

// hasPGP reports whether GnuPG has any private key, by looking where it keeps them: to ask it would start an agent.
func (k *Keyring) hasPGP() bool {
	dir := k.getenv("GNUPGHOME")
	if dir == "" && k.home != "" {
		dir = filepath.Join(k.home, ".gnupg")
	}
	if dir == "" {
		return false
	}
	entries, err := os.ReadDir(filepath.Join(dir, "private-keys-v1.d"))
	return err == nil && len(entries) > 0
}

// hasPrivate asks GnuPG once for each key.
func (k *Keyring) hasPrivate(ctx context.Context, fingerprint string) bool {
	k.pgp.mu.Lock()
	defer k.pgp.mu.Unlock()
	if has, ok := k.pgp.have[fingerprint]; ok {
		return has
	}
	err := exec.CommandContext(ctx, gpg(k.getenv), "--batch", "--no-tty", "--list-secret-keys", fingerprint).Run()
	if k.pgp.have == nil {
		k.pgp.have = map[string]bool{}
	}
	if ctx.Err() == nil {
		k.pgp.have[fingerprint] = err == nil
	}
	return err == nil
}

// messages has GnuPG open those PGP messages that are for a key of the user's. It may ask for a passphrase, by its agent.
func (s *search) messages() []byte {
	if len(s.pgp) == 0 || !s.k.hasPGP() {
		return nil
	}
	for _, e := range s.pgp {
		fingerprint := strings.TrimPrefix(e.recipient, pgpPrefix)
		if s.ctx.Err() != nil || !s.k.hasPrivate(s.ctx, fingerprint) {
			continue
		}
		cmd := exec.CommandContext(s.ctx, gpg(s.k.getenv), "--quiet", "--no-tty", "--decrypt")
		cmd.Stdin = strings.NewReader(e.enc)
		plain, err := output(cmd)
		if err != nil {
			said := err.Error()
			if exit, ok := errors.AsType[*exec.ExitError](err); ok {
				said = string(exit.Stderr)
			}
			s.problem("GnuPG", oneLine(said))
			continue
		}
		return plain
	}
	return nil
}

// pgpFault gives what shows that a PGP message is for more than one key: it has one packet for each (RFC 9580, 5.1).
func pgpFault(enc string) string {
	data, ok := unarmor(enc)
	if !ok {
		return "it is no PGP message"
	}
	keys := 0
	for len(data) > 0 {
		tag, rest, ok := packet(data)
		if !ok {
			return "it is no PGP message"
		}
		if tag == 3 { // for whoever knows a passphrase
			return "it opens with a passphrase too"
		}
		if tag != 1 {
			break // what follows is encrypted
		}
		keys++
		data = rest
	}
	if keys != 1 {
		return fmt.Sprintf("it is encrypted to %d keys, and names one", keys)
	}
	return ""
}

// unarmor gives the bytes of an armored message.
func unarmor(text string) ([]byte, bool) {
	_, body, ok := strings.Cut(strings.ReplaceAll(text, "\r\n", "\n"), "-----BEGIN PGP MESSAGE-----")
	if !ok {
		return nil, false
	}
	body, _, ok = strings.Cut(body, "-----END PGP MESSAGE-----")
	if !ok {
		return nil, false
	}
	_, body, ok = strings.Cut(body, "\n\n") // after the headers
	if !ok {
		return nil, false
	}
	var b strings.Builder
	for line := range strings.SplitSeq(body, "\n") {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "=") { // the checksum
			b.WriteString(line)
		}
	}
	data, err := base64.StdEncoding.DecodeString(b.String())
	return data, err == nil
}

// packet reads a packet's header, in either of its formats (RFC 9580, 4.2), and gives what follows the packet; nothing follows a
// body of a length that is not known.
func packet(data []byte) (tag int, rest []byte, ok bool) {
	if len(data) < 2 || data[0]&0x80 == 0 {
		return 0, nil, false
	}
	var size, head int
	if data[0]&0x40 != 0 {
		tag = int(data[0] & 0x3f)
		switch first := int(data[1]); {
		case first < 192:
			size, head = first, 2
		case first < 224 && len(data) > 2:
			size, head = (first-192)<<8+int(data[2])+192, 3
		case first == 255 && len(data) > 5:
			size, head = int(data[2])<<24|int(data[3])<<16|int(data[4])<<8|int(data[5]), 6
		default: // in parts
			return tag, nil, first >= 224
		}
	} else {
		tag = int(data[0] >> 2 & 0x0f)
		switch kind := data[0] & 3; {
		case kind == 3:
			return tag, nil, true
		case len(data) < 1+1<<kind:
			return 0, nil, false
		default:
			for _, b := range data[1 : 1+1<<kind] {
				size = size<<8 | int(b)
			}
			head = 1 + 1<<kind
		}
	}
	if size < 0 || size > len(data)-head {
		return 0, nil, false
	}
	return tag, data[head+size:], true
}
