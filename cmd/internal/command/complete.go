package command

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// complete opens the worktree for shell completion; nil where there is none, as completion never complains.
func (e *env) complete(ctx context.Context) *workspace.Snapshot {
	w, err := e.workspace(ctx)
	if err != nil {
		return nil
	}
	return w.Worktree()
}

// addresses completes addresses, for commands that take nothing else.
func (e *env) addresses(cmd *cobra.Command, _ []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	return e.completeAddress(cmd.Context(), toComplete)
}

// addressThenKeys completes an address and after it keys of that address, each with suffix.
func (e *env) addressThenKeys(suffix string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, a []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		return e.completeAddressThenKeys(cmd.Context(), a, toComplete, suffix)
	}
}

// completeAddress completes an address part by part.
func (e *env) completeAddress(ctx context.Context, toComplete string) ([]string, cobra.ShellCompDirective) {
	s := e.complete(ctx)
	if s == nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	settings, err := s.Settings(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var candidates []string
	parts := strings.Split(toComplete, "/")
	prefix := strings.Join(parts[:len(parts)-1], "/")
	if prefix != "" {
		prefix += "/"
	}
	end := "/"
	switch len(parts) {
	case 1:
		candidates, _ = s.Tenants(ctx)
	case 2:
		candidates = settings.FolderNames()
	case 3:
		candidates, end = settings.NamespaceNames(), ""
	}
	directive := cobra.ShellCompDirectiveNoFileComp
	if end != "" {
		directive |= cobra.ShellCompDirectiveNoSpace
	}
	var out []string
	for _, c := range candidates {
		if full := prefix + c + end; strings.HasPrefix(full, toComplete) {
			out = append(out, full)
		}
	}
	return out, directive
}

// completeAddressThenKeys completes an address and after it keys of that address, each with suffix.
func (e *env) completeAddressThenKeys(ctx context.Context, args []string, toComplete, suffix string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return e.completeAddress(ctx, toComplete)
	}
	a, err := address.Parse(args[0])
	s := e.complete(ctx)
	if err != nil || s == nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	seen := map[string]bool{}
	var keys []string
	add := func(key string) {
		if strings.HasPrefix(key, toComplete) && !seen[key] {
			seen[key] = true
			keys = append(keys, key+suffix)
		}
	}
	if r, err := s.Resolve(ctx, a); err == nil {
		for p := range r.Root.Leaves() {
			add(p.String())
		}
	}
	if m, err := s.ModuleOf(ctx, a.Namespace); err == nil && m != nil {
		for _, k := range m.Keys(toComplete) {
			if !strings.ContainsAny(k, "<>[") {
				add(k)
			}
		}
	}
	directive := cobra.ShellCompDirectiveNoFileComp
	if suffix != "" {
		directive |= cobra.ShellCompDirectiveNoSpace
	}
	return keys, directive
}
