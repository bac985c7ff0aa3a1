package schema

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func compile1(t *testing.T, body string) *Module {
	t.Helper()
	set, err := Load([]Source{inlineSource(body)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := set.Module("mine")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestCompare(t *testing.T) {
	for _, tt := range []struct {
		name, old, new string
		want           []string
	}{
		{"nothing", "a?: int", "// With a comment.\n\ta?: int", nil},
		{"added and removed", "a?: int, old?: {b?: int}", "a?: int, new?: {c?: string @secret(), d: *3 | int}, must!: string, with: *1 | int", []string{
			"added new: a map (secret)", "added must: a string, required (narrower)", "added with: an integer, default 1", "removed old (narrower)",
		}},
		{"a key that begins like another", "a?: {b?: int}", "a?: {b?: int}, ab?: int, abc?: {d?: int}", []string{"added ab: an integer", "added abc: a map"}},
		{"kinds", "a?: int, b?: string | int, c?: string", "a?: number, b?: string, c?: int", []string{
			"changed a: an integer → a number", "changed b: an integer or a string → a string (narrower)", "changed c: a string → an integer (narrower)",
		}},
		{"presence", "a?: int, b!: int, c?: int, k?: string\n\tif k != _|_ {d!: int}", "a!: int, b?: int, c: *1 | int, k?: string\n\td?: int", []string{
			"changed a: required (narrower)", "changed b: not required", "changed c: default 1", "changed d: not required",
		}},
		{"conditions", "k: *\"x\" | \"y\"\n\ta?: int\n\tif k == \"x\" {b!: int}", "k: *\"x\" | \"y\"\n\ta?: int\n\tif k == \"y\" {a!: int}\n\tif k == \"y\" {b!: int}", []string{
			`changed a: required when k is "y" (narrower)`, `changed b: required when k is "y" (narrower)`,
		}},
		{"defaults", `a: *1 | int, b: *"x" | string, c: *[1] | [...int]`, `a: *2 | int, b?: string, c: *[1, 2] | [...int]`, []string{
			"changed a: default 1 → 2", `changed b: no default, it was "x"`, "changed c: default [1] → [1,2]",
		}},
		{"allowed values", `a?: "x" | "y", b?: "x", c?: string, d?: "x" | "y"`, `a?: "y" | "z", b?: "x" | "y", c?: "x" | "y", d?: string`, []string{
			`changed a: may not be "x"; may be "z" (narrower)`, `changed b: may be "y"`, `changed c: must be one of "x", "y" (narrower)`, `changed d: may be other than one of "x", "y"`,
		}},
		{"bounds", "a?: int & >=1 & <=9, b?: int & >=1, c?: int & <10, d?: =~\"^a\", e?: int", "a?: int & >=2 & <=90, b?: int & >=0, c?: int & <9.5, d?: =~\"^b\", e?: int & >0", []string{
			"changed a: must be at least 2, was 1; must be at most 90, was 9 (narrower)", "changed b: must be at least 0, was 1",
			"changed c: must be less than 9.5, was 10 (narrower)", "changed d: must match ^b; need not match ^a (narrower)", "changed e: must be more than 0 (narrower)",
		}},
		{
			"marks", "a?: string, b?: string @secret(), c?: string @secret(type=x, rotate=1d), d?: int @promote(never), e?: int, f: [...int], g?: {h?: string}",
			"a?: string @secret(), b?: string, c?: string @secret(type=y, rotate=2d), d?: int, e?: int @promote(never), f: [...int] @merge(append), g?: {h?: string} @secret()",
			[]string{
				"changed a: secret (narrower) (secret)", "changed b: not secret", "changed c: a secret of type y; to be changed every 2d", "changed d: promoted",
				"changed e: never promoted", "changed f: lists join by append, were by replace", "changed g: secret (narrower) (secret)", "changed g.h: secret (narrower) (secret)",
			},
		},
		{"a secret's default is not told", `a: *"s3cr3t" | string @secret()`, `a: *"oth3r" | string @secret()`, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			old, new := compile1(t, "#Config: {\n\t"+tt.old+"\n}"), compile1(t, "#Config: {\n\t"+tt.new+"\n}")
			var got []string
			for _, c := range Compare(old, new) {
				text := fmt.Sprintf("%s %s", c.Kind, c.Key)
				if len(c.Changes) > 0 {
					text += ": " + strings.Join(c.Changes, "; ")
				}
				if c.Narrower {
					text += " (narrower)"
				}
				if c.Secret {
					text += " (secret)"
				}
				got = append(got, text)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if same := Compare(new, new); len(same) > 0 {
				t.Errorf("a module differs from itself: %v", same)
			}
		})
	}
}

// Every built-in module is what it is.
func TestCompareBuiltins(t *testing.T) {
	set, err := Load(builtins(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	var all []*Module
	for _, name := range set.Names() {
		m, err := set.Module(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := Compare(m, m); len(got) > 0 {
			t.Errorf("%s differs from itself: %v", name, got)
		}
		all = append(all, m)
	}
	for i, m := range all[1:] { // two that have little in common
		if got := Compare(all[i], m); len(got) < 5 {
			t.Errorf("%s and %s differ in %v only", all[i].Name(), m.Name(), got)
		}
	}
}
