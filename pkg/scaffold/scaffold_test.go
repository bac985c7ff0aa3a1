package scaffold

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/workspace"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

const (
	ageKey = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
	sshKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
)

func TestSettingsAreRead(t *testing.T) {
	s, err := workspace.ParseSettings(workspace.SettingsFile, Settings([]string{"development", "production"}))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(s.EnvironmentNames(), []string{"development", "production"}) || len(s.Namespaces) != 0 || !slices.Equal(s.TargetNames(), []string{"local"}) {
		t.Errorf("%+v", s)
	}
}

func TestAddNamespace(t *testing.T) {
	const head = "# first\r\napiVersion: lcm/v1   # kept\n\n\nenvironments: [ a,b ]\n"
	const tail = "# between\ntargets: {t: {type: dir, path: x}} # end"
	for _, tt := range []struct {
		name, before, after        string
		namespace, module, inherit string
	}{
		{"there are none", "namespaces: {}\n", "namespaces:\n  inference: {module: inference-engine}\n", "inference", "inference-engine", ""},
		{"nothing stands there", "namespaces:\n", "namespaces:\n  inference: {module: inference-engine}\n", "inference", "inference-engine", ""},
		{
			"some", "namespaces:\n  'router' : { module: model-router } # ours\n",
			"namespaces:\n  'router' : { module: model-router } # ours\n  inference: {module: inference-engine}\n", "inference", "inference-engine", "",
		},
		{
			"blocks", "namespaces:\n    router:\n        module: model-router\n\n",
			"namespaces:\n    router:\n        module: model-router\n    batch: {module: m, inherits: router}\n\n", "batch", "m", "router",
		},
		{"on one line", "namespaces: {a: {}}\n", "namespaces: {a: {}, b: {}}\n", "b", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := AddNamespace([]byte(head+tt.before+tail), tt.namespace, tt.module, tt.inherit)
			if err != nil {
				t.Fatal(err)
			}
			text, ok := strings.CutPrefix(string(got), head)
			if ok {
				text, ok = strings.CutSuffix(text, tail)
			}
			if !ok {
				t.Fatalf("the rest changed:\n%q", got)
			}
			// How the writer lays a new entry out is its own affair; what it means and what stays is checked.
			want, err := yamldoc.Parse("want", []byte(tt.after))
			if err != nil {
				t.Fatal(err)
			}
			have, err := yamldoc.Parse("have", []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			if !tree.Equal(have.Root(), want.Root()) {
				t.Errorf("got\n%swant\n%s", text, tt.after)
			}
			for line := range strings.Lines(tt.before) {
				if kept := strings.TrimRight(line, "{}\n "); kept != "" && !strings.Contains(text, kept) {
					t.Errorf("%q is gone from\n%s", kept, text)
				}
			}
			if strings.Count(text, "\n") < strings.Count(tt.after, "\n") {
				t.Errorf("a block was not kept or begun:\n%s", text)
			}
		})
	}
	if _, err := AddNamespace([]byte("namespaces: [\n"), "a", "", ""); err == nil {
		t.Error("a broken file was taken")
	}
}

