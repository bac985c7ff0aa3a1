package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"github.com/llm-devops/lcm/cmd/internal/display"
	"github.com/llm-devops/lcm/pkg/schema"
	"github.com/llm-devops/lcm/pkg/workspace"
)

type schemaExportOptions struct {
	format  string
	layer   bool
	files   bool
	dir     string
	modules []string
}

func newSchemaExport(e *env) *cobra.Command {
	o := &schemaExportOptions{}
	cmd := &cobra.Command{
		Use:   "export [MODULE|FILE…]",
		Short: "Write schemas as JSON Schema, for editors, or as CUE",
		Long: `Write the schema of a module as JSON Schema, draft 2020-12, for editors and other tools. Types, bounds, patterns, allowed values,
defaults and comments are kept, and the marks are x-secret, x-merge and x-promote. It never refuses what lcm accepts: what JSON
Schema cannot say, such as references between keys, it leaves open. lcm itself never decides by it.

With --layer it is for layer files, in which what is required may be missing. With --dir every module becomes a file there,
NAME.schema.json or NAME.cue; without modules, all are written. --format cue writes the source as it is, or what lcm
makes of a source that is JSON Schema.

The files that lcm itself reads have JSON Schemas of their own: lcm.yaml, lcm.lock, tenant.yaml, and template.yaml for templates.
They are named like modules, and --files stands for all of them.`,
		Example: `  lcm schema export inference-engine --layer > inference-engine.schema.json
  lcm schema export --layer --dir .lcm/schemas
  lcm schema export --files --dir .lcm/schemas           for lcm.yaml and the like
  lcm schema export model-router --format cue`,
		Args: cobra.ArbitraryArgs,
		ValidArgsFunction: func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			modules, directive := e.completeModule(cmd.Context())
			return append(modules, workspace.FileSchemas()...), directive
		},
		RunE: func(cmd *cobra.Command, a []string) error {
			o.modules = a
			return runSchemaExport(cmd.Context(), e, o)
		},
	}
	cmd.Flags().StringVar(&o.format, "format", "jsonschema", "`FORMAT` of the schema: jsonschema or cue")
	cmd.Flags().BoolVar(&o.layer, "layer", false, "for layer files: nothing is required")
	cmd.Flags().BoolVar(&o.files, "files", false, "the schemas of all files that lcm itself reads, in place of modules")
	bindDir(cmd, &o.dir)
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"jsonschema", "cue"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func bindDir(cmd *cobra.Command, dir *string) {
	cmd.Flags().StringVar(dir, "dir", "", "write one file for each into `DIR`")
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
	files, modules, err := o.split()
	if err != nil {
		return err
	}
	if len(files) > 0 && len(modules) == 0 { // what takes no module works whatever the modules are like
		return e.writeEach("schemas", files, o.dir, extension, fileSchema)
	}
	set, _, err := e.modules(ctx)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return e.writeModules(set, modules, o.dir, extension, render)
	}
	return e.writeEach("schemas", append(files, modules...), o.dir, extension, func(name string) ([]byte, error) {
		if slices.Contains(files, name) {
			return fileSchema(name)
		}
		return render(set, name)
	})
}

// split tells the files of lcm's own from the modules.
func (o *schemaExportOptions) split() (files, modules []string, err error) {
	for _, name := range o.modules {
		if slices.Contains(workspace.FileSchemas(), name) {
			files = append(files, name)
		} else {
			modules = append(modules, name)
		}
	}
	if o.files {
		files = workspace.FileSchemas()
	}
	switch {
	case len(files) > 0 && o.format == "cue":
		return nil, nil, usage(fmt.Errorf("the schema of %s is a JSON Schema only", files[0]), "leave --format out")
	case len(files) > 0 && o.layer:
		return nil, nil, usage(fmt.Errorf("--layer is for modules, and %s is a file of lcm's own", files[0]), "leave it out")
	}
	return files, modules, nil
}

func fileSchema(name string) ([]byte, error) {
	data, ok := workspace.FileSchema(name)
	if !ok {
		return nil, fmt.Errorf("no schema of %s", name)
	}
	return data, nil
}

// writeModules writes what is made of a module to the output, or of each of several into a file of its own. Nothing is
// written where one of them fails.
func (e *env) writeModules(set *schema.Set, names []string, dir, extension string, render func(*schema.Set, string) ([]byte, error)) error {
	named := len(names)
	if named == 0 {
		names = set.Names()
	}
	if dir == "" && named != 1 {
		return tooMany(len(names), "modules")
	}
	return e.writeEach("modules", names, dir, extension, func(name string) ([]byte, error) { return render(set, name) })
}

func tooMany(n int, what string) error {
	return usage(fmt.Errorf("%d %s do not go into one file", n, what), "name one, or a folder for all: --dir DIR")
}

// writeEach writes one thing to the output, or each of several into a file of its own. Nothing is written where one of them
// cannot be made.
func (e *env) writeEach(what string, names []string, dir, extension string, render func(name string) ([]byte, error)) error {
	if dir == "" && len(names) != 1 {
		return tooMany(len(names), what)
	}
	files := make([][]byte, len(names))
	for i, name := range names {
		data, err := render(name)
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
