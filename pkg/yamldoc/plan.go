package yamldoc

import (
	"cmp"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
)

// splice replaces the bytes [start, end) of a file.
type splice struct {
	start, end int // end before start: it could not be told where the bytes end
	text       string
}

// planner compares the tree of a file with the tree that is wanted and notes what bytes have to change.
type planner struct {
	*source
	writer
	second   bool // a second attempt, which avoids what can go wrong at the cost of looks
	uses     map[*yaml.Node]int
	splices  []splice
	findings diag.List
}

// place is where a value stands in the file.
type place struct {
	node   *yaml.Node
	key    *yaml.Node // of the field whose value it is; nil for items and the root
	inList bool
	col    int  // column of its key or dash in a block collection, counted from 0
	head   int  // offset behind its key's colon or its dash
	flow   bool // inside brackets
	json   bool // inside brackets whose keys are quoted
	root   bool
}

func newPlanner(s *source, body *yaml.Node, second bool) *planner {
	p := &planner{source: s, second: second, uses: map[*yaml.Node]int{}}
	p.writer = writer{eol: s.lineEnding(), step: 2, seq: -1, noLiteral: second}
	if body != nil {
		countUses(body, p.uses)
		p.detectIndent(body)
	}
	if p.seq < 0 {
		p.seq = p.step
	}
	return p
}

// detectIndent takes the file's own indentation from its first nested map and its first list below a key.
func (p *planner) detectIndent(body *yaml.Node) {
	mapStep := 0
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		if n.Kind == yaml.AliasNode || n.Style&yaml.FlowStyle != 0 || mapStep > 0 && p.seq >= 0 {
			return
		}
		for i, child := range n.Content {
			if n.Kind == yaml.MappingNode && i%2 == 0 {
				continue
			}
			if n.Kind == yaml.MappingNode && child.Style&yaml.FlowStyle == 0 && len(child.Content) > 0 {
				delta := p.blockColumn(child) - p.blockColumn(n)
				switch {
				case child.Kind == yaml.MappingNode && mapStep == 0 && delta > 0:
					mapStep = delta
				case child.Kind == yaml.SequenceNode && p.seq < 0 && delta >= 0:
					p.seq = delta
				}
			}
			walk(child)
		}
	}
	walk(body)
	switch {
	case mapStep > 0:
		p.step = mapStep
	case p.seq > 0:
		p.step = p.seq
	}
}

// blockColumn gives the column, counted from 0, of the keys or dashes of a block collection.
func (p *planner) blockColumn(n *yaml.Node) int {
	if n.Kind == yaml.MappingNode && len(n.Content) > 0 {
		return n.Content[0].Column - 1
	}
	start := p.nodeProps(n).end
	return start - p.lineStart(start)
}

func (p *planner) add(start, end int, text string) {
	if start != end || text != "" {
		p.splices = append(p.splices, splice{start, end, text})
	}
}

// splice gives the new text of the file. ok is false if two changes got into each other's way.
func (p *planner) splice() (out []byte, ok bool) {
	slices.SortStableFunc(p.splices, func(a, b splice) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(min(a.end-a.start, 1), min(b.end-b.start, 1)))
	})
	size := len(p.data)
	for _, s := range p.splices {
		size += len(s.text)
	}
	out = make([]byte, 0, size)
	at := 0
	for _, s := range p.splices {
		if s.end < s.start {
			return nil, false
		}
		if s.start < at {
			if s.text != "" || s.end < at {
				return nil, false
			}
			s.start = at // two removals that share a part
		}
		out = append(out, p.data[at:s.start]...)
		out = append(out, s.text...)
		at = s.end
	}
	return append(out, p.data[at:]...), true
}

func (p *planner) refuse(n *yaml.Node, message, hint string, related ...diag.Related) {
	f := p.finding("edit-alias", p.position(p.nodeProps(n).end), message, "%s", hint)
	f.Related = related
	p.findings = append(p.findings, f)
}

// document plans the change of a whole document.
func (p *planner) document(body *yaml.Node, old, wanted *tree.Node) *tree.Node {
	pl := place{node: body, root: true}
	if old == wanted {
		return old
	}
	if body == nil || body.Kind != yaml.MappingNode || len(body.Content) == 0 {
		if wanted.Len() > 0 || wanted.Directive != old.Directive {
			p.replaceRoot(pl, wanted)
		}
		return wanted
	}
	return p.diff(pl, old, wanted)
}

// diff plans the change of one value and gives the value that the file will hold: what is wanted, in the order of keys
// that the file has.
func (p *planner) diff(pl place, old, wanted *tree.Node) *tree.Node {
	if old == wanted {
		return old
	}
	switch {
	case pl.node.Kind == yaml.AliasNode:
		if !tree.Identical(old, wanted) {
			p.refuse(pl.node, fmt.Sprintf("the value is the alias *%s, and stands elsewhere", pl.node.Value),
				"edit the value at its anchor, or replace the alias by hand",
				diag.Related{Position: p.position(p.nodeProps(pl.node.Alias).end), Message: "the anchor is here"})
		}
		return wanted
	case p.uses[pl.node] > 0:
		if !tree.Identical(old, wanted) {
			p.refuse(pl.node, fmt.Sprintf("the value is used in %d more places through its anchor &%s", p.uses[pl.node], pl.node.Anchor),
				"edit the file by hand, or write the value out where it is used")
		}
		return wanted
	case old.Kind == tree.Map && wanted.Kind == tree.Map && shareKeys(old, wanted):
		return p.diffMap(pl, old, wanted)
	case old.Kind == tree.List && wanted.Kind == tree.List && old.Len() > 0 && wanted.Len() > 0:
		return p.diffList(pl, old, wanted)
	case tree.Identical(old, wanted):
		return wanted
	}
	p.replace(pl, wanted)
	return wanted
}

