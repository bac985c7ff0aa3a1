package workspace

import (
	"fmt"
	"path"

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
	Namespaces  []string    // the namespaces the tenant has; nil for all that have a layer
	Quotas      Quotas
	File        string
}

// Recipient is one public key of a tenant.
type Recipient struct {
	Name string // whose key it is, for people
	Key  string // canonical: age1…, ssh-ed25519 …
	Pos  diag.Position
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
		"namespaces": func(f tree.Field) {
			t.Namespaces = []string{}
			d.list(f, func(n *tree.Node) {
				t.Namespaces = append(t.Namespaces, d.text(tree.Field{Key: "a namespace", Value: n}))
			})
		},
		"quotas": func(f tree.Field) { d.quotas(f, &t.Quotas) },
	})
	d.version(doc.Root(), version)
	if err := d.findings.Sorted().Err(); err != nil {
		return nil, err
	}
	return t, nil
}

func (d *decoder) recipient(n *tree.Node) (Recipient, bool) {
	r := Recipient{Pos: n.Pos}
	if n.Kind == tree.String {
		r.Key = n.Text()
	} else {
		d.object(n, "a recipient", map[string]func(tree.Field){
			"name": func(f tree.Field) { r.Name = d.text(f) },
			"key":  func(f tree.Field) { r.Key = d.text(f); r.Pos = f.Value.Pos },
		})
	}
	parsed, err := seal.ParseRecipient(r.Key)
	if err != nil {
		d.findings = append(d.findings, diag.Finding{
			Code: "tenant-recipient", Severity: diag.Error, Position: r.Pos, Message: err.Error(),
			Hint: "a recipient is a public key: age1…, or the text of an SSH .pub file",
		})
		return r, false
	}
	r.Key = parsed.String()
	return r, true
}

// Keys gives the tenant's recipients as keys alone.
func (t *Tenant) Keys() []string {
	out := make([]string, len(t.Recipients))
	for i, r := range t.Recipients {
		out[i] = r.Key
	}
	return out
}
