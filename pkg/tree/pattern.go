package tree

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
)

// Pattern is a key with wildcards, which stands for any number of keys:
//
//	models.*.price          * is any key of a map
//	chains[*].models[*]     [*] is any item of a list
//	upstreams[kind=vllm]    the entries of a map, or the items of a list, whose field has the value
//	**.password             ** is any number of steps, none included; at most one in a pattern
//
// The zero value stands for the root.
type Pattern struct {
	steps []patternStep
	text  string
}

type patternStep struct {
	kind patternKind
	step Step // of a literal, and the field and value of a choice
}

type patternKind uint8

const (
	literal  patternKind = iota
	choice               // [field=value]
	anyKey               // *
	anyItem              // [*]
	anyDepth             // **
)

// ParsePattern reads a pattern. Keys with * in them are quoted, as those with dots.
func ParsePattern(s string) (Pattern, error) {
	if len(s) > maxPathBytes {
		return Pattern{}, fmt.Errorf("key is longer than %d bytes", maxPathBytes)
	}
	if s == "" {
		return Pattern{}, errors.New("key is empty")
	}
	p := Pattern{text: s}
	for rest := s; rest != ""; {
		if len(p.steps) == maxPathSteps {
			return Pattern{}, fmt.Errorf("key has more than %d parts", maxPathSteps)
		}
		step, after, err := parsePatternStep(rest, len(p.steps) == 0)
		if err != nil {
			return Pattern{}, fmt.Errorf("key %q: %w", s, err)
		}
		if step.kind == anyDepth && slices.ContainsFunc(p.steps, func(s patternStep) bool { return s.kind == anyDepth }) {
			return Pattern{}, fmt.Errorf("key %q: ** may stand once", s)
		}
		p.steps = append(p.steps, step)
		rest = after
	}
	return p, nil
}

func parsePatternStep(rest string, first bool) (patternStep, string, error) {
	if after, ok := strings.CutPrefix(rest, "[*]"); ok {
		return patternStep{kind: anyItem}, after, nil
	}
	if rest[0] == '[' {
		step, after, err := parseBracket(rest[1:])
		if _, _, match := step.AsMatch(); match {
			return patternStep{choice, step}, after, err
		}
		return patternStep{literal, step}, after, err
	}
	if !first {
		if rest[0] != '.' {
			return patternStep{}, "", fmt.Errorf("expected . or [ before %q", rest)
		}
		rest = rest[1:]
	}
	word, after, err := parseWord(rest, ".[")
	switch {
	case err != nil:
		return patternStep{}, "", err
	case strings.HasPrefix(rest, `"`):
	case word == "*":
		return patternStep{kind: anyKey}, after, nil
	case word == "**":
		return patternStep{kind: anyDepth}, after, nil
	case strings.Contains(word, "*"):
		return patternStep{}, "", fmt.Errorf("%q: * stands for a whole key; a key that holds one is quoted", word)
	}
	return patternStep{literal, Key(word)}, after, nil
}

// String gives the pattern as it was written.
func (p Pattern) String() string { return p.text }

// MarshalText implements [encoding.TextMarshaler].
func (p Pattern) MarshalText() ([]byte, error) { return []byte(p.text), nil }

// Matches visits the values below n that the pattern stands for, in document order, with their paths. A path is only valid
// during the visit: clone it to keep it.
func (p Pattern) Matches(n *Node) iter.Seq2[Path, *Node] {
	return func(yield func(Path, *Node) bool) { matches(p.steps, make(Path, 0, len(p.steps)+4), n, yield) }
}

func matches(steps []patternStep, at Path, n *Node, yield func(Path, *Node) bool) bool {
	if n == nil {
		return true
	}
	if len(steps) == 0 {
		return yield(at, n)
	}
	s, rest := steps[0], steps[1:]
	switch s.kind {
	case literal:
		if key, ok := s.step.AsKey(); ok {
			return matches(rest, append(at, s.step), n.Field(key), yield)
		}
		if i, ok := s.step.AsIndex(); ok && i < len(n.items) {
			return matches(rest, append(at, s.step), n.items[i], yield)
		}
		return true
	case anyDepth:
		return matches(rest, at, n, yield) && below(at, n, func(at Path, v *Node) bool { return matches(steps, at, v, yield) })
	}
	field, value, _ := s.step.AsMatch()
	return below(at, n, func(at Path, v *Node) bool {
		_, key := at[len(at)-1].AsKey()
		switch s.kind {
		case anyKey:
			if !key {
				return true
			}
		case anyItem:
			if key {
				return true
			}
		case choice:
			if f := v.Field(field); f == nil || !f.Kind.IsScalar() || f.Secret || f.text != value {
				return true
			}
		}
		return matches(rest, at, v, yield)
	})
}

// below visits what is directly in n.
func below(at Path, n *Node, visit func(Path, *Node) bool) bool {
	for _, f := range n.fields {
		if !visit(append(at, Key(f.Key)), f.Value) {
			return false
		}
	}
	for i, item := range n.items {
		if !visit(append(at, Index(i)), item) {
			return false
		}
	}
	return true
}

// Split parts a pattern behind its last wildcard: many stands for any number of values, and one for one key below each.
func (p Pattern) Split() (many Pattern, one Path) {
	i := len(p.steps)
	for i > 0 && p.steps[i-1].kind == literal {
		i--
	}
	for _, s := range p.steps[i:] {
		one = append(one, s.step)
	}
	return Pattern{steps: p.steps[:i]}, one
}
