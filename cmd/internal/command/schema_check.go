package command

import (
	"context"
	"errors"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/llm-devops/lcm/cmd/internal/display"
	"github.com/llm-devops/lcm/cmd/internal/option"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/gitrepo"
	"github.com/llm-devops/lcm/pkg/schema"
	"github.com/llm-devops/lcm/pkg/workspace"
)

type schemaCheckOptions struct {
	format option.Format
	files  []string
}

func newSchemaCheck(e *env) *cobra.Command {
	o := &schemaCheckOptions{}
	cmd := &cobra.Command{
		Use:   "check [FILE…]",
		Short: "Check the repository's own schemas",
		Long: `Check the modules in schemas/, or in the files named, which may lie anywhere: that they compile, that every field has a comment,
that secrets have a type and a time to change them, that no name is secret in one place and plain in another (the SOPS format
chooses what is encrypted by name), that every list says how layers join, that no definition or mark is idle, and for a module
in a built-in one's place that it drops no secret and is not behind.

The exit code is 3 if there are errors; warnings do not fail.`,
		Example: "  lcm schema check\n  lcm schema check drafts/gateway.cue -o json\n  lcm schema check -o github",
		Args:    cobra.ArbitraryArgs,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"cue", "json"}, cobra.ShellCompDirectiveFilterFileExt
		},
		RunE: func(cmd *cobra.Command, a []string) error {
			o.files = a
			e.output(&o.format)
			return runSchemaCheck(cmd.Context(), e, o)
		},
	}
	o.format.Bind(cmd, "text", "json", "github")
	return cmd
}

func runSchemaCheck(ctx context.Context, e *env, o *schemaCheckOptions) error {
	sources, root, err := e.schemaSources(ctx)
	if err != nil {
		return err
	}
	if root == "" && len(o.files) == 0 {
		return usage(errors.New("there is no config repository here whose schemas could be checked"), "name the files to check")
	}
	only, sources, err := e.draftSources(root, sources, o.files)
	if err != nil {
		return err
	}
	report := checkSources(sources, only)
	switch o.format.Name {
	case "json":
		err = display.JSON(e.IO.Out, "SchemaCheck", report)
	case "github":
		err = display.FindingsGitHub(e.IO.Out, report.Findings)
	default:
		err = display.SchemaCheckText(e.IO, report)
	}
	if err != nil {
		return err
	}
	if report.Findings.Count(diag.Error) > 0 {
		return &silentError{code: exitFindings}
	}
	return nil
}

// schemaSources gives the sources of all modules, and the root of the config repository whose own are among them; "" where
// there is none.
func (e *env) schemaSources(ctx context.Context) (sources []schema.Source, root string, err error) {
	w, err := e.workspace(ctx)
	switch {
	case errors.Is(err, gitrepo.ErrNotRepository):
		sources, err = builtinSchemas()
		return sources, "", err
	case err != nil:
		return nil, "", err
	}
	s := w.Worktree()
	if _, err := s.Settings(ctx); isA[*workspace.NotConfigRepositoryError](err) {
		sources, err = builtinSchemas()
		return sources, "", err
	}
	sources, err = s.SchemaSources(ctx)
	return sources, w.Repo().Root(), err
}

// draftSources adds the files that are named to the sources, in the place of the worktree's of the same file. only are the
// files to be checked, as sources name them.
func (e *env) draftSources(root string, sources []schema.Source, files []string) (only []string, all []schema.Source, err error) {
	if len(files) == 0 {
		for _, src := range sources {
			if !src.Builtin {
				only = append(only, src.File)
			}
		}
		return only, sources, nil
	}
	all = slices.Clone(sources)
	for _, name := range files {
		file := e.path(name)
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, nil, e.unread("read schema", name, err)
		}
		shown := filepath.ToSlash(name)
		if inside := insideOf(root, file); path.Dir(inside) == workspace.SchemaDir {
			shown = inside
		}
		all = slices.DeleteFunc(all, func(src schema.Source) bool { return !src.Builtin && src.File == shown })
		all = append(all, schema.Source{File: shown, Data: data})
		only = append(only, shown)
	}
	return only, all, nil
}

// insideOf gives a file's path in the repository, "" for one outside.
func insideOf(root, file string) string {
	if root == "" {
		return ""
	}
	abs, err := filepath.Abs(file)
	if err != nil {
		return ""
	}
	if real, err := filepath.EvalSymlinks(abs); err == nil {
		abs = real
	}
	if real, err := filepath.EvalSymlinks(root); err == nil {
		root = real
	}
	rel, err := filepath.Rel(root, abs)
	if err != nil || strings.HasPrefix(rel, "..") {
		return ""
	}
	return filepath.ToSlash(rel)
}

// checkSources looks the modules of some files over. A header that cannot be read does not keep the others from being looked
// at.
func checkSources(sources []schema.Source, only []string) display.SchemaCheck {
	report := display.SchemaCheck{Files: len(only), Findings: diag.List{}}
	set, err := schema.Load(sources, nil)
	if err != nil {
		broken, ok := errors.AsType[diag.List](err)
		if !ok {
			broken = diag.List{{Code: schema.CodeInvalid, Severity: diag.Error, Message: err.Error()}}
		}
		report.Findings = append(report.Findings, broken...)
		set, err = schema.Load(slices.DeleteFunc(slices.Clone(sources), func(src schema.Source) bool {
			return slices.ContainsFunc(broken, func(f diag.Finding) bool { return f.Position.File == src.File })
		}), nil)
	}
	if err == nil {
		for _, name := range set.Names() {
			if info, err := set.Info(name); err == nil && !info.Builtin && slices.Contains(only, info.File) {
				report.Findings = append(report.Findings, set.Lint(name)...)
			}
		}
	}
	report.Findings = slices.DeleteFunc(report.Findings.Sorted(), func(f diag.Finding) bool {
		return f.Position.File != "" && !slices.Contains(only, f.Position.File)
	})
	return report
}
