// Docgen writes the reference: a Markdown page per command, from the commands' own help, and one per built-in module, from its
// schema:
//
//	go run ./cmd/internal/docgen -o docs/commands -modules docs/modules
//
// It fails when something a user can type is not documented.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/llm-devops/lcm/cmd/internal/command"
	"github.com/llm-devops/lcm/cmd/internal/term"
	"github.com/llm-devops/lcm/schemas"
)

func main() {
	if err := generate(os.Args[1:], os.Stderr); err != nil {
		fmt.Fprintf(os.Stderr, "docgen: %v\n", err)
		os.Exit(1)
	}
}

// generate is the program, with its arguments; usage goes to stderr.
func generate(args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet("docgen", flag.ContinueOnError)
	flags.SetOutput(stderr)
	dir := flags.String("o", "", "write the pages of commands to `DIR`")
	modules := flags.String("modules", "", "write the pages of modules to `DIR`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *dir == "" && *modules == "" {
		return errors.New("-o DIR or -modules DIR is missing")
	}
	if *dir != "" {
		all, err := pages(lcm())
		if err != nil {
			return err
		}
		if err := write(*dir, generated, all); err != nil {
			return err
		}
	}
	if *modules != "" {
		all, err := modulePages(schemas.FS)
		if err != nil {
			return err
		}
		return write(*modules, generatedFromSchema, all)
	}
	return nil
}

// lcm gives the real command tree, in an empty environment: help must not depend on the machine.
func lcm() *cobra.Command {
	getenv := func(string) string { return "" }
	root := command.Root(command.Process{
		IO:     &term.IO{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard},
		Getenv: getenv,
	})
	root.InitDefaultCompletionCmd() // cobra would add it when the command runs
	return root
}
