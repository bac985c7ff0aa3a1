package command

import (
	"testing"

	"github.com/llm-devops/lcm/cmd/internal/term"
)

// A command line is run by the same command whether it was made alone or with all others.
func TestOneCommandAlone(t *testing.T) {
	whole := newRoot(&env{Process: Process{IO: &term.IO{}}}, "")
	known := map[string]bool{}
	for _, g := range groups() {
		for _, c := range g.commands {
			known[c.name] = true
			one := newRoot(&env{Process: Process{IO: &term.IO{}}}, onlyCommand([]string{c.name, "-h"}))
			if got := one.Commands(); len(got) != 1 || got[0].Name() != c.name {
				t.Errorf("%s: made alone it is %v", c.name, got)
			}
			a, _, errA := whole.Find([]string{c.name})
			b, _, errB := one.Find([]string{c.name})
			if errA != nil || errB != nil || a.CommandPath() != b.CommandPath() || a.GroupID != b.GroupID || len(a.Commands()) != len(b.Commands()) {
				t.Errorf("%s: %s of %s, alone %s of %s: %v, %v", c.name, a.CommandPath(), a.GroupID, b.CommandPath(), b.GroupID, errA, errB)
			}
		}
	}
	for _, c := range whole.Commands() {
		if !known[c.Name()] && c.Name() != "version" {
			t.Errorf("%s is in no group", c.Name())
		}
	}
	for _, args := range [][]string{nil, {"help"}, {"completion"}, {"__complete", "get"}, {"-C", "get"}, {"gte"}, {"version"}, {"--help"}} {
		if only := onlyCommand(args); only != "" {
			t.Errorf("%v: made alone is %s", args, only)
		}
	}
}
