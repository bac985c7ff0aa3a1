//go:build integration

package publish_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"filippo.io/age"

	"github.com/llm-devops/lcm/pkg/bundle"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/publish"
	"github.com/llm-devops/lcm/pkg/publish/publishtest"
	"github.com/llm-devops/lcm/pkg/publish/publishtest/servers"
	"github.com/llm-devops/lcm/pkg/publish/vault"
)

// The variables that turn this test binary into a publisher that kills itself.
const (
	envTarget   = "LCM_TEST_KILL_TARGET" // "dir" and its path, or "servers" or "vault" and their addresses
	envPrefix   = "LCM_TEST_KILL_PREFIX"
	envIdentity = "LCM_TEST_KILL_IDENTITY"
	envAt       = "LCM_TEST_KILL_AT"     // the request to die at
	envEffect   = "LCM_TEST_KILL_EFFECT" // "true" to die after it took effect
)

const bucket = "lcm"

var seed = bytes.Repeat([]byte{9}, ed25519.SeedSize)

// TestKilledPublisher is no test of its own: it is the process that TestKill starts.
func TestKilledPublisher(t *testing.T) {
	spec := os.Getenv(envTarget)
	if spec == "" {
		return
	}
	at, err := strconv.Atoi(os.Getenv(envAt))
	if err != nil {
		t.Fatal(err)
	}
	identity, err := age.ParseX25519Identity(os.Getenv(envIdentity))
	if err != nil {
		t.Fatal(err)
	}
	w := openSpec(t, spec, os.Getenv(envPrefix), identity)
	die := func(n int, _ string) error {
		if n == at {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
		return nil
	}
	f := &publishtest.Faulty{At: die}
	if os.Getenv(envEffect) == "true" {
		f = &publishtest.Faulty{After: die}
	}
	w.faulty(f).mustPublish(t, w.input(acme, "two", 1))
}

// openSpec gives the world that a spec describes.
func openSpec(t *testing.T, spec, prefix string, identity *age.X25519Identity) *world {
	t.Helper()
	parts := strings.Fields(spec)
	var w *world
	switch parts[0] {
	case "dir":
		w = keyedWorld(t, openDir(t, parts[1]), nil, seed, identity)
	case "vault":
		v := &servers.Vault{Address: parts[1], RootToken: parts[2]}
		store := v.Open(t, "secret", v.RootToken)
		w = keyedWorld(t, vault.Objects(store), store, seed, identity)
	default:
		s3 := &servers.S3{Endpoint: parts[1], AccessKey: parts[2], SecretKey: parts[3]}
		v := &servers.Vault{Address: parts[4], RootToken: parts[5]}
		w = keyedWorld(t, s3.Open(t, bucket), v.Open(t, "secret", v.RootToken), seed, identity)
	}
	w.target.Layout = bundle.Layout{Prefix: prefix, VaultPrefix: prefix}
	return w
}

func newIdentity(t *testing.T) *age.X25519Identity {
	t.Helper()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return identity
}

// startServers starts a store and a vault.
func startServers(t *testing.T) (*servers.S3, *servers.Vault, string) {
	t.Helper()
	s3, v := servers.StartS3(t), servers.StartVault(t)
	s3.MakeBucket(t, bucket)
	return s3, v, strings.Join([]string{"servers", s3.Endpoint, s3.AccessKey, s3.SecretKey, v.Address, v.RootToken}, " ")
}

// kill -9 at every request, before it and after it took effect, leaves a whole version, and the next run completes.
func TestKill(t *testing.T) {
	t.Run("directory", func(t *testing.T) {
		path := t.TempDir()
		killEverywhere(t, "dir "+path)
	})
	t.Run("servers", func(t *testing.T) {
		_, _, spec := startServers(t)
		killEverywhere(t, spec)
	})
	t.Run("vault alone", func(t *testing.T) {
		v := servers.StartVault(t)
		killEverywhere(t, "vault "+v.Address+" "+v.RootToken)
	})
}

func killEverywhere(t *testing.T, spec string) {
	t.Helper()
	identity := newIdentity(t)
	count := &publishtest.Faulty{}
	w := openSpec(t, spec, "count", identity)
	w.mustPublish(t, w.input(acme, "one", 0))
	w.faulty(count).mustPublish(t, w.input(acme, "two", 1))
	n := count.Count()
	if n < 12 {
		t.Fatalf("only %d requests were seen", n)
	}
	for k := 1; k <= n; k++ {
		for _, effect := range []bool{false, true} {
			prefix := fmt.Sprintf("kill-%d-%t", k, effect)
			w := openSpec(t, spec, prefix, identity)
			w.mustPublish(t, w.input(acme, "one", 0))

			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledPublisher$") //nolint:gosec // this binary
			cmd.Env = append(os.Environ(), envTarget+"="+spec, envPrefix+"="+prefix, envIdentity+"="+identity.String(),
				envAt+"="+strconv.Itoa(k), envEffect+"="+strconv.FormatBool(effect))
			out, err := cmd.CombinedOutput()
			exit, ok := errors.AsType[*exec.ExitError](err)
			if !ok || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
				t.Fatalf("the publisher was not killed at request %d: %v\n%s", k, err, out)
			}

			want := "one"
			if effect && k == n { // the pointer is replaced last
				want = "two"
			}
			if version, _ := w.version(t, acme); version != want {
				t.Fatalf("killed at request %d of %d, effect %t: version %s, want %s", k, n, effect, version, want)
			}
			w.mustPublish(t, w.input(acme, "two", 1))
			if version, serial := w.version(t, acme); version != "two" || serial <= 1 {
				t.Fatalf("killed at request %d, effect %t, and run again: version %s, serial %d", k, effect, version, serial)
			}
		}
	}
}

