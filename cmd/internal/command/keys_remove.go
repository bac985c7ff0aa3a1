package command

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/gitrepo"
	"github.com/llm-devops/lcm/pkg/holders"
	"github.com/llm-devops/lcm/pkg/scaffold"
	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/workspace"
)

type keysRemoveOptions struct {
	keysChange
	person string
	all    bool
	gone   map[string][]string // by tenant, the keys that go
}

func newKeysRemove(e *env) *cobra.Command {
	o := &keysRemoveOptions{keysChange: keysChange{kind: "keys-remove"}, gone: map[string][]string{}}
	cmd := &cobra.Command{
		Use:     "remove PERSON --tenant TENANT",
		Aliases: []string{"rm"},
		Short:   "Close the secrets of a tenant to somebody, and list what is known",
		Long: `Take somebody's keys out of tenants' tenant.yaml, and give all their files new data keys, in one signed commit. PERSON is the name
in tenant.yaml, or a key or the beginning of one.

What was readable stays known. Every value that the person could open is listed and the list is kept below rotations/ in the same
commit: change each at its source, then set it anew; lcm keys due shows what is left.`,
		Example: `  lcm keys remove ada --tenant acme --dry-run
  lcm keys remove ada --all -m "left the company"
  lcm keys remove age1qqg3mlr --tenant acme -m "laptop lost"`,
		Args: args(1, 1, "the name of a person"),
		ValidArgsFunction: func(cmd *cobra.Command, a []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(a) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return e.completePersons(cmd.Context()), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, a []string) error {
			o.person = a[0]
			e.output(&o.format)
			return runKeysRemove(cmd.Context(), e, o)
		},
	}
	o.Bind(cmd)
	o.format.Bind(cmd, "text", "json")
	e.bindTenants(cmd, &o.named, "close the secrets of `TENANT` (repeatable)")
	cmd.Flags().BoolVar(&o.all, "all", false, "those of every tenant that names the person")
	return cmd
}

// completePersons gives the names that tenants' files know.
func (e *env) completePersons(ctx context.Context) []string {
	s := e.complete(ctx)
	if s == nil {
		return nil
	}
	var out []string
	for _, name := range e.completeTenants(ctx) {
		t, err := s.Tenant(ctx, name)
		if err != nil {
			continue
		}
		for _, r := range t.All() {
			if r.Name != "" && !slices.Contains(out, r.Name) {
				out = append(out, r.Name)
			}
		}
	}
	return out
}

func runKeysRemove(ctx context.Context, e *env, o *keysRemoveOptions) error {
	if len(o.named) == 0 && !o.all {
		return usage(errors.New("it takes the tenants whose secrets are to be closed"), "name them: --tenant TENANT; or --all for every tenant that names the person")
	}
	if len(o.named) > 0 && o.all {
		return usage(errors.New("--tenant and --all exclude each other"), "name tenants, or take all that name the person")
	}
	if err := o.open(ctx, e); err != nil {
		return err
	}
	if err := o.find(ctx); err != nil {
		return err
	}
	var details []string
	for _, name := range o.named {
		if err := o.remove(ctx, name); err != nil {
			return err
		}
		for _, key := range o.gone[name] {
			if !slices.Contains(details, key) {
				details = append(details, key)
			}
		}
	}
	for _, key := range details {
		o.details = append(o.details, gitrepo.Trailer{Key: "Lcm-Recipient", Value: seal.Handle(key)})
	}
	o.newDataKeys = true
	o.subject = "close the secrets of %s to " + escaped(o.person)
	if err := o.run(ctx, e); err != nil {
		return err
	}
	return o.tellOfOthers(ctx, e)
}

// tellOfOthers names what else the person can open: other tenants, or the same by a recovery key.
func (o *keysRemoveOptions) tellOfOthers(ctx context.Context, e *env) error {
	after := o.w.Overlay(o.base, o.policy)
	names, err := after.Tenants(ctx)
	if err != nil {
		return err
	}
	var gone, left []string
	for _, name := range o.named {
		gone = append(gone, o.gone[name]...)
	}
	for _, name := range names {
		t, err := after.Tenant(ctx, name)
		if err != nil {
			continue // told where it is needed
		}
		if slices.ContainsFunc(t.All(), func(r workspace.Recipient) bool { return r.Name == o.person || slices.Contains(gone, r.Key) }) {
			left = append(left, name)
		}
	}
	if len(left) > 0 {
		e.IO.Note("%s can still open the secrets of %s: lcm keys list --tenant %s", o.person, strings.Join(left, ", "), left[0])
	}
	return nil
}

