package seal

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// TestOpenFilesOfSOPS opens what the sops CLI 3.13.3 wrote, in each way of selecting secrets; opened.yaml is what it prints.
func TestOpenFilesOfSOPS(t *testing.T) {
	want := content(fixture(t, "opened.yaml"))
	plain := content(fixture(t, "plain.yaml"))
	for _, name := range []string{
		"sops-encrypted-regex.yaml", "sops-default.yaml", "sops-unencrypted-suffix-maconly.yaml", "sops-encrypted-suffix.yaml",
		"sops-unencrypted-regex.yaml", "sops-regex-mac-all.yaml",
	} {
		t.Run(name, func(t *testing.T) {
			doc := fixture(t, name)
			root := mustOpen(t, doc, fixtureKeys(t))
			if !sameValues(root, want) {
				t.Errorf("values differ from those that sops prints")
			}
			if !sameValues(root.Get(tree.Keys("database")), plain.Get(tree.Keys("database"))) {
				t.Errorf("secrets differ from those that were encrypted")
			}
			secrets := 0
			root.Walk(func(p tree.Path, n *tree.Node) bool {
				if n.Secret {
					secrets++
				}
				if n.Sealed || n.Secret && !n.Kind.IsScalar() {
					t.Errorf("%s: sealed %v, secret %v", p, n.Sealed, n.Secret)
				}
				return true
			})
			if secrets == 0 {
				t.Error("nothing is marked secret")
			}
		})
	}
}

func TestSealed(t *testing.T) {
	doc := fixture(t, "sops-encrypted-regex.yaml")
	sealed, err := Sealed(doc)
	if err != nil {
		t.Fatal(err)
	}
	opened := mustOpen(t, doc, fixtureKeys(t))
	if sealed.Field(blockKey) != nil || opened.Field(blockKey) != nil {
		t.Error("the sops block is part of the values")
	}
	n := 0
	sealed.Walk(func(p tree.Path, s *tree.Node) bool {
		o := opened.Get(p)
		if s.Pos != o.Pos || s.Secret != o.Secret {
			t.Errorf("%s: at %s secret %v, opened at %s secret %v", p, s.Pos, s.Secret, o.Pos, o.Secret)
		}
		if s.Sealed {
			n++
			if !strings.HasPrefix(s.Reveal(), "ENC[") || strings.Contains(fmt.Sprintf("%v %+v %#v %s", s, s, s, s.Text()), "ENC[") {
				t.Errorf("%s: sealed text %s", p, s)
			}
		}
		return true
	})
	if n != 14 {
		t.Errorf("%d values are sealed, want 14", n)
	}
	plain := parse(t, "a: 1\nb: "+sampleENC+"\nc: ENC[AES256_GCM, as the format is called\n")
	sealed, err = Sealed(plain)
	if err != nil {
		t.Fatal(err)
	}
	if b, c := sealed.Field("b"), sealed.Field("c"); !b.Sealed || !b.Secret || c.Sealed || c.Secret {
		t.Error("without a block, ciphertext must be marked and other text must not")
	}
	if _, err := Open(t.Context(), plain, nil); codes(err) != "seal-uncovered b" {
		t.Errorf("ciphertext without a block: %v", err)
	}
}

func TestSealedMarksPlaintext(t *testing.T) {
	r, k := pair(t)
	doc := mustEdit(t, parse(t, "name: x\n"), Options{Access: AccessOf(r), Now: now}, secretChange(t, "token", "abc"))
	doc = parse(t, "db:\n  token: in the clear\n"+string(doc.Source()))
	sealed, err := Sealed(doc)
	if err != nil {
		t.Fatal(err)
	}
	if n := sealed.Get(tree.Keys("db", "token")); !n.Secret || n.Sealed {
		t.Errorf("plain text in a secret field: secret %v, sealed %v", n.Secret, n.Sealed)
	}
	if _, err := Open(t.Context(), doc, k); codes(err) != "plaintext-secret db.token" || strings.Contains(err.Error(), "clear") {
		t.Errorf("open: %v", err)
	}
}

