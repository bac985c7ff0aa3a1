package seal

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

const plainSource = `# acme's inference service
model: gpt-4.1   # the default

providers:
  openai:
    url: https://api.openai.com/v1
    timeout: 30
routes: [{name: a, weight: 0.70}, {name: b, weight: 0.30}]
`

func TestFirstSecret(t *testing.T) {
	r, k := pair(t)
	o := Options{Access: AccessOf(r, r), SecretNames: []string{"token", "password", "name", "api_key"}, Now: now}
	doc := mustEdit(t, parse(t, plainSource), o, secretChange(t, "providers.openai.api_key", "sk-1"))
	src := string(doc.Source())
	before, block, ok := strings.Cut(src, "sops:\n")
	if !ok || !strings.HasPrefix(src, plainSource[:strings.Index(plainSource, "routes:")]) {
		t.Fatalf("the plain part changed:\n%s", src)
	}
	if strings.Contains(src, "sk-1") || !strings.Contains(before, "    api_key: ENC[AES256_GCM,data:") {
		t.Errorf("the secret is not encrypted:\n%s", before)
	}
	// Byte for byte what the sops CLI writes, but for what is random: "name" is left out, since it is a plain key here.
	lines := strings.Split(block, "\n")
	want := []string{"    age:", "        - enc: |", "            -----BEGIN AGE ENCRYPTED FILE-----"}
	if !slices.Equal(lines[:3], want) {
		t.Errorf("the block starts with %q", lines[:3])
	}
	i := slices.Index(lines, "            -----END AGE ENCRYPTED FILE-----")
	tail := lines[i+1:]
	tail[3] = tail[3][:min(len(tail[3]), 31)]
	want = []string{
		"          recipient: " + r, "    encrypted_regex: ^(api_key|password|token)$", `    lastmodified: "2025-11-21T10:30:00Z"`,
		"    mac: ENC[AES256_GCM,data:", "    mac_only_encrypted: true", "    version: 3.13.3", "",
	}
	want[3] = tail[3]
	if !slices.Equal(tail, want) || !strings.HasPrefix(tail[3], "    mac: ENC[AES256_GCM,data:") {
		t.Errorf("the block ends with %q", tail)
	}
	root := mustOpen(t, doc, k)
	if n := root.Get(path(t, "providers.openai.api_key")); !n.Secret || n.Sealed || n.Reveal() != "sk-1" {
		t.Errorf("opened: secret %v, sealed %v", n.Secret, n.Sealed)
	}
	if n := root.Get(path(t, "routes[0].weight")); n.Reveal() != "0.70" {
		t.Errorf("plain number became %s", n)
	}
	again := mustEdit(t, doc, Options{Now: now}, Change{Path: path(t, "providers.openai.api_key")})
	if string(again.Source()) != plainSource {
		t.Errorf("removing the only secret leaves\n%s", again.Source())
	}
}

func TestFirstSecretNeedsRecipients(t *testing.T) {
	_, err := Edit(t.Context(), parse(t, plainSource), []Change{secretChange(t, "token", "x")}, Options{Now: now})
	if err == nil || diag.HintOf(err) == "" {
		t.Errorf("sealed to nobody: %v", err)
	}
}

func TestPlainEditLeavesTheBlock(t *testing.T) {
	doc := fixture(t, "sops-encrypted-regex.yaml")
	// No keyring: a plain edit needs no key.
	done := mustEdit(t, doc, Options{Now: now}, plainChange(t, "replicas", "5"), plainChange(t, "routes[name=backup].weight", "0.10"),
		Change{Path: path(t, "words[0]")})
	removed, added := changedLines(doc.Source(), done.Source())
	if len(removed) != 2 || len(added) != 2 || strings.Contains(strings.Join(added, ""), "sops") {
		t.Errorf("removed %q, added %q", removed, added)
	}
	root := mustOpen(t, done, fixtureKeys(t))
	if reveal(t, root, "replicas") != "5" || reveal(t, root, "routes[1].weight") != "0.10" {
		t.Error("the plain edit did not arrive")
	}
}

