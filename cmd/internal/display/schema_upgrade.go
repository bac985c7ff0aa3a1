package display

import (
	"fmt"

	"github.com/llm-devops/lcm/cmd/internal/term"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/diff"
)

// SchemaUpgrade is the report of moving lcm.lock on.
type SchemaUpgrade struct {
	Modules    []SchemaMove   `json:"modules"`
	Templates  []TemplateMove `json:"templates"`
	Diff       *diff.Report   `json:"diff,omitempty"`       // what comes out differently
	Introduced diag.List      `json:"introduced,omitempty"` // what would be wrong afterwards and is not now
	DryRun     bool           `json:"dryRun,omitempty"`
	Written    bool           `json:"written,omitempty"` // left in the worktree
	Commit     string         `json:"commit,omitempty"`
}

// SchemaMove is one module that moves.
type SchemaMove struct {
	Module string `json:"module"`
	Move
}

// TemplateMove is one reference to a template that moves.
type TemplateMove struct {
	Template string `json:"template"` // NAME, or NAME@1
	Move
}

// Move is from one version to another. From is empty where nothing held it, To where it is not in use any more.
type Move struct {
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
}

// row gives a line for people.
func (m Move) row(s term.Style, name string) []string {
	from, to := m.From, m.To
	switch {
	case from == "":
		from = "not locked"
	case to == "":
		to = "not in use any more"
	case from == to:
		to += " with another text"
	}
	return []string{"  " + s.Cyan(name), s.Red(from) + " → " + s.Green(to)}
}

// SchemaUpgraded writes the report.
func SchemaUpgraded(t *term.IO, r SchemaUpgrade, asJSON bool) error {
	if asJSON {
		return JSON(t.Out, "SchemaUpgrade", r)
	}
	s := t.Style()
	if len(r.Modules)+len(r.Templates) == 0 && r.Diff == nil {
		_, err := fmt.Fprintln(t.Out, "nothing to move: this lcm has nothing newer")
		return err
	}
	var rows [][]string
	for _, m := range r.Modules {
		rows = append(rows, m.row(s, m.Module))
	}
	for _, m := range r.Templates {
		rows = append(rows, m.row(s, "template "+m.Template))
	}
	fmt.Fprintln(t.Out, s.Bold("lcm.lock"))
	if err := columns(t.Out, rows); err != nil {
		return err
	}
	if r.Diff != nil {
		fmt.Fprintln(t.Out)
		if err := DiffText(t.Out, r.Diff, s, DiffOptions{All: true, SkipRefused: true}); err != nil {
			return err
		}
	}
	if len(r.Introduced) > 0 && (r.DryRun || r.Written) {
		fmt.Fprintln(t.Out)
		if err := FindingsText(t.Out, r.Introduced, s); err != nil {
			return err
		}
	}
	switch {
	case r.DryRun:
		fmt.Fprintln(t.Out, "dry run: nothing was written")
	case r.Written:
		fmt.Fprintln(t.Out, "wrote lcm.lock, not committed")
	case r.Commit != "":
		fmt.Fprintf(t.Out, "committed %s\n", s.Yellow(r.Commit[:min(10, len(r.Commit))]))
	}
	return nil
}