// tampered gives variants of a file that somebody without the key could make.
func tampered(t *testing.T, doc *yamldoc.Doc) map[string][]byte {
	t.Helper()
	src := doc.Source()
	out := map[string][]byte{}
	m, err := Inspect(doc)
	if err != nil {
		t.Fatal(err)
	}
	leaves := slices.DeleteFunc(selected(content(doc), &m.rule), func(l leaf) bool { return isBlank(l.node) })
	swap := func(a, b string) []byte {
		s := bytes.Replace(src, []byte(a), []byte("@@"), 1)
		s = bytes.Replace(s, []byte(b), []byte(a), 1)
		return bytes.Replace(s, []byte("@@"), []byte(b), 1)
	}
	for i, l := range leaves {
		enc := l.node.Reveal()
		out["blank "+l.path.String()] = bytes.Replace(src, []byte(enc), []byte(`""`), 1)
		out["null "+l.path.String()] = bytes.Replace(src, []byte(enc), []byte("null"), 1)
		out["plain "+l.path.String()] = bytes.Replace(src, []byte(enc), []byte("evil"), 1)
		dropped, err := doc.Apply(yamldoc.Edit{Path: l.path})
		if err != nil {
			t.Fatal(err)
		}
		out["drop "+l.path.String()] = dropped.Source()
		for _, other := range leaves[i+1:] {
			out[fmt.Sprintf("swap %s and %s", l.path, other.path)] = swap(enc, other.node.Reveal())
			out[fmt.Sprintf("copy %s over %s", l.path, other.path)] = bytes.Replace(src, []byte(other.node.Reveal()), []byte(enc), 1)
		}
	}
	for name, enc := range map[string]string{"first secret": leaves[0].node.Reveal(), "last secret": leaves[len(leaves)-1].node.Reveal(), "mac": m.mac} {
		// One byte of each part of the value, and of its frame.
		for _, part := range []string{"ENC[", "AES256", "data:", "iv:", "tag:", "type:"} {
			at := strings.Index(enc, part) + len(part)
			flipped := []byte(enc)
			switch c := flipped[at]; {
			case c == 'A':
				flipped[at] = 'B'
			default:
				flipped[at] = 'A'
			}
			out[fmt.Sprintf("flip %s after %s", name, part)] = bytes.Replace(src, []byte(enc), flipped, 1)
		}
	}
	out["lastmodified"] = bytes.Replace(src, []byte(`lastmodified: "20`), []byte(`lastmodified: "19`), 1)
	out["no mac_only_encrypted"] = bytes.Replace(src, []byte("mac_only_encrypted: true"), []byte("mac_only_encrypted: false"), 1)
	for name, v := range out {
		if bytes.Equal(v, src) {
			t.Fatalf("%s changes nothing", name)
		}
	}
	return out
}

func TestTamperingIsFound(t *testing.T) {
	r, k := pair(t)
	ours := mustEdit(t, parse(t, "plain: 1\n"), Options{Access: AccessOf(r), Now: now},
		secretChange(t, "a.token", "first"), secretChange(t, "a.pin", "1234"), secretChange(t, "b.token", "second"),
		Change{Path: path(t, "b.hosts"), Secret: true, Value: tree.NewList(tree.NewString("h1"), tree.NewString("h2"), tree.NewBool(true))})
	for _, c := range []struct {
		name string
		doc  *yamldoc.Doc
		k    *Keyring
	}{{"ours", ours, k}, {"sops", fixture(t, "sops-encrypted-regex.yaml"), fixtureKeys(t)}} {
		mustOpen(t, c.doc, c.k)
		for name, src := range tampered(t, c.doc) {
			doc, err := yamldoc.Parse(c.doc.File(), src)
			if err != nil {
				continue // not even YAML any more
			}
			_, err = Open(t.Context(), doc, c.k)
			if err == nil {
				t.Errorf("%s: %s: opened", c.name, name)
				continue
			}
			_, isMAC := errors.AsType[*MACError](err)
			list, isList := errors.AsType[diag.List](err)
			if !isMAC && !isList {
				t.Errorf("%s: %s: %T %v", c.name, name, err, err)
			}
			for _, f := range list {
				if f.Position.Line == 0 || f.Hint == "" {
					t.Errorf("%s: %s: no position or hint: %s", c.name, name, f)
				}
			}
			if isMAC && diag.HintOf(err) == "" {
				t.Errorf("%s: %s: no hint", c.name, name)
			}
			if strings.Contains(err.Error(), "first") && c.name == "ours" || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "evil") {
				t.Errorf("%s: %s: the error shows a value: %v", c.name, name, err)
			}
		}
	}
}

