package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"time"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/scratch"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// errEditor says that the editor failed, or was ended, so that what it left is not taken for what the user wants.
var errEditor = errors.New("the editor failed")

// editorGrace is how long an editor may take to end when it is asked to.
const editorGrace = 3 * time.Second

// editor gives the user's editor, as a shell command.
func (e *env) editor(ctx context.Context, w *workspace.Workspace) (string, error) {
	for _, name := range []string{"VISUAL", "EDITOR"} {
		if command := e.Getenv(name); command != "" {
			return command, nil
		}
	}
	command, err := w.Repo().Config(ctx, "core.editor")
	if err != nil {
		return "", err
	}
	if command == "" {
		return "", usage(errors.New("there is no editor to open"), "name one in VISUAL or EDITOR, for example EDITOR=nano, or with git config core.editor nano")
	}
	return command, nil
}

// openEditor lets the user edit a file in a private folder. Ctrl-C is the editor's meanwhile; a signal that ends this process
// ends the editor first. The error is errEditor if what the file holds is not to be taken.
func (e *env) openEditor(ctx context.Context, command string, dir *scratch.Dir, path string) error {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, endings...)
	defer signal.Stop(signals)
	words := editorWords(ctx, command)
	if len(words) == 0 {
		return fmt.Errorf("%w: %q names none", errEditor, command)
	}
	mode := e.IO.Mode()
	cmd := exec.CommandContext(context.WithoutCancel(ctx), words[0], append(words[1:], path)...)
	cmd.Env = append(os.Environ(), "TMPDIR="+dir.Path()) // for what the editor keeps on the side
	// What the editor draws is no result.
	cmd.Stdin, cmd.Stdout, cmd.Stderr = e.IO.In, e.IO.Err, e.IO.Err
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%w: %w", errEditor, err)
	}
	var failed error
	done := make(chan struct{})
	go func() {
		failed = cmd.Wait()
		close(done)
	}()
	for {
		select {
		case s := <-signals:
			if s == os.Interrupt {
				continue // the terminal sent it to the editor too, where it means what the editor lets it mean
			}
			_ = cmd.Process.Signal(s)
			select {
			case <-done:
			case <-time.After(editorGrace):
				_ = cmd.Process.Kill()
				<-done
			}
			mode.Restore() // which an editor that is ended leaves as it had it
			return fmt.Errorf("%w: ended by the signal %s", errEditor, s)
		case <-done:
			if failed != nil {
				mode.Restore()
				return diag.WithHint(fmt.Errorf("%w: %s: %w", errEditor, command, failed), "end the editor normally to have what you wrote taken, or name another in EDITOR")
			}
			return nil
		}
	}
}
