package display

import (
	"fmt"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/cmd/internal/term"
	"github.com/llm-devops/lcm/pkg/holders"
	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/workspace"
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
		fmt.Fprintf(&b, "%s  %s with secrets%s\n", s.Bold(item.Name), plural(len(item.Files), "file"), quorum(item))
		if err := columns(&b, holderRows(s, item)); err != nil {
			return err
		}
		differences(&b, s, item)
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

// maxFiles bounds the files that are shown for one key.
const maxFiles = 5

// differences tells of each key which files open for it and should not, or should and do not.
func differences(b *strings.Builder, s term.Style, t holders.Tenant) {
	for _, h := range t.Holders {
		var extra, missing []string
		for _, f := range t.Files {
			if slices.Contains(f.Extra, h.Key) {
				extra = append(extra, f.Path)
			}
			if slices.Contains(f.Missing, h.Key) {
				missing = append(missing, f.Path)
			}
		}
		filesText(b, s.Red("+"), extra, "opens for "+who(h))
		filesText(b, s.Yellow("-"), missing, "does not open for "+who(h))
	}
	var regrouped []string
	for _, f := range t.Files {
		if f.Regrouped {
			regrouped = append(regrouped, f.Path)
		}
	}
	filesText(b, s.Red("~"), regrouped, "has other key groups than "+workspace.TenantFile(t.Name))
}

// quorum says of how many groups it takes a key, where there are groups.
func quorum(t holders.Tenant) string {
	if len(t.Groups) == 0 {
		return ""
	}
	return showText(fmt.Sprintf(", each opened by keys of %d of %d groups: %s", t.Threshold, len(t.Groups), strings.Join(t.Groups, ", ")))
}

func filesText(b *strings.Builder, sign string, files []string, what string) {
	for i, f := range files {
		if i == maxFiles {
			fmt.Fprintf(b, "  %s and %s more; -o json has all\n", sign, plural(len(files)-i, "file"))
			return
		}
		fmt.Fprintf(b, "  %s %s %s\n", sign, f, what)
	}
}

// tenantFlags names tenants on a command line, unless they are all there are.
func tenantFlags(names []string, of int) string {
	if len(names) == of && of > 1 {
		return ""
	}
	return " --tenant " + strings.Join(names, " --tenant ")
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
	if len(t.Groups) > 0 {
		rows[0] = append(rows[0], s.Dim("GROUP"))
	}
	for _, h := range t.Holders {
		name := h.Name
		switch {
		case name == "" && h.Known != "":
			name = h.Known
		case name == "":
			name = "–"
		}
		files := fmt.Sprintf("%d of %d", h.Files, len(t.Files))
		policy := roleText(h.Role)
		switch {
		case h.Role == holders.Unnamed:
			policy, files = s.Red(policy), s.Red(files)
		case h.Files < len(t.Files):
			files = s.Yellow(files)
		}
		row := []string{"  " + showText(name), showText(seal.ShortKey(h.Key)), h.Kind, policy, files}
		if len(t.Groups) > 0 {
			row = append(row, groupText(h))
		}
		rows = append(rows, row)
	}
	return rows
}

// groupText says of which key group a key is.
func groupText(h holders.Holder) string {
	switch {
	case h.Group != "":
		return showText(h.Group)
	case h.Role == holders.Recovery || h.Role == holders.Platform:
		return "every one"
	}
	return "–"
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
