package display

import (
	"fmt"
	"strings"

	"github.com/llm-devops/lcm/cmd/internal/term"
)

// Hooks is what lcm hooks install set.
type Hooks struct {
	DryRun bool      `json:"dryRun,omitempty"`
	Set    []Setting `json:"set"` // nothing if all was set already
}

// Setting is a variable of Git's configuration.
type Setting struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// HooksText writes the report of lcm hooks install for people.
func HooksText(t *term.IO, r Hooks) error {
	var b strings.Builder
	verb := "set"
	if r.DryRun {
		verb = "would set"
	}
	for _, s := range r.Set {
		fmt.Fprintf(&b, "%s %s = %s\n", verb, s.Key, s.Value)
	}
	if len(r.Set) == 0 {
		b.WriteString("this clone calls lcm already: nothing to do\n")
	}
	_, err := t.Out.Write([]byte(b.String()))
	return err
}
