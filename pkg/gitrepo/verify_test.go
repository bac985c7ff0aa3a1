package gitrepo

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestVerifySSH(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, map[string]string{"a.yaml": "1"})
	unsigned := s.head()
	signed := s.commit(map[string]string{"a.yaml": "2"})
	key := publicKey(t)
	// The same signature over another content.
	forged := s.git("rev-parse", signed.Hash)
	raw := strings.Replace(s.git("cat-file", "commit", forged)+"\n", "\n\nchange", "\n\nchanged", 1)
	file := filepath.Join(t.TempDir(), "commit")
	if err := os.WriteFile(file, []byte(raw), 0o600); err != nil {
		t.Fatal(err)
	}
	bad := Revision{Hash: s.git("hash-object", "-t", "commit", "-w", file)}
	otherKey := filepath.Join(t.TempDir(), "other")
	if out, err := exec.CommandContext(t.Context(), "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", otherKey).CombinedOutput(); err != nil {
		t.Fatalf("%s", out)
	}
	other, err := os.ReadFile(otherKey + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	fingerprint := strings.Fields(func() string {
		out, _ := exec.CommandContext(t.Context(), "ssh-keygen", "-lf", filepath.Join(os.Getenv("HOME"), "id_ed25519.pub")).Output()
		return string(out)
	}())[1]
	tests := []struct {
		name    string
		rev     Revision
		signers string
		want    SignatureStatus
		signer  string
	}{
		{"good", signed, "alice@example.com " + key + "\n", Good, "alice@example.com"},
		{"good among others", signed, "# people\nbob@example.com " + string(other) + "alice@example.com namespaces=\"git\" " + key + "\n", Good, "alice@example.com"},
		{"good beside openpgp", signed, "bob openpgp:" + strings.Repeat("AB", 20) + "\nalice@example.com " + key, Good, "alice@example.com"},
		{"another key", signed, "bob@example.com " + string(other), UnknownSigner, ""},
		{"nobody allowed", signed, "", UnknownSigner, ""},
		{"another namespace", signed, "alice@example.com namespaces=\"file\" " + key, UnknownSigner, ""},
		{"expired", signed, "alice@example.com valid-before=\"20200101\" " + key, UnknownSigner, ""},
		{"unsigned", unsigned, "alice@example.com " + key, Unsigned, ""},
		{"forged", bad, "alice@example.com " + key, Bad, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			sig, err := s.repo.Verify(t.Context(), test.rev, []byte(test.signers))
			if err != nil {
				t.Fatal(err)
			}
			if sig.Status != test.want || sig.Signer != test.signer || sig.Email != "alice@example.com" || sig.Time.IsZero() {
				t.Errorf("%+v", sig)
			}
			if (sig.Status == Good || sig.Status == UnknownSigner && test.name != "another namespace") && (sig.Key != fingerprint || sig.Format != "ssh") {
				t.Errorf("%+v: want key %s", sig, fingerprint)
			}
		})
	}
}

func TestVerifyOpenPGP(t *testing.T) {
	gpg, err := exec.LookPath("gpg")
	if err != nil {
		t.Skip("gpg is not installed")
	}
	home, err := os.MkdirTemp("", "gnupg") //nolint:usetesting // a short path: the agent's socket is in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = exec.Command("gpgconf", "--homedir", home, "--kill", "gpg-agent").Run() //nolint:noctx // the test's context is over
		_ = os.RemoveAll(home)
	})
	t.Setenv("GNUPGHOME", home)
	run := func(args ...string) string {
		out, err := exec.CommandContext(t.Context(), gpg, append([]string{"--batch", "--quiet"}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("gpg %v: %s", args, out)
		}
		return string(out)
	}
	run("--passphrase", "", "--quick-generate-key", "Alice <alice@example.com>", "ed25519", "sign", "never")
	var fingerprint string
	for line := range strings.Lines(run("--with-colons", "--list-secret-keys")) {
		if fields := strings.Split(line, ":"); fields[0] == "fpr" {
			fingerprint = fields[9]
		}
	}
	s := newSandbox(t, map[string]string{"a.yaml": "1"})
	s.git("config", "gpg.format", "openpgp")
	s.git("config", "user.signingkey", fingerprint)
	if setup, err := s.repo.Signing(t.Context()); err != nil || !setup.Usable || setup.Format != "openpgp" {
		t.Errorf("Signing: %+v, %v", setup, err)
	}
	rev := s.commit(map[string]string{"a.yaml": "2"})
	s.sound("")
	if out, err := s.tryGit("verify-commit", rev.Hash); err != nil {
		t.Errorf("git verify-commit: %s", out)
	}
	for name, test := range map[string]struct {
		signers string
		want    SignatureStatus
	}{
		"listed":            {"alice@example.com openpgp:" + strings.ToLower(fingerprint) + "\n", Good},
		"listed, namespace": {"x " + publicKey(t) + "\nalice@example.com namespaces=\"git\" openpgp:" + fingerprint + " # laptop\n", Good},
		"another listed":    {"alice@example.com openpgp:" + strings.Repeat("0", 40), UnknownSigner},
		"commented out":     {"# alice@example.com openpgp:" + fingerprint, UnknownSigner},
		"none listed":       {"", UnknownSigner},
	} {
		sig, err := s.repo.Verify(t.Context(), rev, []byte(test.signers))
		if err != nil || sig.Status != test.want || sig.Key != fingerprint || sig.Format != "openpgp" {
			t.Errorf("%s: %+v, %v", name, sig, err)
		}
		if test.want == Good && sig.Signer != "alice@example.com" {
			t.Errorf("%s: signer %q", name, sig.Signer)
		}
	}
	raw := strings.Replace(s.git("cat-file", "commit", rev.Hash)+"\n", "\n\nchange", "\n\nchanged", 1)
	file := filepath.Join(t.TempDir(), "commit")
	if err := os.WriteFile(file, []byte(raw), 0o600); err != nil {
		t.Fatal(err)
	}
	forged := Revision{Hash: s.git("hash-object", "-t", "commit", "-w", file)}
	allowed := []byte("alice@example.com openpgp:" + fingerprint)
	if sig, err := s.repo.Verify(t.Context(), forged, allowed); err != nil || sig.Status != Bad {
		t.Errorf("forged: %+v, %v", sig, err)
	}
	empty := t.TempDir()
	t.Setenv("GNUPGHOME", empty)
	if sig, err := s.repo.Verify(t.Context(), rev, allowed); err != nil || sig.Status != Unverifiable {
		t.Errorf("without the public key: %+v, %v", sig, err)
	}
	t.Setenv("GNUPGHOME", home)
}
