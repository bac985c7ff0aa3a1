package display

import (
	"fmt"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/cmd/internal/term"
	"github.com/llm-devops/lcm/pkg/merge"
	"github.com/llm-devops/lcm/pkg/secret"
	"github.com/llm-devops/lcm/pkg/tree"
)

// MergedText tells, while Git merges, what became of one file, if there is something to tell.
func MergedText(t *term.IO, file, address string, r *merge.Result) {
	s := t.ErrStyle()
	if r.ByLine != nil {
		t.Warn("%s was merged by line, not by key", file)
		Error(t, r.ByLine, 0, false)
		if len(r.Conflicts) > 0 {
			t.Note("%s edit the file, or take one side whole: lcm resolve %s --ours or --theirs", s.Cyan("hint:"), address)
		}
	}
	for _, c := range r.Lost {
		t.Note("%s: this comment of theirs has no place in the merged file: %s", file, c)
	}
	if len(r.Conflicts) > 0 && r.ByLine == nil {
		t.Note("%s is in conflict at %s", s.Bold(file), plural(len(r.Conflicts), "place"))
		for _, c := range r.Conflicts {
			t.Note("  %s:%d: %s", file, c.Line, s.Cyan(c.Keys))
		}
		t.Note("%s see both sides with lcm resolve %s, choose with --ours or --theirs", s.Cyan("hint:"), address)
	}
	if r.Pending != nil {
		t.Note("%s holds secrets of both sides, and no identity here opens it: somebody with a key must seal it", s.Bold(file))
		t.Note("%s with %s: lcm merge --continue", s.Cyan("hint:"), r.Pending.Wanted())
	}
}

// Merge is a merge that Git stopped in, or what became of it.
type Merge struct {
	Operation string       `json:"operation,omitempty"` // merge, rebase, cherry-pick, revert; nothing for files of a stash
	Files     []MergedFile `json:"files"`
	Continued bool         `json:"continued,omitempty"` // Git has gone on
	Git       string       `json:"git,omitempty"`       // what Git said when it went on
}

// MergedFile is one of its files.
type MergedFile struct {
	Path      string          `json:"path"`
	Address   string          `json:"address,omitempty"`
	State     string          `json:"state"` // conflict, unsealed, added, foreign
	Problem   string          `json:"problem,omitempty"`
	Conflicts []MergeConflict `json:"conflicts,omitempty"`
}

// MergeConflict is a conflict in a file, and what the sides have there.
type MergeConflict struct {
	Line   int         `json:"line"`
	Values []KeyValues `json:"values,omitempty"` // none for a conflict that Git marked by line
}

// KeyValues are the values of a key on the sides. A value that is not there is null, one that is not shown is masked.
type KeyValues struct {
	Key    string      `json:"key"`
	Ours   *MergeValue `json:"ours"`
	Base   *MergeValue `json:"base"`
	Theirs *MergeValue `json:"theirs"`
}

// MergeValue is a value as it is shown.
type MergeValue struct {
	Text   string `json:"text"`             // in one line
	Secret bool   `json:"secret,omitempty"` // masked unless it was asked for
	Locked bool   `json:"locked,omitempty"` // no identity here opens it
}

// NewMergeValue gives a value as it is shown; reveal shows secrets.
func NewMergeValue(n *tree.Node, locked, reveal bool) *MergeValue {
	v := &MergeValue{Text: Value(n), Locked: locked}
	n.Walk(func(_ tree.Path, n *tree.Node) bool {
		v.Secret = v.Secret || n.Secret
		return true
	})
	if v.Secret && reveal && !locked {
		v.Text = Value(unmaskedTree(n))
	}
	if locked {
		v.Text, v.Secret = secret.Mask, true
	}
	return v
}

// unmaskedTree gives a copy of a tree with nothing masked.
func unmaskedTree(n *tree.Node) *tree.Node {
	n = n.Clone()
	n.Secret = false
	switch n.Kind {
	case tree.Map:
		fields := slices.Clone(n.Fields())
		for i := range fields {
			fields[i].Value = unmaskedTree(fields[i].Value)
		}
		return n.WithFields(fields)
	case tree.List:
		items := slices.Clone(n.Items())
		for i := range items {
			items[i] = unmaskedTree(items[i])
		}
		return n.WithItems(items)
	}
	return n
}

func (v *MergeValue) show(s term.Style) string {
	switch {
	case v == nil:
		return s.Dim("(not there)")
	case v.Locked:
		return s.Dim("(secret that no identity here opens)")
	}
	return v.Text
}

// MergeText writes a merge for people.
func MergeText(t *term.IO, r Merge) error {
	s := t.Style()
	var b strings.Builder
	for _, f := range r.Files {
		switch f.State {
		case string(merge.InConflict):
			if f.Problem != "" {
				fmt.Fprintf(&b, "%s  %s\n", s.Red("conflict"), f.Problem)
				continue
			}
			fmt.Fprintf(&b, "%s  %s at %s\n", s.Red("conflict"), s.Bold(f.Path), plural(len(f.Conflicts), "place"))
			for _, c := range f.Conflicts {
				writeConflict(&b, s, f.Path, c)
			}
		case string(merge.Unsealed):
			fmt.Fprintf(&b, "%s  %s: no conflict is left in it, it is to be sealed and added\n", s.Yellow("resolved"), s.Bold(f.Path))
		case string(merge.Added):
			fmt.Fprintf(&b, "%s     %s\n", s.Green("added"), s.Bold(f.Path))
		default:
			fmt.Fprintf(&b, "%s       %s is for Git alone: resolve it, then git add or git rm it\n", s.Yellow("git"), s.Bold(f.Path))
		}
	}
	_, err := t.Out.Write([]byte(b.String()))
	return err
}

func writeConflict(b *strings.Builder, s term.Style, file string, c MergeConflict) {
	if len(c.Values) == 0 {
		fmt.Fprintf(b, "  %s:%d: lines that are not of one key: edit the file, or take one side whole\n", file, c.Line)
		return
	}
	for _, v := range c.Values {
		fmt.Fprintf(b, "  %s  %s\n", s.Cyan(v.Key), s.Dim(fmt.Sprintf("line %d", c.Line)))
		fmt.Fprintf(b, "    ours    %s\n    theirs  %s\n    base    %s\n", v.Ours.show(s), v.Theirs.show(s), v.Base.show(s))
	}
}
