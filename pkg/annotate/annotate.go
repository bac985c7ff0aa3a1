// Package annotate puts remarks into a text for the person who edits it, and takes them out again: lines of their own that
// start with a mark the text itself does not hold. It also reads the mark by which that person says what is secret.
package annotate

import (
	"bytes"
	"regexp"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// SecretMark ends the line of a value that is to become secret.
const SecretMark = "#!secret"

// Remarks knows the mark of the remarks in one text.
type Remarks struct {
	mark string
	eol  string
}

// For chooses a mark that a text does not hold. comment is what starts a comment in its language: # or //.
func For(text []byte, comment string) Remarks {
	r := Remarks{mark: comment + strings.Repeat(comment[:1], 2) + " lcm:", eol: "\n"}
	for bytes.Contains(text, []byte(r.mark)) {
		r.mark = comment[:1] + r.mark
	}
	if i := bytes.IndexByte(text, '\n'); i > 0 && text[i-1] == '\r' {
		r.eol = "\r\n"
	}
	return r
}

// Add puts remarks above a text, and above lines of it, by their number from 1.
func (r Remarks) Add(text []byte, above []string, at map[int][]string) []byte {
	var b bytes.Buffer
	remark := func(indent, line string) {
		b.WriteString(strings.TrimRight(indent+r.mark+" "+line, " ") + r.eol)
	}
	for _, paragraph := range above {
		for line := range strings.SplitSeq(paragraph, "\n") {
			remark("", line)
		}
	}
	number := 0
	for line := range bytes.Lines(text) {
		number++
		indent := string(line[:len(line)-len(bytes.TrimLeft(line, " "))])
		for _, paragraph := range at[number] {
			for more := range strings.SplitSeq(paragraph, "\n") {
				remark(indent, more)
			}
		}
		b.Write(line)
	}
	return b.Bytes()
}

// Strip gives a text without its remarks, wherever they are now.
func (r Remarks) Strip(text []byte) []byte {
	var b bytes.Buffer
	for line := range bytes.Lines(text) {
		if !bytes.HasPrefix(bytes.TrimLeft(line, " \t"), []byte(r.mark)) {
			b.Write(line)
		}
	}
	return b.Bytes()
}

var secretMark = regexp.MustCompile(`[ \t]+` + SecretMark + `[ \t]*(\r?\n|$)`)

// Marked gives a text in YAML without the marks for what is to become secret, and the keys they stand at. What only looks like
// a mark, as in the text of a prompt, stays. A text that is not YAML comes back as it is.
func Marked(file string, text []byte) ([]byte, []tree.Path) {
	if !bytes.Contains(text, []byte(SecretMark)) {
		return text, nil
	}
	before, err := yamldoc.Parse(file, text)
	if err != nil {
		return text, nil
	}
	lines := slices.Collect(bytes.Lines(text))
	marked := map[int]bool{} // by line, from 1
	for i, line := range lines {
		if !secretMark.Match(line) {
			continue
		}
		lines[i] = secretMark.ReplaceAll(line, []byte("$1"))
		if after, err := yamldoc.Parse(file, bytes.Join(lines, nil)); err != nil || !tree.Identical(before.Root(), after.Root()) {
			lines[i] = line // it is part of a value
			continue
		}
		marked[i+1] = true
	}
	var keys []tree.Path
	for p, n := range before.Root().Leaves() {
		if n.Kind.IsScalar() && marked[n.Pos.Line] {
			keys = append(keys, p.Clone())
		}
	}
	return bytes.Join(lines, nil), keys
}
