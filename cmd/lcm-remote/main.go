// Lcm-remote is lcm with the clients of remote stores. It is what lcm becomes when a command has to reach one; it lies beside
// lcm, is of the same version, and nobody needs to call it by its name.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/llm-devops/lcm/cmd/internal/command"
	"github.com/llm-devops/lcm/cmd/internal/remote"
	"github.com/llm-devops/lcm/cmd/internal/shield"
	"github.com/llm-devops/lcm/cmd/internal/term"
)

// version is set by the linker: make build, or the release.
var version string

func main() {
	shielded := shield.Raise()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := command.Main(ctx, command.Process{
		Args:       os.Args[1:],
		IO:         term.System(os.Getenv),
		Getenv:     os.Getenv,
		Version:    version,
		Shield:     shielded,
		OpenRemote: remote.Opener(os.Getenv),
	})
	stop()
	os.Exit(code)
}
