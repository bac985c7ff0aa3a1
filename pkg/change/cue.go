package change

import (
	"fmt"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/schema"
	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// InCUEError says that a layer is written in CUE, which is edited by people alone.
type InCUEError struct {
	File   string
	Places []string // where the keys that were to be edited stand
}

// Error implements error.
func (e *InCUEError) Error() string {
	return fmt.Sprintf("%s is written in CUE, which lcm does not edit: %s", e.File, strings.Join(e.Places, ", "))
}

// maxPlaces bounds the keys that an error names.
const maxPlaces = 10

// inCUE refuses edits of a layer in CUE and says where the values are.
func inCUE(f *workspace.File, edits []Edit, m *schema.Module) error {
	isSecret := slices.ContainsFunc(edits, func(e Edit) bool {
		return slices.ContainsFunc(sealChanges(e, m), func(c seal.Change) bool { return c.Secret && c.Value != nil })
	})
	e := &InCUEError{File: f.Path}
	for i, edit := range edits {
		if i == maxPlaces {
			e.Places = append(e.Places, fmt.Sprintf("and %d more", len(edits)-i))
			break
		}
		place := fmt.Sprintf("%s is not in it", edit.Path)
		if n := f.Sealed.Get(edit.Path); n != nil {
			place = fmt.Sprintf("%s is at %s", edit.Path, n.Pos)
		}
		e.Places = append(e.Places, place)
	}
	if isSecret {
		return diag.WithHint(e, "it cannot hold a secret: %s", workspace.CUESecretHint)
	}
	return diag.WithHint(e, "edit the file, see what comes of it with lcm diff, and commit it")
}
