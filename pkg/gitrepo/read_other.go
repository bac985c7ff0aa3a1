//go:build !unix

package gitrepo

import (
	"errors"
	"io"
	"os"
)

// readSmall reads a file into buffer; whole says that it was all of it.
func readSmall(path string, buffer []byte) (n int, whole bool, err error) {
	f, err := os.Open(path) //nolint:gosec // inside the working tree
	if err != nil {
		return 0, false, err
	}
	defer f.Close() //nolint:errcheck // a handle for reading
	n, err = io.ReadFull(f, buffer)
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return n, true, nil
	}
	return n, false, err
}

// readBeneath leaves all to what is the same on all systems.
func readBeneath(string, string) ([]byte, readOutcome) { return nil, unsure }
