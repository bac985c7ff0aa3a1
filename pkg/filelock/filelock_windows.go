package filelock

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// Try takes a lock on an open file that lasts until the file is closed, at the latest when this process is dead. It reports
// false if somebody else has it.
func Try(f *os.File) (bool, error) {
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY,
		0, 1, 0, &windows.Overlapped{})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return false, nil
	}
	return err == nil, err
}
