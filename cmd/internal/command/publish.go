package command

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/llm-devops/lcm/cmd/internal/display"
	"github.com/llm-devops/lcm/cmd/internal/option"
	"github.com/llm-devops/lcm/cmd/internal/term"
	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/bundle"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/gitrepo"
	"github.com/llm-devops/lcm/pkg/publish"
	"github.com/llm-devops/lcm/pkg/release"
	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/workspace"
)

type publishOptions struct {
	format     option.Format
	patterns   []string
	to         string
	at         string
	dryRun     bool
	exitCode   bool
	rollback   bool
	allowEmpty bool
	repair     bool
	overdue    bool
	signingKey string
}

func newPublish(e *env) *cobra.Command {
	o := &publishOptions{}
	cmd := &cobra.Command{
		Use:   "publish [PATTERN…] --to TARGET",
		Short: "Publish what was resolved, all or nothing",
		Long: `Publish the resolved configuration of each tenant and environment as one signed bundle to a target of lcm.yaml: a directory, an
S3-compatible store, a Vault, or a store with a Vault for the secrets. Without a Vault, secrets travel sealed to the tenant's
recipients, never in plain.

Everything new is staged first; then one small pointer per tenant and environment is replaced, so that readers see all of the
old version or all of the new. What is published is a commit: the tree must be clean, the commit signed by someone in
policies/allowed_signers, and without findings. Publishing the same again changes nothing.`,
		Example: `  lcm publish --to local
  lcm publish acme/production --to runtime
  lcm publish --to runtime --dry-run --exit-code     4 if something would change
  lcm publish acme --to runtime --at v1.4.0 --allow-rollback`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: e.addresses,
		RunE: func(cmd *cobra.Command, a []string) error {
			o.patterns = a
			e.output(&o.format)
			return runPublish(cmd.Context(), e, o)
		},
	}
	o.format.Bind(cmd, "text", "json")
	f := cmd.Flags()
	f.StringVar(&o.to, "to", "", "the `TARGET`, as lcm.yaml names it")
	f.StringVar(&o.at, "at", "", "publish `REV`, a commit, tag or branch, in place of HEAD")
	f.BoolVar(&o.dryRun, "dry-run", false, "show what would be published, and write nothing")
	f.BoolVar(&o.exitCode, "exit-code", false, "with --dry-run: exit with 4 if something would change")
	f.BoolVar(&o.rollback, "allow-rollback", false, "replace a version that is not older")
	f.BoolVar(&o.allowEmpty, "allow-empty", false, "let an empty bundle replace a full one")
	f.BoolVar(&o.repair, "repair", false, "replace a version that is damaged or not trusted")
	f.BoolVar(&o.overdue, "allow-overdue", false, "publish secrets that are longer due to be changed than lcm.yaml allows")
	f.StringVar(&o.signingKey, "signing-key", "", "sign manifests with the Ed25519 SSH key in `FILE` (default: LCM_SIGNING_KEY, then Git's user.signingkey)")
	_ = cmd.RegisterFlagCompletionFunc("to", func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		if s := e.complete(cmd.Context()); s != nil {
			if settings, err := s.Settings(cmd.Context()); err == nil {
				return settings.TargetNames(), cobra.ShellCompDirectiveNoFileComp
			}
		}
		return nil, cobra.ShellCompDirectiveNoFileComp
	})
	return cmd
}

func runPublish(ctx context.Context, e *env, o *publishOptions) error {
	if o.exitCode && !o.dryRun {
		return usage(errors.New("--exit-code tells what a --dry-run found"), "add --dry-run")
	}
	w, err := e.workspace(ctx)
	if err != nil {
		return err
	}
	if err := e.recover(ctx, w); err != nil {
		return err
	}
	s, err := o.snapshot(ctx, w)
	if err != nil {
		return err
	}
	t, err := o.target(ctx, s)
	if err != nil {
		return err
	}
	if isRemote(t) && e.OpenRemote == nil {
		return e.handOver(ctx, "target "+t.Name)
	}
	target, err := e.openTarget(w.Repo().Root(), t)
	if err != nil {
		return err
	}
	addresses, err := o.addresses(ctx, s)
	if err != nil {
		return err
	}
	signers, err := release.Signed(ctx, w, s)
	if err != nil {
		return err
	}
	if err := o.validate(ctx, e, w, s, addresses); err != nil {
		return err
	}
	options, err := o.options(ctx, e, w, signers)
	if err != nil {
		return err
	}
	inputs, err := release.Inputs(ctx, s, addresses, target.Secrets == nil)
	if err != nil {
		return err
	}
	plan, err := publish.NewPlan(ctx, inputs, target, options)
	if err != nil {
		return err
	}
	if o.dryRun || !plan.Changed() {
		if err := display.PublishPlan(e.IO, plan, o.format.JSON(), o.dryRun); err != nil {
			return err
		}
		if o.exitCode && plan.Changed() {
			return &silentError{code: exitDifferences}
		}
		return nil
	}
	e.forgetKeys() // stores may take long to answer, and what is published is opened
	progress := newPublishProgress(e.IO, plan)
	result, err := publish.Apply(ctx, plan, progress)
	progress.bar.Done()
	if result != nil {
		if showErr := display.PublishResult(e.IO, plan, result, o.format.JSON()); err == nil {
			err = showErr
		}
	}
	return err
}

