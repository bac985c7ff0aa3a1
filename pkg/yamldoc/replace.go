package yamldoc

import (
	"bytes"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/llm-devops/lcm/pkg/tree"
)

// styleOf gives the style that a scalar is written in.
func styleOf(n *yaml.Node) style {
	switch {
	case n.Kind != yaml.ScalarNode:
		return anyStyle
	case n.Style&yaml.DoubleQuotedStyle != 0:
		return doubleStyle
	case n.Style&yaml.SingleQuotedStyle != 0:
		return singleStyle
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return literalStyle
	}
	return plainStyle
}

// preferred gives the style that a new value takes over from the one that stood there.
func preferred(n *yaml.Node) style {
	if s := styleOf(n); s != literalStyle || n.Value != "" {
		return s
	}
	return anyStyle
}

func isBlock(n *yaml.Node) bool {
	return n.Kind != yaml.ScalarNode && n.Kind != yaml.AliasNode && n.Style&yaml.FlowStyle == 0 && len(n.Content) > 0
}

// replace plans to write another value where one stands.
func (p *planner) replace(pl place, n *tree.Node) {
	if !p.release(pl.node) {
		return
	}
	if pl.root {
		p.replaceRoot(pl, n)
		return
	}
	start, end, ok := p.extent(pl)
	if !ok {
		p.splices = append(p.splices, splice{start: start, end: -1})
		return
	}
	tag, tagged := p.newTag(pl, n)
	if pl.flow || isFlow(pl.node) && !n.Kind.IsScalar() && !p.opensUp(pl, n, end) {
		var b strings.Builder
		p.flowPrefer(&b, n, pl.json, true, preferred(pl.node))
		p.add(start, end, p.gap(pl, start)+tag+b.String())
		return
	}
	w := p.before(p.lineEnd(end))
	var b strings.Builder
	w.value(&b, n, pl.col, pl.inList, tagged, preferred(pl.node))
	inline, body := b.String(), ""
	if i := strings.Index(inline, p.eol); i >= 0 {
		inline, body = inline[:i], inline[i:]
	}
	if tag != "" {
		inline = " " + strings.TrimRight(tag, " ") + inline
	}
	p.replaceBlock(pl, start, end, inline, body)
}

// extent gives the text of a value without its properties.
func (p *planner) extent(pl place) (start, end int, ok bool) {
	props := p.nodeProps(pl.node)
	start = props.end
	if isEmptyPlain(pl.node) {
		if len(props.list) == 0 && !pl.flow {
			start = pl.head
		}
		return start, start, true
	}
	end, ok = p.end(pl.node)
	return start, end, ok
}

// opensUp reports whether an empty collection in brackets gives way to one in lines: it says nothing about the style
// that the file prefers. A comment behind it would end up in an odd place.
func (p *planner) opensUp(pl place, n *tree.Node, end int) bool {
	at := p.skipBlanks(end)
	return n.Len() > 0 && len(pl.node.Content) == 0 && (at == len(p.data) || p.breakAt(at) > 0)
}

// gap gives what must stand between the text before off and a value that is put there inside brackets.
func (p *planner) gap(pl place, off int) string {
	before := p.data[:off]
	if pl.key != nil && isEmptyPlain(pl.node) && p.data[max(pl.head-1, 0)] != ':' {
		return ": "
	}
	if len(before) > 0 && (isBlank(before[len(before)-1]) || strings.IndexByte("[{,\n", before[len(before)-1]) >= 0) {
		return ""
	}
	if !isEmptyPlain(pl.node) {
		return ""
	}
	return " "
}

// replaceBlock puts inline, which starts with a blank, and the lines of body where a value outside brackets stands.
func (p *planner) replaceBlock(pl place, start, end int, inline, body string) {
	head := p.nodeProps(pl.node).last(pl.head)
	sameLine := p.line(start) == p.line(head)
	switch {
	case styleOf(pl.node) == literalStyle:
		p.replaceText(head, start, p.headerEnd(start), inline)
		p.add(p.lineEnd(start), end, body)
	case isBlock(pl.node) && sameLine:
		p.add(head, end, inline+body)
	case isBlock(pl.node):
		p.add(head, head, inline)
		p.add(p.lineEnd(head), p.commentsBelow(end, pl.col+1, false), body)
	case start == end:
		p.add(head, head, inline)
		at := p.lineEnd(head)
		p.add(at, at, body)
	default:
		p.replaceText(head, start, end, inline)
		at := p.lineEnd(end)
		p.add(at, at, body)
	}
}

