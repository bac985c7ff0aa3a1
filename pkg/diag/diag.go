// Package diag describes what is wrong with a configuration: positioned findings with stable codes and hints, and errors
// that tell the reader what to do next.
//
// A [Finding] is about the user's files and comes with a position; a plain error is about an operation. [WithHint] adds the
// next step to any error, [HintOf] gets it back for display. Nothing in a finding or an error may hold a secret value.
package diag

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Severity says whether a finding stops a change.
type Severity int

// The severities, least first.
const (
	Warning Severity = iota + 1
	Error
)

// String gives "warning" or "error".
func (s Severity) String() string {
	if s == Warning {
		return "warning"
	}
	return "error"
}

// MarshalText implements [encoding.TextMarshaler].
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (s *Severity) UnmarshalText(text []byte) error {
	switch string(text) {
	case Warning.String():
		*s = Warning
	case Error.String():
		*s = Error
	default:
		return fmt.Errorf("there is no severity %q", text)
	}
	return nil
}

// Position is a place in a file of the repository. Line and Column count from 1, Column in characters; zero means that only
// the file is known.
type Position struct {
	File   string `json:"file"` // slash-separated, relative to the repository's root
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
}

// String gives "file:line:column" with as much as is known.
func (p Position) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// IsZero reports whether nothing at all is known.
func (p Position) IsZero() bool { return p == Position{} }

// Related is a second place that contributed to a finding.
type Related struct {
	Position Position `json:"position"`
	Message  string   `json:"message"`
}

// Finding is one thing wrong at one place.
type Finding struct {
	Code     string    `json:"code"` // stable, kebab-case: "plaintext-secret"
	Severity Severity  `json:"severity"`
	Message  string    `json:"message"` // lower case, no full stop, never a secret's value
	Hint     string    `json:"hint,omitempty"`
	Position Position  `json:"position"`
	Related  []Related `json:"related,omitempty"`
	Address  string    `json:"address,omitempty"` // the address where it shows, if it has one
	Key      string    `json:"key,omitempty"`     // the dotted key, if it has one
	Rule     string    `json:"rule,omitempty"`    // the rule of lcm.yaml that it breaks, if it does
	Reach    int       `json:"reach,omitempty"`   // how many addresses show it, where that was counted
}

// String gives the finding in one line, without its hint.
func (f Finding) String() string {
	var b strings.Builder
	if !f.Position.IsZero() {
		b.WriteString(f.Position.String())
		b.WriteString(": ")
	}
	b.WriteString(f.Message)
	if f.Code != "" {
		b.WriteString(" [" + f.Code + "]")
	}
	return b.String()
}

// List is any number of findings. As an error it reads as all of them, a line each.
type List []Finding

// Error implements error.
func (l List) Error() string {
	lines := make([]string, len(l))
	for i, f := range l {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}

// Err gives the list as an error if one of its findings is an error, else nil.
func (l List) Err() error {
	if l.Count(Error) == 0 {
		return nil
	}
	return l
}

// Count counts the findings of one severity.
func (l List) Count(s Severity) int {
	n := 0
	for _, f := range l {
		if f.Severity == s {
			n++
		}
	}
	return n
}

// Sorted gives the findings ordered by position, code, address and key, each once.
func (l List) Sorted() List {
	out := slices.Clone(l)
	slices.SortStableFunc(out, compare)
	return slices.CompactFunc(out, func(a, b Finding) bool {
		return compare(a, b) == 0 && a.Message == b.Message
	})
}

// Collapsed is Sorted, with findings that differ in nothing but their address made one: the first address stays, and Reach
// counts them all. So a fault in a layer that many addresses share is told once.
func (l List) Collapsed() List {
	type identity struct {
		code, key, message string
		at                 Position
	}
	at := map[identity]int{}
	var out List
	for _, f := range l.Sorted() {
		id := identity{f.Code, f.Key, f.Message, f.Position}
		i, seen := at[id]
		if !seen || f.Address == "" {
			at[id] = len(out)
			out = append(out, f)
			continue
		}
		out[i].Reach = max(out[i].Reach, 1) + 1
	}
	return out
}

func compare(a, b Finding) int {
	return cmp.Or(
		strings.Compare(a.Position.File, b.Position.File),
		cmp.Compare(a.Position.Line, b.Position.Line),
		cmp.Compare(a.Position.Column, b.Position.Column),
		strings.Compare(a.Code, b.Code),
		strings.Compare(a.Address, b.Address),
		strings.Compare(a.Key, b.Key),
		strings.Compare(a.Message, b.Message),
	)
}

type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }

// WithHint adds to err what the reader can do next. A nil err stays nil.
func WithHint(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return hinted{err, fmt.Sprintf(format, args...)}
}

// HintOf gives the outermost hint in err's chain, or "".
func HintOf(err error) string {
	if h, ok := errors.AsType[hinted](err); ok {
		return h.hint
	}
	return ""
}
