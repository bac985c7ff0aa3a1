// Package sopslib compares this project's reading and writing of the SOPS format with the SOPS library's own. It is a module
// of its own, so that the library with its cloud clients never comes near the product.
package sopslib

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/aes"
	sopsage "github.com/getsops/sops/v3/age"
	"github.com/getsops/sops/v3/config"
	"github.com/getsops/sops/v3/decrypt"
	sopsyaml "github.com/getsops/sops/v3/stores/yaml"

	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/seal/sealtest"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// identity puts a fresh identity where the library looks for one, and nothing else.
func identity(t *testing.T) (recipient string, k *seal.Keyring) {
	t.Helper()
	dir := t.TempDir()
	id, recipient, err := seal.GenerateIdentity()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "keys.txt")
	if err := seal.SaveIdentity(path, id, recipient, time.Now()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"HOME", "XDG_CONFIG_HOME", "GNUPGHOME"} {
		t.Setenv(name, dir)
	}
	for _, name := range []string{"SOPS_AGE_KEY", "SOPS_AGE_KEY_CMD", "SOPS_AGE_SSH_PRIVATE_KEY_FILE", "SOPS_AGE_SSH_PRIVATE_KEY_CMD"} {
		// The library takes an empty variable for a set one.
		t.Setenv(name, "")
		if err := os.Unsetenv(name); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("SOPS_AGE_KEY_FILE", path)
	return recipient, seal.NewKeyring(seal.KeyringOptions{Home: dir, ConfigDir: dir})
}

func parse(t *testing.T, data []byte) *yamldoc.Doc {
	t.Helper()
	doc, err := yamldoc.Parse("f.yaml", data)
	if err != nil {
		t.Fatalf("parse: %v\n%.4000s", err, data)
	}
	return doc
}

