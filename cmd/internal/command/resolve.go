package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/llm-devops/lcm/cmd/internal/option"
	"github.com/llm-devops/lcm/pkg/change"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/merge"
	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/tree"
)

type resolveOptions struct {
	format             option.Format
	target             string
	keys               []string // KEY, or KEY=VALUE
	stdin              string
	ours, theirs, base bool
	reveal             bool
}

func newResolve(e *env) *cobra.Command {
	o := &resolveOptions{}
	cmd := &cobra.Command{
		Use:   "resolve [ADDR|FILE [KEY[=VALUE]…]]",
		Short: "See and resolve the conflicts of a merge, key by key",
		Long: `See the conflicts of a merge, rebase, cherry-pick or stash, and resolve them key by key. Without a choice both sides are shown;
secrets are masked unless --reveal is given.

--ours and --theirs are Git's words: in a rebase ours is the branch that is rebased onto, and theirs the commit that is applied.
--base takes what both started from. KEY=VALUE, or --stdin KEY, sets a value that is on neither side; where the key is secret it
is encrypted at once, which takes a key that opens the file.

A file whose last conflict is resolved is sealed and added to the index. Go on with lcm merge --continue.`,
		Example: `  lcm resolve
  lcm resolve acme/production/inference --reveal
  lcm resolve acme/production/inference parameters.temperature --theirs
  lcm resolve acme/production/inference parameters.temperature=0.5
  lcm resolve --ours                                     everything that is left`,
		Args: args(0, -1, "an address or file, and keys"),
		ValidArgsFunction: func(cmd *cobra.Command, a []string, toComplete string) ([]string, cobra.ShellCompDirective) {
			return e.completeConflicts(cmd.Context(), a, toComplete)
		},
		RunE: func(cmd *cobra.Command, a []string) error {
			if len(a) > 0 {
				o.target, o.keys = a[0], a[1:]
			}
			e.output(&o.format)
			return runResolve(cmd.Context(), e, o)
		},
	}
	o.format.Bind(cmd, "text", "json")
	f := cmd.Flags()
	f.BoolVar(&o.ours, "ours", false, "take our side")
	f.BoolVar(&o.theirs, "theirs", false, "take their side")
	f.BoolVar(&o.base, "base", false, "take what both sides started from")
	f.StringVar(&o.stdin, "stdin", "", "take a value for `KEY` from standard input; the newline after a single line is dropped")
	f.BoolVar(&o.reveal, "reveal", false, "show secrets")
	cmd.MarkFlagsMutuallyExclusive("ours", "theirs", "base", "stdin")
	return cmd
}

func (o *resolveOptions) side() (merge.Side, bool) {
	switch {
	case o.ours:
		return merge.Ours, true
	case o.theirs:
		return merge.Theirs, true
	case o.base:
		return merge.Base, true
	}
	return "", false
}

func runResolve(ctx context.Context, e *env, o *resolveOptions) error {
	values, keys, err := o.inputs(e.IO.In)
	if err != nil {
		return err
	}
	s, err := e.session(ctx)
	if err != nil {
		return err
	}
	files, err := o.files(ctx, s)
	if err != nil {
		return err
	}
	side, choose := o.side()
	switch {
	case choose && len(keys) == 0 && len(values) > 0:
		return usage(fmt.Errorf("%s is given a value, and --%s is for no key", values[0].key, side), "leave --%[1]s out, or name the keys that it is for: lcm resolve %[2]s KEY --%[1]s", side, o.target)
	case len(keys) > 0 && !choose:
		return usage(fmt.Errorf("what is to be at %s?", keys[0]), "choose a side with --ours, --theirs or --base, or write %s=VALUE", keys[0])
	case !choose && len(values) == 0:
		if err := e.showMerge(ctx, s, files, o.format, o.reveal); err != nil {
			return err
		}
		noteNext(e, s.Repo.Operation(), files)
		return nil
	}
	for _, f := range files {
		if f.State == merge.Foreign {
			continue // shown as Git's business below
		}
		for _, v := range values {
			if err := o.set(ctx, e, s, f, v); err != nil {
				return err
			}
			if f, err = o.reread(ctx, s, f.Path); err != nil {
				return err
			}
		}
		if choose {
			if err := s.Choose(ctx, f, keys, side); err != nil {
				return err
			}
			if f, err = o.reread(ctx, s, f.Path); err != nil {
				return err
			}
		}
		if err := e.settleIfResolved(ctx, s, f); err != nil {
			return err
		}
	}
	if files, err = s.Files(ctx); err != nil {
		return err
	}
	if err := e.showMerge(ctx, s, files, o.format, o.reveal); err != nil {
		return err
	}
	noteNext(e, s.Repo.Operation(), files)
	return nil
}

