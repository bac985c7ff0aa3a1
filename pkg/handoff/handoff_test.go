package handoff

import (
	"strings"
	"testing"

	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

func parse(t *testing.T, src string) *tree.Node {
	t.Helper()
	doc, err := yamldoc.Parse("x.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return doc.Root()
}

func TestVariables(t *testing.T) {
	root := parse(t, "db: {password: s3cr3t, port: 0o17}\nroutes: [{api-key: a b}]\nnothing: null\nempty: {}\n\"1.5\": true\n")
	vars, err := Variables("", nil, root)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, v := range vars {
		got = append(got, v.Name+"="+v.Text)
	}
	if want := "DB_PASSWORD=s3cr3t DB_PORT=0o17 ROUTES_0_API_KEY=a b _1_5=true"; strings.Join(got, " ") != want {
		t.Errorf("%s, want %s", got, want)
	}
	if vars, err := Variables("APP_", tree.Keys("db"), root.Get(tree.Keys("db"))); err != nil || vars[0].Name != "APP_DB_PASSWORD" {
		t.Errorf("%v, %v", vars, err)
	}
}

func TestVariablesThatCannotBe(t *testing.T) {
	for src, want := range map[string]string{
		"a: {b: 1}\na_b: 2\n": "a.b and a_b both give the variable A_B",
		"a: \"x\\0y\"\n":      "a holds a NUL",
		"a: " + strings.Repeat("x", MaxVariable) + "\n":   "a is too long for an environment variable",
		"a: " + strings.Repeat("x", MaxVariable-2) + "\n": "",
	} {
		_, err := Variables("", nil, parse(t, src))
		if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || len(err.Error()) > 200) {
			t.Errorf("%.40s: %v", src, err)
		}
	}
	for _, name := range []string{"", "1A", "A-B", "A=B", "Ä"} {
		if CheckName(name) == nil {
			t.Errorf("%q is a name", name)
		}
	}
}

func TestNamed(t *testing.T) {
	root := parse(t, "a: {b: [1, \"x\"]}\nc: true\nd: null\n")
	for key, want := range map[string]string{"a": `{"b":[1,"x"]}`, "c": "true"} {
		v, ok, err := Named("X", tree.Keys(key), root.Get(tree.Keys(key)))
		if err != nil || !ok || v.Text != want {
			t.Errorf("%s: %q, %v", key, v.Text, err)
		}
	}
	if _, ok, err := Named("X", tree.Keys("d"), root.Get(tree.Keys("d"))); ok || err != nil {
		t.Errorf("null: %t, %v", ok, err)
	}
}

func TestContent(t *testing.T) {
	root := parse(t, "a: {b: [1, \"x\"]}\nc: |\n  two\n  lines\n")
	for _, c := range []struct{ name, key, want string }{
		{"all.json", "", `{"a":{"b":[1,"x"]},"c":"two\nlines\n"}` + "\n"},
		{"all", "", `{"a":{"b":[1,"x"]},"c":"two\nlines\n"}` + "\n"},
		{"all.yaml", "", "a:\n  b:\n    - 1\n    - x\nc: |\n  two\n  lines\n"},
		{"list.yml", "a.b", "[1,\"x\"]\n"},
		{"c.pem", "c", "two\nlines\n"},
		{"c.json", "c", `"two\nlines\n"` + "\n"},
	} {
		at := root
		if c.key != "" {
			p, err := tree.ParsePath(c.key)
			if err != nil {
				t.Fatal(err)
			}
			at = root.Get(p)
		}
		if got, err := Content(c.name, at); err != nil || string(got) != c.want {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
	}
}

func TestWhatSteersPrograms(t *testing.T) {
	for name, want := range map[string]bool{"PATH": true, "LD_PRELOAD": true, "NODE_OPTIONS": true, "DB_PASSWORD": false, "PATHS": false} {
		if Steers(name) != want {
			t.Errorf("%s: %t", name, !want)
		}
	}
}
