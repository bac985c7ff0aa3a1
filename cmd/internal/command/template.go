package command

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/llm-devops/lcm/cmd/internal/display"
	"github.com/llm-devops/lcm/cmd/internal/option"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/template"
	"github.com/llm-devops/lcm/pkg/validate"
	"github.com/llm-devops/lcm/pkg/workspace"
)

func newTemplate(e *env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "template",
		Short: "List, show, try out, write and check templates",
		Long: `A template is a YAML file with typed variables. A layer file that says "extends: NAME" gets what the template makes of the
file's "variables:" below its own values. Templates come with lcm, and lie in the repository's folder templates/.`,
		Example: "  lcm template list\n  lcm template show llm_inference_openai\n  lcm set acme/base/inference extends=llm_inference_openai variables.model=gpt-4.1",
		Args:    subcommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newTemplateList(e), newTemplateShow(e), newTemplateRender(e), newTemplateNew(e), newTemplateCheck(e), newTemplateWhoUses(e))
	return cmd
}

// templateSet opens the templates of the worktree or a revision.
func (e *env) templateSet(ctx context.Context, rev string) (*workspace.Snapshot, *template.Set, error) {
	_, s, err := e.open(ctx, rev)
	if err != nil {
		return nil, nil, err
	}
	if _, err := s.Settings(ctx); err != nil {
		return nil, nil, err
	}
	set, err := s.Templates(ctx)
	return s, set, err
}

// completeTemplate completes the name of a template.
func (e *env) completeTemplate(ctx context.Context) ([]string, cobra.ShellCompDirective) {
	if s := e.complete(ctx); s != nil {
		if set, err := s.Templates(ctx); err == nil {
			return set.Names(), cobra.ShellCompDirectiveNoFileComp
		}
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

func (e *env) completeOneTemplate(cmd *cobra.Command, a []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(a) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return e.completeTemplate(cmd.Context())
}

// parseTemplate reads NAME or NAME@VERSION from the command line.
func parseTemplate(text string) (template.Ref, error) {
	ref, err := template.ParseRef(text)
	if err != nil {
		return ref, usage(err, "for example llm_inference_openai or llm_inference_openai@1")
	}
	return ref, nil
}

func newTemplateList(e *env) *cobra.Command {
	var format option.Format
	var at string
	var all bool
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List templates",
		Example: "  lcm template list\n  lcm template list --versions -o json",
		Args:    args(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			e.output(&format)
			return runTemplateList(cmd.Context(), e, at, all, format)
		},
	}
	format.Bind(cmd, "text", "json")
	cmd.Flags().StringVar(&at, "at", "", "list what there was at `REV`")
	cmd.Flags().BoolVar(&all, "versions", false, "list every version, not only the one that NAME means")
	return cmd
}

func runTemplateList(ctx context.Context, e *env, at string, all bool, format option.Format) error {
	_, set, err := e.templateSet(ctx, at)
	if err != nil {
		return err
	}
	report := display.Templates{Items: []display.Template{}, Findings: set.Files()}
	for _, name := range set.Names() {
		versions, err := set.Versions(name)
		if broken, ok := errors.AsType[diag.List](err); ok {
			report.Findings = append(report.Findings, broken...)
		} else if err != nil {
			return err
		}
		if !all && len(versions) > 1 {
			newest, err := set.Find(template.Ref{Name: name})
			if err != nil {
				newest = versions[0]
			}
			versions = []*template.Template{newest}
		}
		for _, t := range versions {
			report.Items = append(report.Items, display.NewTemplate(t))
		}
	}
	if format.JSON() {
		return display.JSON(e.IO.Out, "TemplateList", report)
	}
	return display.TemplatesText(e.IO, report)
}

func newTemplateShow(e *env) *cobra.Command {
	var format option.Format
	var at string
	cmd := &cobra.Command{
		Use:               "show NAME[@VERSION]",
		Short:             "Show a template: its variables and its text",
		Example:           "  lcm template show llm_inference_openai\n  lcm template show chat@1.2 -o json",
		Args:              args(1, 1, "a name"),
		ValidArgsFunction: e.completeOneTemplate,
		RunE: func(cmd *cobra.Command, a []string) error {
			e.output(&format)
			return runTemplateShow(cmd.Context(), e, a[0], at, format)
		},
	}
	format.Bind(cmd, "text", "json")
	cmd.Flags().StringVar(&at, "at", "", "show what it was at `REV`")
	return cmd
}

func runTemplateShow(ctx context.Context, e *env, name, at string, format option.Format) error {
	ref, err := parseTemplate(name)
	if err != nil {
		return err
	}
	_, set, err := e.templateSet(ctx, at)
	if err != nil {
		return err
	}
	t, err := set.Find(ref)
	if err != nil {
		return err
	}
	versions, err := set.Versions(ref.Name)
	if err != nil {
		return err
	}
	report := display.NewTemplate(t)
	report.Source = string(t.Source)
	for _, v := range versions {
		report.Versions = append(report.Versions, v.Version.String())
	}
	for _, v := range set.Interface(t) {
		report.Variables = append(report.Variables, display.NewVariable(v))
	}
	if format.JSON() {
		return display.JSON(e.IO.Out, "Template", report)
	}
	return display.TemplateText(e.IO, report)
}

func newTemplateCheck(e *env) *cobra.Command {
	var format option.Format
	var at string
	cmd := &cobra.Command{
		Use:   "check [NAME…]",
		Short: "Check templates, and report everything that is wrong",
		Long: `Check templates for themselves: syntax, declarations, placeholders, what they extend, secrets. What a template makes of its
defaults and examples is held against the schema of the module that it names. Without a name, all templates of the
repository are checked; lcm validate does that too, and looks at those who extend them. The exit code is 3 if there are
errors.`,
		Example: "  lcm template check\n  lcm template check chat -o json",
		Args:    args(0, -1, "names of templates"),
		ValidArgsFunction: func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			return e.completeTemplate(cmd.Context())
		},
		RunE: func(cmd *cobra.Command, a []string) error {
			e.output(&format)
			return runTemplateCheck(cmd.Context(), e, a, at, format)
		},
	}
	format.Bind(cmd, "text", "json", "github")
	cmd.Flags().StringVar(&at, "at", "", "check `REV`, a commit, tag or branch, in place of the worktree")
	return cmd
}

