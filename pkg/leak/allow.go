package leak

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"
)

// AllowMark begins, in a comment, the reason why a line may hold what looks like a secret.
const AllowMark = "lcm:allow-secret"

// excused drops the matches on lines that an allowing comment with a reason covers, and adds those comments that have none.
func (t *text) excused(found []Match) []Match {
	if !bytes.Contains(t.content, []byte(AllowMark)) {
		return found
	}
	allowed := map[int]bool{}
	var bare []Match
	for i := range t.lines {
		s := t.line(i)
		line := string(t.content[s.start:s.end])
		before, reason, ok := strings.Cut(line, AllowMark)
		if !ok || !commentStarts(before) {
			continue
		}
		if !isReason(reason) {
			bare = append(bare, Match{
				Rule: RuleNoReason, Description: "A comment allows a secret without saying why.",
				Line: i + 1, Column: utf8.RuneCountInString(before) + 1,
				Fingerprint: t.fingerprint(RuleNoReason, [][]byte{[]byte(line)}, ""), Same: t.same(RuleNoReason, line), start: s.start + len(before),
			})
			continue
		}
		allowed[i] = true
		if strings.Trim(before, "#/*;<!- \t") == "" {
			allowed[i+1] = true
		}
	}
	found = slices.DeleteFunc(found, func(m Match) bool { return allowed[m.Line-1] })
	found = append(found, bare...)
	slices.SortStableFunc(found, func(a, b Match) int { return a.start - b.start })
	return found
}

// commentStarts reports whether a comment begins at the end of a text: a mark in a value is none.
func commentStarts(before string) bool {
	before = strings.TrimRight(before, " \t")
	for _, mark := range []string{"#", "//", "/*", "<!--", ";", "--"} {
		if strings.HasSuffix(before, mark) {
			return true
		}
	}
	return false
}

// isReason reports whether there are words after an allowing mark.
func isReason(text string) bool {
	for _, end := range []string{"-->", "*/"} {
		text, _, _ = strings.Cut(text, end)
	}
	return len(strings.Trim(text, " \t\r:-.,;#*")) >= 3
}
