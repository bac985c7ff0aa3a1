package command

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"github.com/spf13/cobra"

	"github.com/llm-devops/lcm/cmd/internal/display"
	"github.com/llm-devops/lcm/cmd/internal/option"
	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/change"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/scaffold"
	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/workspace"
)

func newTenant(e *env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tenant",
		Short: "Add, list and show tenants",
		Long: `A tenant is an owner of configuration with keys of its own: a folder under config, and a tenant.yaml in it that says to which
public keys its secrets are encrypted.`,
		Example: "  lcm tenant list\n  lcm tenant add --help",
		Args:    subcommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newTenantAdd(e), newTenantList(e), newTenantShow(e))
	return cmd
}

type tenantAddOptions struct {
	option.Write
	format      option.Format
	name        string
	recipients  []string
	generate    bool
	description string
	owners      []string
	namespaces  []string
}

func newTenantAdd(e *env) *cobra.Command {
	o := &tenantAddOptions{}
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "Add a tenant with its recipients",
		Long: `Add a tenant, and to whom its secrets are encrypted: age or SSH public keys. --generate makes a new age identity for the tenant
and keeps it where SOPS looks for identities; hand it to the tenant's people and services from there.

.sops.yaml is written anew, so that the plain sops CLI encrypts the tenant's files to the same keys.`,
		Example: `  lcm tenant add acme --recipient age1qqg… --recipient ~/.ssh/acme_deploy.pub
  lcm tenant add acme --generate --owner platform@acme.example`,
		Args: args(1, 1, "a name"),
		RunE: func(cmd *cobra.Command, a []string) error {
			o.name = a[0]
			e.output(&o.format)
			return runTenantAdd(cmd.Context(), e, o)
		},
	}
	o.Bind(cmd)
	o.format.Bind(cmd, "text", "json")
	f := cmd.Flags()
	f.StringArrayVar(&o.recipients, "recipient", nil, "encrypt the tenant's secrets to `KEY`: age1…, an SSH public key, pgp:FINGERPRINT, a key of Vault as https://HOST/v1/ENGINE/keys/NAME, or a file that holds one (repeatable)")
	f.BoolVar(&o.generate, "generate", false, "make an age identity for the tenant, and keep it where SOPS looks")
	f.StringVar(&o.description, "description", "", "what the tenant is, in a line")
	f.StringArrayVar(&o.owners, "owner", nil, "who is responsible: an address or a team (repeatable)")
	f.StringArrayVar(&o.namespaces, "namespace", nil, "a namespace the tenant has; without any, it has all (repeatable)")
	return cmd
}

func runTenantAdd(ctx context.Context, e *env, o *tenantAddOptions) error {
	if err := address.CheckName("tenant", o.name); err != nil {
		return usage(err, "for example acme or acme-eu")
	}
	if o.name == address.Base {
		return usage(errors.New(`"base" is the layer below all environments and cannot be a tenant`), "choose another name")
	}
	if len(o.recipients) == 0 && !o.generate {
		return usage(errors.New("a tenant needs at least one recipient"), "give public keys with --recipient, or --generate an identity")
	}
	w, err := e.workspace(ctx)
	if err != nil {
		return err
	}
	base, err := e.writeBase(ctx, w, o.Write)
	if err != nil {
		return err
	}
	file := workspace.TenantFile(o.name)
	if _, err := base.ReadFile(ctx, file); err == nil {
		return diag.WithHint(fmt.Errorf("tenant %q exists already", o.name), "see it: lcm tenant show %s; its recipients are in %s", o.name, file)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	settings, err := base.Settings(ctx)
	if err != nil {
		return err
	}
	for _, ns := range o.namespaces {
		if _, ok := settings.Namespace(ns); !ok {
			return workspace.Unknown("namespace", ns, settings.NamespaceNames())
		}
	}
	t := workspace.Tenant{Name: o.name, Description: o.description, Owners: o.owners, Namespaces: o.namespaces}
	if t.Recipients, err = parseRecipients(e, o.recipients); err != nil {
		return err
	}
	save := func() error { return nil }
	if o.generate {
		identity, recipient, err := seal.GenerateIdentity()
		if err != nil {
			return err
		}
		t.Recipients = append(t.Recipients, workspace.Recipient{Name: o.name, Key: recipient})
		keys := e.keyring().DefaultIdentityFile()
		save = func() error {
			// Saved before anything is encrypted to it: an identity nobody has would be a lock without a key.
			if err := seal.SaveIdentity(keys, identity, recipient, e.now()); err != nil {
				return err
			}
			e.identityFile = keys
			e.IO.Note("the tenant's identity is in %s: keep a copy safe, and hand it only to who may read %s's secrets", keys, o.name)
			return nil
		}
	}
	files := map[string][]byte{}
	if files[file], err = scaffold.Tenant(t); err != nil {
		return err
	}
	if files[scaffold.SopsFile], err = scaffold.SopsOf(ctx, w.Overlay(base, files)); err != nil {
		return err
	}
	request := change.Request{Kind: "tenant-add", Subject: "add tenant " + o.name, Files: files, Reason: o.Reason, Now: e.now()}
	plan, err := change.Prepare(ctx, w, base, request)
	if err != nil {
		return err
	}
	if !o.DryRun {
		if err := save(); err != nil {
			return err
		}
	}
	return e.apply(ctx, plan, o.Write, o.format)
}

func newTenantList(e *env) *cobra.Command {
	var format option.Format
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List tenants",
		Example: "  lcm tenant list",
		Args:    args(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			e.output(&format)
			return runTenantList(cmd.Context(), e, format)
		},
	}
	format.Bind(cmd, "text", "json")
	return cmd
}

