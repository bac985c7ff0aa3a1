package validate_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/validate"
)

// TestWhatIsKeptIsNeverWrong edits a repository at random, and compares each time what is found with and without what was
// kept of all the states before.
func TestWhatIsKeptIsNeverWrong(t *testing.T) {
	f := newFixture(t)
	second := map[string]string{
		"config/globex/tenant.yaml":              "apiVersion: lcm/v1\nname: globex\n",
		"config/globex/base/inference.yaml":      "replicas: 2\n",
		"config/globex/production/notes.yaml":    "a: 1\n",
		"config/globex/development/notes.yaml":   "extends: few\nvariables: {n: 7}\n",
		"config/acme/development/inference.yaml": "replicas: 3\n",
	}
	f.write(second)
	files := []string{
		"config/global/base/inference.yaml", "config/global/production/inference.yaml", "config/acme/base/inference.yaml",
		"config/acme/production/inference.yaml", "config/acme/development/inference.yaml", "config/acme/base/notes.yaml", "config/acme/production/notes.yaml",
		"config/globex/base/inference.yaml", "config/globex/production/inference.yaml", "config/globex/production/notes.yaml", "config/globex/prod/notes.yaml",
		"config/acme/production/notes.cue", "config/globex/development/inference.cue", "config/acme/development/inference.cue",
		"config/acme/README.md", "config/acme/base/deep/x", "config/acme/base/inferno.yaml",
	}
	texts := []string{
		"replicas: 2\n", "replicas: 11\n", "model: llama\n", "model: !override mistral\n", "model: ''\n", "{}\n", "tags: a\n", "a: [\n", "unknown: 1\n",
		"api_key: plain\n", "extends: few\nvariables: {n: 7}\n", "model: !override prod.example.com:443\n", "a: 3\n", "extends: starter\n", f.sealed("tags: [a]\n", "api_key", "key-1", f.recipient), f.sealed("", "api_key", "key-2", f.stranger), "-",
	}
	const rules = `rules:
  apart: {environments: development, isolate: {from: production}}
  agree: {namespaces: notes, references: {keys: a, namespace: inference, names: replicas}}
  few: {severity: warning, environments: production, values: {replicas: {max: 2}}}
`
	others := map[string][]string{
		"config/acme/tenant.yaml": {
			"apiVersion: lcm/v1\nname: acme\nrecipients: [" + f.recipient + "]\n", "apiVersion: lcm/v1\nname: acme\nrecipients: [" + f.stranger + "]\n", "name: [\n", "apiVersion: lcm/v1\nname: acme\nnamespaces: [notes, gone]\n",
			"apiVersion: lcm/v1\nname: acme\nrecipients: [" + f.recipient + "]\nquotas: {bytes: 40, secrets: 1, namespaces: 1}\n",
		},
		"config/globex/tenant.yaml": {"apiVersion: lcm/v1\nname: globex\n", "-"},
		"lcm.yaml": {
			settings + rules, settings + rules, settings + rules, settings, settings + "layers: [global/base, \"{tenant}/{environment}\"]\n", strings.Replace(settings, "module: engine", "module: own", 1),
			settings + "  inferno: {module: engine}\n" + rules, "# Moved.\n\n" + settings + rules, strings.Replace(settings, "notes: {}", "notes: {inherits: inference}", 1) + rules,
			strings.Replace(settings, "module: engine", "module: gone", 1), strings.Replace(settings, "  - development\n", "  - prod\n  - development\n", 1) + rules,
		},
		"shared/x/x.cue":  {"package x\nn: 3\n", "package x\nn: 30\n", "package x\nn: 1\nn: 2\n", "-"},
		"schemas/own.cue": {"package own\n@module(name=\"own\", version=\"1.0.0\", title=\"x\")\n#Config: {\n// A.\na?: 1\n...}\n", "package own\n@module(name=\"own\", version=\"1.0.0\", title=\"x\")\n#Config: {\n// Few.\nreplicas?: 3\n...}\n", "-"},
		"templates/few.yaml": {
			"template:\n  version: 1.0.0\n  variables: {n: {type: integer}}\nreplicas: {{n}}\n",
			"template:\n  version: 1.0.0\n  variables: {n: {type: integer, max: 5}}\nreplicas: {{n}}\nmodel: mixtral\n", "-",
		},
		"lcm.lock": {f.lock("1.0.0", 2), f.lock("2.0.0", 20), f.lock("1.5.0", 2), strings.Replace(f.lock("1.0.0", 2), "starter", "other", 1)},
	}
	f.write(map[string]string{"lcm.yaml": settings + rules, "templates/few.yaml": others["templates/few.yaml"][0]})
	inCUE := []string{
		"import \"lcm.local/shared/x\"\nreplicas: x.n\n", "import \"lcm.local/schemas/own\"\nown.#Config & {a: 1}\n", "replicas: 2\n", "replicas: 11\n", "model: 1 @override()\n",
		"_t: string @tag(tenant)\nmodel: \"m-\\(_t)\"\n", "a: int\n", "api_key: \"plain\"\n", "-",
	}
	file := filepath.Join(t.TempDir(), "cache")
	exists := func(name string) bool { _, err := os.Stat(filepath.Join(f.dir, name)); return err == nil }
	edit := func(name, text string) {
		if text != "-" || exists(name) {
			f.write(map[string]string{name: text})
		}
	}
	r := rand.New(rand.NewPCG(1, 7))
	rounds := 160
	if testing.Short() {
		rounds = 30
	}
	codes := []string{"rule-isolation", "rule-reference", "rule-value", "quota-", "template", "yaml-syntax", "strict-override", "template-locked", "lock-missing"}
	seen := map[string]bool{}
	first := [][2]string{ // what chance seldom brings together
		{"config/acme/production/inference.yaml", "model: !override prod.example.com:443\n"},
		{"config/acme/development/inference.yaml", "model: !override prod.example.com:443\n"},
		{"config/acme/production/notes.yaml", "a: 3\n"},
		{"config/acme/tenant.yaml", others["config/acme/tenant.yaml"][4]},
	}
	for round := range rounds {
		name := files[r.IntN(len(files))]
		text := texts[r.IntN(len(texts))]
		if strings.HasSuffix(name, ".cue") {
			text = inCUE[r.IntN(len(inCUE))]
		}
		if r.IntN(4) == 0 {
			names := []string{"config/acme/tenant.yaml", "config/globex/tenant.yaml", "lcm.yaml", "schemas/own.cue", "templates/few.yaml", "shared/x/x.cue", "shared/x/x.cue", "lcm.lock"}
			name = names[r.IntN(len(names))]
			text = others[name][r.IntN(len(others[name]))]
		}
		if round < len(first) {
			name, text = first[round][0], first[round][1]
		}
		edit(name, text)
		keys, held := f.keys, []string{f.recipient}
		if r.IntN(3) == 0 {
			keys, held = f.noKeys, nil
		}
		want := f.outcome(keys, validate.Options{})
		cache := validate.OpenCache(file, "test")
		got := f.outcome(keys, validate.Options{Cache: cache, Keys: held})
		for _, line := range want {
			for _, code := range codes {
				seen[code] = seen[code] || strings.Contains(line, code)
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("round %d, after %s became %q:\nwith what is kept %v\nwithout %v", round, name, text, got, want)
		}
		f.must(cache.Save(true))
		again := f.outcome(keys, validate.Options{Cache: validate.OpenCache(file, "test"), Keys: held})
		if !reflect.DeepEqual(again, want) {
			t.Fatalf("round %d, once more:\nwith what is kept %v\nwithout %v", round, again, want)
		}
	}
	for _, code := range codes {
		if !seen[code] && !testing.Short() {
			t.Errorf("in %d rounds nothing came to %s", rounds, code)
		}
	}
}

// outcome gives all that a run says.
func (f *fixture) outcome(k *seal.Keyring, o validate.Options) []string {
	f.t.Helper()
	report, err := validate.Run(f.t.Context(), f.snapshot(k), o)
	f.must(err)
	out := []string{fmt.Sprint(report.Addresses, " addresses, ", report.Files, " files, unopened ", report.Unopened)}
	for _, x := range report.Findings {
		out = append(out, fmt.Sprintf("%+v", x))
	}
	slices.Sort(out[1:])
	return out
}
