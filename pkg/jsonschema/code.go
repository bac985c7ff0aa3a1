package jsonschema

import (
	"maps"
	"slices"
	"strings"

	"cuelang.org/go/cue/literal"

	"github.com/llm-devops/lcm/pkg/diag"
)

// code is CUE with the places that its parts come from.
type code []piece

// piece is text that comes from one place; without one it goes on from the place of the piece before.
type piece struct {
	text string
	pos  diag.Position
}

func from(pos diag.Position, text ...string) code { return code{{strings.Join(text, ""), pos}} }

func plain(text ...string) code { return code{{text: strings.Join(text, "")}} }

func (c code) add(more ...code) code {
	for _, m := range more {
		c = append(c, m...)
	}
	return c
}

// at gives the same text, all of it from one place.
func (c code) at(pos diag.Position) code { return from(pos, c.String()) }

func (c code) String() string {
	var b strings.Builder
	for _, p := range c {
		b.WriteString(p.text)
	}
	return b.String()
}

func join(list []code, separator string) code {
	var c code
	for i, one := range list {
		if i > 0 {
			c = append(c, piece{text: separator})
		}
		c = append(c, one...)
	}
	return c
}

// choice gives a disjunction, in brackets if it has several arms: it binds less than what it is joined by.
func choice(arms []code) code {
	if len(arms) == 1 && !strings.Contains(arms[0].String(), " | ") {
		return arms[0]
	}
	return plain("(").add(join(arms, " | "), plain(")"))
}

// bare gives a choice that stands alone without its brackets.
func bare(parts []code) []code {
	if len(parts) == 1 && len(parts[0]) > 2 && parts[0][0].text == "(" && parts[0][len(parts[0])-1].text == ")" {
		return []code{parts[0][1 : len(parts[0])-1]}
	}
	return parts
}

// source puts code together with the places of it.
func (c code) source() *Source {
	s := &Source{}
	for _, p := range c {
		if !p.pos.IsZero() {
			if n := len(s.places); n > 0 && s.places[n-1].offset == len(s.CUE) {
				s.places = s.places[:n-1]
			}
			s.places = append(s.places, place{len(s.CUE), p.pos})
		}
		s.CUE = append(s.CUE, p.text...)
	}
	return s
}

// comment gives a comment above a field.
func comment(doc string) code {
	var b strings.Builder
	for line := range strings.Lines(strings.TrimSpace(doc)) {
		b.WriteString(strings.TrimRight("// "+strings.TrimSpace(line), " ") + "\n")
	}
	return plain(b.String())
}

func quote(s string) string { return literal.String.Quote(s) }

// label gives a field's name so that references to it work where they can.
func label(name string) string {
	if isIdentifier(name) {
		return name
	}
	return quote(name)
}

// reserved words cannot be referred to as fields.
var reserved = [...]string{"package", "import", "for", "in", "if", "let", "true", "false", "null", "func", "try", "else", "otherwise", "fallback"}

func isIdentifier(name string) bool {
	return name != "" && name == identifier(name) && name[0] != '_' && !slices.Contains(reserved[:], name)
}

// identifier makes a name of what may be none.
func identifier(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, s)
	if s == "" || s[0] >= '0' && s[0] <= '9' {
		return "_" + s
	}
	return s
}

func sorted(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }
