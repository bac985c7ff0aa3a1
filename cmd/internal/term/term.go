// Package term is the terminal as commands see it: the streams, whether a person is there, colour, width, questions and
// progress. One [IO] is made in main and handed down; tests make one of buffers.
//
// Results go to Out, everything else to Err. Without a terminal nothing is asked: a prompt is an [ErrNoTerminal], and the
// caller's hint names the flag to pass.
package term

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// ErrNoTerminal says that a question would have been asked and nobody is there to answer.
var ErrNoTerminal = errors.New("no terminal to ask on")

// ErrCancelled says that the person who was asked gave no answer.
var ErrCancelled = errors.New("cancelled; nothing was written")

// IO is the streams of one run of the program.
type IO struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer

	inFile, outFile, errFile *os.File
	colour                   bool // on Out
	errColour                bool
	quiet                    bool
	json                     bool
	lines                    *bufio.Reader
}

// System gives the process's own streams; getenv reads its environment.
func System(getenv func(string) string) *IO {
	t := &IO{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, inFile: os.Stdin, outFile: os.Stdout, errFile: os.Stderr}
	plain := getenv("NO_COLOR") != "" || getenv("TERM") == "dumb"
	forced := getenv("CLICOLOR_FORCE") != "" && getenv("CLICOLOR_FORCE") != "0"
	t.colour = forced || !plain && isTerminal(t.outFile)
	t.errColour = forced || !plain && isTerminal(t.errFile)
	return t
}

// Buffers gives streams without a terminal, for tests.
func Buffers(in io.Reader, out, err io.Writer) *IO { return &IO{In: in, Out: out, Err: err} }

func isTerminal(f *os.File) bool { return f != nil && term.IsTerminal(int(f.Fd())) }

// NoColour turns colour off, as --no-color does.
func (t *IO) NoColour() { t.colour, t.errColour = false, false }

// Quiet silences progress and notes, not warnings.
func (t *IO) Quiet() { t.quiet = true }

// CanAsk reports whether a question can be asked: both In and Err are terminals.
func (t *IO) CanAsk() bool { return isTerminal(t.inFile) && isTerminal(t.errFile) }

// Style gives the colours for Out, ErrStyle those for Err.
func (t *IO) Style() Style { return Style{t.colour} }

// ErrStyle gives the colours for Err.
func (t *IO) ErrStyle() Style { return Style{t.errColour} }

// Note writes a line for people to Err, unless quiet.
func (t *IO) Note(format string, args ...any) {
	if !t.quiet {
		_, _ = fmt.Fprintf(t.Err, format+"\n", args...)
	}
}

// JSON makes what goes to Err one JSON document a line, and leaves notes out.
func (t *IO) JSON() { t.json, t.quiet = true, true }

// Warn writes a warning to Err.
func (t *IO) Warn(format string, args ...any) {
	if t.json {
		_ = json.NewEncoder(t.Err).Encode(map[string]string{"apiVersion": "lcm/v1", "kind": "Warning", "message": fmt.Sprintf(format, args...)})
		return
	}
	_, _ = fmt.Fprintf(t.Err, "%s %s\n", t.ErrStyle().Yellow("warning:"), fmt.Sprintf(format, args...))
}

// Ask asks a yes-or-no question; an empty answer is no.
func (t *IO) Ask(ctx context.Context, question string) (bool, error) {
	if !t.CanAsk() {
		return false, ErrNoTerminal
	}
	_, _ = fmt.Fprintf(t.Err, "%s [y/N] ", question)
	answer, err := await(ctx, func() (string, error) {
		if t.lines == nil {
			t.lines = bufio.NewReader(t.In)
		}
		return t.lines.ReadString('\n')
	})
	if err != nil && answer == "" {
		_, _ = fmt.Fprintln(t.Err)
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		return false, err
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return true, nil
	}
	return false, nil
}

// Mode is how a terminal treats what is typed.
type Mode struct {
	fd    int
	state *term.State
}

// Mode gives the mode that the terminal of In has now.
func (t *IO) Mode() Mode {
	if !isTerminal(t.inFile) {
		return Mode{}
	}
	fd := int(t.inFile.Fd()) //nolint:gosec // descriptors are small
	state, err := term.GetState(fd)
	if err != nil {
		return Mode{}
	}
	return Mode{fd, state}
}

// Restore gives the terminal that mode again, after a program that left it in another.
func (m Mode) Restore() {
	if m.state != nil {
		_ = term.Restore(m.fd, m.state) // nothing better can be done
	}
}

// AskSecret asks for a value without showing what is typed. The terminal is put back as it was even when ctx ends first.
func (t *IO) AskSecret(ctx context.Context, question string) ([]byte, error) {
	if !t.CanAsk() {
		return nil, ErrNoTerminal
	}
	fd := int(t.inFile.Fd()) //nolint:gosec // descriptors are small
	before, err := term.MakeRaw(fd)
	if err != nil {
		return nil, fmt.Errorf("prompt: %w", err)
	}
	defer term.Restore(fd, before) //nolint:errcheck // nothing better can be done
	// A line editor in raw mode, as term.ReadPassword takes no end of input for an answer. Ctrl-C and Ctrl-D end it.
	editor := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{t.inFile, t.errFile}, "")
	value, err := await(ctx, func() (string, error) { return editor.ReadPassword(question + ": ") })
	if errors.Is(err, io.EOF) {
		_, _ = io.WriteString(t.Err, "\r\n")
		return nil, ErrCancelled
	}
	return []byte(value), err
}

// await runs a blocking read and gives up on it when ctx ends: the read itself cannot be cut off, and ends with the process.
func await[T any](ctx context.Context, read func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		v, err := read()
		done <- result{v, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var zero T
		return zero, ctx.Err()
	}
}