func TestTenantIsRead(t *testing.T) {
	for _, want := range []workspace.Tenant{
		{Name: "acme"},
		{
			Name: "acme", Description: "yes: no # really", Owners: []string{"@a", "1"}, Namespaces: []string{},
			Recipients: []workspace.Recipient{{Name: "null", Key: ageKey}, {Key: sshKey}},
		},
	} {
		src, err := Tenant(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := workspace.ParseTenant("acme", workspace.TenantFile("acme"), src)
		if err != nil {
			t.Fatalf("%v in\n%s", err, src)
		}
		if got.Description != want.Description || !slices.Equal(got.Owners, want.Owners) || !slices.Equal(got.Keys(), want.Keys()) ||
			(got.Namespaces == nil) != (want.Namespaces == nil) {
			t.Errorf("got %+v from\n%s", got, src)
		}
	}
}

func TestSops(t *testing.T) {
	tenants := []*workspace.Tenant{
		{Name: "acme", Recipients: []workspace.Recipient{{Key: ageKey}, {Key: sshKey}}},
		{Name: "empty"},
		{Name: "acme-eu", Recipients: []workspace.Recipient{{Key: ageKey}}},
	}
	src, err := Sops(nil, tenants, []string{"token", "a.b", "api_key", "token"})
	if err != nil {
		t.Fatal(err)
	}
	doc, err := yamldoc.Parse(SopsFile, src)
	if err != nil {
		t.Fatal(err)
	}
	rules := doc.Root().Field("creation_rules").Items()
	if len(rules) != 2 {
		t.Fatalf("%d rules, want one for each tenant with recipients:\n%s", len(rules), src)
	}
	first := rules[0]
	if first.Field("age").Text() != ageKey+","+sshKey || first.Field("mac_only_encrypted").Text() != "true" {
		t.Errorf("%s", src)
	}
	selected := regexp.MustCompile(first.Field("encrypted_regex").Text())
	for key, want := range map[string]bool{"token": true, "a.b": true, "api_key": true, "axb": false, "tokens": false, "my_token": false} {
		if selected.MatchString(key) != want {
			t.Errorf("%q is selected: %v", key, !want)
		}
	}
	files := regexp.MustCompile(first.Field("path_regex").Text())
	for file, want := range map[string]bool{
		"config/acme/base/x.yaml": true, "config/acme-eu/base/x.yaml": false, "x/config/acme/base/x.yaml": false, "config/acme/base/x.yaml.bak": false,
	} {
		if files.MatchString(file) != want {
			t.Errorf("%s is covered: %v", file, !want)
		}
	}
}

func TestAttributesAndIgnore(t *testing.T) {
	for name, give := range map[string]func([]byte) []byte{"attributes": Attributes, "ignore": Ignore} {
		fresh := string(give(nil))
		if fresh == "" || !strings.HasSuffix(fresh, "\n") {
			t.Errorf("%s of nothing: %q", name, fresh)
		}
		for _, existing := range []string{"", "*.go text\n", "*.go text", "a\r\nb\r\n", fresh, fresh + "more\n"} {
			once := give([]byte(existing))
			if !strings.HasPrefix(string(once), existing) {
				t.Errorf("%s did not keep %q: %q", name, existing, once)
			}
			for line := range strings.SplitSeq(strings.TrimSuffix(fresh, "\n"), "\n") {
				if n := strings.Count("\n"+string(once), "\n"+line+"\n"); n != 1 {
					t.Errorf("%s has %q %d times, from %q", name, line, n, existing)
				}
			}
			if again := give(once); string(again) != string(once) {
				t.Errorf("%s is not the same the second time: %q, then %q", name, once, again)
			}
		}
	}
}

func TestSigners(t *testing.T) {
	const alice = `alice@example.com namespaces="git,lcm" ` + sshKey
	first := Signers(nil, alice)
	if !strings.HasPrefix(string(first), "#") || !strings.HasSuffix(string(first), "\n"+alice+"\n") {
		t.Errorf("%q", first)
	}
	for _, same := range []string{alice, alice + " alice@laptop", "alice@example.com " + sshKey} {
		if got := Signers(first, same); string(got) != string(first) {
			t.Errorf("%q was added to a file that has it: %q", same, got)
		}
	}
	for _, other := range []string{"bob@example.com " + sshKey, strings.Replace(alice, "GKJl", "GKJm", 1), "alice@example.com openpgp:0123456789ABCDEF"} {
		got := Signers(first, other)
		if string(got) != string(first)+other+"\n" {
			t.Errorf("%q was not added: %q", other, got)
		}
		if again := Signers(got, other); string(again) != string(got) {
			t.Errorf("%q was added twice: %q", other, again)
		}
	}
	if got := string(Signers([]byte("# ours\n# "+alice), alice)); got != "# ours\n# "+alice+"\n"+alice+"\n" {
		t.Errorf("a comment counts as a signer: %q", got)
	}
}

func TestGenerateSSHKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "id")
	if err := GenerateSSHKey(t.Context(), path, "me@example.com"); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	before, err := os.ReadFile(path + ".pub")
	if err != nil || !strings.HasPrefix(string(before), "ssh-ed25519 ") || !strings.HasSuffix(string(before), " me@example.com\n") {
		t.Errorf("%q, %v", before, err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := GenerateSSHKey(t.Context(), path, "x"); err == nil || !strings.Contains(err.Error(), "exists already") {
		t.Errorf("a public key that is there was not respected: %v", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Error("a private key was made beside another's public one")
	}
}
