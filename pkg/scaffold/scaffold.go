// Package scaffold writes the text of the files that make a Git repository a config repository: lcm.yaml, .sops.yaml,
// .gitattributes, tenant files. What gives text touches no disk; [GenerateSSHKey] alone makes files, a new key pair.
package scaffold

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/workspace"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// The files this package knows the content of, relative to the repository's root.
const (
	SopsFile       = workspace.SopsFile
	AttributesFile = ".gitattributes"
	IgnoreFile     = ".gitignore"
	SignersFile    = "policies/allowed_signers"
)

// Settings gives a first lcm.yaml.
func Settings(environments []string) []byte {
	var b bytes.Buffer
	b.WriteString("apiVersion: " + workspace.APIVersion + "\n\n")
	b.WriteString("# In promotion order: lcm promote carries values from one to the next.\nenvironments:\n")
	for _, e := range environments {
		b.WriteString("  - name: " + e + "\n")
	}
	b.WriteString(`
# Each namespace is one service's configuration, an instance of a module, whose schema it must satisfy.
# Add one with: lcm namespace add NAME --module MODULE
namespaces: {}

# Where lcm publish puts what was resolved.
targets:
  local: {type: dir, path: .lcm/published}
`)
	return b.Bytes()
}

// AddNamespace gives lcm.yaml with one more namespace; everything else in it stays byte for byte.
func AddNamespace(src []byte, name, module, inherits string) ([]byte, error) {
	doc, err := yamldoc.Parse(workspace.SettingsFile, src)
	if err != nil {
		return nil, err
	}
	var fields []tree.Field
	if module != "" {
		fields = append(fields, tree.Field{Key: "module", Value: tree.NewString(module)})
	}
	if inherits != "" {
		fields = append(fields, tree.Field{Key: "inherits", Value: tree.NewString(inherits)})
	}
	doc, err = doc.Apply(yamldoc.Edit{Path: tree.Keys("namespaces", name), Value: tree.NewMap(fields...)})
	if err != nil {
		return nil, fmt.Errorf("add namespace %q: %w", name, err)
	}
	return doc.Source(), nil
}

// Tenant gives a tenant.yaml.
func Tenant(t workspace.Tenant) ([]byte, error) {
	fields := []tree.Field{
		{Key: "apiVersion", Value: tree.NewString(workspace.APIVersion)},
		{Key: "name", Value: tree.NewString(t.Name)},
	}
	if t.Description != "" {
		fields = append(fields, tree.Field{Key: "description", Value: tree.NewString(t.Description)})
	}
	if len(t.Owners) > 0 {
		fields = append(fields, tree.Field{Key: "owners", Value: texts(t.Owners)})
	}
	recipients := make([]*tree.Node, len(t.Recipients))
	for i, r := range t.Recipients {
		var of []tree.Field
		if r.Name != "" {
			of = append(of, tree.Field{Key: "name", Value: tree.NewString(r.Name)})
		}
		recipients[i] = tree.NewMap(append(of, tree.Field{Key: "key", Value: tree.NewString(r.Key)})...)
	}
	fields = append(fields, tree.Field{Key: "recipients", Value: tree.NewList(recipients...)})
	if t.Namespaces != nil {
		fields = append(fields, tree.Field{Key: "namespaces", Value: texts(t.Namespaces)})
	}
	doc, err := yamldoc.New(workspace.TenantFile(t.Name), tree.NewMap(fields...))
	if err != nil {
		return nil, err
	}
	return doc.Source(), nil
}

func texts(values []string) *tree.Node {
	items := make([]*tree.Node, len(values))
	for i, v := range values {
		items[i] = tree.NewString(v)
	}
	return tree.NewList(items...)
}

