package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/llm-devops/lcm/cmd/internal/option"
	"github.com/llm-devops/lcm/cmd/internal/term"
	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/change"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/gitrepo"
	"github.com/llm-devops/lcm/pkg/inventory"
	"github.com/llm-devops/lcm/pkg/schema"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/workspace"
)

type setOptions struct {
	option.Write
	format    option.Format
	address   string
	values    []string // KEY=VALUE, or KEY alone for a secret
	secrets   []string
	fromFiles []string
	stdin     string
	asString  bool
	directive string
	expires   string
}

func newSet(e *env) *cobra.Command {
	o := &setOptions{}
	cmd := &cobra.Command{
		Use:   "set ADDR KEY=VALUE…",
		Short: "Set values in one layer, in one signed commit",
		Long: `Set values in the layer file of an address: all keys of one call, or none.

A value is typed by the schema where there is one, else as YAML would read it; --string keeps it a string. Secret fields are
encrypted to the tenant's recipients. For a secret, give the key without a value to be asked for it, or use --stdin or
--from-file: what stands on the command line can be seen by other users and stays in the shell's history.

Only the bytes of the value change in its file. What the change reaches is checked before anything is written.`,
		Example: `  lcm set acme/production/inference parameters.temperature=0.2 -m "less creative answers for support"
  lcm set acme/production/inference providers.openai.api_key           asks for the secret
  vault read -field=key … | lcm set acme/production/inference --stdin providers.openai.api_key
  lcm set acme/base/prompts --from-file templates.support-agent.system=support.md
  lcm set acme/production/gateway 'routes[name=chat].priority=90' --dry-run
  lcm set acme/production/inference custom.token --secret custom.token  a secret the schema does not know`,
		Args:              args(1, -1, "an address and KEY=VALUE"),
		ValidArgsFunction: e.addressThenKeys("="),
		RunE: func(cmd *cobra.Command, a []string) error {
			o.address, o.values = a[0], a[1:]
			e.output(&o.format)
			return runSet(cmd.Context(), e, o)
		},
	}
	o.Bind(cmd)
	o.format.Bind(cmd, "text", "json")
	f := cmd.Flags()
	f.StringArrayVar(&o.secrets, "secret", nil, "treat `KEY` as secret; asked for if no value is given (repeatable)")
	f.StringArrayVar(&o.fromFiles, "from-file", nil, "take a value from a file, byte for byte, as `KEY=PATH` (repeatable)")
	f.StringVar(&o.stdin, "stdin", "", "take the value of `KEY` from standard input; the newline after a single line is dropped")
	f.StringVar(&o.expires, "expires", "", "note in the commit that the secrets work until `DATE`, as 2026-12-31; see lcm secret list")
	f.BoolVar(&o.asString, "string", false, "take every value as a string")
	for _, flag := range []string{"secret", "stdin"} {
		_ = cmd.RegisterFlagCompletionFunc(flag, func(cmd *cobra.Command, a []string, toComplete string) ([]string, cobra.ShellCompDirective) {
			if len(a) == 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return e.completeAddressThenKeys(cmd.Context(), a, toComplete, "")
		})
	}
	f.StringVar(&o.directive, "merge", "", "write the values with a merge `DIRECTIVE`: override, append, prepend or merge")
	return cmd
}

func runSet(ctx context.Context, e *env, o *setOptions) error {
	a, err := parseAddress(o.address)
	if err != nil {
		return err
	}
	inputs, err := o.inputs()
	if err != nil {
		return err
	}
	w, err := e.workspace(ctx)
	if err != nil {
		return err
	}
	base, err := e.writeBase(ctx, w, o.Write)
	if err != nil {
		return err
	}
	if err := base.Check(ctx, a); err != nil {
		return err
	}
	module, err := base.ModuleOf(ctx, a.Namespace)
	if err != nil {
		return err
	}
	edits := make([]change.Edit, 0, len(inputs))
	for _, in := range inputs {
		edit, err := o.edit(ctx, e, a, module, in)
		if err != nil {
			return err
		}
		edits = append(edits, edit)
	}
	request := change.Request{Kind: "set", Edits: edits, Reason: o.Reason, Now: e.now()}
	if o.expires != "" {
		if request.Details, err = o.expiry(ctx, base, edits); err != nil {
			return err
		}
	}
	return e.change(ctx, w, base, request, o.Write, o.format)
}

