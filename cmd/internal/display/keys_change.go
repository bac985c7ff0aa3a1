package display

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/cmd/internal/term"
	"github.com/llm-devops/lcm/pkg/change"
	"github.com/llm-devops/lcm/pkg/due"
	"github.com/llm-devops/lcm/pkg/rekey"
	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// KeysChange is the report of a change of who can open secrets.
type KeysChange struct {
	Kind    string       `json:"change"`
	Outcome Outcome      `json:"outcome"`
	Commit  string       `json:"commit,omitempty"`
	Subject string       `json:"subject"`
	Tenants []KeysTenant `json:"tenants"`
	Files   []string     `json:"files"` // all that change
	Known   []*due.List  `json:"known"` // what those who lose access still know
}

// KeysTenant is what becomes of one tenant.
type KeysTenant struct {
	Name        string         `json:"name"`
	Gained      []AccessChange `json:"gained,omitempty"`
	Lost        []AccessChange `json:"lost,omitempty"`
	Files       []string       `json:"files"`               // that are re-encrypted
	Regrouped   bool           `json:"regrouped,omitempty"` // its key groups change, or of how many it takes a key
	Takes       string         `json:"takes,omitempty"`     // what it takes to open a secret from then on, if that changes
	TookBefore  string         `json:"tookBefore,omitempty"`
	NewDataKeys int            `json:"newDataKeys"` // how many of them with a new data key
	Unchanged   int            `json:"unchanged"`   // files with secrets that are right already
	Error       string         `json:"error,omitempty"`
}

// AccessChange is a key that begins or ceases to open files.
type AccessChange struct {
	Name  string `json:"name,omitempty"`
	Key   string `json:"key"`
	Files int    `json:"files"`
}

// NewKeysChange makes the report of a prepared change.
func NewKeysChange(ctx context.Context, p *change.Plan, tenants []rekey.Tenant) (*KeysChange, error) {
	report := &KeysChange{Kind: p.Kind(), Subject: p.Subject(), Tenants: []KeysTenant{}, Known: []*due.List{}, Files: slices.Sorted(maps.Keys(p.Files))}
	for _, t := range tenants {
		names := map[string]string{}
		before, errBefore := p.Before.Tenant(ctx, t.Name)
		after, errAfter := p.After.Tenant(ctx, t.Name)
		if errAfter != nil {
			return nil, errAfter
		}
		if errBefore != nil {
			before = nil
		}
		for _, of := range []*workspace.Tenant{before, after} {
			for _, r := range of.All() {
				names[r.Key] = r.Name
			}
		}
		item := KeysTenant{Name: t.Name, Files: []string{}, Unchanged: t.Same}
		// What tenant.yaml says may change though there is no file yet that follows.
		item.Gained = accessChanges(nil, policyKeys(after, before), names)
		item.Lost = accessChanges(nil, policyKeys(before, after), names)
		for _, f := range t.Files {
			item.Files = append(item.Files, f.Path)
			item.Gained = accessChanges(item.Gained, f.Gained, names)
			item.Lost = accessChanges(item.Lost, f.Lost, names)
			if item.Regrouped = item.Regrouped || f.Regrouped; f.Regrouped {
				item.Takes, item.TookBefore = f.After.String(), f.Before.String()
			}
			count(&item.Gained, f.Gained)
			count(&item.Lost, f.Lost)
			if f.NewDataKey {
				item.NewDataKeys++
			}
		}
		if t.Err != nil {
			item.Error = t.Err.Error()
		}
		report.Tenants = append(report.Tenants, item)
	}
	return report, nil
}

// policyKeys gives the keys that one version of a tenant names and the other does not.
func policyKeys(of, other *workspace.Tenant) []string {
	var out []string
	for _, r := range of.All() {
		if !slices.ContainsFunc(other.All(), func(o workspace.Recipient) bool { return o.Key == r.Key }) {
			out = append(out, r.Key)
		}
	}
	return out
}

// accessChanges adds the keys that are not there yet.
func accessChanges(list []AccessChange, keys []string, names map[string]string) []AccessChange {
	for _, key := range keys {
		if !slices.ContainsFunc(list, func(c AccessChange) bool { return c.Key == key }) {
			list = append(list, AccessChange{Name: names[key], Key: key})
		}
	}
	return list
}

