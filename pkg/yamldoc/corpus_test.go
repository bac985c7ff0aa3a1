package yamldoc

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
)

// corpusDir names a directory whose YAML files are edited too, beyond those in testdata. Only by hand: what is in a
// module cache is not the same everywhere.
const corpusDir = "YAMLDOC_CORPUS"

// maxOther bounds the files that are taken from there, evenly spread.
const maxOther = 1200

func TestCorpus(t *testing.T) {
	files, err := filepath.Glob("testdata/corpus/*")
	if err != nil || len(files) < 40 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	s := editAll(t, files, 1<<20, 1<<20)
	t.Logf("%d files, %d edits, %d refused (%d of them unsafe)", s.files, s.edits, s.refused, s.unsafe)
	if s.files != len(files) {
		t.Errorf("only %d of %d files could be read", s.files, len(files))
	}
	// A key cannot join a pair that stands in a list without braces of its own: [a: 1, b: 2]. Nothing else is refused but
	// what anchors, aliases and merge keys share.
	if s.unsafe > 6 || s.refused*6 > s.edits {
		t.Errorf("%d of %d edits were refused, %d as unsafe", s.refused, s.edits, s.unsafe)
	}
}

func TestOtherCorpus(t *testing.T) {
	dir := os.Getenv(corpusDir)
	if dir == "" {
		t.Skipf("%s names no directory", corpusDir)
	}
	var files []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() && (strings.HasSuffix(path, ".yaml") || strings.HasSuffix(path, ".yml")) {
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(files); n > maxOther {
		for i := range maxOther {
			files[i] = files[i*n/maxOther]
		}
		files = files[:maxOther]
	}
	s := editAll(t, files, 20<<10, 40)
	t.Logf("%d of %d files, %d edits, %d refused (%d of them unsafe)", s.files, len(files), s.edits, s.refused, s.unsafe)
}

// score counts what happened to a corpus.
type score struct{ files, edits, refused, unsafe int }

// editAll edits files of up to maxSize bytes, in up to about maxSpots places each.
func editAll(t *testing.T, files []string, maxSize, maxSpots int) score {
	var s score
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if len(src) > maxSize {
			continue
		}
		d, err := Parse(filepath.Base(file), src)
		if err != nil {
			if os.Getenv(corpusDir) == "" {
				t.Error(err)
			}
			continue
		}
		s.files++
		c := &corpusFile{T: t, name: file, doc: d, score: &s}
		c.collect()
		if n := len(c.spots); n > maxSpots {
			for i := range maxSpots {
				c.spots[i] = c.spots[i*n/maxSpots]
			}
			c.spots = c.spots[:maxSpots]
		}
		c.setAll()
		c.unsetAll()
		c.addAll()
	}
	return s
}

// corpusFile is a file under test. spots are its values in document order.
type corpusFile struct {
	*testing.T
	name  string
	doc   *Doc
	spots []spot
	*score
}

type spot struct {
	path  tree.Path
	node  *tree.Node
	first int // line where the value, or its key, starts
	next  int // line where the next value starts, 0 at the end
}

func (c *corpusFile) collect() {
	keys := map[string]diag.Position{}
	c.doc.Root().Walk(func(p tree.Path, n *tree.Node) bool {
		first := n.Pos.Line
		if at, ok := keys[p.String()]; ok {
			first = at.Line
		}
		for _, f := range n.Fields() {
			keys[append(p.Clone(), tree.Key(f.Key)).String()] = f.Pos
		}
		c.spots = append(c.spots, spot{path: p.Clone(), node: n, first: first})
		return true
	})
	for i := range c.spots {
		for _, after := range c.spots[i+1:] {
			if !after.path.HasPrefix(c.spots[i].path) {
				c.spots[i].next = after.first
				break
			}
		}
	}
}

