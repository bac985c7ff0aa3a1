package workspace

import (
	"context"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/pkg/gitrepo"
	"github.com/llm-devops/lcm/pkg/layer"
	"github.com/llm-devops/lcm/pkg/template"
	"github.com/llm-devops/lcm/pkg/tree"
)

// Explanation is how one value came to be.
type Explanation struct {
	Key   tree.Path  `json:"key"`
	Value *tree.Node `json:"value"` // nil if a layer deleted the key
	// Sources are the places that say something about the key, the one that counts first.
	Sources []Source `json:"sources"`
}

// Role is what became of what a layer says about a key.
type Role string

// The roles.
const (
	Wins     Role = "wins"     // its value is the result
	Shadowed Role = "shadowed" // a higher layer replaced its value
	Deletes  Role = "deletes"  // it removes what lower layers say
	Joins    Role = "joins"    // its items are part of the result, with others'
)

// Source is one layer's word on a key.
type Source struct {
	Layer  string              `json:"layer"` // "acme/production", "template:NAME@VERSION", or "schema"
	File   string              `json:"file"`
	Via    string              `json:"via,omitempty"` // the layer file, where it imports the value from File
	Line   int                 `json:"line,omitempty"`
	Column int                 `json:"column,omitempty"`
	Role   Role                `json:"role"`
	Says   string              `json:"directive,omitempty"` // !override, …
	Value  *tree.Node          `json:"value,omitempty"`
	Commit *gitrepo.CommitInfo `json:"commit,omitempty"` // nil where it was not asked for or there is none

	Extender  string          `json:"extendedBy,omitempty"` // the layer file that brings a template in
	Variables []template.Feed `json:"variables,omitempty"`  // that went into a template's value
}

// Explain gives the explanation of every leaf at or below a key, in the order of the result, and of the keys that were
// deleted there. An empty key explains everything.
func (r *Resolved) Explain(key tree.Path) []Explanation {
	var out []Explanation
	seen := map[string]bool{}
	add := func(p tree.Path) {
		if id := p.String(); !seen[id] {
			seen[id] = true
			if e := r.explain(p.Clone()); len(e.Sources) > 0 || e.Value != nil {
				out = append(out, e)
			}
		}
	}
	whole := func(p tree.Path, n *tree.Node) bool { return n.Len() == 0 || n.Kind == tree.List && r.listReplaces(p) }
	visit := func(root *tree.Node) {
		if located, ok := root.Locate(key); ok {
			at := root.Get(located)
			at.Walk(func(below tree.Path, n *tree.Node) bool {
				p := append(located.Clone(), below...)
				if len(p) == 0 && n.Len() > 0 {
					return true
				}
				if whole(p, n) {
					add(p)
					return false
				}
				return true
			})
		}
	}
	visit(r.Root)
	// Keys that only a lower layer has were deleted on the way up.
	for _, l := range slices.Backward(r.Stack) {
		l.Root.Walk(func(p tree.Path, n *tree.Node) bool {
			if n.Directive == tree.Delete && p.HasPrefix(key) {
				add(p)
			}
			return true
		})
	}
	return out
}

// listReplaces reports whether a list is best explained as one value: when it came as a whole from one layer.
func (r *Resolved) listReplaces(p tree.Path) bool {
	n := r.Root.Get(p)
	if n == nil {
		return true
	}
	for _, item := range n.Items() {
		if item.LayerFile() != n.LayerFile() {
			return false
		}
	}
	return true
}

