package publish_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"golang.org/x/crypto/ssh"

	"github.com/llm-devops/lcm/pkg/bundle"
	"github.com/llm-devops/lcm/pkg/publish"
	"github.com/llm-devops/lcm/pkg/publish/mem"
	"github.com/llm-devops/lcm/pkg/publish/publishtest"
	"github.com/llm-devops/lcm/pkg/tree"
)

// commits stand for a history: each is the ancestor of those after it.
var commits = []string{strings.Repeat("a", 40), strings.Repeat("b", 40), strings.Repeat("c", 40)}

func ancestor(_ context.Context, older, newer string) (bool, error) { return older <= newer, nil }

var acme = bundle.Unit{Tenant: "acme", Environment: "production"}

// world is a target with all that is needed to publish to it and to read from it.
type world struct {
	target   publish.Target
	opts     publish.Options
	identity *age.X25519Identity
}

// newWorld gives a world. Without secrets, they travel sealed.
func newWorld(tb testing.TB, store publish.Store, secrets publish.SecretStore) *world {
	tb.Helper()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		tb.Fatal(err)
	}
	return keyedWorld(tb, store, secrets, bytes.Repeat([]byte{7}, ed25519.SeedSize), identity)
}

func keyedWorld(tb testing.TB, store publish.Store, secrets publish.SecretStore, seed []byte, identity *age.X25519Identity) *world {
	tb.Helper()
	signer, allowed := newSigner(tb, seed)
	return &world{
		target: publish.Target{Name: "test", Store: store, Secrets: secrets, Layout: bundle.Layout{Prefix: "lcm", VaultPrefix: "lcm"}},
		opts: publish.Options{
			Signer: signer, Allowed: allowed, Ancestor: ancestor,
			Seal:     seal,
			Now:      func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) },
			Patience: publish.Patience{Request: 2 * time.Second, Total: 10 * time.Second},
		},
		identity: identity,
	}
}

func newSigner(tb testing.TB, seed []byte) (bundle.Signer, *bundle.AllowedSigners) {
	tb.Helper()
	key := ed25519.NewKeyFromSeed(seed)
	signer, err := bundle.NewSigner(key)
	if err != nil {
		tb.Fatal(err)
	}
	pub, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		tb.Fatal(err)
	}
	allowed, err := bundle.ParseAllowedSigners("allowed_signers", append([]byte("alice@example.com "), ssh.MarshalAuthorizedKey(pub)...))
	if err != nil {
		tb.Fatal(err)
	}
	return signer, allowed
}

// seal is the standard age file format, by its own library.
func seal(recipients []string, plaintext []byte) ([]byte, error) {
	to, err := age.ParseRecipients(strings.NewReader(strings.Join(recipients, "\n")))
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	w, err := age.Encrypt(&b, to...)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(plaintext); err != nil {
		return nil, err
	}
	err = w.Close()
	return b.Bytes(), err
}

func (w *world) open(_ context.Context, ciphertext []byte) ([]byte, error) {
	r, err := age.Decrypt(bytes.NewReader(ciphertext), w.identity)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func (w *world) readOptions() bundle.ReadOptions {
	o := bundle.ReadOptions{Layout: w.target.Layout, Allowed: w.opts.Allowed, OpenSealed: w.open}
	if w.target.Secrets != nil {
		o.Vault = w.target.Secrets
	}
	return o
}

// input gives a version of a unit: four namespaces, three with secrets, all of whose values name the version.
func (w *world) input(unit bundle.Unit, version string, commit int) bundle.Input {
	in := bundle.Input{
		Tenant: unit.Tenant, Environment: unit.Environment, Commit: commits[commit],
		Recipients: []string{w.identity.Recipient().String()},
	}
	for i, name := range []string{"gateway", "inference", "prompts", "router"} {
		fields := []tree.Field{
			{Key: "version", Value: tree.NewString(version)},
			{Key: "constant", Value: tree.NewString("stays")},
		}
		if i > 0 {
			fields = append(fields, tree.Field{Key: "api_key", Value: hidden("key of " + version)})
		}
		in.Namespaces = append(in.Namespaces, bundle.Namespace{
			Name: name, Module: name + "-module", SchemaDigest: "sha256:1", Tree: tree.NewMap(fields...), SecretsInput: "input of " + version,
		})
	}
	return in
}

func hidden(text string) *tree.Node {
	n := tree.NewString(text)
	n.Secret = true
	return n
}

// publish plans and applies.
func (w *world) publish(ctx context.Context, inputs ...bundle.Input) (*publish.Plan, *publish.Result, error) {
	plan, err := publish.NewPlan(ctx, inputs, w.target, w.opts)
	if err != nil {
		return nil, nil, err
	}
	result, err := publish.Apply(ctx, plan, nil)
	return plan, result, err
}

func (w *world) mustPublish(tb testing.TB, inputs ...bundle.Input) (*publish.Plan, *publish.Result) {
	tb.Helper()
	plan, result, err := w.publish(tb.Context(), inputs...)
	if err != nil {
		tb.Fatal(err)
	}
	return plan, result
}

// version reads a unit as a consumer would, and gives the one version that all of it is of; "" if nothing is published.
func (w *world) version(tb testing.TB, unit bundle.Unit) (version string, serial int64) {
	tb.Helper()
	got, err := bundle.Read(tb.Context(), w.target.Store, unit, w.readOptions())
	if err != nil {
		tb.Fatalf("read %s: %v", unit, err)
	}
	for name, root := range got.Trees {
		v := root.Field("version").Text()
		if version != "" && v != version {
			tb.Fatalf("%s is mixed: %s and %s", unit, version, v)
		}
		version = v
		if key := root.Field("api_key"); name != "gateway" && (key == nil || !key.Secret || key.Reveal() != "key of "+v) {
			tb.Fatalf("%s/%s: the secret is not that of version %s", unit, name, v)
		}
	}
	if len(got.Trees) != 4 {
		tb.Fatalf("%s has %d namespaces, want 4", unit, len(got.Trees))
	}
	return version, got.Manifest.Serial
}

func (w *world) wantVersion(tb testing.TB, unit bundle.Unit, want string, serial int64) {
	tb.Helper()
	if version, s := w.version(tb, unit); version != want || s != serial {
		tb.Errorf("%s is version %q with serial %d, want %q with %d", unit, version, s, want, serial)
	}
}

// carriers runs a test with secrets in a vault, and sealed.
func carriers(t *testing.T, run func(t *testing.T, w *world)) {
	t.Helper()
	t.Run("vault", func(t *testing.T) { run(t, newWorld(t, &mem.Store{}, &mem.Secrets{})) })
	t.Run("sealed", func(t *testing.T) { run(t, newWorld(t, &mem.Store{}, nil)) })
}

// exactTree gives the texts that must not change as values, plain or secret: numbers as numbers too.
func exactTree(secret bool) *tree.Node {
	var fields []tree.Field
	add := func(key string, n *tree.Node) {
		n.Secret = secret
		fields = append(fields, tree.Field{Key: key, Value: n})
	}
	for key, text := range publishtest.Exact() {
		add(key, tree.NewString(text))
		if n, err := tree.NewNumber(text); err == nil && (secret || tree.IsJSONNumber(text)) {
			add(key+"_number", n)
		}
	}
	add("flag", tree.NewBool(true))
	return tree.NewMap(fields...)
}

func (w *world) String() string { return fmt.Sprint(w.target.Store) }