// settleIfResolved seals and adds a file without conflicts. Where that takes a key that is not here, the choice stands all the
// same, and a note says what is left.
func (e *env) settleIfResolved(ctx context.Context, s *merge.Session, f merge.File) error {
	if f.State != merge.Unsealed {
		return nil
	}
	err := s.Settle(ctx, f)
	if locked, ok := errors.AsType[*seal.NoIdentityError](err); ok {
		e.IO.Warn("%s is resolved, and holds secrets of both sides that no identity here can seal: lcm merge --continue does, with %s",
			f.Path, locked.Wanted())
		return nil
	}
	return err
}

// resolution is a value for a key.
type resolution struct {
	key       tree.Path
	text      string
	fromStdin bool
}

// inputs reads the keys and values of the command line.
func (o *resolveOptions) inputs(in io.Reader) (values []resolution, keys []string, err error) {
	for _, arg := range o.keys {
		a, err := parseAssignment(arg, fromArgument)
		if err != nil {
			return nil, nil, err
		}
		if a.source == fromArgument {
			values = append(values, resolution{key: a.key, text: a.value})
		} else {
			keys = append(keys, a.key.String())
		}
	}
	if o.stdin != "" {
		key, err := parseKey(o.stdin)
		if err != nil {
			return nil, nil, err
		}
		text, err := readValue(in)
		if err != nil {
			return nil, nil, err
		}
		values = append(values, resolution{key, text, true})
	}
	return values, keys, nil
}

// files gives the files that are meant: all with conflicts if none is named.
func (o *resolveOptions) files(ctx context.Context, s *merge.Session) ([]merge.File, error) {
	files, err := s.Files(ctx)
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, diag.WithHint(errors.New("no file is in conflict"), "start with git merge, git rebase or git cherry-pick")
	}
	if o.target == "" {
		return files, nil
	}
	path := targetFile(o.target)
	i := slices.IndexFunc(files, func(f merge.File) bool { return f.Path == path })
	if i < 0 {
		return nil, diag.WithHint(fmt.Errorf("%s is not in conflict", o.target), "see what is: lcm resolve")
	}
	if f := files[i]; f.State == merge.Foreign {
		return nil, diag.WithHint(fmt.Errorf("%s cannot be resolved by key: a side removed it, or it is no configuration", o.target),
			"keep it with git add %s, or remove it with git rm %s", path, path)
	}
	return files[i : i+1], nil
}

func (o *resolveOptions) reread(ctx context.Context, s *merge.Session, path string) (merge.File, error) {
	files, err := s.Files(ctx)
	if err != nil {
		return merge.File{}, err
	}
	for _, f := range files {
		if f.Path == path {
			return f, nil
		}
	}
	return merge.File{}, fmt.Errorf("%s is no longer in conflict", path)
}

// set resolves one conflict with a value. It has the type that the value has on a side.
func (o *resolveOptions) set(ctx context.Context, e *env, s *merge.Session, f merge.File, r resolution) error {
	sides, err := s.Values(ctx, f)
	if err != nil {
		return err
	}
	isText := false
	for _, side := range []merge.Side{merge.Ours, merge.Theirs, merge.Base} {
		n, _ := sides(r.key, side)
		if n == nil {
			continue
		}
		isText = isText || n.Kind == tree.String
		if n.Secret && !r.fromStdin {
			e.IO.Warn("the secret %s was given on the command line, where other users and the shell's history can see it; use --stdin %s", r.key, r.key)
			break
		}
	}
	value := tree.NewString(r.text)
	if isText {
		err = change.CheckText(r.key, r.text)
	} else {
		value, err = change.ParseValue(r.key, r.text, nil)
	}
	if err != nil {
		return err
	}
	return s.Set(ctx, f, r.key, value)
}

// completeConflicts completes the files in conflict, and after one its keys.
func (e *env) completeConflicts(ctx context.Context, a []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	repo, err := e.repo(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	s := &merge.Session{Repo: repo, Options: merge.Options{Keyring: e.keyring()}}
	files, err := s.Files(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var out []string
	for _, f := range merge.Left(files, merge.InConflict) {
		if len(a) == 0 {
			out = append(out, addressOf(f.Path))
			continue
		}
		if f.Path != targetFile(a[0]) {
			continue
		}
		for _, r := range f.Regions {
			out = append(out, r.KeyList()...)
		}
	}
	out = slices.DeleteFunc(out, func(s string) bool { return !strings.HasPrefix(s, toComplete) || slices.Contains(a, s) })
	return out, cobra.ShellCompDirectiveNoFileComp
}
