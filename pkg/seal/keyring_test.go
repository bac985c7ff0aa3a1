package seal

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"filippo.io/age/armor"
	"filippo.io/age/plugin"
	"golang.org/x/crypto/ssh"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// sshPair makes an SSH key as ssh-keygen writes it, and its public line.
func sshPair(t testing.TB, key any, passphrase string) (private []byte, public string) {
	t.Helper()
	var block *pem.Block
	var err error
	if passphrase == "" {
		block, err = ssh.MarshalPrivateKey(key, "a comment")
	} else {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, "a comment", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(block), sshText(signer.PublicKey())
}

func ed25519Key(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func writeFile(t testing.TB, path string, data []byte) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func sealedTo(t testing.TB, recipients ...string) *yamldoc.Doc {
	t.Helper()
	return mustEdit(t, parse(t, "a: 1\n"), Options{Access: AccessOf(recipients...), Now: now}, secretChange(t, "token", "abc"))
}

// TestPlacesOfIdentities puts one identity into each place that SOPS knows, alone.
func TestPlacesOfIdentities(t *testing.T) {
	dir := t.TempDir()
	home, config := filepath.Join(dir, "home"), filepath.Join(dir, "config")
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	private, public := sshPair(t, ed25519Key(t), "")
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	rsaPrivate, rsaPublic := sshPair(t, rsaKey, "")
	keyFile := writeFile(t, filepath.Join(dir, "keys.txt"), []byte("# created: today\n\n"+id.String()+"\n"))
	sshFile := writeFile(t, filepath.Join(dir, "ssh key"), private)
	for _, c := range []struct {
		name, recipient string
		vars            map[string]string
		file            string
		data            []byte
	}{
		{"SSH file", public, map[string]string{envSSHFile: sshFile}, "", nil},
		{"SSH command", public, map[string]string{envSSHCmd: "cat '" + sshFile + "'"}, "", nil},
		{"id_ed25519", public, nil, filepath.Join(home, ".ssh", "id_ed25519"), private},
		{"id_rsa", rsaPublic, nil, filepath.Join(home, ".ssh", "id_rsa"), rsaPrivate},
		{"key", id.Recipient().String(), map[string]string{envKey: id.String()}, "", nil},
		{"keys in one line", id.Recipient().String(), map[string]string{envKey: "AGE-PLUGIN-YUBIKEY-1QQPQYQCPQ8X " + id.String()}, "", nil},
		{"key file", id.Recipient().String(), map[string]string{envKeyFile: keyFile}, "", nil},
		{"key command", id.Recipient().String(), map[string]string{envKeyCmd: `sh -c 'test "$SOPS_AGE_RECIPIENT" = ` + id.Recipient().String() + ` && cat "` + keyFile + `"'`}, "", nil},
		{"keys.txt", id.Recipient().String(), nil, filepath.Join(config, "sops", "age", "keys.txt"), []byte(id.String())},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.name == "keys in one line" {
				c.vars[envKey] = plugin.EncodeIdentity("none", []byte{1}) + " " + id.String()
			}
			if c.file != "" {
				writeFile(t, c.file, c.data)
				defer os.RemoveAll(filepath.Dir(c.file))
			}
			k := NewKeyring(KeyringOptions{Getenv: func(v string) string { return c.vars[v] }, Home: home, ConfigDir: config})
			if has, err := k.HasIdentities(t.Context()); !has || err != nil {
				t.Errorf("has identities: %v, %v", has, err)
			}
			if got := reveal(t, mustOpen(t, sealedTo(t, c.recipient), k), "token"); got != "abc" {
				t.Errorf("opened %q", got)
			}
			other, _ := pair(t)
			if got := reveal(t, mustOpen(t, sealedTo(t, other, c.recipient), k), "token"); got != "abc" {
				t.Errorf("opened %q as the second recipient", got)
			}
		})
	}
	empty := NewKeyring(KeyringOptions{Getenv: func(string) string { return "" }, Home: home, ConfigDir: config})
	if has, err := empty.HasIdentities(t.Context()); has || err != nil {
		t.Errorf("an empty environment has identities: %v, %v", has, err)
	}
	_, err = Open(t.Context(), sealedTo(t, public), empty)
	e, _ := errors.AsType[*NoIdentityError](err)
	if e == nil || len(e.Tried) != 8 || e.Tried[0] != (Tried{envSSHFile, problemUnset}) || !strings.HasSuffix(e.Tried[7].Where, "keys.txt") {
		t.Errorf("%+v", e)
	}
}

