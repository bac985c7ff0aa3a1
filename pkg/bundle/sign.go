package bundle

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	"golang.org/x/crypto/ssh"

	"github.com/llm-devops/lcm/pkg/diag"
)

// PayloadType is the type of a signed manifest in its envelope.
const PayloadType = "application/vnd.lcm.manifest.v1+json"

// Base64 makes four bytes of three, and the envelope's other fields take little.
const (
	maxPayload    = MaxManifest/4*3 - 4096
	maxSignatures = 4
)

// Signer signs with one Ed25519 key. [LoadSigner] makes one from an SSH key or an agent.
type Signer interface {
	// Sign gives the 64 bytes of the signature over data.
	Sign(ctx context.Context, data []byte) ([]byte, error)
	// KeyID gives the fingerprint of the key as SSH prints it: SHA256:….
	KeyID() (string, error)
}

// SignManifest gives the manifest as a signed DSSE envelope (https://github.com/secure-systems-lab/dsse), in canonical JSON.
func SignManifest(ctx context.Context, m *Manifest, s Signer) ([]byte, error) {
	payload, err := m.Encode()
	if err != nil {
		return nil, err
	}
	signer, err := dsse.NewEnvelopeSigner(s)
	if err != nil {
		return nil, fmt.Errorf("sign manifest: %w", err)
	}
	e, err := signer.SignPayload(ctx, PayloadType, payload)
	if err != nil {
		return nil, fmt.Errorf("sign manifest of %s: %w", m.Unit(), err)
	}
	return encode(e)
}

// Verify reads a signed manifest and checks that one of the allowed signers signed it. Every failure wraps [ErrInvalid];
// an [*UnknownSignerError] among them says that only the signer is wrong. Nothing of the manifest is returned then.
func Verify(ctx context.Context, envelope []byte, allowed *AllowedSigners) (*Manifest, *Identity, error) {
	payload, e, err := openEnvelope(envelope)
	if err != nil {
		return nil, nil, fmt.Errorf("signed manifest: %w: %w", ErrInvalid, err)
	}
	// The time that a signer's validity is held against is the manifest's own, as with Git's commits, so it has to be read
	// before the signature is known to be good. It leaves this function only if it is.
	m, err := parseManifest(payload)
	if err != nil {
		return nil, nil, fmt.Errorf("signed %w: %w", err, ErrInvalid)
	}
	var verifiers []dsse.Verifier
	seen := map[string]bool{}
	for _, id := range allowed.at(m.Created) {
		if !seen[id.KeyID] {
			seen[id.KeyID] = true
			verifiers = append(verifiers, verifier{id})
		}
	}
	unknown := &UnknownSignerError{KeyID: e.Signatures[0].KeyID}
	if len(verifiers) == 0 {
		return nil, nil, fmt.Errorf("manifest %d of %s: %w: %w", m.Serial, m.Unit(), ErrInvalid, unknown)
	}
	ev, err := dsse.NewEnvelopeVerifier(verifiers...)
	if err != nil {
		return nil, nil, fmt.Errorf("verify manifest: %w", err)
	}
	keys, err := ev.Verify(ctx, e)
	if err != nil || len(keys) == 0 {
		if !seen[unknown.KeyID] {
			return nil, nil, fmt.Errorf("manifest %d of %s: %w: %w", m.Serial, m.Unit(), ErrInvalid, unknown)
		}
		return nil, nil, fmt.Errorf("manifest %d of %s: %w: the signature is not good", m.Serial, m.Unit(), ErrInvalid)
	}
	for _, id := range allowed.at(m.Created) {
		if id.KeyID == keys[0].KeyID {
			return m, &id, nil
		}
	}
	return nil, nil, fmt.Errorf("manifest %d of %s: %w: %w", m.Serial, m.Unit(), ErrInvalid, unknown)
}

func openEnvelope(data []byte) ([]byte, *dsse.Envelope, error) {
	e, err := decode[dsse.Envelope](data, MaxManifest)
	if err != nil {
		return nil, nil, err
	}
	switch {
	case e.PayloadType != PayloadType:
		return nil, nil, fmt.Errorf("it holds %q", e.PayloadType)
	case len(e.Signatures) == 0:
		return nil, nil, errors.New("it is not signed")
	case len(e.Signatures) > maxSignatures:
		return nil, nil, fmt.Errorf("%d signatures are more than the %d allowed", len(e.Signatures), maxSignatures)
	}
	// Only one of the encodings that DSSE readers accept, so that equal content is equal bytes.
	for _, s := range e.Signatures {
		if _, err := base64.StdEncoding.Strict().DecodeString(s.Sig); err != nil {
			return nil, nil, errors.New("a signature is not base64")
		}
	}
	payload, err := base64.StdEncoding.Strict().DecodeString(e.Payload)
	if err != nil || base64.StdEncoding.EncodeToString(payload) != e.Payload {
		return nil, nil, errors.New("the payload is not base64")
	}
	return payload, e, nil
}

// UnknownSignerError says that a manifest is signed by a key that is not among the allowed ones.
type UnknownSignerError struct{ KeyID string }

// Error implements error.
func (e *UnknownSignerError) Error() string {
	return fmt.Sprintf("it is signed by %s, which is no allowed signer", e.KeyID)
}

// verifier checks signatures of one allowed key.
type verifier struct{ id Identity }

func (v verifier) Verify(_ context.Context, data, sig []byte) error {
	if !ed25519.Verify(v.id.key, data, sig) {
		return errors.New("signature is not good")
	}
	return nil
}

func (v verifier) KeyID() (string, error) { return v.id.KeyID, nil }

func (v verifier) Public() crypto.PublicKey { return v.id.key }

// ed25519Of gives an SSH public key as the Ed25519 key it must be.
func ed25519Of(key ssh.PublicKey) (ed25519.PublicKey, error) {
	if c, ok := key.(ssh.CryptoPublicKey); ok && key.Type() == ssh.KeyAlgoED25519 {
		if pub, ok := c.CryptoPublicKey().(ed25519.PublicKey); ok {
			return pub, nil
		}
	}
	err := fmt.Errorf("%s key %s cannot sign manifests", key.Type(), ssh.FingerprintSHA256(key))
	return nil, diag.WithHint(err, "use an Ed25519 SSH key that is no hardware key: ssh-keygen -t ed25519")
}
