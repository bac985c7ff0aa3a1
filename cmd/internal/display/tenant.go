package display

import (
	"fmt"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/cmd/internal/term"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// Tenants is a list of tenants.
type Tenants struct {
	Items []Tenant `json:"items"`
}

// Tenant is one tenant.
type Tenant struct {
	Name        string      `json:"name"`
	Description string      `json:"description,omitempty"`
	Owners      []string    `json:"owners,omitempty"`
	Recipients  []Recipient `json:"recipients"`
	Namespaces  []string    `json:"namespaces,omitempty"` // empty: all
	Folder      string      `json:"folder,omitempty"`
	Files       []string    `json:"files,omitempty"`
	Encrypted   []string    `json:"encrypted,omitempty"` // the files with secrets
}

// Recipient is one public key.
type Recipient struct {
	Name string `json:"name,omitempty"`
	Key  string `json:"key"`
}

// NewTenant makes the report of a tenant.
func NewTenant(t *workspace.Tenant) Tenant {
	out := Tenant{Name: t.Name, Description: t.Description, Owners: t.Owners, Namespaces: t.Namespaces, Recipients: []Recipient{}}
	for _, r := range t.Recipients {
		out.Recipients = append(out.Recipients, Recipient{r.Name, r.Key})
	}
	return out
}

// TenantsText writes the list for people.
func TenantsText(t *term.IO, l Tenants) error {
	s := t.Style()
	rows := [][]string{{s.Dim("TENANT"), s.Dim("RECIPIENTS"), s.Dim("DESCRIPTION")}}
	for _, item := range l.Items {
		rows = append(rows, []string{item.Name, plural(len(item.Recipients), "key"), item.Description})
	}
	return columns(t.Out, rows)
}

// TenantText writes one tenant for people.
func TenantText(t *term.IO, item Tenant) error {
	s := t.Style()
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s\n", s.Bold(item.Name), item.Description)
	if len(item.Owners) > 0 {
		fmt.Fprintf(&b, "owners:     %s\n", strings.Join(item.Owners, ", "))
	}
	namespaces := "all"
	if len(item.Namespaces) > 0 {
		namespaces = strings.Join(item.Namespaces, ", ")
	}
	fmt.Fprintf(&b, "namespaces: %s\n", namespaces)
	b.WriteString("recipients: who holds one of these keys can read the tenant's secrets\n")
	for _, r := range item.Recipients {
		fmt.Fprintf(&b, "  %s  %s\n", r.Key, s.Dim(r.Name))
	}
	fmt.Fprintf(&b, "layers:     %s in %s\n", plural(len(item.Files), "file"), item.Folder)
	for _, f := range item.Files {
		mark := ""
		if slices.Contains(item.Encrypted, f) {
			mark = s.Dim("  with secrets")
		}
		fmt.Fprintf(&b, "  %s%s\n", f, mark)
	}
	_, err := t.Out.Write([]byte(b.String()))
	return err
}
