package bundle_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/llm-devops/lcm/pkg/bundle"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
)

var (
	acme   = bundle.Unit{Tenant: "acme", Environment: "production"}
	commit = strings.Repeat("0123456789abcdef", 3)[:40]
)

func hidden(n *tree.Node) *tree.Node {
	n.Secret = true
	return n
}

func number(tb testing.TB, text string) *tree.Node {
	tb.Helper()
	n, err := tree.NewNumber(text)
	if err != nil {
		tb.Fatal(err)
	}
	return n
}

func field(key string, value *tree.Node) tree.Field { return tree.Field{Key: key, Value: value} }

// sample is a namespace with all kinds of values, plain and secret.
func sample(tb testing.TB) *tree.Node {
	return tree.NewMap(
		field("temperature", number(tb, "0.70")),
		field("tiny", number(tb, "1.5e-07")),
		field("large", number(tb, "12345678901234567890")),
		field("answer", tree.NewString("no")),
		field("nothing", tree.NewNull()),
		field("providers", tree.NewMap(
			field("openai", tree.NewMap(
				field("api_key", hidden(tree.NewString("s3cr3t-1"))),
				field("gpt-4.1", hidden(number(tb, "0.70"))),
			)),
		)),
		field("routes", tree.NewList(
			tree.NewMap(field("weight", number(tb, "1")), field("token", hidden(tree.NewString("")))),
			hidden(tree.NewMap(field("on", tree.NewBool(true)), field("none", tree.NewNull()), field("empty", tree.NewList()))),
		)),
	)
}

func input(trees map[string]*tree.Node) bundle.Input {
	in := bundle.Input{Tenant: acme.Tenant, Environment: acme.Environment, Commit: commit, Recipients: []string{"age1b", "age1a", "age1b"}}
	for name, root := range trees {
		in.Namespaces = append(in.Namespaces, bundle.Namespace{Name: name, Module: "inference-engine", SchemaDigest: "sha256:x", Tree: root, SecretsInput: "i"})
	}
	return in
}

