//go:build !linux && !darwin

package gitrepo

import "errors"

// exchange swaps two files in one step, which this system cannot.
func exchange(_, _ string) error { return errors.ErrUnsupported }

// renameNew renames a file to a name that must be free, which this system cannot in one step.
func renameNew(_, _ string) error { return errors.ErrUnsupported }
