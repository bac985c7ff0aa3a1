package bundle_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/llm-devops/lcm/pkg/bundle"
	"github.com/llm-devops/lcm/pkg/diag"
)

func write(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func opensshKey(t *testing.T, k any) []byte {
	t.Helper()
	block, err := ssh.MarshalPrivateKey(k, "")
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(block)
}

func keygen(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ssh-keygen", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("ssh-keygen %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// lockedKey gives a key with the passphrase "open sesame", stretched as little as possible: the tests should be fast.
func lockedKey(t *testing.T, k any) []byte {
	t.Helper()
	path := write(t, "id", opensshKey(t, k))
	keygen(t, "-q", "-p", "-P", "", "-N", "open sesame", "-a", "1", "-f", path)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// startAgent serves an agent that holds some keys.
func startAgent(t *testing.T, keys ...any) string {
	t.Helper()
	ring := agent.NewKeyring()
	for _, k := range keys {
		if err := ring.Add(agent.AddedKey{PrivateKey: k}); err != nil {
			t.Fatal(err)
		}
	}
	socket := filepath.Join(t.TempDir(), "agent")
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_ = agent.ServeAgent(ring, conn)
				_ = conn.Close()
			}()
		}
	}()
	return socket
}

func asking(phrases ...string) func(context.Context, string) ([]byte, error) {
	return func(context.Context, string) ([]byte, error) {
		if len(phrases) == 0 {
			return nil, errors.New("asked too often")
		}
		next := phrases[0]
		phrases = phrases[1:]
		return []byte(next), nil
	}
}

func TestLoadSigner(t *testing.T) {
	pub := authorized(t, key(1).Public())
	k := key(1)
	plain, locked := opensshKey(t, &k), lockedKey(t, &k)
	pair := write(t, "id", plain)
	if err := os.WriteFile(pair+".pub", []byte(pub+" comment\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	socket := startAgent(t, &k)
	for name, c := range map[string]struct {
		key     string
		options bundle.SignerOptions
	}{
		"private file":        {write(t, "id", plain), bundle.SignerOptions{}},
		"public file":         {pair + ".pub", bundle.SignerOptions{}},
		"public file, agent":  {write(t, "id.pub", []byte(pub)), bundle.SignerOptions{AgentSocket: socket}},
		"literal, agent":      {"key::" + pub, bundle.SignerOptions{AgentSocket: socket}},
		"bare literal, agent": {pub, bundle.SignerOptions{AgentSocket: socket}},
		"passphrase":          {write(t, "id", locked), bundle.SignerOptions{Passphrase: asking("wrong", "open sesame")}},
		"passphrase, agent":   {write(t, "id", locked), bundle.SignerOptions{AgentSocket: socket}},
		"private, dead agent": {write(t, "id", plain), bundle.SignerOptions{AgentSocket: "/nonexistent"}},
		"public, empty agent": {pair + ".pub", bundle.SignerOptions{AgentSocket: startAgent(t)}},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := bundle.LoadSigner(t.Context(), c.key, c.options)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := bundle.Verify(t.Context(), sign(t, manifest(), s), allow(t, "alice "+pub)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestLoadSignerRefuses(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k := key(1)
	pub := authorized(t, k.Public())
	locked := lockedKey(t, &k)
	for name, c := range map[string]struct {
		key     string
		options bundle.SignerOptions
		hint    string
	}{
		"ecdsa":            {write(t, "id", opensshKey(t, ec)), bundle.SignerOptions{}, "ssh-keygen -t ed25519"},
		"ecdsa in agent":   {authorized(t, ec.Public()), bundle.SignerOptions{AgentSocket: startAgent(t, ec)}, "ssh-keygen -t ed25519"},
		"nobody to ask":    {write(t, "id", locked), bundle.SignerOptions{}, "ssh-add"},
		"wrong passphrase": {write(t, "id", locked), bundle.SignerOptions{Passphrase: asking("a", "b", "c")}, ""},
		"no private key":   {write(t, "id.pub", []byte(pub)), bundle.SignerOptions{}, "ssh-add"},
		"not in agent":     {pub, bundle.SignerOptions{AgentSocket: startAgent(t)}, "ssh-add"},
		"no file":          {"/nonexistent/id", bundle.SignerOptions{}, ""},
		"garbage":          {write(t, "id", []byte("garbage")), bundle.SignerOptions{}, ""},
		"huge":             {write(t, "id", make([]byte, 1<<20)), bundle.SignerOptions{}, ""},
		"bad literal":      {"key::ssh-ed25519 AAAA", bundle.SignerOptions{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := bundle.LoadSigner(t.Context(), c.key, c.options)
			if err == nil || s != nil || !strings.Contains(diag.HintOf(err), c.hint) {
				t.Errorf("%v, %v, hint %q", s, err, diag.HintOf(err))
			}
		})
	}
}

// An agent that hangs ends with the context.
func TestSilentAgent(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "agent")
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := bundle.LoadSigner(ctx, authorized(t, key(1).Public()), bundle.SignerOptions{AgentSocket: socket}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("it took %s", took)
	}
}

// Keys made by the real ssh-keygen load, and the key id is the fingerprint it prints.
func TestRealKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "id")
	keygen(t, "-q", "-t", "ed25519", "-N", "open sesame", "-a", "1", "-f", path)
	s, err := bundle.LoadSigner(t.Context(), path, bundle.SignerOptions{Passphrase: asking("open sesame")})
	if err != nil {
		t.Fatal(err)
	}
	id, err := s.KeyID()
	if printed := keygen(t, "-l", "-f", path); err != nil || !strings.Contains(printed, id) {
		t.Errorf("key id %s, ssh-keygen prints %s", id, printed)
	}
}
