package command

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/llm-devops/lcm/cmd/internal/display"
	"github.com/llm-devops/lcm/cmd/internal/option"
	"github.com/llm-devops/lcm/pkg/diag"
)

type schemaShowOptions struct {
	format option.Format
	module string
	key    string
}

func newSchemaShow(e *env) *cobra.Command {
	o := &schemaShowOptions{}
	cmd := &cobra.Command{
		Use:   "show MODULE [KEY]",
		Short: "Show the fields of a module",
		Long: `Show the fields of a module: types, defaults, bounds, what is secret, how layers join, what is never promoted, and what each field
does. With a KEY these are the field of that name and what is below it; <name> stands for any key of a map, [] for the items of
a list, and the keys of a configuration will do too.`,
		Example: `  lcm schema show inference-engine
  lcm schema show inference-engine parameters
  lcm schema show inference-engine providers.openai.api_key`,
		Args: args(1, 2, "a module, and maybe a key"),
		ValidArgsFunction: func(cmd *cobra.Command, a []string, toComplete string) ([]string, cobra.ShellCompDirective) {
			switch len(a) {
			case 0:
				return e.completeModule(cmd.Context())
			case 1:
				return e.completeModuleKey(cmd.Context(), a[0], toComplete)
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, a []string) error {
			o.module = a[0]
			if len(a) > 1 {
				o.key = a[1]
			}
			e.output(&o.format)
			return runSchemaShow(cmd.Context(), e, o)
		},
	}
	o.format.Bind(cmd, "text", "json")
	return cmd
}

// completeModuleKey completes a key of a module, as its reference has it.
func (e *env) completeModuleKey(ctx context.Context, module, toComplete string) ([]string, cobra.ShellCompDirective) {
	set, _, err := e.modules(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	m, err := set.Module(module)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var keys []string
	for f := range m.Fields() {
		if strings.HasPrefix(f.Key, toComplete) {
			keys = append(keys, f.Key)
		}
	}
	return keys, cobra.ShellCompDirectiveNoFileComp
}

func runSchemaShow(ctx context.Context, e *env, o *schemaShowOptions) error {
	report, _, err := e.moduleReport(ctx, o.module)
	if err != nil {
		return err
	}
	if o.key != "" {
		if err := narrow(&report, o.key); err != nil {
			return err
		}
	}
	if o.format.JSON() {
		return display.JSON(e.IO.Out, "Module", report)
	}
	return display.ModuleText(e.IO, report)
}

// narrow keeps the fields at a key and below it, or else those that begin with it.
func narrow(report *display.Module, key string) error {
	var found []display.Field
	for _, whole := range []bool{true, false} {
		for _, f := range report.Fields {
			if isBelowKey(f.Key, key, whole) {
				found = append(found, f)
			}
		}
		if len(found) > 0 {
			report.Key, report.Fields = key, found
			return nil
		}
	}
	names := make([]string, len(report.Fields))
	for i, f := range report.Fields {
		names[i] = f.Key
	}
	return usage(fmt.Errorf("module %s has no key %q", report.Name, key), "%s", diag.DidYouMean(key, names, "see all: lcm schema show "+report.Name))
}

// isBelowKey reports whether a field of the reference is at a key, or below it. whole says that the key's last part is all of
// a name, else the name begins with it.
func isBelowKey(field, key string, whole bool) bool {
	have, want := keyParts(field), keyParts(key)
	if len(want) > len(have) {
		return false
	}
	for i, w := range want {
		h := have[i]
		isAny := strings.HasPrefix(h, "<") && !strings.HasPrefix(w, "[") || strings.HasPrefix(h, "[") && strings.HasPrefix(w, "[")
		isBegin := !whole && i == len(want)-1 && strings.HasPrefix(h, w)
		if h != w && !isAny && !isBegin {
			return false
		}
	}
	return true
}

// keyParts takes a key apart: names, quoted or not, and what is in brackets. It takes keys of the reference too, in which
// names can be <name>.
func keyParts(key string) []string {
	var parts []string
	var part strings.Builder
	quoted := false
	end := func() {
		if part.Len() > 0 {
			parts = append(parts, part.String())
			part.Reset()
		}
	}
	for _, c := range key {
		switch {
		case c == '"':
			quoted = !quoted
		case quoted:
			part.WriteRune(c)
		case c == '.':
			end()
		case c == '[':
			end()
			part.WriteRune(c)
		case c == ']':
			part.WriteRune(c)
			end()
		default:
			part.WriteRune(c)
		}
	}
	end()
	return slices.Clip(parts)
}
