//go:build unix

package command

import (
	"os"
	"os/exec"
	"syscall"
)

// forwarded are the signals that a program run for the user gets in this process's place.
var forwarded = []os.Signal{
	syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH, syscall.SIGALRM,
}

// endings are the signals that ask this process to end.
var endings = []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP}

// fromTerminal reports whether a terminal sends the signal to all of its foreground processes.
func fromTerminal(s os.Signal) bool {
	return s == syscall.SIGINT || s == syscall.SIGQUIT || s == syscall.SIGWINCH
}

// exitCodeOf gives the code by which shells tell how a program ended: its own, or 128 and the signal that ended it.
func exitCodeOf(e *exec.ExitError) int {
	if status, ok := e.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return e.ExitCode()
}