// find finds the person's keys in the tenants that were named, or in all.
func (o *keysRemoveOptions) find(ctx context.Context) error {
	names := o.named
	if o.all {
		var err error
		if names, err = o.base.Tenants(ctx); err != nil {
			return err
		}
	}
	var known []string
	for _, name := range names {
		t, err := o.base.Tenant(ctx, name)
		if err != nil {
			return err
		}
		for _, r := range t.All() {
			if r.Name != "" {
				known = append(known, r.Name)
			}
			// The platform's recovery keys are in its own file.
			if (r.Name == o.person || isKey(o.person, r.Key)) && r.Pos.File == t.File {
				o.gone[name] = append(o.gone[name], r.Key)
			}
		}
		if len(o.gone[name]) == 0 {
			if err := o.inFiles(ctx, name); err != nil {
				return err
			}
		}
		if len(o.gone[name]) == 0 && !o.all {
			return diag.WithHint(fmt.Errorf("%s names no key of %q, and no file of the tenant is encrypted to one", t.File, o.person), "%s",
				diag.DidYouMean(o.person, known, "see who can open what: lcm keys list --tenant "+name))
		}
	}
	if o.all {
		o.named = slices.DeleteFunc(slices.Clone(names), func(n string) bool { return len(o.gone[n]) == 0 })
		if len(o.named) == 0 {
			return diag.WithHint(fmt.Errorf("no tenant names a key of %q", o.person), "%s",
				diag.DidYouMean(o.person, known, "see who can open what: lcm keys list"))
		}
	}
	return nil
}

// minKeyStart is how much of a key names it.
const minKeyStart = 10

func isKey(text, key string) bool {
	if r, err := seal.ParseRecipient(text); err == nil {
		return r.String() == key
	}
	return len(text) >= minKeyStart && strings.HasPrefix(key, text)
}

// inFiles finds a key that no policy names and that opens files all the same.
func (o *keysRemoveOptions) inFiles(ctx context.Context, name string) error {
	if len(o.person) < minKeyStart || !slices.ContainsFunc([]string{"age1", "ssh-", "pgp:", "https://", "http://"}, func(p string) bool { return strings.HasPrefix(o.person, p) }) {
		return nil
	}
	tenants, err := holders.Read(ctx, o.base, holders.Options{Tenants: []string{name}})
	if err != nil {
		return err
	}
	for _, h := range tenants[0].Holders {
		if h.Role == holders.Unnamed && isKey(o.person, h.Key) {
			o.gone[name] = append(o.gone[name], h.Key)
		}
	}
	return nil
}

// remove takes the person's keys out of one tenant's file.
func (o *keysRemoveOptions) remove(ctx context.Context, name string) error {
	t, src, err := o.tenantFile(ctx, name)
	if err != nil {
		return err
	}
	gone := o.gone[name]
	left := slices.DeleteFunc(slices.Clone(t.Recipients), func(r workspace.Recipient) bool { return slices.Contains(gone, r.Key) })
	if len(left) == 0 && len(t.Recipients) > 0 {
		return diag.WithHint(fmt.Errorf("%s would have no recipients without %s, so that nobody could open the secrets", t.File, o.person),
			"let somebody else in first: lcm keys add NAME --recipient KEY --tenant %s", name)
	}
	if len(left) > 0 {
		after := &workspace.Tenant{Recipients: left}
		for _, group := range t.Groups() {
			if !slices.Contains(after.Groups(), group) {
				return diag.WithHint(fmt.Errorf("%s would have nobody left in the key group %s without %s", t.File, group, o.person),
					"let somebody else in first: lcm keys add NAME --recipient KEY --tenant %s --group %s", name, group)
			}
		}
	}
	text, err := scaffold.RemoveKeys(t.File, src, gone)
	if err != nil {
		return err
	}
	recovery := slices.ContainsFunc(t.Recovery, func(r workspace.Recipient) bool { return slices.Contains(gone, r.Key) && r.Pos.File == t.File })
	return o.edited(ctx, t, text, recovery)
}
