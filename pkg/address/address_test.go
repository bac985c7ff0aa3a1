package address

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	a, err := Parse("acme/production/inference-batch")
	if err != nil || a.File() != "config/acme/production/inference-batch.yaml" {
		t.Fatalf("%v, %v", a, err)
	}
	if b, ok := FromFile(a.File()); !ok || b != a {
		t.Errorf("FromFile = %v, %v", b, ok)
	}
	for _, bad := range []string{
		"", "acme", "acme/production", "acme/production/x/y", "Acme/production/x", "../production/x", "acme//x", "acme/production/",
		"acme/production/x.yaml", "-a/b/c", "a-/b/c", "acme/prod uction/x", "a/b/" + strings.Repeat("x", 64), "a/b/c\n", "é/b/c",
	} {
		if a, err := Parse(bad); err == nil {
			t.Errorf("Parse(%q) = %v", bad, a)
		}
	}
	for _, bad := range []string{"config/acme/tenant.yaml", "config/a/b/c.yml", "config/a/b/c/d.yaml", "x/a/b/c.yaml", "config/a/../c.yaml"} {
		if a, ok := FromFile(bad); ok {
			t.Errorf("FromFile(%q) = %v", bad, a)
		}
	}
}

func TestPatterns(t *testing.T) {
	a := Address{"acme", "production", "inference-batch"}
	for pattern, want := range map[string]bool{
		"": true, "acme": true, "acme/": true, "acme/production": true, "*/production": true, "acme/*/inference*": true,
		"a?me": true, "*/*/*": true, "acme/production/inference-batch": true,
		"globex": false, "acme/staging": false, "acme/production/inference": false, "acm": false,
	} {
		p, err := ParsePattern(pattern)
		if err != nil {
			t.Fatal(err)
		}
		if p.Match(a) != want {
			t.Errorf("%q matches %s: %v", pattern, a, !want)
		}
	}
	for _, bad := range []string{"a/b/c/d", "a//c", "/", "[a]", "A", "a b", "a/../c"} {
		if p, err := ParsePattern(bad); err == nil {
			t.Errorf("ParsePattern(%q) = %v", bad, p)
		}
	}
	if p, _ := ParsePattern("acme/production/inference"); func() bool { _, ok := p.Exact(); return !ok }() {
		t.Error("a whole address is not exact")
	}
	if p, _ := ParsePattern("acme/production"); func() bool { _, ok := p.Exact(); return ok }() {
		t.Error("two parts are exact")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("acme/production/inference")
	f.Add("../../etc")
	f.Fuzz(func(t *testing.T, s string) {
		a, err := Parse(s)
		if err != nil {
			return
		}
		if a.String() != s {
			t.Errorf("%q prints as %q", s, a)
		}
		if b, ok := FromFile(a.File()); !ok || a != b || strings.Contains(a.File(), "..") {
			t.Errorf("%q has the file %q", s, a.File())
		}
		if p, err := ParsePattern(s); err != nil || !p.Match(a) {
			t.Errorf("%q does not match itself", s)
		}
	})
}
