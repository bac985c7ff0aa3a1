package bundle_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/llm-devops/lcm/pkg/bundle"
	"github.com/llm-devops/lcm/pkg/diag"
)

var created = time.Date(2026, 1, 2, 3, 4, 5, 678, time.UTC)

func key(n byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, ed25519.SeedSize))
}

func signer(tb testing.TB, n byte) bundle.Signer {
	tb.Helper()
	s, err := bundle.NewSigner(key(n))
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// authorized gives a public key as OpenSSH writes it.
func authorized(tb testing.TB, k any) string {
	tb.Helper()
	pub, err := ssh.NewPublicKey(k)
	if err != nil {
		tb.Fatal(err)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(pub)))
}

func allow(tb testing.TB, lines ...string) *bundle.AllowedSigners {
	tb.Helper()
	a, err := bundle.ParseAllowedSigners("policies/allowed_signers", []byte(strings.Join(lines, "\n")))
	if err != nil {
		tb.Fatal(err)
	}
	return a
}

func manifest() *bundle.Manifest {
	d := bundle.DigestOf([]byte("x"))
	return bundle.NewManifest(acme, 42, commit, created, []bundle.Entry{
		{Name: "gateway", Document: bundle.Object{Digest: d, Size: 1}},
		{
			Name: "inference", Module: "inference-engine", SchemaDigest: "sha256:abc", Document: bundle.Object{Digest: d, Size: 10},
			Secrets: &bundle.SecretsRef{Vault: &bundle.VaultRef{Mount: "secret", Path: "lcm/acme/production/inference", Version: 3}},
		},
		{
			Name: "router", Document: bundle.Object{Digest: d, Size: 10},
			Secrets: &bundle.SecretsRef{Sealed: &bundle.SealedRef{Object: bundle.Object{Digest: d, Size: 7}, Input: d}},
		},
	})
}

