package annotate

import (
	"fmt"
	"strings"
	"testing"
)

func TestRemarksComeAndGo(t *testing.T) {
	text := "a: 1\nb:\n    c: |\n        x\n        y\n### lcm: mine\n"
	r := For([]byte(text), "#")
	got := string(r.Add([]byte(text), []string{"above\nmore", ""}, map[int][]string{3: {"error: no"}, 9: {"nowhere"}}))
	want := "#### lcm: above\n#### lcm: more\n#### lcm:\na: 1\nb:\n    #### lcm: error: no\n    c: |\n        x\n        y\n### lcm: mine\n"
	if got != want {
		t.Errorf("%s", got)
	}
	if back := string(r.Strip([]byte(got))); back != text {
		t.Errorf("%s", back)
	}
	if back := string(r.Strip([]byte(strings.ReplaceAll(got, "\n", "\r\n")))); back != strings.ReplaceAll(text, "\n", "\r\n") {
		t.Errorf("%q", back)
	}
	if got := string(For(nil, "//").Add([]byte("a: 1\n"), []string{"x"}, nil)); got != "//// lcm: x\na: 1\n" {
		t.Error(got)
	}
}

func TestMarked(t *testing.T) {
	for text, want := range map[string]string{
		"a: s #!secret\nb: 1\n":                  "a: s\nb: 1\n[a]",
		"a: {b: s} #!secret\n":                   "a: {b: s}\n[a.b]",
		"a: {b: s, c: t} #!secret\n":             "a: {b: s, c: t}\n[a.b a.c]",
		"a: | #!secret\n  x #!secret\n":          "a: |\n  x #!secret\n[a]",
		"a: 'x #!secret'\n":                      "a: 'x #!secret'\n[]",
		"a: s #!secret\r\nb: 1\r\n":              "a: s\r\nb: 1\r\n[a]",
		"a: s\t#!secret":                         "a: s[a]",
		"a: s #!secret and more\n":               "a: s #!secret and more\n[]",
		"a: [1, #!secret\n":                      "a: [1, #!secret\n[]",
		"- s #!secret\n":                         "- s #!secret\n[]",
		"a:\n- n: x #!secret\n- n: y #!secret\n": "a:\n- n: x\n- n: y\n[a[0].n a[1].n]",
	} {
		got, keys := Marked("x.yaml", []byte(text))
		if s := string(got) + fmt.Sprint(keys); s != want {
			t.Errorf("%q: %q, want %q", text, s, want)
		}
	}
}
