package display

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/llm-devops/lcm/cmd/internal/term"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/holders"
	"github.com/llm-devops/lcm/pkg/keyaudit"
	"github.com/llm-devops/lcm/pkg/seal"
)

// opening are the files of a tenant that open for the same keys.
type opening struct {
	keys    []string
	files   []holders.File
	secrets int
}

// openings groups a tenant's files by whom they open for, in their order.
func openings(t holders.Tenant) []opening {
	var out []opening
	for _, f := range t.Files {
		keys := slices.Sorted(slices.Values(f.Keys))
		i := slices.IndexFunc(out, func(o opening) bool { return slices.Equal(o.keys, keys) && accessOf(o.files[0]).Equal(accessOf(f)) })
		if i < 0 {
			out = append(out, opening{keys: keys})
			i = len(out) - 1
		}
		out[i].files = append(out[i].files, f)
		out[i].secrets += len(f.Secrets)
	}
	return out
}

func accessOf(f holders.File) seal.Access {
	if len(f.Groups) == 0 {
		return seal.AccessOf(f.Keys...)
	}
	return seal.Access{Groups: f.Groups, Threshold: f.Threshold}
}

// togetherText says of how many groups it takes a key to open a file, where there are groups.
func togetherText(f holders.File) string {
	if len(f.Groups) == 0 {
		return ""
	}
	return fmt.Sprintf(" keys of %d of %d groups together", f.Threshold, len(f.Groups))
}

// inGroups says of which groups of a file a key is.
func inGroups(t holders.Tenant, f holders.File, key string) string {
	var in []string
	for i, group := range f.Groups {
		if slices.Contains(group, key) {
			in = append(in, groupName(t, f, i))
		}
	}
	switch {
	case len(in) == 0:
		return ""
	case len(in) >= f.Threshold:
		return showText("  of the groups " + strings.Join(in, " and ") + ": alone enough")
	}
	return showText("  of the group " + strings.Join(in, " and "))
}

// groupName gives what the tenant's file calls a group of a file's; its number where that is not known.
func groupName(t holders.Tenant, f holders.File, group int) string {
	for _, h := range t.Holders {
		if !f.Regrouped && h.Group != "" && slices.Contains(f.Groups[group], h.Key) {
			return h.Group
		}
	}
	return strconv.Itoa(group + 1)
}

// KeyAuditText writes the report for people.
func KeyAuditText(t *term.IO, r *keyaudit.Report) error {
	s := t.Style()
	var b strings.Builder
	for _, item := range r.Tenants {
		groups := openings(item.Tenant)
		secrets := 0
		for _, g := range groups {
			secrets += g.secrets
		}
		fmt.Fprintf(&b, "%s  %s in %s\n", s.Bold(item.Name), plural(secrets, "secret"), plural(len(item.Files), "file"))
		for _, g := range groups {
			where := ""
			if len(groups) > 1 {
				where = " in " + g.files[0].Path
				if n := len(g.files) - 1; n > 0 {
					where += fmt.Sprintf(" and %d more", n)
				}
			}
			opens := "open"
			if g.secrets == 1 {
				opens = "opens"
			}
			fmt.Fprintf(&b, "  %s%s %s for%s\n", plural(g.secrets, "secret"), where, opens, togetherText(g.files[0]))
			for _, h := range item.Holders {
				if slices.Contains(g.keys, h.Key) {
					fmt.Fprintf(&b, "    %s%s%s\n", who(h), roleMark(s, h.Role), s.Dim(inGroups(item.Tenant, g.files[0], h.Key)+namedText(item, h.Key)))
				}
			}
		}
	}
	sharedText(&b, s, r.Shared)
	if r.History != nil {
		historyText(&b, s, r.History)
	}
	if _, err := t.Out.Write([]byte(b.String())); err != nil {
		return err
	}
	if len(r.Findings) > 0 {
		if _, err := fmt.Fprintln(t.Out); err != nil {
			return err
		}
	}
	if err := FindingsText(t.Out, r.Findings, s); err != nil {
		return err
	}
	_, err := fmt.Fprintln(t.Out, auditVerdict(r))
	return err
}

