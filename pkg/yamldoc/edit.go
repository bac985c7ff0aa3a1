package yamldoc

import (
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
)

// Edit is one change to a document.
type Edit struct {
	Path  tree.Path  // of the value; [i] with i the length of a list appends; [field=x] finds an item
	Value *tree.Node // the new value, its directive written as a tag; nil removes the key or the item
}

// The top-level key that stays last: the metadata of the SOPS format.
const sopsKey = "sops"

// Apply makes all edits, one after the other, or none. Only the bytes of the changed values change: comments, blank lines,
// quoting, anchors, line endings and the order of keys stay. Missing maps above a value are made; new keys go to the end
// of their map, at the top level before "sops". A directive that stands on a value stays on it unless the new value
// carries another; only !delete goes away when a value is set. Setting a map or a list over another changes what is
// different in it.
//
// The error is a [diag.List]. Codes: edit-alias where the value is shared through an anchor, an alias or a merge key;
// edit-path where the path leads through a value that is no map or list; edit-missing where there is nothing to remove
// or to match; edit-unsafe where the change is not possible without touching other lines.
func (d *Doc) Apply(edits ...Edit) (*Doc, error) {
	done, err := d.applyTogether(edits)
	if err == nil || len(edits) < 2 || len(edits)*len(d.src) > maxStepwise {
		return done, err
	}
	// Edits of one place can be in each other's way when they are looked at together.
	done = d
	for _, e := range edits {
		if done, err = done.applyTogether([]Edit{e}); err != nil {
			return nil, err
		}
	}
	return done, nil
}

// maxStepwise bounds, in bytes of source times edits, what is tried a second time edit by edit.
const maxStepwise = 8 << 20

// applyTogether makes edits in one pass over the file.
func (d *Doc) applyTogether(edits []Edit) (*Doc, error) {
	want := &draft{doc: d, own: map[*tree.Node]bool{}, root: d.root}
	for _, e := range edits {
		if err := want.apply(e); err != nil {
			return nil, err
		}
	}
	s, _ := newSource(d.file, d.src)
	body, _, err := decode(d.src)
	if err != nil {
		return nil, diag.List{s.syntaxError(err)}
	}
	var failed error
	for _, second := range []bool{false, true} {
		p := newPlanner(s, body, second)
		intended := p.document(body, d.root, want.root)
		if len(p.findings) > 0 {
			return nil, p.named(edits)
		}
		if len(p.splices) == 0 {
			return d, nil
		}
		out, ok := p.splice()
		if ok {
			// The proof: what was meant, and nothing else, is what the new text says.
			done, err := Parse(d.file, out)
			if err == nil && tree.Identical(done.root, intended) {
				return done, nil
			}
		}
		// A literal block can swallow comments and blank lines that follow it, or lose its last line break: try once more,
		// with quotes only.
		failed = p.unsafe(edits)
	}
	return nil, failed
}

// named gives the planner's findings with the key that was to be edited, if there is only one.
func (p *planner) named(edits []Edit) diag.List {
	if len(edits) == 1 {
		for i := range p.findings {
			p.findings[i].Key = edits[0].Path.String()
		}
	}
	return p.findings.Sorted()
}

// unsafe reports edits that could not be proved.
func (p *planner) unsafe(edits []Edit) error {
	f := p.finding("edit-unsafe", diag.Position{File: p.file}, "the edit cannot be made without touching other lines",
		"edit the file by hand: its notation here is one that lcm does not rewrite")
	if len(p.splices) > 0 {
		f.Position = p.position(p.splices[0].start)
	}
	if len(edits) == 1 {
		f.Key = edits[0].Path.String()
	}
	return diag.List{f}
}

// draft is the tree that a series of edits leads to. Nodes that an edit did not touch are shared with the document.
type draft struct {
	doc  *Doc
	root *tree.Node
	own  map[*tree.Node]bool // maps and lists made here, which may be changed in place
}

func (w *draft) apply(e Edit) error {
	path, ok := w.root.Locate(e.Path)
	if !ok {
		return w.fault("edit-missing", w.root, e.Path, "no item matches", "see the items that are there, or append one by its index")
	}
	if e.Value != nil {
		if err := writable(w.doc.file, path, e.Value); err != nil {
			return err
		}
		if len(path) == 0 && e.Value.Kind != tree.Map {
			return w.fault("edit-path", w.root, path, "the document must stay a map", "set a key of it")
		}
	}
	if e.Value == nil && (len(path) == 0 || w.root.Get(path) == nil) {
		return w.fault("edit-missing", w.nearest(path), e.Path, "there is nothing to remove", "check the key's spelling")
	}
	root, err := w.set(w.root, path, 0, e.Value)
	if err == nil {
		w.root = root
	}
	return err
}

