package merge

import (
	"fmt"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// contents are three versions of a file without what is only for encryption. base may be nil.
type contents struct {
	base, ours, theirs *yamldoc.Doc
	sops               bool // of .sops.yaml
}

func (c contents) root(d *yamldoc.Doc) *tree.Node {
	if d == nil {
		return tree.NewMap()
	}
	return d.Root()
}

// merge merges the values, with the preferred ones where there is a conflict.
func (c contents) merge(p prefer) (*tree.Node, []tree.Path) {
	m := &treeMerge{prefer: p}
	base, ours, theirs := c.root(c.base), c.ours.Root(), c.theirs.Root()
	if c.sops {
		root := sopsMerge{m}.fields(base, ours, theirs)
		return root, m.conflicts
	}
	root := m.fields(nil, base, ours, theirs)
	return root, m.conflicts
}

// write gives a text that holds exactly the values wanted. The texts are merged by line first, so that comments and blank lines of
// both sides stay; what then is not as wanted is changed value by value. Where the lines do not make sense together, ours is
// the ground.
func (c contents) write(want *tree.Node) (*yamldoc.Doc, error) {
	var base []byte
	if c.base != nil {
		base = c.base.Source()
	}
	for _, t := range []touching{mayTouch, oursAndComments} {
		merged, _ := diff3(lines(base), endedLines(c.ours.Source()), endedLines(c.theirs.Source()), t)
		if doc, err := yamldoc.Parse(c.ours.File(), []byte(strings.Join(merged, ""))); err == nil {
			if doc, err = become(doc, want); err == nil {
				return doc, nil
			}
		}
	}
	return become(c.ours, want)
}

// endedLines splits text into lines, the last one with its end too: something may follow it.
func endedLines(text []byte) []string {
	out := lines(text)
	if n := len(out); n > 0 && !strings.HasSuffix(out[n-1], "\n") {
		out[n-1] += "\n"
	}
	return out
}

// become changes the values of a document that are not as wanted.
func become(doc *yamldoc.Doc, want *tree.Node) (*yamldoc.Doc, error) {
	done, err := doc.Apply(editsTo(nil, doc.Root(), want)...)
	if err != nil {
		return nil, err
	}
	if !alike(done.Root(), want) {
		return nil, fmt.Errorf("merge %s: the text does not hold the values that were merged", doc.File())
	}
	return done, nil
}

// editsTo gives the edits that make one map another.
func editsTo(p tree.Path, now, want *tree.Node) []yamldoc.Edit {
	var edits []yamldoc.Edit
	for _, f := range now.Fields() {
		if want.Field(f.Key) == nil {
			edits = append(edits, yamldoc.Edit{Path: append(p.Clone(), tree.Key(f.Key))})
		}
	}
	for _, f := range want.Fields() {
		path := append(p.Clone(), tree.Key(f.Key))
		is := now.Field(f.Key)
		switch {
		case alike(is, f.Value):
		case is != nil && is.Directive != f.Value.Directive:
			// A directive stays on its value unless the value goes.
			edits = append(edits, yamldoc.Edit{Path: path}, yamldoc.Edit{Path: path, Value: f.Value})
		case is != nil && is.Kind == tree.Map && f.Value.Kind == tree.Map && is.Len() > 0 && f.Value.Len() > 0:
			edits = append(edits, editsTo(path, is, f.Value)...)
		default:
			edits = append(edits, yamldoc.Edit{Path: path, Value: f.Value})
		}
	}
	return edits
}

// lostComments gives the comments of a side's own that the outcome has not.
func lostComments(base, side, merged []byte) []string {
	have := map[string]bool{}
	for _, text := range [][]byte{base, merged} {
		for _, l := range lines(text) {
			have[commentOf(l)] = true
		}
	}
	var lost []string
	for _, l := range lines(side) {
		if c := commentOf(l); c != "" && !have[c] && !slices.Contains(lost, c) {
			lost = append(lost, c)
		}
	}
	return lost
}

// commentOf gives the comment of a line, as far as the line alone tells: "" where it may be text.
func commentOf(line string) string {
	line = strings.TrimSpace(line)
	if strings.HasPrefix(line, "#") {
		return line
	}
	i := strings.LastIndex(line, " #")
	if i < 0 || strings.ContainsAny(line, `"'`) {
		return ""
	}
	return line[i+1:]
}
