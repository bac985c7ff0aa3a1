package yamldoc

import (
	"bytes"
	"strings"

	"go.yaml.in/yaml/v3"
)

// property is a tag or an anchor in front of a value.
type property struct {
	start, end int
	tag        bool
}

// props are the tag and the anchor of a value; end is where the value's own text starts.
type props struct {
	list []property
	end  int
	bare bool // the tag is "!"
}

// last gives the end of the last property, or otherwise if there is none.
func (p props) last(otherwise int) int {
	if len(p.list) == 0 {
		return otherwise
	}
	return p.list[len(p.list)-1].end
}

// tag gives the tag among the properties.
func (p props) tag() (property, bool) {
	for _, t := range p.list {
		if t.tag {
			return t, true
		}
	}
	return property{}, false
}

// props reads the properties of a node that starts at off, which is where the parser places a node that has some.
func (s *source) props(n *yaml.Node, off int) props {
	p := props{end: off}
	anchor, tag := n.Anchor != "", n.Style&yaml.TaggedStyle != 0
	// A block map without properties starts with its first key, and that one may have some.
	bare := !tag && (n.Kind != yaml.MappingNode || n.Style&yaml.FlowStyle != 0)
	for off < len(s.data) {
		start := off
		switch c := s.data[off]; {
		case c == '&' && anchor:
			off = s.nameEnd(off + 1)
			anchor = false
		case c == '!' && (tag || bare):
			off = s.tagEnd(off)
			p.bare = off == start+1
			tag, bare = false, false
		default:
			p.end = start
			return p
		}
		p.list = append(p.list, property{start, off, s.data[start] == '!'})
		p.end = off
		next := s.skipSpace(off)
		if isEmptyPlain(n) && !anchor && !tag {
			return p
		}
		off = next
	}
	return p
}

// tagEnd gives the end of the tag at off.
func (s *source) tagEnd(off int) int {
	verbatim := off+1 < len(s.data) && s.data[off+1] == '<'
	for off < len(s.data) && !isBlank(s.data[off]) && s.breakAt(off) == 0 {
		if verbatim && s.data[off] == '>' {
			return off + 1
		}
		off++
	}
	return off
}

// nameEnd gives the end of the name of an anchor or an alias.
func (s *source) nameEnd(off int) int {
	for off < len(s.data) && !isBlank(s.data[off]) && s.breakAt(off) == 0 && strings.IndexByte(",[]{}", s.data[off]) < 0 {
		off++
	}
	return off
}

// nodeOffset gives the offset of a node, its properties included.
func (s *source) nodeOffset(n *yaml.Node) int { return s.offset(n.Line, n.Column) }

// nodeProps gives the properties of a node.
func (s *source) nodeProps(n *yaml.Node) props {
	off := s.nodeOffset(n)
	if n.Kind == yaml.AliasNode || off >= len(s.data) || n.Anchor == "" && s.data[off] != '!' {
		return props{end: off}
	}
	return s.props(n, off)
}

// end gives the offset behind the last byte of a node's text. ok is false where it cannot be told.
func (s *source) end(n *yaml.Node) (off int, ok bool) {
	start := s.nodeProps(n).end
	switch n.Kind {
	case yaml.AliasNode:
		return s.nameEnd(start + 1), true
	case yaml.MappingNode, yaml.SequenceNode:
		if n.Style&yaml.FlowStyle != 0 {
			return s.flowEnd(n, start)
		}
		return s.lastEnd(n, start)
	}
	switch {
	case n.Style&yaml.DoubleQuotedStyle != 0:
		for off := start + 1; off < len(s.data); off++ {
			switch s.data[off] {
			case '\\':
				off++
			case '"':
				return off + 1, true
			}
		}
	case n.Style&yaml.SingleQuotedStyle != 0:
		for off := start + 1; off < len(s.data); off++ {
			if s.data[off] != '\'' {
				continue
			}
			if off+1 == len(s.data) || s.data[off+1] != '\'' {
				return off + 1, true
			}
			off++
		}
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return s.blockScalarEnd(n, start)
	default:
		return s.plainEnd(n.Value, start)
	}
	return 0, false
}

