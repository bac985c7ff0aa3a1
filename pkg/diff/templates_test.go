package diff

import (
	"slices"
	"strings"
	"testing"

	"github.com/llm-devops/lcm/pkg/pin"
	"github.com/llm-devops/lcm/pkg/template"
	"github.com/llm-devops/lcm/pkg/workspace"
)

const templated = platform + `-- templates/chat.yaml --
template:
  version: 1.0.0
  variables:
    model: {type: string}
    heat: {type: number, default: 0.5}
chat:
  model: "{{model}}"
  heat: {{heat}}
  fixed: 1
-- templates/unused.yaml --
template: {version: 1.0.0}
-- config/acme/base/router.yaml --
extends: chat
variables:
  model: opus
-- config/globex/base/inference.yaml --
extends: chat
variables: {model: mini, heat: 0.1}
chat: {fixed: 2}
`

// TestCompareTemplates: a change of a template reaches who extends it, at its place in the template; a change of a variable
// is one of the file that sets it.
func TestCompareTemplates(t *testing.T) {
	const file, acme, globex = "templates/chat.yaml", "config/acme/base/router.yaml", "config/globex/base/inference.yaml"
	const acmeAll = "acme/development/router acme/staging/router acme/production/router"
	const globexAll = "globex/development/inference globex/staging/inference globex/production/inference"
	for _, test := range []struct {
		name, pattern string
		change        func(*sandbox)
		want          []string
	}{
		{name: "a value of the template", change: func(s *sandbox) { s.replace(file, "fixed: 1", "fixed: 3") }, want: []string{
			"templates/chat:9 changed chat.fixed: 1 → 3 | " + acmeAll + " | 1/2", "changed templates/chat.yaml",
		}},
		{name: "a default", change: func(s *sandbox) { s.replace(file, "0.5", "0.6") }, want: []string{
			"templates/chat:8 changed chat.heat: 0.5 → 0.6 | " + acmeAll + " | 1/2", "changed templates/chat.yaml",
		}},
		{name: "a key of the template comes", pattern: "globex/production", change: func(s *sandbox) { s.replace(file, "  fixed: 1\n", "  fixed: 1\n  new: true\n") }, want: []string{
			"templates/chat:10 added chat.new: - → true | globex/production/inference | 1/1", "changed templates/chat.yaml",
		}},
		{name: "and goes", pattern: "globex/production", change: func(s *sandbox) { s.replace(file, "  heat: {{heat}}\n", "") }, want: []string{
			"templates/chat:8 removed chat.heat: 0.1 → - | globex/production/inference | 1/1", "changed templates/chat.yaml",
		}},
		{name: "a template that nobody extends", change: func(s *sandbox) { s.write("templates/unused.yaml", "template: {version: 1.0.0}\na: 1\n") }, want: []string{
			"changed templates/unused.yaml",
		}},
		{name: "a variable", change: func(s *sandbox) { s.replace(acme, "opus", "sonnet") }, want: []string{
			`acme/base/router:3 changed chat.model: "opus" → "sonnet" | ` + acmeAll + " | 1/1",
		}},
		{name: "a variable comes", change: func(s *sandbox) { s.replace(acme, "  model: opus\n", "  model: opus\n  heat: 0.9\n") }, want: []string{
			"acme/base/router:4 changed chat.heat: 0.5 → 0.9 | " + acmeAll + " | 1/1",
		}},
		{name: "a variable goes", change: func(s *sandbox) { s.replace(globex, ", heat: 0.1", "") }, want: []string{
			"globex/base/inference:2 changed chat.heat: 0.1 → 0.5 | " + globexAll + " | 1/1",
		}},
		{name: "a variable and the template", pattern: "acme", change: func(s *sandbox) {
			s.replace(acme, "opus", "sonnet")
			s.replace(file, "fixed: 1", "fixed: 3")
		}, want: []string{
			"templates/chat:9 changed chat.fixed: 1 → 3 | " + acmeAll + " | 1/1",
			`acme/base/router:3 changed chat.model: "opus" → "sonnet" | ` + acmeAll + " | 1/1", "changed templates/chat.yaml",
		}},
		{name: "it is extended no more", change: func(s *sandbox) { s.write(acme, "strategy: cheapest\n") }, want: []string{
			`acme/base/router:1 added strategy: - → "cheapest" | ` + acmeAll + " | 1/1",
			"acme/base/router:1 removed chat: map of 3 → - | " + acmeAll + " | 1/1",
		}},
		{name: "the template is broken", pattern: "acme/production", change: func(s *sandbox) { s.replace(file, "{{heat}}", "{{haet}}") }, want: []string{
			"changed templates/chat.yaml", "finding undeclared-variable templates/chat.yaml:8:9", "unresolved acme/production/router",
		}},
		{name: "only a comment", change: func(s *sandbox) { s.replace(file, "chat:\n", "chat: # ours\n") }, want: []string{"changed templates/chat.yaml"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSandbox(t, strings.Replace(templated, "-- config/acme/base/router.yaml --\nstrategy: cheapest\n", "", 1), true)
			test.change(s)
			got := lines(s.report(s.at("HEAD", test.pattern), s.at("", test.pattern)))
			if !slices.Equal(got, test.want) {
				t.Errorf("worktree: got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(test.want, "\n  "))
			}
			s.commit()
			if got = lines(s.report(s.at("HEAD~1", test.pattern), s.at("HEAD", test.pattern))); !slices.Equal(got, test.want) {
				t.Errorf("revisions: got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(test.want, "\n  "))
			}
		})
	}
}

// TestANewerTemplateShowsInWhatItReaches: a lock that moves on is told with the addresses that come out differently by it.
func TestANewerTemplateShowsInWhatItReaches(t *testing.T) {
	s := newSandbox(t, templated, true)
	version := func(file, version, heat string) template.Source {
		text := "template: {version: " + version + "}\nchat: {heat: " + heat + "}\n"
		return template.Source{File: file, Data: []byte(text), Builtin: true}
	}
	var err error
	s.w, err = workspace.Open(t.Context(), s.dir, workspace.Options{Keyring: s.keys, Templates: []template.Source{
		version("warm.yaml", "2.0.0", "0.9"), version("warm@1.0.0.yaml", "1.0.0", "0.7"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	s.write("lcm.yaml", "apiVersion: lcm/v1\nenvironments: [development, staging, production]\nnamespaces:\n  inference: {}\n  router: {}\n")
	s.write("config/acme/base/router.yaml", "extends: warm\n")
	s.write("config/acme/production/router.yaml", "chat: {heat: 0.1}\n")
	s.write("lcm.lock", "apiVersion: lcm/v1\nschemas: {}\ntemplates:\n  warm:\n    version: 1.0.0\n    digest: "+pin.Digest(version("", "1.0.0", "0.7").Data)+"\n")
	s.commit()
	newest, err := s.w.Worktree().Upgraded(t.Context(), func(string) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	s.write("lcm.lock", string(newest.Bytes()))
	got := lines(s.report(s.at("HEAD", ""), s.at("", "")))
	want := []string{
		"template:warm:2 changed chat.heat: 0.7 → 0.9 | acme/development/router acme/staging/router | 1/1",
		"changed lcm.lock", `  changed templates.warm.version: "1.0.0" → "2.0.0"`,
	}
	if len(got) != len(want)+1 || !slices.Equal(got[:len(want)], want) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}
