package command

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/llm-devops/lcm/cmd/internal/display"
	"github.com/llm-devops/lcm/cmd/internal/option"
	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/change"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/scaffold"
	"github.com/llm-devops/lcm/pkg/workspace"
)

func newNamespace(e *env) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "namespace",
		Aliases: []string{"ns"},
		Short:   "Add, list and show namespaces",
		Long: `A namespace is one service's configuration. lcm.yaml says which module it is an instance of, and the module's schema says which
fields it has, which are secret, and how they merge.`,
		Example: "  lcm namespace list\n  lcm namespace add --help",
		Args:    subcommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newNamespaceAdd(e), newNamespaceList(e), newNamespaceShow(e))
	return cmd
}

type namespaceAddOptions struct {
	option.Write
	format   option.Format
	name     string
	module   string
	inherits string
}

func newNamespaceAdd(e *env) *cobra.Command {
	o := &namespaceAddOptions{}
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "Declare a namespace in lcm.yaml",
		Example: `  lcm namespace add inference --module inference-engine
  lcm namespace add inference-batch --module inference-engine --inherits inference`,
		Args: args(1, 1, "a name"),
		RunE: func(cmd *cobra.Command, a []string) error {
			o.name = a[0]
			e.output(&o.format)
			return runNamespaceAdd(cmd.Context(), e, o)
		},
	}
	o.Bind(cmd)
	o.format.Bind(cmd, "text", "json")
	cmd.Flags().StringVar(&o.module, "module", "", "the `MODULE` whose schema it has; without one, any keys are allowed")
	cmd.Flags().StringVar(&o.inherits, "inherits", "", "the `NAMESPACE` whose layers lie under this one's")
	_ = cmd.RegisterFlagCompletionFunc("module", func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		if s := e.complete(cmd.Context()); s != nil {
			if set, err := s.Schemas(cmd.Context()); err == nil {
				return set.Names(), cobra.ShellCompDirectiveNoFileComp
			}
		}
		return nil, cobra.ShellCompDirectiveNoFileComp
	})
	_ = cmd.RegisterFlagCompletionFunc("inherits", func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return e.completeNamespace(cmd.Context())
	})
	return cmd
}

func (e *env) completeNamespace(ctx context.Context) ([]string, cobra.ShellCompDirective) {
	if s := e.complete(ctx); s != nil {
		if settings, err := s.Settings(ctx); err == nil {
			return settings.NamespaceNames(), cobra.ShellCompDirectiveNoFileComp
		}
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

func runNamespaceAdd(ctx context.Context, e *env, o *namespaceAddOptions) error {
	if err := address.CheckName("namespace", o.name); err != nil {
		return usage(err, "for example inference or inference-batch")
	}
	w, err := e.workspace(ctx)
	if err != nil {
		return err
	}
	base, err := e.writeBase(ctx, w, o.Write)
	if err != nil {
		return err
	}
	settings, err := base.Settings(ctx)
	if err != nil {
		return err
	}
	if ns, ok := settings.Namespace(o.name); ok {
		return diag.WithHint(fmt.Errorf("namespace %q exists already, at %s", o.name, ns.Pos), "see it: lcm namespace show %s", o.name)
	}
	set, err := base.Schemas(ctx)
	if err != nil {
		return err
	}
	if o.module == "" && o.inherits == "" {
		e.IO.Warn("without --module nothing in %s will be checked against a schema, and no field is known to be secret", o.name)
	}
	if o.module != "" {
		if _, err := set.Module(o.module); err != nil {
			return uncommittedModule(ctx, w, o.module, err)
		}
	}
	src, err := base.ReadFile(ctx, workspace.SettingsFile)
	if err != nil {
		return err
	}
	edited, err := scaffold.AddNamespace(src, o.name, o.module, o.inherits)
	if err != nil {
		return err
	}
	files := map[string][]byte{workspace.SettingsFile: edited}
	if err := addLock(ctx, w, base, files); err != nil {
		return err
	}
	request := change.Request{
		Kind: "namespace-add", Subject: "add namespace " + o.name, Reason: o.Reason, Now: e.now(), Files: files,
	}
	return e.change(ctx, w, base, request, o.Write, o.format)
}

func newNamespaceList(e *env) *cobra.Command {
	var format option.Format
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List namespaces",
		Example: "  lcm namespace list",
		Args:    args(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			e.output(&format)
			w, err := e.workspace(cmd.Context())
			if err != nil {
				return err
			}
			settings, err := w.Worktree().Settings(cmd.Context())
			if err != nil {
				return err
			}
			report := display.Namespaces{Items: []display.Namespace{}}
			for _, ns := range settings.Namespaces {
				report.Items = append(report.Items, display.Namespace{Name: ns.Name, Module: ns.Module, Inherits: ns.Inherits})
			}
			if format.JSON() {
				return display.JSON(e.IO.Out, "NamespaceList", report)
			}
			return display.NamespacesText(e.IO, report)
		},
	}
	format.Bind(cmd, "text", "json")
	return cmd
}

func newNamespaceShow(e *env) *cobra.Command {
	var format option.Format
	cmd := &cobra.Command{
		Use:     "show NAME",
		Short:   "Show a namespace: its module, its fields, and which addresses have it",
		Example: "  lcm namespace show inference",
		Args:    args(1, 1, "a name"),
		ValidArgsFunction: func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			return e.completeNamespace(cmd.Context())
		},
		RunE: func(cmd *cobra.Command, a []string) error {
			e.output(&format)
			return runNamespaceShow(cmd.Context(), e, a[0], format)
		},
	}
	format.Bind(cmd, "text", "json")
	return cmd
}

func runNamespaceShow(ctx context.Context, e *env, name string, format option.Format) error {
	w, err := e.workspace(ctx)
	if err != nil {
		return err
	}
	s := w.Worktree()
	settings, err := s.Settings(ctx)
	if err != nil {
		return err
	}
	ns, ok := settings.Namespace(name)
	if !ok {
		return workspace.Unknown("namespace", name, settings.NamespaceNames())
	}
	report := display.Namespace{Name: ns.Name, Module: ns.Module, Inherits: ns.Inherits}
	m, err := s.ModuleOf(ctx, name)
	if err != nil {
		return err
	}
	if m != nil {
		report.Title, report.Version = m.Title(), m.Version()
		for f := range m.Fields() {
			report.Fields = append(report.Fields, display.NewField(f.Key, f.Field))
		}
	}
	pattern, err := address.ParsePattern("*/*/" + name)
	if err != nil {
		return err
	}
	if report.Addresses, err = s.Addresses(ctx, pattern); err != nil {
		return err
	}
	if format.JSON() {
		return display.JSON(e.IO.Out, "Namespace", report)
	}
	return display.NamespaceText(e.IO, report)
}
