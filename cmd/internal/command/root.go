// Package command is the command line: one file per command, each an options struct, a constructor that binds flags, and a
// run function that loads, calls the domain once, and renders.
package command

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/llm-devops/lcm/cmd/internal/display"
	"github.com/llm-devops/lcm/pkg/diag"
)

// Main runs the command line and gives the exit code.
func Main(ctx context.Context, p Process) int {
	e := &env{Process: p}
	root := newRoot(e, onlyCommand(p.Args))
	root.SetArgs(p.Args)
	err := e.checkRemote()
	if err == nil {
		err = root.ExecuteContext(ctx)
	}
	e.release()
	if e.keys != nil {
		e.keys.Forget()
	}
	if err == nil {
		return exitDone
	}
	if group, ok := strings.CutPrefix(err.Error(), "if any flags in the group ["); ok { // cobra has no type for it
		group, _, _ = strings.Cut(group, "]")
		err = usage(errors.New("--"+strings.Join(strings.Fields(group), " and --")+" exclude each other"), "choose one")
	}
	e.json = e.json || asksForJSON(p.Args)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = errors.New("interrupted; nothing half-done was left behind")
	}
	code := exitCode(err)
	if quiet, ok := errors.AsType[*silentError](err); !ok || quiet.err != nil {
		display.Error(e.IO, err, code, e.json)
	}
	return code
}

// asksForJSON looks for -o json in a command line that could not be parsed.
func asksForJSON(args []string) bool {
	for i, a := range args {
		if a == "-ojson" || a == "--output=json" || (a == "-o" || a == "--output") && i+1 < len(args) && args[i+1] == "json" {
			return true
		}
	}
	return false
}

// Root gives the whole command tree, for those who document it.
func Root(p Process) *cobra.Command { return newRoot(&env{Process: p}, "") }

// newRoot makes the command tree, or that of one command below the root alone.
func newRoot(e *env, only string) *cobra.Command {
	root := &cobra.Command{
		Use:   "lcm",
		Short: "LLM platform configuration in Git: layered, encrypted, reviewed, signed, published",
		Long: `lcm makes a Git repository the one source of truth for LLM platform configuration.

Files are plain YAML, layered by tenant and environment; secret fields are SOPS-encrypted to the tenant's keys. Every change
is checked against the schemas and becomes one signed commit; what was resolved is published as one signed bundle, all or
nothing.

An address is tenant/environment/namespace; a key is a dotted path in it.`,
		Example: `  lcm init platform                                      start a config repository
  lcm set acme/production/inference parameters.temperature=0.2    change a value, in one signed commit
  lcm explain acme/production/inference parameters.temperature    see where a value comes from
  lcm diff HEAD~1                                        see what a change does, and how far it reaches
  lcm promote acme/staging acme/production               carry over what may be carried over
  lcm publish --to local                                 publish what was resolved`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			hint := "see lcm --help"
			if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
				hint = "did you mean lcm " + strings.Join(near, " or lcm ") + "?"
			}
			return usage(fmt.Errorf("unknown command %q", args[0]), "%s", hint)
		},
		PersistentPreRun: func(*cobra.Command, []string) {
			if e.noColor {
				e.IO.NoColour()
			}
			if e.quiet {
				e.IO.Quiet()
			}
		},
	}
	root.SetIn(e.IO.In)
	root.SetOut(e.IO.Out)
	root.SetErr(e.IO.Err)
	root.SuggestionsMinimumDistance = 2
	root.CompletionOptions.HiddenDefaultCmd = false
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage(err, "see %s --help", cmd.CommandPath())
	})
	flags := root.PersistentFlags()
	flags.StringVarP(&e.dir, "directory", "C", "", "run as if started in `DIR`")
	flags.BoolVar(&e.noColor, "no-color", false, "no colours; NO_COLOR in the environment does the same")
	flags.BoolVarP(&e.quiet, "quiet", "q", false, "no progress and no notes, only results, warnings and errors")
	_ = root.MarkPersistentFlagDirname("directory")

	for _, g := range groups() {
		root.AddGroup(&cobra.Group{ID: g.id, Title: g.title})
		for _, c := range g.commands {
			if only == "" || c.name == only {
				made := c.make(e)
				made.GroupID = g.id
				root.AddCommand(made)
			}
		}
	}
	if only == "" {
		root.AddCommand(newVersion(e))
	}
	return root
}

// group is a part of what lcm --help lists.
type group struct {
	id, title string
	commands  []entry
}

// entry is a command below the root that is made when it is needed.
type entry struct {
	name string
	make func(*env) *cobra.Command
}

func groups() []group {
	return []group{
		{"start", "Start:", []entry{
			{"init", newInit},
			{"tenant", newTenant},
			{"namespace", newNamespace},
			{"schema", newSchema},
			{"template", newTemplate},
			{"keys", newKeys},
			{"hooks", newHooks},
			{"doctor", newDoctor},
		}},
		{"change", "Change:", []entry{
			{"set", newSet}, {"unset", newUnset}, {"edit", newEdit}, {"promote", newPromote}, {"resolve", newResolve}, {"merge", newMerge},
		}},
		{"read", "Read:", []entry{
			{"get", newGet},
			{"list", newList},
			{"explain", newExplain},
			{"exec", newExec},
			{"diff", newDiff},
			{"validate", newValidate},
			{"audit", newAudit},
			{"secret", newSecret},
		}},
		{"publish", "Publish:", []entry{{"publish", newPublish}}},
	}
}

// onlyCommand gives the command that a command line begins with, "" where it is none or another could be meant: making all of them
// takes longer than what some of them do.
func onlyCommand(args []string) string {
	if len(args) > 0 {
		for _, g := range groups() {
			if slices.ContainsFunc(g.commands, func(c entry) bool { return c.name == args[0] }) {
				return args[0]
			}
		}
	}
	return ""
}

// args checks the number of arguments and names what is missing, in place of cobra's counting.
func args(least, most int, names string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return usage(fmt.Errorf("%s needs %s", cmd.CommandPath(), names), "see %s --help", cmd.CommandPath())
		case most >= 0 && len(args) > most:
			return usage(fmt.Errorf("%s takes %s, and there is %q too", cmd.CommandPath(), names, args[most]), "see %s --help", cmd.CommandPath())
		}
		return nil
	}
}

// subcommand refuses words after a command that only has commands below it.
func subcommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := "see " + cmd.CommandPath() + " --help"
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "did you mean " + cmd.CommandPath() + " " + strings.Join(near, " or ") + "?"
	}
	return usage(fmt.Errorf("unknown command %q after %s", args[0], cmd.CommandPath()), "%s", hint)
}

// usageError is a command line that cannot be right.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usage(err error, hint string, a ...any) error {
	return diag.WithHint(usageError{err}, hint, a...)
}
