package seal_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/seal/sealtest"
	"github.com/llm-devops/lcm/pkg/tree"
)

// Whatever a file holds: its text opens to what it holds, and comes back byte for byte.
func TestResealRandomFiles(t *testing.T) {
	identity, recipient, err := seal.GenerateIdentity()
	if err != nil {
		t.Fatal(err)
	}
	k := seal.NewKeyring(seal.KeyringOptions{Home: t.TempDir(), Getenv: func(name string) string {
		return map[string]string{"SOPS_AGE_KEY": identity.Reveal()}[name]
	}})
	o := seal.Options{Access: seal.AccessOf(recipient), Keyring: k, Now: time.Unix(1_700_000_000, 0)}
	none := func(tree.Path) bool { return false }
	for i := range uint64(300) {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			made, err := sealtest.New(rand.New(rand.NewPCG(i, 29)))
			if err != nil {
				t.Fatal(err)
			}
			sealed, err := seal.Edit(t.Context(), made.Plain, made.Secrets, o)
			if err != nil {
				t.Fatal(err)
			}
			text, err := seal.Unsealed(t.Context(), sealed, k)
			if err != nil {
				t.Fatal(err)
			}
			if !sealtest.Same(text.Root(), made.Want) {
				t.Errorf("the text holds something else:\n%.2000s", text.Source())
			}
			back, err := seal.Reseal(t.Context(), sealed, text, none, o)
			if err != nil || !bytes.Equal(back.Source(), sealed.Source()) {
				if err != nil {
					t.Fatal(err)
				}
				was, is := strings.Split(string(sealed.Source()), "\n"), strings.Split(string(back.Source()), "\n")
				for j := range min(len(was), len(is)) {
					if was[j] != is[j] {
						t.Fatalf("the text comes back as another file from line %d on:\n%.200s\n%.200s", j+1, was[j], is[j])
					}
				}
			}
		})
	}
}
