package yamldoc

import (
	"bytes"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/llm-devops/lcm/pkg/tree"
)

// entry is a key with its value, or an item with its dash.
type entry struct {
	key, node *yaml.Node
	seq       *yaml.Node // the list of an item
	index     int
}

func (p *planner) mapEntries(pl place) []entry {
	es := make([]entry, 0, len(pl.node.Content)/2)
	for i := 0; i+1 < len(pl.node.Content); i += 2 {
		es = append(es, entry{key: pl.node.Content[i], node: pl.node.Content[i+1], index: len(es)})
	}
	return es
}

func (p *planner) listEntries(pl place) []entry {
	es := make([]entry, len(pl.node.Content))
	for i, n := range pl.node.Content {
		es[i] = entry{node: n, seq: pl.node, index: i}
	}
	return es
}

func isFlow(n *yaml.Node) bool { return n != nil && n.Style&yaml.FlowStyle != 0 }

// within gives what the places of a collection's entries have in common.
func (p *planner) within(pl place) place {
	in := place{flow: pl.flow || isFlow(pl.node), json: pl.json}
	if isFlow(pl.node) && pl.node.Kind == yaml.MappingNode && len(pl.node.Content) > 0 {
		in.json = pl.node.Content[0].Style&yaml.DoubleQuotedStyle != 0
	}
	if !in.flow {
		in.col = p.blockColumn(pl.node)
	}
	return in
}

func (p *planner) fieldPlace(pl place, e entry) place {
	in := p.within(pl)
	in.node, in.key = e.node, e.key
	end, _ := p.end(e.key)
	in.head = p.skipSpace(end)
	if in.head < len(p.data) && p.data[in.head] == ':' {
		in.head++
	} else {
		in.head = end
	}
	return in
}

func (p *planner) itemPlace(pl place, e entry) place {
	in := p.within(pl)
	in.node, in.inList = e.node, true
	in.head = p.start(pl, e)
	if !in.flow {
		in.head++
	}
	return in
}

// start gives the offset where an entry starts: its key, its dash, or in brackets the item itself.
func (p *planner) start(pl place, e entry) int {
	if e.key != nil {
		off := p.nodeOffset(e.key)
		if i := p.blanksBefore(off); i > 0 && p.data[i-1] == '?' && (i < 2 || isBlank(p.data[i-2]) || p.data[i-2] == '\n') {
			return i - 1
		}
		return off
	}
	off := p.nodeOffset(e.node)
	if isFlow(pl.node) {
		return off
	}
	if e.index == 0 {
		return p.nodeProps(e.seq).end
	}
	// The dash stands in the list's column, on the item's line or above.
	col := p.blockColumn(pl.node)
	for line := p.line(off); line > 0; line-- {
		start := p.lines[line-1]
		at := start + col
		if at < off && p.data[at] == '-' && strings.Trim(string(p.data[start:at]), " -") == "" {
			return at
		}
	}
	return off
}

// blanksBefore gives the first offset of the blanks that end at off.
func (p *planner) blanksBefore(off int) int {
	for off > 0 && isBlank(p.data[off-1]) {
		off--
	}
	return off
}

// entryEnd gives the end of an entry's text.
func (p *planner) entryEnd(e entry) int {
	if e.key != nil && isEmptyPlain(e.node) && len(p.nodeProps(e.node).list) == 0 {
		end, _ := p.emptyValue(e.key, e.node)
		return end
	}
	end, ok := p.end(e.node)
	if !ok {
		return p.nodeOffset(e.node)
	}
	return end
}

// ownLine reports whether nothing but blanks stands before off in its line.
func (p *planner) ownLine(off int) bool { return p.blanksBefore(off) <= p.lineStart(off) }

// lineBreakBefore gives the offset of the line break that ends the line before the one of off; first is true if there is
// no such line.
func (p *planner) lineBreakBefore(off int) (at int, first bool) {
	line := p.line(off)
	if line == 1 {
		return p.lines[0], true
	}
	return p.lineEnd(p.lines[line-2]), false
}

// removeLines removes the lines from the one of start to the one of end, with the line break before them, or the one
// behind them if there is none before.
func (p *planner) removeLines(start, end int) {
	at, first := p.lineBreakBefore(start)
	switch {
	case first:
		p.add(at, p.nextLine(end), "")
	case p.second:
		p.add(p.lineStart(start), p.nextLine(end), "") // the line break before may belong to a block's text
	case end >= len(p.data):
		// The file has no final line break, and is not to get one from the blank lines before.
		for at > 0 && p.lineStart(at) == at && p.line(at) > 1 {
			at, _ = p.lineBreakBefore(at)
		}
		p.add(at, len(p.data), "")
	default:
		p.add(at, p.lineEnd(end), "")
	}
}

// comment tells whether the line at start holds only a comment, and its column.
func (p *planner) comment(start int) (col int, ok bool) {
	off := p.skipBlanks(start)
	return off - start, off < len(p.data) && p.data[off] == '#'
}

// Comments that speak to a tool about the whole file, and belong to no key.
var modelines = []string{"yaml-language-server:", "vim:", "-*-", "!", "code:", "cspell:", "yamllint"}

