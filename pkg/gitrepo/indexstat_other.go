//go:build !linux

package gitrepo

// indexStatOf leaves it to git to say what the index keeps of a file here.
func indexStatOf(string) (b [indexStat]byte, ok bool) { return b, false }