func runTemplateCheck(ctx context.Context, e *env, names []string, at string, format option.Format) error {
	s, _, err := e.templateSet(ctx, at)
	if err != nil {
		return err
	}
	report := display.TemplateCheck{}
	if report.Findings, report.Templates, err = validate.Templates(ctx, s, names...); err != nil {
		return err
	}
	if report.Findings == nil {
		report.Findings = diag.List{}
	}
	switch format.Name {
	case "json":
		err = display.JSON(e.IO.Out, "TemplateCheck", report)
	case "github":
		err = display.FindingsGitHub(e.IO.Out, report.Findings)
	default:
		err = display.TemplateCheckText(e.IO, report)
	}
	if err == nil && report.Findings.Count(diag.Error) > 0 {
		return &silentError{code: exitFindings}
	}
	return err
}

func newTemplateWhoUses(e *env) *cobra.Command {
	var format option.Format
	var at string
	cmd := &cobra.Command{
		Use:   "who-uses NAME[@VERSION]",
		Short: "Show which layer files and addresses get something from a template",
		Long: `Show the layer files that extend a template, themselves or through another template, and the addresses that have one of
these files below them: whom a change of the template can reach.`,
		Example:           "  lcm template who-uses llm_inference_openai\n  lcm template who-uses chat@1 -o json",
		Args:              args(1, 1, "a name"),
		ValidArgsFunction: e.completeOneTemplate,
		RunE: func(cmd *cobra.Command, a []string) error {
			e.output(&format)
			return runTemplateWhoUses(cmd.Context(), e, a[0], at, format)
		},
	}
	format.Bind(cmd, "text", "json")
	cmd.Flags().StringVar(&at, "at", "", "look at `REV`, a commit, tag or branch, in place of the worktree")
	return cmd
}

func runTemplateWhoUses(ctx context.Context, e *env, name, at string, format option.Format) error {
	ref, err := parseTemplate(name)
	if err != nil {
		return err
	}
	s, set, err := e.templateSet(ctx, at)
	if err != nil {
		return err
	}
	report := display.TemplateUsers{Template: ref.String(), Templates: []string{}}
	if report.Files, err = s.TemplateUsers(ctx, ref); err != nil {
		return err
	}
	if len(report.Files) == 0 { // a name that layers have counts even where there is no such template
		if _, err := set.Find(ref); err != nil {
			return err
		}
		report.Files = []workspace.TemplateUser{}
	}
	heirs, err := s.TemplateHeirs(ctx, ref)
	if err != nil {
		return err
	}
	for _, t := range heirs {
		report.Templates = append(report.Templates, t.ID())
	}
	if report.Addresses, err = s.Reached(ctx, report.Files); err != nil {
		return err
	}
	if format.JSON() {
		return display.JSON(e.IO.Out, "TemplateUsers", report)
	}
	return display.TemplateUsersText(e.IO, report)
}
