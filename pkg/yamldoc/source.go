package yamldoc

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/llm-devops/lcm/pkg/diag"
)

// source is the text of a file with an index of its lines, as the parser beneath counts them: LF, CRLF, a lone CR, NEL,
// LS and PS all end a line, columns count characters, and a byte order mark is no character.
type source struct {
	file  string
	data  []byte
	lines []int // offset of each line's first byte
	ascii bool

	// The place that was looked up last. Files are read forwards, so that no long line is counted again and again.
	seen struct{ line, col, off int }
}

var bom = []byte("\uFEFF")

// maxCharFindings bounds how many characters of one file are complained about: a binary file would have thousands.
const maxCharFindings = 20

// newSource indexes data and reports the characters that YAML forbids.
func newSource(file string, data []byte) (*source, diag.List) {
	s := &source{file: file, data: data, ascii: true, lines: make([]int, 1, 1+bytes.Count(data, []byte{'\n'}))}
	var bad []int
	i := 0
	if bytes.HasPrefix(data, bom) {
		i = len(bom)
		s.lines[0] = i
	}
	for i < len(data) {
		c := data[i]
		switch {
		case c >= ' ' && c < 0x7f, c == '\t':
			i++
		case c == '\n':
			i++
			s.lines = append(s.lines, i)
		case c == '\r':
			i++
			if i < len(data) && data[i] == '\n' {
				i++
			}
			s.lines = append(s.lines, i)
		case c < utf8.RuneSelf:
			bad = append(bad, i)
			i++
		default:
			s.ascii = false
			r, size := utf8.DecodeRune(data[i:])
			switch {
			case r == utf8.RuneError && size == 1, !printable(r):
				bad = append(bad, i)
			case r == '\u0085', r == '\u2028', r == '\u2029':
				s.lines = append(s.lines, i+size)
			}
			i += size
		}
	}
	var findings diag.List
	for _, off := range bad[:min(len(bad), maxCharFindings)] {
		findings = append(findings, s.badChar(off))
	}
	return s, findings
}

// printable reports whether a YAML file may hold r as it is: https://yaml.org/spec/1.2.2/#51-character-set.
func printable(r rune) bool {
	switch {
	case r == '\t', r == '\n', r == '\r', r == 0x85:
		return true
	case r < ' ', r >= 0x7f && r < 0xa0, r == 0xfeff, r == 0xfffe, r == 0xffff:
		return false
	}
	return true
}

func (s *source) badChar(off int) diag.Finding {
	r, size := utf8.DecodeRune(s.data[off:])
	switch {
	case r == 0:
		return s.finding("yaml-nul", s.position(off), "the file holds a NUL byte",
			"save it as UTF-8 text; UTF-16 and binary files are not read")
	case r == utf8.RuneError && size == 1:
		return s.finding("yaml-utf8", s.position(off), fmt.Sprintf("byte 0x%02x is not UTF-8", s.data[off]),
			"save the file in the encoding UTF-8")
	}
	return s.finding("yaml-control", s.position(off), fmt.Sprintf("control character U+%04X is not allowed", r),
		`remove it, or write it as an escape in double quotes: "\u%04x"`, r)
}

// crowded reports whether the file may hold more than MaxValues values. The parser beneath has no bound and would take
// gigabytes, so it is told from what a value can begin behind; that text may hold the same characters too is of no account
// at this number.
func (s *source) crowded() bool {
	if len(s.data) <= MaxValues {
		return false
	}
	n := 0
	for i, c := range s.data {
		switch c {
		case '[', '{', ',':
			n++
		case ':', '-', '?':
			if i+1 == len(s.data) || isBlank(s.data[i+1]) || s.data[i+1] == '\n' || s.data[i+1] == '\r' {
				n++
			}
		}
		if n > MaxValues {
			return true
		}
	}
	return false
}

func (s *source) finding(code string, at diag.Position, message, hint string, args ...any) diag.Finding {
	return diag.Finding{Code: code, Severity: diag.Error, Message: shortened(message), Hint: shortened(fmt.Sprintf(hint, args...)), Position: at}
}

// maxMessage bounds what is said of one fault, in bytes: it repeats what the file says, which may be megabytes.
const maxMessage = 400