func TestSecretEditChangesItsLineOnly(t *testing.T) {
	doc := fixture(t, "sops-encrypted-regex.yaml")
	k := fixtureKeys(t)
	done := mustEdit(t, doc, Options{Keyring: k, Now: now}, secretChange(t, "database.password", "correct horse"))
	removed, added := changedLines(doc.Source(), done.Source())
	if len(removed) != 3 || len(added) != 3 || !strings.Contains(added[0], "password: ENC[") ||
		added[1] != "    lastmodified: \"2025-11-21T10:30:00Z\"\n" || !strings.HasPrefix(added[2], "    mac: ENC[") {
		t.Errorf("removed %q\nadded %q", removed, added)
	}
	root := mustOpen(t, done, k)
	if reveal(t, root, "database.password") != "correct horse" || reveal(t, root, "database.port") != "5432" {
		t.Error("the secret edit did not arrive")
	}
	same := mustEdit(t, done, Options{Keyring: k, Now: now.Add(time.Hour)}, secretChange(t, "database.password", "correct horse"))
	if !bytes.Equal(same.Source(), done.Source()) {
		t.Error("setting the same value changed the file")
	}
	_, err := Edit(t.Context(), doc, []Change{secretChange(t, "database.password", "x")}, Options{Keyring: env(t, nil, nil), Now: now})
	if _, ok := errors.AsType[*NoIdentityError](err); !ok {
		t.Errorf("edited a secret without a key: %v", err)
	}
}

func TestSecretIsSecretWhateverTheChangeSays(t *testing.T) {
	doc := fixture(t, "sops-encrypted-regex.yaml")
	k := fixtureKeys(t)
	done := mustEdit(t, doc, Options{Keyring: k, Now: now}, plainChange(t, "database.password", "swordfish"),
		Change{Path: path(t, "extra"), Value: tree.NewMap(tree.Field{Key: "api_key", Value: tree.NewString("swordfish")}, tree.Field{Key: "n", Value: scalar("1")})})
	if bytes.Contains(done.Source(), []byte("swordfish")) {
		t.Fatalf("a field that the file encrypts is written in plain:\n%s", done.Source())
	}
	root := mustOpen(t, done, k)
	if reveal(t, root, "extra.api_key") != "swordfish" || reveal(t, root, "extra.n") != "1" {
		t.Error("the edit did not arrive")
	}
}

func TestNewSecretName(t *testing.T) {
	doc := fixture(t, "sops-encrypted-regex.yaml")
	k := fixtureKeys(t)
	o := Options{Keyring: k, Now: now, SecretNames: []string{"unrelated"}}
	done := mustEdit(t, doc, o, secretChange(t, "auth.client.secret", "s3cret"))
	m, err := Inspect(done)
	if err != nil || m.EncryptedRegex != "^(api_key|database|secret)$" {
		t.Fatalf("%+v, %v", m, err)
	}
	if got := reveal(t, mustOpen(t, done, k), "auth.client.secret"); got != "s3cret" {
		t.Errorf("opened %q", got)
	}

	_, err = Edit(t.Context(), doc, []Change{secretChange(t, "auth.name", "hidden")}, o)
	list, _ := errors.AsType[diag.List](err)
	if codes(err) != "seal-catches-plain name, seal-catches-plain routes[0].name, seal-catches-plain routes[1].name" {
		t.Fatalf("a name that catches plain values: %v", err)
	}
	if f := list[0]; f.Position.Line != 2 || !strings.Contains(f.Hint, "--secret name") || strings.Contains(err.Error(), "hidden") {
		t.Errorf("%s (hint %s)", f, f.Hint)
	}
	both := mustEdit(t, doc, o, secretChange(t, "auth.name", "hidden"), secretChange(t, "name", "inference"),
		secretChange(t, "routes[0].name", "primary"), secretChange(t, "routes[1].name", "backup"))
	root := mustOpen(t, both, k)
	if reveal(t, root, "auth.name") != "hidden" || reveal(t, root, "routes[1].name") != "backup" || bytes.Contains(both.Source(), []byte("backup")) {
		t.Error("secrets under a name that was plain")
	}
}

