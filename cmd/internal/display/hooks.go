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

	PreCommit *PreCommit `json:"preCommit,omitempty"`
}

// PreCommit is what became of the hook pre-commit.
type PreCommit struct {
	File  string         `json:"file"` // where Git looks for it, as seen from the root
	State PreCommitState `json:"state"`
	Kept  string         `json:"kept,omitempty"` // where the hook is that was there before
	Why   string         `json:"why,omitempty"`  // it is not written
	Do    string         `json:"do,omitempty"`   // what to add, and where, in its place
}

// PreCommitState says whether a hook calls lcm.
type PreCommitState string

// The states. Written is of this run, Present of an earlier one or somebody else's doing, Manual for somebody to do.
const (
	PreCommitWritten PreCommitState = "written"
	PreCommitPresent PreCommitState = "present"
	PreCommitManual  PreCommitState = "manual"
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
	hook := r.PreCommit
	switch {
	case hook == nil:
	case hook.State == PreCommitWritten:
		verb = "wrote"
		if r.DryRun {
			verb = "would write"
		}
		fmt.Fprintf(&b, "%s %s\n", verb, hook.File)
		if hook.Kept != "" {
			fmt.Fprintf(&b, "    the hook that was there is run first: %s\n", hook.Kept)
		}
	case hook.State == PreCommitManual:
		fmt.Fprintf(&b, "%s is left as it is: %s\n%s\n", hook.File, hook.Why, hook.Do)
	}
	if len(r.Set) == 0 && (hook == nil || hook.State == PreCommitPresent) {
		b.WriteString("this clone calls lcm already: nothing to do\n")
	}
	_, err := t.Out.Write([]byte(b.String()))
	return err
}
