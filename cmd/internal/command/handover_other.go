//go:build !unix

package command

import (
	"context"
	"errors"
	"fmt"
	"os/exec"

	"github.com/llm-devops/lcm/cmd/internal/term"
)

// replaceProcess runs the program and ends as it does: here a process cannot become another one.
func replaceProcess(ctx context.Context, t *term.IO, program string, args, environ []string) error {
	cmd := exec.CommandContext(ctx, program, args...) // #nosec G204 -- our own program
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = environ, t.In, t.Out, t.Err
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return &silentError{code: exit.ExitCode()}
	}
	if err != nil {
		return fmt.Errorf("start %s: %w", program, err)
	}
	return nil
}