func TestRemoveSecrets(t *testing.T) {
	r, k := pair(t)
	o := Options{Access: AccessOf(r), Keyring: k, Now: now}
	doc := mustEdit(t, parse(t, plainSource), o, secretChange(t, "a.token", "one"), secretChange(t, "b.token", "two"))
	one := mustEdit(t, doc, o, Change{Path: path(t, "a")})
	if root := mustOpen(t, one, k); root.Field("a") != nil || reveal(t, root, "b.token") != "two" {
		t.Error("removing a map with a secret")
	}
	if _, err := Edit(t.Context(), doc, []Change{{Path: path(t, "a")}}, Options{Now: now}); err == nil {
		t.Error("a secret was removed without a key, though others stay")
	}
	replaced := mustEdit(t, doc, o, plainChange(t, "a", "gone"))
	if got := reveal(t, mustOpen(t, replaced, k), "a"); got != "gone" {
		t.Errorf("a map with a secret, replaced: %q", got)
	}
	none := mustEdit(t, one, Options{Now: now}, Change{Path: path(t, "b")})
	if string(none.Source()) != plainSource {
		t.Errorf("without secrets:\n%s", none.Source())
	}
	blank := mustEdit(t, one, o, secretChange(t, "b.token", `""`), Change{Path: path(t, "b.token"), Value: tree.NewString(""), Secret: true})
	if m, err := Inspect(blank); m != nil || err != nil {
		t.Errorf("the block stays though nothing is encrypted: %v", err)
	}
}

func TestValuesComeBackExactly(t *testing.T) {
	r, k := pair(t)
	o := Options{Access: AccessOf(r), Keyring: k, Now: now}
	for _, text := range []string{"x", "0.70", "1e-06", "18446744073709551616", "true", "12", "-3.25", "null", "no", "2025-11-21", "+5", "0x1F"} {
		doc := mustEdit(t, parse(t, "a: 1\n"), o, secretChange(t, "token", text))
		if text == "null" {
			continue
		}
		if got := reveal(t, mustOpen(t, doc, k), "token"); got != text {
			t.Errorf("%s comes back as %s", text, got)
		}
	}
	for _, text := range []string{"", " ", "line\nline\n", "\n", "\n\nx\n\n", "<<", "\t", "ENC[AES256_GCM,data:x]", sampleENC, "ünïcödé 🔑", strings.Repeat("long ", 20000), "a: b # c", "'\"", "\r\n"} {
		doc := mustEdit(t, parse(t, "a: 1\n"), o, Change{Path: path(t, "token"), Value: tree.NewString(text), Secret: true})
		if got := reveal(t, mustOpen(t, doc, k), "token"); got != text {
			t.Errorf("%.20q comes back as %.20q", text, got)
		}
	}
}

func TestDirectives(t *testing.T) {
	r, k := pair(t)
	o := Options{Access: AccessOf(r), Keyring: k, Now: now}
	tagged := scalar("42").Clone()
	tagged.Directive = tree.Override
	doc := mustEdit(t, parse(t, "a: 1\n"), o, Change{Path: path(t, "pin"), Value: tagged, Secret: true})
	if !bytes.Contains(doc.Source(), []byte("pin: !override ENC[")) {
		t.Errorf("no tag:\n%s", doc.Source())
	}
	n := mustOpen(t, doc, k).Field("pin")
	if n.Kind != tree.String || n.Reveal() != "42" || n.Directive != tree.Override {
		t.Errorf("a tagged secret opens as %s %v", n.Kind, n.Directive)
	}
	// The directive that stands there stays, and with it the type.
	doc = mustEdit(t, doc, o, secretChange(t, "pin", "43"))
	if n := mustOpen(t, doc, k).Field("pin"); n.Kind != tree.String || n.Reveal() != "43" || n.Directive != tree.Override {
		t.Errorf("set again, it opens as %s %v", n.Kind, n.Directive)
	}
	gone := tree.NewNull().Clone()
	gone.Directive = tree.Delete
	doc = mustEdit(t, doc, o, secretChange(t, "token", "x"), Change{Path: path(t, "pin"), Value: gone, Secret: true})
	if n := mustOpen(t, doc, k).Field("pin"); n.Directive != tree.Delete {
		t.Errorf("a tombstone opens as %s %v\n%s", n.Kind, n.Directive, doc.Source())
	}
}

