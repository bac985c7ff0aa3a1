// Package tree is the value tree that everything else passes around: maps in document order, lists and scalars, each with
// the place it came from, the directive written on it, and whether it is secret.
//
// Numbers keep the exact text they were written with, however large or small: nothing in this package goes through a
// float. A secret's value is reached by [Node.Reveal] alone; every other way of printing a node shows a mask.
//
// Nodes are built once and then shared: no function here changes a node it was given, and a node that others can see must
// not be changed. They may be read concurrently.
package tree

import (
	"fmt"
	"iter"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/secret"
)

// Kind is the kind of a node.
type Kind uint8

// The kinds. Int and Float differ as in the YAML 1.2 core schema: by how the number is written.
const (
	Null Kind = iota + 1
	Bool
	Int
	Float
	String
	List
	Map
)

// String gives the kind's name as it is shown to people.
func (k Kind) String() string {
	switch k {
	case Null:
		return "null"
	case Bool:
		return "boolean"
	case Int:
		return "integer"
	case Float:
		return "number"
	case String:
		return "string"
	case List:
		return "list"
	case Map:
		return "map"
	}
	return "nothing"
}

// IsScalar reports whether the kind holds one value.
func (k Kind) IsScalar() bool { return k >= Null && k <= String }

// Directive is what a layer says about merging a value, as a YAML tag.
type Directive uint8

// The directives. None leaves the choice to the schema, and without one to the default: maps merge, the rest replaces.
const (
	None     Directive = iota
	Override           // !override: replace the whole value, and mean it
	Append             // !append: add the items after the inherited ones
	Prepend            // !prepend: add the items before the inherited ones
	Merge              // !merge: merge deeply, lists item by item
	Delete             // !delete: the inherited key is gone
)

var directives = [...]string{None: "", Override: "!override", Append: "!append", Prepend: "!prepend", Merge: "!merge", Delete: "!delete"}

// String gives the YAML tag, "" for None.
func (d Directive) String() string { return directives[d] }

// ParseDirective is the inverse of String; ok is false for a tag that is no directive.
func ParseDirective(tag string) (d Directive, ok bool) {
	i := slices.Index(directives[:], tag)
	if i < 1 {
		return None, false
	}
	return Directive(i), true
}

// Field is one entry of a map.
type Field struct {
	Key   string
	Pos   diag.Position // of the key
	Value *Node
}

// Node is one value.
type Node struct {
	Kind      Kind
	Directive Directive
	Secret    bool // the value must not be shown without Reveal
	Sealed    bool // Secret, and still ciphertext: the text is the ENC[…] form
	Pos       diag.Position
	// Layer is the file of the layer that the value is part of, where Pos is in another one that the layer imports.
	Layer string

	// Shadowed holds the values of lower layers that this one replaced, nearest first. It is set by merging.
	Shadowed []*Node

	text   string
	items  []*Node
	fields []Field
	index  map[string]int // of fields, for large maps only
}

// NewNull, NewBool and NewString build scalars; NewNumber builds an Int or a Float from the text of a number.
func NewNull() *Node { return &Node{Kind: Null, text: "null"} }

// NewBool builds a boolean.
func NewBool(v bool) *Node { return &Node{Kind: Bool, text: strconv.FormatBool(v)} }

// NewString builds a string.
func NewString(s string) *Node { return &Node{Kind: String, text: s} }

// NewInt gives an integer.
func NewInt(v int64) *Node { return &Node{Kind: Int, text: strconv.FormatInt(v, 10)} }

// NewNumber builds an integer or a float that keeps its spelling. It fails for text that is no number in YAML 1.2 core
// (octal 0o17, hexadecimal 0x1f, .inf and .nan included).
func NewNumber(text string) (*Node, error) {
	switch {
	case intText.MatchString(text):
		return &Node{Kind: Int, text: text}, nil
	case floatText.MatchString(text):
		return &Node{Kind: Float, text: text}, nil
	}
	return nil, fmt.Errorf("%q is not a number", text)
}

// NewList builds a list that owns items.
func NewList(items ...*Node) *Node { return &Node{Kind: List, items: items} }

// largeMap is the number of fields from which a map is indexed.
const largeMap = 16