func TestBrokenPlacesDoNotHideOthers(t *testing.T) {
	r, _ := pair(t)
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	bad := writeFile(t, filepath.Join(dir, "bad.txt"), []byte("AGE-SECRET-KEY-1NOTREALLY\n"))
	vars := map[string]string{
		envSSHFile: bad, envSSHCmd: "false", envKeyCmd: "/does/not/exist 'x", envKeyFile: bad, envKey: id.String(),
	}
	k := env(t, vars, nil)
	mustOpen(t, sealedTo(t, id.Recipient().String()), k)
	_, err = Open(t.Context(), sealedTo(t, r), k)
	e, ok := errors.AsType[*NoIdentityError](err)
	if !ok {
		t.Fatal(err)
	}
	for where, want := range map[string]string{envSSHFile: "not a private SSH key", envSSHCmd: "run false", envKeyCmd: "quote", bad: "line 1 is no age identity"} {
		if !strings.Contains(err.Error(), where+": ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not explained by %q in %v", where, want, err)
		}
	}
	if strings.Contains(err.Error(), "NOTREALLY") || len(e.Recipients) != 1 {
		t.Errorf("%v", err)
	}
}

func TestPassphrases(t *testing.T) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	scrypt, err := age.NewScryptRecipient("open sesame")
	if err != nil {
		t.Fatal(err)
	}
	scrypt.SetWorkFactor(4)
	var file bytes.Buffer
	a := armor.NewWriter(&file)
	if err := errors.Join(encryptAge(a, []byte(id.String()+"\n"), scrypt), a.Close()); err != nil {
		t.Fatal(err)
	}
	private, public := sshPair(t, ed25519Key(t), "open sesame")
	dir := t.TempDir()
	for _, c := range []struct{ name, env, recipient, path string }{
		{"SSH key", envSSHFile, public, writeFile(t, filepath.Join(dir, "id"), private)},
		{"identity file", envKeyFile, id.Recipient().String(), writeFile(t, filepath.Join(dir, "keys.age"), file.Bytes())},
	} {
		t.Run(c.name, func(t *testing.T) {
			vars := map[string]string{c.env: c.path}
			var asked atomic.Int32
			k := env(t, vars, func(_ context.Context, prompt string) ([]byte, error) {
				asked.Add(1)
				if !strings.Contains(prompt, c.env) && !strings.Contains(prompt, c.path) {
					t.Errorf("the prompt does not say what for: %q", prompt)
				}
				return []byte("open sesame"), nil
			})
			// Something else opens this one: nobody is asked.
			if c.env == envSSHFile {
				other, _ := pair(t)
				if _, err := Open(t.Context(), sealedTo(t, other), k); err == nil || asked.Load() != 0 {
					t.Errorf("asked %d times for a file sealed to another key", asked.Load())
				}
			}
			doc := sealedTo(t, c.recipient)
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					if root, err := Open(t.Context(), doc, k); err != nil || root.Field("token").Reveal() != "abc" {
						t.Errorf("open: %v", err)
					}
				})
			}
			wg.Wait()
			if asked.Load() != 1 {
				t.Errorf("asked %d times", asked.Load())
			}
			for name, ask := range map[string]func(context.Context, string) ([]byte, error){
				"nobody to ask": nil,
				"wrong":         func(context.Context, string) ([]byte, error) { return []byte("guess"), nil },
				"cancelled":     func(context.Context, string) ([]byte, error) { return nil, errors.New("cancelled") },
			} {
				var again atomic.Int32
				counted := ask
				if ask != nil {
					counted = func(ctx context.Context, prompt string) ([]byte, error) {
						again.Add(1)
						return ask(ctx, prompt)
					}
				}
				k := env(t, vars, counted)
				_, err := Open(t.Context(), doc, k)
				_, _ = Open(t.Context(), doc, k)
				if again.Load() > 1 {
					t.Errorf("%s: asked %d times", name, again.Load())
				}
				if _, ok := errors.AsType[*NoIdentityError](err); !ok || !strings.Contains(err.Error(), "passphrase") {
					t.Errorf("%s: %v", name, err)
				}
				if name == "nobody to ask" && !strings.Contains(diag.HintOf(err), "terminal") {
					t.Errorf("%s: hint %q", name, diag.HintOf(err))
				}
			}
		})
	}
}