func TestTruncatedFile(t *testing.T) {
	doc := fixture(t, "sops-encrypted-regex.yaml")
	k := fixtureKeys(t)
	src := doc.Source()
	block := bytes.Index(src, []byte("\nsops:"))
	for end := len(src) - 2; end > block+8; end -= 7 {
		cut, err := yamldoc.Parse("cut.yaml", src[:end])
		if err != nil {
			continue
		}
		root, err := Open(t.Context(), cut, k)
		// Only what stands after the mac, the version and a flag without which the mac is another, may be missing.
		if err == nil && !bytes.Contains(src[:end], []byte("mac_only_encrypted: true")) {
			t.Fatalf("a file cut at %d opened: %v\n%s", end, root, src[max(0, end-80):end])
		}
	}
}

func TestWrongAndMissingKey(t *testing.T) {
	doc := fixture(t, "sops-encrypted-regex.yaml")
	_, other := pair(t)
	for name, k := range map[string]*Keyring{"other key": other, "no key": env(t, nil, nil), "no keyring": nil} {
		_, err := Open(t.Context(), doc, k)
		e, ok := errors.AsType[*NoIdentityError](err)
		if !ok {
			t.Fatalf("%s: %v", name, err)
		}
		if e.File != doc.File() || len(e.Recipients) != 1 || !strings.Contains(err.Error(), e.Recipients[0]) || diag.HintOf(err) == "" {
			t.Errorf("%s: %+v (hint %q)", name, e, diag.HintOf(err))
		}
		if name == "other key" && !slices.Contains(e.Tried, Tried{envKey, problemNoMatch}) {
			t.Errorf("%s: tried %+v", name, e.Tried)
		}
	}
}

