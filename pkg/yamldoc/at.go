package yamldoc

import "github.com/llm-devops/lcm/pkg/diag"

// ByteAt gives the byte of the source at a position, as of a node: a quote where the value is quoted, | or > where it is a
// block. It is 0 behind the end of the file.
func (d *Doc) ByteAt(pos diag.Position) byte {
	s, _ := newSource(d.file, d.src)
	if off := s.offset(pos.Line, pos.Column); off < len(d.src) {
		return d.src[off]
	}
	return 0
}

// LineOffset gives the offset in the source at which a line starts, counted from 1; behind the last line it is the length.
func (d *Doc) LineOffset(line int) int {
	s, _ := newSource(d.file, d.src)
	switch {
	case line < 1:
		return 0
	case line > len(s.lines):
		return len(d.src)
	}
	return s.lines[line-1]
}
