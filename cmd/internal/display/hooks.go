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

	PreCommit      *Hook `json:"preCommit,omitempty"`
	PreMergeCommit *Hook `json:"preMergeCommit,omitempty"`
}

// Hook is what became of one of Git's hooks.
type Hook struct {
	File  string    `json:"file"` // where Git looks for it, as seen from the root
	State HookState `json:"state"`
	Kept  string    `json:"kept,omitempty"` // where the hook is that was there before
	Why   string    `json:"why,omitempty"`  // it is not written
	Do    string    `json:"do,omitempty"`   // what to add, and where, in its place
}

// HookState says whether a hook calls lcm.
type HookState string

// The states. Written is of this run, Present of an earlier one or somebody else's doing, Manual for somebody to do.
const (
	HookWritten HookState = "written"
	HookPresent HookState = "present"
	HookManual  HookState = "manual"
)

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
	verb = "wrote"
	if r.DryRun {
		verb = "would write"
	}
	for _, hook := range []*Hook{r.PreCommit, r.PreMergeCommit} {
		switch {
		case hook == nil:
		case hook.State == HookWritten:
			fmt.Fprintf(&b, "%s %s\n", verb, hook.File)
			if hook.Kept != "" {
				fmt.Fprintf(&b, "    the hook that was there is run first: %s\n", hook.Kept)
			}
		case hook.State == HookManual:
			fmt.Fprintf(&b, "%s is left as it is: %s\n%s\n", hook.File, hook.Why, hook.Do)
		}
	}
	if b.Len() == 0 {
		b.WriteString("this clone calls lcm already: nothing to do\n")
	}
	_, err := t.Out.Write([]byte(b.String()))
	return err
}
