// Lcm keeps LLM platform configuration in a Git repository: layered, encrypted per tenant, reviewed, signed, and published
// all or nothing.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/llm-devops/lcm/cmd/internal/command"
	"github.com/llm-devops/lcm/cmd/internal/shield"
	"github.com/llm-devops/lcm/cmd/internal/term"
)

const gcPercent = 400

// version is set by the linker: make build, or the release.
var version string

func main() {
	shielded := shield.Raise()
	if os.Getenv("GOGC") == "" {
		// Most runs are over in milliseconds and hold little: collecting early costs more time than it saves memory.
		debug.SetGCPercent(gcPercent)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := command.Main(ctx, command.Process{
		Args:    os.Args[1:],
		IO:      term.System(os.Getenv),
		Getenv:  os.Getenv,
		Version: version,
		Shield:  shielded,
	})
	stop()
	os.Exit(code)
}
