package command

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/gitrepo"
	"github.com/llm-devops/lcm/pkg/scaffold"
	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/workspace"
)

type keysAddOptions struct {
	keysChange
	person     string
	recipients []string
	recovery   bool
	group      string
}

func newKeysAdd(e *env) *cobra.Command {
	o := &keysAddOptions{keysChange: keysChange{kind: "keys-add"}}
	cmd := &cobra.Command{
		Use:   "add PERSON --tenant TENANT",
		Short: "Let somebody open the secrets of a tenant",
		Long: `Name a public key in tenants' tenant.yaml, and re-encrypt all their files to it, in one signed commit. No secret and no data key
changes. PERSON says whose key it is, for people; without --recipient it is the key that other tenants know that person by.

With --recovery the key is one for emergencies, whose private half lies offline. One of the tenant global opens the secrets of all
tenants that do not say platform_recovery: false; those that you cannot open now follow when somebody who can runs lcm keys sync.

Where a tenant has key groups, so that it takes keys of several of them to open a secret, --group says of which the key is.`,
		Example: `  lcm keys add ada --recipient age1qqg… --tenant acme
  lcm keys add ada --tenant globex -m "joins the globex team"
  lcm keys add ada --recipient age1qqg… --tenant initech --group security
  lcm keys add "safe in Berlin" --recipient recovery.pub --recovery --tenant global`,
		Args: args(1, 1, "the name of a person"),
		RunE: func(cmd *cobra.Command, a []string) error {
			o.person = a[0]
			e.output(&o.format)
			return runKeysAdd(cmd.Context(), e, o)
		},
	}
	o.Bind(cmd)
	o.format.Bind(cmd, "text", "json")
	e.bindTenants(cmd, &o.named, "open the secrets of `TENANT` (repeatable)")
	f := cmd.Flags()
	f.StringArrayVar(&o.recipients, "recipient", nil, "the public `KEY`: age1…, an SSH public key, pgp:FINGERPRINT, a key of Vault as https://HOST/v1/ENGINE/keys/NAME, or a file that holds one (repeatable)")
	f.BoolVar(&o.recovery, "recovery", false, "a key for emergencies")
	f.StringVar(&o.group, "group", "", "the key `GROUP` of the tenants that the key is of")
	_ = cmd.RegisterFlagCompletionFunc("group", func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return o.groups(cmd.Context(), e.complete(cmd.Context())), cobra.ShellCompDirectiveNoFileComp
	})
	return cmd
}

func runKeysAdd(ctx context.Context, e *env, o *keysAddOptions) error {
	if len(o.named) == 0 {
		return usage(errors.New("it takes a tenant whose secrets are to be opened"), "name it: --tenant TENANT")
	}
	if strings.ContainsFunc(o.person, unicode.IsControl) || strings.TrimSpace(o.person) == "" {
		return usage(fmt.Errorf("%q is no name of a person", o.person), "for example ada, or ada@acme.example")
	}
	keys, err := parseRecipients(e, o.recipients)
	if err != nil {
		return err
	}
	if err := o.open(ctx, e); err != nil {
		return err
	}
	if len(keys) == 0 {
		if keys, err = keysOf(ctx, o.base, o.person); err != nil {
			return err
		}
	}
	for _, name := range o.named {
		for _, k := range keys {
			if err := o.add(ctx, name, k.Key); err != nil {
				return err
			}
		}
	}
	for _, k := range keys {
		o.details = append(o.details, gitrepo.Trailer{Key: "Lcm-Recipient", Value: seal.Handle(k.Key)})
	}
	o.subject = "let " + escaped(o.person) + " open the secrets of %s"
	if o.recovery {
		o.subject = "add the recovery key " + escaped(o.person) + " to %s"
	}
	return o.run(ctx, e)
}

