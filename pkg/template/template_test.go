package template_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/pin"
	"github.com/llm-devops/lcm/pkg/template"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// set makes a set of files; a name that begins with + is that of a built-in template.
func set(files ...string) *template.Set { return held(nil, files...) }

// held makes a set whose built-in templates are held to versions.
func held(pins map[string]pin.Pin, files ...string) *template.Set {
	var sources []template.Source
	for i := 0; i < len(files); i += 2 {
		name, builtin := strings.CutPrefix(files[i], "+")
		sources = append(sources, template.Source{File: "templates/" + name + ".yaml", Data: []byte(files[i+1]), Builtin: builtin})
	}
	return template.NewSet(sources, pins)
}

func use(t *testing.T, layer string) template.Use {
	t.Helper()
	doc, err := yamldoc.Parse("layer.yaml", []byte(layer))
	if err != nil {
		t.Fatal(err)
	}
	u, findings := template.ReadUse(doc.Root())
	if len(findings) > 0 {
		t.Fatal(findings)
	}
	return u
}

// apply gives what a layer file gets: a line of JSON per template.
func apply(t *testing.T, s *template.Set, layer string) (string, diag.List) {
	t.Helper()
	made, findings := s.Apply(use(t, layer), "acme", "")
	if len(findings) > 0 {
		return "", findings
	}
	var lines []string
	for _, l := range made.Layers {
		data, err := l.Root.AppendJSON(nil, tree.Masked)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, string(data))
	}
	return strings.Join(lines, "\n"), nil
}

// codes gives findings as "file:line:column code", a line each.
func codes(l diag.List) string {
	var lines []string
	for _, f := range l {
		lines = append(lines, f.Position.String()+" "+f.Code)
	}
	return strings.Join(lines, "\n")
}

const header = "template: {version: 1.0.0, variables: {s: {type: string}, n: {type: number}, b: {type: boolean}, l: {type: list}, m: {type: map}, o: {type: string, required: false}}}\n"

const values = "extends: t\nvariables: {s: text, n: 0.70, b: false, l: [a, 2], m: {k: {x: 1}}}\n"

