package gitrepo

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSSHKeyOf(t *testing.T) {
	s := newSandbox(t, map[string]string{"a.yaml": "1"})
	unsigned := s.head()
	signed := s.commit(map[string]string{"a.yaml": "2"})
	public, err := os.ReadFile(filepath.Join(os.Getenv("HOME"), "id_ed25519.pub"))
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Join(strings.Fields(string(public))[:2], " ")
	if got, err := s.repo.SSHKeyOf(t.Context(), signed); err != nil || got != want {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
	if got, err := s.repo.SSHKeyOf(t.Context(), unsigned); err != nil || got != "" {
		t.Errorf("an unsigned commit has the key %q, %v", got, err)
	}
	if _, err := s.repo.SSHKeyOf(t.Context(), Revision{Hash: strings.Repeat("0123", 10)}); err == nil {
		t.Error("a commit that is not there has a key")
	}
	for _, armor := range []string{"", "x", "-----BEGIN SSH SIGNATURE-----\nU1NIU0lHAAAAAf////8=\n-----END SSH SIGNATURE-----", "-----BEGIN SSH SIGNATURE-----\nU1NIU0lHAAAAAQ==\n-----END SSH SIGNATURE-----"} {
		if got := sshKeyOf(armor); got != "" {
			t.Errorf("%q has the key %q", armor, got)
		}
	}
}

func TestNamesKey(t *testing.T) {
	for _, c := range []struct {
		file, key string
		want      bool
	}{
		{"a@example.com ssh-ed25519 AAAA\n", "ssh-ed25519 AAAA", true},
		{"a@example.com namespaces=\"git\"  ssh-ed25519\tAAAA comment", "ssh-ed25519 AAAA", true},
		{"a@example.com ssh-ed25519 AAAAB\n", "ssh-ed25519 AAAA", false},
		{"# a@example.com ssh-ed25519 AAAA\n", "ssh-ed25519 AAAA", false},
		{"", "ssh-ed25519 AAAA", false},
		{"*@example.com cert-authority ssh-ed25519 CCCC\n", "ssh-ed25519-cert-v01@openssh.com AAAA", true},
	} {
		if got := NamesKey([]byte(c.file), c.key); got != c.want {
			t.Errorf("%q, %q: %t", c.file, c.key, got)
		}
	}
}
