// Package pin holds what comes with the program to a version and a text: a module, a template.
//
// [Digest] identifies a text, and a [Pin] names the one that a repository is held to.
package pin

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"

	"github.com/llm-devops/lcm/pkg/diag"
)

// Pin is the version of something built in that a repository is held to.
type Pin struct {
	Version string
	Digest  string        // as [Digest]
	Pos     diag.Position // where it is written
}

// Same reports whether two pins hold to the same, wherever they are written.
func (p Pin) Same(q Pin) bool { return p.Version == q.Version && p.Digest == q.Digest }

// Digest is "sha256:" and the 64 hexadecimal digits of a text without byte order mark, with line feeds for line ends and exactly
// one at the end, so that it does not depend on how a checkout writes text files.
func Digest(data []byte) string {
	data = bytes.TrimPrefix(data, []byte("\uFEFF"))
	if bytes.Contains(data, []byte("\r\n")) {
		data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	}
	hash := sha256.New()
	hash.Write(bytes.TrimRight(data, "\n"))
	hash.Write([]byte{'\n'})
	sum := hash.Sum(nil)
	return "sha256:" + hex.EncodeToString(sum)
}