func shortened(message string) string {
	if len(message) <= maxMessage {
		return message
	}
	return strings.ToValidUTF8(message[:maxMessage], "") + "…"
}

// offset gives the byte offset of a line and column, both counted from 1. A place behind the end is the end.
func (s *source) offset(line, col int) int {
	if line < 1 || line > len(s.lines) {
		return len(s.data)
	}
	off := s.lines[line-1]
	if s.ascii {
		return min(off+col-1, len(s.data))
	}
	at := 1
	if s.seen.line == line && s.seen.col <= col {
		at, off = s.seen.col, s.seen.off
	}
	for ; at < col && off < len(s.data); at++ {
		_, size := utf8.DecodeRune(s.data[off:])
		off += size
	}
	s.seen.line, s.seen.col, s.seen.off = line, at, off
	return off
}

// line gives the number of the line that holds off, counted from 1.
func (s *source) line(off int) int {
	i, found := slices.BinarySearch(s.lines, off)
	if found {
		return i + 1
	}
	return max(i, 1)
}

func (s *source) position(off int) diag.Position {
	line := s.line(off)
	start, col := min(s.lines[line-1], off), 1
	switch {
	case s.ascii:
		col += off - start
	case s.seen.line == line && s.seen.off <= off:
		col = s.seen.col + utf8.RuneCount(s.data[s.seen.off:off])
	default:
		col += utf8.RuneCount(s.data[start:off])
	}
	if !s.ascii {
		s.seen.line, s.seen.col, s.seen.off = line, col, off
	}
	return diag.Position{File: s.file, Line: line, Column: col}
}

func (s *source) lineStart(off int) int { return s.lines[s.line(off)-1] }

// nextLine gives the offset behind the line break of the line that holds off, or the end of the file.
func (s *source) nextLine(off int) int {
	if line := s.line(off); line < len(s.lines) {
		return s.lines[line]
	}
	return len(s.data)
}

// lineEnd gives the offset of the line break of the line that holds off, or the end of the file.
func (s *source) lineEnd(off int) int {
	end := s.nextLine(off)
	if line := s.line(off); line == len(s.lines) {
		return end
	}
	if end >= 2 && s.data[end-1] == '\n' && s.data[end-2] == '\r' {
		return end - 2
	}
	_, size := utf8.DecodeLastRune(s.data[:end])
	return end - size
}

// lineEnding gives the line ending of the file: that of its first line.
func (s *source) lineEnding() string {
	if i := bytes.IndexByte(s.data, '\n'); i > 0 && s.data[i-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// breakAt gives the size of the line break at off, 0 if there is none.
func (s *source) breakAt(off int) int {
	if off >= len(s.data) {
		return 0
	}
	switch c := s.data[off]; {
	case c == '\n':
		return 1
	case c == '\r':
		if off+1 < len(s.data) && s.data[off+1] == '\n' {
			return 2
		}
		return 1
	case c < utf8.RuneSelf:
		return 0
	}
	switch r, size := utf8.DecodeRune(s.data[off:]); r {
	case '\u0085', '\u2028', '\u2029':
		return size
	}
	return 0
}

// skipBlanks gives the first offset from off on that is no space or tab.
func (s *source) skipBlanks(off int) int {
	for off < len(s.data) && isBlank(s.data[off]) {
		off++
	}
	return off
}

// skipSpace gives the first offset from off on that is no space, tab, line break or comment.
func (s *source) skipSpace(off int) int {
	for off < len(s.data) {
		off = s.skipBlanks(off)
		switch n := s.breakAt(off); {
		case n > 0:
			off += n
		case off < len(s.data) && s.data[off] == '#' && (off == s.lineStart(off) || isBlank(s.data[off-1])):
			off = s.lineEnd(off)
		default:
			return off
		}
	}
	return off
}

// indent gives the number of spaces that the line at start begins with, and whether nothing but blanks follows.
func (s *source) indent(start int) (n int, blank bool) {
	off := start
	for off < len(s.data) && s.data[off] == ' ' {
		off++
	}
	n = off - start
	off = s.skipBlanks(off)
	return n, off == len(s.data) || s.breakAt(off) > 0
}
