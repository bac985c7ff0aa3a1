package schema

import (
	"strings"
	"unicode/utf8"
)

// ecmaPattern gives a regular expression of Go in the dialect of JSON Schema, ECMA 262, where it accepts the same texts
// with the u flag and without. ok is false for what that dialect does not have or understands differently.
// Source: https://pkg.go.dev/regexp/syntax and https://tc39.es/ecma262/#sec-patterns.
func ecmaPattern(text string) (out string, ok bool) {
	p := &patternReader{in: text}
	for p.in != "" && !p.bad {
		p.next()
	}
	if p.bad {
		return "", false
	}
	return p.out.String(), true
}

// quotePattern gives the expression for a text itself.
func quotePattern(text string) string {
	var b strings.Builder
	for _, r := range text {
		if strings.ContainsRune(syntaxCharacters, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// syntaxCharacters are those that both dialects take literally behind a backslash.
const syntaxCharacters = `^$\.*+?()[]{}|/`

// asciiSpace is \s of Go; ECMA's has more.
const asciiSpace = `\t\n\f\r `

type patternReader struct {
	in   string
	out  strings.Builder
	atom bool // what was read last can be repeated
	bad  bool
}

func (p *patternReader) take(n int) string {
	s := p.in[:n]
	p.in = p.in[n:]
	return s
}

func (p *patternReader) write(s string, atom bool) {
	p.out.WriteString(s)
	p.atom = atom
}

func (p *patternReader) next() {
	switch c := p.in[0]; c {
	case '\\':
		p.escape()
	case '[':
		p.class()
	case '(':
		p.group()
	case '.':
		p.take(1)
		p.write(`[^\n]`, true)
	case ')':
		p.write(p.take(1), true)
	case '|', '^', '$':
		p.write(p.take(1), false)
	case '*', '+', '?':
		p.repeat(1)
	case '{':
		if n := countLength(p.in); n > 0 {
			p.repeat(n)
			return
		}
		p.take(1)
		p.write(`\{`, true)
	case '}', ']':
		p.write(`\`+p.take(1), true)
	default:
		_, n := utf8.DecodeRuneInString(p.in)
		p.write(p.take(n), true)
	}
}

// countLength gives the length of {2}, {2,} or {2,3} at the beginning of s, else 0.
func countLength(s string) int {
	end := strings.IndexByte(s, '}')
	if end < 0 {
		return 0
	}
	low, high, _ := strings.Cut(s[1:end], ",")
	if low == "" || strings.Trim(low+high, "0123456789") != "" {
		return 0
	}
	return end + 1
}

func (p *patternReader) repeat(n int) {
	if !p.atom {
		p.bad = true
		return
	}
	p.write(p.take(n), false)
	if strings.HasPrefix(p.in, "?") {
		p.write(p.take(1), false)
	}
}

func (p *patternReader) group() {
	switch {
	case !strings.HasPrefix(p.in, "(?"):
		p.write(p.take(1), false)
	case strings.HasPrefix(p.in, "(?:"):
		p.write(p.take(3), false)
	case strings.HasPrefix(p.in, "(?P<"), strings.HasPrefix(p.in, "(?<"):
		p.take(strings.IndexByte(p.in, '>') + 1)
		p.write("(?:", false)
	default:
		p.bad = true // flags
	}
}

func (p *patternReader) escape() {
	if len(p.in) < 2 {
		p.bad = true
		return
	}
	switch c := p.in[1]; {
	case strings.IndexByte("dDwWnrtfv", c) >= 0:
		p.write(p.take(2), true)
	case c == 'b' || c == 'B':
		p.write(p.take(2), false)
	case c == 's':
		p.take(2)
		p.write("["+asciiSpace+"]", true)
	case c == 'S':
		p.take(2)
		p.write("[^"+asciiSpace+"]", true)
	case c == 'A':
		p.take(2)
		p.write("^", false)
	case c == 'z':
		p.take(2)
		p.write("$", false)
	default:
		p.literal(syntaxCharacters)
		p.atom = true
	}
}

// literal reads an escaped character that stands for itself; keep are those that stay escaped.
func (p *patternReader) literal(keep string) {
	switch c := p.in[1]; {
	case strings.IndexByte(keep, c) >= 0:
		p.out.WriteString(p.take(2))
	case c == 'x' && len(p.in) >= 4 && isHex(p.in[2]) && isHex(p.in[3]):
		p.out.WriteString(p.take(4))
	case c < utf8.RuneSelf && !isWord(c) || c == '_':
		p.take(1)
		p.out.WriteString(p.take(1))
	default:
		p.bad = true
	}
}

func isHex(c byte) bool { return strings.IndexByte("0123456789abcdefABCDEF", c) >= 0 }

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// class reads [a-z].
func (p *patternReader) class() {
	p.out.WriteString(p.take(1))
	if strings.HasPrefix(p.in, "^") {
		p.out.WriteString(p.take(1))
	}
	first, set := true, false // set: what was read last is a set, which cannot begin a range
	for ; p.in != "" && !p.bad; first = false {
		c := p.in[0]
		wasSet := set
		set = false
		switch {
		case c == ']' && !first:
			p.write(p.take(1), true)
			return
		case c == '[' && strings.HasPrefix(p.in, "[:"):
			p.bad = true
		case c == ']' || c == '[':
			p.out.WriteString(`\` + p.take(1))
		case c == '-' && wasSet && !strings.HasPrefix(p.in, "-]"):
			p.out.WriteString(`\` + p.take(1))
		case c == '\\' && len(p.in) < 2:
			p.bad = true
		case c == '\\':
			set = p.classEscape()
		default:
			_, n := utf8.DecodeRuneInString(p.in)
			p.out.WriteString(p.take(n))
		}
	}
	p.bad = true
}

// classEscape reads an escape in a class and reports whether it stands for a set.
func (p *patternReader) classEscape() (set bool) {
	switch c := p.in[1]; {
	case strings.IndexByte("dDwW", c) >= 0:
		p.out.WriteString(p.take(2))
		return true
	case strings.IndexByte("nrtfv", c) >= 0:
		p.out.WriteString(p.take(2))
	case c == 's':
		p.take(2)
		p.out.WriteString(asciiSpace)
		return true
	default:
		p.literal(syntaxCharacters + "-")
	}
	return false
}