// add names a key in one tenant's file, unless it is named there.
func (o *keysAddOptions) add(ctx context.Context, name, key string) error {
	t, src, err := o.tenantFile(ctx, name)
	if err != nil {
		return err
	}
	if err := o.fits(t); err != nil {
		return err
	}
	own := t.Recipients
	if o.recovery {
		own = t.Recovery
	}
	if i := slices.IndexFunc(own, func(r workspace.Recipient) bool { return r.Key == key && r.Pos.File == t.File }); i >= 0 {
		if own[i].Name != o.person && own[i].Name != "" {
			return diag.WithHint(fmt.Errorf("%s: %s is the key of %s already", own[i].Pos, seal.ShortKey(key), own[i].Name),
				"a key belongs to one person: make another with age-keygen, or edit the name")
		}
		if own[i].Group != o.group {
			return diag.WithHint(fmt.Errorf("%s: %s is of the key group %s already", own[i].Pos, seal.ShortKey(key), own[i].Group),
				"a key is of one group: to move it, edit %s, then run lcm keys sync --tenant %s", t.File, name)
		}
		return nil
	}
	text, err := scaffold.AddRecipient(t.File, src, workspace.Recipient{Name: o.person, Key: key, Group: o.group}, o.recovery)
	if err != nil {
		return err
	}
	return o.edited(ctx, t, text, o.recovery)
}

// fits refuses a key without a group where there are groups, and the reverse.
func (o *keysAddOptions) fits(t *workspace.Tenant) error {
	groups := t.Groups()
	switch {
	case o.group == "" && (o.recovery || len(groups) == 0):
		return nil
	case o.recovery:
		return usage(errors.New("a recovery key has no group: it opens the secrets alone"), "leave out --group, or --recovery")
	case len(groups) == 0:
		return usage(fmt.Errorf("tenant %q has no key groups, so that each of its keys opens its secrets alone", t.Name),
			"leave out --group; to make groups, edit %s, then run lcm keys sync --tenant %s", t.File, t.Name)
	case o.group == "":
		return usage(fmt.Errorf("tenant %q has key groups, and the key would be of none", t.Name), "say of which it is: --group %s", strings.Join(groups, ", or --group "))
	case !slices.Contains(groups, o.group):
		return usage(fmt.Errorf("tenant %q has no key group %q", t.Name, o.group), "%s",
			diag.DidYouMean(o.group, groups, "it has "+strings.Join(groups, ", ")+"; for one more, edit "+t.File+", then run lcm keys sync --tenant "+t.Name))
	}
	return nil
}

// groups gives the key groups that --group can name.
func (o *keysAddOptions) groups(ctx context.Context, s *workspace.Snapshot) []string {
	var out []string
	if s == nil {
		return nil
	}
	for _, name := range o.named {
		if t, err := s.Tenant(ctx, name); err == nil {
			out = append(out, t.Groups()...)
		}
	}
	return out
}

// keysOf gives the keys that tenants' files know somebody by.
func keysOf(ctx context.Context, s *workspace.Snapshot, person string) ([]workspace.Recipient, error) {
	names, err := s.Tenants(ctx)
	if err != nil {
		return nil, err
	}
	var found []workspace.Recipient
	var known []string
	for _, name := range names {
		t, err := s.Tenant(ctx, name)
		if err != nil {
			continue // told where it is needed
		}
		for _, r := range t.Recipients {
			known = append(known, r.Name)
			if r.Name == person && !slices.ContainsFunc(found, func(f workspace.Recipient) bool { return f.Key == r.Key }) {
				found = append(found, r)
			}
		}
	}
	if len(found) == 0 {
		return nil, usage(fmt.Errorf("no tenant knows a key of %q", person), "%s",
			diag.DidYouMean(person, known, "give the public key: --recipient age1…, or the .pub file of an SSH key"))
	}
	return found, nil
}

// escaped gives a text as part of a format.
func escaped(s string) string { return strings.ReplaceAll(s, "%", "%%") }
