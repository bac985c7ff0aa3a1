package display

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/llm-devops/lcm/cmd/internal/term"
	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diff"
	"github.com/llm-devops/lcm/pkg/promote"
	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/workspace"
)

var updateGolden = flag.Bool("update-golden", false, "rewrite the golden files of reports")

const diffPlatform = `
-- lcm.yaml --
apiVersion: lcm/v1
environments: [development, staging, production]
namespaces:
  inference: {module: inference}
  router: {}
-- schemas/inference.cue --
package inference

@module(name="inference", version="1.0.0", title="Inference")

#Config: {
	sampling?: {temperature: *0.7 | number, top_p?: number}
	api_key?: string @secret()
	replicas?: int @promote(never)
	prompt?: string
	fallbacks?: [...string]
	providers?: {[string]: {url: string, timeout?: string, retries?: int, region?: string, deployments?: [...string]}}
	note?: string
}
-- config/global/tenant.yaml --
apiVersion: lcm/v1
-- config/acme/tenant.yaml --
apiVersion: lcm/v1
-- config/globex/tenant.yaml --
apiVersion: lcm/v1
namespaces: [inference]
-- config/global/base/inference.yaml --
sampling:
  temperature: 0.7
  top_p: 0.95
fallbacks: [gpt-4.1, claude-sonnet-4-5]
prompt: |
  You are a helpful assistant of the support team.
  Answer in the user's language.

  Never promise a refund.
  Be brief.
-- config/acme/production/inference.yaml --
sampling:
  temperature: 0.2
api_key: plain-secret-one
replicas: 12
-- config/acme/staging/inference.yaml --
replicas: 2
api_key: plain-secret-two
note: |
  first line
  second line
-- config/acme/base/router.yaml --
strategy: cheapest
`

// diffEdits is the platform after some work.
const diffEdits = `
-- config/global/base/inference.yaml --
sampling:
  temperature: 0.5
  top_p: 0.950
fallbacks: [claude-sonnet-4-5, gpt-4.1]
prompt: |
  You are a careful assistant of the support team.
  Answer in the user's language.

  Never promise a refund. ` + `
  Be brief.
  Say so when you do not know.
providers:
  openai:
    url: https://eu.api.openai.com/v1
    timeout: 30s
    retries: 3
    region: westeurope
-- config/acme/production/inference.yaml --
sampling:
  temperature: !override 0.2
api_key: plain-secret-three
prompt: !delete
note: "\e[31mred\e[0m"
replicas: 12
-- config/acme/base/router.yaml --
# Only a comment.
strategy: cheapest
-- config/globex/tenant.yaml --
apiVersion: lcm/v1
namespaces: [inference, router]
-- config/globex/production/router.yaml --
strategy: fastest
-- config/acme/development/router.yaml --
strategy: [broken
`

