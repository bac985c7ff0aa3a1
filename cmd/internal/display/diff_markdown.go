package display

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/cmd/internal/term"
	"github.com/llm-devops/lcm/pkg/diff"
)

// DiffMarkdown writes a difference as GitHub-flavoured Markdown, for a comment on a pull request. Long lists are folded.
func DiffMarkdown(w io.Writer, r *diff.Report) error {
	m := &markdown{}
	m.line("### Configuration: %s → %s", code(r.Old), code(r.New))
	m.line("")
	m.line("**%s**", escapeMarkdown(DiffSummary(r)))
	m.schemas(r.Schemas)
	for i, e := range r.Entries {
		if i == 0 || r.Entries[i-1].File != e.File {
			m.heading(code(fileTitle(e.File)))
		}
		m.difference(e.Difference, e.Position.Line, e.Directive)
		if i+1 == len(r.Entries) || r.Entries[i+1].File != e.File || !sameReach(e, r.Entries[i+1]) {
			m.reach(e)
		}
	}
	for _, p := range r.Pairs {
		m.heading(code(p.Old.String()) + " → " + code(p.New.String()))
		for _, x := range p.Differences {
			m.difference(x, 0, "")
			m.line("  <sub>%s</sub>", escapeMarkdown(places(x)))
		}
	}
	m.addresses(r.Addresses)
	for _, f := range r.Files {
		m.heading(code(f.File))
		if f.Note != "" || f.Kind != diff.Changed {
			m.line("%s", strings.TrimSuffix(string(f.Kind)+": "+f.Note, ": "))
			m.line("")
		}
		for _, x := range f.Differences {
			m.difference(x, lineOf(x), "")
		}
		m.fence("", hunkLines(f.Hunks))
	}
	if len(r.Findings) > 0 {
		m.heading("What is behind these findings could not be compared" + unresolved(r))
		for _, f := range r.Findings {
			m.line("- %s", escapeMarkdown(f.String()))
		}
	}
	// Blocks bring their own empty lines; no line of a block is empty itself.
	text := m.b.String()
	for strings.Contains(text, "\n\n\n") {
		text = strings.ReplaceAll(text, "\n\n\n", "\n\n")
	}
	_, err := io.WriteString(w, text)
	return err
}

type markdown struct{ b strings.Builder }

func (m *markdown) line(format string, args ...any) { fmt.Fprintf(&m.b, format+"\n", args...) }

func (m *markdown) heading(text string) { m.line("\n#### %s\n", text) }

func (m *markdown) difference(x diff.Difference, line int, tag string) {
	words := describeChange(x, "", term.Plain())
	if values := codeValues(x); values != "" {
		words = values
	} else {
		words = escapeMarkdown(words)
	}
	sign, _ := signOf(term.Plain(), x.Kind)
	sign = map[string]string{"+": "added ", "-": "removed ", "~": ""}[sign]
	text := "- " + sign + "**" + code(x.Key.String()) + "**"
	if words != "" {
		text += ": " + words
	}
	if tag != "" {
		text += " by " + code(tag)
	}
	if line > 0 {
		text += fmt.Sprintf(" <sub>line %d</sub>", line)
	}
	m.line("%s", text)
	m.fence("  ", hunkLines(x.Hunks))
	if x.Kind == diff.Added && hasBlock(x.New.Node) {
		m.fence("  ", prefixed("+", blockLines(x.New.Node)))
	}
	if x.Kind == diff.Removed && hasBlock(x.Old.Node) {
		m.fence("  ", prefixed("-", blockLines(x.Old.Node)))
	}
}

// codeValues gives old and new as code, "" where words or a block say it.
func codeValues(x diff.Difference) string {
	switch {
	case x.Secret != "", x.Kind == diff.Directive, len(x.Hunks) > 0,
		x.New != nil && x.New.Node.Secret, x.Old != nil && x.Old.Node.Secret:
		return ""
	case x.Kind == diff.Added:
		if hasBlock(x.New.Node) {
			return ""
		}
		return code(shortValue(x.New.Node))
	case x.Kind == diff.Removed:
		if hasBlock(x.Old.Node) {
			return ""
		}
		return code(shortValue(x.Old.Node))
	}
	text := code(shortValue(x.Old.Node)) + " → " + code(shortValue(x.New.Node))
	switch x.Kind {
	case diff.Respelled:
		text += " (the same number, spelled differently)"
	case diff.Reordered:
		text += " (another order)"
	case diff.Retyped:
		text += fmt.Sprintf(" (%s → %s)", x.Old.Node.Kind, x.New.Node.Kind)
	}
	return text
}

func (m *markdown) reach(e diff.Entry) {
	sentence := escapeMarkdown(reachSentence(e))
	if len(e.Reach) <= listedAddresses && len(e.Overridden) <= 2 {
		m.line("\n  _%s_\n", sentence)
		return
	}
	m.line("\n  <details><summary>%s</summary>\n", sentence)
	for _, a := range e.Reach {
		m.line("  - %s", code(a.String()))
	}
	for _, a := range e.Overridden {
		m.line("  - %s overrides it", code(a.String()))
	}
	m.line("\n  </details>\n")
}

func (m *markdown) addresses(changes []diff.AddressChange) {
	if len(changes) == 0 {
		return
	}
	m.heading("Addresses")
	fold := len(changes) > 3*listedAddresses
	if fold {
		m.line("<details><summary>%s came or went</summary>\n", plural(len(changes), "address"))
	}
	for _, c := range changes {
		m.line("- %s %s, with %s", c.Kind, code(c.Address.String()), plural(c.Keys, "key"))
	}
	if fold {
		m.line("\n</details>")
	}
}

func hunkLines(hunks []diff.Hunk) []string {
	var out []string
	for _, h := range hunks {
		out = append(out, fmt.Sprintf("@@ -%d,%d +%d,%d @@", h.OldStart, h.OldLines, h.NewStart, h.NewLines))
		for _, l := range h.Lines {
			out = append(out, l.Op+showText(l.Text))
			if l.NoEOL {
				out = append(out, `\ no line break at the end`)
			}
		}
	}
	return out
}

func prefixed(sign string, lines []string) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = sign + " " + l
	}
	return out
}

// fence writes lines as a block that is coloured as a diff.
func (m *markdown) fence(indent string, lines []string) {
	if len(lines) == 0 {
		return
	}
	ticks := strings.Repeat("`", max(3, longestTicks(lines)+1))
	m.line("\n%s%sdiff", indent, ticks)
	for _, l := range lines {
		m.line("%s%s", indent, l)
	}
	m.line("%s%s\n", indent, ticks)
}

func longestTicks(lines []string) int {
	longest := 0
	for _, l := range lines {
		for run := range strings.FieldsFuncSeq(l, func(r rune) bool { return r != '`' }) {
			longest = max(longest, len(run))
		}
	}
	return longest
}

// code gives text as inline code.
func code(text string) string {
	ticks := strings.Repeat("`", longestTicks([]string{text})+1)
	if strings.HasPrefix(text, "`") || strings.HasSuffix(text, "`") {
		text = " " + text + " "
	}
	return ticks + text + ticks
}

// escapeMarkdown keeps text from being read as Markdown, HTML or a mention.
func escapeMarkdown(text string) string {
	special := []rune("\\`*_{}[]<>#|~@&")
	var b strings.Builder
	for _, r := range text {
		if slices.Contains(special, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