// expiry gives the trailer by which secrets are known to expire.
func (o *setOptions) expiry(ctx context.Context, base *workspace.Snapshot, edits []change.Edit) ([]gitrepo.Trailer, error) {
	at, err := time.Parse(time.DateOnly, o.expires)
	if err != nil {
		return nil, usage(fmt.Errorf("--expires %s is no date", o.expires), "for example --expires 2026-12-31")
	}
	isSecret := func(e change.Edit) bool {
		own, err := base.Own(ctx, e.Address)
		now := own.Get(e.Path)
		return e.Secret || err == nil && now != nil && now.Secret
	}
	if !slices.ContainsFunc(edits, isSecret) {
		return nil, usage(errors.New("--expires is for secrets, and none is set"), "leave it out, or mark what is secret with --secret KEY")
	}
	return []gitrepo.Trailer{{Key: inventory.ExpiresTrailer, Value: at.Format(time.DateOnly)}}, nil
}

// input is one key of a call and where its value comes from.
type input struct {
	key    tree.Path
	value  string
	source source
	secret bool
}

type source int

const (
	fromPrompt source = iota
	fromArgument
	fromFile
	fromStdin
)

// inputs reads the command line; the files and standard input are read later.
func (o *setOptions) inputs() ([]input, error) {
	var all []input
	add := func(in input) error {
		for i := range all {
			if !all[i].key.Equal(in.key) {
				continue
			}
			// --secret KEY beside a value for KEY only marks it.
			switch {
			case in.source == fromPrompt:
				all[i].secret = all[i].secret || in.secret
			case all[i].source == fromPrompt:
				in.secret = in.secret || all[i].secret
				all[i] = in
			default:
				return usage(fmt.Errorf("%s is given twice", in.key), "give each key one value")
			}
			return nil
		}
		all = append(all, in)
		return nil
	}
	for _, arg := range o.values {
		in, err := parseAssignment(arg, fromArgument)
		if err != nil {
			return nil, err
		}
		if err := add(in); err != nil {
			return nil, err
		}
	}
	for _, arg := range o.fromFiles {
		in, err := parseAssignment(arg, fromFile)
		if err != nil {
			return nil, err
		}
		if in.source != fromFile {
			return nil, usage(fmt.Errorf("--from-file %s has no path", arg), "write --from-file KEY=PATH")
		}
		if err := add(in); err != nil {
			return nil, err
		}
	}
	if o.stdin != "" {
		key, err := parseKey(o.stdin)
		if err != nil {
			return nil, err
		}
		if err := add(input{key: key, source: fromStdin}); err != nil {
			return nil, err
		}
	}
	for _, arg := range o.secrets {
		in, err := parseAssignment(arg, fromArgument)
		if err != nil {
			return nil, err
		}
		in.secret = true
		if err := add(in); err != nil {
			return nil, err
		}
	}
	if len(all) == 0 {
		return nil, usage(errors.New("nothing to set"), "give KEY=VALUE, --from-file KEY=PATH, --stdin KEY or --secret KEY")
	}
	return all, nil
}

