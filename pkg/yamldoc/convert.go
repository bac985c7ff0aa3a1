package yamldoc

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
)

// converter turns the parser's nodes into a tree and collects what is wrong with them.
type converter struct {
	*source
	findings diag.List
	aliases  []Alias
	path     tree.Path
	depth    int

	anchored map[*yaml.Node]*converted // finished anchored values
	open     map[*yaml.Node]bool       // anchored values being converted: an alias to one is a cycle
	repeated int                       // values repeated by aliases so far
	bomb     bool                      // that was reported
	deep     bool
}

// converted is a finished value and how much an alias to it repeats.
type converted struct {
	node   *tree.Node
	size   int // values in it, aliases expanded
	height int // collections nested in it, itself included
}

func (c *converter) report(code string, at diag.Position, message, hint string, args ...any) {
	c.findings = append(c.findings, c.finding(code, at, message, hint, args...))
}

// document converts the content of a document. Nothing and null are an empty map.
func (c *converter) document(body *yaml.Node) *tree.Node {
	empty := tree.NewMap()
	empty.Pos = diag.Position{File: c.file, Line: 1, Column: 1}
	if body == nil {
		return empty
	}
	root := c.value(body).node
	switch {
	case root == nil:
		return empty
	case root.Kind == tree.Null && root.Directive == tree.None:
		empty.Pos = root.Pos
		return empty
	case root.Kind != tree.Map:
		c.report("yaml-not-a-map", root.Pos, fmt.Sprintf("the document is a %s, not a map", root.Kind),
			"start it with a key: name: value")
		return empty
	}
	return root
}

// value converts one value.
func (c *converter) value(n *yaml.Node) converted {
	if n.Kind == yaml.AliasNode {
		return c.alias(n)
	}
	if n.Anchor == "" {
		return c.written(n)
	}
	if c.open == nil {
		c.open, c.anchored = map[*yaml.Node]bool{}, map[*yaml.Node]*converted{}
	}
	c.open[n] = true
	v := c.written(n)
	delete(c.open, n)
	c.anchored[n] = &v
	return v
}

// alias gives the value that an alias repeats, placed at the alias. What is below it keeps its own place.
func (c *converter) alias(n *yaml.Node) converted {
	at := c.position(c.offset(n.Line, n.Column))
	broken := converted{node: placed(tree.NewNull(), at), size: 1}
	c.aliases = append(c.aliases, Alias{c.path.Clone(), at})
	target := c.anchored[n.Alias]
	if target == nil {
		if c.open[n.Alias] {
			c.report("yaml-alias-cycle", at, fmt.Sprintf("alias *%s stands inside the value it repeats", n.Value),
				"write the value out, or move the anchor")
		}
		return broken
	}
	c.repeated += target.size
	switch {
	case c.repeated > MaxAliased:
		if !c.bomb {
			c.bomb = true
			c.report("yaml-alias-bomb", at, fmt.Sprintf("aliases repeat more than %d values", MaxAliased),
				"aliases of aliases multiply: write the values out where they are used")
		}
		return broken
	case c.depth+target.height > MaxDepth:
		c.tooDeep(at)
		return broken
	}
	return converted{placed(target.node.Clone(), at), target.size, target.height}
}

func placed(n *tree.Node, at diag.Position) *tree.Node {
	n.Pos = at
	return n
}

func (c *converter) tooDeep(at diag.Position) {
	if !c.deep {
		c.deep = true
		c.report("yaml-depth", at, fmt.Sprintf("maps and lists are nested more than %d deep", MaxDepth),
			"flatten the document")
	}
}

// written converts a value that stands in the file itself.
func (c *converter) written(n *yaml.Node) converted {
	off := c.offset(n.Line, n.Column)
	start := off
	var bare bool // has the tag "!", which says that a scalar is a string
	if off < len(c.data) && (n.Anchor != "" || c.data[off] == '!') {
		p := c.props(n, off)
		bare = p.bare
		if start = p.end; isEmptyPlain(n) {
			start = off
		}
	}
	at := diag.Position{File: c.file, Line: n.Line, Column: n.Column}
	if start != off || off == len(c.data) {
		at = c.position(start) // the parser places what is not there behind the end of the file
	}
	directive, tag := c.tag(n, at)
	if n.Kind == yaml.ScalarNode {
		node := c.scalar(n, tag, bare, at)
		node.Directive = directive
		return converted{node: placed(node, at), size: 1}
	}
	if c.depth == MaxDepth {
		c.tooDeep(at)
		return converted{node: placed(tree.NewNull(), at), size: 1}
	}
	c.depth++
	var v converted
	if n.Kind == yaml.MappingNode {
		v = c.mapping(n)
	} else {
		v = c.sequence(n)
	}
	c.depth--
	v.node.Directive = directive
	v.node.Pos = at
	return v
}