func TestRacingOnServers(t *testing.T) {
	_, _, spec := startServers(t)
	identity := newIdentity(t)
	racePublishers(t, openSpec(t, spec, "race", identity), openSpec(t, spec, "race", identity), 20)
}

func TestRacingOnDirectory(t *testing.T) {
	spec, identity := "dir "+t.TempDir(), newIdentity(t)
	racePublishers(t, openSpec(t, spec, "race", identity), openSpec(t, spec, "race", identity), 20)
}

func TestExactOnServers(t *testing.T) {
	_, v, spec := startServers(t)
	w := openSpec(t, spec, "exact", newIdentity(t))
	testExact(t, w)
	// As any other client of the vault sees them.
	answer, _ := v.Do(t, http.MethodGet, "secret/data/exact/acme/production/secret", nil)["data"].(map[string]any)
	fields, _ := answer["data"].(map[string]any)
	for key, want := range publishtest.Exact() {
		if fields[key] != want {
			t.Errorf("%s differs in the vault", key)
		}
	}
}

// readerPolicy lets one tenant's services read what is published for them, and publisherPolicy publish it.
const (
	readerPolicy    = `path "secret/data/%[1]s/%[2]s/*" { capabilities = ["read"] }`
	publisherPolicy = `path "secret/data/%[1]s/%[2]s/*" { capabilities = ["create", "read", "update"] }`
)

// With one tenant's token the other's secrets can be neither read nor written.
func TestTenantsAreApart(t *testing.T) {
	_, v, spec := startServers(t)
	identity := newIdentity(t)
	root := openSpec(t, spec, "apart", identity)
	globex := bundle.Unit{Tenant: "globex", Environment: "production"}
	root.mustPublish(t, root.input(acme, "one", 0), root.input(globex, "one", 0))

	as := func(name, policy string) *world {
		w := *root
		w.target.Secrets = v.Open(t, "secret", v.Token(t, name, fmt.Sprintf(policy, "apart", "acme")))
		return &w
	}
	reader, publisher := as("acme-reader", readerPolicy), as("acme-publisher", publisherPolicy)
	for _, w := range []*world{reader, publisher} {
		w.wantVersion(t, acme, "one", 1)
		_, err := bundle.Read(t.Context(), w.target.Store, globex, w.readOptions())
		if !errors.Is(err, publish.ErrPermission) || !strings.Contains(diag.HintOf(err), "apart/globex/production/") {
			t.Errorf("reading the other tenant: %v, hint %q", err, diag.HintOf(err))
		}
		if _, _, err := w.publish(t.Context(), w.input(globex, "two", 1)); !errors.Is(err, publish.ErrPermission) {
			t.Errorf("publishing for the other tenant: %v", err)
		}
	}
	if _, _, err := reader.publish(t.Context(), reader.input(acme, "two", 1)); !errors.Is(err, publish.ErrPermission) {
		t.Errorf("publishing with the reader's policy: %v", err)
	}
	publisher.mustPublish(t, publisher.input(acme, "two", 1))
	reader.wantVersion(t, acme, "two", 2)
	root.wantVersion(t, globex, "one", 1)
}
