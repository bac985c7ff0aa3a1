package template

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
)

// expression is a placeholder, parsed: a variable, or something in it, and what is done to its value.
type expression struct {
	path  []string // the variable's name first
	calls []call
	pos   diag.Position
}

func (e *expression) variable() string { return e.path[0] }

// call is a filter with its arguments.
type call struct {
	filter filter
	args   []*tree.Node
}

// hasDefault reports whether the placeholder says what holds where the variable has no value.
func (e *expression) hasDefault() bool {
	return slices.ContainsFunc(e.calls, func(c call) bool { return c.filter.name == defaultFilter })
}

// IsVariableName reports whether a variable can have a name: letters, digits, - and _, a letter or _ first.
func IsVariableName(s string) bool {
	return s != "" && len(s) <= maxName && (isLetter(rune(s[0])) || s[0] == '_') &&
		!strings.ContainsFunc(s, func(r rune) bool { return !isNamePart(r) })
}

func isNamePart(r rune) bool { return isLetter(r) || isDigit(r) || r == '_' || r == '-' }

// maxCalls bounds the filters of one placeholder.
const maxCalls = 32

// parseExpression reads what stands in a placeholder.
func parseExpression(text string) (*expression, error) {
	s := &scanner{rest: text}
	e := &expression{}
	for {
		name := s.word()
		if name == "" || len(e.path) == 0 && !IsVariableName(name) {
			return nil, s.misread(name, "a variable's name")
		}
		e.path = append(e.path, name)
		if !s.take(".") {
			break
		}
	}
	for s.skip(); s.rest != ""; s.skip() {
		if !s.take("|") {
			return nil, s.misread("", "| and a filter")
		}
		s.skip()
		name := s.word()
		f, ok := findFilter(name)
		if !ok {
			if name == "" {
				return nil, s.misread("", "a filter")
			}
			return nil, diag.WithHint(fmt.Errorf("there is no filter %q", name), "%s", diag.DidYouMean(name, filterNames(), "the filters are: "+strings.Join(filterNames(), ", ")))
		}
		if len(e.calls) == maxCalls {
			return nil, diag.WithHint(fmt.Errorf("more than %d filters follow each other", maxCalls), "set the value as it is to be in the end")
		}
		c := call{filter: f}
		s.skip()
		for first := true; first && s.take(":") || !first && s.take(","); first = false {
			arg, err := s.literal()
			if err != nil {
				return nil, err
			}
			c.args = append(c.args, arg)
			s.skip()
		}
		if len(c.args) != f.args {
			return nil, fmt.Errorf("the filter %s takes %s, as in %s", name, []string{"no argument", "one argument", "two arguments"}[f.args], f.example)
		}
		e.calls = append(e.calls, c)
	}
	return e, nil
}

// scanner reads a placeholder from left to right.
type scanner struct{ rest string }

func (s *scanner) skip() { s.rest = strings.TrimLeft(s.rest, " \t") }

func (s *scanner) take(token string) bool {
	rest, ok := strings.CutPrefix(s.rest, token)
	s.rest = rest
	return ok
}

func (s *scanner) word() string {
	s.skip()
	n := strings.IndexFunc(s.rest, func(r rune) bool { return !isNamePart(r) })
	if n < 0 {
		n = len(s.rest)
	}
	word := s.rest[:n]
	s.rest = s.rest[n:]
	return word
}

func (s *scanner) misread(read, want string) error {
	found := read + s.rest
	if found == "" {
		found = "its end"
	} else {
		found = fmt.Sprintf("%q", found)
	}
	return fmt.Errorf("a placeholder has %s where %s should be", found, want)
}

var errQuote = errors.New("a quote is opened in a placeholder and not closed")

// literal reads an argument: text in quotes, a number, true, false or null.
func (s *scanner) literal() (*tree.Node, error) {
	s.skip()
	if s.rest != "" && (s.rest[0] == '"' || s.rest[0] == '\'') {
		return s.text(s.rest[0])
	}
	n := strings.IndexAny(s.rest, " \t,|")
	if n < 0 {
		n = len(s.rest)
	}
	word := s.rest[:n]
	s.rest = s.rest[n:]
	kind, text := tree.Resolve(word)
	if word == "" || kind == tree.String {
		return nil, diag.WithHint(fmt.Errorf("an argument of a filter is text in quotes, a number, true, false or null, and this is %q", word),
			"write text in quotes: default: \"text\"")
	}
	return tree.Scalar(kind, text), nil
}

// text reads a quoted string, in which a backslash keeps a quote or a backslash, and makes n a line break and t a tab.
func (s *scanner) text(quote byte) (*tree.Node, error) {
	var b strings.Builder
	for i := 1; i < len(s.rest); i++ {
		switch c := s.rest[i]; {
		case c == quote:
			s.rest = s.rest[i+1:]
			return tree.NewString(b.String()), nil
		case c == '\\' && i+1 < len(s.rest):
			i++
			switch s.rest[i] {
			case 'n':
				b.WriteByte('\n')
			case 't':
				b.WriteByte('\t')
			default:
				b.WriteByte(s.rest[i])
			}
		default:
			b.WriteByte(c)
		}
	}
	return nil, errQuote
}
