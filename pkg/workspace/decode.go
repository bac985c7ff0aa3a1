package workspace

import (
	"fmt"
	"maps"
	"slices"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
)

// decoder reads the repository's own small files strictly: everything wrong becomes a finding with its position.
type decoder struct {
	file     string
	findings diag.List
}

func (d *decoder) report(code string, pos diag.Position, message, hint string) {
	if pos.IsZero() {
		pos.File = d.file
	}
	d.findings = append(d.findings, diag.Finding{Code: code, Severity: diag.Error, Position: pos, Message: message, Hint: hint})
}

// object hands each field of a map to its reader and reports the unknown ones; what names the map for messages.
func (d *decoder) object(n *tree.Node, what string, readers map[string]func(tree.Field)) {
	if n.Kind != tree.Map {
		d.report("settings-type", n.Pos, fmt.Sprintf("%s must be a map, and this is %s", what, kindOf(n)), "")
		return
	}
	for _, f := range n.Fields() {
		read, ok := readers[f.Key]
		if !ok {
			known := slices.Sorted(maps.Keys(readers))
			d.report("settings-unknown-field", f.Pos, fmt.Sprintf("%s has no field %q", what, f.Key),
				diag.DidYouMean(f.Key, known, fmt.Sprintf("the fields are %v", known)))
			continue
		}
		read(f)
	}
}

// kindOf names what stands in the place of something else.
func kindOf(n *tree.Node) string {
	switch n.Kind {
	case tree.Null:
		return "empty"
	case tree.Int:
		return "an " + n.Kind.String()
	}
	return "a " + n.Kind.String()
}

func (d *decoder) entries(f tree.Field, each func(tree.Field)) {
	if f.Value.Kind != tree.Map {
		if f.Value.Kind != tree.Null {
			d.report("settings-type", f.Value.Pos, fmt.Sprintf("%s must be a map, and this is %s", f.Key, kindOf(f.Value)), "")
		}
		return
	}
	for _, e := range f.Value.Fields() {
		each(e)
	}
}

func (d *decoder) list(f tree.Field, each func(*tree.Node)) {
	if f.Value.Kind != tree.List {
		d.report("settings-type", f.Value.Pos, fmt.Sprintf("%s must be a list, and this is %s", f.Key, kindOf(f.Value)), "")
		return
	}
	for _, item := range f.Value.Items() {
		each(item)
	}
}

func (d *decoder) text(f tree.Field) string {
	if f.Value.Kind != tree.String {
		d.report("settings-type", f.Value.Pos, fmt.Sprintf("%s must be a string, and this is %s", f.Key, kindOf(f.Value)), "")
		return ""
	}
	return f.Value.Text()
}

func (d *decoder) boolean(f tree.Field) bool {
	if f.Value.Kind != tree.Bool {
		d.report("settings-type", f.Value.Pos, fmt.Sprintf("%s must be true or false, and this is %s", f.Key, kindOf(f.Value)), "")
	}
	return f.Value.Text() == "true"
}

func (d *decoder) version(root *tree.Node, version string) {
	field := root.Field("apiVersion")
	switch {
	case version == APIVersion:
	case field == nil:
		d.report("settings-version", root.Pos, "apiVersion is missing", "write apiVersion: "+APIVersion+" at the top")
	case field.Kind == tree.String: // what is no string was told before
		d.report("settings-version", field.Pos, fmt.Sprintf("apiVersion %q is not known here", version),
			"this lcm reads "+APIVersion+"; a newer lcm may know it")
	}
}
