package template_test

import (
	"errors"
	"testing"
	"unicode/utf8"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/template"
	"github.com/llm-devops/lcm/pkg/tree"
)

// FuzzTemplate reads any text as a template and, if it is one, fills it with any value. Whatever the value is, the result has
// the keys of the template and no others, and a place for every finding.
func FuzzTemplate(f *testing.F) {
	for _, body := range []string{
		"a: {{s}}\n", "a: x {{s | upper}} {{ s | replace: \"a\", 'b' }}\n", "a: [{{s}}, {b: \"{{s}}\"}]\n", "a: |\n  {{s}}\n", "a: \\{{s}} {{s}}\n",
		"a: '{{s | default: ''x''}}'\n", "a: \"{{s | default: \\\"x\\\"}}\"\n", "{{s}}: 1\n", "a: {{s", "a: {{s.x.y}}\n", "a: !override {{s}}\nb: &x {{s}}\nc: *x\n",
		"a: {{s | json | string | number}}\n", "\ufeffa: {{s}}\r\nb: \"\\uFDD0\\U000F0000\\U000F0000\\uFDD2\"\n", "a: ü{{s}}\u2028\n", "extends: x\n", "a: {{{s}}}\n",
	} {
		f.Add(body, "x")
		f.Add(body, "a: b\nc: {{s}}")
	}
	f.Fuzz(func(t *testing.T, body, value string) {
		src := "template: {version: 1.0.0, variables: {s: {}}}\n" + body
		s := set("t", src)
		found, err := s.Find(template.Ref{Name: "t"})
		if err != nil {
			list, ok := errors.AsType[diag.List](err)
			if !ok || len(list) == 0 {
				t.Fatalf("%v", err)
			}
			for _, x := range list {
				if x.Position.File == "" || x.Message == "" || x.Code == "" || utf8.ValidString(src) && !utf8.ValidString(x.Message) {
					t.Errorf("%+v", x)
				}
			}
			return
		}
		made, findings := s.Render(found, tree.NewMap(tree.Field{Key: "s", Value: tree.NewString(value)}))
		if len(findings) > 0 {
			return
		}
		other, findings := s.Render(found, tree.NewMap(tree.Field{Key: "s", Value: tree.NewString("1")}))
		if len(findings) > 0 {
			return
		}
		if a, b := shape(made.Layers[0].Root), shape(other.Layers[0].Root); a != b {
			t.Errorf("%q makes %s of %q, and 1 makes %s", value, a, src, b)
		}
	})
}

// shape gives the keys and the places of a tree.
func shape(root *tree.Node) string {
	text := ""
	root.Walk(func(p tree.Path, n *tree.Node) bool {
		text += p.String() + " " + n.Pos.String() + n.Directive.String() + "\n"
		return true
	})
	return text
}

func FuzzRef(f *testing.F) {
	for _, s := range []string{"a", "a@1", "a@1.2", "a@1.2.3", "a@1.2.3-rc.1", "a.yaml", "a@", "@1", "a@1@2", "a-b_c@0.0.0-0.x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := template.ParseRef(s)
		if err != nil {
			return
		}
		again, err := template.ParseRef(r.String())
		if err != nil || again != r {
			t.Errorf("%q is read as %s, and that as %s, %v", s, r, again, err)
		}
	})
}
