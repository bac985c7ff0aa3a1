package display

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/llm-devops/lcm/pkg/schema"
)

const documented = `// Package mine describes mine.
package mine

@module(name="mine", version="0.1.0", title="Mine: a <test>")

#Config: {
	// Kind of it,
	// in two lines.
	//
	// And a second paragraph.
	kind: *"a" | "b|c"
	// Parts, by name.
	parts: {[=~"^[a-z_]+$"]: {
		// Share of *all*.
		share!: number & >0 & <=1
		// Label.
		label?: =~"^(a|b)$" & !="a"
		// Token.
		token?: string @secret(type=access-token, rotate=90d)
	}} @promote(never)
	// Steps in order.
	steps?: [...{
		// Name of it.
		name!: string
	}] @merge(key=name)
	if kind == "a" {
		// Text of kind a.
		text!: string
	}
}
`

func TestModuleMarkdown(t *testing.T) {
	set, err := schema.Load([]schema.Source{{File: "schemas/mine.cue", Data: []byte(documented)}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	info, err := set.Info("mine")
	if err != nil {
		t.Fatal(err)
	}
	m, err := set.Module("mine")
	if err != nil {
		t.Fatal(err)
	}
	report := NewModule(info, nil)
	report.Describe(m)
	want := strings.ReplaceAll(`# Mine: a \<test>

Module ~mine~, version 0.1.0, in ~schemas/mine.cue~. Mine.

~~~
lcm namespace add NAME --module mine
lcm schema show mine [KEY]
~~~

In keys, ~<name>~ stands for a name of your choice and ~[]~ for the items of a list. Encrypted are ~token~.

## Top level

| key | type | default | |
|---|---|---|---|
| ~kind~ | string | ~a~ | Kind of it, in two lines.<br>And a second paragraph.<br>One of ~a~, ~b\|c~. |
| ~text~ | string |  | Text of kind a.<br>**Required** when kind is "a". |

## parts

Parts, by name.

Never promoted.

| key | type | default | |
|---|---|---|---|
| ~parts.<name>~ | map |  | Never promoted. |
| ~parts.<name>.share~ | number |  | Share of \*all\*.<br>**Required**. Must be more than 0 and at most 1. Never promoted. |
| ~parts.<name>.label~ | string |  | Label.<br>Must match ~^(a\|b)$~ and not be "a". Never promoted. |
| ~parts.<name>.token~ | string |  | Token.<br>Encrypted, a secret of type access-token, to be changed every 90d. |

## steps

Steps in order.

Items of several layers are one where they have the same ~name~.

| key | type | default | |
|---|---|---|---|
| ~steps[]~ | map |  |  |
| ~steps[].name~ | string |  | Name of it.<br>**Required**. |
`, "~", "`")
	if diff := cmp.Diff(want, string(ModuleMarkdown(report))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestBoundsText(t *testing.T) {
	quote := func(s string) string { return "`" + s + "`" }
	for want, bounds := range map[string][]string{
		"be at least 1":                                   {"be at least 1"},
		"be at least 1 and at most 9":                     {"be at least 1", "be at most 9"},
		"be at least 1 and not be 5 and be at most 9":     {"be at least 1", "not be 5", "be at most 9"},
		"match `^a and b$` and `c$`":                      {"match ^a and b$", "match c$"},
		"not match `a` and not match `b`":                 {"not match a", "not match b"},
		"have at most 3 items and not hold an item twice": {"have at most 3 items", "not hold an item twice"},
		"satisfy `strings.IsAbs`":                         {"satisfy strings.IsAbs"},
	} {
		if got := boundsText(bounds, quote); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