// NewMap builds a map that owns fields. Keys must be unique; the first of equal keys is found.
func NewMap(fields ...Field) *Node {
	n := &Node{Kind: Map, fields: fields}
	if len(fields) >= largeMap {
		n.index = make(map[string]int, len(fields))
		for i, f := range slices.Backward(fields) {
			n.index[f.Key] = i
		}
	}
	return n
}

// Scalar builds a scalar of a known kind from its text, which must be right for the kind.
func Scalar(kind Kind, text string) *Node { return &Node{Kind: kind, text: text} }

// The YAML 1.2 core schema, https://yaml.org/spec/1.2.2/#103-core-schema.
var (
	intText   = regexp.MustCompile(`^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$`)
	floatText = regexp.MustCompile(`^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$`)
	jsonText  = regexp.MustCompile(`^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?$`)
)

// Resolve gives the kind and the canonical text of a plain scalar under the YAML 1.2 core schema: null, booleans and
// numbers are recognised, all else is a string. no, on and 2025-11-21 are strings.
func Resolve(text string) (Kind, string) {
	switch text {
	case "", "~", "null", "Null", "NULL":
		return Null, "null"
	case "true", "True", "TRUE":
		return Bool, "true"
	case "false", "False", "FALSE":
		return Bool, "false"
	}
	if c := text[0]; c == '-' || c == '+' || c == '.' || c >= '0' && c <= '9' {
		switch {
		case intText.MatchString(text):
			return Int, text
		case floatText.MatchString(text):
			return Float, text
		}
	}
	return String, text
}

// IsJSONNumber reports whether text is a number as JSON spells it, so that it can travel in a document as it stands.
func IsJSONNumber(text string) bool { return jsonText.MatchString(text) }

// Text gives a scalar's text: the exact spelling of a number, "true", "null", or the string itself. For a secret it gives
// the mask.
func (n *Node) Text() string {
	if n.Secret {
		return secret.Mask
	}
	return n.text
}

// Reveal gives a scalar's text even if it is secret. For a sealed secret this is the ciphertext.
func (n *Node) Reveal() string { return n.text }

// String implements [fmt.Stringer] for messages: scalars as they are, collections by size, secrets masked.
func (n *Node) String() string {
	switch {
	case n == nil:
		return "nothing"
	case n.Secret:
		return secret.Mask
	case n.Kind == Map:
		return fmt.Sprintf("map of %d", len(n.fields))
	case n.Kind == List:
		return fmt.Sprintf("list of %d", len(n.items))
	case n.Kind == String:
		return strconv.Quote(n.text)
	}
	return n.text
}

// GoString implements [fmt.GoStringer] like String.
func (n *Node) GoString() string { return n.String() }

// Format implements [fmt.Formatter], so that no verb reaches a secret by reflection.
func (n *Node) Format(s fmt.State, _ rune) { _, _ = fmt.Fprint(s, n.String()) }

// Number gives the exact value of an Int or a Float; ok is false for other kinds, infinities and NaN.
func (n *Node) Number() (r *big.Rat, ok bool) {
	if n.Kind != Int && n.Kind != Float {
		return nil, false
	}
	t := strings.TrimPrefix(n.text, "+")
	if strings.HasPrefix(t, "0o") || strings.HasPrefix(t, "0x") {
		i, ok := new(big.Int).SetString(t, 0)
		if !ok {
			return nil, false
		}
		return new(big.Rat).SetInt(i), true
	}
	// A rational of 1e999999999 would take all memory: bound the exponent first.
	if i := strings.IndexAny(t, "eE"); i >= 0 {
		if e, err := strconv.Atoi(t[i+1:]); err != nil || e > maxExponent || e < -maxExponent {
			return nil, false
		}
	}
	return new(big.Rat).SetString(t)
}

const maxExponent = 5000

// Len gives the number of items or fields, 0 for a scalar.
func (n *Node) Len() int { return len(n.items) + len(n.fields) }

// Items gives the items of a list. The slice must not be changed.
func (n *Node) Items() []*Node {
	if n == nil {
		return nil
	}
	return n.items
}

// Fields gives the fields of a map in document order. The slice must not be changed.
func (n *Node) Fields() []Field {
	if n == nil {
		return nil
	}
	return n.fields
}

