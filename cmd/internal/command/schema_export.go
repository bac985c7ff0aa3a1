package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"github.com/llm-devops/lcm/cmd/internal/display"
	"github.com/llm-devops/lcm/pkg/schema"
)

type schemaExportOptions struct {
	format  string
	layer   bool
	dir     string
	modules []string
}

func newSchemaExport(e *env) *cobra.Command {
	o := &schemaExportOptions{}
	cmd := &cobra.Command{
		Use:   "export [MODULE…]",
		Short: "Write schemas as JSON Schema, for editors, or as CUE",
		Long: `Write the schema of a module as JSON Schema, draft 2020-12, for editors and other tools. Types, bounds, patterns, allowed values,
defaults and comments are kept, and the marks are x-secret, x-merge and x-promote. It never refuses what lcm accepts: what JSON
Schema cannot say, such as references between keys, it leaves open. lcm itself never decides by it.

With --layer it is for layer files, in which what is required may be missing. With --dir every module becomes a file there,
NAME.schema.json or NAME.cue; without modules, all are written. --format cue writes the source as it is, or what lcm makes of a source that is JSON Schema.`,
		Example: `  lcm schema export inference-engine --layer > inference-engine.schema.json
  lcm schema export --layer --dir .lcm/schemas
  lcm schema export model-router --format cue`,
		Args: cobra.ArbitraryArgs,
		ValidArgsFunction: func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			return e.completeModule(cmd.Context())
		},
		RunE: func(cmd *cobra.Command, a []string) error {
			o.modules = a
			return runSchemaExport(cmd.Context(), e, o)
		},
	}
	cmd.Flags().StringVar(&o.format, "format", "jsonschema", "`FORMAT` of the schema: jsonschema or cue")
	cmd.Flags().BoolVar(&o.layer, "layer", false, "for layer files: nothing is required")
	bindDir(cmd, &o.dir)
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"jsonschema", "cue"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func bindDir(cmd *cobra.Command, dir *string) {
	cmd.Flags().StringVar(dir, "dir", "", "write one file for each module into `DIR`")
	_ = cmd.MarkFlagDirname("dir")
}

func runSchemaExport(ctx context.Context, e *env, o *schemaExportOptions) error {
	var extension string
	var render func(set *schema.Set, name string) ([]byte, error)
	switch {
	case o.format == "cue" && o.layer:
		return usage(errors.New("--layer is for JSON Schema"), "leave it out")
	case o.format == "cue":
		extension, render = ".cue", (*schema.Set).CUE
	case o.format == "jsonschema":
		extension, render = ".schema.json", func(set *schema.Set, name string) ([]byte, error) {
			m, err := set.Module(name)
			if err != nil {
				return nil, err
			}
			return m.JSONSchema(schema.JSONSchemaOptions{Layer: o.layer})
		}
	default:
		return usage(fmt.Errorf("there is no format %q", o.format), "choose jsonschema or cue")
	}
	set, _, err := e.modules(ctx)
	if err != nil {
		return err
	}
	return e.writeModules(set, o.modules, o.dir, extension, render)
}

// writeModules writes what is made of a module to the output, or of each of several into a file of its own. Nothing is
// written where one of them fails.
func (e *env) writeModules(set *schema.Set, names []string, dir, extension string, render func(*schema.Set, string) ([]byte, error)) error {
	named := len(names)
	if named == 0 {
		names = set.Names()
	}
	if dir == "" && named != 1 {
		return usage(fmt.Errorf("%d modules do not go into one file", len(names)), "name one, or a folder for all: --dir DIR")
	}
	files := make([][]byte, len(names))
	for i, name := range names {
		data, err := render(set, name)
		if err != nil {
			return moduleError(err)
		}
		files[i] = data
	}
	if dir == "" {
		_, err := e.IO.Out.Write(files[0])
		return err
	}
	dir = e.path(dir)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("make folder for schemas: %w", err)
	}
	for i, name := range names {
		file := filepath.Join(dir, name+extension)
		if err := renameio.WriteFile(file, files[i], 0o644); err != nil {
			return fmt.Errorf("write %s: %w", file, err)
		}
		if _, err := fmt.Fprintln(e.IO.Out, file); err != nil {
			return err
		}
	}
	return nil
}

type schemaDocsOptions struct {
	dir     string
	modules []string
}

func newSchemaDocs(e *env) *cobra.Command {
	o := &schemaDocsOptions{}
	cmd := &cobra.Command{
		Use:   "docs [MODULE…]",
		Short: "Write the reference of modules, a Markdown page each",
		Long: `Write the reference of a module in Markdown: every field with its type, default, bounds and comment. With --dir every module
becomes a page there, NAME.md; without modules, all are written.`,
		Example: "  lcm schema docs inference-engine\n  lcm schema docs --dir docs/modules",
		Args:    cobra.ArbitraryArgs,
		ValidArgsFunction: func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			return e.completeModule(cmd.Context())
		},
		RunE: func(cmd *cobra.Command, a []string) error {
			o.modules = a
			return runSchemaDocs(cmd.Context(), e, o)
		},
	}
	bindDir(cmd, &o.dir)
	return cmd
}

func runSchemaDocs(ctx context.Context, e *env, o *schemaDocsOptions) error {
	set, _, err := e.modules(ctx)
	if err != nil {
		return err
	}
	return e.writeModules(set, o.modules, o.dir, ".md", func(set *schema.Set, name string) ([]byte, error) {
		info, err := set.Info(name)
		if err != nil {
			return nil, err
		}
		m, err := set.Module(name)
		if err != nil {
			return nil, err
		}
		report := display.NewModule(info, nil)
		report.Describe(m)
		return display.ModuleMarkdown(report), nil
	})
}