// namedText says since when the tenant's file names a key.
func namedText(t keyaudit.Tenant, key string) string {
	i := slices.IndexFunc(t.Named, func(n keyaudit.Naming) bool { return n.Key == key })
	if i < 0 {
		return ""
	}
	n := t.Named[i]
	return showText(fmt.Sprintf("  named by %s in %s of %s", n.Author, n.Revision[:10], day(n.Time)))
}

func roleMark(s term.Style, r holders.Role) string {
	switch r {
	case holders.Recipient:
		return ""
	case holders.Recovery, holders.Platform:
		return s.Dim("  " + roleText(r))
	}
	return s.Red("  " + roleText(r))
}

func sharedText(b *strings.Builder, s term.Style, shared []keyaudit.Shared) {
	for _, k := range shared {
		fmt.Fprintf(b, "%s opens secrets of %s\n", s.Bold(who(holders.Holder{Key: k.Key, Name: k.Name})), strings.Join(k.Tenants, ", "))
	}
}

func historyText(b *strings.Builder, s term.Style, h *keyaudit.History) {
	for _, f := range h.Former {
		fmt.Fprintf(b, "%s\n", s.Dim(fmt.Sprintf("%s could open %s of %s, in versions from %s to %s",
			who(holders.Holder{Key: f.Key, Name: f.Name}), plural(f.Secrets, "secret"), f.Tenant, day(f.First.Time), day(f.Last.Time))))
	}
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// auditVerdict says in a line what came out.
func auditVerdict(r *keyaudit.Report) string {
	looked := plural(r.Secrets(), "secret")
	if r.History != nil {
		looked += " and " + plural(r.History.Versions, "version") + " of files"
	}
	if n := r.Findings.Count(diag.Error); n > 0 {
		return plural(n, "finding") + " in " + looked
	}
	none := "no findings"
	if n := r.Findings.Count(diag.Warning); n > 0 {
		none = "no errors, and " + plural(n, "warning") + ","
	}
	return none + " in " + looked + ": every file opens for whom policy names and for nobody else, as far as files show it"
}

// KeyAuditMarkdown writes the report for an auditor.
func KeyAuditMarkdown(w io.Writer, r *keyaudit.Report) error {
	m := &markdown{}
	m.line("# Who can open which secrets")
	m.line("")
	at := "the working tree"
	if r.Revision != "" {
		at = fmt.Sprintf("commit %s of %s", code(r.Revision), r.Time.UTC().Format(time.RFC3339))
	}
	m.line("Read from the files of %s, without any private key: to which public keys each file is encrypted, and which keys the", at)
	m.line("tenant's `tenant.yaml` names.")
	m.line("")
	m.line("**%s.**", escapeMarkdown(auditVerdict(r)))
	m.auditFindings(r.Findings)
	for _, t := range r.Tenants {
		m.auditTenant(t)
	}
	if len(r.Shared) > 0 {
		m.section("Keys that open secrets of more than one tenant")
		m.line("| name | key | tenants |")
		m.line("|---|---|---|")
		for _, k := range r.Shared {
			m.line("| %s | %s | %s |", cell(k.Name), code(k.Key), strings.Join(k.Tenants, ", "))
		}
	}
	if len(r.Due) > 0 {
		m.section("Values that are known to people who lost access")
		m.line("| tenant | name | since | values that were not set anew |")
		m.line("|---|---|---|---|")
		for _, l := range r.Due {
			m.line("| %s | %s | %s | %d, in %s |", l.Tenant, cell(l.Person), day(l.Since), len(l.Values), code(l.File))
		}
	}
	if r.History != nil {
		m.auditHistory(r.History)
	}
	m.section("What this does not show")
	for _, l := range keyaudit.Limits() {
		m.line("- %s", l)
	}
	text := m.b.String()
	for strings.Contains(text, "\n\n\n") {
		text = strings.ReplaceAll(text, "\n\n\n", "\n\n")
	}
	_, err := w.Write([]byte(text))
	return err
}

func (m *markdown) section(title string) { m.line("\n## %s\n", title) }

func (m *markdown) auditFindings(list diag.List) {
	if len(list) == 0 {
		return
	}
	m.section("Findings")
	m.line("| where | code | what | what to do |")
	m.line("|---|---|---|---|")
	for _, f := range list {
		m.line("| %s | %s | %s | %s |", codeCell(f.Position.String()), code(f.Code), cell(f.Message), cell(f.Hint))
	}
}

func (m *markdown) auditTenant(t keyaudit.Tenant) {
	m.section("Tenant " + code(t.Name))
	m.line("| name | key | kind | by policy | opens | named by |")
	m.line("|---|---|---|---|---|---|")
	number := map[string]string{}
	for i, h := range t.Holders {
		number[h.Key] = fmt.Sprint(i + 1)
		name := h.Name
		if name == "" {
			name = h.Known
		}
		named := "–"
		if j := slices.IndexFunc(t.Named, func(n keyaudit.Naming) bool { return n.Key == h.Key }); j >= 0 {
			n := t.Named[j]
			named = fmt.Sprintf("%s, %s %s", cell(n.Author), day(n.Time), code(n.Revision[:10]))
			if n.Signature != "" {
				named += fmt.Sprintf(", signature %s", n.Signature)
			}
		}
		m.line("| %d. %s | %s | %s | %s | %d of %s | %s |", i+1, cell(name), codeCell(seal.Handle(h.Key)), h.Kind, roleText(h.Role), h.Files,
			plural(len(t.Files), "file"), named)
	}
	m.line("")
	if len(t.Files) == 0 {
		m.line("The tenant has no secrets.")
		return
	}
	if i := slices.IndexFunc(t.Files, func(f holders.File) bool { return len(f.Groups) > 0 }); i >= 0 {
		m.line("Where it says *N of* several groups, it takes a key of each of N groups to open the secret; a key alone does not, unless it is in N of them.")
		m.line("")
	}
	m.line("| file | secret | opens for |")
	m.line("|---|---|---|")
	for _, f := range t.Files {
		opens := opensFor(t.Tenant, f, number)
		for _, secret := range f.Secrets {
			m.line("| %s | %s | %s |", code(f.Path), codeCell(secret), opens)
		}
	}
}

// opensFor gives for whom a file opens, by the numbers of the keys.
func opensFor(t holders.Tenant, f holders.File, number map[string]string) string {
	numbers := func(keys []string) string {
		var out []string
		for _, h := range t.Holders {
			if slices.Contains(keys, h.Key) {
				out = append(out, number[h.Key])
			}
		}
		return strings.Join(out, ", ")
	}
	if len(f.Groups) == 0 {
		return numbers(f.Keys)
	}
	groups := make([]string, len(f.Groups))
	for i, keys := range f.Groups {
		groups[i] = cell(groupName(t, f, i)) + " (" + numbers(keys) + ")"
	}
	return fmt.Sprintf("%d of %s", f.Threshold, strings.Join(groups, ", "))
}

func (m *markdown) auditHistory(h *keyaudit.History) {
	m.section("History")
	m.line("%s of layer files were looked at.", plural(h.Versions, "version"))
	if h.Shallow {
		m.line("This clone does not have all of history.")
	}
	m.line("")
	if len(h.Former) == 0 {
		m.line("Nobody could once open secrets that cannot now.")
		return
	}
	m.line("Who could once open secrets, and cannot now:")
	m.line("")
	m.line("| tenant | name | key | first version | last version | secrets |")
	m.line("|---|---|---|---|---|---|")
	for _, f := range h.Former {
		m.line("| %s | %s | %s | %s %s | %s %s | %d |", f.Tenant, cell(f.Name), codeCell(seal.Handle(f.Key)), day(f.First.Time), code(f.First.Revision[:10]),
			day(f.Last.Time), code(f.Last.Revision[:10]), f.Secrets)
	}
}