func runTenantList(ctx context.Context, e *env, format option.Format) error {
	w, err := e.workspace(ctx)
	if err != nil {
		return err
	}
	s := w.Worktree()
	if _, err := s.Settings(ctx); err != nil {
		return err
	}
	names, err := s.Tenants(ctx)
	if err != nil {
		return err
	}
	report := display.Tenants{Items: []display.Tenant{}}
	for _, name := range names {
		t, err := s.Tenant(ctx, name)
		if err != nil {
			return err
		}
		report.Items = append(report.Items, display.NewTenant(t))
	}
	if format.JSON() {
		return display.JSON(e.IO.Out, "TenantList", report)
	}
	return display.TenantsText(e.IO, report)
}

func newTenantShow(e *env) *cobra.Command {
	var format option.Format
	cmd := &cobra.Command{
		Use:     "show NAME",
		Short:   "Show a tenant: its recipients, owners, quotas and layers",
		Example: "  lcm tenant show acme",
		Args:    args(1, 1, "a name"),
		ValidArgsFunction: func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			if s := e.complete(cmd.Context()); s != nil {
				names, _ := s.Tenants(cmd.Context())
				return names, cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, a []string) error {
			e.output(&format)
			return runTenantShow(cmd.Context(), e, a[0], format)
		},
	}
	format.Bind(cmd, "text", "json")
	return cmd
}

func runTenantShow(ctx context.Context, e *env, name string, format option.Format) error {
	w, err := e.workspace(ctx)
	if err != nil {
		return err
	}
	s := w.Worktree()
	if _, err := s.Settings(ctx); err != nil {
		return err
	}
	t, err := s.Tenant(ctx, name)
	if err != nil {
		return err
	}
	report := display.NewTenant(t)
	layers, _, err := s.LayerFiles(ctx, name)
	if err != nil {
		return err
	}
	for _, a := range layers {
		f, err := s.LayerOf(ctx, a)
		if err != nil {
			return err
		}
		report.Files = append(report.Files, f.Path)
		if f.IsCUE() {
			continue
		}
		meta, err := seal.Inspect(f.Doc)
		if err != nil {
			return err
		}
		if meta != nil {
			report.Encrypted = append(report.Encrypted, f.Path)
		}
	}
	used, err := s.Usage(ctx, t)
	if err != nil {
		return err
	}
	report.Quotas = display.NewQuotas(used)
	slices.Sort(report.Files)
	report.Folder = path.Join(address.Root, name)
	if format.JSON() {
		return display.JSON(e.IO.Out, "Tenant", report)
	}
	return display.TenantText(e.IO, report)
}
