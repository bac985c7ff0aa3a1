package display

import (
	"bytes"
	"fmt"
	"strings"
)

// ModuleMarkdown gives the reference of a module as a page: its fields in one table for each top-level key that has others
// below it, those before it that have none in one table.
func ModuleMarkdown(m Module) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s\n\n", cell(m.Title))
	fmt.Fprintf(&b, "Module `%s`, version %s", m.Name, m.Version)
	if m.File != "" {
		fmt.Fprintf(&b, ", in `%s`", m.File)
	}
	b.WriteString(".")
	if m.Doc != "" {
		fmt.Fprintf(&b, " %s", plain(m.Doc))
	}
	fmt.Fprintf(&b, "\n\n```\nlcm namespace add NAME --module %s\nlcm schema show %s [KEY]\n```\n\n", m.Name, m.Name)
	b.WriteString("In keys, `<name>` stands for a name of your choice and `[]` for the items of a list. ")
	if len(m.Secrets) > 0 {
		fmt.Fprintf(&b, "Encrypted are `%s`.\n", strings.Join(m.Secrets, "`, `"))
	} else {
		b.WriteString("Nothing is encrypted.\n")
	}
	top, sections := sectionsOf(m.Fields)
	if len(top) > 0 {
		b.WriteString("\n## Top level\n\n")
		fieldTable(&b, top)
	}
	for _, s := range sections {
		fmt.Fprintf(&b, "\n## %s\n\n", s[0].Key)
		if text := about(s[0], "\n\n"); text != "" {
			fmt.Fprintf(&b, "%s\n\n", text)
		}
		fieldTable(&b, s[1:])
	}
	return b.Bytes()
}

// sectionsOf splits fields into those at the top that have none below them, and sections of one that has.
func sectionsOf(fields []Field) (top []Field, sections [][]Field) {
	for i := 0; i < len(fields); {
		n := i + 1
		for n < len(fields) && isKeyBelow(fields[n].Key, fields[i].Key) {
			n++
		}
		if n == i+1 {
			top = append(top, fields[i])
		} else {
			sections = append(sections, fields[i:n])
		}
		i = n
	}
	return top, sections
}

func isKeyBelow(key, above string) bool {
	rest, ok := strings.CutPrefix(key, above)
	return ok && rest != "" && (rest[0] == '.' || rest[0] == '[')
}

func fieldTable(b *bytes.Buffer, fields []Field) {
	b.WriteString("| key | type | default | |\n|---|---|---|---|\n")
	for _, f := range fields {
		def := ""
		if f.Default != nil {
			def = codeCell(Value(f.Default))
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", codeCell(f.Key), cell(f.typeText()), def, about(f, "<br>"))
	}
}

// about gives a field's comment and, behind a line break of the kind asked for, what else there is to know.
func about(f Field, lineBreak string) string {
	text := cell(strings.ReplaceAll(f.Doc, "\n\n", "\x00"))
	text = strings.ReplaceAll(text, "\x00", lineBreak)
	var facts []string
	switch {
	case f.Required && len(f.When) > 0:
		facts = append(facts, "**Required** when "+cell(strings.Join(f.When, ", or when "))+".")
	case f.Required:
		facts = append(facts, "**Required**.")
	case len(f.When) > 0:
		facts = append(facts, "Only when "+cell(strings.Join(f.When, ", or when "))+".")
	}
	for _, d := range f.demands(codeCell) {
		facts = append(facts, strings.ToUpper(d[:1])+d[1:]+".")
	}
	if !f.Promote && !f.Secret {
		facts = append(facts, "Never promoted.")
	}
	if len(facts) == 0 {
		return text
	}
	if text != "" {
		text += lineBreak
	}
	return text + strings.Join(facts, " ")
}

// codeCell gives text as code in a table, whose cells bars would end even there.
func codeCell(text string) string { return strings.ReplaceAll(code(text), "|", `\|`) }

// cell makes text fit for a table: one line, and plain.
func cell(text string) string { return plain(strings.Join(strings.Fields(text), " ")) }

// plain keeps a comment from being read as a table, HTML or emphasis.
func plain(text string) string {
	return strings.NewReplacer("|", `\|`, "<", `\<`, "*", `\*`, "_", `\_`).Replace(text)
}
