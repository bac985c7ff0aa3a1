// Package leak finds what looks like a secret in a text that should hold none.
//
// A [Scanner] knows the rules of Gitleaks and a few for configuration: a keyword that says where to look, a regular
// expression, how random the secret must be at least, and what is no secret though it looks like one. What SOPS and age have
// encrypted is none. A line with the comment
//
//	lcm:allow-secret REASON
//
// or one below such a comment is excused; a comment without a reason excuses nothing and is a finding of its own.
//
// Nothing that this package gives holds any part of a secret. A [Match]'s fingerprint is made of what is around it, and of
// eight bits of its digest: enough to notice another secret at the same place, of no use to guess this one by.
package leak

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// Match is one thing found in a text.
type Match struct {
	Rule        string // the rule's name: "aws-access-token"
	Description string // a sentence: what was found
	Line        int    // from 1; 0 where the file as such is the finding
	Column      int    // from 1, in characters
	// Fingerprint tells the match from others in the same repository, and stays the same when lines around it change.
	Fingerprint string
	// Same is equal for matches of one rule and one secret, wherever they are. It is of use in this process alone: it is made
	// with a key that nobody knows.
	Same string

	start, end int
}

// RuleNoReason is the rule that an allowing comment without a reason breaks.
const RuleNoReason = "allow-without-reason"

// Scanner finds secrets in texts. It is safe for concurrent use.
type Scanner struct {
	rules    []*rule
	always   []int // the rules without keywords
	global   []allowlist
	keywords *keywords
	key      [32]byte // of Match.Same
}

// New gives a scanner with the rules that come with the program.
func New() (*Scanner, error) {
	rules, global, err := loadRules()
	if err != nil {
		return nil, err
	}
	s := &Scanner{rules: rules, global: global}
	if _, err := rand.Read(s.key[:]); err != nil {
		return nil, fmt.Errorf("read random bytes: %w", err)
	}
	words := make([][]string, len(rules))
	for i, r := range rules {
		words[i] = r.Keywords
		if len(r.Keywords) == 0 {
			s.always = append(s.always, i)
		}
	}
	s.keywords = newKeywords(words)
	return s, nil
}

// Default gives the scanner of [New], made when it is first asked for.
var Default = sync.OnceValues(New)

// Binary reports whether a content is no text, as Git tells: there is a NUL near its start.
func Binary(content []byte) bool { return bytes.IndexByte(content[:min(len(content), 8000)], 0) >= 0 }

// Skips reports whether a file's content is not looked at, because of its name: pictures, lists of checksums and the like.
func (s *Scanner) Skips(path string) bool { return skips(s.global, path) }

// Scan finds the secrets in a file's content, in the order in which they stand there.
func (s *Scanner) Scan(path string, content []byte) []Match {
	if s.Skips(path) {
		return nil
	}
	text := newText(path, content)
	text.key = s.key
	var found []Match
	for _, i := range s.always {
		found = append(found, text.whole(s.rules[i])...)
	}
	if Binary(content) {
		return found
	}
	spans := make(map[int][]span)
	s.keywords.in(text.masked, func(rule, end int) {
		around := span{0, len(content)}
		if !s.rules[rule].multiline() {
			around = text.around(end)
		}
		if list := spans[rule]; len(list) > 0 && list[len(list)-1].end >= around.start {
			list[len(list)-1].end = max(around.end, list[len(list)-1].end)
			return
		}
		spans[rule] = append(spans[rule], around)
	})
	for i, rule := range s.rules {
		if list := spans[i]; len(list) > 0 {
			found = append(found, text.find(rule, list, s.global)...)
		}
	}
	return text.excused(onePerSecret(found))
}

// generalRules match what more exact ones do too.
var generalRules = [...]string{genericRule, "secret-field"}

// onePerSecret drops the matches of general rules where an exact one matched, or a general one before it, and sorts the rest.
func onePerSecret(found []Match) []Match {
	slices.SortStableFunc(found, func(a, b Match) int { return cmp.Or(a.start-b.start, a.end-b.end) })
	rest := found
	for i := -1; i < len(generalRules); i++ {
		var of []Match // what this turn is about: the exact rules, then each general one
		rest = slices.DeleteFunc(slices.Clone(rest), func(m Match) bool {
			mine := slices.Index(generalRules[:], m.Rule) == i
			if mine {
				of = append(of, m)
			}
			return mine
		})
		rest = slices.DeleteFunc(rest, overlaps(of))
		if i < 0 {
			found = of
		} else {
			found = append(found, of...)
		}
	}
	slices.SortStableFunc(found, func(a, b Match) int { return cmp.Or(a.start-b.start, a.end-b.end) })
	return found
}

// overlaps tells which matches share a part of the text with one of some others, which are sorted.
func overlaps(sorted []Match) func(Match) bool {
	ends := make([]int, len(sorted)) // the furthest end so far
	for i, m := range sorted {
		ends[i] = m.end
		if i > 0 {
			ends[i] = max(ends[i], ends[i-1])
		}
	}
	return func(m Match) bool {
		before, _ := slices.BinarySearchFunc(sorted, m.end, func(s Match, end int) int { return s.start - end })
		return before > 0 && ends[before-1] > m.start
	}
}

// span is a part of a text, in bytes.
type span struct{ start, end int }

// candidate is what an expression matched.
type candidate struct {
	secret, match, line string
}

// text is one content as it is looked at.
type text struct {
	path    string
	content []byte
	masked  []byte // without what is encrypted
	lines   []int  // where each starts
	key     [32]byte
}

func newText(path string, content []byte) *text {
	t := &text{path: path, content: content, masked: mask(content), lines: []int{0}}
	for i, c := range content {
		if c == '\n' && i+1 < len(content) {
			t.lines = append(t.lines, i+1)
		}
	}
	return t
}

