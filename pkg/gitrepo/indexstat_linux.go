package gitrepo

import (
	"encoding/binary"
	"syscall"
)

// indexStatOf gives lstat(2) of a regular file as the index keeps it: every number cut to 32 bits, as git does.
func indexStatOf(path string) (b [indexStat]byte, ok bool) {
	var s syscall.Stat_t
	if err := syscall.Lstat(path, &s); err != nil || s.Mode&syscall.S_IFMT != syscall.S_IFREG {
		return b, false
	}
	for i, n := range [...]uint32{
		uint32(s.Ctim.Sec), uint32(s.Ctim.Nsec), uint32(s.Mtim.Sec), uint32(s.Mtim.Nsec), uint32(s.Dev), uint32(s.Ino),
		0, s.Uid, s.Gid, uint32(s.Size),
	} {
		binary.BigEndian.PutUint32(b[4*i:], n)
	}
	return b, true
}
