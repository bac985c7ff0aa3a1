package workspace

import (
	"fmt"
	"math"
	"path"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// Tenant is a tenant.yaml: an owner of configuration with keys of its own.
type Tenant struct {
	Name        string
	Description string
	Owners      []string
	Recipients  []Recipient // to whom the tenant's secrets are encrypted
	Recovery    []Recipient // to whom they are encrypted for emergencies: the tenant's own, then the platform's
	Threshold   int         // of how many key groups it takes a key to open them; 0 where each recipient opens them alone
	NoPlatform  bool        // the platform's recovery keys do not open the tenant's secrets
	Namespaces  []string    // the namespaces the tenant has; nil for all that have a layer
	Quotas      Quotas
	File        string
}

// Recipient is one public key of a tenant.
type Recipient struct {
	Name string // whose key it is, for people
	Key  string // canonical: age1…, ssh-ed25519 …
	Pos  diag.Position

	First, Last int // the lines of its entry: name, key and group

	Group string // the key group that it is of; "" without groups, and for recovery keys, which are of every group
}

// TenantFile gives the path of a tenant's file.
func TenantFile(tenant string) string { return path.Join(address.Root, tenant, "tenant.yaml") }

// ParseTenant reads a tenant.yaml. The error is a diag.List of everything wrong in it.
func ParseTenant(name, file string, src []byte) (*Tenant, error) {
	doc, err := yamldoc.Parse(file, src)
	if err != nil {
		return nil, err
	}
	d := &decoder{file: file}
	t := &Tenant{Name: name, File: file, Quotas: DefaultQuotas(file)}
	version := ""
	d.object(doc.Root(), "tenant.yaml", map[string]func(tree.Field){
		"apiVersion": func(f tree.Field) { version = d.text(f) },
		"name": func(f tree.Field) {
			if d.text(f) != name {
				d.report("tenant-name", f.Value.Pos, fmt.Sprintf("name is %q, and the folder is %q", f.Value.Text(), name), "the folder's name counts: make them the same")
			}
		},
		"description": func(f tree.Field) { t.Description = d.text(f) },
		"owners": func(f tree.Field) {
			d.list(f, func(n *tree.Node) { t.Owners = append(t.Owners, d.text(tree.Field{Key: "an owner", Value: n})) })
		},
		"recipients": func(f tree.Field) {
			d.list(f, func(n *tree.Node) {
				if r, ok := d.recipient(n); ok {
					t.Recipients = append(t.Recipients, r)
				}
			})
		},
		"recovery": func(f tree.Field) {
			d.list(f, func(n *tree.Node) {
				if r, ok := d.recipient(n); ok {
					t.Recovery = append(t.Recovery, r)
				}
			})
		},
		"shamir_threshold": func(f tree.Field) {
			n, err := parseCount(f.Value)
			if err != nil || n > math.MaxInt32 {
				d.report("tenant-groups", f.Value.Pos, fmt.Sprintf("shamir_threshold: %s is no count", f.Value.Text()), "write of how many key groups it takes a key, such as 2")
				return
			}
			t.Threshold = int(n)
		},
		"platform_recovery": func(f tree.Field) { t.NoPlatform = !d.boolean(f) },
		"namespaces": func(f tree.Field) {
			t.Namespaces = []string{}
			d.list(f, func(n *tree.Node) {
				t.Namespaces = append(t.Namespaces, d.text(tree.Field{Key: "a namespace", Value: n}))
			})
		},
		"quotas": func(f tree.Field) { d.quotas(f, &t.Quotas) },
	})
	d.version(doc.Root(), version)
	d.groups(t, doc.Root())
	if err := d.findings.Sorted().Err(); err != nil {
		return nil, err
	}
	return t, nil
}

func (d *decoder) recipient(n *tree.Node) (Recipient, bool) {
	r := Recipient{Pos: n.Pos, First: n.Pos.Line, Last: n.Pos.Line}
	for _, f := range n.Fields() {
		r.First, r.Last = min(r.First, f.Pos.Line), max(r.Last, f.Value.Pos.Line)
	}
	if n.Kind == tree.String {
		r.Key = n.Text()
	} else {
		d.object(n, "a recipient", map[string]func(tree.Field){
			"name":  func(f tree.Field) { r.Name = d.text(f) },
			"key":   func(f tree.Field) { r.Key = d.text(f); r.Pos = f.Value.Pos },
			"group": func(f tree.Field) { r.Group = d.text(f) },
		})
	}
	parsed, err := seal.ParseRecipient(r.Key)
	if err != nil {
		d.findings = append(d.findings, diag.Finding{
			Code: "tenant-recipient", Severity: diag.Error, Position: r.Pos, Message: err.Error(),
			Hint: "a recipient is a public key: age1…, the text of an SSH .pub file, pgp:FINGERPRINT, or https://VAULT/v1/ENGINE/keys/NAME",
		})
		return r, false
	}
	r.Key = parsed.String()
	return r, true
}

// groups refuses key groups that nothing can be sealed to, or that do not mean what they say.
func (d *decoder) groups(t *Tenant, root *tree.Node) {
	for _, r := range t.Recovery {
		if r.Group != "" {
			d.report("tenant-groups", r.Pos, "a recovery key has a group, and it opens the secrets alone",
				"leave the group away, or name the key under recipients:")
		}
	}
	names := t.Groups()
	if len(names) == 0 {
		if t.Threshold != 0 {
			d.report("tenant-groups", root.Field("shamir_threshold").Pos, "there is a shamir_threshold, and no recipient has a group",
				"give each recipient a group: {name: ada, key: age1…, group: platform}")
		}
		return
	}
	seen := map[string]string{}
	for _, r := range t.Recipients {
		if r.Group == "" {
			d.report("tenant-groups", r.Pos, "the recipient has no group, and others have", "give it one of: "+strings.Join(names, ", "))
		}
		if other, ok := seen[r.Key]; ok && other != r.Group {
			d.report("tenant-groups", r.Pos, "the key is in two groups, "+other+" and "+r.Group+": it would count for both",
				"leave one of them; a key that opens the secrets alone is a recovery key")
		}
		seen[r.Key] = r.Group
	}
	if len(d.findings) > 0 {
		return
	}
	at := t.Recipients[0].Pos
	if f := root.Field("shamir_threshold"); f != nil {
		at = f.Pos
	}
	if len(names) == 1 {
		d.report("tenant-groups", at, "there is one key group, "+names[0]+", and it takes two to share a secret", "add a recipient of another group, or leave group and shamir_threshold away")
	} else if err := t.Access().Check(); err != nil {
		d.report("tenant-groups", at, err.Error(), "shamir_threshold says of how many of the groups it takes a key to open the secrets")
	}
}

// Groups gives the names of the key groups, in the order of the file; none where each recipient opens the secrets alone.
func (t *Tenant) Groups() []string {
	var out []string
	for _, r := range t.Recipients {
		if r.Group != "" && !slices.Contains(out, r.Group) {
			out = append(out, r.Group)
		}
	}
	return out
}

// Access gives who is to open the tenant's secrets, alone or together: all of [Tenant.All], recovery keys in every group, so
// that each of them is enough.
func (t *Tenant) Access() seal.Access {
	if t == nil || len(t.Groups()) == 0 {
		return seal.AccessOf(t.Keys()...)
	}
	a := seal.Access{Threshold: t.Threshold}
	for _, group := range t.Groups() {
		var keys []string
		for _, r := range t.All() {
			if r.Group == group || r.Group == "" {
				keys = append(keys, r.Key)
			}
		}
		a.Groups = append(a.Groups, keys)
	}
	return a
}

// All gives everybody who is to open the tenant's secrets, recipients before recovery keys, each key once. It gives nobody
// where there are recovery keys alone: secrets that are of no use on an ordinary day were sealed by mistake.
func (t *Tenant) All() []Recipient {
	if t == nil || len(t.Recipients) == 0 {
		return nil
	}
	var out []Recipient
	seen := map[string]bool{}
	for _, r := range slices.Concat(t.Recipients, t.Recovery) {
		if !seen[r.Key] {
			seen[r.Key] = true
			out = append(out, r)
		}
	}
	return out
}

// Keys gives [Tenant.All] as keys alone.
func (t *Tenant) Keys() []string {
	all := t.All()
	out := make([]string, len(all))
	for i, r := range all {
		out[i] = r.Key
	}
	return out
}

// Everyday gives the tenant's recipients as keys alone, without recovery keys: what is published is for those who use it.
func (t *Tenant) Everyday() []string {
	var out []string
	for _, r := range t.Recipients {
		if !slices.Contains(out, r.Key) {
			out = append(out, r.Key)
		}
	}
	return out
}

// Difference compares to whom a file of the tenant's is encrypted with to whom it should be: extra are the keys that the
// tenant does not name, missing those of the tenant that the file is not encrypted to.
func (t *Tenant) Difference(keys []string) (extra []string, missing []Recipient) {
	want := t.Keys()
	for _, key := range keys {
		if !slices.Contains(want, key) && !slices.Contains(extra, key) {
			extra = append(extra, key)
		}
	}
	for _, r := range t.All() {
		if !slices.Contains(keys, r.Key) {
			missing = append(missing, r)
		}
	}
	return extra, missing
}