// apply makes one edit; nil if it was refused.
func (c *corpusFile) apply(e Edit) *Doc {
	c.edits++
	out, err := c.doc.Apply(e)
	if err == nil {
		return out
	}
	c.refused++
	list, ok := errors.AsType[diag.List](err)
	if !ok || len(list) == 0 || list[0].Hint == "" || list[0].Position.Line == 0 {
		c.Errorf("%s: %s: refused without a reason: %v", c.name, e.Path, err)
	} else if list[0].Code != "edit-alias" {
		c.unsafe++
		if list[0].Code != "edit-unsafe" {
			c.Errorf("%s: %s: %v", c.name, e.Path, err)
		} else if testing.Verbose() {
			c.Logf("%s: %s = %v: %v", c.name, e.Path, e.Value, err)
		}
	}
	return nil
}

// splitLines splits at all line breaks that the parser counts.
func splitLines(src []byte) []string {
	s, _ := newSource("", src)
	lines := make([]string, len(s.lines))
	for i, start := range s.lines {
		lines[i] = string(src[start:s.nextLine(start)])
	}
	if last := len(lines) - 1; lines[last] == "" {
		lines = lines[:last]
	}
	return lines
}

// changed gives the range of lines of the old source, counted from 1, that are not in the new one, and how many stand there
// instead. Where a removed line equals its neighbour there are several answers: it gives the one nearest to line near. A
// line break at the end of the file does not count.
func changed(old, fresh []string, near int) (from, to, instead int) {
	bare := func(l string) string { return strings.TrimRight(l, "\r\n\u0085\u2028\u2029") }
	head := 0
	for head < min(len(old), len(fresh)) && bare(old[head]) == bare(fresh[head]) {
		head++
	}
	tail := 0
	for tail < min(len(old), len(fresh)) && bare(old[len(old)-1-tail]) == bare(fresh[len(fresh)-1-tail]) {
		tail++
	}
	if over := head + tail - min(len(old), len(fresh)); over > 0 {
		shift := min(over, max(0, head+1-near))
		head -= shift
		tail -= over - shift
	}
	return head + 1, len(old) - tail, len(fresh) - tail - head
}

func comments(lines []string) int {
	n := 0
	for _, l := range lines {
		if strings.HasPrefix(strings.TrimLeft(l, " \t"), "#") {
			n++
		}
	}
	return n
}

func (c *corpusFile) setAll() {
	old := splitLines(c.doc.Source())
	values := []*tree.Node{
		tree.NewString("fresh"), tree.NewString("no"), tree.NewString("it's \"quoted\": # no comment"), tree.NewString(""),
		tree.NewString("two\nlines\n"), tree.NewString("  kept\n\n  edges \n\n"), tree.Scalar(tree.Int, "42"), tree.Scalar(tree.Float, "0.50"),
		tree.NewBool(true), tree.NewNull(), tree.NewList(tree.NewString("x"), tree.NewMap(tree.Field{Key: "k", Value: tree.NewString("v")})),
	}
	over := tree.NewString("meant")
	over.Directive = tree.Override
	values = append(values, over)
	for _, s := range c.spots {
		if !s.node.Kind.IsScalar() {
			continue
		}
		for _, v := range values {
			out := c.apply(Edit{s.path, v})
			if out == nil {
				continue
			}
			fresh := splitLines(out.Source())
			from, to, instead := changed(old, fresh, s.first)
			if to < from && instead == 0 {
				continue // it was that already
			}
			last := len(old)
			if s.next > 0 {
				last = max(s.next-1, s.first)
			}
			if from < s.first || to > last {
				c.Errorf("%s: %s = %v changed lines %d-%d, the value is in %d-%d", c.name, s.path, v, from, to, s.first, last)
			}
			oneLine := s.node.Kind != tree.String || !strings.Contains(s.node.Text(), "\n")
			short := v.Kind != tree.List && !strings.Contains(v.Reveal(), "\n")
			if oneLine && short && to == from && instead != 1 {
				c.Errorf("%s: %s = %v made %d lines of one", c.name, s.path, v, instead)
			}
			if short && oneLine && comments(old) != comments(fresh) {
				c.Errorf("%s: %s = %v lost a comment", c.name, s.path, v)
			}
			c.sameEnding(s.path, out)
		}
	}
}

