package seal

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"sync"
)

var (
	groupStart  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^ +- [a-z_]+:\s*$`) }) // of one of several lists of keys
	sealedValue = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`ENC\[AES256_GCM,[^\]\n]*\]`) })
	// what of the sops: block says for whom and what a file is encrypted
	saysForWhom = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^[ -]*((?:recipient|fp|arn|role|resource_id|vault_address|engine_path|key_name|vault_url|name|[a-z_]*_regex|[a-z_]*_suffix|mac_only_encrypted|shamir_threshold):.*)$`)
	})
)

// Readable gives a sealed file as people read it in a diff, without any key: a secret is a mark that changes when its
// ciphertext does, and of the sops block it has for whom the file is encrypted. It takes any text, in whatever state: a file in
// the middle of a merge, too.
func Readable(src []byte) []byte {
	var out bytes.Buffer
	inBlock := false
	for line := range bytes.Lines(src) {
		top := len(line) > 0 && line[0] != ' ' && line[0] != '\t' && line[0] != '\n' && line[0] != '\r'
		if top {
			inBlock = bytes.HasPrefix(line, []byte("sops:"))
		}
		switch {
		case !inBlock:
			out.Write(sealedValue().ReplaceAllFunc(line, secretMark))
		case top:
			out.WriteString("sops: # encrypted for\n")
		case groupStart().Match(line):
			out.WriteString("  key group:\n")
		default:
			if m := saysForWhom().FindSubmatch(bytes.TrimRight(line, "\r\n")); m != nil {
				out.WriteString("  ")
				out.Write(m[1])
				out.WriteByte('\n')
			}
		}
	}
	return out.Bytes()
}

// secretMark gives what stands for a ciphertext.
func secretMark(sealed []byte) []byte {
	sum := sha256.Sum256(sealed)
	return []byte("<secret " + hex.EncodeToString(sum[:4]) + ">")
}
