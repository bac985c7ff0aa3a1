package gitrepo

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"strings"
)

// SSHKeyOf gives the public key that a commit says it is signed with, as an allowed signers file has it: "ssh-ed25519 AAAA…".
// It is "" for a commit that is not signed with an SSH key. Nothing is verified: that is [Repo.Verify]'s task.
func (r *Repo) SSHKeyOf(ctx context.Context, rev Revision) (string, error) {
	c, err := r.readCommit(ctx, rev)
	if err != nil {
		return "", fmt.Errorf("read the signature of %s: %w", rev.Short(), err)
	}
	return sshKeyOf(c.signature), nil
}

// sshKeyOf reads an armoured SSH signature (PROTOCOL.sshsig of OpenSSH): the magic, a version, and the public key as a string, which
// begins with its type.
func sshKeyOf(armor string) string {
	block, _ := pem.Decode([]byte(armor + "\n"))
	if block == nil || block.Type != "SSH SIGNATURE" {
		return ""
	}
	rest, ok := bytes.CutPrefix(block.Bytes, []byte("SSHSIG\x00\x00\x00\x01"))
	if !ok {
		return ""
	}
	key, ok := sshString(rest)
	if !ok {
		return ""
	}
	kind, ok := sshString(key)
	if !ok {
		return ""
	}
	return string(kind) + " " + base64.StdEncoding.EncodeToString(key)
}

// sshString gives the string that begins b, which its length precedes.
func sshString(b []byte) ([]byte, bool) {
	if len(b) < 4 {
		return nil, false
	}
	n := binary.BigEndian.Uint32(b)
	if b = b[4:]; uint64(n) > uint64(len(b)) {
		return nil, false
	}
	return b[:n], true
}

// NamesKey reports whether a line of an allowed signers file has an SSH key. A certificate may be vouched for by an authority that
// the file has instead, so it counts as named. Options of the line are not looked at.
func NamesKey(allowedSigners []byte, key string) bool {
	kind, _, _ := strings.Cut(key, " ")
	if strings.Contains(kind, "-cert-") {
		return true
	}
	for line := range strings.Lines(string(allowedSigners)) {
		if !strings.HasPrefix(strings.TrimSpace(line), "#") && strings.Contains(strings.Join(strings.Fields(line), " ")+" ", " "+key+" ") {
			return true
		}
	}
	return false
}
