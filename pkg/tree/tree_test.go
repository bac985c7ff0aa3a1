package tree

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"testing"
)

func TestResolve(t *testing.T) {
	for _, tt := range []struct {
		text string
		kind Kind
	}{
		{"", Null},
		{"~", Null},
		{"null", Null},
		{"Null", Null},
		{"nULL", String},
		{"true", Bool},
		{"True", Bool},
		{"FALSE", Bool},
		{"no", String},
		{"yes", String},
		{"on", String},
		{"off", String},
		{"0", Int},
		{"-12", Int},
		{"+3", Int},
		{"007", Int},
		{"0o17", Int},
		{"0x1F", Int},
		{"12345678901234567890", Int},
		{"1_000", String},
		{"0b1", String},
		{"0o18", String},
		{"12:30:45", String},
		{"2025-11-21", String},
		{"0.70", Float},
		{"1e-06", Float},
		{"1.5e-07", Float},
		{".5", Float},
		{"1.", Float},
		{"-.inf", Float},
		{".nan", Float},
		{".", String},
		{"-", String},
		{"1e", String},
		{"e3", String},
		{"gpt-4.1", String},
		{"1.2.3", String},
	} {
		if kind, _ := Resolve(tt.text); kind != tt.kind {
			t.Errorf("Resolve(%q) is a %s, want a %s", tt.text, kind, tt.kind)
		}
	}
}

func TestNumberKeepsItsText(t *testing.T) {
	for text, want := range map[string]string{ // → as JSON
		"0.70": "0.70", "1e-06": "1e-06", "1.5e-07": "1.5e-07", "12345678901234567890": "12345678901234567890", "-0": "-0",
		"0o17": "15", "0x1F": "31", ".5": "0.5", "+1.50": "1.50", "1.": "1", "-.5e3": "-500", "007": "7", "00.5": "0.5",
	} {
		n, err := NewNumber(text)
		if err != nil {
			t.Fatal(err)
		}
		if n.Text() != text {
			t.Errorf("%q came out as %q", text, n.Text())
		}
		got, err := n.JSONNumber()
		if err != nil || got != want {
			t.Errorf("%q is %q in JSON, %v; want %q", text, got, err, want)
		}
		if !json.Valid([]byte(got)) {
			t.Errorf("%q is %q in JSON, which is not valid", text, got)
		}
	}
	for _, text := range []string{".inf", "-.inf", ".nan"} {
		n, err := NewNumber(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := n.JSONNumber(); err == nil {
			t.Errorf("%q is %q in JSON, want an error", text, got)
		}
	}
	if _, ok := Scalar(Float, "1e999999999").Number(); ok {
		t.Error("1e999999999 was expanded")
	}
}

func TestSecretsAreMaskedEverywhere(t *testing.T) {
	const value = "sk-live-do-not-show"
	n := NewString(value)
	n.Secret = true
	m := NewMap(Field{Key: "api_key", Value: n}, Field{Key: "list", Value: NewList(n)})
	data, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "node", n, "map", m)
	for _, out := range []string{
		string(data), log.String(), n.Text(), n.String(), fmt.Sprintf("%v %+v %#v %s %q %x %d", n, n, n, n, n, n, n),
		fmt.Sprintf("%v %+v %#v", m, m, m), fmt.Sprintf("%+v", []*Node{n, m}), fmt.Sprintf("%+v", struct{ N *Node }{n}),
	} {
		if strings.Contains(out, value) || strings.Contains(out, fmt.Sprintf("%x", value)) {
			t.Errorf("the secret shows in %q", out)
		}
	}
	if n.Reveal() != value {
		t.Error("Reveal does not give the value")
	}
	if data, err := m.AppendJSON(nil, Revealed); err != nil || !strings.Contains(string(data), value) {
		t.Errorf("AppendJSON(Revealed) = %s, %v", data, err)
	}
}

func TestPaths(t *testing.T) {
	for _, s := range []string{
		"a", "providers.openai.api_key", "routes[0].weight", "routes[name=primary].weight", `models."gpt-4.1".price`,
		`[0]`, `a[0][1]`, `"a b"`, `x[name="a]b"].y`, `""`, `a."\"".b`, `routes["na.me"=v]`,
	} {
		p, err := ParsePath(s)
		if err != nil {
			t.Errorf("ParsePath(%q): %v", s, err)
			continue
		}
		if p.String() != s {
			t.Errorf("ParsePath(%q) prints as %q", s, p)
		}
	}
	for _, s := range []string{"", ".", "a.", ".a", "a..b", "a[", "a[x", "a[x]", "a[01]", "a[-1]", "a[]", "a]b", `"a`, `a"b`, "a[0]b", "a=b", "a[x=]"} {
		if p, err := ParsePath(s); err == nil {
			t.Errorf("ParsePath(%q) = %v, want an error", s, p)
		}
	}
}