// snapshot gives the commit to publish: HEAD, with nothing uncommitted beside it, or the one that was named.
func (o *publishOptions) snapshot(ctx context.Context, w *workspace.Workspace) (*workspace.Snapshot, error) {
	if o.at != "" {
		return w.At(ctx, o.at)
	}
	head, branch, unborn, err := w.Repo().Head(ctx)
	if err != nil {
		return nil, err
	}
	if unborn {
		return nil, diag.WithHint(errUnborn(branch), "make the first commit: lcm init")
	}
	if err := release.Clean(ctx, w.Repo()); err != nil {
		return nil, err
	}
	return w.At(ctx, head.String())
}

// target gives the target of lcm.yaml that was named.
func (o *publishOptions) target(ctx context.Context, s *workspace.Snapshot) (workspace.Target, error) {
	settings, err := s.Settings(ctx)
	if err != nil {
		return workspace.Target{}, err
	}
	names := settings.TargetNames()
	if o.to == "" {
		return workspace.Target{}, usage(errors.New("publish where?"), "name a target of lcm.yaml with --to: there are %v", names)
	}
	t, ok := settings.Target(o.to)
	if !ok {
		return workspace.Target{}, workspace.Unknown("target", o.to, names)
	}
	return t, nil
}

// addresses gives what to publish. A bundle is all of a tenant's namespaces in an environment, so a pattern says no more.
func (o *publishOptions) addresses(ctx context.Context, s *workspace.Snapshot) ([]address.Address, error) {
	for _, text := range o.patterns {
		p, err := address.ParsePattern(text)
		if err != nil {
			return nil, usage(err, "for example acme or acme/production")
		}
		if _, _, ns := p.Parts(); ns != "*" {
			return nil, usage(fmt.Errorf("%q names a namespace, and what is published at once is a whole tenant and environment", text),
				"so that readers never see parts of two versions; leave the namespace off")
		}
	}
	addresses, err := match(ctx, s, o.patterns...)
	if err != nil {
		return nil, err
	}
	settings, err := s.Settings(ctx)
	if err != nil {
		return nil, err
	}
	for _, a := range addresses {
		if settings.Partial(a) {
			return nil, usage(fmt.Errorf("%s is a layer for others and not published by itself", a), "publish the tenants that build on it")
		}
	}
	return addresses, nil
}

func (o *publishOptions) validate(ctx context.Context, e *env, w *workspace.Workspace, s *workspace.Snapshot, addresses []address.Address) error {
	v := release.Validation{Addresses: addresses, Now: e.now(), AllowOverdue: o.overdue}
	var err error
	if v.Patterns, err = parsePatterns(ctx, s, o.patterns); err != nil {
		return err
	}
	progress := e.IO.Stages()
	defer progress.Done()
	v.Total, v.Step = progress.Of("validating"), progress.Step
	due, err := release.Valid(ctx, w, s, v)
	if err != nil {
		return err
	}
	secrets := 0
	for _, f := range due {
		if f.Key == "" { // of no secret alone
			e.IO.Warn("%s: %s", f.Message, f.Hint)
		} else {
			secrets++
		}
	}
	if secrets > 0 {
		e.IO.Warn("secrets that are due to be changed: %d; see lcm secret list --due", secrets)
	}
	return nil
}

func (o *publishOptions) options(ctx context.Context, e *env, w *workspace.Workspace, signers []byte) (publish.Options, error) {
	out := publish.Options{
		Seal: seal.SealTo, Ancestor: release.Ancestry(w.Repo()), Related: w.Repo().IsRelated,
		AllowRollback: o.rollback, AllowEmpty: o.allowEmpty, Repair: o.repair,
	}
	out.Patience.Waiting = func(store string, total time.Duration) {
		e.IO.Note("waiting for %s: no answer yet; it is tried for %s in all", store, total)
	}
	var err error
	if out.Allowed, err = release.Allowed(signers); err != nil {
		return out, err
	}
	out.Signer, err = o.signer(ctx, e, w.Repo())
	return out, err
}

// signer gives the key that manifests are signed with.
func (o *publishOptions) signer(ctx context.Context, e *env, repo *gitrepo.Repo) (bundle.Signer, error) {
	key := o.signingKey
	if key == "" {
		key = e.Getenv("LCM_SIGNING_KEY")
	}
	if key == "" {
		setup, err := repo.Signing(ctx)
		if err != nil {
			return nil, err
		}
		if setup.Format != "ssh" || setup.Key == "" {
			return nil, diag.WithHint(errors.New("no key to sign the manifest with: Git signs with "+setup.Format+" here"),
				"name an Ed25519 SSH key with --signing-key or LCM_SIGNING_KEY, and list it in %s", workspace.SignersFile)
		}
		key = setup.Key
	}
	return bundle.LoadSigner(ctx, key, bundle.SignerOptions{AgentSocket: e.Getenv("SSH_AUTH_SOCK"), Passphrase: e.passphrase})
}

// publishProgress shows how many objects are staged.
type publishProgress struct{ bar *term.Progress }

func newPublishProgress(t *term.IO, plan *publish.Plan) *publishProgress {
	changed := 0
	for _, u := range plan.Units {
		if u.Action != publish.Unchanged {
			changed++
		}
	}
	return &publishProgress{t.Progress("publishing to "+plan.Target, changed)}
}

// Observe implements publish.Observer.
func (p *publishProgress) Observe(ev publish.Event) {
	if ev.Stage == publish.StageDone || ev.Stage == publish.StageFailed {
		p.bar.Step()
	}
}
