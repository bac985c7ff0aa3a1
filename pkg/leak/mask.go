package leak

import (
	"bytes"
	"regexp"
	"sync"
)

// safe is what may stand anywhere: how SOPS writes what it has encrypted (values, and the data key for each recipient), and the
// public keys of age. The expressions are exact, so that nothing else can hide in a match.
type safe struct {
	start []byte // how each begins
	expr  *regexp.Regexp
}

var safes = sync.OnceValue(func() []safe {
	const base64 = `[A-Za-z0-9+/=]`
	armour := func(name string) safe {
		begin := "-----BEGIN " + name + "-----"
		return safe{[]byte(begin), regexp.MustCompile(begin + `\s(?:[ \t]*` + base64 +
			`{0,76}\r?\n|[ \t]*(?:Version|Comment|Hash): [^\n]*\n)*[ \t]*-----END ` + name + `-----`)}
	}
	return []safe{
		{[]byte("ENC["), regexp.MustCompile(`ENC\[AES256_GCM,data:` + base64 + `*,iv:` + base64 + `{1,64},tag:` + base64 + `{1,64},type:[a-z]{1,10}\]`)},
		armour("AGE ENCRYPTED FILE"),
		armour("PGP MESSAGE"),
		{[]byte("age1"), regexp.MustCompile(`\bage1[02-9ac-hj-np-z]{58}\b`)},
	}
})

// masked stands for what is safe: no rule takes it for a part of a secret.
const masked = '*'

// mask gives a text of the same length with asterisks for what is safe, line breaks apart.
func mask(content []byte) []byte {
	out := content
	for _, s := range safes() {
		if !bytes.Contains(content, s.start) {
			continue
		}
		if &out[0] == &content[0] {
			out = bytes.Clone(content)
		}
		for _, at := range s.expr.FindAllIndex(content, -1) {
			for i := at[0]; i < at[1]; i++ {
				if c := out[i]; c != '\n' && c != '\r' {
					out[i] = masked
				}
			}
		}
	}
	return out
}