// replaceText puts inline in place of [start, end), keeping the blanks before it unless nothing is to stand behind them.
func (p *planner) replaceText(head, start, end int, inline string) {
	if inline == "" {
		if len(bytes.TrimSpace(p.data[head:start])) == 0 {
			start = head
		}
		p.add(start, end, "")
		return
	}
	if start > head {
		inline = inline[1:]
	}
	p.add(start, end, inline)
}

// replaceRoot plans to write another document.
func (p *planner) replaceRoot(pl place, n *tree.Node) {
	var b strings.Builder
	p.fields(&b, n.Fields(), 0)
	text := b.String()
	if pl.node == nil || len(bytes.TrimSpace(p.data)) == 0 {
		at := len(p.data)
		switch {
		case text == "":
			return
		case at == p.lines[0]:
			text += p.eol
		case p.lineStart(at) == at:
			text += p.eol
		default:
			text = p.eol + text
		}
		p.add(at, at, text)
		return
	}
	if !isBlock(pl.node) {
		start := p.nodeProps(pl.node).end
		end, _ := p.end(pl.node)
		if isEmptyPlain(pl.node) {
			start, end = len(p.data), len(p.data)
			if start > p.lines[0] && p.lineStart(start) != start {
				text = p.eol + text
			} else {
				text += p.eol
			}
		} else if isFlow(pl.node) && len(pl.node.Content) > 0 {
			b.Reset()
			p.flow(&b, n, p.within(pl).json, true)
			text = b.String()
		} else if !p.ownLine(start) {
			start, text = p.blanksBefore(start), p.eol+text // behind ---
		}
		p.add(start, end, text)
		return
	}
	es := p.mapEntries(pl)
	first, end := p.start(pl, es[0]), p.entryEnd(es[len(es)-1])
	end = p.commentsBelow(end, 1, false)
	if text != "" {
		p.add(first, end, text)
		return
	}
	p.removeLines(p.commentAbove(first, 0), end)
}

// retag plans the change of the tag on a collection that stays.
func (p *planner) retag(pl place, n *tree.Node) {
	tag, _ := p.newTag(pl, n)
	if tag == "" || pl.root {
		if tag != "" {
			p.add(p.lines[0], p.lines[0], "--- "+strings.TrimRight(tag, " ")+p.eol)
		}
		return
	}
	start := p.nodeProps(pl.node).end
	if head := p.nodeProps(pl.node).last(pl.head); isBlock(pl.node) && p.line(start) != p.line(head) {
		p.add(head, head, " "+strings.TrimRight(tag, " "))
		return
	}
	if isBlock(pl.node) {
		col := p.blockColumn(pl.node)
		tag = strings.TrimRight(tag, " ") + p.eol + spaces(col)
	}
	p.add(start, start, tag)
}

// keepsTag reports whether the tag that stands on a value serves the new one too.
func (p *planner) keepsTag(pl place, n *tree.Node) bool {
	t, ok := p.nodeProps(pl.node).tag()
	if !ok {
		return false
	}
	if want := tagOf(n); want != "" {
		return pl.node.Tag == want && pl.node.Style&yaml.TaggedStyle != 0
	}
	switch {
	case t.end == t.start+1:
		return n.Kind == tree.String
	case pl.node.Style&yaml.TaggedStyle == 0:
		return false
	}
	switch pl.node.Tag {
	case "!!str":
		return n.Kind == tree.String
	case "!!int":
		return n.Kind == tree.Int
	case "!!bool":
		return n.Kind == tree.Bool
	case "!!null":
		return n.Kind == tree.Null
	case "!!map":
		return n.Kind == tree.Map
	case "!!seq":
		return n.Kind == tree.List
	}
	return false
}

// newTag plans to change or remove the tag that stands on a value; if there is none to change it gives the tag to write
// in front of the new value, with a blank behind it. tagged says whether the value will have a tag in the end.
func (p *planner) newTag(pl place, n *tree.Node) (text string, tagged bool) {
	if p.keepsTag(pl, n) {
		return "", true
	}
	want := tagOf(n)
	t, ok := p.nodeProps(pl.node).tag()
	switch {
	case !ok && want == "":
		return "", false
	case !ok:
		return want + " ", true
	case want != "":
		p.add(t.start, t.end, want)
		return "", true
	}
	start, end := t.start, p.skipBlanks(t.end)
	if end == len(p.data) || p.breakAt(end) > 0 || end == t.end {
		start, end = p.blanksBefore(t.start), t.end
	}
	p.add(start, end, "")
	return "", false
}