// commentAbove gives the start of the block of comment lines directly above the line of off that stand in its column.
func (p *planner) commentAbove(off, col int) int {
	start := p.lineStart(off)
	for line := p.line(off) - 1; line > 0; line-- {
		at := p.lines[line-1]
		c, ok := p.comment(at)
		if !ok || c != col {
			break
		}
		text := bytes.TrimLeft(p.data[at+c+1:p.lineEnd(at)], " ")
		if slices.ContainsFunc(modelines, func(m string) bool { return bytes.HasPrefix(text, []byte(m)) }) {
			break
		}
		start = at
	}
	return start
}

// commentsBelow gives the end of the last line of the comments that follow the line of off and are indented by at least
// col: they belong to what ends there. Blank lines end the block, unless past is set and a comment follows them.
func (p *planner) commentsBelow(off, col int, past bool) int {
	end := p.lineEnd(off)
	for at := p.nextLine(off); at < len(p.data); at = p.nextLine(at) {
		c, ok := p.comment(at)
		if ok && c >= col {
			end = p.lineEnd(at)
		} else if _, blank := p.indent(at); !blank || !past {
			break
		}
		if p.nextLine(at) == at {
			break
		}
	}
	return end
}

// removeEntries removes the marked entries of a collection that keeps others.
func (p *planner) removeEntries(pl place, es []entry, removed []bool) {
	if !slices.Contains(removed, true) {
		return
	}
	if isFlow(pl.node) {
		p.removeFlow(pl, es, removed)
		return
	}
	col := p.blockColumn(pl.node)
	i := 0
	if !p.ownLine(p.start(pl, es[0])) {
		// The first entry stands behind a dash: what follows has to move up to it.
		for i < len(es) && removed[i] {
			i++
		}
		if i > 0 && i < len(es) {
			start, next := p.start(pl, es[0]), p.start(pl, es[i])
			end := p.lineEnd(p.entryEnd(es[i-1]))
			if len(bytes.TrimSpace(p.data[end:next])) == 0 {
				p.add(start, next, "")
			} else {
				p.add(p.blanksBefore(start), end, "")
			}
		}
	}
	for ; i < len(es); i++ {
		if removed[i] {
			start := p.start(pl, es[i])
			end := p.commentsBelow(p.entryEnd(es[i]), col+1, false)
			p.removeLines(p.commentAbove(start, col), end)
		}
	}
}

// insertFields adds new fields to a map, after the last entry before the one that they must not pass.
func (p *planner) insertFields(pl place, es []entry, removed []bool, before int, added []tree.Field) {
	if len(added) == 0 {
		return
	}
	in := p.within(pl)
	texts := make([]string, len(added))
	p.insert(pl, es, removed, before, func(w *writer) []string {
		for i, f := range added {
			var b strings.Builder
			if in.flow {
				w.flowField(&b, f, in.json)
			} else {
				w.field(&b, f, in.col)
			}
			texts[i] = b.String()
		}
		return texts
	})
}

// insertItems adds new items to a list before the entry that they must not pass.
func (p *planner) insertItems(pl place, es []entry, removed []bool, before int, added []*tree.Node) {
	if len(added) == 0 {
		return
	}
	in := p.within(pl)
	p.insert(pl, es, removed, before, func(w *writer) []string {
		texts := make([]string, len(added))
		for i, item := range added {
			var b strings.Builder
			if in.flow {
				w.flow(&b, item, in.json, false)
			} else {
				b.WriteString("-")
				w.value(&b, item, in.col, true, false, anyStyle)
			}
			texts[i] = b.String()
		}
		return texts
	})
}

// insert adds entries to a collection of which some entry stays.
func (p *planner) insert(pl place, es []entry, removed []bool, before int, write func(*writer) []string) {
	after := before - 1
	for after >= 0 && removed[after] {
		after--
	}
	if isFlow(pl.node) {
		p.insertFlow(pl, es, removed, after, write(&p.writer))
		return
	}
	col := p.blockColumn(pl.node)
	if after < 0 {
		// Before the first entry, where that starts a line of its own: elsewhere the proof fails.
		first := p.start(pl, es[before])
		start := p.commentAbove(first, col)
		p.add(start, start, spaces(col)+strings.Join(write(&p.writer), p.eol+spaces(col))+p.eol)
		return
	}
	last := p.entryEnd(es[after])
	end := p.commentsBelow(last, col+1, true)
	if after == len(es)-1 && end == p.lineEnd(last) {
		// Comments in the very column belong to this collection unless an entry of the one around it follows them.
		below := p.commentsBelow(last, col, false)
		next := p.nextLine(below)
		if indent, blank := p.indent(next); blank || indent < col {
			end = below
		}
	}
	w := p.before(end)
	p.add(end, end, p.eol+spaces(col)+strings.Join(write(w), p.eol+spaces(col)))
}

// before gives a writer for text that goes to the end of a line.
func (p *planner) before(lineEnd int) *writer {
	w := p.writer
	next := p.nextLine(lineEnd)
	if lineEnd == len(p.data) {
		w.noClip, w.noKeep = true, true
	} else if next < len(p.data) {
		_, w.noKeep = p.indent(next)
	}
	return &w
}