// Field gives the value of a map's key, or nil.
func (n *Node) Field(key string) *Node {
	if n == nil {
		return nil
	}
	if n.index != nil {
		if i, ok := n.index[key]; ok {
			return n.fields[i].Value
		}
		return nil
	}
	for i := range n.fields {
		if n.fields[i].Key == key {
			return n.fields[i].Value
		}
	}
	return nil
}

// LayerFile gives the file of the layer that the value is part of.
func (n *Node) LayerFile() string {
	if n.Layer != "" {
		return n.Layer
	}
	return n.Pos.File
}

// SamePlace reports whether two nodes are the same value of the same layer.
func SamePlace(a, b *Node) bool { return a.Pos == b.Pos && a.Layer == b.Layer }

// Clone copies the node itself but not what is in it.
func (n *Node) Clone() *Node {
	c := *n
	return &c
}

// WithFields gives a copy of a map with other fields.
func (n *Node) WithFields(fields []Field) *Node {
	c := NewMap(fields...)
	c.Directive, c.Secret, c.Pos, c.Layer, c.Shadowed = n.Directive, n.Secret, n.Pos, n.Layer, n.Shadowed
	return c
}

// WithItems gives a copy of a list with other items.
func (n *Node) WithItems(items []*Node) *Node {
	c := NewList(items...)
	c.Directive, c.Secret, c.Pos, c.Layer, c.Shadowed = n.Directive, n.Secret, n.Pos, n.Layer, n.Shadowed
	return c
}

// WithText gives a copy of a scalar with another kind and text, as when a secret is opened.
func (n *Node) WithText(kind Kind, text string) *Node {
	c := n.Clone()
	c.Kind, c.text = kind, text
	return c
}

// Without gives a copy of a map without some keys.
func (n *Node) Without(keys ...string) *Node {
	if n == nil || n.Kind != Map || !slices.ContainsFunc(keys, func(k string) bool { return n.Field(k) != nil }) {
		return n
	}
	fields := make([]Field, 0, len(n.fields))
	for _, f := range n.fields {
		if !slices.Contains(keys, f.Key) {
			fields = append(fields, f)
		}
	}
	return n.WithFields(fields)
}

// Walk visits n and all below it in document order with their paths, lists by index. The path is only valid during the
// visit: clone it to keep it. Children of a node for which visit returns false are left out.
func (n *Node) Walk(visit func(Path, *Node) bool) { walk(nil, n, visit) }

func walk(p Path, n *Node, visit func(Path, *Node) bool) {
	if n == nil || !visit(p, n) {
		return
	}
	for _, f := range n.fields {
		walk(append(p, Key(f.Key)), f.Value, visit)
	}
	for i, item := range n.items {
		walk(append(p, Index(i)), item, visit)
	}
}

// Leaves visits the scalars below n, and its empty maps and lists, in document order.
func (n *Node) Leaves() iter.Seq2[Path, *Node] {
	return func(yield func(Path, *Node) bool) {
		more := true
		n.Walk(func(p Path, v *Node) bool {
			if more && v.Len() == 0 {
				more = yield(p, v)
			}
			return more
		})
	}
}

// Equal reports whether two trees hold the same values: numbers by text, maps in any order. Positions, directives and
// secrecy do not count.
func Equal(a, b *Node) bool {
	if a == nil || b == nil {
		return a == b
	}
	if a.Kind != b.Kind || a.Len() != b.Len() {
		return false
	}
	switch a.Kind {
	case Map:
		for _, f := range a.fields {
			if g := b.Field(f.Key); g == nil || !Equal(f.Value, g) {
				return false
			}
		}
	case List:
		for i := range a.items {
			if !Equal(a.items[i], b.items[i]) {
				return false
			}
		}
	default:
		return a.text == b.text
	}
	return true
}

// Identical is Equal, and the order of fields and every directive are the same too.
func Identical(a, b *Node) bool {
	if a == nil || b == nil {
		return a == b
	}
	if a.Kind != b.Kind || a.Directive != b.Directive || a.Len() != b.Len() || a.text != b.text {
		return false
	}
	for i := range a.fields {
		if a.fields[i].Key != b.fields[i].Key || !Identical(a.fields[i].Value, b.fields[i].Value) {
			return false
		}
	}
	for i := range a.items {
		if !Identical(a.items[i], b.items[i]) {
			return false
		}
	}
	return true
}
