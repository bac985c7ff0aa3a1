package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"

	"github.com/llm-devops/lcm/pkg/handoff"
	"github.com/llm-devops/lcm/pkg/scratch"
)

// runWithFiles runs the program with files in a private folder, and removes that when the program ends. It ends as the program
// does.
func runWithFiles(ctx context.Context, e *env, program string, args, environ []string, files []handed) (err error) {
	// From here on a signal is the program's, and this process stays to clear up behind it.
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, forwarded...)
	defer signal.Stop(signals)
	if err := ctx.Err(); err != nil {
		return err
	}
	dir, err := scratch.New(e.Getenv)
	if err != nil {
		return fmt.Errorf("make a folder for the program's files: %w", err)
	}
	defer func() {
		if removing := dir.Remove(); removing != nil {
			e.IO.Warn("secrets may be left behind: %s", removing)
		}
	}()
	if !dir.InMemory() {
		e.IO.Warn("this system has no place for files in memory: the program's files are in %s until it ends", dir.Path())
	}
	for _, f := range files {
		data, err := handoff.Content(f.name, f.value)
		if err != nil {
			return err
		}
		_, err = dir.Write(f.name, data)
		clear(data)
		if err != nil {
			return err
		}
	}
	clear(files) // of what was opened
	e.forgetKeys()
	// The program is ended by its own signals alone: what cancels ctx is forwarded to it.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), program, args...)
	cmd.Env = append(environ, filesVariable+"="+dir.Path())
	cmd.Stdin, cmd.Stdout, cmd.Stderr = e.IO.In, e.IO.Out, e.IO.Err
	if err := e.Shield.Without(cmd.Start); err != nil {
		return &silentError{exitNotExecutable, fmt.Errorf("start %s: %w", program, err)}
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for {
		select {
		case s := <-signals:
			if !(e.IO.CanAsk() && fromTerminal(s)) { // the terminal sent it to the program too
				_ = cmd.Process.Signal(s)
			}
		case err := <-done:
			if exit, ok := errors.AsType[*exec.ExitError](err); ok {
				return &silentError{code: exitCodeOf(exit)}
			}
			return err
		}
	}
}