func (r *Resolved) explain(p tree.Path) Explanation {
	e := Explanation{Key: p, Value: r.Root.Get(p)}
	same, comparable := r.acrossLayers(p)
	won := false // two files may extend one template: its value then stands at one place, and is another file's
	for _, l := range slices.Backward(r.Stack) {
		n := l.Root.Get(same)
		if !comparable && (e.Value == nil || n == nil || !tree.SamePlace(n, e.Value)) {
			n = nil // the item at this index is another one here
		}
		if n == nil && e.Value != nil && e.Value.LayerFile() == l.File && !e.Value.Pos.IsZero() {
			n = e.Value // of a merged list: the item stands elsewhere in its own layer
		}
		if n == nil {
			continue
		}
		s := Source{Layer: l.Name, File: n.Pos.File, Line: n.Pos.Line, Column: n.Pos.Column, Says: n.Directive.String(), Value: n, Role: Shadowed, Via: n.Layer}
		switch {
		case n.Directive == tree.Delete:
			s.Role, s.Value = Deletes, nil
		case e.Value != nil && tree.SamePlace(n, e.Value) && !won:
			s.Role, won = Wins, true
		case e.Value != nil && e.Value.Kind == tree.List && slices.ContainsFunc(e.Value.Items(), func(i *tree.Node) bool { return i.LayerFile() == n.LayerFile() }):
			s.Role = Joins
		}
		if r.Root.Get(p) != nil && e.Value.Secret && s.Value != nil && !s.Value.Secret {
			masked := s.Value.Clone()
			masked.Secret = true
			s.Value = masked
		}
		if s.Value != nil && r.Module != nil {
			s.Value = r.Module.MarkSecrets(p, s.Value)
		}
		s.Extender, s.Variables = l.Of, r.feeds(l, n)
		e.Sources = append(e.Sources, s)
	}
	// An inner default that the schema adds to a map that is there has no layer of its own.
	if len(e.Sources) == 0 && e.Value != nil && r.Module != nil {
		e.Sources = append(e.Sources, Source{Layer: DefaultsLayer, File: e.Value.Pos.File, Line: e.Value.Pos.Line, Column: e.Value.Pos.Column, Role: Wins, Value: e.Value})
	}
	return e
}

// feeds gives the variables that went into a value of a template's layer.
func (r *Resolved) feeds(l layer.Layer, n *tree.Node) []template.Feed {
	if l.Of == "" {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(r.Fed[n.Pos]), func(f template.Feed) bool { return f.Pos.File != l.Of && !IsTemplate(f.Pos.File) })
}

// acrossLayers gives a path by which the same thing is found in every layer: items of keyed lists by their key, as their
// index differs from layer to layer. ok is false if the path has an index that means something in the result alone.
func (r *Resolved) acrossLayers(p tree.Path) (same tree.Path, ok bool) {
	same, ok = p.Clone(), true
	for i, step := range p {
		if _, isIndex := step.AsIndex(); !isIndex {
			continue
		}
		key := ""
		if r.Module != nil {
			if f, known := r.Module.Field(p[:i]); known {
				key = f.Merge.Key
			}
		}
		id := r.Root.Get(p[:i+1]).Field(key)
		if key == "" || id == nil {
			ok = false
			continue
		}
		same[i] = tree.Match(key, id.Reveal())
	}
	return same, ok
}

// Blame fills in who set each source, and when: one look-up a file, at the snapshot's revision or with what is not
// committed yet.
func (s *Snapshot) Blame(ctx context.Context, explanations []Explanation) error {
	lines := map[string][]int{}
	each := func(do func(*Source)) {
		for i := range explanations {
			for j := range explanations[i].Sources {
				if src := &explanations[i].Sources[j]; src.Layer != DefaultsLayer && src.Line > 0 && !strings.HasPrefix(src.File, TemplatePrefix) {
					do(src)
				}
			}
		}
	}
	each(func(src *Source) { lines[src.File] = append(lines[src.File], src.Line) })
	known := map[string]map[int]gitrepo.CommitInfo{}
	for file, wanted := range lines {
		slices.Sort(wanted)
		info, err := s.w.repo.Blame(ctx, s.Revision(), file, slices.Compact(wanted))
		if err != nil {
			return err
		}
		known[file] = info
	}
	each(func(src *Source) {
		if info, ok := known[src.File][src.Line]; ok {
			src.Commit = &info
		}
	})
	return nil
}
