package display

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/llm-devops/lcm/cmd/internal/term"
	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/change"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/due"
	"github.com/llm-devops/lcm/pkg/schema"
	"github.com/llm-devops/lcm/pkg/template"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// Outcome says what became of a change.
type Outcome string

// The outcomes.
const (
	Unchanged Outcome = "unchanged" // there was nothing to do
	Planned   Outcome = "planned"   // a dry run
	Written   Outcome = "written"   // to the worktree
	Committed Outcome = "committed"
)

// Change is the report of a change to layers.
type Change struct {
	Kind         string            `json:"change"`
	Outcome      Outcome           `json:"outcome"`
	Commit       string            `json:"commit,omitempty"`
	Subject      string            `json:"subject,omitempty"`
	Values       []ChangedValue    `json:"values"`
	Files        []string          `json:"files"`
	IdentityFile string            `json:"identityFile,omitempty"` // where the identity made on the way is kept
	Reach        []address.Address `json:"reach"`                  // the addresses that come out differently
	Override     []address.Address `json:"overridden,omitempty"`   // those that would, and override it
	Known        []*due.List       `json:"known,omitempty"`        // what those still know who lose access to a file on the way
	Findings     diag.List         `json:"findings,omitempty"`     // that were there before, or are only warnings

	warned diag.List // those of Findings that the change brings
}

// ChangedValue is one value before and after, as the edited layer resolves.
type ChangedValue struct {
	Address address.Address `json:"address"`
	Key     string          `json:"key"`
	File    string          `json:"file"`
	Secret  bool            `json:"secret,omitempty"`
	Old     *tree.Node      `json:"old,omitempty"`
	New     *tree.Node      `json:"new,omitempty"`
}

// NewChange makes the report of a prepared change.
func NewChange(ctx context.Context, p *change.Plan) (*Change, error) {
	report := &Change{Kind: p.Kind(), Files: slices.Sorted(maps.Keys(p.Files)), Reach: p.Reach, Override: p.Overridden, Subject: p.Subject()}
	report.Known = p.Known
	report.Findings, report.warned = slices.Concat(p.Remaining, p.Warned), p.Warned
	for _, e := range p.Edits() {
		before, err := rootFor(ctx, p.Before, e)
		if err != nil {
			return nil, err
		}
		after, err := rootFor(ctx, p.After, e)
		if err != nil {
			return nil, err
		}
		v := ChangedValue{
			Address: e.Address, Key: e.Path.String(), File: e.Address.File(),
			Old: before.Get(e.Path), New: after.Get(e.Path),
		}
		v.Secret = v.Old != nil && v.Old.Secret || v.New != nil && v.New.Secret
		report.Values = append(report.Values, v)
	}
	return report, nil
}

