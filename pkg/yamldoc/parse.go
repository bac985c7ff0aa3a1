package yamldoc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/llm-devops/lcm/pkg/diag"
)

// Parse reads a YAML file of one document whose root is a map; file is the name that positions carry. It keeps src, which
// must not be changed afterwards. The error is a [diag.List] of everything found, sorted by position.
func Parse(file string, src []byte) (*Doc, error) {
	d, _, _, err := parse(file, src)
	return d, err
}

// parse is Parse that also gives the parser's own nodes, which editing needs; the node is nil for an empty document.
func parse(file string, src []byte) (*Doc, *source, *yaml.Node, error) {
	if len(src) > MaxSize {
		return nil, nil, nil, diag.List{{
			Code: "yaml-size", Severity: diag.Error, Position: diag.Position{File: file},
			Message: fmt.Sprintf("the file is %d bytes long, more than %d", len(src), MaxSize),
			Hint:    "split it into several namespaces",
		}}
	}
	s, findings := newSource(file, src)
	if len(findings) > 0 {
		return nil, nil, nil, findings.Sorted()
	}
	if s.crowded() {
		return nil, nil, nil, diag.List{s.finding("yaml-size", diag.Position{File: file}, fmt.Sprintf("the file holds more than %d values", MaxValues),
			"split it into several namespaces")}
	}
	body, extra, err := decode(src)
	if err != nil {
		if f, ok := s.conflict(); ok {
			return nil, nil, nil, diag.List{f}
		}
		return nil, nil, nil, diag.List{s.syntaxError(err)}
	}
	c := &converter{source: s}
	root := c.document(body)
	if extra != nil {
		c.report("yaml-multi-document", s.position(s.offset(extra.Line, extra.Column)), "a second document starts here",
			"one file holds one document: move it to a file of its own, or remove the --- line")
	}
	if len(c.findings) > 0 {
		if f, ok := s.conflict(); ok {
			return nil, nil, nil, diag.List{f}
		}
		return nil, nil, nil, c.findings.Sorted()
	}
	return &Doc{file: file, src: src, root: root, aliased: c.aliases}, s, body, nil
}

// decode gives the content of the first document, nil if it is empty, and the second document if there is one.
func decode(src []byte) (body, extra *yaml.Node, err error) {
	defer func() {
		// The parser beneath panics where it finds itself in a state it did not expect. That is the input's fault here.
		if v := recover(); v != nil {
			body, extra, err = nil, nil, fmt.Errorf("the parser gave up: %v", v)
		}
	}()
	d := yaml.NewDecoder(bytes.NewReader(compatible(src)))
	var first, second yaml.Node
	switch err := d.Decode(&first); {
	case errors.Is(err, io.EOF):
		return nil, nil, nil
	case err != nil:
		return nil, nil, err
	}
	if len(first.Content) > 0 {
		body = first.Content[0]
	}
	switch err := d.Decode(&second); {
	case errors.Is(err, io.EOF):
		return body, nil, nil
	case err != nil:
		return nil, nil, err
	}
	return body, &second, nil
}

// compatible gives src as the parser beneath takes it: that one refuses to read what says it is YAML 1.2, although it can.
func compatible(src []byte) []byte {
	const version = "%YAML 1.2"
	for at := len(src) - len(bytes.TrimPrefix(src, bom)); at < len(src) && (src[at] == '%' || src[at] == '#' || src[at] == '\n' || src[at] == '\r'); {
		if bytes.HasPrefix(src[at:], []byte(version)) {
			src = bytes.Clone(src)
			src[at+len(version)-1] = '1'
			return src
		}
		n := bytes.IndexByte(src[at:], '\n')
		if n < 0 {
			break
		}
		at += n + 1
	}
	return src
}

// Bisecting an error parses the file some twenty times over, so it is only done where that takes no time.
const maxBisect = 256 << 10

var errorLine = regexp.MustCompile(`^line ([0-9]+): `)

