package gitrepo

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

// tryLock takes a lock on an open file that lasts until the file is closed, at the latest when this process is dead. It
// reports false if somebody else has it.
func tryLock(f *os.File) (bool, error) {
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY,
		0, 1, 0, &windows.Overlapped{})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return false, nil
	}
	return err == nil, err
}

// inherit gives the files a child is to hold open: here, none can be passed on.
func inherit(*os.File) []*os.File { return nil }

// sameDevice reports whether files can be renamed between two folders; os.FileInfo does not tell here, so the folders of one
// repository are taken to be on one volume.
func sameDevice(_, _ fs.FileInfo) bool { return true }
