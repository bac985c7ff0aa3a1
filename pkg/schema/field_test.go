package schema

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/llm-devops/lcm/pkg/tree"
)

// brief gives a field in one line: kinds, then what is special about it.
func brief(f Field) string {
	var words []string
	for _, k := range f.Kinds {
		words = append(words, k.String())
	}
	if len(words) == 7 {
		words = []string{"any"}
	}
	add := func(is bool, format string, args ...any) {
		if is {
			words = append(words, fmt.Sprintf(format, args...))
		}
	}
	add(f.Secret, "secret(%s,%s)", f.SecretType, f.Rotation)
	add(f.Merge.Strategy != tree.None, "%s", f.Merge.Strategy)
	add(f.Merge.Key != "", "key=%s", f.Merge.Key)
	add(f.NoPromote, "never")
	add(f.Required, "required")
	add(len(f.Conditions) > 0, "if %s", strings.Join(f.Conditions, "; "))
	add(f.Default != nil, "=%s", f.Default)
	for _, e := range f.Enum {
		words = append(words, e.String())
	}
	for _, b := range f.Bounds {
		words = append(words, "("+b+")")
	}
	return strings.Join(words, " ")
}

func TestField(t *testing.T) {
	m := service(t)
	for _, tt := range []struct{ key, want string }{
		{"", "map"},
		{"temperature", "integer number =0.70 (be at least 0) (be at most 2)"},
		{"port", "integer never =8080 (be at least 1) (be at most 65535)"},
		{"name", "string required (have at least 2 characters) (match ^[a-zäöü]+$)"},
		{"level", `string ="mid" "low" "mid" "high"`},
		{"api_key", "string secret(api-key,90d) (match ^sk-)"},
		{"token", "string secret(access-token,) (match ^tok-)"},
		{"labels", "map !merge"},
		{"labels.x", "string"},
		{"credentials", "map secret(bundle,24h)"},
		{"credentials.x", "string secret(bundle,24h)"},
		{"providers.a", "map"},
		{"providers.a.kind", `string required "openai" "azure"`},
		{"providers.a.key", "string secret(api-key,90d) (match ^sk-)"},
		{"providers.a.region", "string required"},
		{"routes", "list key=name"},
		{"routes[0]", "map"},
		{"routes[5].name", "string required"},
		{"routes[name=x].match.path", `string ="/"`},
		{"tags", "list !append"},
		{"hooks", "list !prepend"},
		{"command", "list !override"},
		{"pair[0]", "integer"},
		{"pair[1]", "string"},
		{"high", "integer =10"},
		{"size", `integer string`},
		{"mode", `null string "a" null`},
		{"tree.children[0].children[3].secret_value", "string secret(,)"},
		{"backend.type", `string "memory" "cache" "disk"`},
		{"backend.entries", "integer =100"},
		{"kind", `string ="service" "service"`},
		{"anything", "any"},
		{"anything.a[0].b", "any"},
		{"open.known", "integer"},
		{"open.other", "any"},
		{"nested.deep.must", "boolean required"},
		{"nested.list", "list =list of 2"},
		{"nested.map", "map =map of 1"},
		{"nested.map.b", "integer"},
		{"maybe.shared", "string secret(shared,)"},
		{"maybe.ttl", `string ="5m"`},
		{"tls.cert", "string never required if enabled is true"},
		{"tls.key", "string secret(tls,90d) required if enabled is true"},
		{"tls.strict", "boolean required if enabled is true"},
		{"models.a.price", "integer number =1.50"},
		{`"quoted.key"`, "string"},
		{"union.from", "string required"},
		{"n16", "integer (be at least 0) (be at most 65535)"},
		{"promoted.y.z", "integer never"},
	} {
		f, ok := m.Field(path(t, tt.key))
		if got := brief(f); !ok || got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.key, got, tt.want)
		}
	}
	for _, key := range []string{"nope", "name.x", "routes.x", "routes[0].nope", "pair[2]", "models.A1", "providers.a.nope", "nested.deep.must[0]"} {
		if f, ok := m.Field(path(t, key)); ok {
			t.Errorf("%s: known as %s", key, brief(f))
		}
	}
}

func TestFieldDoc(t *testing.T) {
	m := service(t)
	for key, want := range map[string]string{
		"temperature": "Randomness. More words.\n\nA second paragraph.",
		"name":        "what it is called",
		"tls.cert":    "Certificate.",
		"maybe.ttl":   "Lifetime.",
	} {
		if f, _ := m.Field(path(t, key)); f.Doc != want {
			t.Errorf("%s: %q", key, f.Doc)
		}
	}
	if m.Doc() != "Root of the service." {
		t.Errorf("doc %q", m.Doc())
	}
}

// A pattern holds for the fields beside it too, and a comment on a definition for those who use it.
func TestPatternsAndDefinitions(t *testing.T) {
	m := inline(t, `
#Config: {
	m?: {named?: string, other?: int, [=~"^n"]: =~"^x" @secret()}
	d?: #D
	own?: #D // Its own.
}
// Of the definition.
#D: string
`)
	for key, want := range map[string]string{"m.named": "string secret(,) (match ^x)", "m.nnn": "string secret(,) (match ^x)", "m.other": "integer"} {
		if f, ok := m.Field(path(t, key)); !ok || brief(f) != want {
			t.Errorf("%s: %s", key, brief(f))
		}
	}
	for key, want := range map[string]string{"d": "Of the definition.", "own": "Its own."} {
		if f, _ := m.Field(path(t, key)); f.Doc != want {
			t.Errorf("%s: %q", key, f.Doc)
		}
	}
}

