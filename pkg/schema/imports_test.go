package schema

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/llm-devops/lcm/pkg/tree"
)

const kit = `// Package kit has parts.
package kit

@module(name="kit", version="1.0.0")

import "strings"

#Config: {}

// An endpoint.
#Endpoint: {
	// Where it is.
	url!: string & strings.HasPrefix("https://")
	// Its key.
	token?: string @secret(type=token, rotate=90d)
	// What follows.
	next?: #Endpoint
}
`

func user(imports, config string) Source {
	return Source{File: "schemas/user.cue", Data: fmt.Appendf(nil, "package user\n\n@module(name=\"user\", version=\"1.0.0\")\n%s\n#Config: {%s}\n", imports, config)}
}

var kitSource = Source{File: "kit.cue", Builtin: true, Data: []byte(kit)}

// A module is made of another's definitions: their fields, marks and places come with them.
func TestImports(t *testing.T) {
	for _, c := range []struct{ name, imports, config string }{
		{"plain", "import \"lcm.local/schemas/kit\"", "a: {[string]: kit.#Endpoint}"},
		{"by another name", "import k \"lcm.local/schemas/kit\"", "a: {[string]: k.#Endpoint}"},
		{"among others", "import (\n\t\"list\"\n\t\"lcm.local/schemas/kit\"\n\t\"strings\"\n)", "a: {[string]: kit.#Endpoint}, b?: [...string & strings.MinRunes(1)] & list.MinItems(1)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			set, err := Load([]Source{kitSource, user(c.imports, c.config)}, nil)
			if err != nil {
				t.Fatal(err)
			}
			m, err := set.Module("user")
			if err != nil {
				t.Fatal(err)
			}
			if got := m.SecretNames(); !slices.Equal(got, []string{"token"}) {
				t.Errorf("secrets %q", got)
			}
			root, err := tree.FromJSON([]byte(`{"a": {"x": {"url": "https://x", "next": {"url": "http://y", "tokn": 1}}}}`))
			if err != nil {
				t.Fatal(err)
			}
			found := m.Validate(root)
			if len(found) != 2 {
				t.Fatalf("%v", found)
			}
			for _, f := range found {
				if at := f.Related[0].Position.String(); !strings.HasPrefix(at, "schema:kit:1") {
					t.Errorf("%v is about %s", f, at)
				}
			}
			if found := set.Lint("user"); slices.ContainsFunc(lines(found), func(l string) bool { return strings.Contains(l, "kit") }) {
				t.Errorf("%v", found)
			}
			if got := set.Imports("user"); !slices.Equal(got, []string{"kit"}) {
				t.Errorf("imports %q", got)
			}
		})
	}
}

// A module of JSON Schema imports, and is imported, like any other.
func TestImportsOfJSONSchema(t *testing.T) {
	set, err := Load([]Source{
		kitSource,
		{File: "schemas/between.json", Data: []byte(`{"x-module": {"name": "between", "version": "1.0.0"},
			"$defs": {"Pair": {"type": "object", "required": ["left"], "properties": {"left": {"$ref": "lcm.local/schemas/kit#/$defs/Endpoint"}, "n": {"type": "integer", "pattern": "x", "minimum": 3}}}}}`)},
		user(`import "lcm.local/schemas/between"`, "a: between.#Pair"),
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := set.Module("user")
	if err != nil {
		t.Fatal(err)
	}
	root, err := tree.FromJSON([]byte(`{"a": {"left": {"url": "x"}, "n": 1}}`))
	if err != nil {
		t.Fatal(err)
	}
	var at []string
	for _, f := range m.Validate(root) {
		at = append(at, f.Key+" "+f.Related[0].Position.String())
	}
	slices.Sort(at)
	if want := []string{"a.left.url schema:kit:13:17", "a.n schemas/between.json:2:137"}; !slices.Equal(at, want) {
		t.Errorf("got %q, not %q", at, want)
	}
	if got := set.Imports("user"); !slices.Equal(got, []string{"kit"}) {
		t.Errorf("imports %q", got)
	}
}

func TestBadImports(t *testing.T) {
	for _, c := range []struct{ name, imports, config, want string }{
		{"no such module", `import "lcm.local/schemas/kid"`, "a: kid.#E", `schemas/user.cue:4:8 import: there is no module "kid" | did you mean kit?`},
		{"no such definition", `import "lcm.local/schemas/kit"`, "a: kit.#Endpont", `schemas/user.cue:5:18 invalid: module kit does not define #Endpont | did you mean #Endpoint?`},
		{"itself", `import "lcm.local/schemas/user"`, "a: user.#E", `schemas/user.cue:4:8 import: modules import each other in a circle: user → user | move what both need into a module of its own`},
		{"not a module", `import "lcm.local/shared/x"`, "a: x.#E", `schemas/user.cue:4:8 import: "lcm.local/shared/x" cannot be imported | `},
		{"unused", `import "lcm.local/schemas/kit"`, "a: int", ``},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := strings.Join(faults(t, kitSource, user(c.imports, c.config)), "\n")
			if c.want == "" && got != "" || !strings.HasPrefix(got, c.want) {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// What is imported is part of what a module says, and so of its digest.
func TestDigestWithImports(t *testing.T) {
	digest := func(kit string) string {
		set, err := Load([]Source{{File: "kit.cue", Builtin: true, Data: []byte(kit)}, user(`import "lcm.local/schemas/kit"`, "a: kit.#Endpoint")}, nil)
		if err != nil {
			t.Fatal(err)
		}
		m, err := set.Module("user")
		if err != nil {
			t.Fatal(err)
		}
		_, identity, err := set.Identity("user")
		if err != nil || identity != m.Digest() {
			t.Fatal(identity, m.Digest(), err)
		}
		return identity
	}
	if a, b := digest(kit), digest(strings.Replace(kit, "https", "http", 1)); a == b {
		t.Error("the digest is the same")
	}
}
