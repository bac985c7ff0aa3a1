package tree

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Step is one part of a key: a map's key, a list's index, or a list item chosen by a field's value.
type Step struct {
	kind  stepKind
	key   string // the map's key, or the field of a match
	value string // of a match
	index int
}

type stepKind uint8

const (
	stepKey stepKind = iota
	stepIndex
	stepMatch
)

// Key is the step to a map's key.
func Key(key string) Step { return Step{kind: stepKey, key: key} }

// Index is the step to a list's item, counted from 0.
func Index(i int) Step { return Step{kind: stepIndex, index: i} }

// Match is the step to the list item whose field has a value.
func Match(field, value string) Step { return Step{kind: stepMatch, key: field, value: value} }

// AsKey gives the map key of a step to one.
func (s Step) AsKey() (string, bool) { return s.key, s.kind == stepKey }

// AsIndex gives the index of a step to a list item by index.
func (s Step) AsIndex() (int, bool) { return s.index, s.kind == stepIndex }

// AsMatch gives field and value of a step to a list item by match.
func (s Step) AsMatch() (field, value string, ok bool) { return s.key, s.value, s.kind == stepMatch }

// Path is a key: the steps from the root of a namespace to a value. The empty path is the root.
type Path []Step

// Keys builds a path of map keys.
func Keys(keys ...string) Path {
	p := make(Path, len(keys))
	for i, k := range keys {
		p[i] = Key(k)
	}
	return p
}

// Clone copies a path.
func (p Path) Clone() Path { return slices.Clone(p) }

// Equal reports whether two paths have the same steps.
func (p Path) Equal(q Path) bool { return slices.Equal(p, q) }

// HasPrefix reports whether p is q or below it.
func (p Path) HasPrefix(q Path) bool { return len(p) >= len(q) && slices.Equal(p[:len(q)], q) }

// MapKeys gives the map keys along the path, without list steps: the path as SOPS authenticates it.
func (p Path) MapKeys() []string {
	keys := make([]string, 0, len(p))
	for _, s := range p {
		if s.kind == stepKey {
			keys = append(keys, s.key)
		}
	}
	return keys
}

// String gives the key as it is written: providers.openai.api_key, routes[0].weight, routes[name=primary].weight,
// models."gpt-4.1".price.
func (p Path) String() string {
	var b strings.Builder
	for i, s := range p {
		switch s.kind {
		case stepIndex:
			fmt.Fprintf(&b, "[%d]", s.index)
		case stepMatch:
			b.WriteString("[" + quote(s.key) + "=" + quote(s.value) + "]")
		case stepKey:
			if i > 0 {
				b.WriteByte('.')
			}
			b.WriteString(quote(s.key))
		}
	}
	return b.String()
}

// MarshalText implements [encoding.TextMarshaler].
func (p Path) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

const special = ".[]=\"'"

func quote(s string) string {
	if s == "" || strings.ContainsAny(s, special+" \\") || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0xFFFD }) {
		return strconv.Quote(s)
	}
	return s
}

// maxPath bounds a parsed key in bytes and steps.
const (
	maxPathBytes = 4096
	maxPathSteps = 128
)

// ParsePath reads a key as String writes it. Keys with dots, brackets or = in them are quoted: models."gpt-4.1".price.
func ParsePath(s string) (Path, error) {
	if len(s) > maxPathBytes {
		return nil, fmt.Errorf("key is longer than %d bytes", maxPathBytes)
	}
	if s == "" {
		return nil, errors.New("key is empty")
	}
	var p Path
	rest := s
	for first := true; rest != ""; first = false {
		if len(p) == maxPathSteps {
			return nil, fmt.Errorf("key has more than %d parts", maxPathSteps)
		}
		var step Step
		var err error
		switch {
		case rest[0] == '[':
			step, rest, err = parseBracket(rest[1:])
		default:
			if !first {
				if rest[0] != '.' {
					return nil, fmt.Errorf("key %q: expected . or [ before %q", s, rest)
				}
				rest = rest[1:]
			}
			var key string
			key, rest, err = parseWord(rest, ".[")
			step = Key(key)
		}
		if err != nil {
			return nil, fmt.Errorf("key %q: %w", s, err)
		}
		p = append(p, step)
	}
	// Quoting makes a byte up to four, and adds two quotes to a part: what is read must be short enough when it is written, too.
	if len(s) > maxPathBytes/8 && len(p.String()) > maxPathBytes {
		return nil, fmt.Errorf("key is longer than %d bytes when it is quoted", maxPathBytes)
	}
	return p, nil
}

