package schema

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The built-in modules hold themselves to what others are held to.
func TestBuiltinsPassTheLint(t *testing.T) {
	set, err := Load(builtins(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range set.Names() {
		for _, f := range set.Lint(name) {
			t.Error(f)
		}
	}
}

func TestLint(t *testing.T) {
	const other = `package other
@module(name="other", version="1.0.0")
#Config: {
	// A token.
	token?: string @secret(type=access-token, rotate=30d)
	// A name.
	label?: string
}`
	const builtin = `package built
@module(name="built", version="1.0.0")
#Config: {
	// A name.
	region?: string
}`
	for _, tt := range []struct {
		name, body string
		want       []string
	}{
		{"nothing", "#Config: {\n\t// What.\n\ta?: int\n\t// Names.\n\tb: [...string] @merge(append)\n\t// Anything.\n\tc?: _\n}", nil},
		{"does not compile", "#Config: {a: strin}", []string{`error schemas/mine.cue:3:14 schema-invalid: #Config.a: reference "strin" not found`}},
		{"comments", "#Config: {\n\ta?: int\n\t// B.\n\tb?: {c?: {[string]: {d?: int}}}\n\t// L.\n\tl: [...#T] @merge(replace)\n}\n#T: {e?: #Doc}\n// Said here.\n#Doc: string", []string{
			"warning schemas/mine.cue:4:2 schema-undocumented: a has no comment", "warning schemas/mine.cue:6:7 schema-undocumented: b.c has no comment",
			"warning schemas/mine.cue:6:23 schema-undocumented: b.c.<name>.d has no comment",
		}},
		{"a definition used twice", "#Config: {\n\t// A.\n\ta?: #T\n\t// B.\n\tb?: #T\n}\n#T: {c?: int}", []string{"warning schemas/mine.cue:9:6 schema-undocumented: a.c has no comment"}},
		{"secrets", "#Config: {\n\t// A.\n\ta?: string @secret()\n\t// B.\n\tb?: string @secret(type=api-key)\n}", []string{
			"warning schemas/mine.cue:5:2 schema-secret-type: a is secret, and it is not said of which type or how often it is to be changed",
			"warning schemas/mine.cue:7:2 schema-secret-type: b is secret, and it is not said of which type or how often it is to be changed",
		}},
		{"a name in this module", "#Config: {\n\t// A.\n\tkey?: string @secret(type=api-key, rotate=1d)\n\t// B.\n\tb?: {\n\t\t// C.\n\t\tkey?: string\n\t}\n}", []string{
			"error schemas/mine.cue:9:3 schema-secret-name: b.key is plain, and key is secret elsewhere in this module",
		}},
		{"what holds secrets without a name", "#Config: {\n\t// H.\n\theaders?: {[string]: string @secret(type=api-key, rotate=1d)}\n\t// L.\n\tlist?: [...{[string]: string @secret(type=api-key, rotate=1d)}] @merge(replace)\n\t// S.\n\tsub?: {\n\t\t// H.\n\t\theaders?: string\n\t} @secret(type=api-key, rotate=1d)\n}", nil},
		{"names elsewhere", "#Config: {\n\t// T.\n\ttoken?: string\n\t// L.\n\tregion?: string @secret(type=api-key, rotate=1d)\n\t// As in other, which is told there.\n\tlabel?: string @secret(type=api-key, rotate=1d)\n}", []string{
			"warning schemas/mine.cue:5:2 schema-secret-name: token is plain, and token is secret in module other",
			"warning schemas/mine.cue:7:2 schema-secret-name: region is secret, and region is plain in module built",
		}},
		{"lists", "#Config: {\n\t// A.\n\ta: [...string]\n\t// B.\n\tb?: string | [...string]\n\t// C.\n\tc?: int @merge(append)\n}", []string{
			"warning schemas/mine.cue:5:2 schema-merge-rule: a is a list, and it is not said how the lists of several layers join",
			"warning schemas/mine.cue:7:2 schema-merge-rule: b is a list, and it is not said how the lists of several layers join",
			"warning schemas/mine.cue:9:2 schema-idle-mark: c is no list, so @merge(append) says nothing",
		}},
		{"promotion of secrets", "#Config: {\n\t// A.\n\ta?: string @secret(type=api-key, rotate=1d) @promote(never)\n}", []string{
			"warning schemas/mine.cue:5:2 schema-idle-mark: a is secret and so never promoted: @promote(never) says nothing",
		}},
		{"what is not used", "#Config: {\n\t// A.\n\ta?: #A\n}\n#A: int\n#B: {c?: #C}\n#C: {d?: string @promote(never)}", []string{
			"warning schemas/mine.cue:8:1 schema-unused: #B is not used",
			"warning schemas/mine.cue:9:1 schema-unused: #C is not used, so the @promote(never) in it marks nothing",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			set, err := Load([]Source{inlineSource(tt.body), {File: "schemas/other.cue", Data: []byte(other)}, {File: "built.cue", Data: []byte(builtin), Builtin: true}}, nil)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range set.Lint("mine") {
				got = append(got, f.Severity.String()+" "+f.Position.String()+" "+f.Code+": "+f.Message)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

const builtEngine = `// Package engine describes what it is.
package engine

@module(name="engine", version="1.2.0", title="Engine: \"fast\"")

#Config: {
	// Key.
	key?: string @secret(type=api-key, rotate=90d)
	// Parts.
	parts?: {[string]: {
		// Token.
		token?: string @secret(type=access-token, rotate=30d)
	}}
}
`

func TestReplacement(t *testing.T) {
	built := Source{File: "engine.cue", Data: []byte(builtEngine), Builtin: true}
	own := func(text string) Source { return Source{File: "schemas/engine.cue", Data: []byte(text)} }
	set, err := Load([]Source{built}, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := set.Eject("engine", "")
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Replace(builtEngine, `@module(name="engine", version="1.2.0", title="Engine: \"fast\"")`,
		"// Made from lcm's module engine 1.2.0, in whose place it is: what a newer lcm changes there does not reach it.\n"+
			`@module(name="engine", version="1.2.0", title="Engine: \"fast\"", replaces="1.2.0")`, 1)
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	set, err = Load([]Source{built, own(string(text))}, nil)
	if err != nil {
		t.Fatal(err)
	}
	info, err := set.Info("engine")
	if want := (Info{Name: "engine", Version: "1.2.0", Title: `Engine: "fast"`, File: "schemas/engine.cue", Replaces: "1.2.0", Current: "1.2.0"}); err != nil || info != want {
		t.Errorf("%+v, %v", info, err)
	}
	if m, err := set.Module("engine"); err != nil || m.Doc() != "What it is." || set.IsBuiltin("engine") || !slices.Equal(set.Names(), []string{"engine"}) {
		t.Errorf("%v, built in: %t, %v", err, set.IsBuiltin("engine"), set.Names())
	}
	if found := set.Lint("engine"); len(found) > 0 {
		t.Error(found)
	}

	// One that drops a secret, made from what is not there any more.
	changed := strings.Replace(strings.Replace(string(text), `replaces="1.2.0"`, `replaces="1.1.0"`, 1), " @secret(type=access-token, rotate=30d)", "", 1)
	if set, err = Load([]Source{built, own(changed)}, nil); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range set.Lint("engine") {
		got = append(got, f.Severity.String()+" "+f.Position.String()+" "+f.Code+": "+f.Message)
	}
	if diff := cmp.Diff([]string{
		"warning schemas/engine.cue:5:1 schema-outdated: this was made from engine 1.1.0, and the built-in module is 1.2.0 now",
		"error schemas/engine.cue:13:3 schema-secret-dropped: parts.<name>.token is secret in the built-in module, and plain here",
	}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for src, want := range map[string]string{
		strings.Replace(string(text), `, replaces="1.2.0"`, "", 1):           `schemas/engine.cue:5:1: module "engine" is built in [schema-duplicate]`,
		strings.Replace(string(text), `replaces="1.2.0"`, `replaces="1"`, 1): `schemas/engine.cue:5:1: "1" is not a module's version [schema-header]`,
		strings.Replace(string(text), `name="engine"`, `name="motor"`, 1):    `schemas/engine.cue:5:1: there is no built-in module "motor" to replace [schema-header]`,
	} {
		if _, err := Load([]Source{built, own(src)}, nil); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// Every built-in module can be ejected, in its place and under another name, and stays what it was.
func TestEjectBuiltins(t *testing.T) {
	sources := builtins(t)
	set, err := Load(sources, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range set.Names() {
		for _, as := range []string{"", "our-" + name} {
			text, err := set.Eject(name, as)
			if err != nil {
				t.Fatal(err)
			}
			src := Source{File: "schemas/ours.cue", Data: text}
			own, err := Load(append(slices.Clone(sources), src), nil)
			if err != nil {
				t.Fatal(err)
			}
			got := as
			if as == "" {
				got = name
			}
			m, err := own.Module(got)
			if err != nil {
				t.Fatal(err)
			}
			built, err := set.Module(name)
			if err != nil {
				t.Fatal(err)
			}
			if m.source.Builtin || m.Version() != built.Version() || m.Title() != built.Title() || !slices.Equal(m.SecretNames(), built.SecretNames()) {
				t.Errorf("%s as %q: %s %s", name, as, m.Name(), m.Version())
			}
			if found := own.Lint(got); len(found) > 0 {
				t.Errorf("%s as %q: %v", name, as, found)
			}
			was, _ := set.Source(name)
			if _, rest, ok := bytes.Cut(text, []byte("@module(")); !ok || !bytes.HasSuffix(was.Data, rest[bytes.IndexByte(rest, '\n'):]) {
				t.Errorf("%s as %q: what is behind the header changed", name, as)
			}
		}
	}
	for name, as := range map[string]string{"inference-engine": "Not A Name", "inference-engin": ""} {
		if _, err := set.Eject(name, as); err == nil {
			t.Errorf("%s as %q was ejected", name, as)
		}
	}
}