func TestOldPEMKeyWithPassphrase(t *testing.T) {
	// Old PEM files do not hold the public key in the clear: it comes from the .pub file beside them.
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, public := sshPair(t, key, "")
	//nolint:staticcheck // the old format is what is tested
	block, err := x509.EncryptPEMBlock(rand.Reader, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key), []byte("open sesame"), x509.PEMCipherAES128)
	if err != nil {
		t.Fatal(err)
	}
	path := writeFile(t, filepath.Join(t.TempDir(), "id_rsa"), pem.EncodeToMemory(block))
	writeFile(t, path+".pub", []byte(public+" me@example\n"))
	k := env(t, map[string]string{envSSHFile: path}, func(context.Context, string) ([]byte, error) { return []byte("open sesame"), nil })
	mustOpen(t, sealedTo(t, public), k)
	if err := os.Remove(path + ".pub"); err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), sealedTo(t, public), env(t, map[string]string{envSSHFile: path}, nil))
	if err == nil || !strings.Contains(err.Error(), ".pub") {
		t.Errorf("without the public key: %v", err)
	}
}

func TestCancelledContext(t *testing.T) {
	r, k := pair(t)
	doc := sealedTo(t, r)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, doc, k); !errors.Is(err, context.Canceled) {
		t.Errorf("open: %v", err)
	}
}

func TestMislabelledStanza(t *testing.T) {
	r, k := pair(t)
	other, _ := pair(t)
	doc := sealedTo(t, r)
	swapped := parse(t, strings.Replace(string(doc.Source()), r, other, 1))
	if got := reveal(t, mustOpen(t, swapped, k), "token"); got != "abc" {
		t.Errorf("opened %q", got)
	}
}

func TestWarnings(t *testing.T) {
	_, k := pair(t)
	if w := k.Warnings(); len(w) != 0 {
		t.Errorf("warnings without files: %v", w)
	}
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	path := writeFile(t, filepath.Join(t.TempDir(), "keys.txt"), []byte(id.String()))
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	w := env(t, map[string]string{envKeyFile: path}, nil).Warnings()
	if len(w) != 1 || w[0].Severity != diag.Warning || w[0].Code != codeReadable || w[0].Position.File != path || !strings.Contains(w[0].Hint, "chmod 600") {
		t.Errorf("%v", w)
	}
}

func TestParseRecipient(t *testing.T) {
	r, _ := pair(t)
	hybrid, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	_, public := sshPair(t, ed25519Key(t), "")
	for _, c := range []struct{ in, want string }{
		{r, r},
		{"  " + r + "\n", r},
		{hybrid.Recipient().String(), hybrid.Recipient().String()},
		{public, public},
		{public + " me@example.com", public},
		{plugin.EncodeRecipient("yubikey", bytes.Repeat([]byte{2}, 33)), plugin.EncodeRecipient("yubikey", bytes.Repeat([]byte{2}, 33))},
	} {
		got, err := ParseRecipient(c.in)
		if err != nil || got.String() != c.want {
			t.Errorf("%.40q: %q, %v", c.in, got, err)
		}
	}
	id, _, err := GenerateIdentity()
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"", "age1", r + "x", r[:20], strings.ToUpper(r), "ssh-ed25519", "ssh-dss AAAA", "ecdsa-sha2-nistp256 AAAA", "0xDEADBEEF", r + "\n" + r, id.Reveal(), strings.Repeat("a", 1<<20)} {
		_, err := ParseRecipient(bad)
		if err == nil {
			t.Errorf("%.40q: accepted", bad)
		} else if strings.Contains(err.Error(), id.Reveal()) || len(err.Error()) > 500 {
			t.Errorf("%.40q: the error shows too much: %v", bad, err)
		}
	}
}

func TestPostQuantumAndMixedRecipients(t *testing.T) {
	hybrid, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	r, k := pair(t)
	pq := env(t, map[string]string{envKey: hybrid.String()}, nil)
	doc := sealedTo(t, r, hybrid.Recipient().String())
	mustOpen(t, doc, k)
	mustOpen(t, doc, pq)
	if _, err := SealTo([]string{r, hybrid.Recipient().String()}, []byte("x")); err == nil {
		t.Error("one age file to post-quantum and other recipients")
	}
}

