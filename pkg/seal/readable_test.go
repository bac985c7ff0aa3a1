package seal

import (
	"strings"
	"testing"
)

func TestReadable(t *testing.T) {
	const sealed = `# how it speaks
a: 1 # kept
api_key: ENC[AES256_GCM,data:x4VrHg==,iv:5p8=,tag:Uo4=,type:str]
list:
    - ENC[AES256_GCM,data:y,iv:z,tag:w,type:int]
sops:
    age:
        - recipient: age1anklu8cs9s8qvdzx3sa5va37w3hy0duyc3whdra85eg2qfs4ap9qj58prg
          enc: |
            -----BEGIN AGE ENCRYPTED FILE-----
            YWdlLWVuY3J5cHRpb24ub3JnL3YxCg==
            -----END AGE ENCRYPTED FILE-----
    lastmodified: "2026-11-27T05:52:36Z"
    mac: ENC[AES256_GCM,data:m,iv:m,tag:m,type:str]
    encrypted_regex: ^(api_key)$
    mac_only_encrypted: true
    version: 3.13.3
b: 2
`
	const want = `# how it speaks
a: 1 # kept
api_key: <secret 33dbaa99>
list:
    - <secret bd524082>
sops: # encrypted for
  recipient: age1anklu8cs9s8qvdzx3sa5va37w3hy0duyc3whdra85eg2qfs4ap9qj58prg
  encrypted_regex: ^(api_key)$
  mac_only_encrypted: true
b: 2
`
	if got := string(Readable([]byte(sealed))); got != want {
		t.Errorf("got\n%s", got)
	}
	plain := "a: 1\r\n\ttab\n<<<<<<< HEAD\nno newline"
	if got := string(Readable([]byte(plain))); got != plain {
		t.Errorf("got %q", got)
	}
	again := strings.Replace(sealed, "data:m", "data:n", 1)
	if string(Readable([]byte(again))) != want {
		t.Error("a new MAC alone shows")
	}
	other := strings.Replace(sealed, "data:x4VrHg==", "data:x4VrHh==", 1)
	if string(Readable([]byte(other))) == want {
		t.Error("another ciphertext does not show")
	}
}
