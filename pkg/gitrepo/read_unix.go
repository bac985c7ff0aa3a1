//go:build unix

package gitrepo

import (
	"errors"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"
)

// readSmall reads a file into buffer; whole says that it was all of it. What os.Open does to be ready for pipes and deadlines
// takes longer than reading a small file.
func readSmall(path string, buffer []byte) (n int, whole bool, err error) {
	fail := func(op string, err error) (int, bool, error) {
		return 0, false, &fs.PathError{Op: op, Path: path, Err: err}
	}
	fd, err := openBelow(unix.AT_FDCWD, path, 0)
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

func openBelow(dir int, name string, flags int) (fd int, err error) {
	for {
		fd, err = unix.Openat(dir, name, unix.O_RDONLY|unix.O_CLOEXEC|flags, 0)
		if !errors.Is(err, unix.EINTR) {
			return fd, err
		}
	}
}

// readBeneath reads a regular file below a folder, by one system call for each folder on the way, none of which may be a symbolic
// link. Of whatever stands in the way nothing is said but that the outcome is not sure.
func readBeneath(root, path string) (content []byte, outcome readOutcome) {
	fd, err := openBelow(unix.AT_FDCWD, root, unix.O_DIRECTORY)
	if err != nil {
		return nil, unsure
	}
	for {
		name, rest, deeper := strings.Cut(path, "/")
		flags := unix.O_NOFOLLOW | unix.O_DIRECTORY
		if !deeper {
			flags = unix.O_NOFOLLOW | unix.O_NONBLOCK // or a pipe is waited for
		}
		next, err := openBelow(fd, name, flags)
		_ = unix.Close(fd)
		if errors.Is(err, unix.ENOENT) {
			return nil, absent
		}
		if err != nil {
			return nil, unsure
		}
		fd, path = next, rest
		if !deeper {
			break
		}
	}
	defer unix.Close(fd) //nolint:errcheck // a handle for reading
	var info unix.Stat_t
	if err := unix.Fstat(fd, &info); err != nil || info.Mode&unix.S_IFMT != unix.S_IFREG || info.Size > maxObject {
		return nil, unsure
	}
	content = make([]byte, 0, info.Size+1) // the end is seen without making more room
	for {
		n, err := unix.Read(fd, content[len(content):cap(content)])
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil || len(content)+n > maxObject:
			return nil, unsure
		case n == 0:
			return content, present
		}
		if content = content[:len(content)+n]; len(content) == cap(content) {
			content = append(content, 0)[:len(content)]
		}
	}
}
