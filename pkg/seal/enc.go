package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// The sizes of the value format, in bytes.
const (
	dataKeySize = 32
	nonceSize   = 32
	tagSize     = 16
	maxNonce    = 64 // accepted when opening; SOPS itself writes nonceSize
)

// encrypted is one ENC[AES256_GCM,…] value, decoded.
type encrypted struct {
	data, iv, tag []byte
	typ           string // str, int, float, bool, bytes, time or comment
}

const (
	encPrefix = "ENC[AES256_GCM,data:"
	encIV     = ",iv:"
	encTag    = ",tag:"
	encType   = ",type:"
)

// encryptedComment begins a comment in an encrypted map, as the sops CLI leaves it.
const encryptedComment = "#" + "ENC[AES256_GCM,"

// errFormat is all that is said of a value that does not parse: its text may be a secret in plain.
var errFormat = errors.New("not a value of the form ENC[AES256_GCM,data:…,iv:…,tag:…,type:…]")

// looksEncrypted reports whether text claims to be an encrypted value.
func looksEncrypted(text string) bool { return strings.HasPrefix(text, "ENC[AES256_GCM,") }

// parseENC decodes an encrypted value. It accepts one spelling only: what it accepts, String gives back.
func parseENC(text string) (encrypted, error) {
	var e encrypted
	rest, ok := strings.CutPrefix(text, encPrefix)
	if !ok {
		return e, errFormat
	}
	if rest, ok = strings.CutSuffix(rest, "]"); !ok {
		return e, errFormat
	}
	data, rest, ok1 := strings.Cut(rest, encIV)
	iv, rest, ok2 := strings.Cut(rest, encTag)
	tag, typ, ok3 := strings.Cut(rest, encType)
	if !ok1 || !ok2 || !ok3 || typ == "" || strings.ContainsFunc(typ, func(r rune) bool { return r < 'a' || r > 'z' }) {
		return e, errFormat
	}
	e.typ = typ
	for _, part := range []struct {
		dst  *[]byte
		text string
	}{{&e.data, data}, {&e.iv, iv}, {&e.tag, tag}} {
		// The decoder skips line breaks, which would be a second spelling.
		if strings.ContainsAny(part.text, "\r\n") {
			return e, errFormat
		}
		b, err := base64.StdEncoding.Strict().DecodeString(part.text)
		if err != nil {
			return e, errFormat
		}
		*part.dst = b
	}
	if len(e.data) == 0 || len(e.iv) == 0 || len(e.iv) > maxNonce || len(e.tag) != tagSize {
		return e, errFormat
	}
	return e, nil
}

// String gives the value as it stands in a file.
func (e encrypted) String() string {
	b64 := base64.StdEncoding
	n := len(encPrefix) + len(encIV) + len(encTag) + len(encType) + len(e.typ) + 1 +
		b64.EncodedLen(len(e.data)) + b64.EncodedLen(len(e.iv)) + b64.EncodedLen(len(e.tag))
	out := make([]byte, 0, n)
	out = append(out, encPrefix...)
	out = b64.AppendEncode(out, e.data)
	out = append(out, encIV...)
	out = b64.AppendEncode(out, e.iv)
	out = append(out, encTag...)
	out = b64.AppendEncode(out, e.tag)
	out = append(out, encType...)
	out = append(out, e.typ...)
	return string(append(out, ']'))
}

// dataKey encrypts the values of one file. It is safe for concurrent use. Whoever gets one from a function wipes it when done.
type dataKey struct {
	raw   []byte
	block cipher.Block
	aead  cipher.AEAD // for nonces of nonceSize
}

func newDataKey() (*dataKey, error) {
	raw := make([]byte, dataKeySize)
	_, _ = rand.Read(raw) // never fails
	return dataKeyFrom(raw)
}

func dataKeyFrom(raw []byte) (*dataKey, error) {
	if len(raw) != dataKeySize {
		clear(raw)
		return nil, fmt.Errorf("the data key has %d bytes, not %d", len(raw), dataKeySize)
	}
	block, err := aes.NewCipher(raw)
	if err != nil {
		return nil, fmt.Errorf("use the data key: %w", err)
	}
	aead, err := cipher.NewGCMWithNonceSize(block, nonceSize)
	if err != nil {
		return nil, fmt.Errorf("use the data key: %w", err)
	}
	return &dataKey{raw, block, aead}, nil
}

// additionalData is what a value's ciphertext is bound to: the map keys above it, list indices left out.
func additionalData(keys []string) string { return strings.Join(keys, ":") + ":" }

// seal encrypts a value that is not empty under a fresh nonce.
func (k *dataKey) seal(plain []byte, typ, aad string) string {
	iv := make([]byte, nonceSize)
	_, _ = rand.Read(iv) // never fails
	out := k.aead.Seal(nil, iv, plain, []byte(aad))
	n := len(out) - tagSize
	return encrypted{data: out[:n], iv: iv, tag: out[n:], typ: typ}.String()
}

// open decrypts a value. It fails if anything of it, or where it stands, was changed.
func (k *dataKey) open(e encrypted, aad string) ([]byte, error) {
	aead := k.aead
	if len(e.iv) != nonceSize {
		var err error
		if aead, err = cipher.NewGCMWithNonceSize(k.block, len(e.iv)); err != nil {
			return nil, errFormat
		}
		defer zero(aead)
	}
	sealed := make([]byte, 0, len(e.data)+tagSize)
	sealed = append(append(sealed, e.data...), e.tag...)
	plain, err := aead.Open(sealed[:0], e.iv, sealed, []byte(aad))
	if err != nil {
		return nil, errors.New("the value was changed, or moved here from another key")
	}
	return plain, nil
}
