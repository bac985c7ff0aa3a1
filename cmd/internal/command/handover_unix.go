//go:build unix

package command

import (
	"context"
	"fmt"
	"syscall"

	"github.com/llm-devops/lcm/cmd/internal/term"
)

// replaceProcess makes this process the program: same terminal, same streams, same signals. It returns only on failure.
func replaceProcess(_ context.Context, _ *term.IO, program string, args, environ []string) error {
	if err := syscall.Exec(program, append([]string{program}, args...), environ); err != nil { // #nosec G204 -- our own program
		return fmt.Errorf("start %s: %w", program, err)
	}
	return nil
}
