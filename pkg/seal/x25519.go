package seal

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"filippo.io/age"
	"golang.org/x/crypto/chacha20poly1305"
	"golang.org/x/crypto/ssh"
)

const (
	x25519Prefix  = "AGE-SECRET-KEY-1"
	x25519Stanza  = "X25519"
	x25519Label   = "age-encryption.org/v1/X25519"
	ed25519Label  = "age-encryption.org/v1/ssh-ed25519"
	ageFileKey    = 16 // bytes
	curve25519Key = 32
)

var errIdentity = errors.New("not an age identity")

// x25519Key is the private key of an age identity of the usual kind, or of an SSH key, as the age format uses them
// (https://c2sp.org/age#the-x25519-recipient-type, and agessh in the library). The library has both, and leaves copies of the key behind in
// memory: as it reads one, and each time it is used.
type x25519Key struct {
	private *ecdh.PrivateKey
	ssh     ssh.PublicKey // nil for an age identity
}

// parseX25519 reads AGE-SECRET-KEY-1….
func parseX25519(text []byte) (*x25519Key, error) {
	var scalar [curve25519Key]byte
	defer clear(scalar[:])
	if err := decodeBech32(scalar[:], text, x25519Prefix); err != nil {
		return nil, err
	}
	private, err := ecdh.X25519().NewPrivateKey(scalar[:])
	if err != nil {
		return nil, err
	}
	return &x25519Key{private: private}, nil
}

// sshX25519 makes an age identity of an SSH key.
func sshX25519(key ed25519.PrivateKey) (*x25519Key, error) {
	public, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	sum := sha512.Sum512(key[:ed25519.SeedSize])
	defer clear(sum[:])
	private, err := ecdh.X25519().NewPrivateKey(sum[:curve25519Key])
	if err != nil {
		return nil, err
	}
	return &x25519Key{private, public}, nil
}

// wipe overwrites the key.
func (k *x25519Key) wipe() { clearField(k.private, "privateKey") }

// recipient gives age1….
func (k *x25519Key) recipient() string { return encodeBech32("age", k.private.PublicKey().Bytes()) }

// Unwrap implements [age.Identity].
func (k *x25519Key) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	for _, s := range stanzas {
		var key []byte
		var err error
		switch {
		case k.ssh == nil && s.Type == x25519Stanza:
			key, err = k.unwrap(s, 0, x25519Label)
		case k.ssh != nil && s.Type == k.ssh.Type():
			if len(s.Args) == 2 && s.Args[0] != sshFingerprint(k.ssh) {
				continue
			}
			key, err = k.unwrap(s, 1, ed25519Label)
		default:
			continue
		}
		if !errors.Is(err, age.ErrIncorrectIdentity) {
			return key, err
		}
	}
	return nil, age.ErrIncorrectIdentity
}

// sshFingerprint gives what a stanza has to tell SSH keys by.
func sshFingerprint(key ssh.PublicKey) string {
	sum := sha256.Sum256(key.Marshal())
	return base64.RawStdEncoding.EncodeToString(sum[:4])
}

// unwrap opens a stanza whose argument at an index is the sender's share.
func (k *x25519Key) unwrap(s *age.Stanza, at int, label string) ([]byte, error) {
	malformed := fmt.Errorf("invalid %s recipient block", s.Type)
	if len(s.Args) != at+1 || strings.ContainsAny(s.Args[at], "\r\n") || len(s.Body) != ageFileKey+chacha20poly1305.Overhead {
		return nil, malformed
	}
	share, err := base64.RawStdEncoding.Strict().DecodeString(s.Args[at])
	if err != nil {
		return nil, malformed
	}
	sender, err := ecdh.X25519().NewPublicKey(share)
	if err != nil {
		return nil, malformed
	}
	secret, err := k.private.ECDH(sender)
	if err != nil {
		return nil, malformed
	}
	defer clear(secret)
	if k.ssh != nil {
		if secret, err = k.tweak(secret, label); err != nil {
			return nil, malformed
		}
		defer clear(secret)
	}
	wrapping, err := hkdf.Key(sha256.New, secret, slices.Concat(share, k.private.PublicKey().Bytes()), label, chacha20poly1305.KeySize)
	if err != nil {
		return nil, err
	}
	defer clear(wrapping)
	aead, err := chacha20poly1305.New(wrapping)
	if err != nil {
		return nil, err
	}
	defer zero(aead)
	key, err := aead.Open(nil, make([]byte, chacha20poly1305.NonceSize), s.Body, nil)
	if err != nil {
		return nil, age.ErrIncorrectIdentity
	}
	return key, nil
}

// tweak binds a shared secret to the SSH key.
func (k *x25519Key) tweak(secret []byte, label string) ([]byte, error) {
	tweak, err := hkdf.Key(sha256.New, nil, k.ssh.Marshal(), label, curve25519Key)
	if err != nil {
		return nil, err
	}
	by, err := ecdh.X25519().NewPrivateKey(tweak)
	if err != nil {
		return nil, err
	}
	point, err := ecdh.X25519().NewPublicKey(secret)
	if err != nil {
		return nil, err
	}
	defer clearField(point, "publicKey")
	return by.ECDH(point)
}
