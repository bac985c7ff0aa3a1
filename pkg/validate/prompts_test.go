package validate

import (
	"slices"
	"strings"
	"testing"

	"github.com/llm-devops/lcm/pkg/yamldoc"
)

func TestPrompts(t *testing.T) {
	for _, tt := range []struct {
		name, templates string
		want            []string // "CODE KEY: name"
	}{
		{"all declared", "a: {user: 'Hello {{name}} and {{ name }} {{{name}}} {{&name}}', variables: [{name: name}]}", nil},
		{
			"one missing", "a: {system: '{{role}}', user: '{{mesage}}', variables: [{name: role}, {name: message}]}",
			[]string{"prompt-variable templates.a.user: {{mesage}}", "prompt-unused templates.a.variables: message"},
		},
		{"no declarations at all", "a: {user: '{{x}} {{x.y}}'}", []string{"prompt-variable templates.a.user: {{x}}", "prompt-variable templates.a.user: {{x}}"}},
		{"a section's items are its own", "a: {user: '{{#orders}}{{id}}{{/orders}}{{^orders}}none{{/orders}}', variables: [{name: orders}]}", nil},
		{
			"a section itself is not", "a: {user: '{{#orders}}{{id}}{{/orders}} {{id}}'}",
			[]string{"prompt-variable templates.a.user: {{orders}}", "prompt-variable templates.a.user: {{id}}"},
		},
		{
			"a condition changes no names", "a: {syntax: handlebars, user: '{{#if vip}}{{nmae}}{{else}}{{name}}{{/if}}{{#each xs}}{{this}} {{@index}} {{label}}{{/each}}', variables: [{name: vip}, {name: name}, {name: xs}]}",
			[]string{"prompt-variable templates.a.user: {{nmae}}"},
		},
		{"over several lines", "a: {user: \"{{\\n  name\\n}}\", variables: [{name: name}]}\n  b: {syntax: jinja2, user: \"{{\\n  name\\n}} {{ x\\n  | join(\\n y) }}\", variables: [{name: name}, {name: x}, {name: y}]}", nil},
		{"comments and partials", "a: {user: '{{! nothing }}{{> parent}}'}", nil},
		{"escaped", `a: {user: '\{{x}}'}`, nil},
		{"the parent's", "p: {system: '{{company}} {{n}}', variables: [{name: company}, {name: n}]}\n  a: {extends: p, user: '{{company}}', variables: [{name: n}]}", nil},
		{"used by an heir alone", "p: {variables: [{name: x}]}\n  a: {extends: p, user: '{{x}}'}", nil},
		{"a parent elsewhere", "a: {extends: nobody, user: '{{x}}', variables: [{name: y}]}", nil},
		{"a circle", "a: {extends: b, user: '{{x}}'}\n  b: {extends: a}", nil},
		{"another language", "a: {syntax: none, user: '{{x}}'}", nil},
		{"Jinja", "a: {syntax: jinja2, user: '{% for f in fields -%}{{ f.name }}: {{ f.hint | default(\"x\") }} {{ loop.index }}{% endfor %}{% set y = 1 %}{{ y }}{% if flag %}{{ range(3) }}{% endif %}', variables: [{name: fields}, {name: flag}]}", nil},
		{
			"Jinja without", "a: {syntax: jinja2, user: '{{ text | upper }}{% if flag %}x{% endif %}', variables: [{name: txet}]}",
			[]string{"prompt-variable templates.a.user: {{text}}", "prompt-unused templates.a.variables: txet"},
		},
		{"examples are uses", "a: {examples: [{user: '{{x}} {{y}}', assistant: ok}], variables: [{name: x}]}", nil},
		{"no text where one should be", "a: {user: 1, system: [], variables: {x: y}, extends: {}}\n  b: 1", nil},
	} {
		doc, err := yamldoc.Parse("f", []byte("templates:\n  "+tt.templates+"\n"))
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		var got []string
		for _, f := range prompts(doc.Root()) {
			what := f.Message
			if _, rest, ok := strings.Cut(f.Message, "{{"); ok {
				what, _, _ = strings.Cut("{{"+rest, ",")
			} else if fields := strings.Fields(f.Message); len(fields) > 1 {
				what = fields[1]
			}
			got = append(got, f.Code+" "+f.Key+": "+what)
			if f.Position.Line < 2 {
				t.Errorf("%s: no place: %+v", tt.name, f)
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: got\n  %s\nwant\n  %s", tt.name, strings.Join(got, "\n  "), strings.Join(tt.want, "\n  "))
		}
	}
}

// FuzzPrompts: whatever a text is, every use in it has a name.
func FuzzPrompts(f *testing.F) {
	for _, s := range []string{"{{a}}", "{{#a}}{{/a}}", "{{/}}", "{{{a}}}", "{% for a in b %}{{ a }}", "{{a | b}}", "{{#if}}", "{{ }}", "{{^}}{{~a~}}", "{%%}", "{{(a)}}", "{{\f}}", "{{#\v}}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, syntax := range []string{"mustache", "jinja2"} {
			for _, u := range promptUses(syntax, text) {
				if u.name == "" || u.needed && (u.line < 1 || u.line > 1+strings.Count(text, "\n")) {
					t.Errorf("%s of %q: %+v", syntax, text, u)
				}
			}
		}
	})
}
