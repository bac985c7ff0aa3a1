package seal

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"io"
	"math/big"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"filippo.io/age"
	"filippo.io/age/agessh"
)

func TestWhatWasReadLastIsOverwritten(t *testing.T) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	var sealed bytes.Buffer
	if err := encryptAge(&sealed, []byte("s3cr3t"), id.Recipient()); err != nil {
		t.Fatal(err)
	}
	r, err := age.Decrypt(&sealed, id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(r); err != nil {
		t.Fatal(err)
	}
	const secret = "115 51 99 114 51 116" // s3cr3t
	if !strings.Contains(fmt.Sprintf("%v", r), secret) {
		t.Fatal("the reader does not show what it read")
	}
	if zero(r); strings.Contains(fmt.Sprintf("%v", r), secret) {
		t.Error("something is left of what was read")
	}
}

func TestADataKeyIsWiped(t *testing.T) {
	key, err := newDataKey()
	if err != nil {
		t.Fatal(err)
	}
	raw, block, aead := key.raw, key.block, key.aead
	sealed := key.seal([]byte("x"), typeStr, "a:")
	key.wipe()
	key.wipe()
	(*dataKey)(nil).wipe()
	for what, bytes := range map[string]any{"key": raw, "block": block, "aead": aead} {
		if text := strings.Trim(fmt.Sprintf("%v", bytes), "&[]{} 0"); text != "" {
			t.Errorf("%s: %s is left", what, text)
		}
	}
	if strings.Contains(sealed, "AAAAAAAAAAAAAAAAAAAAAA") {
		t.Error("sealed with nothing")
	}
}

func TestIdentitiesAreWiped(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	private, _ := sshPair(t, key, "")
	lines, public := sshPair(t, ed25519Key(t), "")
	id, r, err := GenerateIdentity()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	k := NewKeyring(KeyringOptions{Home: filepath.Join(dir, "home"), ConfigDir: filepath.Join(dir, "config"), Getenv: func(name string) string {
		return map[string]string{
			envSSHFile: writeFile(t, filepath.Join(dir, "rsa"), private),
			envKeyFile: writeFile(t, filepath.Join(dir, "keys.txt"), []byte(id.Reveal())),
			envSSHCmd:  "cat '" + writeFile(t, filepath.Join(dir, "ed25519"), lines) + "'",
		}[name]
	}})
	mustOpen(t, sealedTo(t, public), k)
	mustOpen(t, sealedTo(t, r), k)
	found := append(k.found[:len(k.found):len(k.found)], k.commands[0].cache[public].ids...)
	if len(found) != 3 {
		t.Fatalf("%d identities", len(found))
	}
	k.Forget()
	for _, id := range found {
		switch key := id.key.(ready).Identity.(type) {
		case *age.X25519Identity, *agessh.Ed25519Identity: // dropped: the library keeps the key to itself
		case rsaKey:
			for _, n := range append([]*big.Int{key.key.D, key.key.Precomputed.Dp}, key.key.Primes...) {
				for _, word := range n.Bits() {
					if word != 0 {
						t.Fatalf("%s is left", id.where)
					}
				}
			}
		default:
			t.Errorf("%s is a %T", id.where, key)
		}
	}
	if k.found != nil || k.own != nil || k.commands != nil {
		t.Error("the keyring still has identities")
	}
	// What is forgotten is found again.
	mustOpen(t, sealedTo(t, r), k)
	mustOpen(t, sealedTo(t, public), k)
}

func TestAPassphraseIsAskedForAgain(t *testing.T) {
	private, public := sshPair(t, ed25519Key(t), "open sesame")
	asked := 0
	k := env(t, map[string]string{envSSHFile: writeFile(t, filepath.Join(t.TempDir(), "id"), private)}, func(context.Context, string) ([]byte, error) {
		asked++
		return []byte("open sesame"), nil
	})
	for range 3 {
		mustOpen(t, sealedTo(t, public), k)
		mustOpen(t, sealedTo(t, public), k)
		k.Forget()
	}
	if asked != 3 {
		t.Errorf("asked %d times", asked)
	}
}

func TestReadAll(t *testing.T) {
	for _, size := range []int{0, 1, 63, 64, 65, 1000} {
		data := bytes.Repeat([]byte("x"), size)
		for _, expected := range []int{0, size, 2000} {
			for _, limit := range []int{size, size + 1, 5000} {
				got, err := readAll(iotest.OneByteReader(bytes.NewReader(data)), expected, limit)
				if err != nil || !bytes.Equal(got, data) {
					t.Errorf("%d bytes, %d expected, %d at most: %d, %v", size, expected, limit, len(got), err)
				}
			}
		}
		if size > 0 {
			if got, err := readAll(bytes.NewReader(data), 0, size-1); err != nil || len(got) != size {
				t.Errorf("%d bytes of at most %d: %d, %v", size, size-1, len(got), err)
			}
		}
	}
	if _, err := readAll(iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("xx"))), 0, 10); err == nil {
		t.Error("a fault of the reader is lost")
	}
}

func TestOutput(t *testing.T) {
	if out, err := output(exec.CommandContext(t.Context(), "sh", "-c", "echo key; echo note >&2")); err != nil || string(out) != "key\n" {
		t.Errorf("%q, %v", out, err)
	}
	if out, err := output(exec.CommandContext(t.Context(), "sh", "-c", "echo key; echo wrong >&2; exit 3")); err == nil || out != nil {
		t.Errorf("%q", out)
	} else if exit, ok := err.(*exec.ExitError); !ok || string(exit.Stderr) != "wrong\n" || exit.ExitCode() != 3 { //nolint:errorlint // it is given bare
		t.Errorf("%v", err)
	}
	if _, err := output(exec.CommandContext(t.Context(), "yes")); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("without an end: %v", err)
	}
	if _, err := output(exec.CommandContext(t.Context(), "no-such-program")); err == nil {
		t.Error("started what is not there")
	}
}
