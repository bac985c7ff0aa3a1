package command

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/llm-devops/lcm/cmd/internal/display"
	"github.com/llm-devops/lcm/cmd/internal/option"
	"github.com/llm-devops/lcm/pkg/change"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/scaffold"
	"github.com/llm-devops/lcm/pkg/schema"
	"github.com/llm-devops/lcm/pkg/template"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/workspace"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

type templateRenderOptions struct {
	format   option.Format
	at       string
	name     string
	vars     []string
	varsFile string
}

func newTemplateRender(e *env) *cobra.Command {
	o := &templateRenderOptions{}
	cmd := &cobra.Command{
		Use:   "render NAME[@VERSION]",
		Short: "Show what a template makes of some values",
		Long: `Show what a template makes of some values, with those that it extends below it, and without a schema's defaults. A value is
typed as the variable is declared.`,
		Example: `  lcm template render llm_inference_openai
  lcm template render llm_inference_openai --var model=gpt-4.1 --var temperature=0.2
  lcm template render chat@1 --vars-file values.yaml -o json`,
		Args:              args(1, 1, "a name"),
		ValidArgsFunction: e.completeOneTemplate,
		RunE: func(cmd *cobra.Command, a []string) error {
			o.name = a[0]
			e.output(&o.format)
			return runTemplateRender(cmd.Context(), e, o)
		},
	}
	o.format.Bind(cmd, "yaml", "json")
	cmd.Flags().StringVar(&o.at, "at", "", "use the template as it was at `REV`")
	cmd.Flags().StringArrayVar(&o.vars, "var", nil, "set a variable, as `NAME=VALUE` (repeatable)")
	cmd.Flags().StringVar(&o.varsFile, "vars-file", "", "take variables from a YAML `FILE`; --var wins")
	_ = cmd.MarkFlagFilename("vars-file", "yaml", "yml", "json")
	return cmd
}

func runTemplateRender(ctx context.Context, e *env, o *templateRenderOptions) error {
	ref, err := parseTemplate(o.name)
	if err != nil {
		return err
	}
	s, set, err := e.templateSet(ctx, o.at)
	if err != nil {
		return err
	}
	t, err := set.Find(ref)
	if err != nil {
		return err
	}
	variables, err := o.variables(e, set.Interface(t))
	if err != nil {
		return err
	}
	root, err := s.RenderTemplate(ctx, t, variables)
	if err != nil {
		return err
	}
	report := display.NewRendered(t, root)
	if o.format.JSON() {
		return display.JSON(e.IO.Out, "RenderedTemplate", report)
	}
	return display.RenderedText(e.IO, report)
}

// variables reads the values that the command line gives, those of --var over those of the file.
func (o *templateRenderOptions) variables(e *env, known []template.Variable) (*tree.Node, error) {
	var fields []tree.Field
	if o.varsFile != "" {
		data, err := os.ReadFile(e.path(o.varsFile))
		if err != nil {
			return nil, e.unread("read variables", o.varsFile, err)
		}
		doc, err := yamldoc.Parse(o.varsFile, data)
		if err != nil {
			return nil, err
		}
		fields = slices.Clone(doc.Root().Fields())
	}
	for _, arg := range o.vars {
		name, text, ok := strings.Cut(arg, "=")
		if !ok || !template.IsVariableName(name) {
			return nil, usage(fmt.Errorf("--var %s is not NAME=VALUE", arg), "for example --var temperature=0.2")
		}
		var field *schema.Field
		if i := slices.IndexFunc(known, func(v template.Variable) bool { return v.Name == name }); i >= 0 && known[i].Kinds() != nil {
			field = &schema.Field{Kinds: known[i].Kinds()}
		}
		n, err := change.ParseValue(tree.Keys(name), text, field)
		if err != nil {
			return nil, usage(err, "see its variables: lcm template show %s", o.name)
		}
		at := diag.Position{File: "--var " + name}
		value := n.Clone()
		value.Pos = at
		fields = slices.DeleteFunc(fields, func(f tree.Field) bool { return f.Key == name })
		fields = append(fields, tree.Field{Key: name, Pos: at, Value: value})
	}
	return tree.NewMap(fields...), nil
}

type templateNewOptions struct {
	option.Write
	format  option.Format
	name    string
	module  string
	tenants []string
}

func newTemplateNew(e *env) *cobra.Command {
	o := &templateNewOptions{}
	cmd := &cobra.Command{
		Use:   "new NAME",
		Short: "Write a template to start from into templates/",
		Example: `  lcm template new chat --module inference-engine
  lcm template new chat --tenant acme --no-commit`,
		Args: args(1, 1, "a name"),
		RunE: func(cmd *cobra.Command, a []string) error {
			o.name = a[0]
			e.output(&o.format)
			return runTemplateNew(cmd.Context(), e, o)
		},
	}
	o.Bind(cmd)
	o.format.Bind(cmd, "text", "json")
	cmd.Flags().StringVar(&o.module, "module", "", "the `MODULE` that it makes configuration for; left out, any")
	cmd.Flags().StringArrayVar(&o.tenants, "tenant", nil, "share it with this `TENANT` alone (repeatable); left out, with everyone")
	return cmd
}

func runTemplateNew(ctx context.Context, e *env, o *templateNewOptions) error {
	if err := template.CheckName(o.name); err != nil {
		return usage(err, "for example chat or chat_with_tools")
	}
	w, err := e.workspace(ctx)
	if err != nil {
		return err
	}
	base, err := e.writeBase(ctx, w, o.Write)
	if err != nil {
		return err
	}
	file := path.Join(workspace.TemplateDir, o.name+".yaml")
	for _, s := range []*workspace.Snapshot{base, w.Worktree()} {
		if _, err := s.ReadFile(ctx, file); err == nil {
			return diag.WithHint(fmt.Errorf("%s exists already", file), "see it: lcm template show %s", o.name)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("read %s: %w", file, err)
		}
	}
	if o.module != "" {
		set, err := base.Schemas(ctx)
		if err != nil {
			return err
		}
		if _, err := set.Module(o.module); err != nil {
			return uncommittedModule(ctx, w, o.module, err)
		}
	}
	for _, tenant := range o.tenants {
		if _, err := base.Tenant(ctx, tenant); err != nil {
			return err
		}
	}
	request := change.Request{
		Kind: "template-new", Subject: "add template " + o.name, Reason: o.Reason, Now: e.now(),
		Files: map[string][]byte{file: scaffold.Template(o.module, o.tenants)},
	}
	return e.change(ctx, w, base, request, o.Write, o.format)
}
