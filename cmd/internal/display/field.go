package display

import (
	"fmt"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/cmd/internal/term"
	"github.com/llm-devops/lcm/pkg/schema"
	"github.com/llm-devops/lcm/pkg/tree"
)

// Field is one field of a schema.
type Field struct {
	Key        string       `json:"key"` // <name> for any key of a map, [] for the items of a list
	Types      []string     `json:"types,omitempty"`
	Required   bool         `json:"required,omitempty"`
	When       []string     `json:"when,omitempty"` // the conditions under which it is required, or exists
	Secret     bool         `json:"secret,omitempty"`
	SecretType string       `json:"secretType,omitempty"`
	Rotation   string       `json:"rotation,omitempty"` // how often the secret is to be changed: 90d
	Owner      string       `json:"owner,omitempty"`    // who changes it
	Promote    bool         `json:"promote"`
	Merge      string       `json:"merge,omitempty"` // append, prepend, replace, merge or key=FIELD
	Default    *tree.Node   `json:"default,omitempty"`
	Enum       []*tree.Node `json:"enum,omitempty"`   // the allowed values, if these are all
	Bounds     []string     `json:"bounds,omitempty"` // other demands, to be read behind "must"
	Doc        string       `json:"doc,omitempty"`
}

// NewField makes the report of a field.
func NewField(key string, f schema.Field) Field {
	out := Field{
		Key: key, Required: f.Required, When: readable(f.Conditions), Secret: f.Secret, SecretType: f.SecretType, Rotation: f.Rotation, Owner: f.Owner,
		Promote: !f.NoPromote && !f.Secret, Merge: f.Merge.String(), Default: f.Default, Enum: f.Enum, Bounds: f.Bounds, Doc: f.Doc,
	}
	for _, k := range f.Kinds {
		if k == tree.Int && slices.Contains(f.Kinds, tree.Float) {
			continue // a number says it all
		}
		out.Types = append(out.Types, k.String())
	}
	return out
}

// readable leaves out conditions on a schema's own helpers, whose names mean nothing to who writes a configuration.
func readable(conditions []string) []string {
	return slices.DeleteFunc(slices.Clone(conditions), func(c string) bool { return strings.Contains(c, "(_") })
}

// typeText gives the types of a field in a column.
func (f Field) typeText() string {
	if len(f.Types) > 5 {
		return "any"
	}
	return strings.Join(f.Types, " | ")
}

// demands says in sentences what a field's value must be and how it is treated; quote sets what is not prose.
func (f Field) demands(quote func(string) string) []string {
	var lines []string
	if len(f.Enum) > 0 {
		values := make([]string, len(f.Enum))
		for i, n := range f.Enum {
			values[i] = quote(Value(n))
		}
		if len(values) == 1 {
			lines = append(lines, "must be "+values[0])
		} else {
			lines = append(lines, "one of "+strings.Join(values, ", "))
		}
	}
	if len(f.Bounds) > 0 {
		lines = append(lines, "must "+boundsText(f.Bounds, quote))
	}
	switch kind, id, _ := strings.Cut(f.Merge, "="); kind {
	case "key":
		lines = append(lines, "items of several layers are one where they have the same "+quote(id))
	case "append":
		lines = append(lines, "a layer's items come after those of lower layers")
	case "prepend":
		lines = append(lines, "a layer's items come before those of lower layers")
	case "merge":
		lines = append(lines, "lists of several layers merge item by item")
	}
	if f.Secret {
		text := "encrypted"
		if f.SecretType != "" {
			text += ", a secret of type " + f.SecretType
		}
		if f.Rotation != "" {
			text += ", to be changed every " + f.Rotation
		}
		if f.Owner != "" {
			text += " by " + f.Owner
		}
		lines = append(lines, text)
	}
	return lines
}

// boundsText joins demands such as "be at least 1" and "be at most 9", without saying the verb twice.
func boundsText(bounds []string, quote func(string) string) string {
	var b strings.Builder
	last := ""
	for i, bound := range bounds {
		verb, rest, _ := strings.Cut(bound, " ")
		not := ""
		if verb == "not" {
			not = "not "
			verb, rest, _ = strings.Cut(rest, " ")
		}
		if verb == "match" || verb == "satisfy" {
			rest = quote(rest)
		}
		if i > 0 {
			b.WriteString(" and ")
		}
		b.WriteString(not)
		if not != "" || verb != last {
			b.WriteString(verb + " ")
		}
		b.WriteString(rest)
		if last = verb; not != "" {
			last = ""
		}
	}
	return b.String()
}

// fieldLines gives fields for people, a line each, with what is said about them below: the first line of their comment, or
// in full all there is.
func fieldLines(s term.Style, fields []Field, full bool) (string, error) {
	rows := [][]string{{s.Dim("KEY"), s.Dim("TYPE"), s.Dim("DEFAULT"), ""}}
	for _, f := range fields {
		var marks []string
		switch {
		case f.Secret:
			marks = append(marks, s.Yellow("secret"))
		case !f.Promote:
			marks = append(marks, s.Blue("not promoted"))
		}
		switch {
		case f.Required && len(f.When) > 0:
			marks = append(marks, s.Red("required when ")+strings.Join(f.When, ", "))
		case f.Required:
			marks = append(marks, s.Red("required"))
		case len(f.When) > 0:
			marks = append(marks, "when "+strings.Join(f.When, ", "))
		}
		def := ""
		if f.Default != nil {
			def = Value(f.Default)
		}
		rows = append(rows, []string{s.Cyan(f.Key), f.typeText(), def, strings.Join(marks, ", ")})
		// The sentence about a field gets a line of its own: beside the columns it would break on most terminals.
	}
	var table, b strings.Builder
	if err := columns(&table, rows); err != nil {
		return "", err
	}
	for i, line := range strings.Split(strings.TrimSuffix(table.String(), "\n"), "\n") {
		b.WriteString(line + "\n")
		if i == 0 {
			continue
		}
		f := fields[i-1]
		if !full {
			f.Doc, _, _ = strings.Cut(f.Doc, "\n")
		}
		if f.Doc != "" {
			for text := range strings.SplitSeq(f.Doc, "\n") {
				fmt.Fprintf(&b, "    %s\n", s.Dim(text))
			}
		}
		if full {
			for _, text := range f.demands(func(text string) string { return text }) {
				fmt.Fprintf(&b, "    %s\n", text)
			}
		}
	}
	return b.String(), nil
}