// diffWorkspace opens the platform; what its files are encrypted with does not matter here.
func diffWorkspace(t *testing.T) *workspace.Workspace {
	t.Helper()
	home := t.TempDir()
	for k, v := range map[string]string{"HOME": home, "XDG_CONFIG_HOME": home, "GIT_CONFIG_GLOBAL": os.DevNull, "GIT_CONFIG_NOSYSTEM": "1"} {
		t.Setenv(k, v)
	}
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "git", "init", "-q", "-b", "main", dir).CombinedOutput(); err != nil {
		t.Fatalf("git init: %v\n%s", err, out)
	}
	for _, f := range txtar.Parse([]byte(diffPlatform)).Files {
		path := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w, err := workspace.Open(t.Context(), dir, workspace.Options{
		Keyring: seal.NewKeyring(seal.KeyringOptions{Home: home, ConfigDir: home, Getenv: func(string) string { return "" }}),
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func diffSide(t *testing.T, s *workspace.Snapshot, pattern, label string) diff.Side {
	t.Helper()
	p, err := address.ParsePattern(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return diff.Side{Snapshot: s, Of: p, Label: label}
}

// golden compares output with a file in testdata. Nothing in it may be secret or act on a terminal.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	if bytes.Contains(got, []byte("plain-secret")) {
		t.Errorf("%s shows a secret", name)
	}
	if bytes.ContainsRune(got, 0x1b) && !strings.Contains(name, "colour") {
		t.Errorf("%s holds a control character", name)
	}
	file := filepath.Join("testdata", name)
	if *updateGolden {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s has changed; look at it and accept it with -update-golden:\n%s", file, got)
	}
}

func TestDiffReports(t *testing.T) {
	w := diffWorkspace(t)
	now := w.Worktree()
	edited := map[string][]byte{}
	for _, f := range txtar.Parse([]byte(diffEdits)).Files {
		edited[f.Name] = f.Data
	}
	after := w.Overlay(now, edited)
	for _, test := range []struct {
		name     string
		old, new diff.Side
	}{
		{"snapshots", diffSide(t, now, "", "HEAD"), diffSide(t, after, "", "worktree")},
		{"addresses", diffSide(t, now, "acme/staging", "acme/staging"), diffSide(t, now, "acme/production", "acme/production")},
		{"same", diffSide(t, now, "", "HEAD"), diffSide(t, now, "", "worktree")},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, err := diff.Compare(t.Context(), test.old, test.new, diff.Options{})
			if err != nil {
				t.Fatal(err)
			}
			var text, all, coloured, md, js bytes.Buffer
			for _, err := range []error{
				DiffText(&text, r, term.Plain(), DiffOptions{}),
				DiffText(&all, r, term.Plain(), DiffOptions{All: true}),
				DiffText(&coloured, r, colours(), DiffOptions{}),
				DiffMarkdown(&md, r),
				DiffJSON(&js, r),
			} {
				if err != nil {
					t.Fatal(err)
				}
			}
			golden(t, "diff_"+test.name+".txt", text.Bytes())
			if test.name == "snapshots" {
				golden(t, "diff_"+test.name+"_all.txt", all.Bytes())
				golden(t, "diff_"+test.name+"_colour.txt", coloured.Bytes())
			}
			golden(t, "diff_"+test.name+".md", md.Bytes())
			golden(t, "diff_"+test.name+".json", js.Bytes())
			if !json.Valid(js.Bytes()) {
				t.Error("no valid JSON")
			}
		})
	}
}

// colours gives a style that colours.
func colours() term.Style {
	return term.System(func(name string) string {
		if name == "CLICOLOR_FORCE" {
			return "1"
		}
		return ""
	}).Style()
}

func TestPromoteReports(t *testing.T) {
	w := diffWorkspace(t)
	after := w.Overlay(w.Worktree(), map[string][]byte{
		"config/acme/staging/inference.yaml": []byte("sampling: {temperature: 0.7}\nreplicas: 2\napi_key: plain-secret-two\nfallbacks: [gpt-5]\n" +
			"prompt: |\n  You are a careful assistant.\n  Be brief.\nproviders:\n  azure: {url: https://acme.openai.azure.com, deployments: [gpt-5, gpt-5-mini]}\n"),
		"config/acme/production/inference.yaml": []byte("sampling:\n  temperature: 0.2\n  top_p: 0.9 # lcm:pin\nreplicas: 12\nnote: only here\n"),
	})
	plans, err := promote.PrepareAll(t.Context(), after, promote.Stage{Tenant: "acme", Environment: "staging"}, promote.Stage{Tenant: "acme", Environment: "production"}, promote.Options{})
	if err != nil {
		t.Fatal(err)
	}
	back, err := promote.PrepareAll(t.Context(), after, promote.Stage{Tenant: "acme", Environment: "production"}, promote.Stage{Tenant: "acme", Environment: "development"}, promote.Options{})
	if err != nil {
		t.Fatal(err)
	}
	none, err := promote.PrepareAll(t.Context(), after, promote.Stage{Tenant: "globex", Environment: "staging"}, promote.Stage{Tenant: "globex", Environment: "production"}, promote.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name  string
		plans []*promote.Plan
	}{{"forward", plans}, {"back", back}, {"none", none}} {
		var text, js bytes.Buffer
		if err := PromoteText(&text, test.plans, term.Plain()); err != nil {
			t.Fatal(err)
		}
		if err := PromoteJSON(&js, test.plans, nil); err != nil {
			t.Fatal(err)
		}
		golden(t, "promote_"+test.name+".txt", text.Bytes())
		golden(t, "promote_"+test.name+".json", js.Bytes())
	}
}
