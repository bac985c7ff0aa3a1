package template

import "strings"

// Placeholder is what stands between {{ and }} in a text that somebody else fills, as a prompt.
type Placeholder struct {
	Text string
	Line int // of the text, from 1
}

// Placeholders finds the placeholders of a text in any of the languages that write them in double braces, over several lines
// too. As in a template, a {{ behind a backslash is none, nor is one that the next opens before it is closed; what a placeholder
// means is not looked at.
func Placeholders(text string) []Placeholder {
	var out []Placeholder
	line := 1
	for {
		i := strings.Index(text, opening)
		if i < 0 {
			return out
		}
		line += strings.Count(text[:i], "\n")
		escaped := backslashes([]byte(text[:i]))%2 == 1
		inner, _, closed := strings.Cut(text[i+len(opening):], closing)
		if escaped || !closed || strings.Contains(strings.TrimLeft(inner, "{"), opening) {
			text = text[i+len(opening):]
			continue
		}
		out = append(out, Placeholder{inner, line})
		line += strings.Count(inner, "\n")
		text = text[i+len(opening)+len(inner)+len(closing):]
	}
}
