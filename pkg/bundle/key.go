package bundle

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/llm-devops/lcm/pkg/diag"
)

// SignerOptions says where signing keys may come from besides their file.
type SignerOptions struct {
	// AgentSocket is the socket of an ssh-agent, the value of SSH_AUTH_SOCK; "" for none.
	AgentSocket string
	// Passphrase asks for the passphrase of an encrypted key; nil if nobody can be asked.
	Passphrase func(ctx context.Context, prompt string) ([]byte, error)
}

const (
	maxKeyFile       = 64 << 10
	passphraseTries  = 3
	agentTimeout     = time.Minute // a person may have to confirm at the agent
	literalKeyPrefix = "key::"
)

// LoadSigner gives the signer for a key named as Git's user.signingkey names one: the file of a private key, the file of
// a public key, or the public key itself (with or without "key::"). A key that the agent holds is used there; otherwise
// the private key's file is read, and its passphrase asked for. Keys other than Ed25519 are refused with a hint.
func LoadSigner(ctx context.Context, key string, o SignerOptions) (Signer, error) {
	literal, isLiteral := strings.CutPrefix(key, literalKeyPrefix)
	pub, _, _, _, err := ssh.ParseAuthorizedKey([]byte(literal))
	if err == nil {
		return agentOnly(ctx, pub, o)
	}
	if isLiteral || strings.HasPrefix(key, "ssh-") {
		return nil, fmt.Errorf("signing key: no public key can be read from %q", key)
	}
	data, err := readKeyFile(key)
	if err != nil {
		return nil, fmt.Errorf("signing key: %w", err)
	}
	pub, _, _, _, err = ssh.ParseAuthorizedKey(data)
	if err != nil {
		return loadPrivate(ctx, key, data, o)
	}
	if s, err := fromAgent(ctx, pub, o); s != nil || err != nil {
		return s, err
	}
	private := strings.TrimSuffix(key, ".pub")
	data, err = readKeyFile(private)
	if private == key || errors.Is(err, os.ErrNotExist) {
		return agentOnly(ctx, pub, o)
	}
	if err != nil {
		return nil, fmt.Errorf("signing key: %w", err)
	}
	return loadPrivate(ctx, private, data, o)
}

// NewSigner gives the signer of a key at hand.
func NewSigner(key ed25519.PrivateKey) (Signer, error) {
	s, err := ssh.NewSignerFromSigner(key)
	if err != nil {
		return nil, fmt.Errorf("signing key: %w", err)
	}
	return &keySigner{key: key, id: ssh.FingerprintSHA256(s.PublicKey())}, nil
}

func readKeyFile(name string) ([]byte, error) {
	f, err := os.Open(name) // #nosec G304 -- the user names the key
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxKeyFile {
		return nil, fmt.Errorf("%s is longer than %d bytes: no key", name, maxKeyFile)
	}
	return data, nil
}

// agentOnly is for keys that only an agent can hold.
func agentOnly(ctx context.Context, pub ssh.PublicKey, o SignerOptions) (Signer, error) {
	s, err := fromAgent(ctx, pub, o)
	if s != nil || err != nil {
		return s, err
	}
	err = fmt.Errorf("signing key %s: no private key for it, and no agent holds it", ssh.FingerprintSHA256(pub))
	return nil, diag.WithHint(err, "load it with ssh-add, or set user.signingkey to the private key's file")
}

// fromAgent gives the agent's signer, or nil if it does not hold the key.
func fromAgent(ctx context.Context, pub ssh.PublicKey, o SignerOptions) (Signer, error) {
	if _, err := ed25519Of(pub); err != nil {
		return nil, fmt.Errorf("signing key: %w", err)
	}
	if o.AgentSocket == "" {
		return nil, nil
	}
	s := &agentSigner{socket: o.AgentSocket, pub: pub}
	held, err := s.held(ctx)
	if err != nil || !held {
		// An agent that cannot be asked holds no keys, as for ssh itself.
		return nil, ctx.Err()
	}
	return s, nil
}

func loadPrivate(ctx context.Context, name string, data []byte, o SignerOptions) (Signer, error) {
	defer clear(data)
	raw, err := ssh.ParseRawPrivateKey(data)
	if missing, ok := errors.AsType[*ssh.PassphraseMissingError](err); ok {
		if missing.PublicKey != nil {
			if s, err := fromAgent(ctx, missing.PublicKey, o); s != nil || err != nil {
				return s, err
			}
		}
		raw, err = unlock(ctx, name, data, o)
	}
	if err != nil {
		return nil, fmt.Errorf("signing key %s: %w", name, err)
	}
	switch key := raw.(type) {
	case *ed25519.PrivateKey:
		return NewSigner(*key)
	case ed25519.PrivateKey:
		return NewSigner(key)
	}
	s, err := ssh.NewSignerFromKey(raw)
	if err != nil {
		return nil, fmt.Errorf("signing key %s: %w", name, err)
	}
	_, err = ed25519Of(s.PublicKey())
	return nil, fmt.Errorf("signing key %s: %w", name, err)
}

func unlock(ctx context.Context, name string, data []byte, o SignerOptions) (any, error) {
	if o.Passphrase == nil {
		return nil, diag.WithHint(errors.New("it needs a passphrase and nobody can be asked"), "load it into the agent: ssh-add %s", name)
	}
	for range passphraseTries {
		phrase, err := o.Passphrase(ctx, "Passphrase for "+name)
		if err != nil {
			return nil, err
		}
		raw, err := ssh.ParseRawPrivateKeyWithPassphrase(data, phrase)
		clear(phrase)
		if err == nil {
			return raw, nil
		}
	}
	return nil, errors.New("the passphrase is not right")
}

type keySigner struct {
	key ed25519.PrivateKey
	id  string
}

func (s *keySigner) Sign(ctx context.Context, data []byte) ([]byte, error) {
	return ed25519.Sign(s.key, data), ctx.Err()
}

func (s *keySigner) KeyID() (string, error) { return s.id, nil }

// agentSigner asks an agent for every signature, on a connection of its own.
type agentSigner struct {
	socket string
	pub    ssh.PublicKey
}

func (s *agentSigner) KeyID() (string, error) { return ssh.FingerprintSHA256(s.pub), nil }

func (s *agentSigner) Sign(ctx context.Context, data []byte) ([]byte, error) {
	var sig *ssh.Signature
	err := s.with(ctx, func(a agent.ExtendedAgent) (err error) {
		sig, err = a.Sign(s.pub, data)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("ask the agent for a signature: %w", err)
	}
	if sig.Format != ssh.KeyAlgoED25519 || len(sig.Blob) != ed25519.SignatureSize {
		return nil, fmt.Errorf("ask the agent for a signature: it gave one of type %q", sig.Format)
	}
	return sig.Blob, nil
}

func (s *agentSigner) held(ctx context.Context) (held bool, err error) {
	err = s.with(ctx, func(a agent.ExtendedAgent) error {
		keys, err := a.List()
		for _, k := range keys {
			held = held || string(k.Marshal()) == string(s.pub.Marshal())
		}
		return err
	})
	return held, err
}

// with calls the agent; the protocol knows no context, so the connection is closed when ctx ends.
func (s *agentSigner) with(ctx context.Context, call func(agent.ExtendedAgent) error) error {
	ctx, cancel := context.WithTimeout(ctx, agentTimeout)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", s.socket)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if err := call(agent.NewClient(conn)); err != nil {
		return errors.Join(ctx.Err(), err)
	}
	return nil
}
