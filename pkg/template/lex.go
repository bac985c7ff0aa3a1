package template

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/llm-devops/lcm/pkg/diag"
)

// YAML cannot parse temperature: {{temperature}}, so placeholders are hidden from it: each is replaced by as many characters
// that YAML takes for plain text wherever they stand. Lines and columns stay what they were. The characters are noncharacters,
// which Unicode keeps out of all text, and between them digits from a private plane say which placeholder it was.
const (
	markStart  = '\uFDD0' // two digits, padding and markEnd follow: a placeholder
	markPad    = '\uFDD1'
	markEnd    = '\uFDD2'
	markBraces = '\uFDD3' // two markPad follow: \{{, which stands for {{

	digitZero = 0xF0000
	digitBase = 1 << 12
)

const (
	opening = "{{"
	closing = "}}"
)

// hidden is the text of a template as YAML can parse it, and what was taken out of it.
type hidden struct {
	text         []byte
	placeholders []placeholder
}

// placeholder is what stood between {{ and }}.
type placeholder struct {
	text string
	pos  diag.Position // of the opening braces
}

// hide replaces all placeholders of a template's text. A {{ that is not closed in its line stays.
func hide(file string, src []byte) (hidden, diag.List) {
	var h hidden
	var findings diag.List
	if i := bytes.IndexFunc(src, func(r rune) bool { return r >= markStart && r <= markBraces }); i >= 0 {
		at := place{file: file, src: src}
		return h, diag.List{{
			Code: "template-character", Severity: diag.Error, Position: at.of(i),
			Message: "the file holds a noncharacter of Unicode, which is no text", Hint: "remove it",
		}}
	}
	at := place{file: file, src: src}
	out := make([]byte, 0, len(src)+len(src)/8)
	for i := 0; i < len(src); {
		j := bytes.Index(src[i:], []byte(opening))
		if j < 0 {
			out = append(out, src[i:]...)
			break
		}
		j += i
		if backslashes(src[:j])%2 == 1 {
			out = append(out, src[i:j-1]...)
			out = append(out, string([]rune{markBraces, markPad, markPad})...)
			i = j + len(opening)
			continue
		}
		out = append(out, src[i:j]...)
		text, ok := enclosed(src[j:])
		if !ok || len(h.placeholders) == digitBase*digitBase {
			out = append(out, opening...)
			i = j + len(opening)
			continue
		}
		out = appendMark(out, len(h.placeholders), utf8.RuneCountInString(text))
		h.placeholders = append(h.placeholders, placeholder{text, at.of(j)})
		i = j + len(opening) + len(text) + len(closing)
	}
	h.text = out
	return h, findings
}

func backslashes(before []byte) int {
	return len(before) - len(bytes.TrimRight(before, `\`))
}

// enclosed gives what stands between {{, with which src begins, and }} on the same line.
func enclosed(src []byte) (string, bool) {
	src = src[len(opening):]
	n := bytes.Index(src, []byte(closing))
	if n < 0 || bytes.ContainsAny(src[:n], "\r\n\u0085\u2028\u2029") || !utf8.Valid(src[:n]) {
		return "", false
	}
	return string(src[:n]), true
}

// appendMark writes the stand-in of a placeholder: as long, in characters, as its text with the braces.
func appendMark(out []byte, number, length int) []byte {
	out = utf8.AppendRune(out, markStart)
	out = utf8.AppendRune(out, digitZero+rune(number/digitBase))
	out = utf8.AppendRune(out, digitZero+rune(number%digitBase))
	for range length {
		out = utf8.AppendRune(out, markPad)
	}
	return utf8.AppendRune(out, markEnd)
}

// piece is a part of a scalar: text, or a placeholder.
type piece struct {
	text        string
	placeholder *placeholder
}

// pieces takes a scalar's text apart. Text without marks gives one piece.
func (h *hidden) pieces(text string) []piece {
	var out []piece
	var b strings.Builder
	flush := func() {
		if b.Len() > 0 {
			out = append(out, piece{text: b.String()})
			b.Reset()
		}
	}
	for text != "" {
		i := strings.IndexFunc(text, func(r rune) bool { return r == markStart || r == markBraces })
		if i < 0 {
			b.WriteString(text)
			break
		}
		b.WriteString(text[:i])
		text = text[i:]
		if rest, ok := strings.CutPrefix(text, string([]rune{markBraces, markPad, markPad})); ok {
			b.WriteString(opening)
			text = rest
			continue
		}
		number, size, ok := h.mark(text)
		if !ok { // an escape in double quotes can make such a character, too: then it is text
			_, size = utf8.DecodeRuneInString(text)
			b.WriteString(text[:size])
		} else {
			flush()
			out = append(out, piece{placeholder: &h.placeholders[number]})
		}
		text = text[size:]
	}
	flush()
	return out
}

// mark reads the stand-in that a text begins with.
func (h *hidden) mark(text string) (number, size int, ok bool) {
	size = utf8.RuneLen(markStart)
	for range 2 {
		r, n := utf8.DecodeRuneInString(text[size:])
		if r < digitZero || r >= digitZero+digitBase {
			return 0, 0, false
		}
		number = number*digitBase + int(r-digitZero)
		size += n
	}
	rest := strings.TrimLeft(text[size:], string(markPad))
	if !strings.HasPrefix(rest, string(markEnd)) || number >= len(h.placeholders) {
		return 0, 0, false
	}
	return number, len(text) - len(rest) + utf8.RuneLen(markEnd), true
}

// restore gives a text as it was written, its placeholders shown again.
func (h *hidden) restore(text string) string {
	var b strings.Builder
	for _, p := range h.pieces(text) {
		if p.placeholder != nil {
			b.WriteString(opening + p.placeholder.text + closing)
		} else {
			b.WriteString(p.text)
		}
	}
	return b.String()
}

// place finds lines and columns, asked for in rising order.
type place struct {
	file      string
	src       []byte
	off       int
	line, col int // of off, counted from 0
}

func (p *place) of(off int) diag.Position {
	for p.off < off {
		r, size := utf8.DecodeRune(p.src[p.off:])
		p.off += size
		switch {
		case r == '\r' && p.off < len(p.src) && p.src[p.off] == '\n': // the line ends with the line feed
		case r == '\n', r == '\r', r == '\u0085', r == '\u2028', r == '\u2029':
			p.line++
			p.col = 0
		case r == '\uFEFF' && p.off == size: // a byte order mark is no character
		default:
			p.col++
		}
	}
	return diag.Position{File: p.file, Line: p.line + 1, Column: p.col + 1}
}
