package seal

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"filippo.io/age"
	"filippo.io/age/armor"
	"filippo.io/age/plugin"
	"golang.org/x/crypto/ssh"
)

// promptError is a passphrase that could not be had.
type promptError struct{ message string }

func (e *promptError) Error() string { return e.message }

// ask gets a passphrase.
func (k *Keyring) ask(ctx context.Context, prompt string) ([]byte, error) {
	if k.passphrase == nil {
		return nil, &promptError{problemNoPrompt}
	}
	p, err := k.passphrase(ctx, prompt)
	if err != nil {
		return nil, &promptError{"no passphrase: " + err.Error()}
	}
	return p, nil
}

// lockedSSH is an SSH key with a passphrase. As an age identity it asks only for a stanza that is for it.
type lockedSSH struct {
	k      *Keyring
	where  string
	pem    []byte
	public ssh.PublicKey

	mu     sync.Mutex
	opened age.Identity
	failed error // asking once is enough
}

func (l *lockedSSH) unlock(ctx context.Context) (age.Identity, error) { return unlockedBy{l, ctx}, nil }

type unlockedBy struct {
	*lockedSSH
	ctx context.Context
}

// Unwrap implements [age.Identity].
func (u unlockedBy) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	l := u.lockedSSH
	fingerprint := sshFingerprint(l.public)
	mine := false
	for _, s := range stanzas {
		mine = mine || s.Type == l.public.Type() && len(s.Args) > 0 && s.Args[0] == fingerprint
	}
	if !mine {
		return nil, age.ErrIncorrectIdentity
	}
	id, err := l.open(u.ctx)
	if err != nil {
		return nil, err
	}
	return id.Unwrap(stanzas)
}

// sshFingerprint gives what a stanza has to tell SSH keys by.
func sshFingerprint(key ssh.PublicKey) string {
	sum := sha256.Sum256(key.Marshal())
	return base64.RawStdEncoding.EncodeToString(sum[:4])
}

func (l *lockedSSH) open(ctx context.Context) (age.Identity, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.opened != nil || l.failed != nil {
		return l.opened, l.failed
	}
	id, err := l.decrypt(ctx)
	if err != nil && ctx.Err() == nil {
		l.failed = err
	}
	l.opened = id
	return id, err
}

func (l *lockedSSH) decrypt(ctx context.Context) (age.Identity, error) {
	pass, err := l.k.ask(ctx, "passphrase of "+l.where)
	if err != nil {
		return nil, err
	}
	defer clear(pass)
	key, err := ssh.ParseRawPrivateKeyWithPassphrase(l.pem, pass)
	if err != nil {
		return nil, &promptError{"the passphrase does not open it"}
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil || !bytes.Equal(signer.PublicKey().Marshal(), l.public.Marshal()) {
		return nil, &promptError{"the private key is not that of the public key beside it"}
	}
	id, err := sshIdentity(key)
	if err != nil {
		return nil, &promptError{err.Error()}
	}
	return id, nil
}

// lockedFile is a file of identities, encrypted with a passphrase.
type lockedFile struct {
	k        *Keyring
	where    string
	contents []byte

	mu     sync.Mutex
	opened age.Identity
	failed error
}

func (l *lockedFile) unlock(ctx context.Context) (age.Identity, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.opened != nil || l.failed != nil {
		return l.opened, l.failed
	}
	id, err := l.open(ctx)
	if err != nil && ctx.Err() == nil {
		l.failed = err
	}
	l.opened = id
	return id, err
}

func (l *lockedFile) open(ctx context.Context) (age.Identity, error) {
	pass, err := l.k.ask(ctx, "passphrase of "+l.where)
	if err != nil {
		return nil, err
	}
	defer clear(pass)
	scrypt, err := age.NewScryptIdentity(string(pass))
	if err != nil {
		return nil, &promptError{"the passphrase is empty"}
	}
	plain, err := decryptAge(l.contents, scrypt)
	if _, ok := errors.AsType[*age.NoIdentityMatchError](err); ok {
		return nil, &promptError{"the passphrase does not open it"}
	}
	if err != nil {
		return nil, fmt.Errorf("decrypt the identity file: %w", err)
	}
	defer clear(plain)
	ids, err := l.k.parseIdentities(l.where, plain, false)
	if err != nil {
		return nil, err
	}
	var all identities
	for _, id := range ids {
		key, err := id.key.unlock(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, key)
	}
	return all, nil
}

// identities are several identities as one.
type identities []age.Identity

// Unwrap implements [age.Identity].
func (ids identities) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	for _, id := range ids {
		key, err := id.Unwrap(stanzas)
		if !errors.Is(err, age.ErrIncorrectIdentity) {
			return key, err
		}
	}
	return nil, age.ErrIncorrectIdentity
}

// pluginKey is an identity that a plugin uses: hardware tokens and the like.
type pluginKey struct {
	k     *Keyring
	where string
	text  string
}

func (p *pluginKey) unlock(ctx context.Context) (age.Identity, error) {
	return plugin.NewIdentity(p.text, &plugin.ClientUI{
		DisplayMessage: func(string, string) error { return nil },
		RequestValue: func(name, message string, _ bool) (string, error) {
			v, err := p.k.ask(ctx, name+": "+message)
			return string(v), err
		},
		Confirm: func(string, string, string, string) (bool, error) {
			return false, &promptError{"the plugin asks for a confirmation, which is not supported"}
		},
		WaitTimer: func(string) {},
	})
}

// maxPlain bounds what is decrypted from an age file, in bytes.
const maxPlain = 64 << 20

// decryptAge opens an age file, binary or armored.
func decryptAge(ciphertext []byte, id age.Identity) ([]byte, error) {
	if bytes.HasPrefix(bytes.TrimSpace(ciphertext), []byte(armor.Header)) {
		return decrypt(armor.NewReader(bytes.NewReader(ciphertext)), id)
	}
	return decrypt(bytes.NewReader(ciphertext), id)
}

func decryptArmored(enc string, id age.Identity) ([]byte, error) {
	return decrypt(armor.NewReader(strings.NewReader(enc)), id)
}

func decrypt(src io.Reader, id age.Identity) ([]byte, error) {
	keeping := &keepingFileKey{Identity: id}
	defer func() { clear(keeping.fileKey) }()
	r, err := age.Decrypt(src, keeping)
	if err != nil {
		return nil, err
	}
	defer zero(r) // its buffer has what was read last
	plain, err := readAll(r, 2*dataKeySize, maxPlain)
	if err != nil {
		return nil, err
	}
	if len(plain) > maxPlain {
		clear(plain)
		return nil, fmt.Errorf("the age file holds more than %d bytes", maxPlain)
	}
	return plain, nil
}
