package seal

import (
	"strings"
	"testing"

	"github.com/llm-devops/lcm/pkg/tree"
)

const sampleENC = "ENC[AES256_GCM,data:XA==,iv:4dEN2ftNIue6o7BJVhWueJZfLdOsR/U3tMDQfG6QLkQ=,tag:0JzhJ/0og+41q6ikIoGKZA==,type:int]"

func TestParseENC(t *testing.T) {
	if e, err := parseENC(sampleENC); err != nil || e.typ != "int" || len(e.data) != 1 || len(e.iv) != 32 || e.String() != sampleENC {
		t.Fatalf("parseENC: %v %+v", err, e)
	}
	for name, bad := range map[string]string{
		"empty":          "",
		"no end":         strings.TrimSuffix(sampleENC, "]"),
		"after the end":  sampleENC + "x",
		"before":         " " + sampleENC,
		"other cipher":   strings.Replace(sampleENC, "AES256_GCM", "AES128_GCM", 1),
		"no data":        strings.Replace(sampleENC, "data:XA==", "data:", 1),
		"no iv":          strings.Replace(sampleENC, ",iv:4dEN2ftNIue6o7BJVhWueJZfLdOsR/U3tMDQfG6QLkQ=", ",iv:", 1),
		"no tag":         strings.Replace(sampleENC, ",tag:", ",", 1),
		"no type":        strings.Replace(sampleENC, "type:int", "type:", 1),
		"odd type":       strings.Replace(sampleENC, "type:int", "type:int,x:y", 1),
		"short tag":      strings.Replace(sampleENC, "tag:0JzhJ/0og+41q6ikIoGKZA==", "tag:0JzhJ/0og+41q6ikIoGK", 1),
		"bad base64":     strings.Replace(sampleENC, "XA==", "X===", 1),
		"padding bits":   strings.Replace(sampleENC, "XA==", "XB==", 1),
		"line break":     strings.Replace(sampleENC, "XA==", "X\nA==", 1),
		"no padding":     strings.Replace(sampleENC, "XA==", "XA", 1),
		"order":          "ENC[AES256_GCM,iv:XA==,data:XA==,tag:0JzhJ/0og+41q6ikIoGKZA==,type:int]",
		"upper-case typ": strings.Replace(sampleENC, "type:int", "type:Int", 1),
	} {
		if _, err := parseENC(bad); err == nil {
			t.Errorf("%s: accepted %q", name, bad)
		}
	}
}

func FuzzParseENC(f *testing.F) {
	f.Add(sampleENC)
	f.Add("ENC[AES256_GCM,data:,iv:,tag:,type:]")
	f.Add(strings.Replace(sampleENC, "XA==", "XB==", 1))
	f.Add("ENC[AES256_GCM,data:XA==,iv:XA==,iv:XA==,tag:0JzhJ/0og+41q6ikIoGKZA==,type:str]")
	key, err := newDataKey()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(key.seal([]byte("value"), typeStr, "a:b:"))
	f.Fuzz(func(t *testing.T, text string) {
		e, err := parseENC(text)
		if err != nil {
			return
		}
		if e.String() != text {
			t.Fatalf("%q comes back as %q", text, e.String())
		}
		if _, err := key.open(e, "a:b:"); err == nil && e.typ == "" {
			t.Fatal("opened without a type")
		}
	})
}

func TestSealAndOpenValue(t *testing.T) {
	key, err := newDataKey()
	if err != nil {
		t.Fatal(err)
	}
	sealed := key.seal([]byte("value"), typeStr, "a:b:")
	e, err := parseENC(sealed)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := key.open(e, "a:b:"); err != nil || string(plain) != "value" {
		t.Fatalf("open: %q, %v", plain, err)
	}
	if _, err := key.open(e, "a:c:"); err == nil {
		t.Error("opened at another key")
	}
	other, _ := newDataKey()
	if _, err := other.open(e, "a:b:"); err == nil {
		t.Error("opened with another data key")
	}
	if again := key.seal([]byte("value"), typeStr, "a:b:"); again == sealed {
		t.Error("two encryptions share a nonce")
	}
	if _, err := dataKeyFrom(make([]byte, 16)); err == nil {
		t.Error("accepted a data key of 16 bytes")
	}
}

