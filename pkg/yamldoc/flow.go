package yamldoc

import (
	"bytes"
	"strings"
)

// comma gives the offset of the comma behind off, where only blanks, line breaks and comments may stand between.
func (p *planner) comma(off int) (at int, ok bool) {
	at = p.skipSpace(off)
	return at, at < len(p.data) && p.data[at] == ','
}

// removeFlow removes the marked entries of a collection in brackets that keeps others, and the commas that go with them.
func (p *planner) removeFlow(pl place, es []entry, removed []bool) {
	kept := len(es) - 1 // the last entry that stays
	for removed[kept] {
		kept--
	}
	_, trailing := p.comma(p.entryEnd(es[len(es)-1]))
	for i := range es {
		if !removed[i] {
			continue
		}
		start, end := p.start(pl, es[i]), p.entryEnd(es[i])
		comma, hasComma := p.comma(end)
		if hasComma && p.line(comma) == p.line(end) {
			end = comma + 1
		}
		rest := bytes.TrimLeft(p.data[end:p.lineEnd(end)], " \t")
		switch {
		case p.ownLine(start) && (len(rest) == 0 || rest[0] == '#'):
			p.removeLines(start, end)
		case i+1 < len(es) && i < kept && bytes.IndexByte(p.data[end:p.start(pl, es[i+1])], '#') < 0:
			p.add(start, p.start(pl, es[i+1]), "")
			continue
		case i > kept:
			p.add(p.spaceBefore(start), end, "")
		default:
			p.add(start, end, "")
		}
	}
	if kept < len(es)-1 && !trailing {
		// What was in the middle is the last now.
		if comma, ok := p.comma(p.entryEnd(es[kept])); ok {
			p.add(comma, comma+1, "")
		}
	}
}

// spaceBefore gives the first offset of the blanks that end at off, unless they start the line.
func (p *planner) spaceBefore(off int) int {
	if at := p.blanksBefore(off); at > p.lineStart(off) {
		return at
	}
	return off
}

// insertFlow adds entries to a collection in brackets, behind the entry with index after or as the first.
func (p *planner) insertFlow(pl place, es []entry, removed []bool, after int, texts []string) {
	open := p.nodeProps(pl.node).end + 1
	if after < 0 {
		p.add(open, open, strings.Join(texts, ", ")+", ")
		return
	}
	end, start := p.entryEnd(es[after]), p.start(pl, es[after])
	comma, hasComma := p.comma(end)
	keptBehind := false
	for i := after + 1; i < len(es); i++ {
		keptBehind = keptBehind || !removed[i]
	}
	if hasComma && after < len(es)-1 && !keptBehind {
		// removeFlow takes this comma away, as it does not know that something follows again.
		_, trailing := p.comma(p.entryEnd(es[len(es)-1]))
		hasComma = trailing
	}
	if !p.ownLine(start) || p.line(start) == p.line(open) {
		if hasComma {
			p.add(comma+1, comma+1, " "+strings.Join(texts, ", ")+",")
		} else {
			p.add(end, end, p.commaAt(end)+" "+strings.Join(texts, ", "))
		}
		return
	}
	indent := string(p.data[p.lineStart(start):start])
	sep := "," + p.eol + indent
	if hasComma {
		at := p.flowLineEnd(comma + 1)
		p.add(at, at, p.eol+indent+strings.Join(texts, sep)+",")
		return
	}
	p.add(end, end, p.commaAt(end))
	at := p.flowLineEnd(end)
	p.add(at, at, p.eol+indent+strings.Join(texts, sep))
}

// commaAt gives a comma to put at off, apart from a colon that no value follows.
func (p *planner) commaAt(off int) string {
	if p.data[off-1] == ':' {
		return " ,"
	}
	return ","
}

// flowLineEnd gives the end of the line of off if only blanks and a comment follow there, else off.
func (p *planner) flowLineEnd(off int) int {
	at := p.skipBlanks(off)
	if at == len(p.data) || p.breakAt(at) > 0 || p.data[at] == '#' {
		return p.lineEnd(off)
	}
	return off
}
