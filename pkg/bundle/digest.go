package bundle

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/llm-devops/lcm/pkg/tree"
)

// Digest identifies content: "sha256:" and 64 lower-case hexadecimal digits.
type Digest string

var digestText = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^sha256:[0-9a-f]{64}$`) })

// DigestOf gives the digest of data.
func DigestOf(data []byte) Digest {
	sum := sha256.Sum256(data)
	return Digest("sha256:" + hex.EncodeToString(sum[:]))
}

// Check says whether d is well formed.
func (d Digest) Check() error {
	if !digestText().MatchString(string(d)) {
		return fmt.Errorf("%q is not a digest", string(d))
	}
	return nil
}

// Short gives the first twelve digits, for people.
func (d Digest) Short() string {
	hex := strings.TrimPrefix(string(d), "sha256:")
	return hex[:min(12, len(hex))]
}

// file gives the digest as a file name's stem.
func (d Digest) file() string { return strings.Replace(string(d), ":", "-", 1) }

func digestOfJSON(v any) (Digest, error) {
	data, err := encode(v)
	return DigestOf(data), err
}

// SecretsInput identifies the ciphertexts of sealed trees, the layers of a namespace for example, and the recipients. It is
// computed from ciphertexts, whose nonces are random, so nobody can try values against it. Everything that is not sealed
// is left out.
func SecretsInput(recipients []string, sealed ...*tree.Node) string {
	h := sha256.New()
	line := func(kind, text string) { fmt.Fprintf(h, "%s %d %s\n", kind, len(text), text) }
	for _, r := range slices.Sorted(slices.Values(recipients)) {
		line("recipient", r)
	}
	for _, root := range sealed {
		line("layer", "")
		for p, n := range root.Leaves() {
			if n.Sealed {
				line("key", p.String())
				line("text", n.Reveal())
			}
		}
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// Layout says where the objects of bundles lie in a store, and secrets in a vault, under a common prefix:
//
//	<prefix>/<tenant>/documents/sha256-….json                  immutable, by digest
//	<prefix>/<tenant>/documents/sha256-….age                   immutable, by digest
//	<prefix>/<tenant>/<environment>/manifests/00000042.json    immutable, signed
//	<prefix>/<tenant>/<environment>/current.json               the pointer, the only object ever replaced
//	<prefix>/<tenant>/<environment>/<namespace>                in a vault
type Layout struct {
	Prefix      string // of objects: slash-separated, may be empty
	VaultPrefix string // of secrets in a vault, likewise
}

// MaxPrefix is the longest prefix in bytes.
const MaxPrefix = 256

var prefixText = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)*$`)
})

// Check says whether the prefixes can be part of object keys.
func (l Layout) Check() error {
	for _, prefix := range []string{l.Prefix, l.VaultPrefix} {
		if prefix != "" && (len(prefix) > MaxPrefix || !prefixText().MatchString(prefix)) {
			return fmt.Errorf("prefix %q: only letters, digits, ., _ and - in parts separated by / are allowed", prefix)
		}
	}
	return nil
}

// Document gives the key of a document.
func (l Layout) Document(tenant string, d Digest) string {
	return path.Join(l.Prefix, tenant, "documents", d.file()+".json")
}

// Sealed gives the key of sealed secrets.
func (l Layout) Sealed(tenant string, d Digest) string {
	return path.Join(l.Prefix, tenant, "documents", d.file()+".age")
}

// Manifests gives the key under which a unit's manifests lie, with the slash.
func (l Layout) Manifests(u Unit) string {
	return path.Join(l.Prefix, u.Tenant, u.Environment, "manifests") + "/"
}

// Manifest gives the key of a manifest.
func (l Layout) Manifest(u Unit, serial int64) string {
	return l.Manifests(u) + fmt.Sprintf("%08d.json", serial)
}

// Pointer gives the key of a unit's pointer.
func (l Layout) Pointer(u Unit) string {
	return path.Join(l.Prefix, u.Tenant, u.Environment, "current.json")
}

// Secrets gives the path of a namespace's secrets in a vault, without the mount.
func (l Layout) Secrets(u Unit, namespace string) string {
	return path.Join(l.VaultPrefix, u.Tenant, u.Environment, namespace)
}
