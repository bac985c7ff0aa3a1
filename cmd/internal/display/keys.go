package display

import (
	"fmt"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/cmd/internal/term"
	"github.com/llm-devops/lcm/pkg/holders"
	"github.com/llm-devops/lcm/pkg/seal"
)

// KeyList is who can open the secrets of tenants.
type KeyList struct {
	Items []holders.Tenant `json:"items"`
}

// Differs reports whether files are encrypted to others than policy says.
func (l KeyList) Differs() bool { return slices.ContainsFunc(l.Items, holders.Tenant.Differs) }

// Problems counts what could not be read.
func (l KeyList) Problems() int {
	n := 0
	for _, t := range l.Items {
		n += len(t.Problems)
	}
	return n
}

// KeyListText writes the list for people.
func KeyListText(t *term.IO, l KeyList) error {
	s := t.Style()
	var b strings.Builder
	var differ []string
	for i, item := range l.Items {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s  %s with secrets\n", s.Bold(item.Name), plural(len(item.Files), "file"))
		if err := columns(&b, holderRows(s, item)); err != nil {
			return err
		}
		for _, f := range item.Files {
			for _, key := range f.Extra {
				fmt.Fprintf(&b, "  %s %s opens for %s\n", s.Red("+"), f.Path, whose(item, key))
			}
			for _, key := range f.Missing {
				fmt.Fprintf(&b, "  %s %s does not open for %s\n", s.Yellow("-"), f.Path, whose(item, key))
			}
		}
		if item.Differs() {
			differ = append(differ, item.Name)
		}
	}
	if _, err := t.Out.Write([]byte(b.String())); err != nil {
		return err
	}
	for _, item := range l.Items {
		if err := FindingsText(t.Err, item.Problems, t.ErrStyle()); err != nil {
			return err
		}
	}
	if len(differ) > 0 {
		t.Note("files and policy differ; if tenant.yaml is right: lcm keys sync%s", tenantFlags(differ, len(l.Items)))
	}
	return nil
}

// tenantFlags names tenants on a command line, unless they are all there are.
func tenantFlags(names []string, of int) string {
	if len(names) == of && of > 1 {
		return ""
	}
	return " --tenant " + strings.Join(names, " --tenant ")
}

// whose names a key for people.
func whose(t holders.Tenant, key string) string {
	i := slices.IndexFunc(t.Holders, func(h holders.Holder) bool { return h.Key == key })
	if i < 0 {
		return seal.ShortKey(key)
	}
	return who(t.Holders[i])
}

func who(h holders.Holder) string {
	name := h.Name
	if name == "" {
		name = h.Known
	}
	return Person(name, h.Key)
}

func holderRows(s term.Style, t holders.Tenant) [][]string {
	if len(t.Holders) == 0 {
		return [][]string{{"  nobody: " + s.Dim("the tenant has no recipients")}}
	}
	rows := [][]string{{s.Dim("  NAME"), s.Dim("KEY"), s.Dim("KIND"), s.Dim("POLICY"), s.Dim("FILES")}}
	for _, h := range t.Holders {
		name := h.Name
		switch {
		case name == "" && h.Known != "":
			name = h.Known
		case name == "":
			name = s.Dim("–")
		}
		files := fmt.Sprintf("%d of %d", h.Files, len(t.Files))
		policy := roleText(h.Role)
		switch {
		case h.Role == holders.Unnamed:
			policy, files = s.Red(policy), s.Red(files)
		case h.Files < len(t.Files):
			files = s.Yellow(files)
		}
		rows = append(rows, []string{"  " + name, seal.ShortKey(h.Key), h.Kind, policy, files})
	}
	return rows
}

func roleText(r holders.Role) string {
	switch r {
	case holders.Platform:
		return "platform recovery"
	case holders.Unnamed:
		return "not named"
	}
	return string(r)
}