func TestAgeFiles(t *testing.T) {
	r, k := pair(t)
	private, public := sshPair(t, ed25519Key(t), "")
	ofSSH, err := agessh.ParseIdentity(private)
	if err != nil {
		t.Fatal(err)
	}
	x25519, err := age.ParseX25519Identity(k.getenv(envKey))
	if err != nil {
		t.Fatal(err)
	}
	for _, plain := range []string{"", "x", strings.Repeat("long ", 50000)} {
		sealed, err := SealTo([]string{r, public}, []byte(plain))
		if err != nil {
			t.Fatal(err)
		}
		for name, id := range map[string]age.Identity{"age": x25519, "ssh": ofSSH} {
			if got, err := decryptAge(sealed, id); err != nil || string(got) != plain {
				t.Errorf("%s: %d bytes: %v", name, len(plain), err)
			}
		}
	}
	if _, err := SealTo(nil, []byte("x")); err == nil {
		t.Error("sealed to nobody")
	}
}

func TestSplitCommand(t *testing.T) {
	for in, want := range map[string]string{
		"cat a b":               "cat|a|b",
		"  op read 'op://x y' ": "op|read|op://x y",
		`a "b c"\ d 'e"f' g\"`:  `a|b c d|e"f|g"`,
		`a ""`:                  "a|",
		"":                      "error",
		"   ":                   "error",
		"a 'b":                  "error",
		`a \`:                   "error",
	} {
		args, err := splitCommand(in)
		got := strings.Join(args, "|")
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestSaveIdentity(t *testing.T) {
	config := t.TempDir()
	k := NewKeyring(KeyringOptions{Getenv: func(string) string { return "" }, Home: config, ConfigDir: filepath.Join(config, "c")})
	path := k.DefaultIdentityFile()
	if path != filepath.Join(config, "c", "sops", "age", "keys.txt") {
		t.Fatalf("default file %s", path)
	}
	var recipients []string
	for range 2 {
		id, r, err := GenerateIdentity()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(id.String(), "AGE") {
			t.Error("an identity prints itself")
		}
		if err := SaveIdentity(path, id, r, now); err != nil {
			t.Fatal(err)
		}
		recipients = append(recipients, r)
	}
	file, err := os.Stat(path)
	if err != nil || file.Mode().Perm() != 0o600 {
		t.Errorf("file: %v, %v", file.Mode(), err)
	}
	dir, err := os.Stat(filepath.Dir(path))
	if err != nil || dir.Mode().Perm() != 0o700 {
		t.Errorf("directory: %v, %v", dir.Mode(), err)
	}
	data, err := os.ReadFile(path)
	if err != nil || !strings.HasPrefix(string(data), "# created: 2025-11-21T10:30:00Z\n# public key: "+recipients[0]+"\nAGE-SECRET-KEY-1") {
		t.Errorf("%s", data)
	}
	if ids, err := age.ParseIdentities(bytes.NewReader(data)); err != nil || len(ids) != 2 {
		t.Errorf("age reads %d identities: %v", len(ids), err)
	}
	for _, r := range recipients {
		mustOpen(t, sealedTo(t, r), k)
	}
	if got, err := k.Recipients(t.Context()); err != nil || strings.Join(got, " ") != strings.Join(recipients, " ") {
		t.Errorf("recipients %q, %v", got, err)
	}

	id, r, err := GenerateIdentity()
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]string{"readable": "# mine", "encrypted": "age-encryption.org/v1\n"} {
		path := writeFile(t, filepath.Join(t.TempDir(), name), []byte(data))
		if name == "readable" {
			if err := os.Chmod(path, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		err := SaveIdentity(path, id, r, time.Time{})
		if after, _ := os.ReadFile(path); err == nil || diag.HintOf(err) == "" || string(after) != data {
			t.Errorf("%s: %v", name, err)
		}
	}
	unfinished := writeFile(t, filepath.Join(t.TempDir(), "keys.txt"), []byte("# no line break"))
	if err := SaveIdentity(unfinished, id, r, now); err != nil {
		t.Fatal(err)
	}
	if data, _ := os.ReadFile(unfinished); !strings.HasPrefix(string(data), "# no line break\n# created") {
		t.Errorf("%s", data)
	}
}