func shareKeys(a, b *tree.Node) bool {
	return slices.ContainsFunc(b.Fields(), func(f tree.Field) bool { return a.Field(f.Key) != nil })
}

// release refuses to drop a node that aliases elsewhere need.
func (p *planner) release(n *yaml.Node) bool {
	if len(p.uses) == 0 || n == nil {
		return true
	}
	inside := map[*yaml.Node]int{}
	countUses(n, inside)
	var needed *yaml.Node
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		if p.uses[n] > inside[n] && needed == nil {
			needed = n
		}
		if n.Kind != yaml.AliasNode {
			for _, child := range n.Content {
				walk(child)
			}
		}
	}
	walk(n)
	if needed != nil {
		p.refuse(needed, fmt.Sprintf("the anchor &%s stands here and is used elsewhere", needed.Anchor),
			"edit the file by hand, or write the value out where it is used")
	}
	return needed == nil
}

// diffMap plans the change of a map that keeps some of its keys.
func (p *planner) diffMap(pl place, old, wanted *tree.Node) *tree.Node {
	es := p.mapEntries(pl)
	at := make(map[string]int, len(es))
	var merge *yaml.Node
	for i, e := range es {
		if isMerge(e.key) {
			merge = e.key
			continue
		}
		at[e.key.Value] = i
	}
	removed := make([]bool, len(es))
	fields := make([]tree.Field, 0, wanted.Len())
	sops := -1
	for _, f := range old.Fields() {
		i, own := at[f.Key]
		v := wanted.Field(f.Key)
		switch {
		case v == f.Value:
		case !own:
			if v == nil || !tree.Identical(f.Value, v) {
				p.refuse(merge, fmt.Sprintf("key %q comes from a merge key", f.Key),
					"edit it where it is written, or write it out in this map by hand", diag.Related{Position: f.Value.Pos, Message: "the value is here"})
			}
		case v == nil && merge != nil && merges(pl.node, f.Key, 0):
			p.refuse(es[i].key, fmt.Sprintf("without it, key %q would come from the merge key", f.Key),
				"mark it with !delete, or edit the merge key by hand", diag.Related{Position: p.keyPosition(merge), Message: "the merge key is here"})
		case v == nil:
			removed[i] = p.release(es[i].key) && p.release(es[i].node)
			continue
		default:
			v = p.diff(p.fieldPlace(pl, es[i]), f.Value, v)
		}
		if pl.root && f.Key == sopsKey && own {
			sops = len(fields)
		}
		fields = append(fields, tree.Field{Key: f.Key, Value: v})
	}
	var added []tree.Field
	for _, f := range wanted.Fields() {
		if old.Field(f.Key) == nil {
			added = append(added, f)
		}
	}
	p.removeEntries(pl, es, removed)
	before := len(es)
	if sops >= 0 {
		before = at[sopsKey]
		fields = slices.Insert(fields, sops, added...)
	} else {
		fields = append(fields, added...)
	}
	p.insertFields(pl, es, removed, before, added)
	p.retag(pl, wanted)
	return wanted.WithFields(fields)
}

// merges reports whether the merge key of a map brings in a key.
func merges(n *yaml.Node, key string, depth int) bool {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if depth > MaxDepth {
		return false
	}
	if n.Kind == yaml.SequenceNode {
		return slices.ContainsFunc(n.Content, func(item *yaml.Node) bool { return brings(item, key, depth+1) })
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if isMerge(n.Content[i]) && brings(n.Content[i+1], key, depth+1) {
			return true
		}
	}
	return false
}

// brings reports whether merging n brings in a key.
func brings(n *yaml.Node, key string, depth int) bool {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == key && !isMerge(n.Content[i]) {
				return true
			}
		}
	}
	return merges(n, key, depth)
}

// diffList plans the change of a list. Items are matched by identity first, then from both ends by value.
func (p *planner) diffList(pl place, old, wanted *tree.Node) *tree.Node {
	es, from, to := p.listEntries(pl), old.Items(), wanted.Items()
	place := make(map[*tree.Node]int, len(from))
	for i, item := range from {
		place[item] = i
	}
	same := func(a, b *tree.Node) bool {
		if _, stays := place[b]; stays {
			return a == b // equal items differ in their comments
		}
		return tree.Identical(a, b)
	}
	head := 0
	for head < min(len(from), len(to)) && same(from[head], to[head]) {
		head++
	}
	tail := 0
	for tail < min(len(from), len(to))-head && same(from[len(from)-1-tail], to[len(to)-1-tail]) {
		tail++
	}
	removed := make([]bool, len(es))
	items := slices.Clone(to)
	i, j := head, head
	endFrom, endTo := len(from)-tail, len(to)-tail
	for ; i < endFrom && j < endTo; i++ {
		if k, ok := place[to[j]]; ok && k > i && k < endFrom {
			removed[i] = p.release(es[i].node) // to[j] stands further down: what is before it goes
			continue
		}
		items[j] = p.diff(p.itemPlace(pl, es[i]), from[i], to[j])
		j++
	}
	for ; i < endFrom; i++ {
		removed[i] = p.release(es[i].node)
	}
	p.removeEntries(pl, es, removed)
	p.insertItems(pl, es, removed, endFrom, to[j:endTo])
	p.retag(pl, wanted)
	return wanted.WithItems(items)
}
