package display

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"github.com/llm-devops/lcm/cmd/internal/term"
	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diff"
	"github.com/llm-devops/lcm/pkg/tree"
)

// DiffOptions say how much of a difference to write for people.
type DiffOptions struct {
	// All lists every address that a change reaches, and values in full, however many they are.
	All bool
	// SkipRefused leaves out what a new schema does not accept, for who tells it otherwise.
	SkipRefused bool
}

// How much is listed unless all is asked for.
const (
	listedAddresses = 4
	listedLines     = 24
)

// DiffJSON writes a difference as JSON, kind "Diff".
func DiffJSON(w io.Writer, r *diff.Report) error { return JSON(w, "Diff", r) }

// DiffText writes a difference for people: file by file, every cause with its place, its key, the values and what it reaches.
func DiffText(w io.Writer, r *diff.Report, s term.Style, o DiffOptions) error {
	d := &diffText{s: s, o: o}
	if err := d.schemas(r.Schemas); err != nil {
		return err
	}
	d.entries(r.Entries)
	d.pairs(r.Pairs)
	d.addresses(r.Addresses)
	d.files(r.Files)
	if len(r.Findings) > 0 {
		d.space()
		d.line("%s", s.Bold("what is behind these findings could not be compared"+unresolved(r)))
		if err := FindingsText(&d.b, r.Findings, s); err != nil {
			return err
		}
	}
	d.space()
	d.line("%s", DiffSummary(r))
	_, err := io.WriteString(w, d.b.String())
	return err
}

func unresolved(r *diff.Report) string {
	if len(r.Unresolved) == 0 {
		return ""
	}
	return " (" + plural(len(r.Unresolved), "address") + ")"
}

// DiffSummary gives a difference in one sentence.
func DiffSummary(r *diff.Report) string {
	var parts []string
	switch sum := r.Summary; {
	case len(r.Pairs) > 0:
		parts = append(parts, fmt.Sprintf("%s between %s and %s", differ(sum.Changes), r.Old, r.New))
		if len(r.Pairs) > 1 {
			parts[0] += " in " + plural(len(r.Pairs), "namespace")
		}
	case sum.Changes > 0:
		text := plural(sum.Changes, "change") + " in " + plural(countFiles(r), "file")
		switch {
		case sum.Addresses == 0:
			text += verb(sum.Changes, " reaches", " reach") + " no address"
		case sum.Addresses == 1:
			text += verb(sum.Changes, " reaches", " reach") + " 1 address"
		default:
			text += fmt.Sprintf("%s %s of %s", verb(sum.Changes, " reaches", " reach"), plural(sum.Addresses, "address"), plural(sum.Tenants, "tenant"))
		}
		if sum.Overridden > 0 {
			text += fmt.Sprintf("; %s", overrides(sum.Overridden))
		}
		parts = append(parts, text)
	case len(r.Files)+len(r.Schemas) > 0:
		parts = append(parts, "no value differs")
	}
	added, removed := 0, 0
	for _, a := range r.Addresses {
		if a.Kind == diff.Added {
			added++
		} else {
			removed++
		}
	}
	if added > 0 {
		parts = append(parts, plural(added, "address")+" added")
	}
	if removed > 0 {
		parts = append(parts, plural(removed, "address")+" removed")
	}
	if n := r.Summary.Invalid; n > 0 {
		parts = append(parts, plural(n, "address")+verb(n, " becomes", " become")+" invalid")
	}
	if len(parts) == 0 {
		parts = append(parts, fmt.Sprintf("no differences between %s and %s", r.Old, r.New))
	}
	if len(r.Findings) > 0 {
		parts = append(parts, "not all could be compared: "+plural(len(r.Findings), "finding"))
	}
	return strings.Join(parts, "; ")
}

func countFiles(r *diff.Report) int {
	files := map[string]bool{}
	for _, e := range r.Entries {
		files[e.File] = true
	}
	return len(files)
}

func differ(n int) string {
	if n == 1 {
		return "1 key differs"
	}
	return fmt.Sprintf("%d keys differ", n)
}

