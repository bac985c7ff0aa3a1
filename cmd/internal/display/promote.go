package display

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/cmd/internal/term"
	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diff"
	"github.com/llm-devops/lcm/pkg/promote"
	"github.com/llm-devops/lcm/pkg/tree"
)

// PromoteText writes promotion plans for people: what will change, and what stays behind and why.
func PromoteText(w io.Writer, plans []*promote.Plan, s term.Style) error {
	var b strings.Builder
	edits, targets, skips := 0, 0, 0
	for _, p := range plans {
		skips += len(p.Skipped)
		edits += len(p.Edits)
		if !p.Empty() {
			targets++
		}
		if p.Empty() && len(p.Skipped) == 0 && len(plans) > 1 {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		if err := planText(&b, p, s); err != nil {
			return err
		}
	}
	if b.Len() > 0 {
		b.WriteByte('\n')
	}
	b.WriteString(promoteSummary(plans, edits, targets, skips) + "\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func promoteSummary(plans []*promote.Plan, edits, targets, skips int) string {
	text := "nothing to promote: all that can be carried is equal already"
	if edits > 0 {
		text = plural(edits, "edit")
		if len(plans) > 1 {
			text += " in " + plural(targets, "layer")
		}
	}
	if skips > 0 {
		text += fmt.Sprintf("; %s %s behind", plural(skips, "key"), verb(skips, "stays", "stay"))
	}
	return text
}

func planText(b *strings.Builder, p *promote.Plan, s term.Style) error {
	fmt.Fprintf(b, "%s → %s\n", s.Bold(p.From.String()), s.Bold(p.To.String()))
	for _, warning := range p.Warnings {
		fmt.Fprintf(b, "  %s %s\n", s.Yellow("warning:"), warning)
	}
	if !p.Empty() {
		fmt.Fprintf(b, "  %s\n", s.Dim(p.File))
	}
	for _, e := range p.Edits {
		d := &diffText{s: s}
		for _, x := range editDifferences(e) {
			d.difference(x, 0, "")
		}
		b.WriteString(d.b.String())
		if note := editNote(p, e); note != "" {
			fmt.Fprintf(b, "        %s\n", s.Dim(note))
		}
	}
	if len(p.Skipped) == 0 {
		return nil
	}
	fmt.Fprintf(b, "  %s\n", s.Bold("stays as it is"))
	rows := make([][]string, 0, len(p.Skipped))
	for _, k := range p.Skipped {
		rows = append(rows, []string{"      " + s.Cyan(showText(k.Path.String())), skipWords(p, k), s.Dim(skipValues(p, k))})
	}
	return columns(b, rows)
}

// editDifferences gives what an edit makes different in what the target resolves to.
func editDifferences(e promote.Edit) []diff.Difference {
	changes := diff.Trees(e.Old, e.New)
	out := make([]diff.Difference, len(changes))
	for i, c := range changes {
		c.Path = append(e.Path.Clone(), c.Path...)
		out[i] = diff.NewDifference(c)
	}
	return out
}

// editNote says how an edit is made where that is not simply setting the value.
func editNote(p *promote.Plan, e promote.Edit) string {
	switch e.Reason {
	case promote.Inherited:
		return fmt.Sprintf("the override goes: %s inherits this value", p.To)
	case promote.Hidden:
		return "inherited, and hidden with !delete"
	}
	if e.Value != nil && e.Value.Directive != tree.None {
		return "written as " + e.Value.Directive.String()
	}
	return ""
}

func skipWords(p *promote.Plan, k promote.Skip) string {
	switch k.Reason {
	case promote.Secret:
		switch {
		case k.To == nil:
			return fmt.Sprintf("secret, and %s has none", p.To.Environment)
		case k.From == nil:
			return "secret, only here"
		}
		return "secret"
	case promote.Never:
		return "never promoted"
	case promote.Pinned:
		return "pinned"
	case promote.HoldsKept:
		return "tied to secrets or pinned keys"
	case promote.Overridden:
		return "a layer above decides"
	}
	return string(k.Reason)
}

// skipValues gives the values of a key that stays behind, unless they are secret.
func skipValues(p *promote.Plan, k promote.Skip) string {
	if k.Reason == promote.Secret {
		if k.To == nil {
			return fmt.Sprintf("set it: lcm set %s --secret %s", p.To, k.Path)
		}
		return ""
	}
	if k.To != nil && k.From != nil && !k.To.Kind.IsScalar() && k.To.Kind == k.From.Kind {
		return "differs in " + differingKeys(k.To, k.From)
	}
	return fmt.Sprintf("%s, and %s in %s", shortValue(k.To), shortValue(k.From), p.From.Environment)
}

// differingKeys names the first keys in which two collections differ.
func differingKeys(a, b *tree.Node) string {
	const most = 4
	var names []string
	for _, c := range diff.Trees(a, b) {
		name := showText(c.Path.String())
		if name == "" {
			name = "its order"
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if more := len(names) - most; more > 0 {
		names = append(names[:most], fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ")
}

type promotion struct {
	Outcome Outcome      `json:"outcome"`
	Commit  string       `json:"commit,omitempty"`
	Plans   []planReport `json:"plans"`
	Change  *Change      `json:"change,omitempty"` // nothing where there was nothing to do
}

type planReport struct {
	From     address.Address `json:"from"`
	To       address.Address `json:"to"`
	File     string          `json:"file"`
	Edits    []editReport    `json:"edits"`
	Skipped  []skipReport    `json:"skipped"`
	Warnings []string        `json:"warnings,omitempty"`
}

type editReport struct {
	Key       tree.Path      `json:"key"`
	Action    string         `json:"action"` // set, unset or delete
	Directive string         `json:"directive,omitempty"`
	Reason    promote.Reason `json:"reason"`
	Value     *diff.Value    `json:"value,omitempty"` // what is written
	Old       *diff.Value    `json:"old,omitempty"`   // what the key resolves to now
	New       *diff.Value    `json:"new,omitempty"`   // and after
}

type skipReport struct {
	Key    tree.Path      `json:"key"`
	Reason promote.Reason `json:"reason"`
	From   *diff.Value    `json:"from,omitempty"`
	To     *diff.Value    `json:"to,omitempty"`
}

// PromoteJSON writes promotion plans and what became of them as JSON, kind "Promotion". done is nil where there was nothing to do.
func PromoteJSON(w io.Writer, plans []*promote.Plan, done *Change) error {
	report := promotion{Outcome: Unchanged, Plans: make([]planReport, 0, len(plans)), Change: done}
	if done != nil {
		report.Outcome, report.Commit = done.Outcome, done.Commit
	}
	for _, p := range plans {
		r := planReport{
			From: p.From, To: p.To, File: p.File, Warnings: p.Warnings,
			Edits: make([]editReport, 0, len(p.Edits)), Skipped: make([]skipReport, 0, len(p.Skipped)),
		}
		for _, e := range p.Edits {
			x := editReport{Key: e.Path, Action: "set", Reason: e.Reason, Value: jsonValue(e.Value), Old: jsonValue(e.Old), New: jsonValue(e.New)}
			switch {
			case e.Value == nil:
				x.Action = "unset"
			case e.Value.Directive == tree.Delete:
				x.Action, x.Value = "delete", nil
			default:
				x.Directive = e.Value.Directive.String()
			}
			r.Edits = append(r.Edits, x)
		}
		for _, k := range p.Skipped {
			r.Skipped = append(r.Skipped, skipReport{k.Path, k.Reason, jsonValue(k.From), jsonValue(k.To)})
		}
		report.Plans = append(report.Plans, r)
	}
	return JSON(w, "Promotion", report)
}

func jsonValue(n *tree.Node) *diff.Value {
	if n == nil {
		return nil
	}
	return &diff.Value{Node: n}
}
