package display

import (
	"fmt"
	"strings"

	"github.com/llm-devops/lcm/cmd/internal/term"
	"github.com/llm-devops/lcm/pkg/doctor"
)

// Doctor is the report of lcm doctor.
type Doctor struct {
	Checks []doctor.Check `json:"checks"`
	Wrong  int            `json:"wrong"` // how many of them say that something is wrong
}

// DoctorText writes the report for people: a line for each check, with what to do where it is not as it should be.
func DoctorText(t *term.IO, r Doctor) error {
	s := t.Style()
	var b strings.Builder
	fixable := 0
	for _, c := range r.Checks {
		label := s.Green("ok     ")
		switch c.Status {
		case doctor.Warning:
			label = s.Yellow("warning")
		case doctor.Wrong:
			label = s.Red("wrong  ")
		}
		if c.Fixed {
			label = s.Green("fixed  ")
		}
		fmt.Fprintf(&b, "%s  %s %s\n", label, c.Message, s.Dim("["+c.Name+"]"))
		switch {
		case c.Fixed:
			fmt.Fprintf(&b, "         done: %s\n", c.Remedy)
		case c.Status != doctor.OK && c.Hint != "":
			fmt.Fprintf(&b, "         %s %s\n", s.Cyan("hint:"), c.Hint)
		}
		if c.Remedy != "" && !c.Fixed && c.Status != doctor.OK {
			fixable++
		}
	}
	verdict := s.Green("nothing is wrong")
	if r.Wrong > 0 {
		verdict = s.Red(plural(r.Wrong, "thing") + " wrong")
	}
	fmt.Fprintf(&b, "\n%s\n", verdict)
	if _, err := t.Out.Write([]byte(b.String())); err != nil {
		return err
	}
	if fixable > 0 {
		t.Note("next: let lcm do what cannot hurt about it: lcm doctor --fix")
	}
	return nil
}
