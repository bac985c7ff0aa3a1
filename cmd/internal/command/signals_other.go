//go:build !unix

package command

import (
	"os"
	"os/exec"
)

// forwarded are the signals that a program run for the user gets in this process's place.
var forwarded = []os.Signal{os.Interrupt}

// endings are the signals that ask this process to end.
var endings = []os.Signal{os.Interrupt}

// fromTerminal reports whether a terminal sends the signal to all of its processes.
func fromTerminal(os.Signal) bool { return true }

func exitCodeOf(e *exec.ExitError) int { return e.ExitCode() }