func parseBracket(rest string) (Step, string, error) {
	field, rest, err := parseWord(rest, "=]")
	if err != nil {
		return Step{}, "", err
	}
	if rest, ok := strings.CutPrefix(rest, "]"); ok {
		i, err := strconv.Atoi(field)
		if err != nil || i < 0 || i > 1<<20 || strconv.Itoa(i) != field {
			return Step{}, "", fmt.Errorf("[%s] is neither an index nor field=value", field)
		}
		return Index(i), rest, nil
	}
	rest, ok := strings.CutPrefix(rest, "=")
	if !ok {
		return Step{}, "", errors.New("[ without ]")
	}
	value, rest, err := parseWord(rest, "]")
	if err != nil {
		return Step{}, "", err
	}
	rest, ok = strings.CutPrefix(rest, "]")
	if !ok {
		return Step{}, "", errors.New("[ without ]")
	}
	return Match(field, value), rest, nil
}

var errNotText = errors.New("it is not UTF-8 text")

// parseWord reads a quoted word, or a bare one up to one of the stop bytes.
func parseWord(rest, stop string) (word, after string, err error) {
	if strings.HasPrefix(rest, `"`) {
		q, err := strconv.QuotedPrefix(rest)
		if err != nil {
			return "", "", errors.New("quote is not closed")
		}
		word, err := strconv.Unquote(q)
		if err == nil && !utf8.ValidString(word) {
			err = errNotText
		}
		return word, rest[len(q):], err
	}
	i := strings.IndexAny(rest, stop)
	if i < 0 {
		i = len(rest)
	}
	word, after = rest[:i], rest[i:]
	switch {
	case word == "":
		return "", "", errors.New("a part is empty")
	case !utf8.ValidString(word):
		return "", "", errNotText
	case strings.ContainsAny(word, special):
		return "", "", fmt.Errorf("%q must be quoted", word)
	}
	return word, after, nil
}

// Get gives the value at a path, or nil. A match chooses the first item whose field is a scalar with that text.
func (n *Node) Get(p Path) *Node {
	for _, s := range p {
		if n == nil {
			return nil
		}
		switch s.kind {
		case stepKey:
			n = n.Field(s.key)
		case stepIndex:
			if s.index >= len(n.items) {
				return nil
			}
			n = n.items[s.index]
		case stepMatch:
			i := n.find(s)
			if i < 0 {
				return nil
			}
			n = n.items[i]
		}
	}
	return n
}

// find gives the index of the item that a match step chooses, or -1.
func (n *Node) find(s Step) int {
	return slices.IndexFunc(n.items, func(item *Node) bool {
		f := item.Field(s.key)
		return f != nil && f.Kind.IsScalar() && !f.Secret && f.text == s.value
	})
}

// Locate gives the path with every match step replaced by the index it chooses in n; ok is false if one chooses nothing.
func (n *Node) Locate(p Path) (located Path, ok bool) {
	located = p.Clone()
	for i, s := range p {
		if s.kind == stepMatch {
			parent := n.Get(located[:i])
			if parent == nil {
				return nil, false
			}
			at := parent.find(s)
			if at < 0 {
				return nil, false
			}
			located[i] = Index(at)
		}
	}
	return located, true
}
