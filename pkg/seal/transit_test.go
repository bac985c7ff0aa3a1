package seal

import "testing"

func TestParseTransit(t *testing.T) {
	for text, want := range map[string]string{
		"https://vault.example.com:8200/v1/transit/keys/acme":     "https://vault.example.com:8200/v1/transit/keys/acme",
		"http://127.0.0.1:8200/v1/team/transit/keys/acme.prod-1/": "http://127.0.0.1:8200/v1/team/transit/keys/acme.prod-1",
		"https://vault.example.com/transit/keys/acme":             "",
		"https://vault.example.com/v1/transit/keys/":              "",
		"https://vault.example.com/v1/../sys/keys/acme":           "",
		"https://ada@vault.example.com/v1/transit/keys/acme":      "",
		"https://vault.example.com/v1/transit/keys/a/b":           "",
		"https://vault.example.com/v1/transit/keys/a?x=1":         "",
	} {
		r, err := ParseRecipient(text)
		if want == "" {
			if err == nil {
				t.Errorf("%s is taken for %s", text, r)
			}
			continue
		}
		if err != nil || r.String() != want || r.Kind() != "vault" {
			t.Errorf("%s: %s (%s), %v", text, r, r.Kind(), err)
		}
	}
}

// The token goes to the address that the user named, and to no other that a file may name.
func TestVaultToken(t *testing.T) {
	for own, given := range map[string]bool{
		"":                                false,
		"https://other.example.com:8200":  false,
		"http://vault.example.com:8200":   false,
		"https://vault.example.com":       false,
		"https://vault.example.com:8200":  true,
		"https://vault.example.com:8200/": true,
	} {
		v := vault{getenv: func(name string) string { return map[string]string{envVaultAddr: own, envVaultToken: "s.token"}[name] }}
		token, err := v.token("https://vault.example.com:8200")
		if (err == nil) != given || (token == "s.token") != given {
			t.Errorf("VAULT_ADDR=%s: %v", own, err)
		}
	}
}
