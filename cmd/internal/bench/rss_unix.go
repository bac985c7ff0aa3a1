//go:build unix

package main

import (
	"os"
	"runtime"
	"syscall"
)

// peakRSS gives the peak resident set of an ended process in bytes, as wait4 reported it.
func peakRSS(state *os.ProcessState) int64 {
	usage, ok := state.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	if runtime.GOOS == "darwin" {
		return int64(usage.Maxrss) // bytes there, kilobytes everywhere else
	}
	return int64(usage.Maxrss) * 1024
}
