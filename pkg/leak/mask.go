package leak

import (
	"bytes"
	"regexp"
	"sync"
)

// sealed are the ways in which SOPS writes what it has encrypted: values, and the data key for each recipient. They are exact,
// so that nothing else can hide in one.
var sealed = sync.OnceValue(func() []*regexp.Regexp {
	const base64 = `[A-Za-z0-9+/=]`
	armour := func(name string) *regexp.Regexp {
		return regexp.MustCompile(`-----BEGIN ` + name + `-----\s(?:[ \t]*` + base64 + `{0,76}\r?\n|[ \t]*(?:Version|Comment|Hash): [^\n]*\n)*[ \t]*-----END ` + name + `-----`)
	}
	return []*regexp.Regexp{
		regexp.MustCompile(`ENC\[AES256_GCM,data:` + base64 + `*,iv:` + base64 + `{1,64},tag:` + base64 + `{1,64},type:[a-z]{1,10}\]`),
		armour("AGE ENCRYPTED FILE"),
		armour("PGP MESSAGE"),
	}
})

// mask gives a text of the same length with dots for what is encrypted, line breaks apart.
func mask(content []byte) []byte {
	if !bytes.Contains(content, []byte("ENC[")) && !bytes.Contains(content, []byte("-----BEGIN ")) {
		return content
	}
	out := bytes.Clone(content)
	for _, re := range sealed() {
		for _, at := range re.FindAllIndex(content, -1) {
			for i := at[0]; i < at[1]; i++ {
				if c := out[i]; c != '\n' && c != '\r' {
					out[i] = '.'
				}
			}
		}
	}
	return out
}