// syntaxError places an error of the parser beneath. That one names a line only, and often the line where the surrounding
// map or list began. The fault itself is where the shortest beginning of the file ends that fails in the same way.
func (s *source) syntaxError(err error) diag.Finding {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	message := text
	at := diag.Position{File: s.file, Line: 1, Column: 1}
	if m := errorLine.FindStringSubmatch(text); m != nil {
		message = text[len(m[0]):]
		if n, err := strconv.Atoi(m[1]); err == nil {
			at = s.position(s.firstText(min(n, len(s.lines))))
		}
	}
	code, hint := "yaml-syntax", syntaxHint(message)
	name, unknownAnchor := strings.CutPrefix(message, "unknown anchor '")
	if unknownAnchor {
		code = "yaml-unknown-anchor"
		name, _, _ = strings.Cut(name, "'")
		// What begins with * may be a secret that was not quoted, so it is not said again.
		message, hint = "this alias has no anchor before it", "quote text that starts with *"
		at = s.position(max(bytes.Index(s.data, []byte("*"+name)), 0))
	}
	if len(s.data) <= maxBisect {
		if off := s.bisect(err.Error()); off > 0 {
			_, size := utf8.DecodeLastRune(s.data[:off])
			if off -= size; unknownAnchor {
				off = max(bytes.LastIndexByte(s.data[:off+size], '*'), 0)
			}
			at = s.position(off)
		}
	}
	if off, ok := s.tabIndent(at.Line); ok {
		code, hint, at = "yaml-tab", "indent with spaces", s.position(off)
		message = "a tab is used for indentation"
	} else if off := s.offset(at.Line, at.Column); off < len(s.data) && s.data[off] == '\t' {
		code, hint, message = "yaml-tab", "write spaces here", "a tab stands where only spaces may"
	}
	return s.finding(code, at, message, "%s", hint)
}

// firstText gives the offset of the first character of a line that is no blank.
func (s *source) firstText(line int) int { return s.skipBlanks(s.lines[max(line, 1)-1]) }

// bisect gives the length of the shortest beginning of the file that fails with the same text, 0 if only the whole does.
func (s *source) bisect(text string) int {
	fails := func(n int) bool {
		_, _, err := decode(s.data[:n])
		return err != nil && err.Error() == text
	}
	line := sort.Search(len(s.lines)-1, func(i int) bool { return fails(s.lines[i+1]) })
	start, end := s.lines[line], len(s.data)
	if line+1 < len(s.lines) {
		end = s.lines[line+1]
	}
	n := start + sort.Search(end-start, func(n int) bool { return fails(start + n) })
	if n >= end && end == len(s.data) {
		// The error shows at the very end: something was never closed, and where it began says more.
		return 0
	}
	for n < len(s.data) && !utf8.RuneStart(s.data[n]) {
		n++
	}
	return n
}

// tabIndent tells whether a line is indented with a tab, and where.
func (s *source) tabIndent(line int) (off int, ok bool) {
	start := s.lines[max(line, 1)-1]
	i := bytes.IndexByte(s.data[start:s.skipBlanks(start)], '\t')
	return start + i, i >= 0
}

// syntaxHints says what usually causes the parser's messages.
var syntaxHints = []struct{ message, hint string }{
	{"mapping values are not allowed", "a value that holds a colon and a space must be quoted; or the line is indented too far"},
	{"did not find expected key", "check the indentation of this line against the lines above; quote a value that starts with a quote but goes on behind it"},
	{"could not find expected ':'", "write key: value, with a space behind the colon; lines of a longer text need a block (|)"},
	{"did not find expected '-' indicator", "items of one list start in the same column"},
	{"cannot start any token", "a value that starts with @, ` or % must be quoted"},
	{"unexpected end of stream", "a quote or a bracket is opened and never closed"},
	{"did not find expected ',' or", "a bracket is not closed, or a comma is missing"},
	{"block sequence entries are not allowed", "start the list on a line of its own"},
	{"unknown anchor", "define it with & above its first use; a value that starts with * must be quoted"},
	{"unknown escape character", `inside double quotes a backslash is written \\; single quotes take it as it is`},
	{"invalid leading UTF-8", "save the file in the encoding UTF-8"},
	{"exceeded max depth", "the document is nested too deeply"},
	{"did not find expected alphabetic or numeric character", "a value that starts with * or & must be quoted"},
	{"undefined tag handle", "quote the value if it is text that starts with !"},
	{"did not find expected whitespace or line break", "quote the value if it is text that starts with !"},
	{"found a tab character", "indent with spaces"},
	{"did not find expected <document start>", "one file holds one document: remove the line with ... or %"},
}

func syntaxHint(message string) string {
	for _, h := range syntaxHints {
		if strings.Contains(message, h.message) {
			return h.hint
		}
	}
	return "check indentation and quoting of this line and the one above"
}
