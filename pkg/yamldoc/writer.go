package yamldoc

import (
	"strings"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
)

// writer writes values as YAML text that fits into a file.
type writer struct {
	eol  string
	step int // columns that a nested map is indented
	seq  int // columns that a list is indented below its key; 0 or step in most files

	noLiteral bool // no literal blocks
	noClip    bool // the text comes last in a file that does not end in a line break
	noKeep    bool // an empty line follows, which a block that keeps its line breaks would swallow
}

// longKey is the length from which a key is written behind a question mark: parsers only look so far for the colon.
const longKey = 900

// New writes a fresh file in the house style: two spaces, no quotes where none are needed, literal blocks for text of
// several lines. The document reads back identically, directives included. It fails for trees that a file cannot hold:
// a root that is no map, text that is not UTF-8, nesting deeper than [MaxDepth].
func New(file string, root *tree.Node) (*Doc, error) {
	if root == nil || root.Kind != tree.Map {
		return nil, diag.List{{
			Code: "yaml-not-a-map", Severity: diag.Error, Message: "only a map can be written as a document",
			Position: diag.Position{File: file},
		}}
	}
	w := &writer{eol: "\n", step: 2, seq: 2}
	if err := writable(file, nil, root); err != nil {
		return nil, err
	}
	var b strings.Builder
	if root.Directive != tree.None {
		b.WriteString("--- " + root.Directive.String() + "\n")
	}
	if root.Len() == 0 {
		b.WriteString("{}")
	} else {
		w.fields(&b, root.Fields(), 0)
	}
	b.WriteString("\n")
	d, err := Parse(file, []byte(b.String()))
	if err != nil {
		return nil, err
	}
	if !tree.Identical(root, d.root) {
		return nil, diag.List{{
			Code: "yaml-not-writable", Severity: diag.Error, Message: "the values cannot be written as a YAML file",
			Position: diag.Position{File: file},
		}}
	}
	return d, nil
}

// value writes what follows a key's colon or an item's dash at column indent, from the blank or line break on. tagged
// says that a tag precedes the text already.
func (w *writer) value(b *strings.Builder, n *tree.Node, indent int, inList, tagged bool, prefer style) {
	below := indent + w.step
	if inList {
		below = indent + 2
	}
	if !tagged {
		if t := tagOf(n); t != "" {
			b.WriteString(" " + t)
			tagged = true
		}
	}
	switch {
	case n.Kind.IsScalar():
		if n.Kind != tree.Null || n.Directive != tree.Delete {
			b.WriteString(" " + w.scalar(n, surroundings{prefer: prefer, indent: indent, below: below}))
		}
		return
	case n.Len() == 0:
		b.WriteString(" ")
		w.flow(b, n, false, true)
		return
	case n.Kind == tree.List && !inList:
		below = indent + w.seq
	}
	if inList && !tagged {
		b.WriteString(" ")
	} else {
		b.WriteString(w.eol + spaces(below))
	}
	if n.Kind == tree.Map {
		w.fields(b, n.Fields(), below)
	} else {
		w.items(b, n.Items(), below)
	}
}

// tagOf gives the tag that a value is written with.
func tagOf(n *tree.Node) string {
	if n.Directive != tree.None {
		return n.Directive.String()
	}
	return coreTag(n)
}

// fields writes a map's fields at a column, the first without its indentation.
func (w *writer) fields(b *strings.Builder, fields []tree.Field, col int) {
	for i, f := range fields {
		if i > 0 {
			b.WriteString(w.eol + spaces(col))
		}
		w.field(b, f, col)
	}
}

func (w *writer) field(b *strings.Builder, f tree.Field, col int) {
	key := w.key(f.Key, surroundings{})
	if len(key) > longKey {
		key = "? " + key + w.eol + spaces(col)
	}
	b.WriteString(key + ":")
	w.value(b, f.Value, col, false, false, anyStyle)
}

// items writes a list's items at a column, the first without its indentation.
func (w *writer) items(b *strings.Builder, items []*tree.Node, col int) {
	for i, item := range items {
		if i > 0 {
			b.WriteString(w.eol + spaces(col))
		}
		b.WriteString("-")
		w.value(b, item, col, true, false, anyStyle)
	}
}

// flow writes a value in one line, collections in brackets.
func (w *writer) flow(b *strings.Builder, n *tree.Node, json, tagged bool) {
	w.flowPrefer(b, n, json, tagged, anyStyle)
}

func (w *writer) flowPrefer(b *strings.Builder, n *tree.Node, json, tagged bool, prefer style) {
	if !tagged {
		if t := tagOf(n); t != "" {
			b.WriteString(t + " ")
		}
	}
	switch n.Kind {
	case tree.Map:
		b.WriteByte('{')
		for i, f := range n.Fields() {
			if i > 0 {
				b.WriteString(", ")
			}
			w.flowField(b, f, json)
		}
		b.WriteByte('}')
	case tree.List:
		b.WriteByte('[')
		for i, item := range n.Items() {
			if i > 0 {
				b.WriteString(", ")
			}
			w.flow(b, item, json, false)
		}
		b.WriteByte(']')
	default:
		b.WriteString(w.scalar(n, surroundings{flow: true, json: json, prefer: prefer}))
	}
}

func (w *writer) flowField(b *strings.Builder, f tree.Field, json bool) {
	key := w.key(f.Key, surroundings{flow: true, json: json})
	if len(key) > longKey {
		key = "? " + key + " "
	}
	b.WriteString(key + ": ")
	w.flow(b, f.Value, json, false)
}