// parseAssignment splits KEY=VALUE at the first = that is not inside brackets or quotes of the key.
func parseAssignment(arg string, from source) (input, error) {
	depth, quoted := 0, false
	for i := 0; i < len(arg); i++ {
		switch c := arg[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[':
			depth++
		case c == ']':
			depth--
		case c == '=' && depth == 0:
			key, err := parseKey(arg[:i])
			return input{key: key, value: arg[i+1:], source: from}, err
		}
	}
	key, err := parseKey(arg)
	return input{key: key, source: fromPrompt}, err
}

func parseKey(s string) (tree.Path, error) {
	p, err := tree.ParsePath(s)
	if err != nil {
		return nil, usage(err, `keys are dotted: providers.openai.api_key, routes[0].weight, routes[name=primary].weight, models."gpt-4.1".price`)
	}
	if key, ok := p[0].AsKey(); ok && key == "sops" {
		return nil, usage(errors.New("the key sops is where encryption keeps its own data"), "choose another name")
	}
	return p, nil
}

func parseAddress(s string) (address.Address, error) {
	a, err := address.Parse(s)
	if err != nil {
		return a, usage(err, "for example acme/production/inference; see what there is with lcm list")
	}
	return a, nil
}

func (o *setOptions) edit(ctx context.Context, e *env, a address.Address, m *schema.Module, in input) (change.Edit, error) {
	edit := change.Edit{Address: a, Path: in.key, Secret: in.secret}
	var field *schema.Field
	if m != nil {
		if f, ok := m.Field(in.key); ok {
			field = &f
			edit.Secret = edit.Secret || f.Secret
		}
	}
	text, err := o.text(ctx, e, a, in, edit.Secret)
	if err != nil {
		return edit, err
	}
	if o.asString || edit.Secret && (field == nil || len(field.Kinds) == 0) {
		err = change.CheckText(in.key, text)
		edit.Value = tree.NewString(text)
	} else {
		edit.Value, err = change.ParseValue(in.key, text, field)
	}
	if err != nil {
		if wrong, ok := errors.AsType[*change.TypeError](err); ok {
			if edit.Secret {
				wrong.Text = ""
			}
			return edit, diag.WithHint(err, "see the field with lcm explain %s '%s'", a, in.key)
		}
		return edit, err
	}
	if o.directive != "" {
		d, ok := tree.ParseDirective("!" + strings.TrimPrefix(o.directive, "!"))
		if !ok || d == tree.Delete {
			return edit, usage(fmt.Errorf("there is no merge directive %q", o.directive), "choose override, append, prepend or merge; to delete, use lcm unset --delete")
		}
		if d != tree.Override && edit.Value.Kind.IsScalar() {
			return edit, usage(fmt.Errorf("%s: %s is for lists and maps, and the value is a %s", in.key, d, edit.Value.Kind), "for a single value only override makes sense")
		}
		edit.Value.Directive = d
	}
	return edit, nil
}

// text gets the value of an input from where it is.
func (o *setOptions) text(ctx context.Context, e *env, a address.Address, in input, secret bool) (string, error) {
	switch in.source {
	case fromArgument:
		if secret {
			e.IO.Warn("the secret %s was given on the command line, where other users and the shell's history can see it; give the key alone to be asked", in.key)
		}
		return in.value, nil
	case fromFile:
		return e.readLimited(in.value, in.key)
	case fromStdin:
		return readValue(e.IO.In)
	}
	if !secret {
		return "", usage(fmt.Errorf("%s has no value", in.key), "write %s=VALUE, or --secret %s to be asked for a secret", in.key, in.key)
	}
	e.wait()
	value, err := e.IO.AskSecret(ctx, fmt.Sprintf("%s of %s", in.key, a))
	if err != nil && !errors.Is(err, term.ErrNoTerminal) {
		return "", err
	}
	if err != nil {
		return "", diag.WithHint(err, "give the secret on standard input: --stdin '%s', or in a file: --from-file '%s=PATH'", in.key, in.key)
	}
	if len(value) == 0 {
		return "", errors.New("an empty secret was given; nothing was written")
	}
	defer clear(value)
	return string(value), nil
}

// readValue reads a value from standard input; the newline after a single line is dropped.
func readValue(in io.Reader) (string, error) {
	data, err := io.ReadAll(io.LimitReader(in, change.MaxValue+2))
	if err != nil {
		return "", fmt.Errorf("read standard input: %w", err)
	}
	text := string(data)
	if line, ok := strings.CutSuffix(text, "\n"); ok && !strings.Contains(line, "\n") {
		text = strings.TrimSuffix(line, "\r")
	}
	return text, nil
}

func (e *env) readLimited(file string, key tree.Path) (string, error) {
	f, err := os.Open(e.path(file))
	if err != nil {
		return "", e.unread(key.String(), file, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, change.MaxValue+1))
	if err != nil {
		return "", e.unread(key.String(), file, err)
	}
	return string(data), nil
}

type unsetOptions struct {
	option.Write
	format  option.Format
	address string
	keys    []string
	delete  bool
}

func newUnset(e *env) *cobra.Command {
	o := &unsetOptions{}
	cmd := &cobra.Command{
		Use:   "unset ADDR KEY…",
		Short: "Remove values from one layer, in one signed commit",
		Long: `Remove values from the layer file of an address: all keys of one call, or none. What a lower layer says then shows again.

With --delete a tombstone is written in place of the value: the key is gone although a lower layer has it. A default of the
schema applies again then.`,
		Example: `  lcm unset acme/production/inference cache.ttl
  lcm unset acme/production/gateway denied_cidrs --delete -m "nobody is shut out any more"`,
		Args:              args(2, -1, "an address and keys"),
		ValidArgsFunction: e.addressThenKeys(""),
		RunE: func(cmd *cobra.Command, a []string) error {
			o.address, o.keys = a[0], a[1:]
			e.output(&o.format)
			return runUnset(cmd.Context(), e, o)
		},
	}
	o.Bind(cmd)
	o.format.Bind(cmd, "text", "json")
	cmd.Flags().BoolVar(&o.delete, "delete", false, "delete keys that lower layers have, with a tombstone")
	return cmd
}

func runUnset(ctx context.Context, e *env, o *unsetOptions) error {
	a, err := parseAddress(o.address)
	if err != nil {
		return err
	}
	w, err := e.workspace(ctx)
	if err != nil {
		return err
	}
	base, err := e.writeBase(ctx, w, o.Write)
	if err != nil {
		return err
	}
	if err := base.Check(ctx, a); err != nil {
		return err
	}
	file, err := base.LayerOf(ctx, a)
	if err != nil {
		return err
	}
	edits := make([]change.Edit, 0, len(o.keys))
	for _, k := range o.keys {
		key, err := parseKey(k)
		if err != nil {
			return err
		}
		edit := change.Edit{Address: a, Path: key}
		if o.delete {
			edit.Value = tree.NewNull()
			edit.Value.Directive = tree.Delete
		}
		set := file != nil && file.Sealed.Get(key) != nil
		if !set || o.delete {
			if err := checkInherited(ctx, base, a, key, set, o.delete); err != nil {
				return err
			}
		}
		if slices.ContainsFunc(edits, func(x change.Edit) bool { return x.Path.Equal(key) }) {
			return usage(fmt.Errorf("%s is given twice", key), "give each key once")
		}
		edits = append(edits, edit)
	}
	return e.change(ctx, w, base, change.Request{Kind: "unset", Edits: edits, Reason: o.Reason, Now: e.now()}, o.Write, o.format)
}

// checkInherited explains why a key that the layer does not set cannot be unset there, or that there is nothing to delete.
func checkInherited(ctx context.Context, s *workspace.Snapshot, a address.Address, key tree.Path, set, tombstone bool) error {
	r, err := s.Resolve(ctx, a)
	if err != nil {
		return err
	}
	below := r.Root.Get(key)
	switch {
	case below == nil && !set:
		return diag.WithHint(fmt.Errorf("%s is not set in %s", key, a), "see what is: lcm get %s", a)
	case !set && !tombstone:
		return diag.WithHint(fmt.Errorf("%s is not set in %s itself: it comes from %s", key, a, below.Pos),
			"unset it there, or hide it here with: lcm unset %s '%s' --delete", a, key)
	}
	return nil
}