// sameEnding checks line endings, byte order mark and the final line break.
func (c *corpusFile) sameEnding(p tree.Path, out *Doc) {
	a, b := c.doc.Source(), out.Source()
	if len(a) == 0 || len(b) == 0 {
		return
	}
	crlf := func(x []byte) bool { return bytes.Count(x, []byte("\n")) == bytes.Count(x, []byte("\r\n")) }
	if bytes.Contains(a, []byte("\r\n")) && crlf(a) && !crlf(b) {
		c.Errorf("%s: %s: line endings are mixed now", c.name, p)
	}
	if bytes.HasSuffix(a, []byte("\n")) != bytes.HasSuffix(b, []byte("\n")) {
		c.Errorf("%s: %s: the final line break came or went", c.name, p)
	}
	if bytes.HasPrefix(a, bom) != bytes.HasPrefix(b, bom) {
		c.Errorf("%s: %s: the byte order mark came or went", c.name, p)
	}
}

func (c *corpusFile) unsetAll() {
	old := splitLines(c.doc.Source())
	for _, s := range c.spots {
		if len(s.path) == 0 {
			continue
		}
		out := c.apply(Edit{Path: s.path})
		if out == nil {
			continue
		}
		// A dash may stand in a line above its item. Comments above go too; a map or list that becomes empty changes the line
		// of its key; in brackets the entry before gets or loses a comma.
		lines := slices.Clone(old)
		lines[0] = strings.TrimPrefix(lines[0], string(bom))
		above := func(line int) string { return strings.TrimSpace(lines[max(line-2, 0)]) }
		near := s.first
		if above(near) == "-" || strings.HasPrefix(above(near), "- #") || strings.HasPrefix(above(near), "- &") {
			near--
		}
		from, to, _ := changed(old, splitLines(out.Source()), near)
		last, first := len(old), near
		if s.next > 0 {
			last = max(s.next, s.first)
		}
		for first > 1 && (strings.HasPrefix(above(first), "#") || above(first) == "") {
			first--
		}
		if parent := c.doc.Root().Get(s.path[:len(s.path)-1]); parent.Len() == 1 && first > 1 {
			first--
			for first > 1 && strings.HasPrefix(above(first+1), "#") {
				first--
			}
		}
		if strings.Contains(above(first), ",") {
			first--
		}
		if from < first || to > last {
			c.Errorf("%s: unset %s changed lines %d-%d, it is in %d-%d", c.name, s.path, from, to, first, last)
		}
		c.sameEnding(s.path, out)
	}
}

func (c *corpusFile) addAll() {
	old := splitLines(c.doc.Source())
	for _, s := range c.spots {
		var path tree.Path
		switch s.node.Kind {
		case tree.Map:
			path = append(s.path.Clone(), tree.Key("added_here"), tree.Key("b"))
		case tree.List:
			path = append(s.path.Clone(), tree.Index(s.node.Len()))
		default:
			continue
		}
		for _, v := range []*tree.Node{tree.NewString("x"), tree.NewString("two\nlines\n"), tree.Scalar(tree.Int, "7")} {
			out := c.apply(Edit{path, v})
			if out == nil {
				continue
			}
			from, to, _ := changed(old, splitLines(out.Source()), s.first)
			if to-from+1 > 2 {
				c.Errorf("%s: add %s changed lines %d-%d", c.name, path, from, to)
			}
			if from < s.first {
				c.Errorf("%s: add %s changed line %d, before its map in %d", c.name, path, from, s.first)
			}
			c.sameEnding(path, out)
		}
	}
}