func isEmptyPlain(n *yaml.Node) bool {
	const shown = yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
	return n.Kind == yaml.ScalarNode && n.Value == "" && n.Style&shown == 0
}

// tag splits a value's tag into directive and core tag, reporting every other one.
func (c *converter) tag(n *yaml.Node, at diag.Position) (d tree.Directive, core string) {
	if n.Style&yaml.TaggedStyle == 0 {
		return tree.None, ""
	}
	if d, ok := tree.ParseDirective(n.Tag); ok {
		return d, ""
	}
	known := "!!str !!int !!float !!bool !!null"
	switch n.Kind {
	case yaml.MappingNode:
		known = "!!map"
	case yaml.SequenceNode:
		known = "!!seq"
	}
	if strings.Contains(" "+known+" ", " "+n.Tag+" ") {
		return tree.None, n.Tag
	}
	// What begins with ! may be a secret that was not quoted, so it is not said again.
	c.report("yaml-tag", at, "this tag is not known",
		"allowed are !override, !append, !prepend, !merge, !delete and %s; quote text that starts with !", strings.ReplaceAll(known, " ", ", "))
	return tree.None, ""
}

const quotedStyles = yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle

// scalar resolves a scalar by its core tag if it has one, else by its style and text.
func (c *converter) scalar(n *yaml.Node, tag string, bare bool, at diag.Position) *tree.Node {
	kind, text := tree.String, n.Value
	if n.Style&quotedStyles == 0 && !bare || tag != "" {
		kind, text = tree.Resolve(n.Value)
	}
	ok := true
	switch tag {
	case "!!str":
		kind, text = tree.String, n.Value
	case "!!int":
		ok = kind == tree.Int
	case "!!float":
		ok = kind == tree.Float || kind == tree.Int
		kind = tree.Float
	case "!!bool":
		ok = kind == tree.Bool
	case "!!null":
		ok = kind == tree.Null
	}
	if !ok {
		// The text may be a secret: the finding does not repeat it.
		c.report("yaml-tag", at, fmt.Sprintf("the value does not fit its tag %s", tag), "remove the tag or correct the value")
		return tree.NewNull()
	}
	return tree.Scalar(kind, text)
}

func (c *converter) sequence(n *yaml.Node) converted {
	v := converted{size: 1}
	items := make([]*tree.Node, 0, len(n.Content))
	for i, child := range n.Content {
		c.path = append(c.path, tree.Index(i))
		item := c.value(child)
		c.path = c.path[:len(c.path)-1]
		items = append(items, item.node)
		v.add(item)
	}
	v.height++
	v.node = tree.NewList(items...)
	return v
}

// add counts what is in a collection.
func (v *converted) add(in converted) {
	v.size = min(v.size+in.size, MaxAliased+1)
	v.height = max(v.height, in.height)
}

func (c *converter) mapping(n *yaml.Node) converted {
	v := converted{size: 1}
	fields := make([]tree.Field, 0, len(n.Content)/2)
	places := make(map[string]int, len(n.Content)/2) // of each key in fields
	merge := -1                                      // where in n.Content the merge key is
	mergeAt := 0                                     // where in fields its keys go
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if isMerge(key) {
			if merge >= 0 {
				c.duplicate(key, c.keyPosition(n.Content[merge]))
				continue
			}
			merge, mergeAt = i, len(fields)
			continue
		}
		name, at, ok := c.key(key)
		c.path = append(c.path, tree.Key(name))
		child := c.value(n.Content[i+1])
		c.path = c.path[:len(c.path)-1]
		if !ok {
			continue
		}
		if first, ok := places[name]; ok {
			c.duplicate(key, fields[first].Pos)
			continue
		}
		places[name] = len(fields)
		fields = append(fields, tree.Field{Key: name, Pos: at, Value: child.node})
		v.add(child)
	}
	if merge >= 0 {
		merged, all := c.merge(n.Content[merge], n.Content[merge+1], places)
		v.add(all)
		fields = append(fields[:mergeAt:mergeAt], append(merged, fields[mergeAt:]...)...)
	}
	v.height++
	v.node = tree.NewMap(fields...)
	return v
}