func TestEditOfOtherLayouts(t *testing.T) {
	r, k := pair(t)
	o := Options{Access: AccessOf(r), Keyring: k, Now: now}
	for name, src := range map[string]string{
		"empty":              "",
		"comment only":       "# nothing yet\n",
		"no line break":      "a: 1",
		"windows":            "a: 1\r\nb: 2\r\n",
		"document start":     "---\na: 1\n",
		"document end":       "a: 1\n...\n",
		"in brackets":        "{a: 1, b: {c: d}}\n",
		"literal at the end": "a: |+\n  text\n\n\n",
		"comment at the end": "a: 1\n# the end\n",
		"flow map":           "a: {b: 1, c: [1, 2]}\n",
	} {
		doc := mustEdit(t, parse(t, src), o, secretChange(t, "s.token", "v1"))
		if strings.Contains(src, "{b") {
			doc = mustEdit(t, doc, o, secretChange(t, "a.token", "v,]2"))
		}
		doc = mustEdit(t, doc, o, secretChange(t, "s.token", "v3"), secretChange(t, "s.key", "v4"))
		if root := mustOpen(t, doc, k); reveal(t, root, "s.token") != "v3" || reveal(t, root, "s.key") != "v4" {
			t.Errorf("%s: %s", name, doc.Source())
		}
		if name == "windows" && bytes.Count(doc.Source(), []byte("\n")) != bytes.Count(doc.Source(), []byte("\r\n")) {
			t.Errorf("%s: mixed line endings: %q", name, doc.Source())
		}
	}
}

func TestHealingAPlaintextSecret(t *testing.T) {
	r, k := pair(t)
	o := Options{Access: AccessOf(r), Keyring: k, Now: now}
	doc := mustEdit(t, parse(t, "a: 1\n"), o, secretChange(t, "token", "x"))
	byHand := parse(t, "db:\n  token: by hand\n"+string(doc.Source()))
	if _, err := Edit(t.Context(), byHand, []Change{secretChange(t, "token", "y")}, o); codes(err) != "plaintext-secret db.token" {
		t.Errorf("sealed beside a plaintext secret: %v", err)
	}
	healed := mustEdit(t, byHand, o, secretChange(t, "db.token", "by hand"))
	if root := mustOpen(t, healed, k); reveal(t, root, "db.token") != "by hand" || reveal(t, root, "token") != "x" {
		t.Error("the healed file opens to other values")
	}
}

