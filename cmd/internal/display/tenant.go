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
	Threshold   int         `json:"threshold,omitempty"`  // of how many of their groups it takes a key; 0 without groups
	Recovery    []Recipient `json:"recovery,omitempty"`   // the tenant's own recovery keys, then the platform's
	Namespaces  []string    `json:"namespaces,omitempty"` // empty: all
	Folder      string      `json:"folder,omitempty"`
	Files       []string    `json:"files,omitempty"`
	Encrypted   []string    `json:"encrypted,omitempty"` // the files with secrets
	Quotas      []Quota     `json:"quotas,omitempty"`    // bytes, secrets, namespaces
}

// Quota is how much of one of its quotas a tenant uses.
type Quota struct {
	Name    string `json:"name"`
	Used    int64  `json:"used"`
	Limit   int64  `json:"limit"`
	Percent int64  `json:"percent"` // rounded down

	used workspace.Used
}

// NewQuotas makes the report of what a tenant uses.
func NewQuotas(used []workspace.Used) []Quota {
	out := make([]Quota, len(used))
	for i, u := range used {
		out[i] = Quota{u.Name, u.Used, u.Limit, u.Percent(), u}
	}
	return out
}

// barWidth is the width of a quota's bar, in characters.
const barWidth = 20

// quotasText writes what a tenant uses, a bar each.
func quotasText(s term.Style, quotas []Quota) [][]string {
	rows := make([][]string, 0, len(quotas))
	for _, q := range quotas {
		filled := int(min(q.Percent, 100) * barWidth / 100)
		colour := s.Green
		switch {
		case q.used.Exceeded():
			colour = s.Red
		case q.used.Near():
			colour = s.Yellow
		}
		bar := colour(strings.Repeat("█", filled)) + s.Dim(strings.Repeat("░", barWidth-filled))
		rows = append(rows, []string{"  " + q.Name, bar, fmt.Sprintf("%3d %%", q.Percent), q.used.String()})
	}
	return rows
}

// Recipient is one public key.
type Recipient struct {
	Name  string `json:"name,omitempty"`
	Key   string `json:"key"`
	Group string `json:"group,omitempty"`
}

// NewTenant makes the report of a tenant.
func NewTenant(t *workspace.Tenant) Tenant {
	out := Tenant{Name: t.Name, Description: t.Description, Owners: t.Owners, Namespaces: t.Namespaces, Threshold: t.Threshold, Recipients: []Recipient{}}
	for _, r := range t.Recipients {
		out.Recipients = append(out.Recipients, Recipient{r.Name, r.Key, r.Group})
	}
	for _, r := range t.Recovery {
		out.Recovery = append(out.Recovery, Recipient{Name: r.Name, Key: r.Key})
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
	of := "who holds one of these keys can read the tenant's secrets"
	if item.Threshold > 0 {
		of = fmt.Sprintf("who hold keys of %d of the groups can together read the tenant's secrets", item.Threshold)
	}
	fmt.Fprintf(&b, "recipients: %s\n", of)
	for _, r := range item.Recipients {
		fmt.Fprintf(&b, "  %s  %s\n", r.Key, s.Dim(strings.TrimSuffix(r.Name+", group "+r.Group, ", group ")))
	}
	if len(item.Recovery) > 0 {
		b.WriteString("recovery:   so can, in an emergency, who holds one of these\n")
	}
	for _, r := range item.Recovery {
		fmt.Fprintf(&b, "  %s  %s\n", r.Key, s.Dim(r.Name))
	}
	if rows := quotasText(s, item.Quotas); len(rows) > 0 {
		b.WriteString("quotas:     how much the tenant's own layers take of what they may\n")
		if err := columns(&b, rows); err != nil {
			return err
		}
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
