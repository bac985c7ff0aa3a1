package yamldoc

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/llm-devops/lcm/pkg/tree"
)

// style is how a string is written.
type style uint8

const (
	anyStyle style = iota
	plainStyle
	singleStyle
	doubleStyle
	literalStyle
)

// surroundings say what a scalar's text has to fit into.
type surroundings struct {
	flow   bool  // inside brackets
	json   bool  // inside brackets whose keys are quoted
	prefer style // the style of the value that stood there
	indent int   // the column of the key or the dash that the scalar belongs to
	below  int   // the column where the lines of a block go
}

// scalar gives the text of a scalar without its directive; for a literal block it has several lines, the first of which
// is the header.
func (w *writer) scalar(n *tree.Node, in surroundings) string {
	text := n.Reveal()
	switch n.Kind {
	case tree.String:
		return w.text(text, in)
	case tree.Null:
		return "null"
	}
	return text
}

// coreTag gives the tag that a scalar needs because its text alone would be read as another kind.
func coreTag(n *tree.Node) string {
	if n.Kind == tree.Float {
		if kind, _ := tree.Resolve(n.Reveal()); kind == tree.Int {
			return "!!float"
		}
	}
	return ""
}

// text writes a string in the style that stood there if it can hold it, else in the plainest style that can.
func (w *writer) text(t string, in surroundings) string {
	if in.json {
		return doubleQuoted(t)
	}
	switch in.prefer {
	case doubleStyle:
		if !strings.Contains(t, "\n") {
			return doubleQuoted(t)
		}
	case singleStyle:
		if fitsSingle(t) {
			return singleQuoted(t)
		}
	case literalStyle:
		if !in.flow && w.fitsLiteral(t, in) {
			return w.literal(t, in)
		}
	}
	switch {
	case strings.Contains(t, "\n") && !in.flow && w.fitsLiteral(t, in):
		return w.literal(t, in)
	case fitsPlain(t, in.flow):
		return t
	case strings.ContainsAny(t, `"\`) && !strings.Contains(t, "'") && fitsSingle(t):
		return singleQuoted(t)
	}
	return doubleQuoted(t)
}

// key writes a map's key.
func (w *writer) key(k string, in surroundings) string {
	switch {
	case in.json:
		return doubleQuoted(k)
	case fitsPlain(k, true):
		return k
	}
	return doubleQuoted(k)
}

func singleQuoted(t string) string { return "'" + strings.ReplaceAll(t, "'", "''") + "'" }

// fitsSingle reports whether single quotes can hold t on one line.
func fitsSingle(t string) bool {
	return utf8.ValidString(t) && !strings.ContainsFunc(t, func(r rune) bool { return r == '\t' || isBreak(r) || !printable(r) })
}

func isBreak(r rune) bool {
	return r == '\n' || r == '\r' || r == '\u0085' || r == '\u2028' || r == '\u2029'
}

func doubleQuoted(t string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range t {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case isBreak(r) || !printable(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// fitsLiteral reports whether a literal block holds t exactly: some readers lose blanks at its edges.
func (w *writer) fitsLiteral(t string, in surroundings) bool {
	trimmed := strings.TrimRight(t, "\n")
	newlines := len(t) - len(trimmed)
	last := trimmed[strings.LastIndexByte(trimmed, '\n')+1:]
	switch {
	case w.noLiteral || in.below-in.indent > 9 || !utf8.ValidString(t):
		return false
	case strings.Trim(last, " \t") == "":
		return false
	case newlines > 0 && w.noClip, newlines > 1 && w.noKeep:
		return false
	}
	return !strings.ContainsFunc(t, func(r rune) bool { return r != '\n' && isBreak(r) || !printable(r) })
}

// literal writes t as a literal block.
func (w *writer) literal(t string, in surroundings) string {
	lines := strings.Split(t, "\n")
	var b strings.Builder
	b.WriteByte('|')
	for _, line := range lines {
		if line != "" && isBlank(line[0]) {
			fmt.Fprintf(&b, "%d", in.below-in.indent)
			break
		}
		if line != "" {
			break
		}
	}
	switch {
	case !strings.HasSuffix(t, "\n"):
		b.WriteByte('-')
	case strings.HasSuffix(t, "\n\n"):
		b.WriteByte('+')
	}
	if strings.HasSuffix(t, "\n") {
		lines = lines[:len(lines)-1] // the line break of the last line is written by what comes next
	}
	for _, line := range lines {
		b.WriteString(w.eol)
		if line != "" {
			b.WriteString(spaces(in.below))
			b.WriteString(line)
		}
	}
	return b.String()
}

func spaces(n int) string { return strings.Repeat(" ", n) }

// words that some reader of YAML 1.1 or 1.2 takes for a null, a boolean, a number or a merge key.
var words = map[string]bool{
	"null": true, "~": true, "true": true, "false": true, "yes": true, "no": true, "on": true, "off": true, "y": true,
	"n": true, ".inf": true, "-.inf": true, "+.inf": true, ".nan": true, "<<": true, "=": true,
}

// fitsPlain reports whether every reader of YAML 1.1 and 1.2 takes t, written without quotes, for that very string.
func fitsPlain(t string, flow bool) bool {
	if t == "" || len(t) < 8 && words[strings.ToLower(t)] || !utf8.ValidString(t) {
		return false
	}
	first, last := t[0], t[len(t)-1]
	switch {
	case strings.IndexByte("?:,[]{}#&*!|>'\"%@`= \t", first) >= 0, last == ' ', last == '\t', last == ':':
		return false
	case first == '-' && (len(t) == 1 || strings.IndexByte(" -", t[1]) >= 0 && (t[1] == ' ' || strings.HasPrefix(t, "---"))):
		return false
	case strings.HasPrefix(t, "..."), strings.Contains(t, ": "), strings.Contains(t, " #"):
		return false
	case flow && strings.ContainsAny(t, ",[]{}:"):
		return false
	case (first >= '0' && first <= '9' || strings.IndexByte("+-.", first) >= 0) && likeNumber(t):
		return false
	}
	return !strings.ContainsFunc(t, func(r rune) bool { return r == '\t' || isBreak(r) || !printable(r) })
}

// likeNumber reports whether t holds nothing but what numbers and dates are made of in any version of YAML: decimal,
// octal, hexadecimal and binary digits, exponents, underscores, base 60, time zones.
func likeNumber(t string) bool {
	return strings.Trim(t, "0123456789abcdefABCDEFxXoOtTzZ_.,:+- ") == ""
}
