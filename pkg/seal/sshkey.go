package seal

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"encoding/pem"

	"golang.org/x/crypto/ssh"
)

// sshMagic begins a private key in OpenSSH's own format
// (https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.key).
const sshMagic = "openssh-key-v1\x00"

// parseOpenSSH reads the one key that is in most files: of the kind ed25519, as ssh-keygen writes it, and without a passphrase. Any other is
// the ssh library's to read and to refuse, which leaves a copy of it in memory.
func parseOpenSSH(data []byte) (key ed25519.PrivateKey, ok bool) {
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "OPENSSH PRIVATE KEY" {
		return nil, false
	}
	defer clear(block.Bytes)
	file, ok := bytes.CutPrefix(block.Bytes, []byte(sshMagic))
	if !ok {
		return nil, false
	}
	r := &sshReader{rest: file}
	cipher, kdf, options := r.text(), r.text(), r.text()
	if string(cipher) != "none" || string(kdf) != "none" || len(options) > 0 || r.number() != 1 {
		return nil, false
	}
	r.text() // the public key, which is in the private one
	p := &sshReader{rest: r.text()}
	if check, again := p.number(), p.number(); check != again || string(p.text()) != ssh.KeyAlgoED25519 {
		return nil, false
	}
	public, private := p.text(), p.text()
	p.text() // a comment
	for i, b := range p.rest {
		if int(b) != i+1 {
			return nil, false
		}
	}
	if r.bad || p.bad || len(r.rest) > 0 || len(private) != ed25519.PrivateKeySize || !bytes.Equal(public, private[ed25519.SeedSize:]) {
		return nil, false
	}
	return bytes.Clone(private), true
}

// sshReader reads what SSH writes, none of which it copies. What is not there is empty, and then bad is set.
type sshReader struct {
	rest []byte
	bad  bool
}

func (r *sshReader) number() uint32 {
	if len(r.rest) < 4 {
		r.rest, r.bad = nil, true
		return 0
	}
	n := binary.BigEndian.Uint32(r.rest)
	r.rest = r.rest[4:]
	return n
}

func (r *sshReader) text() []byte {
	n := r.number()
	if uint64(n) > uint64(len(r.rest)) {
		r.rest, r.bad = nil, true
		return nil
	}
	text := r.rest[:n]
	r.rest = r.rest[n:]
	return text
}
