package template_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/pin"
	"github.com/llm-devops/lcm/pkg/template"
)

// versions is a library that has older versions of a template beside the newest.
var versions = []string{
	"+base@1.0.0", "template: {version: 1.0.0, variables: {a: {default: 1}}}\nbase: {{a}}\n",
	"+base@1.1.0", "template: {version: 1.1.0, variables: {a: {default: 2}}}\nbase: {{a}}\n",
	"+base", "template: {version: 2.0.0, variables: {a: {default: 3}}}\nbase: {{a}}\n",
	"+heir@1.0.0", "template: {version: 1.0.0, extends: base}\nheir: 1\n",
	"+heir", "template: {version: 1.1.0, extends: base@1}\nheir: 2\n",
	"ours", "template: {version: 1.0.0, extends: heir}\nours: 1\n",
	"shadow", "template: {version: 1.0.0}\nshadow: ours\n",
	"+shadow", "template: {version: 3.0.0}\nshadow: theirs\n",
}

// at gives the pin of a version in that library.
func at(t *testing.T, version, name string) pin.Pin {
	t.Helper()
	for i := 0; i < len(versions); i += 2 {
		if strings.HasPrefix(versions[i], "+"+name) && strings.Contains(versions[i+1], "version: "+version) {
			return pin.Pin{Version: version, Digest: pin.Digest([]byte(versions[i+1]))}
		}
	}
	t.Fatalf("there is no %s %s", name, version)
	return pin.Pin{}
}

func TestAReferenceMeansWhatItIsHeldTo(t *testing.T) {
	for _, tt := range []struct {
		name, layer string
		pins        map[string]pin.Pin
		want        string
	}{
		{"nothing holds it", "extends: base", nil, `{"base":3}`},
		{"an older version", "extends: base", map[string]pin.Pin{"base": at(t, "1.0.0", "base")}, `{"base":1}`},
		{
			"each reference for itself", "extends: [base@2, base@1, base@1.1.0, base]",
			map[string]pin.Pin{"base": at(t, "1.0.0", "base"), "base@1": at(t, "1.0.0", "base")},
			`{"base":3}` + "\n" + `{"base":1}` + "\n" + `{"base":2}`,
		},
		{
			"through another template", "extends: ours",
			map[string]pin.Pin{"heir": at(t, "1.1.0", "heir"), "base@1": at(t, "1.0.0", "base")},
			`{"base":1}` + "\n" + `{"heir":2}` + "\n" + `{"ours":1}`,
		},
		{
			"an older one extends otherwise", "extends: [ours, heir@1.1]",
			map[string]pin.Pin{"heir": at(t, "1.0.0", "heir")},
			`{"base":3}` + "\n" + `{"heir":1}` + "\n" + `{"ours":1}` + "\n" + `{"base":2}` + "\n" + `{"heir":2}`,
		},
		{"the repository's own is not held", "extends: shadow", map[string]pin.Pin{"shadow": at(t, "3.0.0", "shadow")}, `{"shadow":"ours"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, findings := apply(t, held(tt.pins, versions...), tt.layer+"\n"); got != tt.want || len(findings) > 0 {
				t.Errorf("got\n%s\nwant\n%s\n%v", got, tt.want, findings)
			}
		})
	}
}

func TestWhatIsNotBuiltInIsRefused(t *testing.T) {
	gone := pin.Pin{Version: "1.0.5", Digest: "sha256:0", Pos: diag.Position{File: "lcm.lock", Line: 7, Column: 3}}
	other := gone
	other.Version = "1.1.0"
	for _, tt := range []struct {
		ref              string
		pin              pin.Pin
		message, hintHas string
	}{
		{"base", gone, "this repository is held to the template base 1.0.5, and this lcm has 2.0.0, 1.1.0, 1.0.0", "lcm schema upgrade base --dry-run"},
		{"base@1", other, "this repository is held to the template base 1.1.0, and this lcm has 2.0.0, 1.1.0 with another text, 1.0.0", "lcm schema upgrade base --dry-run"},
		{"base@1.0.5", gone, "this repository is held to the template base 1.0.5, and this lcm has 2.0.0, 1.1.0, 1.0.0", "extend another version than base@1.0.5"},
		{"removed", gone, "this repository is held to the template removed 1.0.5, and this lcm has none of that name", "extend another template"},
	} {
		_, findings := apply(t, held(map[string]pin.Pin{tt.ref: tt.pin}, versions...), "extends: "+tt.ref+"\n")
		if codes(findings) != "lcm.lock:7:3 template-locked" || findings[0].Message != tt.message || !strings.Contains(findings[0].Hint, tt.hintHas) {
			t.Errorf("%s: %v", tt.ref, findings)
		}
	}
	ref, err := template.ParseRef("base@1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := held(map[string]pin.Pin{"base@1": gone}, versions...).Find(ref); err == nil {
		t.Error("a version that is not built in is found")
	} else if _, ok := errors.AsType[diag.List](err); !ok {
		t.Errorf("it has no place: %v", err)
	}
}

func TestPinsOfALayer(t *testing.T) {
	older := map[string]pin.Pin{"heir": at(t, "1.0.0", "heir")}
	for _, tt := range []struct {
		layer string
		pins  map[string]pin.Pin
		want  string
		whole bool
	}{
		{"extends: base", nil, "base=2.0.0", true},
		{"extends: [base@1, base@1.0, base@1.0.0, base]", nil, "base=2.0.0 base@1=1.1.0 base@1.0=1.0.0 base@1.0.0=1.0.0", true},
		{"extends: ours", nil, "base@1=1.1.0 heir=1.1.0", true},
		{"extends: ours", older, "base=2.0.0 heir=1.0.0", true},
		{"extends: [shadow, ours]", older, "base=2.0.0 heir=1.0.0", true},
		{"extends: [base, nobody]", nil, "base=2.0.0", false},
		{"extends: ours", map[string]pin.Pin{"heir": {Version: "9.0.0"}}, "", false},
		{"variables: {}", nil, "", true},
	} {
		u := template.Use{}
		if tt.layer != "variables: {}" {
			u = use(t, tt.layer+"\n")
		}
		pins, whole := held(tt.pins, versions...).Pins(u)
		var got []string
		for _, ref := range slices.Sorted(maps.Keys(pins)) {
			name, _, _ := strings.Cut(ref, "@")
			if !pins[ref].Same(at(t, pins[ref].Version, name)) {
				t.Errorf("%s: the digest of %s is %s", tt.layer, ref, pins[ref].Digest)
			}
			got = append(got, ref+"="+pins[ref].Version)
		}
		if strings.Join(got, " ") != tt.want || whole != tt.whole {
			t.Errorf("%s: %v, whole: %t, want %s", tt.layer, got, whole, tt.want)
		}
	}
}

// TestTwoVersionsOfABuiltInTemplateAreTwo: each has its own place, and its own variables.
func TestTwoVersionsOfABuiltInTemplateAreTwo(t *testing.T) {
	s := held(nil, versions...)
	made, findings := s.Apply(use(t, "extends: [base, base@1.0.0]\n"), "", "")
	if len(findings) > 0 || len(made.Layers) != 2 {
		t.Fatal(made, findings)
	}
	for i, want := range []string{"template:base:2:7", "template:base@1.0.0:2:7"} {
		if got := made.Layers[i].Root.Field("base").Pos; got.String() != want || len(made.Fed[got]) != 1 {
			t.Errorf("a value is at %s, want %s, and is fed by %v", got, want, made.Fed[got])
		}
	}
}
