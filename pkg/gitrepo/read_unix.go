//go:build unix

package gitrepo

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"
)

// readSmall reads a file into buffer; whole says that it was all of it. What os.Open does to be ready for pipes and deadlines
// takes longer than reading a small file.
func readSmall(path string, buffer []byte) (n int, whole bool, err error) {
	fail := func(op string, err error) (int, bool, error) {
		return 0, false, &fs.PathError{Op: op, Path: path, Err: err}
	}
	var fd int
	for {
		fd, err = unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return fail("open", err)
	}
	defer unix.Close(fd) //nolint:errcheck // a handle for reading
	for n < len(buffer) {
		more, err := unix.Read(fd, buffer[n:])
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return fail("read", err)
		case more == 0:
			return n, true, nil
		default:
			n += more
		}
	}
	return n, false, nil
}