// TestValueTypes goes through what a scalar is encrypted as and what it comes back as.
func TestValueTypes(t *testing.T) {
	for _, c := range []struct {
		text, typ, plain string
		kind             tree.Kind
	}{
		{"hunter2", "str", "hunter2", tree.String},
		{"no", "str", "no", tree.String},
		{"2025-11-21", "str", "2025-11-21", tree.String},
		{"5432", "int", "5432", tree.Int},
		{"-7", "int", "-7", tree.Int},
		{"0", "int", "0", tree.Int},
		{"9223372036854775807", "int", "9223372036854775807", tree.Int},
		{"9223372036854775808", "str", "9223372036854775808", tree.String},
		{"007", "str", "007", tree.String},
		{"+7", "str", "+7", tree.String},
		{"-0", "str", "-0", tree.String},
		{"0x1f", "str", "0x1f", tree.String},
		{"0.7", "float", "0.7", tree.Float},
		{"0.70", "str", "0.70", tree.String},
		{"3.0", "str", "3.0", tree.String},
		{".5", "str", ".5", tree.String},
		{"1e-06", "str", "1e-06", tree.String},
		{"123456789.5", "float", "123456789.5", tree.Float},
		{"3.14159265358979323846", "str", "3.14159265358979323846", tree.String},
		{".inf", "str", ".inf", tree.String},
		{".nan", "str", ".nan", tree.String},
		{"1e400", "str", "1e400", tree.String},
		{"true", "bool", "True", tree.Bool},
		{"False", "bool", "False", tree.Bool},
	} {
		n := scalar(c.text)
		plain, typ := plaintext(n, false)
		if string(plain) != c.plain || typ != c.typ {
			t.Errorf("%s: encrypted as %s %q, want %s %q", c.text, typ, plain, c.typ, c.plain)
		}
		v, err := typed(plain, typ)
		if err != nil || v.kind != c.kind || v.text != n.Reveal() || string(v.mac) != c.plain {
			t.Errorf("%s: comes back as %v %q (%v)", c.text, v.kind, v.text, err)
		}
		if _, typ := plaintext(n, true); typ != "str" {
			t.Errorf("%s: with a directive it is encrypted as %s", c.text, typ)
		}
	}
}

// TestTyped is about what other writers may have encrypted.
func TestTyped(t *testing.T) {
	for _, c := range []struct {
		typ, plain string
		want       string // kind text mac
	}{
		{"float", "3", "number 3.0 3"},
		{"float", "1000000000000000000000", "number 1000000000000000000000.0 1000000000000000000000"},
		{"float", "0.50", "number 0.5 0.5"},
		{"float", "+Inf", "number .inf +Inf"},
		{"float", "NaN", "number .nan NaN"},
		{"int", "042", "integer 42 42"},
		{"bool", "true", "boolean true True"},
		{"bytes", "raw", "string raw raw"},
		{"time", "2025-11-21T00:00:00Z", "string 2025-11-21T00:00:00Z 2025-11-21T00:00:00Z"},
		{"int", "9223372036854775808", ""},
		{"int", "4.5", ""},
		{"float", "x", ""},
		{"bool", "maybe", ""},
		{"time", "yesterday", ""},
		{"str", "\xff\xfe", ""},
		{"comment", "c", ""},
		{"strx", "c", ""},
	} {
		v, err := typed([]byte(c.plain), c.typ)
		got := ""
		if err == nil {
			got = v.kind.String() + " " + v.text + " " + string(v.mac)
			if kind, _ := tree.Resolve(v.text); v.kind != tree.String && kind != v.kind {
				t.Errorf("%s %q: text %q reads as %s", c.typ, c.plain, v.text, kind)
			}
		}
		if got != c.want {
			t.Errorf("%s %q: %q, want %q (%v)", c.typ, c.plain, got, c.want, err)
		}
		if err != nil && strings.Contains(err.Error(), c.plain) && c.typ != "strx" && len(c.plain) > 1 {
			t.Errorf("%s %q: the error shows the value: %v", c.typ, c.plain, err)
		}
	}
}

func TestRules(t *testing.T) {
	names := []string{"token", "a.b", "api_key", "x|y", "token"}
	pattern := namesPattern(names)
	if want := `^(a\.b|api_key|token|x\|y)$`; pattern != want {
		t.Errorf("pattern %s, want %s", pattern, want)
	}
	back, ok := patternNames(pattern)
	if !ok || strings.Join(back, " ") != "a.b api_key token x|y" {
		t.Errorf("names %q, %v", back, ok)
	}
	if back, ok := patternNames("^(b|a)$"); !ok || strings.Join(back, " ") != "b a" {
		t.Errorf("names in another order: %q, %v", back, ok)
	}
	for _, foreign := range []string{"^(data|stringData$", "password|token", "^(to.*)$", `^(a\)$`, "^(a(b|c))$", "(?i)key"} {
		if names, ok := patternNames(foreign); ok {
			t.Errorf("%s was read as names %q", foreign, names)
		}
	}
	for _, c := range []struct{ option, pattern, yes, no string }{
		{encryptedRegex, "^(api_key|token)$", "a.token.b", "a.tokens.b"},
		{encryptedRegex, "^(data|(?i)secret)", "SECRETS", "other"},
		{unencryptedRegex, "^(name)$", "a.b", "a.name.b"},
		{encryptedSuffix, "_key", "api_key.x", "key"},
		{unencryptedSuffix, "_plain", "a.b", "a_plain.b"},
	} {
		r, err := newRule(c.option, c.pattern)
		if err != nil {
			t.Fatal(err)
		}
		if !r.selects(strings.Split(c.yes, ".")) || r.selects(strings.Split(c.no, ".")) {
			t.Errorf("%s %s: selects %s %v, %s %v", c.option, c.pattern, c.yes, r.selects(strings.Split(c.yes, ".")), c.no, r.selects(strings.Split(c.no, ".")))
		}
	}
	foreign, err := newRule(encryptedRegex, "(?i)^secret")
	if err != nil {
		t.Fatal(err)
	}
	more, err := foreign.extend([]string{"token"})
	if err != nil || more.pattern != "(?:(?i)^secret)|^(token)$" || !more.matches("SECRETS") || !more.matches("token") || more.matches("TOKEN") {
		t.Errorf("extended to %s, %v", more.pattern, err)
	}
}
