package display

import (
	"fmt"
	"strings"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/diff"
)

// pairs writes the differences of compared addresses, with the places of both sides.
func (d *diffText) pairs(pairs []diff.Pair) {
	for _, p := range pairs {
		d.space()
		d.line("%s", d.s.Bold(fmt.Sprintf("%s → %s", p.Old, p.New)))
		for _, x := range p.Differences {
			d.difference(x, 0, "")
			d.line("        %s", d.s.Dim(places(x)))
		}
	}
}

// places gives where the values of a difference come from.
func places(x diff.Difference) string {
	place := func(v *diff.Value) string {
		switch {
		case v == nil:
			return "not set"
		case strings.HasPrefix(v.Node.Pos.File, "schema:"):
			return fileTitle(v.Node.Pos.File)
		}
		return diag.Position{File: v.Node.Pos.File, Line: v.Node.Pos.Line}.String()
	}
	return place(x.Old) + " → " + place(x.New)
}

// addresses writes which addresses came and went, those of a tenant together.
func (d *diffText) addresses(changes []diff.AddressChange) {
	if len(changes) > 0 {
		d.space()
	}
	for len(changes) > 0 {
		n := 1
		for n < len(changes) && changes[n].Kind == changes[0].Kind && changes[n].Address.Tenant == changes[0].Address.Tenant {
			n++
		}
		d.tenantAddresses(changes[:n])
		changes = changes[n:]
	}
}

func (d *diffText) tenantAddresses(changes []diff.AddressChange) {
	sign, paint := signOf(d.s, changes[0].Kind)
	word := string(changes[0].Kind)
	if len(changes) > listedAddresses && !d.o.All {
		keys := 0
		for _, c := range changes {
			keys += c.Keys
		}
		d.line("%s", paint(fmt.Sprintf("%s %s of tenant %s %s, with %s", sign, plural(len(changes), "address"), changes[0].Address.Tenant, word, plural(keys, "key"))))
		return
	}
	for _, c := range changes {
		d.line("%s", paint(fmt.Sprintf("%s address %s %s, with %s", sign, c.Address, word, plural(c.Keys, "key"))))
	}
}

// files writes changed files that are no layers, and layers without another value.
func (d *diffText) files(files []diff.FileChange) {
	for _, f := range files {
		d.space()
		heading := d.s.Bold(f.File)
		switch {
		case f.Note != "":
			heading += "  " + d.s.Dim(string(f.Kind)+": "+f.Note)
		case f.Kind != diff.Changed:
			heading += "  " + d.s.Dim(string(f.Kind))
		}
		d.line("%s", heading)
		for _, x := range f.Differences {
			d.difference(x, lineOf(x), "")
		}
		for _, h := range f.Hunks {
			d.hunk(h)
		}
	}
}

func lineOf(x diff.Difference) int {
	if x.New != nil {
		return x.New.Node.Pos.Line
	}
	return x.Old.Node.Pos.Line
}