// A mark is found wherever CUE can have a field.
func TestMarksEverywhere(t *testing.T) {
	m := inline(t, `
#S: string @secret(type=a)
#E: {embedded?: string @secret(type=b)}
#P: {[string]: string @secret(type=c)}
#R: {again?: #R, leaf?: string @secret(type=d)}
#Outer: {inner: {x?: string @secret(type=e)}}
let L = {letted?: string @secret(type=f)}
plain: {top?: string @secret(type=g)}
#Config: {
	optional?:  #S
	required!:  #S
	regular:    *"x" | #S
	conj?:      string & #S
	either?:    #S | int
	nullable?:  *null | #S
	#E
	embed?: {#E, other?: int}
	both?: #E & {embedded?: =~"^x"}
	pattern?: #P
	list?: [...#E]
	keyed?: [#E, ...{second?: string @secret(type=h)}]
	arms?: {k: "1", one?: string @secret(type=i)} | {k: "2", two?: string @secret(type=j)}
	rec?: #R
	sel?: #Outer.inner
	let_?: L
	top_?: plain
	decl?: {@secret(type=k)
		v?: string}
	closed?: close({c?: string @secret(type=l)})
	"a-b"?: string @secret(type=m)
	short: path: deep?: string @secret(type=n)
	if required == "x" {sometimes?: string @secret(type=o)}
	sub: {if required == "y" {within?: {there?: string @secret(type=p)}}}
	items?: [...string] @secret(type=q)
}
`)
	for key, want := range map[string]string{
		"optional": "a", "required": "a", "regular": "a", "conj": "a", "either": "a", "nullable": "a", "embedded": "b", "embed.embedded": "b",
		"both.embedded": "b", "pattern.x": "c", "list[1].embedded": "b", "keyed[0].embedded": "b", "keyed[4].second": "h", "arms.one": "i",
		"arms.two": "j", "rec.leaf": "d", "rec.again.again.leaf": "d", "sel.x": "e", "let_.letted": "f", "top_.top": "g", "decl.v": "k",
		"closed.c": "l", "a-b": "m", "short.path.deep": "n", "sometimes": "o", "sub.within.there": "p", "items[3]": "q",
	} {
		if f, ok := m.Field(path(t, key)); !ok || !f.Secret || f.SecretType != want {
			t.Errorf("%s: known %t, %s; want secret of type %s", key, ok, brief(f), want)
		}
	}
	for _, key := range []string{"embed.other", "embed", "list", "list[0]", "arms", "arms.k", "rec", "keyed", "sub", "sub.within"} {
		if f, ok := m.Field(path(t, key)); !ok || f.Secret {
			t.Errorf("%s: known %t, %s; want not secret", key, ok, brief(f))
		}
	}
	want := "a-b c conj decl deep either embedded items leaf letted nullable one optional pattern regular required second sometimes there top two x"
	got := strings.Join(m.SecretNames(), " ")
	if got != want {
		t.Errorf("secret names\n%s\nwant\n%s", got, want)
	}
}

func TestSecretNames(t *testing.T) {
	want := "api_key credentials key secret_value shared token"
	if got := strings.Join(service(t).SecretNames(), " "); got != want {
		t.Errorf("got %s", got)
	}
}

func TestKeys(t *testing.T) {
	m := service(t)
	for prefix, want := range map[string]string{
		"te":           "temperature",
		"to":           "token",
		"tls.":         "tls.enabled tls.strict tls.cert tls.key",
		"tls.e":        "tls.enabled",
		"providers.":   "providers.<name>",
		"providers.a.": "providers.a.kind providers.a.key providers.a.timeout providers.a.region",
		"routes[0].m":  "routes[0].match",
		"q":            "",
		`"q`:           `"quoted.key"`,
		"nope.":        "",
		"name.":        "",
		"a[.":          "",
		"backend.":     "backend.type backend.entries backend.path",
	} {
		if got := strings.Join(m.Keys(prefix), " "); got != want {
			t.Errorf("%q: got %q, want %q", prefix, got, want)
		}
	}
	if all := m.Keys(""); len(all) < 30 || all[0] != "temperature" {
		t.Errorf("all: %v", all)
	}
}

func TestFields(t *testing.T) {
	var keys []string
	for e := range service(t).Fields() {
		keys = append(keys, e.Key)
		if strings.HasSuffix(e.Key, ".key") && !e.Field.Secret {
			t.Errorf("%s is not secret", e.Key)
		}
	}
	for _, want := range []string{
		"temperature", "labels.<name>", "providers.<name>.region", "routes[].match.path", "tree.value", "tree.children[]", "tls.cert",
		"models.<name>.price", `"quoted.key"`, "pair[]", "union.also", "backend.path",
	} {
		if n := len(slices.DeleteFunc(slices.Clone(keys), func(k string) bool { return k != want })); n != 1 {
			t.Errorf("%s comes %d times", want, n)
		}
	}
	if slices.Contains(keys, "tree.children[].value") {
		t.Error("recursion is followed")
	}
	for e := range service(t).Fields() {
		if e.Key == "temperature" {
			return
		}
	}
}
