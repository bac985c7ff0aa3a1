package command

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/llm-devops/lcm/cmd/internal/display"
	"github.com/llm-devops/lcm/pkg/gitrepo"
	"github.com/llm-devops/lcm/pkg/schema"
	"github.com/llm-devops/lcm/pkg/workspace"
)

func newSchema(e *env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "schema",
		Short: "See, export, extend and check the schemas of modules",
		Long: `A module is a kind of service; its schema says which fields its configuration has, which are secret, how layers join and what is
promoted. Twenty-two modules are built into lcm, and modules of your own go into schemas/.

lcm.lock holds a repository to the versions of the built-in modules and templates that it uses, so that another lcm never changes
what a commit resolves to.`,
		Example: "  lcm schema list\n  lcm schema show inference-engine parameters\n  lcm schema check",
		Args:    subcommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newSchemaList(e), newSchemaShow(e), newSchemaDocs(e), newSchemaExport(e), newSchemaEject(e), newSchemaCheck(e), newSchemaUpgrade(e))
	return cmd
}

// modules gives the modules of the worktree, and outside of a config repository those that are built in; then the snapshot
// is nil.
func (e *env) modules(ctx context.Context) (*schema.Set, *workspace.Snapshot, error) {
	w, err := e.workspace(ctx)
	if err == nil {
		s := w.Worktree()
		if _, err := s.Settings(ctx); !isA[*workspace.NotConfigRepositoryError](err) {
			set, err := s.Schemas(ctx)
			return set, s, err
		}
	} else if !errors.Is(err, gitrepo.ErrNotRepository) {
		return nil, nil, err
	}
	builtin, err := builtinSchemas()
	if err != nil {
		return nil, nil, err
	}
	set, err := schema.Load(builtin, nil)
	return set, nil, err
}

// completeModule completes the name of a module.
func (e *env) completeModule(ctx context.Context) ([]string, cobra.ShellCompDirective) {
	set, _, err := e.modules(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return set.Names(), cobra.ShellCompDirectiveNoFileComp
}

// uncommittedModule gives an error about a module that HEAD does not have, or has broken, and says if the worktree has it.
func uncommittedModule(ctx context.Context, w *workspace.Workspace, name string, err error) error {
	if _, ok := errors.AsType[*schema.UnknownModuleError](err); ok {
		if set, err := w.Worktree().Schemas(ctx); err == nil {
			if info, err := set.Info(name); err == nil {
				return usage(fmt.Errorf("module %q is not committed yet", name), "commit %s first, or do all in the worktree with --no-commit", info.File)
			}
		}
	}
	return moduleError(err)
}

// moduleError gives an error about a module's name as one of usage.
func moduleError(err error) error {
	if unknown, ok := errors.AsType[*schema.UnknownModuleError](err); ok {
		return usage(err, "%s", didYouMeanModule(unknown))
	}
	return err
}

func didYouMeanModule(unknown *schema.UnknownModuleError) string {
	if len(unknown.Nearest) > 0 {
		return "did you mean " + unknown.Nearest[0] + "?"
	}
	return "see them: lcm schema list"
}

// usersOf gives the namespaces that are of each module; none outside of a config repository.
func usersOf(ctx context.Context, s *workspace.Snapshot) (map[string][]string, error) {
	users := map[string][]string{}
	if s == nil {
		return users, nil
	}
	settings, err := s.Settings(ctx)
	if err != nil {
		return nil, err
	}
	for _, name := range settings.NamespaceNames() {
		ns, _ := settings.Namespace(name)
		if ns.Module != "" {
			users[ns.Module] = append(users[ns.Module], name)
		}
	}
	return users, nil
}

// moduleReport gives what there is to say of one module, with its fields.
func (e *env) moduleReport(ctx context.Context, name string) (display.Module, *schema.Module, error) {
	set, s, err := e.modules(ctx)
	if err != nil {
		return display.Module{}, nil, err
	}
	info, err := set.Info(name)
	if err != nil {
		return display.Module{}, nil, moduleError(err)
	}
	m, err := set.Module(name)
	if err != nil {
		return display.Module{}, nil, err
	}
	users, err := usersOf(ctx, s)
	if err != nil {
		return display.Module{}, nil, err
	}
	report := display.NewModule(info, users[name])
	report.Describe(m)
	return report, m, nil
}
