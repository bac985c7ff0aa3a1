package display

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/llm-devops/lcm/cmd/internal/term"
	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/gitrepo"
	"github.com/llm-devops/lcm/pkg/inventory"
)

// Secrets is a list of secrets.
type Secrets struct {
	Items []SecretItem `json:"items"`
	Due   int          `json:"due"` // how many of the items are due
}

// SecretItem is one secret where it is stored.
type SecretItem struct {
	*inventory.Secret
	Due     *time.Time `json:"due,omitempty"`     // when it is to be changed
	Overdue bool       `json:"overdue,omitempty"` // that time has come
	AgeDays *int       `json:"ageDays,omitempty"` // since it was changed, in whole days

	now time.Time
}

// NewSecretItem makes the report of one secret at a time.
func NewSecretItem(s *inventory.Secret, now time.Time) SecretItem {
	item := SecretItem{Secret: s, now: now}
	if age, ok := s.Age(now); ok {
		days := int(age / (24 * time.Hour))
		item.AgeDays = &days
	}
	if due, ok := s.Due(); ok {
		due = due.UTC()
		item.Due, item.Overdue = &due, !now.Before(due)
	}
	return item
}

// NewSecrets makes the report of a list, of those alone that are due if so asked.
func NewSecrets(secrets []*inventory.Secret, now time.Time, due bool) Secrets {
	report := Secrets{Items: []SecretItem{}}
	for _, s := range secrets {
		item := NewSecretItem(s, now)
		if item.Overdue {
			report.Due++
		}
		if !due || item.Overdue {
			report.Items = append(report.Items, item)
		}
	}
	return report
}

// SecretsText writes a list for people.
func SecretsText(t *term.IO, l Secrets) error {
	s := t.Style()
	if len(l.Items) == 0 {
		_, err := fmt.Fprintln(t.Out, "no secrets")
		return err
	}
	head := []string{"LAYER", "KEY", "TYPE", "SINCE", "CHANGED", "BY", "DUE"}
	for i := range head {
		head[i] = s.Dim(head[i])
	}
	rows := [][]string{head}
	for _, item := range l.Items {
		rows = append(rows, []string{
			s.Blue(item.Address.String()), s.Cyan(item.Key.String()), cmp.Or(item.Type, "-"), dayOf(item.Since, item.Cut), item.changed(s), showText(author(item.Changed)), item.due(s),
		})
	}
	if err := columns(t.Out, rows); err != nil {
		return err
	}
	if l.Due > 0 {
		_, err := fmt.Fprintf(t.Err, "%s; change one with: lcm set ADDR --secret KEY\n", s.Yellow(plural(l.Due, "secret")+" due"))
		return err
	}
	return nil
}

func (i SecretItem) changed(s term.Style) string {
	switch {
	case !i.Encrypted:
		return s.Red("in plain text")
	case i.Uncommitted:
		return s.Yellow("not committed")
	}
	return dayOf(i.Changed, false)
}

func (i SecretItem) due(s term.Style) string {
	switch {
	case i.Due == nil:
		return "-"
	case i.Overdue:
		return s.Red(showDays(i.now.Sub(*i.Due)) + " ago")
	}
	return "in " + showDays(i.Due.Sub(i.now))
}

// showDays gives a span of time in days, or in hours where it is less than two.
func showDays(d time.Duration) string {
	if d < 48*time.Hour {
		return plural(int(d/time.Hour), "hour")
	}
	return plural(int(d/(24*time.Hour)), "day")
}

func dayOf(c *gitrepo.CommitInfo, cut bool) string {
	if c == nil {
		return "-"
	}
	text := day(c.Committed)
	if cut {
		return "before " + text
	}
	return text
}

func author(c *gitrepo.CommitInfo) string {
	if c == nil {
		return "-"
	}
	return c.Author
}

// Secret is the report of one secret as an address has it.
type Secret struct {
	For address.Address `json:"for"` // who reads it
	SecretItem
	Recipients []SecretRecipient `json:"recipients,omitempty"` // of the file
	Value      *string           `json:"value,omitempty"`      // if it was to be revealed

	// Of how many key groups of the file it takes a key to open it; 0 where each recipient opens it alone.
	Threshold int `json:"threshold,omitempty"`
}

// SecretRecipient is somebody for whom a file is encrypted.
type SecretRecipient struct {
	Key  string `json:"key"`
	Name string `json:"name,omitempty"` // as the tenant's file has it
}

// SecretText writes the report of one secret for people.
func SecretText(t *term.IO, r *Secret) error {
	s := t.Style()
	rows := [][]string{{s.Dim("secret"), s.Cyan(r.Key.String()) + " of " + s.Blue(r.For.String())}, {s.Dim("stored"), r.Position.String()}}
	add := func(name, text string) {
		if text != "" {
			rows = append(rows, []string{s.Dim(name), text})
		}
	}
	add("type", r.Type)
	add("owner", r.Owner)
	if r.Since != nil {
		add("since", dayOf(r.Since, r.Cut))
	}
	if r.Changed != nil {
		add("changed", fmt.Sprintf("%s by %s in %s, %s", dayOf(r.Changed, false), showText(r.Changed.Author), s.Yellow(r.Changed.Revision.Short()), showText(r.Changed.Subject)))
	}
	if r.Uncommitted {
		add("changed", s.Yellow("not committed"))
	}
	switch {
	case r.Due == nil:
	case r.Due.Equal(r.Expires):
		add("expires", fmt.Sprintf("%s, %s", day(r.Expires), r.due(s)))
	default:
		add("due", fmt.Sprintf("%s (every %s)", r.due(s), r.Rotation))
	}
	names := make([]string, 0, len(r.Recipients))
	for _, to := range r.Recipients {
		names = append(names, cmp.Or(to.Name, to.Key))
	}
	slices.Sort(names)
	opens := strings.Join(names, ", ")
	if r.Threshold > 0 {
		opens = fmt.Sprintf("keys of %d groups together: %s", r.Threshold, opens)
	}
	add("opens for", showText(opens))
	if !r.Encrypted && r.Type+r.Rotation != "" {
		add("state", s.Red("in plain text"))
	}
	if err := columns(t.Out, rows); err != nil {
		return err
	}
	if r.Value == nil {
		return nil
	}
	_, err := fmt.Fprintf(t.Out, "%s\n%s\n", s.Dim("value"), *r.Value)
	return err
}