func TestGetAndLocate(t *testing.T) {
	root, err := FromJSON([]byte(`{"routes":[{"name":"a","w":1},{"name":"b","w":2}],"m":{"gpt-4.1":{"p":0.50}}}`))
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"routes[1].w": "2", "routes[name=b].w": "2", `m."gpt-4.1".p`: "0.50",
		"routes[2].w": "", "routes[name=c].w": "", "routes.name": "", "m.x": "", "m[0]": "",
	} {
		p, err := ParsePath(key)
		if err != nil {
			t.Fatal(err)
		}
		got := root.Get(p)
		if (got == nil) != (want == "") || got != nil && got.Text() != want {
			t.Errorf("Get(%s) = %v, want %q", key, got, want)
		}
	}
	p, _ := ParsePath("routes[name=b].w")
	if l, ok := root.Locate(p); !ok || l.String() != "routes[1].w" {
		t.Errorf("Locate = %v, %v", l, ok)
	}
}

func TestLargeMapsAreIndexed(t *testing.T) {
	var fields []Field
	for i := range 1000 {
		fields = append(fields, Field{Key: fmt.Sprint("k", i), Value: Scalar(Int, fmt.Sprint(i))})
	}
	m := NewMap(fields...)
	if m.index == nil || m.Field("k999").Text() != "999" || m.Field("nope") != nil {
		t.Error("a large map does not find its fields")
	}
	if w := m.Without("k1"); w.Len() != 999 || w.Field("k1") != nil || w.Field("k2") == nil {
		t.Error("Without does not take the field away")
	}
}

func TestJSONIsDeterministic(t *testing.T) {
	a, err := FromJSON([]byte(`{"b":[1,"x\u001f\u2028</script>",null,true],"a":{"z":1e-06,"y":{}}}`))
	if err != nil {
		t.Fatal(err)
	}
	b, err := FromJSON([]byte(`{"a":{"y":{},"z":1e-06},"b":[1,"x\u001f\u2028</script>",null,true]}`))
	if err != nil {
		t.Fatal(err)
	}
	ja, _ := a.AppendJSON(nil, Masked)
	jb, _ := b.AppendJSON(nil, Masked)
	if string(ja) != string(jb) || !Equal(a, b) || Identical(a, b) {
		t.Errorf("%s\n%s", ja, jb)
	}
	if _, err := NewString("\xff").AppendJSON(nil, Masked); err == nil {
		t.Error("text that is not UTF-8 was encoded")
	}
	for _, bad := range []string{"", "{", `{"a":1,"a":2}`, "1 2", `[1,]`} {
		if _, err := FromJSON([]byte(bad)); err == nil {
			t.Errorf("FromJSON(%q) worked", bad)
		}
	}
}

func FuzzParsePath(f *testing.F) {
	for _, s := range []string{"a.b[0].c", `"x.y"[k=v]`, "a[", "..", `"\u00e9"`} {
		f.Add(s)
	}
	f.Add(strings.Repeat("\x0f", 1100)) // short enough as it stands, too long when it is quoted
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePath(s)
		if err != nil {
			return
		}
		q, err := ParsePath(p.String())
		if err != nil || !p.Equal(q) {
			t.Errorf("%q → %q → %v, %v", s, p, q, err)
		}
	})
}

func FuzzFromJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.50,"x",null,true,{}]}`, `1e-06`, `"\ud800"`, `[[[]]]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := FromJSON(data)
		if err != nil {
			return
		}
		out, err := n.AppendJSON(nil, Revealed)
		if err != nil {
			t.Fatalf("%q reads as %v and does not encode: %v", data, n, err)
		}
		again, err := FromJSON(out)
		if err != nil || !Equal(n, again) {
			t.Errorf("%q → %q → %v, %v", data, out, again, err)
		}
	})
}

func FuzzNumber(f *testing.F) {
	for _, s := range []string{"0.70", "0o17", "-.5e3", "+1e-7", "00012.500"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := NewNumber(s)
		if err != nil {
			return
		}
		text, err := n.JSONNumber()
		if err != nil {
			return
		}
		if !json.Valid([]byte(text)) {
			t.Fatalf("%q is %q in JSON", s, text)
		}
		if want, ok := n.Number(); ok {
			if got, ok := new(big.Rat).SetString(text); !ok || got.Cmp(want) != 0 {
				t.Errorf("%q became %q", s, text)
			}
		}
	})
}
