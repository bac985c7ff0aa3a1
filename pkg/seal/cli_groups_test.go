//go:build integration

package seal_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/seal/sealtest"
	"github.com/llm-devops/lcm/pkg/tree"
)

// TestSopsCLIInGroups has the sops CLI and this package open and change each other's files with key groups, in turns.
func TestSopsCLIInGroups(t *testing.T) {
	c := newCLI(t)
	var recipients, files []string
	for i := range 4 {
		id, recipient, err := seal.GenerateIdentity()
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(c.dir, fmt.Sprintf("key%d.txt", i))
		if err := seal.SaveIdentity(path, id, recipient, time.Now()); err != nil {
			t.Fatal(err)
		}
		recipients, files = append(recipients, recipient), append(files, path)
	}
	use := func(keys ...int) *seal.Keyring {
		var all []byte
		for _, k := range keys {
			data, err := os.ReadFile(files[k])
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, data...)
		}
		c.write("keys.txt", all)
		c.keyring = seal.NewKeyring(seal.KeyringOptions{
			Getenv: func(v string) string {
				return map[string]string{"SOPS_AGE_KEY_FILE": filepath.Join(c.dir, "keys.txt")}[v]
			}, Home: c.dir, ConfigDir: c.dir,
		})
		return c.keyring
	}
	made, err := sealtest.New(rand.New(rand.NewPCG(3, 4)))
	if err != nil {
		t.Fatal(err)
	}
	access := seal.Access{Groups: [][]string{{recipients[0], recipients[1]}, {recipients[2]}, {recipients[3]}}, Threshold: 2}
	doc, err := seal.Edit(t.Context(), made.Plain, made.Secrets, seal.Options{Access: access, Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	c.write("f.yaml", doc.Source())
	both := func(step string, want *tree.Node) {
		t.Helper()
		for _, keys := range [][]int{{0, 2}, {1, 3}, {2, 3}, {0, 1, 2, 3}} {
			use(keys...)
			c.check(fmt.Sprintf("%s, keys %v", step, keys), want)
		}
		for _, keys := range [][]int{{0}, {0, 1}, {3}} {
			k := use(keys...)
			if _, err := c.sops(nil, "decrypt", "f.yaml"); err == nil {
				t.Errorf("%s: sops opens it with keys %v", step, keys)
			}
			if _, err := seal.Open(t.Context(), c.doc("f.yaml"), k); !isMissing(err) {
				t.Errorf("%s: opened here with keys %v: %v", step, keys, err)
			}
		}
		use(0, 2)
	}
	both("sealed here", made.Want)

	c.mustSops(nil, "rotate", "--in-place", "f.yaml")
	both("rotated by sops", made.Want)
	c.mustSops(nil, "set", "f.yaml", `["token"]`, `"set by sops"`)
	both("set by sops", nil)

	doc, err = seal.Edit(t.Context(), c.doc("f.yaml"), []seal.Change{{Path: tree.Keys("token"), Value: tree.NewString("here"), Secret: true}},
		seal.Options{Keyring: c.keyring, Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	c.write("f.yaml", doc.Source())
	both("set here", nil)

	// A rule with groups, for sops to encrypt and to update by.
	c.write(".sops.yaml", fmt.Appendf(nil, "creation_rules:\n  - encrypted_regex: ^(a)$\n    mac_only_encrypted: true\n    shamir_threshold: 2\n    key_groups:\n"+
		"      - age: [%s, %s]\n      - age: [%s]\n      - age: [%s]\n", recipients[0], recipients[1], recipients[2], recipients[3]))
	doc, err = seal.Rekey(t.Context(), c.doc("f.yaml"), seal.Access{Groups: access.Groups[1:], Threshold: 2}, c.keyring, true, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	c.write("f.yaml", doc.Source())
	use(2, 3)
	c.mustSops(nil, "updatekeys", "--yes", "f.yaml")
	both("updated by sops", nil)
	c.write("f.yaml", []byte("a: secret\nb: plain\n"))
	c.mustSops(nil, "encrypt", "--in-place", "f.yaml")
	both("encrypted by sops", nil)
	doc, err = seal.Rekey(t.Context(), c.doc("f.yaml"), seal.Access{Groups: [][]string{{recipients[1], recipients[0]}, {recipients[3]}, {recipients[2]}}, Threshold: 2},
		c.keyring, true, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	c.write("f.yaml", doc.Source())
	both("rekeyed here", nil)
}

func isMissing(err error) bool {
	_, ok := errors.AsType[*seal.NoIdentityError](err)
	return ok
}
