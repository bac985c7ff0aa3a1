package display

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/llm-devops/lcm/cmd/internal/term"
	"github.com/llm-devops/lcm/pkg/publish"
)

// PublishPlan writes what publishing would do, or that there is nothing to do.
func PublishPlan(t *term.IO, p *publish.Plan, asJSON, dryRun bool) error {
	if asJSON {
		return indented(t.Out, p)
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
		return indented(t.Out, r)
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

// indented writes a report that carries its own apiVersion and kind.
func indented(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