func (w *draft) fault(code string, at *tree.Node, path tree.Path, message, hint string) error {
	return diag.List{{
		Code: code, Severity: diag.Error, Message: message, Hint: hint, Position: at.Pos, Key: path.String(),
	}}
}

// nearest gives the deepest value along a path that is there.
func (w *draft) nearest(path tree.Path) *tree.Node {
	for i := len(path); i > 0; i-- {
		if n := w.root.Get(path[:i]); n != nil {
			return n
		}
	}
	return w.root
}

// set gives n with the value at path[depth:] replaced, added, or removed where value is nil. n is nil where nothing is.
func (w *draft) set(n *tree.Node, path tree.Path, depth int, value *tree.Node) (*tree.Node, error) {
	if depth == len(path) {
		return keepDirective(n, value), nil
	}
	blank := n == nil || n.Kind == tree.Null && n.Directive != tree.Delete
	if key, ok := path[depth].AsKey(); ok {
		switch {
		case blank:
			n = w.empty(n, tree.NewMap())
		case n.Kind == tree.Null:
			return nil, w.fault("edit-path", n, path[:depth], "the key is marked !delete here", "set or unset the key itself first")
		case n.Kind != tree.Map:
			return nil, w.fault("edit-path", n, path[:depth], fmt.Sprintf("the value is a %s, not a map", n.Kind), "unset it first, or check the key")
		}
		return w.setField(n, key, path, depth, value)
	}
	index, _ := path[depth].AsIndex()
	switch {
	case blank:
		n = w.empty(n, tree.NewList())
	case n.Kind == tree.Null:
		return nil, w.fault("edit-path", n, path[:depth], "the key is marked !delete here", "set or unset the key itself first")
	case n.Kind != tree.List:
		return nil, w.fault("edit-path", n, path[:depth], fmt.Sprintf("the value is a %s, not a list", n.Kind), "unset it first, or check the key")
	}
	if index > n.Len() {
		return nil, w.fault("edit-path", n, path[:depth+1], fmt.Sprintf("the list has %d items", n.Len()),
			fmt.Sprintf("[%d] appends one", n.Len()))
	}
	return w.setItem(n, index, path, depth, value)
}

// empty gives the collection that is made where nothing or null stood. A directive on the null stays.
func (w *draft) empty(n, made *tree.Node) *tree.Node {
	if n != nil {
		made.Directive, made.Pos = n.Directive, n.Pos
	}
	return made
}

// keepDirective gives value as it replaces old.
func keepDirective(old, value *tree.Node) *tree.Node {
	if old == nil || value == nil || value.Directive != tree.None || old.Directive == tree.None || old.Directive == tree.Delete {
		return value
	}
	value = value.Clone()
	value.Directive = old.Directive
	return value
}

func (w *draft) setField(n *tree.Node, key string, path tree.Path, depth int, value *tree.Node) (*tree.Node, error) {
	fields := n.Fields()
	i := slices.IndexFunc(fields, func(f tree.Field) bool { return f.Key == key })
	var old *tree.Node
	if i >= 0 {
		old = fields[i].Value
	}
	v, err := w.set(old, path, depth+1, value)
	switch {
	case err != nil:
		return nil, err
	case v == nil && value == nil && depth+1 == len(path):
		n = n.WithFields(slices.Concat(fields[:i], fields[i+1:]))
	case i < 0:
		n = n.WithFields(append(slices.Clip(fields), tree.Field{Key: key, Value: v}))
	case w.own[n]:
		fields[i].Value = v
	default:
		fields = slices.Clone(fields)
		fields[i].Value = v
		n = n.WithFields(fields)
	}
	w.own[n] = true
	return n, nil
}

func (w *draft) setItem(n *tree.Node, i int, path tree.Path, depth int, value *tree.Node) (*tree.Node, error) {
	items := n.Items()
	var old *tree.Node
	if i < len(items) {
		old = items[i]
	}
	v, err := w.set(old, path, depth+1, value)
	switch {
	case err != nil:
		return nil, err
	case v == nil && value == nil && depth+1 == len(path):
		n = n.WithItems(slices.Concat(items[:i], items[i+1:]))
	case i == len(items):
		n = n.WithItems(append(slices.Clip(items), v))
	case w.own[n]:
		items[i] = v
	default:
		items = slices.Clone(items)
		items[i] = v
		n = n.WithItems(items)
	}
	w.own[n] = true
	return n, nil
}

// countUses counts the aliases to each anchored node.
func countUses(n *yaml.Node, uses map[*yaml.Node]int) {
	if n == nil {
		return
	}
	if n.Kind == yaml.AliasNode {
		uses[n.Alias]++
		return
	}
	for _, child := range n.Content {
		countUses(child, uses)
	}
}