// keyPosition gives the place of a key, behind its properties.
func (s *source) keyPosition(key *yaml.Node) diag.Position {
	off := s.offset(key.Line, key.Column)
	if key.Anchor == "" && key.Style&yaml.TaggedStyle == 0 {
		return diag.Position{File: s.file, Line: key.Line, Column: key.Column}
	}
	return s.position(s.props(key, off).end)
}

func (c *converter) duplicate(key *yaml.Node, first diag.Position) {
	f := c.finding("yaml-duplicate-key", c.keyPosition(key), fmt.Sprintf("key %q stands twice in this map", key.Value),
		"remove one of the two")
	f.Related = []diag.Related{{Position: first, Message: "the first is here"}}
	c.findings = append(c.findings, f)
}

// key gives the text of a map's key, which must be a string.
func (c *converter) key(n *yaml.Node) (name string, at diag.Position, ok bool) {
	at = c.keyPosition(n)
	what := ""
	switch n.Kind {
	case yaml.AliasNode:
		what = "an alias"
	case yaml.MappingNode, yaml.SequenceNode:
		what = "a collection"
	default:
		if n.Anchor != "" {
			c.value(n) // for aliases to it
		}
		if len(n.Value) > MaxKey {
			c.report("yaml-key-size", at, fmt.Sprintf("the key has %d bytes, more than %d", len(n.Value), MaxKey), "keys are names: write the text as a value")
			return n.Value, at, false
		}
		_, tag := c.tag(n, at)
		kind := tree.String
		if n.Style&quotedStyles == 0 && tag == "" {
			kind, _ = tree.Resolve(n.Value)
		}
		if tag != "" && tag != "!!str" {
			kind = tree.Null
		}
		switch kind {
		case tree.String:
			return n.Value, at, true
		case tree.Null:
			what = "null"
		default:
			what = "a " + kind.String()
			if kind == tree.Int {
				what = "an integer"
			}
		}
		c.report("yaml-key-type", at, fmt.Sprintf("key %q is %s, not a string", n.Value, what), "quote it: %q", n.Value)
		return n.Value, at, false
	}
	c.report("yaml-key-type", at, fmt.Sprintf("%s cannot be a key here", what), "keys are plain or quoted strings")
	return "", at, false
}

// isMerge recognises the merge key: https://yaml.org/type/merge.html.
func isMerge(key *yaml.Node) bool {
	return key.Kind == yaml.ScalarNode && key.Value == "<<" && key.Tag == "!!merge"
}

// merge gives the fields that a merge key brings in, without those in taken, and how much is in the maps that they come
// from. Of several sources the first wins.
func (c *converter) merge(key, value *yaml.Node, taken map[string]int) ([]tree.Field, converted) {
	at := c.keyPosition(key)
	sources := []*yaml.Node{value}
	if value.Kind == yaml.SequenceNode && value.Style&yaml.TaggedStyle == 0 {
		sources = value.Content
	}
	var fields []tree.Field
	var all converted
	added := map[string]bool{}
	for _, n := range sources {
		v := c.value(n)
		all.add(converted{size: v.size, height: v.height - 1})
		m := v.node
		if m.Kind != tree.Map || m.Directive != tree.None && n.Kind != yaml.AliasNode {
			if len(c.findings) == 0 || !c.bomb && !c.deep {
				c.report("yaml-merge", m.Pos, fmt.Sprintf("<< needs a map to merge, this is a %s", m.Kind),
					"write <<: *name, where &name marks a map")
			}
			continue
		}
		if n.Kind != yaml.AliasNode {
			c.aliases = append(c.aliases, Alias{c.path.Clone(), at})
		}
		for _, f := range m.Fields() {
			if _, ok := taken[f.Key]; ok || added[f.Key] {
				continue
			}
			added[f.Key] = true
			f.Value = f.Value.Clone()
			fields = append(fields, f)
		}
	}
	return fields, all
}
