package diff

import (
	"strings"
	"unicode/utf8"

	"github.com/sergi/go-diff/diffmatchpatch"
)

// Hunk is a run of changed lines of a text with some unchanged ones around it. Lines count from 1.
type Hunk struct {
	OldStart int    `json:"oldStart"`
	OldLines int    `json:"oldLines"`
	NewStart int    `json:"newStart"`
	NewLines int    `json:"newLines"`
	Lines    []Line `json:"lines"`
}

// Line is one line of a hunk, without its line break.
type Line struct {
	Op    string `json:"op"` // " " for an unchanged line, "-" for one of the old text, "+" for one of the new
	Text  string `json:"text"`
	NoEOL bool   `json:"noEOL,omitempty"` // the text ends here without a line break
	// Marks are the parts of the line that differ from its counterpart, in bytes; none where the whole line does.
	Marks []Span `json:"marks,omitempty"`
}

// Span is a part of a line: bytes from Start up to End.
type Span struct {
	Start int `json:"start"`
	End   int `json:"end"`
}

const (
	contextLines = 3
	// Above these a comparison line by line, or word by word, costs more than it tells.
	maxLines      = 20_000
	maxMarkedLine = 2_000
	maxMarkBlock  = 60
)

// Text compares two texts line by line. It gives nil for equal texts, and for texts of more than 20,000 lines.
func Text(old, new string) []Hunk {
	if old == new {
		return nil
	}
	a, b := splitLines(old), splitLines(new)
	if len(a) > maxLines || len(b) > maxLines {
		return nil
	}
	lines := edits(a, b)
	mark(lines)
	return hunks(lines)
}

// splitLines cuts after every line feed; the parts joined are the text again.
func splitLines(s string) []string {
	lines := strings.SplitAfter(s, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// edits gives the shortest edit script from a to b. Every line is a rune to the comparison.
func edits(a, b []string) []Line {
	codes := map[string]rune{}
	var texts []string
	encode := func(lines []string) []rune {
		out := make([]rune, len(lines))
		for i, l := range lines {
			c, ok := codes[l]
			if !ok {
				c = rune(len(texts)) + 1
				codes[l] = c
				texts = append(texts, l)
			}
			out[i] = c
		}
		return out
	}
	dmp := diffmatchpatch.New()
	dmp.DiffTimeout = 0 // a deadline would make the result depend on the machine
	var out []Line
	for _, d := range dmp.DiffMainRunes(encode(a), encode(b), false) {
		op := map[diffmatchpatch.Operation]string{
			diffmatchpatch.DiffEqual: " ", diffmatchpatch.DiffDelete: "-", diffmatchpatch.DiffInsert: "+",
		}[d.Type]
		for _, c := range d.Text {
			text, ended := strings.CutSuffix(texts[c-1], "\n")
			out = append(out, Line{Op: op, Text: text, NoEOL: !ended})
		}
	}
	return out
}

// mark finds what differs within lines where as many were removed as added after them.
func mark(lines []Line) {
	for i := 0; i < len(lines); {
		removed := run(lines, i, "-")
		added := run(lines, i+removed, "+")
		if removed > 0 && removed == added && removed <= maxMarkBlock {
			for k := range removed {
				markPair(&lines[i+k], &lines[i+removed+k])
			}
		}
		i += max(removed+added, 1)
	}
}

func run(lines []Line, from int, op string) int {
	n := 0
	for from+n < len(lines) && lines[from+n].Op == op {
		n++
	}
	return n
}

func markPair(old, new *Line) {
	if len(old.Text) > maxMarkedLine || len(new.Text) > maxMarkedLine || !utf8.ValidString(old.Text) || !utf8.ValidString(new.Text) {
		return
	}
	dmp := diffmatchpatch.New()
	dmp.DiffTimeout = 0
	parts := dmp.DiffCleanupSemanticLossless(dmp.DiffCleanupSemantic(dmp.DiffMain(old.Text, new.Text, false)))
	var oldMarks, newMarks []Span
	oldAt, newAt, same := 0, 0, 0
	for _, d := range parts {
		n := len(d.Text)
		switch d.Type {
		case diffmatchpatch.DiffEqual:
			oldAt, newAt, same = oldAt+n, newAt+n, same+n
		case diffmatchpatch.DiffDelete:
			oldMarks = append(oldMarks, Span{oldAt, oldAt + n})
			oldAt += n
		case diffmatchpatch.DiffInsert:
			newMarks = append(newMarks, Span{newAt, newAt + n})
			newAt += n
		}
	}
	// Lines with little in common are better read as two lines.
	if same*2 >= max(len(old.Text), len(new.Text)) {
		old.Marks, new.Marks = oldMarks, newMarks
	}
}

// hunks cuts an edit script into its changed parts with context.
func hunks(lines []Line) []Hunk {
	var out []Hunk
	oldLine, newLine := 1, 1
	last := -1 // index after the last line in a hunk
	for i, l := range lines {
		if l.Op != " " && i >= last {
			from := max(i-contextLines, last, 0)
			to := hunkEnd(lines, i)
			h := Hunk{OldStart: oldLine - (i - from), NewStart: newLine - (i - from), Lines: lines[from:to:to]}
			for _, l := range h.Lines {
				if l.Op != "+" {
					h.OldLines++
				}
				if l.Op != "-" {
					h.NewLines++
				}
			}
			out = append(out, h)
			last = to
		}
		if l.Op != "+" {
			oldLine++
		}
		if l.Op != "-" {
			newLine++
		}
	}
	return out
}

// hunkEnd gives the index after the hunk that starts at the changed line i: changes with little between them share one.
func hunkEnd(lines []Line, i int) int {
	end := i
	for j := i; j < len(lines) && j-end <= 2*contextLines+1; j++ {
		if lines[j].Op != " " {
			end = j
		}
	}
	return min(end+1+contextLines, len(lines))
}
