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
