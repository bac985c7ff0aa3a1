package jsonschema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/llm-devops/lcm/pkg/diag"
)

// The bounds on a document.
const (
	maxBytes = 256 << 10
	maxDepth = 100
)

type kind uint8

const (
	null kind = iota
	boolean
	number
	text
	array
	object
)

// value is JSON with its places.
type value struct {
	kind    kind
	text    string // of a string, decoded; of a number and a bool, as written
	members []member
	items   []*value
	pos     diag.Position
}

type member struct {
	key   string
	pos   diag.Position
	value *value
}

// get gives a member, or nil.
func (v *value) get(key string) *value {
	if v == nil {
		return nil
	}
	for _, m := range v.members {
		if m.key == key {
			return m.value
		}
	}
	return nil
}

func (v *value) isTrue() bool { return v != nil && v.kind == boolean && v.text == "true" }

func (v *value) isFalse() bool { return v != nil && v.kind == boolean && v.text == "false" }

// same reports whether two values are the same JSON.
func (v *value) same(o *value) bool {
	if v.kind != o.kind || v.text != o.text || len(v.items) != len(o.items) || len(v.members) != len(o.members) {
		return false
	}
	for i := range v.items {
		if !v.items[i].same(o.items[i]) {
			return false
		}
	}
	for _, m := range v.members {
		if other := o.get(m.key); other == nil || !m.value.same(other) {
			return false
		}
	}
	return true
}

// decoder reads JSON and keeps the places of what it reads.
type decoder struct {
	*json.Decoder
	data  []byte
	file  string
	lines []int // offset of each line
	rules *Rules
	found diag.List
	stop  bool
}

func parse(file string, data []byte, r *Rules) (*value, diag.List) {
	d := &decoder{data: bytes.TrimPrefix(data, []byte("\uFEFF")), file: file, lines: []int{0}, rules: r}
	for i, c := range d.data {
		if c == '\n' {
			d.lines = append(d.lines, i+1)
		}
	}
	switch {
	case len(d.data) > maxBytes:
		return nil, diag.List{d.finding(r.Limit, diag.Position{File: file}, fmt.Sprintf("the schema has %d bytes, more than %d", len(d.data), maxBytes), "")}
	case !utf8.Valid(d.data):
		return nil, diag.List{d.finding(r.Syntax, diag.Position{File: file}, "the schema is not valid UTF-8", "")}
	}
	var whole json.RawMessage
	if err := json.Unmarshal(d.data, &whole); err != nil {
		at := len(d.data)
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			at = max(int(syntax.Offset)-1, 0)
		}
		return nil, diag.List{d.finding(r.Syntax, d.at(at), "not JSON: "+err.Error(), "")}
	}
	d.Decoder = json.NewDecoder(bytes.NewReader(d.data))
	d.UseNumber()
	v := d.value(0)
	return v, d.found
}

func (d *decoder) finding(code string, pos diag.Position, message, hint string) diag.Finding {
	return diag.Finding{Code: code, Severity: diag.Error, Position: pos, Message: message, Hint: hint}
}

// at gives the place of an offset.
func (d *decoder) at(offset int) diag.Position {
	line, exact := slices.BinarySearch(d.lines, offset)
	if exact {
		line++
	}
	start := d.lines[line-1]
	return diag.Position{File: d.file, Line: line, Column: utf8.RuneCount(d.data[start:min(offset, len(d.data))]) + 1}
}

// next gives the next token and where it begins. The text is known to be JSON.
func (d *decoder) next() (json.Token, diag.Position) {
	start := int(d.InputOffset())
	for start < len(d.data) && bytes.IndexByte([]byte(" \t\r\n,:"), d.data[start]) >= 0 {
		start++
	}
	token, err := d.Token()
	if err != nil {
		return nil, d.at(start)
	}
	return token, d.at(start)
}

func (d *decoder) value(depth int) *value {
	token, pos := d.next()
	v := &value{pos: pos}
	switch token := token.(type) {
	case bool:
		v.kind, v.text = boolean, fmt.Sprint(token)
	case json.Number:
		v.kind, v.text = number, token.String()
	case string:
		v.kind, v.text = text, token
	case json.Delim:
		if depth == maxDepth {
			d.found = append(d.found, d.finding(d.rules.Limit, pos, fmt.Sprintf("nested more than %d deep", maxDepth), ""))
			d.stop = true
			return v
		}
		v.kind = object
		if token == '[' {
			v.kind = array
		}
		for !d.stop && d.More() {
			if v.kind == array {
				v.items = append(v.items, d.value(depth+1))
			} else {
				d.member(v, depth)
			}
		}
		if !d.stop {
			d.next() // the bracket that closes it
		}
	}
	return v
}

func (d *decoder) member(v *value, depth int) {
	key, pos := d.next()
	name, _ := key.(string)
	for _, m := range v.members {
		if m.key == name {
			f := d.finding(d.rules.Syntax, pos, fmt.Sprintf("%q is there twice", name), "")
			f.Related = []diag.Related{{Position: m.pos, Message: "the first is here"}}
			d.found = append(d.found, f)
			break
		}
	}
	v.members = append(v.members, member{name, pos, d.value(depth + 1)})
}