// count counts a file for keys.
func count(list *[]AccessChange, keys []string) {
	for i, c := range *list {
		if slices.Contains(keys, c.Key) {
			(*list)[i].Files++
		}
	}
}

// maxKnown bounds the values that are shown of a list which is in a file.
const maxKnown = 100

// KeysChangeText writes the report for people.
func KeysChangeText(t *term.IO, c *KeysChange) error {
	s := t.Style()
	var b strings.Builder
	for _, item := range c.Tenants {
		if len(item.Files)+len(item.Gained)+len(item.Lost) == 0 && item.Error == "" {
			continue
		}
		b.WriteString(s.Bold(item.Name) + "\n")
		for _, g := range item.Gained {
			fmt.Fprintf(&b, "  %s %s\n", s.Green("+"), access(g))
		}
		for _, l := range item.Lost {
			fmt.Fprintf(&b, "  %s %s\n", s.Red("-"), access(l))
		}
		if item.Regrouped {
			fmt.Fprintf(&b, "  %s %s\n", s.Yellow("~"), regroupedText(item))
		}
		switch {
		case item.Error != "":
			fmt.Fprintf(&b, "  %s %s\n", s.Red("left as it is:"), item.Error)
		case len(item.Files) > 0:
			fmt.Fprintf(&b, "  %s re-encrypted%s\n", plural(len(item.Files), "file"), dataKeysText(item))
		}
	}
	for _, l := range c.Known {
		fmt.Fprintf(&b, "%s still knows %s of %s; change each at its source, then set it anew:\n", s.Bold(showText(l.Person)), plural(len(l.Values), "value"), l.Tenant)
		valuesText(&b, s, l, maxKnown)
		if c.Outcome != Planned {
			fmt.Fprintf(&b, "  the list is in %s\n", l.File)
		}
	}
	b.WriteString(c.outcome(s) + "\n")
	if _, err := t.Out.Write([]byte(b.String())); err != nil {
		return err
	}
	if next := c.next(); next != "" {
		t.Note("next: %s", next)
	}
	return nil
}

// regroupedText says what it takes to open a secret, where that changes.
func regroupedText(t KeysTenant) string {
	switch {
	case t.Takes == t.TookBefore:
		return "other key groups; it takes " + t.Takes + ", as before"
	case t.Takes == "one key":
		return "it takes one key, any of them, and took " + t.TookBefore
	}
	return "it takes " + t.Takes + ", and took " + t.TookBefore
}

func access(c AccessChange) string { return Person(c.Name, c.Key) }

// Person gives somebody's name and enough of a key to know it by; the key alone where nobody is named.
func Person(name, key string) string {
	if name == "" {
		return showText(seal.ShortKey(key))
	}
	return showText(fmt.Sprintf("%s (%s)", name, seal.ShortKey(key)))
}

func dataKeysText(t KeysTenant) string {
	switch t.NewDataKeys {
	case 0:
		return ""
	case len(t.Files):
		return ", with new data keys"
	}
	return fmt.Sprintf(", %d of them with new data keys", t.NewDataKeys)
}

func (c *KeysChange) outcome(s term.Style) string {
	switch c.Outcome {
	case Unchanged:
		if slices.ContainsFunc(c.Tenants, func(t KeysTenant) bool { return t.Error != "" }) {
			return "nothing was changed"
		}
		return "nothing to change: it is so already"
	case Planned:
		return fmt.Sprintf("dry run: would change %s; nothing was written", plural(len(c.Files), "file"))
	case Written:
		return fmt.Sprintf("wrote %s, not committed", plural(len(c.Files), "file"))
	}
	return fmt.Sprintf("committed %s %s", s.Yellow(c.Commit[:min(10, len(c.Commit))]), c.Subject)
}

// next gives the command that most people want after the change.
func (c *KeysChange) next() string {
	left := []string{}
	for _, t := range c.Tenants {
		if t.Error != "" {
			left = append(left, t.Name)
		}
	}
	switch {
	case len(left) > 0:
		command := "sync"
		if c.Kind == "keys-rotate" {
			command = "rotate"
		}
		return "somebody who can open them: lcm keys " + command + tenantFlags(left, 0)
	case c.Outcome == Written:
		return "lcm diff, then commit it with git"
	case c.Outcome == Committed && len(c.Known) > 0:
		return "git push, and lcm keys due for what is left to be changed"
	case c.Outcome == Committed:
		return "git push"
	}
	return ""
}
