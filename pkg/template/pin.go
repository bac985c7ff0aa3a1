package template

import (
	"fmt"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/pin"
)

// CodeLocked says that the program does not have the version of a built-in template that the repository is held to.
const CodeLocked = "template-locked"

// isBuiltin reports whether the repository has no template of a name itself.
func (s *Set) isBuiltin(name string) bool {
	files := s.files[name]
	return len(files) == 0 || files[0].Builtin
}

// pinned gives the built-in template that a reference is held to.
func (s *Set) pinned(r Ref, held pin.Pin) (*Template, error) {
	var all []*Template
	if len(s.files[r.Name]) > 0 {
		var err error
		if all, err = s.Versions(r.Name); err != nil {
			return nil, err
		}
	}
	var known []string
	for _, t := range all {
		text := t.Version.String()
		if text == held.Version {
			if pin.Digest(t.Source) == held.Digest {
				return t, nil
			}
			text += " with another text"
		}
		known = append(known, text)
	}
	f := finding(CodeLocked, held.Pos, "", fmt.Sprintf("this repository is held to the template %s %s, and this lcm has %s", r.Name, held.Version, strings.Join(known, ", ")),
		"use an lcm that has it, or see what another version changes: lcm schema upgrade "+r.Name+" --dry-run")
	switch {
	case len(known) == 0:
		f.Message += "none of that name"
		f.Hint = "use an lcm that has it, or extend another template"
	case !slices.ContainsFunc(all, r.Means):
		f.Hint = fmt.Sprintf("use an lcm that has it, or extend another version than %s", r)
	}
	return nil, diag.List{f}
}

// Pins gives what a layer file uses of the built-in templates: each reference that means one, the file's own and those of the
// templates that it extends, with the version and text that it means now. It is not whole where a reference leads nowhere.
func (s *Set) Pins(u Use) (pins map[string]pin.Pin, whole bool) {
	pins, whole = map[string]pin.Pin{}, true
	seen := map[*Template]bool{}
	var follow func([]Extend)
	follow = func(extends []Extend) {
		for _, e := range extends {
			t, err := s.Find(e.Ref)
			if err != nil {
				whole = false
				continue
			}
			if t.Builtin {
				pins[e.Ref.String()] = pin.Pin{Version: t.Version.String(), Digest: pin.Digest(t.Source)}
			}
			if !seen[t] {
				seen[t] = true
				follow(t.Extends)
			}
		}
	}
	follow(u.Extends)
	return pins, whole
}
