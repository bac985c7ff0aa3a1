package merge

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// Side is one of the versions at a conflict.
type Side string

// The sides, as Git calls them. In a rebase ours is what is rebased onto, and theirs the commit that is applied.
const (
	Ours   Side = "ours"
	Theirs Side = "theirs"
	Base   Side = "base"
)

// Region is a conflict in the text of a file.
type Region struct {
	Keys               string // the keys in conflict, as they are marked: "a.b" or "a.b, a.c"; "" for one that Git marked
	Line               int    // of the opening mark
	Ours, Base, Theirs []string
	from, to           int // its lines, with the marks
}

// Text gives the lines of a side.
func (r *Region) Text(s Side) []string {
	switch s {
	case Theirs:
		return r.Theirs
	case Base:
		return r.Base
	}
	return r.Ours
}

// MarkerSize is how long Git makes its marks, unless an attribute says otherwise.
const MarkerSize = 7

// marks are the lines around the parts of a region.
func (r *Region) marked(size int) []string {
	mark := func(c, text string) string { return strings.TrimRight(strings.Repeat(c, size)+" "+text, " ") + "\n" }
	return slices.Concat(
		[]string{mark("<", "ours: "+r.Keys)}, r.Ours,
		[]string{mark("|", "base")}, r.Base,
		[]string{mark("=", "")}, r.Theirs,
		[]string{mark(">", "theirs: "+r.Keys)})
}

// variant is a document in which some conflicts have another side's values.
type variants struct {
	ours         *yamldoc.Doc
	theirs, base *tree.Node // the merged values with these preferred
}

// group is conflicts whose lines cannot be told apart.
type group struct {
	paths  []tree.Path
	region Region
}

// regions gives the lines of each conflict, those together that share lines.
func (v variants) regions(conflicts []tree.Path) ([]Region, error) {
	groups := make([]group, len(conflicts))
	for i, p := range conflicts {
		groups[i].paths = []tree.Path{p}
	}
	for {
		for i := range groups {
			if err := v.locate(&groups[i]); err != nil {
				return nil, err
			}
		}
		slices.SortFunc(groups, func(a, b group) int {
			if a.region.from != b.region.from {
				return a.region.from - b.region.from
			}
			return a.region.to - b.region.to
		})
		joined := groups[:0:0]
		for _, g := range groups {
			last := len(joined) - 1
			if last >= 0 && (g.region.from < joined[last].region.to || g.region.from == joined[last].region.from) {
				joined[last].paths = append(joined[last].paths, g.paths...)
				joined[last].region.to = max(joined[last].region.to, g.region.to)
				continue
			}
			joined = append(joined, g)
		}
		if len(joined) == len(groups) {
			break
		}
		groups = joined
	}
	out := make([]Region, len(groups))
	for i, g := range groups {
		out[i] = g.region
	}
	return out, nil
}

// locate finds the lines that differ between the versions of a group.
func (v variants) locate(g *group) error {
	ours := lines(v.ours.Source())
	theirs, err := v.with(g.paths, v.theirs)
	if err != nil {
		return err
	}
	base, err := v.with(g.paths, v.base)
	if err != nil {
		return err
	}
	from, after := len(ours), len(ours)
	for _, other := range [][]string{theirs, base} {
		n := min(len(ours), len(other))
		head := 0
		for head < n && ours[head] == other[head] {
			head++
		}
		from = min(from, head)
	}
	for _, other := range [][]string{theirs, base} {
		n := min(len(ours), len(other)) - from
		tail := 0
		for tail < n && ours[len(ours)-1-tail] == other[len(other)-1-tail] {
			tail++
		}
		after = min(after, tail)
	}
	part := func(all []string) []string { return all[from : len(all)-after] }
	names := make([]string, len(g.paths))
	for i, p := range g.paths {
		names[i] = p.String()
	}
	g.region = Region{Keys: strings.Join(names, ", "), Ours: part(ours), Base: part(base), Theirs: part(theirs), from: from, to: len(ours) - after}
	return nil
}