func random(t *testing.T, seed uint64) *sealtest.Case {
	t.Helper()
	c, err := sealtest.New(rand.New(rand.NewPCG(seed, 3)))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestLibraryOpensOurs has the library decrypt random files that were sealed here.
func TestLibraryOpensOurs(t *testing.T) {
	recipient, k := identity(t)
	for seed := range uint64(200) {
		c := random(t, seed)
		doc, err := seal.Edit(t.Context(), c.Plain, c.Secrets, seal.Options{Access: seal.AccessOf(recipient), Now: time.Now()})
		if err != nil {
			t.Fatalf("seed %d: seal: %v", seed, err)
		}
		clear, err := decrypt.Data(doc.Source(), "yaml")
		if err != nil {
			t.Fatalf("seed %d: the library does not open it: %v\n%.4000s", seed, err, doc.Source())
		}
		if !sealtest.Same(parse(t, clear).Root(), c.Want) {
			t.Fatalf("seed %d: the library reads other values:\n%.4000s", seed, clear)
		}
		ours, err := seal.Open(t.Context(), doc, k)
		if err != nil {
			t.Fatalf("seed %d: open: %v", seed, err)
		}
		if !tree.Equal(ours, c.Want) {
			t.Fatalf("seed %d: opened here, the values are not exactly those that were set", seed)
		}
	}
}

// rules are the ways in which the library selects what it encrypts.
var rules = map[string]func(*sops.Metadata){
	"encrypted_regex": func(m *sops.Metadata) {
		m.EncryptedRegex, m.MACOnlyEncrypted = "^(token|api_key|pässwörd|🔑|always)$", true
	},
	"encrypted_regex, mac over all":    func(m *sops.Metadata) { m.EncryptedRegex = "^(token|api_key|always)$" },
	"everything":                       func(m *sops.Metadata) { m.UnencryptedSuffix = sops.DefaultUnencryptedSuffix },
	"everything, mac_only_encrypted":   func(m *sops.Metadata) { m.UnencryptedSuffix, m.MACOnlyEncrypted = sops.DefaultUnencryptedSuffix, true },
	"encrypted_suffix, mac over all":   func(m *sops.Metadata) { m.EncryptedSuffix = "e" },
	"unencrypted_regex, mac over all":  func(m *sops.Metadata) { m.UnencryptedRegex = "^(name|url|on)$" },
	"unencrypted_regex, mac encrypted": func(m *sops.Metadata) { m.UnencryptedRegex, m.MACOnlyEncrypted = "^(name|url|on)$", true },
}

// encrypt has the library encrypt a file.
func encrypt(t *testing.T, src []byte, recipient string, choose func(*sops.Metadata)) ([]byte, error) {
	t.Helper()
	store := sopsyaml.NewStore(&config.YAMLStoreConfig{})
	branches, err := store.LoadPlainFile(src)
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	key, err := sopsage.MasterKeyFromRecipient(recipient)
	if err != nil {
		t.Fatal(err)
	}
	file := sops.Tree{Branches: branches, Metadata: sops.Metadata{KeyGroups: []sops.KeyGroup{{key}}, Version: "3.13.3"}}
	choose(&file.Metadata)
	dataKey, errs := file.GenerateDataKey()
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	cipher := aes.NewCipher()
	mac, err := file.Encrypt(dataKey, cipher)
	if err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	file.Metadata.LastModified = time.Now().UTC()
	if file.Metadata.MessageAuthenticationCode, err = cipher.Encrypt(mac, dataKey, file.Metadata.LastModified.Format(time.RFC3339)); err != nil {
		t.Fatal(err)
	}
	return store.EmitEncryptedFile(file)
}

// TestWeOpenTheLibrarys opens random files that the library encrypted, in each of its ways to select values.
func TestWeOpenTheLibrarys(t *testing.T) {
	recipient, k := identity(t)
	for name, choose := range rules {
		t.Run(name, func(t *testing.T) {
			opened := 0
			for seed := range uint64(60) {
				c := random(t, 1000+seed)
				plain, err := yamldoc.New("f.yaml", c.Want)
				if err != nil {
					t.Fatal(err)
				}
				sealed, err := encrypt(t, plain.Source(), recipient, choose)
				if err != nil {
					t.Fatalf("seed %d: %v\n%.4000s", seed, err, plain.Source())
				}
				theirs, err := decrypt.Data(sealed, "yaml")
				if err != nil {
					// The library does not open all that it writes.
					t.Logf("seed %d: the library does not open its own file: %v", seed, err)
					continue
				}
				ours, err := seal.Open(t.Context(), parse(t, sealed), k)
				if err != nil {
					t.Fatalf("seed %d: open: %v\n%.4000s", seed, err, sealed)
				}
				if !sealtest.Same(ours, parse(t, theirs).Root()) || !sealtest.Same(ours, c.Want) {
					t.Fatalf("seed %d: other values than the library's:\n%.4000s", seed, theirs)
				}
				opened++
			}
			if opened < 50 {
				t.Errorf("only %d files were compared", opened)
			}
		})
	}
}

// TestLibraryOpensRekeyed goes to new data keys and back and forth between the two.
func TestLibraryOpensRekeyed(t *testing.T) {
	recipient, k := identity(t)
	other, _, err := func() (string, *seal.Keyring, error) {
		_, r, err := seal.GenerateIdentity()
		return r, nil, err
	}()
	if err != nil {
		t.Fatal(err)
	}
	for name, choose := range rules {
		c := random(t, 7)
		plain, err := yamldoc.New("f.yaml", c.Want)
		if err != nil {
			t.Fatal(err)
		}
		sealed, err := encrypt(t, plain.Source(), recipient, choose)
		if err != nil {
			t.Fatal(err)
		}
		for _, newKey := range []bool{false, true} {
			doc, err := seal.Rekey(t.Context(), parse(t, sealed), seal.AccessOf(other, recipient), k, newKey, time.Now())
			if err != nil {
				t.Fatalf("%s: rekey: %v", name, err)
			}
			before, err := decrypt.Data(sealed, "yaml")
			if err != nil {
				t.Fatal(err)
			}
			after, err := decrypt.Data(doc.Source(), "yaml")
			if err != nil {
				t.Fatalf("%s, new data key %v: the library does not open it: %v", name, newKey, err)
			}
			if !bytes.Equal(before, after) {
				t.Errorf("%s, new data key %v: the library reads other values", name, newKey)
			}
		}
	}
}