func TestWhatBecomesOfAPlaceholder(t *testing.T) {
	for _, tt := range []struct{ name, body, want string }{
		{"the whole value keeps its type", "a: {{n}}\nb: \"{{b}}\"\nc: '{{ l }}'\nd: {{m}}", `{"a":0.70,"b":false,"c":["a",2],"d":{"k":{"x":1}}}`},
		{"a part of a text becomes text", "a: {{s}}-{{n}}/{{b}}", `{"a":"text-0.70/false"}`},
		{"a name with dots", "a: {{m.k.x}}\nb: \"<{{m.k.x}}>\"", `{"a":1,"b":"<1>"}`},
		{"in brackets", "a: [{{s}}, {{n}}]\nb: {c: {{s}}}\nd: {e: \"{{s}}\", f: {{n}}}", `{"a":["text",0.70],"b":{"c":"text"},"d":{"e":"text","f":0.70}}`},
		{"in blocks", "a: |\n  {{s}} and\n    {{n}}\nb: >\n  {{s}}\n  {{s}}\n", `{"a":"text and\n  0.70\n","b":"text text\n"}`},
		{"filters of text", "a: {{s | upper}}\nb: {{s | replace: \"t\", \"T\" | lower | trim}}\nc: {{n | string}}\nd: {{n | string | number}}", `{"a":"TEXT","b":"text","c":"0.70","d":0.70}`},
		{"filters of lists and maps", "a: \"{{l | join: '; '}}\"\nb: {{m | json}}", `{"a":"a; 2","b":"{\"k\":{\"x\":1}}"}`},
		{"defaults", "a: {{o | default: 0.7}}\nb: {{s | default: 1}}\nc: \"{{o | default: \\\"a\\\\\\\"b\\\"}}\"\nd: '{{o | default: ''x''}}'\ne: {{o | default: \"\"}}\nf: {{b | default: true}}", `{"a":0.7,"b":"text","c":"a\"b","d":"x","e":"","f":false}`},
		{"no value at all", "a: {{o}}\nb: [x, {{o}}, y]\nc: {d: {{o}}, e: 1}", `{"b":["x","y"],"c":{"e":1}}`},
		{"braces that are none", "a: \\{{s}}\nb: \"\\{{x}} {{s}} \\{{#y}}\"\nc: |\n  \\{{> parent}}\n", `{"a":"{{s}}","b":"{{x}} text {{#y}}","c":"{{> parent}}\n"}`},
		{"a comment", "a: 1 # {{nonsense |}}\n# {{", `{"a":1}`},
		{"CRLF", "a: {{s}}\r\nb: \"{{n}}\"\r\n", `{"a":"text","b":0.70}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			// Every variable is used, so that the header fits every body.
			all := "A: [{{s}}, {{n}}, {{b}}, {{l}}, {{m}}, {{o}}]\n"
			got, findings := apply(t, set("t", header+all+tt.body), values)
			if len(findings) > 0 {
				t.Fatal(findings)
			}
			want := `{"A":["text",0.70,false,["a",2],{"k":{"x":1}}],` + tt.want[1:]
			if got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// TestNoValueChangesTheStructure puts into every kind of place what would be YAML there if values went into the text.
func TestNoValueChangesTheStructure(t *testing.T) {
	s := set("t", "template: {version: 1.0.0, variables: {v: {type: string}}}\nplain: {{v}}\npart: x {{v}} y\ndouble: \"{{v}}\"\nblock: |\n  {{v}}\nflow: [{{v}}, {a: {{v}}}]\nlast: 1\n")
	for _, evil := range []string{"a\nadmin: true", `" , x: "y`, "!override 1", "*alias", "{{v}}", "\ufdd0\U000f0000\U000f0000\ufdd2", "~", "# no comment", "ENC[x]", "a: b", "- a", "\t", ""} {
		doc, err := yamldoc.New("layer.yaml", tree.NewMap(
			tree.Field{Key: "extends", Value: tree.NewString("t")},
			tree.Field{Key: "variables", Value: tree.NewMap(tree.Field{Key: "v", Value: tree.NewString(evil)})},
		))
		if err != nil {
			t.Fatal(err)
		}
		u, findings := template.ReadUse(doc.Root())
		made, more := s.Apply(u, "", "")
		if len(findings)+len(more) > 0 {
			t.Fatalf("%q: %v %v", evil, findings, more)
		}
		root := made.Layers[0].Root
		for key, want := range map[string]string{
			"plain": evil, "part": "x " + evil + " y", "double": evil, "block": evil + "\n", "flow[0]": evil, "flow[1].a": evil,
		} {
			path, err := tree.ParsePath(key)
			if err != nil {
				t.Fatal(err)
			}
			if n := root.Get(path); n == nil || n.Kind != tree.String || n.Text() != want || n.Directive != tree.None {
				t.Errorf("%q: %s is %v", evil, key, n)
			}
		}
		if root.Len() != 6 {
			t.Errorf("%q: %d keys", evil, root.Len())
		}
	}
}

func TestValuesHaveTheirPlaceInTheTemplate(t *testing.T) {
	s := set("t", "template:\n  version: 1.0.0\n  variables: {n: {type: integer}, d: {default: 1}}\nä: {ö: {{n}}, b: !override {{n}}}\nc: \"é {{d}}\"\n")
	made, findings := s.Apply(use(t, "extends: t\nvariables:\n  n: 5\n"), "", "")
	if len(findings) > 0 {
		t.Fatal(findings)
	}
	root := made.Layers[0].Root
	for key, want := range map[string]string{"ä.ö": "templates/t.yaml:4:8", "ä.b": "templates/t.yaml:4:28", "c": "templates/t.yaml:5:4"} {
		path, _ := tree.ParsePath(key)
		if got := root.Get(path).Pos.String(); got != want {
			t.Errorf("%s is at %s, want %s", key, got, want)
		}
	}
	if d := root.Get(tree.Keys("ä", "b")).Directive; d != tree.Override {
		t.Errorf("the tag is %q", d)
	}
	at := root.Get(tree.Keys("ä", "ö")).Pos
	if feeds := made.Fed[at]; len(feeds) != 1 || feeds[0].Variable != "n" || feeds[0].Pos.String() != "layer.yaml:3:6" {
		t.Errorf("fed by %v", feeds)
	}
	if feeds := made.Fed[root.Field("c").Pos]; len(feeds) != 1 || feeds[0].Pos.String() != "templates/t.yaml:3:48" {
		t.Errorf("the default: %v", feeds)
	}
}

func TestWhatIsWrongWithATemplate(t *testing.T) {
	const h = "template: {version: 1.0.0, variables: {s: {type: string}, l: {type: list}}}\nall: [{{s}}, {{l}}]\n"
	for _, tt := range []struct{ name, src, want string }{
		{"no header", "a: 1\n", "1:1 template-header"},
		{"no version", "template: {description: x}\n", "1:1 template-header"},
		{"not a version", "template: {version: 1.0}\n", "1:21 template-header"},
		{"half a version", "template: {version: \"1.0\"}\n", "1:21 template-header"},
		{"an unknown field", "template: {version: 1.0.0, varaibles: {}}\n", "1:28 template-header"},
		{"an unknown type", "template: {version: 1.0.0, variables: {a: {type: strnig}}}\na: {{a}}", "1:50 template-header"},
		{"a default of another type", "template: {version: 1.0.0, variables: {a: {type: integer, default: x}}}\na: {{a}}", "1:68 variable-type"},
		{"a default out of bounds", "template: {version: 1.0.0, variables: {a: {type: number, max: 1, default: 1.5}}}\na: {{a}}", "1:75 variable-value"},
		{"a pattern that is none", "template: {version: 1.0.0, variables: {a: {pattern: \"[\"}}}\na: {{a}}", "1:53 template-header"},
		{"a placeholder in a default", "template: {version: 1.0.0, variables: {a: {default: \"{{b}}\"}}}\na: {{a}}", "1:54 template-header"},
		{"an undeclared variable", h + "a: x {{t}}\n", "3:6 undeclared-variable"},
		{"an unused one", "template:\n  version: 1.0.0\n  variables:\n    s: {type: string}\n", "4:5 unused-variable"},
		{"a placeholder in a key", h + "\"a{{s}}\": 1\n", "3:1 template-key"},
		{"an open one", h + "a: \"{{s\"\n", "3:4 template-syntax"},
		{"a tag", h + "a: \"{% include x %} {{#if s}}\"\n", "3:21 template-syntax"},
		{"an unknown filter", h + "a: {{s | uper}}\n", "3:4 template-syntax"},
		{"arguments", h + "a: {{s | replace: \"a\"}}\nb: {{s | upper: 1}}\nc: {{s | default: word}}\nd: {{s | default: \"x}}", "3:4 template-syntax\n4:4 template-syntax\n5:4 template-syntax\n6:4 template-syntax"},
		{"a filter for something else", h + "a: {{l | upper}}\nb: {{s | join: \",\"}}\n", "3:4 template-filter\n4:4 template-filter"},
		{"a list in a text", h + "a: x {{l}}\n", "3:6 template-filter"},
		{"something in a text", h + "a: {{s.x}}\n", "3:4 template-filter"},
		{"no words for no value", "template: {version: 1.0.0, variables: {o: {required: false}}}\na: x {{o}}\n", "2:6 template-optional"},
		{"ciphertext", h + "a: \"ENC[AES256_GCM,data:x,iv:y,tag:z,type:str]\"\n", "3:4 template-secret"},
		{"a sops block", h + "sops: {}\n", "3:1 template-secret"},
		{"extends beside the header", h + "extends: x\n", "3:1 template-header"},
		{"YAML", h + "a: [{{s}}\n", "3:6 yaml-syntax"},
		{"a key twice", h + "a: {{s}}\na: 1\n", "4:1 yaml-duplicate-key"},
		{"a noncharacter", h + "a: \ufdd0\n", "3:4 template-character"},
		{"values without extends", "template: {version: 1.0.0, values: {a: 1}}\n", "1:36 template-header"},
		{"a parent that is none", "template: {version: 1.0.0, extends: nobody}\n", "1:37 unknown-template"},
		{"itself", "template: {version: 1.0.0, extends: t}\n", "1:37 template-cycle"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := set("t", tt.src)
			found, err := s.Find(template.Ref{Name: "t"})
			list, _ := errors.AsType[diag.List](err)
			if err == nil {
				list = s.Check(found)
			}
			if got := strings.ReplaceAll(codes(list), "templates/t.yaml:", ""); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s\n%v", got, tt.want, list)
			}
			for _, f := range list {
				if strings.ContainsFunc(f.Message+f.Hint, func(r rune) bool { return r >= 0xFDD0 && r <= 0xFDD3 || r >= 0xF0000 }) {
					t.Errorf("a stand-in shows: %q", f)
				}
			}
		})
	}
}

func TestWhatIsWrongWithALayer(t *testing.T) {
	s := set(
		"t", "template:\n  version: 1.2.0\n  variables:\n    model: {enum: [gpt-4.1, opus]}\n    n: {type: integer, default: 1, min: 1, max: 9}\n    p: {type: string, default: a, pattern: ^a}\n    m: {type: map, default: {k: 1}}\nm: [{{model}}, {{n}}, {{p}}, \"{{m.k}}\"]\n",
		"private", "template: {version: 1.0.0, tenants: [globex]}\n",
		"heir", "template: {version: 1.0.0, extends: private}\n",
		"moduled", "template: {version: 1.0.0, module: model-router}\n",
		"broken", "template: {version: 1.0.0}\na: {{x}}\n",
	)
	for _, tt := range []struct{ name, layer, want string }{
		{"no such template", "extends: tt\n", "layer.yaml:1:10 unknown-template"},
		{"no such version", "extends: t@2\n", "layer.yaml:1:10 unknown-template"},
		{"a variable missing", "a: 1\nextends: [t]\n", "layer.yaml:2:11 missing-variable"},
		{"of another type", "extends: t\nvariables: {model: opus, n: many}\n", "layer.yaml:2:29 variable-type"},
		{"a number for a text", "extends: t\nvariables: {model: 4.1}\n", "layer.yaml:2:20 variable-type"},
		{"out of bounds", "extends: t\nvariables: {model: opus, n: 10}\n", "layer.yaml:2:29 variable-value"},
		{"none of the words", "extends: t\nvariables: {model: opsu}\n", "layer.yaml:2:20 variable-value"},
		{"not the pattern", "extends: t\nvariables: {model: opus, p: b}\n", "layer.yaml:2:29 variable-value"},
		{"without what the template looks for in it", "extends: t\nvariables: {model: opus, m: {}}\n", "layer.yaml:2:29 variable-value"},
		{"that there is none of", "extends: t\nvariables: {model: opus, modle: x}\n", "layer.yaml:2:26 unknown-variable"},
		{"with a tag", "extends: t\nvariables: {model: !override opus}\n", "layer.yaml:2:30 template-variables"},
		{"somebody else's", "extends: private\n", "layer.yaml:1:10 template-private"},
		{"an heir of somebody else's", "extends: heir\n", "layer.yaml:1:10 template-private"},
		{"of another module", "extends: moduled\n", "layer.yaml:1:10 template-module"},
		{"broken itself", "extends: broken\n", "templates/broken.yaml:2:4 undeclared-variable"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, findings := apply(t, s, tt.layer)
			if got := codes(findings); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
	for layer, want := range map[string]string{
		"variables: {a: 1}\n": "l:1:1 template-variables", "extends: 1\n": "l:1:10 template-extends", "extends: [t, {}]\n": "l:1:14 template-extends",
		"extends: T!\n": "l:1:10 template-extends", "extends: t@1.x\n": "l:1:10 template-extends", "extends: t\nvariables: []\n": "l:2:12 template-variables",
	} {
		doc, err := yamldoc.Parse("l", []byte(layer))
		if err != nil {
			t.Fatal(err)
		}
		if _, findings := template.ReadUse(doc.Root()); codes(findings) != want {
			t.Errorf("%q: %s, want %s", layer, codes(findings), want)
		}
	}
}

func TestTemplatesExtendTemplates(t *testing.T) {
	s := set(
		"base", "template: {version: 1.0.0, variables: {region: {type: string}, size: {type: integer, default: 1}}}\nwhere: \"{{region}}\"\nsize: {{size}}\n",
		"eu", "template: {version: 1.0.0, extends: base@1, values: {region: \"eu-{{part}}\"}, variables: {part: {default: central}}}\nname: {{part}}\n",
		"both", "template: {version: 1.0.0, extends: [eu, base]}\n",
		"twice", "template: {version: 1.0.0, extends: [eu, eu]}\nlast: true\n",
		"narrow", "template: {version: 1.0.0, extends: base, variables: {size: {type: integer, default: 5, max: 9}}}\n",
		"ring", "template: {version: 1.0.0, extends: ring2}\n",
		"ring2", "template: {version: 1.0.0, extends: ring3}\n",
		"ring3", "template: {version: 1.0.0, extends: ring}\n",
		"new@1.0.0", "template: {version: 1.0.0}\na: 1\n",
		"new", "template: {version: 2.0.0, extends: new@1}\nb: 2\n",
		"wrong", "template: {version: 1.0.0, extends: base, values: {size: x, region: eu}}\n",
		"typo", "template: {version: 1.0.0, extends: base, values: {sizes: 1}}\n",
	)
	for layer, want := range map[string]string{
		"extends: base\nvariables: {region: us}\n":   `{"size":1,"where":"us"}`,
		"extends: eu\nvariables: {size: 2}\n":        `{"size":2,"where":"eu-central"}` + "\n" + `{"name":"central"}`,
		"extends: eu\nvariables: {part: west}\n":     `{"size":1,"where":"eu-west"}` + "\n" + `{"name":"west"}`,
		"extends: both\nvariables: {region: us}\n":   `{"size":1,"where":"eu-central"}` + "\n" + `{"name":"central"}` + "\n" + `{"size":1,"where":"us"}` + "\n{}",
		"extends: twice\n":                           `{"size":1,"where":"eu-central"}` + "\n" + `{"name":"central"}` + "\n" + `{"last":true}`,
		"extends: narrow\nvariables: {region: us}\n": `{"size":5,"where":"us"}` + "\n{}",
		"extends: new\n":                             `{"a":1}` + "\n" + `{"b":2}`,
		"extends: [new@1.0, eu.yaml]\n":              `{"a":1}` + "\n" + `{"size":1,"where":"eu-central"}` + "\n" + `{"name":"central"}`,
		"extends: base\nvariables: {regoin: us}\n":   "layer.yaml:1:10 missing-variable\nlayer.yaml:2:13 unknown-variable",
		// What a template fixes cannot be set.
		"extends: eu\nvariables: {region: us}\n":               "layer.yaml:2:13 unknown-variable",
		"extends: narrow\nvariables: {region: us, size: 10}\n": "layer.yaml:2:31 variable-value",
		"extends: ring\n":                          "templates/ring3.yaml:1:37 template-cycle",
		"extends: wrong\n":                         "templates/wrong.yaml:1:58 variable-type",
		"extends: typo\nvariables: {region: us}\n": "templates/typo.yaml:1:52 unknown-variable",
	} {
		got, findings := apply(t, s, layer)
		if len(findings) > 0 {
			got = codes(findings)
		}
		if got != want {
			t.Errorf("%q\ngot\n%s\nwant\n%s", layer, got, want)
		}
	}
	_, findings := apply(t, s, "extends: ring\n")
	if len(findings) != 1 || !strings.Contains(findings[0].Message, "ring@1.0.0 → ring2@1.0.0 → ring3@1.0.0 → ring@1.0.0") {
		t.Errorf("the circle is not named: %v", findings)
	}
}

func TestVersions(t *testing.T) {
	text := func(v string) string { return "template: {version: " + v + "}\n" }
	s := set("t", text("2.1.0"), "t@1.9.0", text("1.9.0"), "t@1.10.0", text("1.10.0"), "t@2.0.0", text("2.0.0"), "t@3.0.0-rc.2", text("3.0.0-rc.2"), "t@3.0.0-rc.10", text("3.0.0-rc.10"),
		"pre", text("0.1.0-alpha"), "named@1.2.3", "template: {}\n", "other@1.0.0", text("1.0.1"), "same", text("1.0.0"), "same@1.0.0", text("1.0.0"),
		"+mine", text("9.0.0"), "mine", text("1.0.0"), "+theirs", text("1.0.0"))
	for ref, want := range map[string]string{
		"t": "t@2.1.0", "t@1": "t@1.10.0", "t@1.9": "t@1.9.0", "t@2": "t@2.1.0", "t@2.0": "t@2.0.0", "t@2.0.0": "t@2.0.0", "t@3.0.0-rc.2": "t@3.0.0-rc.2",
		"pre": "pre@0.1.0-alpha", "named": "named@1.2.3", "mine": "mine@1.0.0", "theirs": "theirs@1.0.0",
		"t@3": `template "t" has no version 3`, "t@3.0.0": `template "t" has no version 3.0.0`, "mine@9": `template "mine" has no version 9`, "thier": `unknown template "thier"`,
		"other": "templates/other@1.0.0.yaml:1:21: version is 1.0.1, and the file's name says 1.0.0 [template-header]",
		"same":  "templates/same@1.0.0.yaml: templates/same.yaml says that it is same@1.0.0, too [template-version]",
	} {
		r, err := template.ParseRef(ref)
		if err != nil {
			t.Fatal(err)
		}
		if r.String() != ref {
			t.Errorf("%s is written %s", ref, r)
		}
		got := ""
		if found, err := s.Find(r); err != nil {
			got = err.Error()
		} else {
			got = found.ID()
		}
		if got != want {
			t.Errorf("%s: %s, want %s", ref, got, want)
		}
	}
	all, err := s.Versions("t")
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, v := range all {
		order = append(order, v.Version.String())
	}
	if got, want := strings.Join(order, " "), "3.0.0-rc.10 3.0.0-rc.2 2.1.0 2.0.0 1.10.0 1.9.0"; got != want {
		t.Errorf("in the order %s, want %s", got, want)
	}
	for _, bad := range []string{"", "T", "-t", "t@", "t@1.2.3.4", "t@01", "t@1-rc", "t@1.2.3-", "t@1.2.3-01", "t@v1", "t@1.2.3+x", "a/b", "..", "t@-1"} {
		if r, err := template.ParseRef(bad); err == nil {
			t.Errorf("%q is read as %s", bad, r)
		}
	}
}

// TestSecretsAreNeverVariables keeps what is secret in a layer file out of what templates make, and of what is said about it.
func TestSecretsAreNeverVariables(t *testing.T) {
	s := set("t", "template: {version: 1.0.0, variables: {s: {enum: [a]}}}\na: {{s}}\n")
	secret := tree.NewString("hunter2")
	secret.Secret = true
	root := tree.NewMap(
		tree.Field{Key: "extends", Pos: diag.Position{File: "l", Line: 1, Column: 1}, Value: tree.NewString("t")},
		tree.Field{Key: "variables", Value: tree.NewMap(tree.Field{Key: "s", Value: secret})},
	)
	u, _ := template.ReadUse(root)
	made, findings := s.Apply(u, "", "")
	if made != nil || !strings.Contains(codes(findings), "template-secret") {
		t.Errorf("%v", findings)
	}
	if strings.Contains(findings.Error(), "hunter2") {
		t.Error("the secret shows")
	}
}
