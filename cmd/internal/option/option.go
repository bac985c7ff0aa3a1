// Package option holds the flag groups that commands share. It only parses: nothing is opened or run here.
package option

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// Format is -o: how a result is written.
type Format struct {
	Name    string
	allowed []string
}

// Bind adds the flag; the first of allowed is the default.
func (f *Format) Bind(cmd *cobra.Command, allowed ...string) {
	f.Name, f.allowed = allowed[0], allowed
	cmd.Flags().VarP(f, "output", "o", "write the result as "+strings.Join(allowed, ", "))
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(allowed, cobra.ShellCompDirectiveNoFileComp))
}

// String implements pflag.Value.
func (f *Format) String() string { return f.Name }

// Type implements pflag.Value.
func (f *Format) Type() string { return "FORMAT" }

// Set implements pflag.Value.
func (f *Format) Set(s string) error {
	if !slices.Contains(f.allowed, s) {
		return fmt.Errorf("there is no format %q: choose %s", s, strings.Join(f.allowed, ", "))
	}
	f.Name = s
	return nil
}

// JSON reports whether the result is for machines.
func (f *Format) JSON() bool { return f.Name == "json" }

// Write is what every command that changes the repository takes.
type Write struct {
	DryRun   bool
	NoCommit bool
	Reason   string
}

// Bind adds the flags.
func (w *Write) Bind(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&w.DryRun, "dry-run", false, "show what would happen, and write nothing")
	cmd.Flags().BoolVar(&w.NoCommit, "no-commit", false, "leave the change in the worktree, without a commit")
	cmd.Flags().VarP((*message)(&w.Reason), "message", "m", "why: goes into the commit")
	cmd.MarkFlagsMutuallyExclusive("dry-run", "no-commit")
}

// message is text for a commit: lines, without what a terminal would take for orders when somebody reads the log.
type message string

// String implements pflag.Value.
func (m *message) String() string { return string(*m) }

// Type implements pflag.Value.
func (m *message) Type() string { return "string" }

// Set implements pflag.Value.
func (m *message) Set(s string) error {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	if !utf8.ValidString(s) {
		return errors.New("it is not text in UTF-8")
	}
	for _, r := range s {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return fmt.Errorf("it holds the control character %U; newlines and tabs are the only ones that go into a commit", r)
		}
	}
	*m = message(s)
	return nil
}

// Read is what every command that shows values takes.
type Read struct {
	At     string
	Reveal bool
}

// Bind adds the flags.
func (r *Read) Bind(cmd *cobra.Command) {
	cmd.Flags().StringVar(&r.At, "at", "", "read at `REV`, a commit, tag or branch, in place of the worktree")
	cmd.Flags().BoolVar(&r.Reveal, "reveal", false, "show secrets; the access log records it")
}
