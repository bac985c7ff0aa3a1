//go:build unix

package gitrepo

import (
	"io/fs"
	"os"
	"syscall"
)

// inherit gives the files a child is to hold open.
func inherit(f *os.File) []*os.File { return []*os.File{f} }

// sameDevice reports whether files can be renamed between two folders.
func sameDevice(a, b fs.FileInfo) bool {
	x, okX := a.Sys().(*syscall.Stat_t)
	y, okY := b.Sys().(*syscall.Stat_t)
	return okX && okY && x.Dev == y.Dev
}