// lastEnd gives the end of the last value in a collection, start for an empty one.
func (s *source) lastEnd(n *yaml.Node, start int) (int, bool) {
	if len(n.Content) == 0 {
		return start, true
	}
	last := n.Content[len(n.Content)-1]
	if n.Kind == yaml.MappingNode && isEmptyPlain(last) && len(s.nodeProps(last).list) == 0 {
		return s.emptyValue(n.Content[len(n.Content)-2], last)
	}
	return s.end(last)
}

// emptyValue gives the place of a value that is not there: behind its key's colon, or behind the key if that has none.
func (s *source) emptyValue(key, value *yaml.Node) (int, bool) {
	off, ok := s.end(key)
	if !ok {
		return 0, false
	}
	colon := s.skipBlanks(off)
	if colon < len(s.data) && s.data[colon] == ':' {
		return colon + 1, true
	}
	if at := s.nodeOffset(value); at > 0 && at <= len(s.data) && s.data[at-1] == ':' {
		return at, true
	}
	return off, true
}

// flowEnd gives the end of a collection in brackets, or of a pair without any inside a list in brackets.
func (s *source) flowEnd(n *yaml.Node, start int) (int, bool) {
	if start >= len(s.data) {
		return 0, false
	}
	open := s.data[start]
	if open != '{' && open != '[' {
		return s.lastEnd(n, start)
	}
	off, ok := s.lastEnd(n, start+1)
	if !ok {
		return 0, false
	}
	for off = s.skipSpace(off); off < len(s.data); off = s.skipSpace(off) {
		switch s.data[off] {
		case '}', ']':
			return off + 1, true
		case ',', ':', '?':
			off++
		default:
			return 0, false
		}
	}
	return 0, false
}

// plainEnd finds the end of a plain scalar: it holds the characters of its value in order, and only blanks and line
// breaks come and go.
func (s *source) plainEnd(value string, start int) (int, bool) {
	off, end := start, start
	for i := 0; i < len(value); {
		if n := spaceAt(value, i); n > 0 {
			i += n
			continue
		}
		for off < len(s.data) {
			n := s.breakAt(off)
			if n == 0 && !isBlank(s.data[off]) {
				break
			}
			off += max(n, 1)
		}
		if off >= len(s.data) || s.data[off] != value[i] {
			return 0, false
		}
		off++
		i++
		end = off
	}
	return end, true
}

// spaceAt gives the size of the blank or line break at value[i], 0 if there is none.
func spaceAt(value string, i int) int {
	switch c := value[i]; {
	case isBlank(c), c == '\n', c == '\r':
		return 1
	case c == 0xc2 && strings.HasPrefix(value[i:], "\u0085"):
		return 2
	case c == 0xe2 && (strings.HasPrefix(value[i:], "\u2028") || strings.HasPrefix(value[i:], "\u2029")):
		return 3
	}
	return 0
}

// headerEnd gives the end of the indicators of the block scalar at start: |, >, |-, >2+ and so on.
func (s *source) headerEnd(start int) int {
	off := start
	for off < len(s.data) && strings.IndexByte("|>+-0123456789", s.data[off]) >= 0 {
		off++
	}
	return off
}

// blockScalarEnd finds the end of a literal or folded scalar, before the line break of its last line. Empty lines that
// follow belong to it only if it keeps them (+).
func (s *source) blockScalarEnd(n *yaml.Node, start int) (int, bool) {
	header := s.headerEnd(start)
	keep := bytes.IndexByte(s.data[start:header], '+') >= 0
	content, known := -1, strings.Trim(n.Value, " \t\n") != ""
	end := s.lineEnd(start)
	for at := s.nextLine(start); at < len(s.data); at = s.nextLine(at) {
		indent, blank := s.indent(at)
		switch {
		case blank && keep:
			end = s.lineEnd(at)
		case blank && content >= 0 && s.lineEnd(at)-at > content:
			end = s.lineEnd(at) // blanks are the text of this line
		case blank:
		case !known:
			return end, true
		case content < 0:
			content = indent - leadingSpaces(n.Value)
			end = s.lineEnd(at)
		case indent < content:
			return end, true
		default:
			end = s.lineEnd(at)
		}
		if s.nextLine(at) == at {
			break
		}
	}
	return end, true
}

// leadingSpaces counts the spaces before the first text of a block scalar's value.
func leadingSpaces(value string) int {
	for line := range strings.SplitSeq(value, "\n") {
		if text := strings.TrimLeft(line, " "); strings.Trim(text, "\t") != "" {
			return len(line) - len(text)
		}
	}
	return 0
}