// with gives the text with other values at some keys.
func (v variants) with(paths []tree.Path, from *tree.Node) ([]string, error) {
	want := v.ours.Root()
	for _, p := range paths {
		want = withValue(want, p, from.Get(p))
	}
	doc, err := become(v.ours, want)
	if err != nil {
		return nil, err
	}
	return endedLines(doc.Source()), nil
}

// withValue gives a copy of a map with another value at a path, nil for none. What is above it is there.
func withValue(n *tree.Node, p tree.Path, value *tree.Node) *tree.Node {
	if len(p) == 0 {
		return value
	}
	if key, ok := p[0].AsKey(); ok && n.Kind == tree.Map {
		fields := slices.Clone(n.Fields())
		i := slices.IndexFunc(fields, func(f tree.Field) bool { return f.Key == key })
		var below *tree.Node
		if i >= 0 {
			below = fields[i].Value
		}
		changed := value
		if len(p) > 1 {
			changed = withValue(below, p[1:], value)
		}
		switch {
		case changed == nil && i >= 0:
			fields = slices.Delete(fields, i, i+1)
		case changed != nil && i >= 0:
			fields[i].Value = changed
		case changed != nil:
			fields = append(fields, tree.Field{Key: key, Value: changed})
		}
		return n.WithFields(fields)
	}
	items := slices.Clone(n.Items())
	for i, item := range items {
		if item == n.Get(p[:1]) {
			items[i] = withValue(item, p[1:], value)
			break
		}
	}
	return n.WithItems(items)
}

// mark writes the conflicts into the text of ours.
func mark(text []string, regions []Region, size int) []byte {
	var out strings.Builder
	at := 0
	for _, r := range regions {
		out.WriteString(strings.Join(text[at:r.from], ""))
		out.WriteString(strings.Join(r.marked(size), ""))
		at = r.to
	}
	out.WriteString(strings.Join(text[at:], ""))
	return []byte(out.String())
}

// Regions reads the conflicts of a file, those that Git marked by line too. None is a file without conflicts; the error says
// which line spoils a mark. size is how long the marks are, 0 for Git's 7.
func Regions(file string, text []byte, size int) ([]Region, error) {
	if size <= 0 {
		size = MarkerSize
	}
	is := func(line, c string) bool {
		rest, ok := strings.CutPrefix(line, strings.Repeat(c, size))
		return ok && (strings.TrimSpace(rest) == "" || rest[0] == ' ')
	}
	var out []Region
	var r *Region
	var part *[]string
	for i, line := range lines(text) {
		switch {
		case is(line, "<") && r == nil:
			label := strings.TrimSpace(strings.TrimLeft(line, "<"))
			keys, ok := strings.CutPrefix(label, "ours: ")
			if !ok {
				keys = ""
			}
			r = &Region{Keys: keys, Line: i + 1, from: i}
			part = &r.Ours
		case is(line, "|") && r != nil && part == &r.Ours:
			part = &r.Base
		case is(line, "=") && r != nil && part != &r.Theirs:
			part = &r.Theirs
		case is(line, ">") && r != nil && part == &r.Theirs:
			r.to = i + 1
			out = append(out, *r)
			r, part = nil, nil
		case is(line, "<") || is(line, ">") || r == nil && is(line, "|"):
			return nil, fmt.Errorf("%s:%d: this mark of a conflict does not belong to one", file, i+1)
		case r != nil:
			*part = append(*part, line)
		}
	}
	if r != nil {
		return nil, fmt.Errorf("%s:%d: the conflict that starts here does not end", file, r.Line)
	}
	return out, nil
}

// replaceRegions gives a text with some conflicts replaced by lines; nil leaves a conflict as it is.
func replaceRegions(text []byte, regions []Region, with func(i int, r *Region) (part []string, replace bool)) []byte {
	all := lines(text)
	var out strings.Builder
	at := 0
	for i := range regions {
		r := &regions[i]
		out.WriteString(strings.Join(all[at:r.from], ""))
		part, ok := with(i, r)
		if !ok {
			part = all[r.from:r.to]
		}
		out.WriteString(strings.Join(part, ""))
		at = r.to
	}
	out.WriteString(strings.Join(all[at:], ""))
	return []byte(out.String())
}

var errNoKeys = errors.New("the conflict is not of one key")