// Sops gives the .sops.yaml under which the plain sops CLI does what lcm does: each tenant's files to its own recipients,
// secret fields only. secretNames are the key names that any module calls secret. Rules for other paths, and other settings,
// that the existing file has are kept; it may be nil.
func Sops(existing []byte, tenants []*workspace.Tenant, secretNames []string) ([]byte, error) {
	quoted := make([]string, len(secretNames))
	for i, n := range secretNames {
		quoted[i] = regexp.QuoteMeta(n)
	}
	slices.Sort(quoted)
	selected := "^(" + strings.Join(slices.Compact(quoted), "|") + ")$"
	var rules []*tree.Node
	for _, t := range tenants {
		if len(t.Recipients) == 0 {
			continue
		}
		fields := []tree.Field{
			{Key: "path_regex", Value: tree.NewString(workspace.SopsRulePath(t.Name))},
			{Key: "encrypted_regex", Value: tree.NewString(selected)},
			{Key: "mac_only_encrypted", Value: tree.NewBool(true)},
		}
		for _, kind := range workspace.SopsKeys(t) {
			fields = append(fields, tree.Field{Key: kind.Name, Value: tree.NewString(strings.Join(kind.Keys, ","))})
		}
		rules = append(rules, tree.NewMap(fields...))
	}
	before, err := yamldoc.Parse(SopsFile, existing)
	if err != nil {
		return nil, err
	}
	for _, rule := range before.Root().Field("creation_rules").Items() {
		if !workspace.IsOwnSopsRule(rule) {
			rules = append(rules, rule)
		}
	}
	fields := append([]tree.Field{{Key: "creation_rules", Value: tree.NewList(rules...)}}, before.Root().Without("creation_rules").Fields()...)
	doc, err := yamldoc.New(SopsFile, tree.NewMap(fields...))
	if err != nil {
		return nil, err
	}
	head := "# Generated by lcm from the recipients in config/*/tenant.yaml: change them there.\n"
	return append([]byte(head), doc.Source()...), nil
}

// Attributes gives .gitattributes with what lcm needs in it, keeping what is there.
func Attributes(existing []byte) []byte {
	existing = withLines(existing, "# Layer files have one line ending on every machine: a byte changed is a byte signed.",
		address.Root+"/** text eol=lf", workspace.SettingsFile+" text eol=lf", SopsFile+" text eol=lf")
	existing = withLines(existing, "# git diff shows them readable, in clones where lcm hooks install was run.", address.Root+"/**/*.yaml diff=lcm")
	return withLines(existing, "# git merge merges them by key, in clones where lcm hooks install was run.", address.Root+"/**/*.yaml merge=lcm",
		workspace.SettingsFile+" merge=lcm", workspace.LockFile+" merge=lcm", SopsFile+" merge=lcm")
}

// Ignore gives .gitignore with lcm's own folder in it, keeping what is there.
func Ignore(existing []byte) []byte { return withLines(existing, "", "/.lcm/") }

// withLines adds the lines that are missing at the end, under a heading.
func withLines(existing []byte, heading string, lines ...string) []byte {
	have := strings.Split(string(existing), "\n")
	var missing []string
	for _, l := range lines {
		if !slices.Contains(have, l) {
			missing = append(missing, l)
		}
	}
	if len(missing) == 0 {
		return existing
	}
	if heading != "" && !slices.Contains(have, heading) {
		missing = slices.Insert(missing, 0, heading)
	}
	out := slices.Clone(existing)
	if len(out) > 0 && !bytes.HasSuffix(out, []byte("\n")) {
		out = append(out, '\n')
	}
	return append(out, strings.Join(missing, "\n")+"\n"...)
}

// Signers gives an allowed_signers file with one more line, keeping what is there. line is in Git's own format:
// principals, options, key type, key.
func Signers(existing []byte, line string) []byte {
	head := ""
	if len(existing) == 0 {
		head = "# Who may sign changes, in the format of gpg.ssh.allowedSignersFile (see ssh-keygen(1), ALLOWED SIGNERS).\n"
	}
	key := keyOf(line)
	for l := range strings.SplitSeq(string(existing), "\n") {
		if keyOf(l) == key && key != "" && principals(l) == principals(line) {
			return existing
		}
	}
	return withLines(append([]byte(head), existing...), "", line)
}

// keyOf gives type and key of a line of allowed_signers, so that a comment at its end does not count.
func keyOf(line string) string {
	fields := strings.Fields(line)
	for i, f := range fields {
		if (strings.HasPrefix(f, "ssh-") || strings.HasPrefix(f, "ecdsa-") || strings.HasPrefix(f, "sk-")) && i+1 < len(fields) {
			return f + " " + fields[i+1]
		}
		if strings.HasPrefix(f, "openpgp:") {
			return f
		}
	}
	return ""
}

func principals(line string) string {
	first, _, _ := strings.Cut(strings.TrimSpace(line), " ")
	return first
}