func verb(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

func overrides(n int) string {
	return fmt.Sprintf("%d %s it", n, verb(n, "overrides", "override"))
}

// diffText gathers the text of a difference.
type diffText struct {
	b strings.Builder
	s term.Style
	o DiffOptions
}

func (d *diffText) line(format string, args ...any) { fmt.Fprintf(&d.b, format+"\n", args...) }

// space puts an empty line between blocks.
func (d *diffText) space() {
	if d.b.Len() > 0 {
		d.b.WriteByte('\n')
	}
}

func (d *diffText) entries(entries []diff.Entry) {
	for i, e := range entries {
		if i == 0 || entries[i-1].File != e.File {
			d.space()
			heading := d.s.Bold(fileTitle(e.File))
			if e.Layer != "" {
				heading += "  " + d.s.Dim("layer "+e.Layer)
			}
			d.line("%s", heading)
		}
		d.difference(e.Difference, e.Position.Line, e.Directive)
		// Entries of one file that reach the same share the sentence that says so.
		if i+1 == len(entries) || entries[i+1].File != e.File || !sameReach(e, entries[i+1]) {
			d.reach(e)
		}
	}
}

// fileTitle gives a file as it is shown: built-in schemas have no file.
func fileTitle(file string) string {
	if module, ok := strings.CutPrefix(file, "schema:"); ok {
		return "default of the schema " + module
	}
	return file
}

func sameReach(a, b diff.Entry) bool {
	return a.Tenants == b.Tenants && slices.Equal(a.Reach, b.Reach) && slices.Equal(a.Overridden, b.Overridden)
}

func (d *diffText) reach(e diff.Entry) {
	d.line("        %s", d.s.Dim(reachSentence(e)))
	if d.o.All && len(e.Reach) > listedAddresses {
		for _, a := range e.Reach {
			d.line("          %s", d.s.Blue(a.String()))
		}
		for _, a := range e.Overridden {
			d.line("          %s", d.s.Dim(a.String()+" overrides it"))
		}
	}
}

// reachSentence says what an entry reaches: names where they are few, else numbers.
func reachSentence(e diff.Entry) string {
	var text string
	switch n := len(e.Reach); {
	case n == 0 && e.Kind == diff.Directive:
		text = "no value comes out differently"
	case n == 0:
		text = "reaches no address"
	case n <= listedAddresses:
		text = "reaches " + joinAddresses(e.Reach)
	case e.Tenants > 1:
		text = fmt.Sprintf("reaches %s of %d of %s", plural(n, "address"), e.ReachTenants, plural(e.Tenants, "tenant"))
	default:
		text = fmt.Sprintf("reaches %s of %s", plural(n, "address"), e.Reach[0].Tenant)
	}
	if n := len(e.Overridden); n > 0 && n <= 2 {
		text += fmt.Sprintf("; %s %s it", joinAddresses(e.Overridden), verb(n, "overrides", "override"))
	} else if n > 0 {
		text += "; " + overrides(n)
	}
	return text
}

func joinAddresses(list []address.Address) string {
	names := make([]string, len(list))
	for i, a := range list {
		names[i] = a.String()
	}
	return strings.Join(names, ", ")
}

// difference writes one differing key: "  12  ~ key: old → new", and below it what takes more than a line.
func (d *diffText) difference(x diff.Difference, line int, tag string) {
	number := "    "
	if line > 0 {
		number = fmt.Sprintf("%4d", line)
	}
	sign, paint := signOf(d.s, x.Kind)
	text := fmt.Sprintf("%s  %s %s", d.s.Dim(number), paint(sign), d.s.Cyan(showText(x.Key.String())))
	if words := describeChange(x, tag, d.s); words != "" {
		text += ": " + words
	}
	d.line("%s", text)
	for _, h := range x.Hunks {
		d.hunk(h)
	}
	d.block(x)
}

func signOf(s term.Style, k diff.Kind) (string, func(string) string) {
	switch k {
	case diff.Added:
		return "+", s.Green
	case diff.Removed:
		return "-", s.Red
	}
	return "~", s.Yellow
}

// describeChange says in words and values what became of a key; "" where a block below says it.
func describeChange(x diff.Difference, tag string, s term.Style) string {
	if tag != "" {
		tag = " " + s.Dim("by "+tag)
	}
	switch {
	case x.Secret != "":
		return secretWords(x.Secret, s)
	case x.Kind == diff.Added && x.New.Node.Secret:
		return s.Green("secret added")
	case x.Kind == diff.Removed && x.Old.Node.Secret:
		return s.Red("secret removed") + tag
	case x.Kind == diff.Directive:
		return directiveWords(x, s)
	case len(x.Hunks) > 0:
		return ""
	case x.Kind == diff.Added && hasBlock(x.New.Node), x.Kind == diff.Removed && hasBlock(x.Old.Node):
		return strings.TrimSpace(tag)
	case x.Kind == diff.Added:
		return s.Green(shortValue(x.New.Node)) + tag
	case x.Kind == diff.Removed:
		return s.Red(shortValue(x.Old.Node)) + tag
	}
	words := s.Red(shortValue(x.Old.Node)) + " → " + s.Green(shortValue(x.New.Node))
	switch x.Kind {
	case diff.Respelled:
		words += " " + s.Dim("(the same number, spelled differently)")
	case diff.Reordered:
		words += " " + s.Dim("(another order)")
	case diff.Retyped:
		words += " " + s.Dim(fmt.Sprintf("(%s → %s)", x.Old.Node.Kind, x.New.Node.Kind))
	}
	return words + tag
}

func secretWords(state diff.SecretState, s term.Style) string {
	switch state {
	case diff.SecretChanged:
		return s.Yellow("secret changed")
	case diff.SecretReencrypted:
		return s.Dim("secret encrypted anew, the same value")
	case diff.SecretExposed:
		return s.Red("secret no longer encrypted")
	case diff.SecretSealed:
		return s.Green("secret now encrypted")
	}
	return s.Yellow("secret differs") + " " + s.Dim("(no key to tell whether its value changed)")
}

func directiveWords(x diff.Difference, s term.Style) string {
	tag := func(v *diff.Value) string {
		switch {
		case v == nil || v.Node.Directive == tree.None:
			return "no tag"
		default:
			return v.Node.Directive.String()
		}
	}
	switch {
	case x.Old == nil:
		return s.Green(tag(x.New)) + " added"
	case x.New == nil:
		return s.Red(tag(x.Old)) + " removed"
	}
	return s.Red(tag(x.Old)) + " → " + s.Green(tag(x.New))
}

// hasBlock reports whether a value is written in lines below its key.
func hasBlock(n *tree.Node) bool {
	if n.Kind.IsScalar() {
		return n.Kind == tree.String && !n.Secret && strings.Contains(n.Text(), "\n")
	}
	data, err := n.AppendJSON(nil, tree.Masked)
	return n.Len() > 0 && (err != nil || len(data) > listedWidth)
}

// listedWidth is the length up to which a collection is shown in one line.
const listedWidth = 60

// block writes a value that came or went and takes several lines.
func (d *diffText) block(x diff.Difference) {
	sign, paint := signOf(d.s, x.Kind)
	var n *tree.Node
	switch {
	case x.Kind == diff.Added && hasBlock(x.New.Node):
		n = x.New.Node
	case x.Kind == diff.Removed && hasBlock(x.Old.Node):
		n = x.Old.Node
	default:
		return
	}
	lines := blockLines(n)
	rest := 0
	if !d.o.All && len(lines) > listedLines {
		rest = len(lines) - listedLines + 1
		lines = lines[:listedLines-1]
	}
	for _, l := range lines {
		d.line("        %s", paint(strings.TrimRight(sign+" "+l, " ")))
	}
	if rest > 0 {
		d.line("        %s", d.s.Dim(fmt.Sprintf("… %s more", plural(rest, "line"))))
	}
}

// blockLines gives a value in lines: a text as it is, a collection key by key.
func blockLines(n *tree.Node) []string {
	if n.Kind == tree.String {
		var out []string
		for l := range strings.SplitSeq(strings.TrimSuffix(n.Text(), "\n"), "\n") {
			out = append(out, showText(l))
		}
		return out
	}
	var out []string
	for p, v := range n.Leaves() {
		out = append(out, showText(p.String())+": "+shortValue(v))
	}
	return out
}

// hunk writes changed lines of a text with their context.
func (d *diffText) hunk(h diff.Hunk) {
	d.line("        %s", d.s.Dim(fmt.Sprintf("@@ line %d of the text @@", h.NewStart)))
	for _, l := range h.Lines {
		text := "  " + showText(l.Text)
		switch l.Op {
		case "-":
			text = markLine(l, "- ", d.s.Red, d.s)
		case "+":
			text = markLine(l, "+ ", d.s.Green, d.s)
		}
		if l.NoEOL && l.Op != " " {
			text += d.s.Dim("  (no line break at the end)")
		}
		d.line("        %s", strings.TrimRight(text, " "))
	}
}

// markLine writes a changed line with the parts that differ in bold, and blanks at its end made visible.
func markLine(l diff.Line, sign string, paint func(string) string, s term.Style) string {
	body := strings.TrimRight(l.Text, " \t")
	tail := strings.NewReplacer(" ", "·", "\t", "→").Replace(l.Text[len(body):])
	var b strings.Builder
	at := 0
	if s.On() {
		for _, m := range l.Marks {
			start, end := min(m.Start, len(body)), min(m.End, len(body))
			b.WriteString(paint(showText(body[at:start])))
			b.WriteString(s.Bold(paint(showText(body[start:end]))))
			at = end
		}
	}
	b.WriteString(paint(showText(body[at:]) + tail))
	return paint(sign) + b.String()
}

// shortValue gives a value in one line that no terminal acts on.
func shortValue(n *tree.Node) string { return showText(Value(n)) }

// showText makes control characters visible, so that no value can act on a terminal.
func showText(text string) string {
	if !strings.ContainsFunc(text, isControl) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\t':
			b.WriteString("\t")
		case isControl(r):
			b.WriteString(strings.Trim(fmt.Sprintf("%q", string(r)), `"`))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// isControl also holds for the characters that change the direction of what follows.
func isControl(r rune) bool {
	return unicode.IsControl(r) || r >= 0x202A && r <= 0x202E || r >= 0x2066 && r <= 0x2069 || r == 0x2028 || r == 0x2029
}
