package command

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/spf13/cobra"

	"github.com/llm-devops/lcm/cmd/internal/option"
	"github.com/llm-devops/lcm/pkg/change"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/schema"
	"github.com/llm-devops/lcm/pkg/workspace"
)

type schemaEjectOptions struct {
	option.Write
	format option.Format
	module string
	as     string
}

func newSchemaEject(e *env) *cobra.Command {
	o := &schemaEjectOptions{}
	cmd := &cobra.Command{
		Use:   "eject MODULE",
		Short: "Copy a built-in schema into the repository, to extend it",
		Long: `Copy the source of a module to schemas/NAME.cue, in one commit. The copy takes the built-in module's place, which its header says
with replaces=VERSION: all namespaces of the module have the copy's schema from then on, lcm.lock holds the repository to that
module no more, and what a newer lcm changes in the built-in one does not arrive. Nothing resolves differently by it.

With --as it gets another name and the built-in module stays: give the new name to namespaces in lcm.yaml.`,
		Example: `  lcm schema eject observatory --dry-run
  lcm schema eject inference-engine --as our-inference-engine -m 'we add fields for our GPUs'`,
		Args: args(1, 1, "a module"),
		ValidArgsFunction: func(cmd *cobra.Command, a []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(a) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return e.completeModule(cmd.Context())
		},
		RunE: func(cmd *cobra.Command, a []string) error {
			o.module = a[0]
			e.output(&o.format)
			return runSchemaEject(cmd.Context(), e, o)
		},
	}
	o.Bind(cmd)
	o.format.Bind(cmd, "text", "json")
	cmd.Flags().StringVar(&o.as, "as", "", "give the copy a `NAME` of its own, and leave the built-in module in use")
	return cmd
}

func runSchemaEject(ctx context.Context, e *env, o *schemaEjectOptions) error {
	w, err := e.workspace(ctx)
	if err != nil {
		return err
	}
	base, err := e.writeBase(ctx, w, o.Write)
	if err != nil {
		return err
	}
	set, err := base.Schemas(ctx)
	if err != nil {
		return err
	}
	name := o.module
	if o.as != "" {
		name = o.as
	}
	info, err := set.Info(o.module)
	if err != nil {
		return moduleError(err)
	}
	if err := checkEject(set, info, name); err != nil {
		return err
	}
	text, err := set.Eject(o.module, o.as)
	if err != nil {
		return usage(err, "for example our-%s", o.module)
	}
	file := path.Join(workspace.SchemaDir, name+".cue")
	if _, err := base.ReadFile(ctx, file); err == nil {
		return diag.WithHint(fmt.Errorf("%s exists already", file), "give the copy another name: --as NAME")
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read %s: %w", file, err)
	}
	files := map[string][]byte{file: text}
	if err := addLock(ctx, w, base, files); err != nil {
		return err
	}
	request := change.Request{
		Kind: "schema-eject", Subject: fmt.Sprintf("eject schema %s %s to %s", o.module, info.Version, file), Reason: o.Reason, Now: e.now(), Files: files,
	}
	if err := e.change(ctx, w, base, request, o.Write, o.format); err != nil {
		return err
	}
	if name == o.module {
		e.IO.Note("%s takes the place of the built-in module: later changes of that one do not arrive, and lcm schema check tells when there are any", file)
	} else {
		e.IO.Note("use it in lcm.yaml: module: %s; lcm schema check looks it over", name)
	}
	return nil
}

// checkEject refuses a copy whose name is taken.
func checkEject(set *schema.Set, from schema.Info, name string) error {
	if name == from.Name {
		if from.Builtin {
			return nil
		}
		return diag.WithHint(fmt.Errorf("%s is the repository's own already, in %s", name, from.File), "copy it under another name: --as NAME")
	}
	taken, err := set.Info(name)
	if err != nil {
		return nil //nolint:nilerr // there is no such module, which is as it should be
	}
	where := taken.File
	if taken.Builtin {
		where = "built into lcm"
	}
	return diag.WithHint(fmt.Errorf("there is a module %s already, %s", name, where), "choose another name")
}
