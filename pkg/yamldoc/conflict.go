package yamldoc

import (
	"bytes"

	"github.com/llm-devops/lcm/pkg/diag"
)

// conflictMark is how long a mark is at least that Git puts at the start of a line where two sides of a merge conflict.
const conflictMark = 7

// conflict finds marks of a merge in a file that cannot be read. What the parser makes of them says nothing of use.
func (s *source) conflict() (diag.Finding, bool) {
	for i, start := range s.lines {
		end := len(s.data)
		if i+1 < len(s.lines) {
			end = s.lines[i+1]
		}
		if isConflictMark(bytes.TrimRight(s.data[start:end], "\r\n")) {
			return s.finding("yaml-conflict", s.position(start), "the file is in conflict: marks of a merge are in it", "%s",
				"leave what is meant, without the marks; while Git is merging, lcm resolve shows both sides of each key, and takes one"), true
		}
	}
	return diag.Finding{}, false
}

func isConflictMark(line []byte) bool {
	if len(line) < conflictMark || !bytes.ContainsRune([]byte("<=>|"), rune(line[0])) {
		return false
	}
	rest := bytes.TrimLeft(line, string(line[:1]))
	if len(line)-len(rest) < conflictMark {
		return false
	}
	return len(rest) == 0 || line[0] != '=' && rest[0] == ' '
}