func TestEditRefuses(t *testing.T) {
	k := fixtureKeys(t)
	r, _ := pair(t)
	for _, c := range []struct {
		name, file string
		change     Change
		want       string
	}{
		{"mac over all, plain", "sops-regex-mac-all.yaml", plainChange(t, "replicas", "4"), "seal-unsupported sops"},
		{"mac over all, secret", "sops-default.yaml", secretChange(t, "database.password", "x"), "seal-unsupported sops"},
		{"other selection", "sops-unencrypted-regex.yaml", secretChange(t, "replicas", "4"), "seal-unsupported sops.unencrypted_regex"},
		{"the block", "sops-encrypted-regex.yaml", plainChange(t, "sops.version", "1"), "seal-reserved sops.version"},
	} {
		_, err := Edit(t.Context(), fixture(t, c.file), []Change{c.change}, Options{Access: AccessOf(r), Keyring: k, Now: now})
		list, _ := errors.AsType[diag.List](err)
		if got := codes(err); got != c.want || list[0].Hint == "" {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	// What another selection covers already can be edited.
	done := mustEdit(t, fixture(t, "sops-unencrypted-regex.yaml"), Options{Keyring: k, Now: now}, secretChange(t, "database.password", "new"), plainChange(t, "replicas", "9"))
	if root := mustOpen(t, done, k); reveal(t, root, "database.password") != "new" || reveal(t, root, "replicas") != "9" {
		t.Error("edit under unencrypted_regex")
	}
	for name, src := range tampered(t, fixture(t, "sops-encrypted-regex.yaml")) {
		doc, err := yamldoc.Parse("t.yaml", src)
		if err != nil {
			continue
		}
		if _, err := Edit(t.Context(), doc, []Change{secretChange(t, "fresh", "v")}, Options{Keyring: k, Now: now}); err == nil {
			t.Errorf("sealed a secret into a tampered file: %s", name)
		}
	}
}

func TestRekey(t *testing.T) {
	r1, k1 := pair(t)
	r2, k2 := pair(t)
	r3, k3 := pair(t)
	ctx := t.Context()
	doc := mustEdit(t, parse(t, plainSource), Options{Access: AccessOf(r1, r2), Now: now}, secretChange(t, "a.token", "one"), secretChange(t, "b.token", "2"))
	m, err := Inspect(doc)
	if err != nil {
		t.Fatal(err)
	}
	if same, err := Rekey(ctx, doc, AccessOf(r2, r1), nil, false, now); err != nil || same != doc {
		t.Errorf("the same recipients: %v", err)
	}
	added, err := Rekey(ctx, doc, AccessOf(r3, r1, r2), k1, false, now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	removedLines, addedLines := changedLines(doc.Source(), added.Source())
	if len(removedLines) != 0 || len(addedLines) < 8 {
		t.Errorf("adding a recipient changed %q", removedLines)
	}
	for i, k := range []*Keyring{k1, k2, k3} {
		if root := mustOpen(t, added, k); reveal(t, root, "a.token") != "one" {
			t.Errorf("keyring %d", i+1)
		}
	}
	taken, err := Rekey(ctx, added, AccessOf(r1, r3), k2, true, now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	after, err := Inspect(taken)
	if err != nil || !slices.Equal(after.Recipients, []string{r1, r3}) || after.mac == m.mac || !after.LastModified.Equal(now.Add(time.Hour)) {
		t.Errorf("%+v, %v", after, err)
	}
	if _, err := Open(ctx, taken, k2); err == nil {
		t.Error("a recipient that was taken out opens the file")
	}
	if root := mustOpen(t, taken, k3); reveal(t, root, "a.token") != "one" || root.Get(path(t, "b.token")).Kind != tree.Int {
		t.Error("values after a new data key")
	}
	old := map[string]bool{}
	for _, enc := range ciphertexts(doc, &m.rule) {
		old[enc] = true
	}
	for _, enc := range ciphertexts(taken, &after.rule) {
		if old[enc] {
			t.Error("a ciphertext survived the new data key")
		}
	}
	if !strings.HasPrefix(string(taken.Source()), plainSource[:100]) {
		t.Error("the plain part changed")
	}
	if _, err := Rekey(ctx, doc, Access{}, k1, false, now); err == nil {
		t.Error("rekeyed to nobody")
	}
	if _, err := Rekey(ctx, doc, AccessOf(r3), k3, false, now); err == nil {
		t.Error("rekeyed without a key")
	}
	if plain, err := Rekey(ctx, parse(t, "a: 1\n"), AccessOf(r1), nil, true, now); err != nil || string(plain.Source()) != "a: 1\n" {
		t.Errorf("a file without secrets: %v", err)
	}
}

func TestRekeyFilesOfSOPS(t *testing.T) {
	r, k := pair(t)
	for _, name := range []string{"sops-encrypted-regex.yaml", "sops-default.yaml", "sops-encrypted-suffix.yaml", "sops-regex-mac-all.yaml"} {
		doc := fixture(t, name)
		_, err := Rekey(t.Context(), doc, AccessOf(r), fixtureKeys(t), true, now)
		if name == "sops-default.yaml" {
			// It has an encrypted comment.
			if list, _ := errors.AsType[diag.List](err); len(list) != 1 || list[0].Code != codeRekey || list[0].Position.Line != 1 {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		done, _ := Rekey(t.Context(), doc, AccessOf(r), fixtureKeys(t), true, now)
		if !tree.Identical(mustOpen(t, done, k), mustOpen(t, doc, fixtureKeys(t))) {
			t.Errorf("%s: other values", name)
		}
		if _, err := Open(t.Context(), done, fixtureKeys(t)); err == nil {
			t.Errorf("%s: the old identity opens it", name)
		}
	}
}