// lineAt gives the number of the line, from 0, that a byte is in.
func (t *text) lineAt(at int) int {
	i, found := slices.BinarySearch(t.lines, at)
	if !found {
		i--
	}
	return i
}

// line gives where a line starts and ends, without its line break.
func (t *text) line(i int) span {
	s := span{t.lines[i], len(t.content)}
	if i+1 < len(t.lines) {
		s.end = t.lines[i+1]
	}
	for s.end > s.start && (t.content[s.end-1] == '\n' || t.content[s.end-1] == '\r') {
		s.end--
	}
	return s
}

// reach is how many lines beside that of its keyword a match may begin or end in, where it is not of many lines.
const reach = 2

// around gives the lines where what a keyword announces can be: the expressions are far slower than looking for words.
func (t *text) around(at int) span {
	line := t.lineAt(at - 1)
	end := len(t.content)
	if next := line + reach + 1; next < len(t.lines) {
		end = t.lines[next]
	}
	return span{t.lines[max(0, line-reach)], end}
}

// whole is a rule about a file as such.
func (t *text) whole(r *rule) []Match {
	if !r.Regex.isZero() || r.Path.isZero() || !r.Path.match(t.path) || skips(r.Allowlists, t.path) {
		return nil
	}
	return []Match{{Rule: r.ID, Description: r.Description, Fingerprint: t.fingerprint(r.ID, nil, "")}}
}

// find gives the matches of a rule within some parts of the text.
func (t *text) find(r *rule, parts []span, global []allowlist) []Match {
	if r.Regex.isZero() || !r.Path.isZero() && !r.Path.match(t.path) || skips(r.Allowlists, t.path) {
		return nil
	}
	if r.ID == genericRule {
		parts = t.plausible(r, parts)
	}
	re := r.Regex.compile()
	var found []Match
	for _, part := range parts {
		for _, groups := range re.FindAllSubmatchIndex(t.masked[part.start:part.end], -1) {
			for i := range groups {
				if groups[i] >= 0 {
					groups[i] += part.start
				}
			}
			at := secretOf(r, groups)
			if m, ok := t.judge(r, global, span{groups[0], groups[1]}, at); ok {
				found = append(found, m)
			}
		}
	}
	return found
}

// secretOf gives which part of a match is the secret: the group that the rule names, or the first with anything in it.
func secretOf(r *rule, groups []int) span {
	if r.SecretGroup > 0 && len(groups) > 2*r.SecretGroup+1 && groups[2*r.SecretGroup] >= 0 {
		return span{groups[2*r.SecretGroup], groups[2*r.SecretGroup+1]}
	}
	for i := 2; i+1 < len(groups); i += 2 {
		if groups[i] >= 0 && groups[i+1] > groups[i] {
			return span{groups[i], groups[i+1]}
		}
	}
	return span{groups[0], groups[1]}
}

// judge says whether a match is a secret.
func (t *text) judge(r *rule, global []allowlist, match, secret span) (Match, bool) {
	first := t.line(t.lineAt(secret.start))
	c := candidate{
		secret: string(t.masked[secret.start:secret.end]),
		match:  strings.Trim(string(t.masked[match.start:match.end]), "\n"),
		line:   string(t.masked[first.start:max(first.end, min(secret.end, len(t.masked)))]),
	}
	if r.Entropy > 0 && entropy(c.secret) <= r.Entropy || allows(global, t.path, c) || allows(r.Allowlists, t.path, c) {
		return Match{}, false
	}
	m := Match{Rule: r.ID, Description: r.Description, start: secret.start, end: secret.end}
	line := t.lineAt(secret.start)
	m.Line = line + 1
	m.Column = utf8.RuneCount(t.content[t.lines[line]:secret.start]) + 1
	before, after := t.content[first.start:secret.start], []byte(nil)
	if secret.end < first.end {
		after = t.content[secret.end:first.end]
	}
	m.Fingerprint = t.fingerprint(r.ID, [][]byte{before, after}, c.secret)
	m.Same = t.same(r.ID, c.secret)
	return m, true
}

// same tells a secret from others, as long as the process lives.
func (t *text) same(rule, secret string) string {
	h := hmac.New(sha256.New, t.key[:])
	fmt.Fprintf(h, "%s\x00%s", rule, secret)
	return string(h.Sum(nil))
}

// fingerprint is made of the rule, the file, what stands around the secret, and eight bits of the secret's digest.
func (t *text) fingerprint(rule string, around [][]byte, secret string) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00%s\x00", rule, t.path)
	for _, a := range around {
		h.Write(bytes.TrimSpace(a))
		h.Write([]byte{0})
	}
	own := sha256.Sum256([]byte(secret))
	h.Write(own[:1])
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// entropy gives the Shannon entropy of a text in bits per byte.
func entropy(s string) float64 {
	var counts [256]int
	for _, c := range []byte(s) {
		counts[c]++
	}
	bits := 0.0
	for _, n := range counts {
		if n > 0 {
			p := float64(n) / float64(len(s))
			bits -= p * math.Log2(p)
		}
	}
	return bits
}

// FingerprintFrom gives a fingerprint, as matches have, of a secret that others found: from a place in a file to the end of its
// line. Lines and columns count from 1, columns in characters.
func FingerprintFrom(rule, path string, lines []string, line, column int) string {
	t := &text{path: path}
	if line < 1 || line > len(lines) {
		return t.fingerprint(rule, nil, "")
	}
	before := []rune(lines[line-1])
	at := min(max(column-1, 0), len(before))
	return t.fingerprint(rule, [][]byte{[]byte(string(before[:at]))}, strings.TrimSpace(string(before[at:])))
}
