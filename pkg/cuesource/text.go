// Package cuesource reads CUE text under bounds: what passes its checks can be handed to CUE, which has none of its own.
//
// [Text.CheckBytes] looks at the text before a parser recurses into it, [Text.CheckSyntax] at what was parsed, and
// [Text.CheckWeight] at how large values become. [Guard] gives up what computes for too long all the same. Findings have
// places in characters; how they are named is up to the [Rules] of the kind of source.
package cuesource

import (
	"slices"
	"unicode/utf8"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/literal"
	"cuelang.org/go/cue/token"

	"github.com/llm-devops/lcm/pkg/diag"
)

// Rules are what differs between kinds of sources.
type Rules struct {
	What                  string // what a source is called in messages: schema, layer
	Syntax, Import, Limit string // the codes of findings
	// Imports says whether a path that is no package of CUE's can be imported, and ImportHint what can be, besides those.
	Imports    func(path string) bool
	ImportHint string
}

// Text is a source with what it takes to give places in it.
type Text struct {
	File string // in positions
	Data []byte
	// Places gives the place that a byte comes from, where the text was made of another, which File names. It may be nil.
	Places func(offset int) diag.Position
	rules  *Rules
	lines  []int // offset of each line
}

// New gives a text, which must not be changed afterwards.
func New(file string, data []byte, r *Rules) *Text {
	t := &Text{File: file, Data: data, rules: r, lines: []int{0}}
	for i, c := range data {
		if c == '\n' {
			t.lines = append(t.lines, i+1)
		}
	}
	return t
}

// Position turns CUE's position, whose columns are bytes, into ours, whose columns are characters.
func (t *Text) Position(p token.Pos) diag.Position {
	at := diag.Position{File: t.File}
	if !p.IsValid() {
		return at
	}
	if t.Places != nil {
		return t.Places(p.Offset())
	}
	at.Line, at.Column = p.Line(), p.Column()
	if at.Line >= 1 && at.Line <= len(t.lines) {
		start := t.lines[at.Line-1]
		if end := start + at.Column - 1; end <= len(t.Data) && end >= start {
			at.Column = utf8.RuneCount(t.Data[start:end]) + 1
		}
	}
	return at
}

// At gives the place of a byte.
func (t *Text) At(offset int) diag.Position {
	if t.Places != nil {
		return t.Places(offset)
	}
	offset = min(offset, len(t.Data))
	line, exact := slices.BinarySearch(t.lines, offset)
	if exact {
		line++
	}
	return diag.Position{File: t.File, Line: line, Column: utf8.RuneCount(t.Data[t.lines[line-1]:offset]) + 1}
}

// Finding gives an error at a place of the text.
func (t *Text) Finding(code string, pos token.Pos, message, hint string) diag.Finding {
	return diag.Finding{Code: code, Severity: diag.Error, Position: t.Position(pos), Message: message, Hint: hint}
}

// findingAt gives an error at an offset of the text.
func (t *Text) findingAt(code string, offset int, message, hint string) diag.Finding {
	f := t.Finding(code, token.NoPos, message, hint)
	line, exact := slices.BinarySearch(t.lines, offset)
	if !exact {
		line--
	}
	f.Position.Line, f.Position.Column = line+1, utf8.RuneCount(t.Data[t.lines[line]:offset])+1
	return f
}

// LabelName gives a field's name; ok is false for patterns and computed names.
func LabelName(l ast.Label) (name string, ok bool) {
	if a, isAlias := l.(*ast.Alias); isAlias {
		inner, isLabel := a.Expr.(ast.Label)
		if !isLabel {
			return "", false
		}
		l = inner
	}
	if lit, isLit := l.(*ast.BasicLit); isLit && lit.Kind == token.STRING {
		s, err := literal.Unquote(lit.Value)
		return s, err == nil
	}
	name, _, err := ast.LabelName(l)
	return name, err == nil
}
