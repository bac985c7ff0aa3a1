package rekey

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/workspace"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// person has a key of their own.
type person struct {
	recipient string
	keyring   *seal.Keyring
}

func newPerson(t testing.TB) person {
	t.Helper()
	id, recipient, err := seal.GenerateIdentity()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	return person{recipient, seal.NewKeyring(seal.KeyringOptions{
		Getenv: func(v string) string { return map[string]string{"SOPS_AGE_KEY": id.Reveal()}[v] }, Home: dir, ConfigDir: dir,
	})}
}

// repository has a tenant with a number of encrypted files, and one file beside them for each of extra.
func repository(t testing.TB, files int, sealedTo, policy []string, extra map[string][]byte) *workspace.Snapshot {
	t.Helper()
	dir := t.TempDir()
	write := func(name string, data []byte) {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o750), os.WriteFile(path, data, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	tenant := "apiVersion: lcm/v1\nname: acme\nrecipients:\n"
	for _, key := range policy {
		tenant += "  - " + key + "\n"
	}
	write("config/acme/tenant.yaml", []byte(tenant))
	write("lcm.yaml", []byte("apiVersion: lcm/v1\nenvironments: [production]\n"))
	for i := range files {
		name := fmt.Sprintf("config/acme/production/n%d.yaml", i)
		write(name, sealedFile(t, name, sealedTo))
	}
	for name, data := range extra {
		write(name, data)
	}
	if out, err := exec.CommandContext(t.Context(), "git", "init", "-q", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	w, err := workspace.Open(t.Context(), dir, workspace.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return w.Worktree()
}

func sealedFile(t testing.TB, name string, to []string) []byte {
	t.Helper()
	doc, err := yamldoc.Parse(name, []byte("plain: 1 # kept\nproviders:\n  a: {url: x}\n"))
	if err != nil {
		t.Fatal(err)
	}
	doc, err = seal.Edit(t.Context(), doc, []seal.Change{
		{Path: tree.Keys("providers", "a", "token"), Value: tree.NewString("tok-1"), Secret: true},
		{Path: tree.Keys("password"), Value: tree.NewString("tok-2"), Secret: true},
	}, seal.Options{Access: seal.AccessOf(to...)})
	if err != nil {
		t.Fatal(err)
	}
	return doc.Source()
}

func prepare(t *testing.T, s *workspace.Snapshot, k *seal.Keyring, newKeys bool) Tenant {
	t.Helper()
	tenants, err := Prepare(t.Context(), s, Options{Tenants: []string{"acme"}, NewDataKeys: newKeys, Keyring: k, Now: time.Unix(1e9, 0)})
	if err != nil || len(tenants) != 1 {
		t.Fatal(err, len(tenants))
	}
	return tenants[0]
}

func TestWhoGainsAccessChangesNothingElse(t *testing.T) {
	ada, bob := newPerson(t), newPerson(t)
	s := repository(t, 5, []string{ada.recipient}, []string{ada.recipient, bob.recipient}, nil)
	got := prepare(t, s, ada.keyring, false)
	if got.Err != nil || len(got.Files) != 5 || got.Same != 0 {
		t.Fatalf("%+v", got)
	}
	for _, f := range got.Files {
		if !slices.Equal(f.Gained, []string{bob.recipient}) || f.Lost != nil || f.NewDataKey || !slices.Equal(f.Secrets, []string{"providers.a.token", "password"}) {
			t.Errorf("%+v", f)
		}
		before, err := s.ReadFile(t.Context(), f.Path)
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(before) {
			if !bytes.Contains(f.Text, line) {
				t.Errorf("%q is gone", line)
			}
		}
		opens(t, f, bob.keyring)
		opens(t, f, ada.keyring)
	}
}

func TestWhoLosesAccessKnowsNothingNew(t *testing.T) {
	ada, bob := newPerson(t), newPerson(t)
	s := repository(t, 3, []string{ada.recipient, bob.recipient}, []string{ada.recipient}, nil)
	got := prepare(t, s, ada.keyring, false)
	if got.Err != nil || len(got.Files) != 3 {
		t.Fatalf("%+v", got)
	}
	for _, f := range got.Files {
		if !slices.Equal(f.Lost, []string{bob.recipient}) || !f.NewDataKey {
			t.Errorf("%+v", f)
		}
		opens(t, f, ada.keyring)
		doc, err := yamldoc.Parse(f.Path, f.Text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := seal.Open(t.Context(), doc, bob.keyring); err == nil {
			t.Error("it still opens for who lost access")
		}
	}
}

// TestAllOrNothing: one file that does not open, or that is broken, and nothing of the tenant changes.
func TestAllOrNothing(t *testing.T) {
	ada, bob, eve := newPerson(t), newPerson(t), newPerson(t)
	const name = "config/acme/production/odd.yaml"
	for what, text := range map[string][]byte{
		"of somebody else": sealedFile(t, name, []string{eve.recipient}),
		"broken":           []byte("a: [\n"),
		"tampered":         bytes.Replace(sealedFile(t, name, []string{ada.recipient}), []byte("password:"), []byte("passwort:"), 1),
	} {
		s := repository(t, 20, []string{ada.recipient}, []string{ada.recipient, bob.recipient}, map[string][]byte{name: text})
		if got := prepare(t, s, ada.keyring, false); got.Err == nil || got.Files != nil {
			t.Errorf("%s: %v, %d files", what, got.Err, len(got.Files))
		}
	}
}

func TestNothingToDo(t *testing.T) {
	ada := newPerson(t)
	s := repository(t, 2, []string{ada.recipient}, []string{ada.recipient}, map[string][]byte{"config/acme/production/plain.yaml": []byte("a: 1\n")})
	if got := prepare(t, s, nil, false); got.Err != nil || got.Files != nil || got.Same != 2 {
		t.Errorf("%+v", got) // and no key is needed to see it
	}
	if got := prepare(t, s, ada.keyring, true); got.Err != nil || len(got.Files) != 2 || got.Files[0].Lost != nil || got.Files[0].Gained != nil {
		t.Errorf("%+v", got)
	}
}

func opens(t *testing.T, f File, k *seal.Keyring) {
	t.Helper()
	doc, err := yamldoc.Parse(f.Path, f.Text)
	if err != nil {
		t.Fatal(err)
	}
	root, err := seal.Open(t.Context(), doc, k)
	if err != nil {
		t.Fatal(err)
	}
	if got := root.Get(tree.Keys("providers", "a", "token")).Reveal() + root.Get(tree.Keys("password")).Reveal(); got != "tok-1tok-2" {
		t.Errorf("opens to %q", got)
	}
}

// BenchmarkPrepare lets somebody in, and closes files to somebody, for a tenant of 1,000 files.
func BenchmarkPrepare(b *testing.B) {
	ada, bob := newPerson(b), newPerson(b)
	s := repository(b, 1000, []string{ada.recipient}, []string{ada.recipient, bob.recipient}, nil)
	for _, newKeys := range []bool{false, true} {
		b.Run(fmt.Sprintf("new-data-keys=%t", newKeys), func(b *testing.B) {
			for b.Loop() {
				if _, err := Prepare(b.Context(), s, Options{Tenants: []string{"acme"}, NewDataKeys: newKeys, Keyring: ada.keyring}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
