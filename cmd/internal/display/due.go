package display

import (
	"fmt"
	"strings"
	"time"

	"github.com/llm-devops/lcm/cmd/internal/term"
	"github.com/llm-devops/lcm/pkg/due"
	"github.com/llm-devops/lcm/pkg/tree"
)

// Due is what is left to be changed at its source.
type Due struct {
	Items []*due.List `json:"items"` // of each list, the values that are left
}

// Left counts the values.
func (d Due) Left() int {
	n := 0
	for _, l := range d.Items {
		n += len(l.Values)
	}
	return n
}

// DueText writes it for people.
func DueText(t *term.IO, d Due) error {
	s := t.Style()
	var b strings.Builder
	for _, l := range d.Items {
		if len(l.Values) == 0 {
			fmt.Fprintf(&b, "%s knows nothing of %s any more: %s can be removed\n", s.Bold(showText(l.Person)), l.Tenant, l.File)
			continue
		}
		fmt.Fprintf(&b, "%s knows %s of %s since %s\n", s.Bold(showText(l.Person)), plural(len(l.Values), "value"), l.Tenant, l.Since.Format(time.DateOnly))
		valuesText(&b, s, l, len(l.Values))
	}
	if len(d.Items) == 0 {
		b.WriteString("nothing is due\n")
	}
	if _, err := t.Out.Write([]byte(b.String())); err != nil {
		return err
	}
	for _, l := range d.Items {
		if len(l.Values) > 0 {
			t.Note("next: change each at its source, then %s", setAnew(l.Values[0]))
			break
		}
	}
	return nil
}

// valuesText writes the first values of a list by their addresses.
func valuesText(b *strings.Builder, s term.Style, l *due.List, most int) {
	last := ""
	for i, v := range l.Values {
		if i == most {
			fmt.Fprintf(b, "  and %d more\n", len(l.Values)-i)
			return
		}
		if a := v.Address.String(); a != last {
			b.WriteString("  " + a + "\n")
			last = a
		}
		b.WriteString("    " + s.Cyan(showText(v.Key)) + "\n")
	}
}

// setAnew gives the command that sets a value.
func setAnew(v due.Value) string {
	key := v.Key
	if strings.Trim(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != "" {
		key = "'" + strings.ReplaceAll(key, "'", `'\''`) + "'"
	}
	if p, err := tree.ParsePath(v.Key); err != nil || len(p) == 0 {
		return "lcm edit " + v.Address.String()
	}
	return showText(fmt.Sprintf("lcm set %s --secret %s", v.Address, key))
}
