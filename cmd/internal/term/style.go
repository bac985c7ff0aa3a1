package term

import "strings"

// Style colours text, or leaves it as it is.
type Style struct{ on bool }

// Plain gives the style without colour.
func Plain() Style { return Style{} }

// On reports whether the style colours at all.
func (s Style) On() bool { return s.on }

// The SGR codes used are of the 16-colour set, which every terminal theme defines.
func (s Style) wrap(code, text string) string {
	if !s.on || text == "" {
		return text
	}
	if !strings.Contains(text, "\n") {
		return "\x1b[" + code + "m" + text + "\x1b[0m"
	}
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		lines[i] = s.wrap(code, l)
	}
	return strings.Join(lines, "\n")
}

// Red is for what is removed or wrong.
func (s Style) Red(text string) string { return s.wrap("31", text) }

// Green is for what is added or good.
func (s Style) Green(text string) string { return s.wrap("32", text) }

// Yellow is for what changed or needs care.
func (s Style) Yellow(text string) string { return s.wrap("33", text) }

// Blue is for addresses.
func (s Style) Blue(text string) string { return s.wrap("34", text) }

// Cyan is for keys.
func (s Style) Cyan(text string) string { return s.wrap("36", text) }

// Bold is for headings.
func (s Style) Bold(text string) string { return s.wrap("1", text) }

// Dim is for places and asides.
func (s Style) Dim(text string) string { return s.wrap("2", text) }