func build(tb testing.TB, in bundle.Input) *bundle.Bundle {
	tb.Helper()
	b, err := bundle.Build(in)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func TestDocument(t *testing.T) {
	item := build(t, input(map[string]*tree.Node{"inference": sample(t)})).Items[0]
	want := `{"apiVersion":"lcm/v1","config":{"answer":"no","large":12345678901234567890,"nothing":null,` +
		`"providers":{"openai":{"api_key":{"$secret":"providers.openai.api_key"},"gpt-4.1":{"$secret":"providers.openai.\"gpt-4.1\"","type":"number"}}},` +
		`"routes":[{"token":{"$secret":"routes[0].token"},"weight":1},{"empty":[],"none":null,"on":{"$secret":"routes[1].on","type":"boolean"}}],` +
		`"temperature":0.70,"tiny":1.5e-07},"environment":"production","kind":"Document","module":"inference-engine","namespace":"inference","tenant":"acme"}` + "\n"
	if string(item.Data) != want {
		t.Errorf("document\n%s\nwant\n%s", item.Data, want)
	}
	if item.Digest != bundle.DigestOf(item.Data) || item.Digest.Check() != nil {
		t.Errorf("digest %s", item.Digest)
	}
	var got []string
	for _, key := range item.Secrets.Keys() {
		got = append(got, key+"="+item.Secrets[key].Reveal())
	}
	if s := strings.Join(got, " "); s != `providers.openai."gpt-4.1"=0.70 providers.openai.api_key=s3cr3t-1 routes[0].token= routes[1].on=true` {
		t.Errorf("secrets %s", s)
	}
}

func TestRestore(t *testing.T) {
	root := sample(t)
	item := build(t, input(map[string]*tree.Node{"inference": root})).Items[0]
	doc, err := bundle.ParseDocument(item.Data)
	if err != nil {
		t.Fatal(err)
	}
	got, err := doc.Restore(item.Secrets)
	if err != nil {
		t.Fatal(err)
	}
	if !tree.Equal(got, root) {
		t.Error("the tree came back changed")
	}
	p, _ := tree.ParsePath("providers.openai.api_key")
	if n := got.Get(p); !n.Secret {
		t.Error("a secret came back without its mark")
	}
	if len(doc.SecretKeys()) != 4 {
		t.Errorf("references %v", doc.SecretKeys())
	}
	delete(item.Secrets, "routes[0].token")
	if _, err := doc.Restore(item.Secrets); !errors.Is(err, bundle.ErrInvalid) {
		t.Errorf("with a secret missing: %v", err)
	}
	item.Secrets["routes[0].token"] = item.Secrets["routes[1].on"]
	item.Secrets["more"] = item.Secrets["routes[1].on"]
	if _, err := doc.Restore(item.Secrets); !errors.Is(err, bundle.ErrInvalid) || strings.Contains(err.Error(), "true") {
		t.Errorf("with a secret too many: %v", err)
	}
}

// The digest depends on the values alone: not on the order of keys, positions, the commit, or the values of secrets.
func TestDigestIsOfValues(t *testing.T) {
	base := build(t, input(map[string]*tree.Node{"inference": sample(t)})).Items[0].Digest
	fields := sample(t).Fields()
	other := tree.NewMap(append(fields[3:len(fields):len(fields)], fields[:3]...)...)
	other.Pos = diag.Position{File: "elsewhere", Line: 3}
	in := input(map[string]*tree.Node{"inference": other})
	in.Commit = strings.Repeat("f", 40)
	if d := build(t, in).Items[0].Digest; d != base {
		t.Error("order, position or commit changed the digest")
	}
	changed := other.WithFields(append(other.Fields(), field("more", tree.NewString("x"))))
	if d := build(t, input(map[string]*tree.Node{"inference": changed})).Items[0].Digest; d == base {
		t.Error("a value did not change the digest")
	}
}

func TestNoSecretInPrint(t *testing.T) {
	b := build(t, input(map[string]*tree.Node{"inference": sample(t)}))
	data, err := json.Marshal(b.Items[0].Secrets)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{string(data), fmt.Sprintf("%v %+v %#v", b, b, b.Items[0].Secrets), string(b.Items[0].Data)} {
		if strings.Contains(text, "s3cr3t") {
			t.Errorf("a secret in %.300s", text)
		}
	}
}

func TestSealInput(t *testing.T) {
	base := input(map[string]*tree.Node{"inference": sample(t)})
	of := func(change func(*bundle.Input)) bundle.Digest {
		in := base
		in.Namespaces = append([]bundle.Namespace(nil), base.Namespaces...)
		if change != nil {
			change(&in)
		}
		return build(t, in).Items[0].SealInput
	}
	first := of(nil)
	if first == "" || first != of(func(in *bundle.Input) { in.Recipients = []string{"age1a", "age1b"} }) {
		t.Error("the order of recipients matters")
	}
	for name, change := range map[string]func(*bundle.Input){
		"recipients":  func(in *bundle.Input) { in.Recipients = []string{"age1a"} },
		"ciphertexts": func(in *bundle.Input) { in.Namespaces[0].SecretsInput = "j" },
		"schema":      func(in *bundle.Input) { in.Namespaces[0].SchemaDigest = "sha256:y" },
		"keys": func(in *bundle.Input) {
			in.Namespaces[0].Tree = in.Namespaces[0].Tree.WithFields(append(in.Namespaces[0].Tree.Fields(), field("k", hidden(tree.NewString("x")))))
		},
	} {
		if of(change) == first {
			t.Errorf("%s do not matter", name)
		}
	}
	if of(func(in *bundle.Input) { in.Namespaces[0].SecretsInput = "" }) != "" {
		t.Error("without ciphertexts there is a seal input")
	}
}

func TestSecretsInput(t *testing.T) {
	leaf := func(text string) *tree.Node {
		n := hidden(tree.NewString(text))
		n.Sealed = true
		return tree.NewMap(field("key", n), field("plain", tree.NewString("x")))
	}
	one := bundle.SecretsInput([]string{"a", "b"}, leaf("ENC[1]"), leaf("ENC[2]"))
	if one != bundle.SecretsInput([]string{"b", "a"}, leaf("ENC[1]"), leaf("ENC[2]")) {
		t.Error("the order of recipients matters")
	}
	for name, other := range map[string]string{
		"ciphertext": bundle.SecretsInput([]string{"a", "b"}, leaf("ENC[1]"), leaf("ENC[3]")),
		"recipient":  bundle.SecretsInput([]string{"a"}, leaf("ENC[1]"), leaf("ENC[2]")),
		"layer":      bundle.SecretsInput([]string{"a", "b"}, leaf("ENC[2]"), leaf("ENC[1]")),
	} {
		if other == one {
			t.Errorf("the %s does not matter", name)
		}
	}
}

func TestBuildRefuses(t *testing.T) {
	sealed := hidden(tree.NewString("ENC[AES256_GCM,…]"))
	sealed.Sealed = true
	sealed.Pos = diag.Position{File: "config/acme/production/inference.yaml", Line: 4, Column: 3}
	_, err := bundle.Build(input(map[string]*tree.Node{
		"inference": tree.NewMap(field("a", sealed), field("b", tree.NewMap(field("$secret", tree.NewString("x"))))),
		"router":    tree.NewMap(field("c", sealed)),
	}))
	list, ok := errors.AsType[diag.List](err)
	if !ok || len(list) != 3 {
		t.Fatalf("findings %v", err)
	}
	codes := map[string]int{}
	for _, f := range list {
		codes[f.Code]++
		if f.Address == "" || f.Key == "" || f.Hint == "" {
			t.Errorf("finding %+v", f)
		}
	}
	if codes["sealed-secret"] != 2 || codes["reserved-key"] != 1 {
		t.Errorf("codes %v", codes)
	}
	inf, _ := tree.NewNumber(".inf")
	good := sample(t)
	for name, change := range map[string]func(*bundle.Input){
		"tenant":    func(in *bundle.Input) { in.Tenant = "../up" },
		"namespace": func(in *bundle.Input) { in.Namespaces[0].Name = "a/b" },
		"commit":    func(in *bundle.Input) { in.Commit = "HEAD" },
		"no tree":   func(in *bundle.Input) { in.Namespaces[0].Tree = nil },
		"list":      func(in *bundle.Input) { in.Namespaces[0].Tree = tree.NewList() },
		"infinity":  func(in *bundle.Input) { in.Namespaces[0].Tree = tree.NewMap(field("x", inf)) },
		"not UTF-8": func(in *bundle.Input) { in.Namespaces[0].Tree = tree.NewMap(field("x", tree.NewString("\xff"))) },
		"twice":     func(in *bundle.Input) { in.Namespaces = append(in.Namespaces, in.Namespaces[0]) },
		"too large": func(in *bundle.Input) {
			in.Namespaces[0].Tree = tree.NewMap(field("x", tree.NewString(strings.Repeat("x", bundle.MaxDocument))))
		},
	} {
		in := input(map[string]*tree.Node{"inference": good})
		change(&in)
		if _, err := bundle.Build(in); err == nil {
			t.Errorf("%s was not refused", name)
		}
	}
}

func TestEmpty(t *testing.T) {
	for want, trees := range map[bool]map[string]*tree.Node{
		true:  {"a": tree.NewMap(), "b": tree.NewMap()},
		false: {"a": tree.NewMap(), "b": tree.NewMap(field("x", tree.NewMap()))},
	} {
		if got := build(t, input(trees)).Empty(); got != want {
			t.Errorf("empty: %t, want %t", got, want)
		}
	}
	if !build(t, input(nil)).Empty() {
		t.Error("nothing is not empty")
	}
}

func TestLayout(t *testing.T) {
	l := bundle.Layout{Prefix: "team/lcm", VaultPrefix: "team/lcm"}
	d := bundle.DigestOf([]byte("x"))
	hex := strings.TrimPrefix(string(d), "sha256:")
	for want, got := range map[string]string{
		"team/lcm/acme/documents/sha256-" + hex + ".json":    l.Document("acme", d),
		"team/lcm/acme/documents/sha256-" + hex + ".age":     l.Sealed("acme", d),
		"team/lcm/acme/production/manifests/00000042.json":   l.Manifest(acme, 42),
		"team/lcm/acme/production/manifests/1234567890.json": l.Manifest(acme, 1234567890),
		"team/lcm/acme/production/current.json":              l.Pointer(acme),
		"team/lcm/acme/production/inference":                 l.Secrets(acme, "inference"),
		"acme/production/current.json":                       bundle.Layout{}.Pointer(acme),
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	for _, prefix := range []string{"/", "a/", "/a", "..", "a/../b", "a//b", ".a", "a b", strings.Repeat("a", 300)} {
		if (bundle.Layout{Prefix: prefix}).Check() == nil {
			t.Errorf("prefix %q is allowed", prefix)
		}
	}
}

func TestParseDocumentIsStrict(t *testing.T) {
	good := string(build(t, input(map[string]*tree.Node{"inference": sample(t)})).Items[0].Data)
	if _, err := bundle.ParseDocument([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{
		"empty":               "",
		"no newline":          strings.TrimSuffix(good, "\n"),
		"space":               strings.Replace(good, ":", ": ", 1),
		"more":                good + "{}\n",
		"other version":       strings.Replace(good, "lcm/v1", "lcm/v2", 1),
		"other kind":          strings.Replace(good, `"kind":"Document"`, `"kind":"Manifest"`, 1),
		"bad tenant":          strings.Replace(good, `"tenant":"acme"`, `"tenant":"../acme"`, 1),
		"reference elsewhere": strings.Replace(good, `"$secret":"routes[0].token"`, `"$secret":"routes[1].token"`, 1),
		"reference and more":  strings.Replace(good, `{"$secret":"routes[0].token"}`, `{"$secret":"routes[0].token","x":1}`, 1),
		"type":                strings.Replace(good, `"type":"boolean"`, `"type":"map"`, 1),
		"unknown field":       strings.Replace(good, `"kind":`, `"king":1,"kind":`, 1),
		"no config":           strings.Replace(good, `"config":{`, `"config":"","x":{`, 1),
		"deep":                strings.Repeat("[", 100_000),
		"list":                "[]\n",
		"null":                "null\n",
		"double key":          strings.Replace(good, `"answer":"no"`, `"answer":"no","answer":"no"`, 1),
	} {
		if _, err := bundle.ParseDocument([]byte(bad)); !errors.Is(err, bundle.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDocument(f *testing.F) {
	f.Add(build(f, input(map[string]*tree.Node{"inference": sample(f)})).Items[0].Data)
	f.Add([]byte(`{"apiVersion":"lcm/v1","config":{"a":{"$secret":"a"}},"environment":"e","kind":"Document","module":"","namespace":"n","tenant":"t"}` + "\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		doc, err := bundle.ParseDocument(data)
		if err != nil {
			return
		}
		again, err := doc.Encode()
		if err != nil || string(again) != string(data) {
			t.Errorf("%q became %q, %v", data, again, err)
		}
	})
}

func FuzzSecrets(f *testing.F) {
	f.Add([]byte("{\"a\":\"x\",\"b\":\"\"}\n"))
	f.Add([]byte("{}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := bundle.ParseSecrets(data)
		if err != nil {
			return
		}
		again, err := s.Encode()
		if err != nil || string(again) != string(data) {
			t.Errorf("%q became %q, %v", data, again, err)
		}
	})
}