// rootFor gives the tree in which an edit shows: what the address resolves to, or its own layer for what that says to templates.
// It is nil where the address cannot be resolved, as before a change that mends it.
func rootFor(ctx context.Context, s *workspace.Snapshot, e change.Edit) (*tree.Node, error) {
	if key, ok := e.Path[0].AsKey(); ok && (key == template.ExtendsKey || key == template.VariablesKey) {
		return s.Own(ctx, e.Address)
	}
	r, err := s.Resolve(ctx, e.Address)
	if _, broken := errors.AsType[diag.List](err); broken {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return r.Root, nil
}

// ChangeText writes the report of a change for people.
func ChangeText(t *term.IO, c *Change) error {
	s := t.Style()
	var rows [][]string
	last := ""
	for _, v := range c.Values {
		if v.File != last {
			rows = append(rows, []string{s.Bold(v.File)})
			last = v.File
		}
		rows = append(rows, []string{"  " + s.Cyan(v.Key), arrow(s, v)})
	}
	// A heading would stretch the first column: print it apart.
	for len(rows) > 0 {
		n := 1
		for n < len(rows) && len(rows[n]) > 1 {
			n++
		}
		if _, err := fmt.Fprintln(t.Out, rows[0][0]); err != nil {
			return err
		}
		if err := columns(t.Out, rows[1:n]); err != nil {
			return err
		}
		rows = rows[n:]
	}
	for _, f := range c.Files {
		// Values say which layers change; the lock changes with what they bring into use.
		if len(c.Values) == 0 && c.Outcome != Unchanged || f == workspace.LockFile {
			if _, err := fmt.Fprintln(t.Out, s.Bold(f)); err != nil {
				return err
			}
		}
	}
	return outcome(t, c)
}

func arrow(s term.Style, v ChangedValue) string {
	switch {
	case v.Secret && v.Old == nil:
		return s.Green("secret set")
	case v.Secret && v.New == nil:
		return s.Red("secret removed")
	case v.Secret && v.Old.Secret && v.New.Secret && tree.Equal(v.Old, v.New):
		return s.Dim("secret, unchanged")
	case v.Secret:
		return s.Yellow("secret changed")
	case tree.Equal(v.Old, v.New):
		return Value(v.New) + s.Dim("  (the same as before)")
	}
	return s.Red(Value(v.Old)) + " → " + s.Green(Value(v.New))
}

func outcome(t *term.IO, c *Change) error {
	s := t.Style()
	reach := ""
	if len(c.Reach) > 0 {
		tenants := map[string]bool{}
		for _, a := range c.Reach {
			tenants[a.Tenant] = true
		}
		reach = ", reaching " + plural(len(c.Reach), "address")
		if len(tenants) > 1 {
			reach += " of " + plural(len(tenants), "tenant")
		}
	}
	switch n := len(c.Override); {
	case n > 0 && len(c.Reach) == 0:
		reach = ", reaching nothing: " + plural(n, "address") + map[bool]string{true: " overrides it", false: " override it"}[n == 1]
	case n == 1:
		reach += "; 1 overrides it"
	case n > 1:
		reach += fmt.Sprintf("; %d override it", n)
	}
	var line string
	switch c.Outcome {
	case Unchanged:
		line = "nothing to change: it is so already"
	case Planned:
		line = fmt.Sprintf("dry run: would change %s%s; nothing was written", plural(len(c.Files), "file"), reach)
	case Written:
		line = fmt.Sprintf("wrote %s%s, not committed", plural(len(c.Files), "file"), reach)
	case Committed:
		line = fmt.Sprintf("committed %s %s%s", s.Yellow(c.Commit[:min(10, len(c.Commit))]), c.Subject, reach)
	}
	if _, err := fmt.Fprintln(t.Out, line); err != nil {
		return err
	}
	if err := FindingsText(t.Err, c.warned, t.ErrStyle()); err != nil {
		return err
	}
	missing, wrong := 0, 0
	for _, f := range c.Findings {
		switch {
		case f.Severity != diag.Error:
		case f.Code == schema.CodeRequired:
			missing++
		default:
			wrong++
		}
	}
	if missing > 0 && c.Outcome != Unchanged {
		t.Note("still missing: %s; see lcm validate", plural(missing, "required value"))
	}
	if wrong > 0 && c.Outcome != Unchanged {
		t.Note("there was something wrong before, and still is: %s; see lcm validate", plural(wrong, "finding"))
	}
	for _, l := range c.Known {
		t.Note("%s loses access to %s, and knows %s of it: lcm keys due --tenant %s", showText(l.Person), l.Values[0].Address.File(), plural(len(l.Values), "value"), l.Tenant)
	}
	if next := c.next(); next != "" {
		t.Note("next: %s", next)
	}
	return nil
}

// next gives the command that most people want after the change.
func (c *Change) next() string {
	switch {
	case c.Outcome == Written:
		return "lcm diff, then commit it with git"
	case c.Outcome != Committed:
		return ""
	case c.Kind == "tenant-add":
		return "give it values: lcm set TENANT/base/NAMESPACE KEY=VALUE; namespaces are declared with lcm namespace add"
	case c.Kind == "namespace-add":
		return "see its fields: lcm namespace show NAME; then lcm set TENANT/base/NAME KEY=VALUE"
	}
	return "lcm diff HEAD~1, or git push"
}
