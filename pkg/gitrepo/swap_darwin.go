package gitrepo

import (
	"errors"

	"golang.org/x/sys/unix"
)

// exchange swaps two files in one step. It is errors.ErrUnsupported where the file system cannot.
func exchange(a, b string) error { return renamex(a, b, unix.RENAME_SWAP) }

// renameNew renames a file to a name that must be free.
func renameNew(from, to string) error { return renamex(from, to, unix.RENAME_EXCL) }

func renamex(a, b string, flags uint32) error {
	err := unix.RenamexNp(a, b, flags)
	if errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.EINVAL) {
		return errors.ErrUnsupported
	}
	return err
}