func TestInspect(t *testing.T) {
	m, err := Inspect(fixture(t, "sops-encrypted-regex.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Recipients) != 1 || m.EncryptedRegex != "^(database|api_key)$" || !m.MACOnlyEncrypted || m.Version != "3.13.3" ||
		m.LastModified.IsZero() || m.Pos.Line == 0 || len(m.RecipientPos) != 1 || m.RecipientPos[0].Line <= m.Pos.Line {
		t.Errorf("%+v", m)
	}
	if m, err := Inspect(parse(t, "a: 1\n")); m != nil || err != nil {
		t.Errorf("without a block: %v, %v", m, err)
	}
}

func TestInspectRefuses(t *testing.T) {
	good := `sops:
    age:
        - enc: x
          recipient: age1sduxnjf2e0yapzqeg44mfyzll5sm4nptykph488ysq2uzzexmf3sy9vztu
    encrypted_regex: ^(a)$
    lastmodified: "2025-11-21T10:30:00Z"
    mac: ENC[]
    mac_only_encrypted: true
    version: 3.13.3
`
	if _, err := Inspect(parse(t, good)); err != nil {
		t.Fatal(err)
	}
	age := "    age:\n        - enc: x\n          recipient: age1sduxnjf2e0yapzqeg44mfyzll5sm4nptykph488ysq2uzzexmf3sy9vztu\n"
	groups := "    key_groups:\n" + strings.Repeat("        - age:\n            - {enc: x, recipient: age1sduxnjf2e0yapzqeg44mfyzll5sm4nptykph488ysq2uzzexmf3sy9vztu}\n", 2)
	for _, c := range []struct{ name, old, new, want string }{
		{"not a map", good, "sops: yes\n", "seal-metadata sops"},
		{"a key group without keys", age, "    key_groups:\n        - age: []\n", "seal-metadata sops.key_groups[0].age"},
		{"a key group that is none", age, "    key_groups:\n        - x\n", "seal-metadata sops.key_groups[0]"},
		{"key groups that are none", age, "    key_groups: x\n", "seal-metadata sops.key_groups"},
		{"key groups and a key in none", age, age + "    key_groups:\n        - {}\n", "seal-metadata sops.key_groups"},
		{"a group of one", age, groups + "    shamir_threshold: 1\n", "seal-metadata sops.shamir_threshold"},
		{"more than there are", age, groups + "    shamir_threshold: 3\n", "seal-metadata sops.shamir_threshold"},
		{"no number", age, groups + "    shamir_threshold: two\n", "seal-metadata sops.shamir_threshold"},
		{"kms only", age, "    kms:\n        - arn: a\n", "seal-unsupported sops.age"},
		{"kms only", age, "    kms:\n        - arn: a\n    age: []\n", "seal-unsupported sops.age"},
		{"a pgp key without a message", age, "    pgp:\n        - fp: a\n    age: []\n", "seal-metadata sops.pgp[0]"},
		{"no recipients", age, "", "seal-metadata sops.age"},
		{"age is text", age, "    age: x\n", "seal-metadata sops.age"},
		{"no enc", "enc: x\n          ", "", "seal-metadata sops.age[0]"},
		{"no mac", "    mac: ENC[]\n", "", "seal-metadata sops.mac"},
		{"no time", `"2025-11-21T10:30:00Z"`, "yesterday", "seal-metadata sops.lastmodified"},
		{"bad regex", "^(a)$", "(", "seal-metadata sops.encrypted_regex"},
		{"two rules", "    version", "    encrypted_suffix: _x\n    version", "seal-metadata sops.encrypted_suffix"},
		{"comment rule", "encrypted_regex: ^(a)$", "encrypted_comment_regex: enc", "seal-unsupported sops.encrypted_comment_regex"},
		{"odd flag", "mac_only_encrypted: true", "mac_only_encrypted: perhaps", "seal-metadata sops.mac_only_encrypted"},
		{"two faults", "    mac: ENC[]\n    mac_only_encrypted: true", "    mac_only_encrypted: [1]", "seal-metadata sops.mac, seal-metadata sops.mac_only_encrypted"},
	} {
		src := strings.Replace(good, c.old, c.new, 1)
		if src == good {
			t.Fatalf("%s changes nothing", c.name)
		}
		_, err := Inspect(parse(t, src))
		if got := codes(err); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		list, _ := errors.AsType[diag.List](err)
		for _, f := range list {
			if f.Hint == "" || f.Position.Line == 0 {
				t.Errorf("%s: no hint or position: %s", c.name, f)
			}
		}
	}
	mixed, err := Inspect(parse(t, strings.Replace(good, "sops:\n", "sops:\n    gcp_kms: []\n    kms:\n        - arn: a\n", 1)))
	if err != nil || mixed.otherKeys != "kms" || len(mixed.Others) != 1 || mixed.Others[0].Name != "a" {
		t.Errorf("age beside kms: %v", err)
	}
}

func FuzzInspect(f *testing.F) {
	f.Add([]byte("a: 1\nsops:\n  age:\n    - recipient: age1\n      enc: x\n  mac: m\n  lastmodified: t\n"))
	f.Add([]byte("sops: {age: [1, null, {recipient: [], enc: {}}], key_groups: x, mac: [], version: {}}\n"))
	f.Add([]byte("sops: {key_groups: [{age: [{recipient: age1, enc: x}]}, {kms: [{arn: a}]}], shamir_threshold: 2, mac: x, lastmodified: 2025-11-21T10:30:00Z}\n"))
	f.Add([]byte("x: &a {k: " + sampleENC + "}\ny: *a\nz: {<<: *a}\nsops: {age: [{recipient: a, enc: b}], mac: c, lastmodified: \"2025-11-21T10:30:00Z\"}\n"))
	for _, name := range []string{"sops-encrypted-regex.yaml", "sops-default.yaml"} {
		f.Add(fixture(f, name).Source())
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		doc, err := yamldoc.Parse("f.yaml", src)
		if err != nil {
			return
		}
		m, err := Inspect(doc)
		if err == nil && m != nil && len(m.Recipients) != len(m.RecipientPos) {
			t.Fatal("positions do not match recipients")
		}
		sealed, errSealed := Sealed(doc)
		if (err == nil) != (errSealed == nil) {
			t.Fatalf("inspect: %v, sealed: %v", err, errSealed)
		}
		if sealed != nil && !tree.Identical(sealed, content(doc)) {
			t.Fatal("sealed values differ from the document's")
		}
		if err == nil && m != nil {
			key, _ := newDataKey()
			_, _ = open(doc, m, key, false)
		}
	})
}

func TestAliases(t *testing.T) {
	r, k := pair(t)
	o := Options{Access: AccessOf(r), Now: now, Keyring: k}
	sealed := mustEdit(t, parse(t, "base: &base\n  timeout: 3\nsvc:\n  <<: *base\n  name: x\n"), o, secretChange(t, "svc.token", "abc"))
	if got := reveal(t, mustOpen(t, sealed, k), "svc.token"); got != "abc" {
		t.Errorf("a secret beside a merge key opens as %q", got)
	}
	for name, c := range map[string]struct {
		src  string
		want string
	}{
		"alias of a map with a secret": {"a: &a\n  token: x\nb: *a\n", "seal-alias b.token"},
		"merged secret":                {"a: &a\n  token: x\nb:\n  <<: *a\n", "seal-alias b.token"},
		"alias is a secret":            {"a: &a x\ntoken: *a\n", "seal-alias token"},
		"alias below a secret":         {"a: &a {k: x}\ntoken:\n  z: *a\n", "seal-alias token.z.k"},
		"values merged in place":       {"token:\n  <<: {k: x}\n", "seal-alias token.k"},
	} {
		doc := parse(t, c.src)
		rule, err := newRule(encryptedRegex, "^(token)$")
		if err != nil {
			t.Fatal(err)
		}
		if got := codes(aliasFaults(doc, &rule)); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// withKey gives the data key of a document, to write what somebody with the key could.
func withKey(t *testing.T, doc *yamldoc.Doc, k *Keyring) *dataKey {
	t.Helper()
	m, err := Inspect(doc)
	if err != nil {
		t.Fatal(err)
	}
	key, err := k.dataKey(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestCiphertextWhereNoneBelongs(t *testing.T) {
	r, k := pair(t)
	doc := sealedTo(t, r)
	key := withKey(t, doc, k)
	moved := parse(t, "note: "+key.seal([]byte("x"), typeStr, "note:")+"\n"+string(doc.Source()))
	if _, err := Open(t.Context(), moved, k); codes(err) != "seal-uncovered note" {
		t.Errorf("open: %v", err)
	}
	for name, c := range map[string]Change{
		"in plain":      {Path: path(t, "note"), Value: scalar(sampleENC)},
		"still sealed":  {Path: path(t, "token"), Value: mustSealed(t, doc).Field("token"), Secret: true},
		"below a value": {Path: path(t, "m"), Value: tree.NewMap(tree.Field{Key: "k", Value: scalar(sampleENC)})},
	} {
		if _, err := Edit(t.Context(), doc, []Change{c}, Options{Keyring: k, Now: now}); !strings.HasPrefix(codes(err), "seal-uncovered ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func mustSealed(t *testing.T, doc *yamldoc.Doc) *tree.Node {
	t.Helper()
	root, err := Sealed(doc)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func TestEncryptedCommentInList(t *testing.T) {
	r, k := pair(t)
	doc := mustEdit(t, parse(t, "a: 1\n"), Options{Access: AccessOf(r), Now: now},
		Change{Path: path(t, "hosts"), Secret: true, Value: tree.NewList(tree.NewString("h1"))})
	comment := withKey(t, doc, k).seal([]byte(" why"), typeComment, "hosts:")
	doc, err := doc.Apply(yamldoc.Edit{Path: path(t, "hosts[1]"), Value: tree.NewString(comment)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), doc, k); codes(err) != "seal-unsupported hosts[1]" {
		t.Errorf("open: %v", err)
	}
	if n := mustSealed(t, doc).Get(path(t, "hosts[1]")); !n.Sealed {
		t.Error("it is not marked as sealed")
	}
}
