package display

import (
	"fmt"
	"io"
	"strings"

	"github.com/llm-devops/lcm/cmd/internal/term"
	"github.com/llm-devops/lcm/pkg/bundle"
	"github.com/llm-devops/lcm/pkg/publish"
)

// The outcomes of publishing, beside Planned and Unchanged.
const (
	Published Outcome = "published"
	Failed    Outcome = "failed" // at least one bundle; the others are published
)

// publication is what publishing does, whether it was done or not.
type publication struct {
	Outcome Outcome           `json:"outcome"`
	Target  string            `json:"target"`
	Store   string            `json:"store"`
	Secrets string            `json:"secrets,omitempty"` // the secret store; nothing if secrets travel sealed
	Units   []publicationUnit `json:"units"`             // by tenant and environment
}

// publicationUnit is a part of a plan, and what became of it where it was carried out.
type publicationUnit struct {
	*publish.UnitPlan
	Serial   int64         `json:"serial,omitempty"`   // the active one, afterwards
	Manifest bundle.Digest `json:"manifest,omitempty"` // of its signed manifest
	Commit   string        `json:"commit,omitempty"`   // that is published, afterwards
	Error    string        `json:"error,omitempty"`    // why the unit was not published; its old version is still active
}

// newPublication makes the report of a plan. The result is nil where nothing was carried out.
func newPublication(p *publish.Plan, r *publish.Result, dryRun bool) publication {
	out := publication{Outcome: Unchanged, Target: p.Target, Store: p.Store, Secrets: p.Secrets}
	switch {
	case r != nil:
		out.Outcome = Published
	case dryRun && p.Changed():
		out.Outcome = Planned
	}
	for i, u := range p.Units {
		unit := publicationUnit{UnitPlan: u}
		if r != nil && i < len(r.Units) {
			done := r.Units[i]
			unit.Serial, unit.Manifest, unit.Commit, unit.Error = done.Serial, done.Digest, done.Commit, done.Error
			if done.Error != "" {
				out.Outcome = Failed
			}
		}
		out.Units = append(out.Units, unit)
	}
	return out
}

// PublishPlan writes what publishing would do, or that there is nothing to do.
func PublishPlan(t *term.IO, p *publish.Plan, asJSON, dryRun bool) error {
	if asJSON {
		return JSON(t.Out, "Publication", newPublication(p, nil, dryRun))
	}
	s := t.Style()
	var b strings.Builder
	writeUnits(&b, s, p.Units)
	if !p.Changed() {
		fmt.Fprintf(&b, "nothing to publish: %s has it all already\n", p.Store)
	} else if dryRun {
		fmt.Fprintf(&b, "dry run: nothing was written to %s\n", p.Store)
	}
	_, err := io.WriteString(t.Out, b.String())
	return err
}

// listedUnchanged is how many units that stay as they are get a line each.
const listedUnchanged = 12

// writeUnits writes what happens to each unit; many that stay as they are share one line.
func writeUnits(b *strings.Builder, s term.Style, units []*publish.UnitPlan) {
	unchanged := 0
	for _, u := range units {
		if u.Action == publish.Unchanged {
			unchanged++
		}
	}
	for _, u := range units {
		if u.Action != publish.Unchanged || unchanged <= listedUnchanged {
			writeUnit(b, s, u)
		}
	}
	if unchanged > listedUnchanged {
		fmt.Fprintf(b, "%s\n", s.Dim(plural(unchanged, "bundle")+" unchanged"))
	}
}

func writeUnit(b *strings.Builder, s term.Style, u *publish.UnitPlan) {
	if u.Action == publish.Unchanged {
		fmt.Fprintf(b, "%s  %s\n", s.Bold(u.Unit.String()), s.Dim(fmt.Sprintf("unchanged, version %d", u.OldSerial)))
		return
	}
	step := fmt.Sprintf("version %d", u.NewSerial)
	switch {
	case u.NewSerial == 0:
		step = fmt.Sprintf("version %d, repaired", u.OldSerial)
	case u.OldSerial > 0:
		step = fmt.Sprintf("version %d → %d", u.OldSerial, u.NewSerial)
	}
	fmt.Fprintf(b, "%s  %s", s.Bold(u.Unit.String()), s.Yellow(step))
	if u.Rollback {
		b.WriteString("  " + s.Red("rollback"))
	}
	b.WriteByte('\n')
	for _, n := range u.Namespaces {
		mark := map[publish.Action]string{
			publish.Create: s.Green("+"), publish.Update: s.Yellow("~"), publish.Remove: s.Red("-"), publish.Repair: s.Yellow("!"),
		}[n.Action]
		if mark == "" {
			continue
		}
		fmt.Fprintf(b, "  %s %s", mark, n.Name)
		if n.NewDigest != "" && n.NewDigest != n.OldDigest {
			fmt.Fprintf(b, "  %s", s.Dim(fmt.Sprintf("%s, %s", n.NewDigest.Short(), plural(int(n.NewSize), "byte"))))
		}
		b.WriteByte('\n')
		for _, list := range []struct {
			mark string
			keys []string
		}{
			{s.Green("+"), n.Secrets.Added},
			{s.Yellow("~"), n.Secrets.Changed},
			{s.Red("-"), n.Secrets.Removed},
		} {
			for _, k := range list.keys {
				fmt.Fprintf(b, "      %s secret %s\n", list.mark, s.Cyan(k))
			}
		}
		if n.Secrets.Resealed {
			b.WriteString("      ~ secrets sealed anew\n")
		}
		if n.Secrets.Moved {
			b.WriteString("      ~ secrets move to another place\n")
		}
	}
}

// PublishResult writes what publishing did.
func PublishResult(t *term.IO, p *publish.Plan, r *publish.Result, asJSON bool) error {
	if asJSON {
		return JSON(t.Out, "Publication", newPublication(p, r, false))
	}
	s := t.Style()
	var b strings.Builder
	published := 0
	var done []*publish.UnitPlan
	for i, u := range r.Units {
		switch {
		case u.Error != "":
			fmt.Fprintf(&b, "%s  %s\n", s.Bold(u.Unit.String()), s.Red("not published: ")+u.Error)
		case i < len(p.Units):
			done = append(done, p.Units[i])
			if u.Action != publish.Unchanged {
				published++
			}
		}
	}
	writeUnits(&b, s, done)
	fmt.Fprintf(&b, "published %s to %s", plural(published, "bundle"), p.Store)
	if p.Secrets != "" {
		fmt.Fprintf(&b, ", secrets in %s", p.Secrets)
	}
	b.WriteByte('\n')
	_, err := io.WriteString(t.Out, b.String())
	return err
}