func sign(tb testing.TB, m *bundle.Manifest, s bundle.Signer) []byte {
	tb.Helper()
	data, err := bundle.SignManifest(tb.Context(), m, s)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func TestSignAndVerify(t *testing.T) {
	envelope := sign(t, manifest(), signer(t, 1))
	allowed := allow(t, "bob@example.com "+authorized(t, key(2).Public()), `"alice@example.com,al@example.com" namespaces="git" `+authorized(t, key(1).Public())+" laptop")
	m, id, err := bundle.Verify(t.Context(), envelope, allowed)
	if err != nil {
		t.Fatal(err)
	}
	keyID, _ := signer(t, 1).KeyID()
	if m.Serial != 42 || m.Created != created.Truncate(time.Second) || id.Principals != "alice@example.com,al@example.com" || id.KeyID != keyID {
		t.Errorf("%+v by %+v", m, id)
	}
	if !strings.HasPrefix(keyID, "SHA256:") || !bytes.Contains(envelope, []byte(`"payloadType":"application/vnd.lcm.manifest.v1+json"`)) {
		t.Errorf("key %s, envelope %s", keyID, envelope)
	}
	if again := sign(t, manifest(), signer(t, 1)); !bytes.Equal(again, envelope) {
		t.Error("signing the same gives other bytes")
	}
}

func TestVerifyRefuses(t *testing.T) {
	pub := authorized(t, key(1).Public())
	good := sign(t, manifest(), signer(t, 1))
	alice := allow(t, "alice "+pub)
	var parts struct {
		PayloadType string `json:"payloadType"`
		Payload     string `json:"payload"`
		Signatures  []struct {
			KeyID string `json:"keyid"`
			Sig   string `json:"sig"`
		} `json:"signatures"`
	}
	if err := json.Unmarshal(good, &parts); err != nil {
		t.Fatal(err)
	}
	payload, err := base64.StdEncoding.DecodeString(parts.Payload)
	if err != nil {
		t.Fatal(err)
	}
	with := func(old, repl string) []byte {
		changed := bytes.Replace(payload, []byte(old), []byte(repl), 1)
		if bytes.Equal(changed, payload) {
			t.Fatalf("%q is not in the payload", old)
		}
		return bytes.Replace(good, []byte(parts.Payload), []byte(base64.StdEncoding.EncodeToString(changed)), 1)
	}
	sig := parts.Signatures[0].Sig
	for name, c := range map[string]struct {
		envelope []byte
		allowed  *bundle.AllowedSigners
		unknown  bool
	}{
		"nobody allowed":     {good, &bundle.AllowedSigners{}, true},
		"nil":                {good, nil, true},
		"another allowed":    {good, allow(t, "bob "+authorized(t, key(2).Public())), true},
		"other namespace":    {good, allow(t, `alice namespaces="file" `+pub), true},
		"excluded namespace": {good, allow(t, `alice namespaces="*,!git,!lcm" `+pub), true},
		"authority":          {good, allow(t, "alice cert-authority "+pub), true},
		"not yet":            {good, allow(t, `alice valid-after="20270101" `+pub), true},
		"no more":            {good, allow(t, `alice valid-before="20260101Z" `+pub), true},
		"serial":             {with(`"serial":42`, `"serial":43`), alice, false},
		"digest":             {with("lcm/acme", "lcm/acne"), alice, false},
		"signature":          {bytes.Replace(good, []byte(sig), []byte("AAAA"+sig[4:]), 1), alice, false},
		"short signature":    {bytes.Replace(good, []byte(sig), []byte("AAAA"), 1), alice, false},
		"other key id":       {bytes.Replace(good, []byte(parts.Signatures[0].KeyID), []byte("SHA256:x"), 1), alice, true},
		"type":               {bytes.Replace(good, []byte("vnd.lcm.manifest"), []byte("vnd.lcm.other"), 1), alice, false},
		"unsigned":           {fmt.Appendf(nil, `{"payloadType":%q,"payload":%q,"signatures":[]}`+"\n", parts.PayloadType, parts.Payload), alice, false},
		"double field":       {bytes.Replace(good, []byte(`"payload":`), []byte(`"payload":"","payload":`), 1), alice, false},
		"space":              {bytes.Replace(good, []byte(`:`), []byte(`: `), 1), alice, false},
		"url base64":         {bytes.Replace(good, []byte(sig), []byte(strings.NewReplacer("+", "-", "/", "_").Replace(sig)), 1), alice, false},
		"empty":              {nil, alice, false},
		"large":              {bytes.Repeat([]byte(" "), bundle.MaxManifest+1), alice, false},
	} {
		t.Run(name, func(t *testing.T) {
			if bytes.Equal(c.envelope, good) && c.allowed == alice {
				t.Skip("the change is none for this signature")
			}
			m, id, err := bundle.Verify(t.Context(), c.envelope, c.allowed)
			if !errors.Is(err, bundle.ErrInvalid) || m != nil || id != nil {
				t.Errorf("%v, %v, %v", m, id, err)
			}
			if _, unknown := errors.AsType[*bundle.UnknownSignerError](err); unknown != c.unknown {
				t.Errorf("error %v: unknown signer %t, want %t", err, unknown, c.unknown)
			}
		})
	}
	for _, line := range []string{
		`alice namespaces="lcm" `, `alice namespaces="g*" `, `alice valid-after="20250101" `, `alice valid-after="202601020304",valid-before="20260102030406Z" `,
	} {
		if _, _, err := bundle.Verify(t.Context(), good, allow(t, line+pub)); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func TestParseAllowedSigners(t *testing.T) {
	pub := authorized(t, key(1).Public())
	a, err := bundle.ParseAllowedSigners("f", []byte("# people\n\n alice "+pub+"\r\n\tbob,carol "+pub+" with a comment\n"))
	if err != nil || len(a.Identities()) != 2 {
		t.Errorf("%v, %v", a.Identities(), err)
	}
	_, err = bundle.ParseAllowedSigners("policies/allowed_signers", []byte("alice\n"+
		"alice "+pub+"\n"+
		"alice ssh-ed25519 AAAA\n"+
		`alice valid-after="soon" `+pub+"\n"+
		`alice unheard-of="x" `+pub+"\n"+
		`"alice `+pub+"\n"))
	list, ok := errors.AsType[diag.List](err)
	if !ok || len(list) != 5 {
		t.Fatalf("findings %v", err)
	}
	for i, line := range []int{1, 3, 4, 5, 6} {
		if list[i].Position.Line != line || list[i].Position.File != "policies/allowed_signers" || list[i].Hint == "" {
			t.Errorf("finding %+v, want line %d", list[i], line)
		}
	}
}

func TestManifestChecks(t *testing.T) {
	for name, change := range map[string]func(*bundle.Manifest){
		"kind":      func(m *bundle.Manifest) { m.Kind = "Document" },
		"serial":    func(m *bundle.Manifest) { m.Serial = 0 },
		"commit":    func(m *bundle.Manifest) { m.Commit = "main" },
		"tenant":    func(m *bundle.Manifest) { m.Tenant = ".." },
		"order":     func(m *bundle.Manifest) { m.Namespaces[0], m.Namespaces[1] = m.Namespaces[1], m.Namespaces[0] },
		"twice":     func(m *bundle.Manifest) { m.Namespaces[1] = m.Namespaces[0] },
		"digest":    func(m *bundle.Manifest) { m.Namespaces[0].Document.Digest = "sha256:../../x" },
		"size":      func(m *bundle.Manifest) { m.Namespaces[0].Document.Size = -1 },
		"name":      func(m *bundle.Manifest) { m.Namespaces[0].Name = "a/b" },
		"nowhere":   func(m *bundle.Manifest) { m.Namespaces[1].Secrets = &bundle.SecretsRef{} },
		"version":   func(m *bundle.Manifest) { m.Namespaces[1].Secrets.Vault.Version = 0 },
		"input":     func(m *bundle.Manifest) { m.Namespaces[2].Secrets.Sealed.Input = "x" },
		"both":      func(m *bundle.Manifest) { m.Namespaces[1].Secrets.Sealed = m.Namespaces[2].Secrets.Sealed },
		"no list":   func(m *bundle.Manifest) { m.Namespaces = nil },
		"long name": func(m *bundle.Manifest) { m.Namespaces[0].Module = strings.Repeat("m", 1000) },
	} {
		m := manifest()
		change(m)
		if _, err := bundle.SignManifest(t.Context(), m, signer(t, 1)); err == nil {
			t.Errorf("%s: a bad manifest was signed", name)
		}
	}
}

func TestPointer(t *testing.T) {
	envelope := sign(t, manifest(), signer(t, 1))
	data, err := bundle.NewPointer(manifest(), envelope).Encode()
	if err != nil {
		t.Fatal(err)
	}
	p, err := bundle.ParsePointer(data)
	if err != nil || p.Serial != 42 || p.Manifest != bundle.DigestOf(envelope) || p.Tenant != "acme" {
		t.Errorf("%+v, %v", p, err)
	}
	for name, bad := range map[string]string{
		"serial": strings.Replace(string(data), "42", "-1", 1), "kind": strings.Replace(string(data), "Pointer", "pointer", 1),
		"digest": strings.Replace(string(data), "sha256:", "sha512:", 1), "case": strings.Replace(string(data), "serial", "Serial", 1),
		"tenant": strings.Replace(string(data), "acme", "a/b", 1), "large": strings.Repeat(" ", bundle.MaxPointer) + string(data),
	} {
		if _, err := bundle.ParsePointer([]byte(bad)); !errors.Is(err, bundle.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzPointer(f *testing.F) {
	data, err := bundle.NewPointer(manifest(), []byte("x")).Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := bundle.ParsePointer(data)
		if err != nil {
			return
		}
		if again, err := p.Encode(); err != nil || !bytes.Equal(again, data) {
			t.Errorf("%q became %q, %v", data, again, err)
		}
	})
}

// What is accepted under the one allowed key is what was signed with it, byte for byte.
func FuzzVerify(f *testing.F) {
	allowed := allow(f, "alice "+authorized(f, key(1).Public()))
	good := sign(f, manifest(), signer(f, 1))
	f.Add(good)
	f.Fuzz(func(t *testing.T, envelope []byte) {
		if _, _, err := bundle.Verify(t.Context(), envelope, allowed); err == nil && !bytes.Equal(envelope, good) {
			t.Errorf("accepted %q", envelope)
		}
	})
}

// What decodes encodes to the same bytes again.
func FuzzManifest(f *testing.F) {
	payload, err := manifest().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(payload)
	f.Fuzz(func(t *testing.T, payload []byte) {
		m, err := bundle.ParseManifest(payload)
		if err != nil {
			return
		}
		if again, err := m.Encode(); err != nil || !bytes.Equal(again, payload) {
			t.Errorf("%q became %q, %v", payload, again, err)
		}
	})
}

func FuzzAllowedSigners(f *testing.F) {
	f.Add([]byte(`"a b,c" namespaces="git",valid-after="20250101" ` + authorized(f, key(1).Public()) + " comment"))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := bundle.ParseAllowedSigners("f", data)
		for _, id := range a.Identities() {
			if id.Principals == "" || !strings.HasPrefix(id.KeyID, "SHA256:") {
				t.Errorf("identity %+v, %v", id, err)
			}
		}
	})
}
