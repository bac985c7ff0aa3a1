package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/cmd/internal/display"
	"github.com/llm-devops/lcm/cmd/internal/option"
	"github.com/llm-devops/lcm/cmd/internal/term"
	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/change"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/gitrepo"
	"github.com/llm-devops/lcm/pkg/rekey"
	"github.com/llm-devops/lcm/pkg/scaffold"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// keysChange is a change of who can open the secrets of tenants: the edited tenant files, and the files that follow them, in
// one commit.
type keysChange struct {
	option.Write
	format option.Format

	w           *workspace.Workspace
	base        *workspace.Snapshot
	kind        string            // of the change
	subject     string            // of the commit, with %s for the tenants that it changes
	policy      map[string][]byte // the tenant files that change
	named       []string          // the tenants that were asked for: all of them or nothing
	follow      []string          // more tenants that the change is about: what cannot be opened of them is told
	newDataKeys bool
	details     []gitrepo.Trailer
	gained      func([]rekey.Tenant) error // looks at who gains access before anything is written; may be nil
}

// open finds the repository and what the change starts from.
func (c *keysChange) open(ctx context.Context, e *env) error {
	var err error
	if c.w, err = e.workspace(ctx); err != nil {
		return err
	}
	if c.base, err = e.writeBase(ctx, c.w, c.Write); err != nil {
		return err
	}
	_, err = c.base.Settings(ctx)
	return err
}

// orAll makes the change about all tenants where none was named.
func (c *keysChange) orAll(ctx context.Context) (err error) {
	if len(c.named) == 0 {
		c.follow, err = c.base.Tenants(ctx)
	}
	return err
}

// run makes the change and reports it.
func (c *keysChange) run(ctx context.Context, e *env) error {
	after := c.w.Overlay(c.base, c.policy)
	tenants, err := c.prepare(ctx, e, after)
	if err != nil {
		return err
	}
	if err := c.warnOfOneself(ctx, e, after, tenants); err != nil {
		return err
	}
	if c.gained != nil {
		if err := c.gained(tenants); err != nil {
			return err
		}
	}
	files := maps.Clone(c.policy)
	if files == nil {
		files = map[string][]byte{}
	}
	for _, t := range tenants {
		for _, f := range t.Files {
			files[f.Path] = f.Text
		}
	}
	lists, err := c.lists(ctx, e, tenants, files)
	if err != nil {
		return err
	}
	if files[scaffold.SopsFile], err = scaffold.SopsOf(ctx, after); err != nil {
		return err
	}
	request := c.request(e, tenants, files)
	progress := &term.Progress{}
	request.Step = func() { progress.Step() }
	plan, err := change.Prepare(ctx, c.w, c.base, request)
	if err != nil {
		return err
	}
	if err := plan.Err(); err != nil {
		return err
	}
	report, err := display.NewKeysChange(ctx, plan, tenants)
	if err != nil {
		return err
	}
	report.Known = append(report.Known, lists...)
	if !c.DryRun && !c.NoCommit {
		progress = e.IO.Progress("committing", 2*len(plan.Files))
	}
	report.Outcome, report.Commit, err = e.carryOut(ctx, plan, c.Write)
	progress.Done()
	if err != nil {
		return err
	}
	if err := c.report(e, report); err != nil {
		return err
	}
	return incomplete(tenants)
}

// warnOfOneself tells those who close secrets to themselves.
func (c *keysChange) warnOfOneself(ctx context.Context, e *env, after *workspace.Snapshot, tenants []rekey.Tenant) error {
	own, err := e.keyring().Recipients(ctx)
	if err != nil {
		return err
	}
	for _, t := range tenants {
		policy, err := after.Tenant(ctx, t.Name)
		if err != nil {
			return err
		}
		opened := slices.ContainsFunc(t.Files, func(f rekey.File) bool { return f.Before.OpensWith(own...) })
		if before, err := c.base.Tenant(ctx, t.Name); err == nil {
			opened = opened || before.Access().OpensWith(own...)
		}
		access := policy.Access()
		switch {
		case !opened || access.OpensWith(own...):
		case slices.ContainsFunc(access.Recipients(), func(key string) bool { return slices.Contains(own, key) }):
			e.IO.Warn("after this your age and SSH keys alone do not open the secrets of %s any more: it takes %s", t.Name, access)
		default:
			e.IO.Warn("after this you cannot open the secrets of %s yourself any more", t.Name)
		}
	}
	return nil
}

// request gives what is to be committed.
func (c *keysChange) request(e *env, tenants []rekey.Tenant, files map[string][]byte) change.Request {
	r := change.Request{Kind: c.kind, Files: files, Reason: c.Reason, Details: slices.Clone(c.details), Now: e.now()}
	var names []string
	for _, t := range tenants {
		if len(t.Files) > 0 || c.policy[workspace.TenantFile(t.Name)] != nil {
			names = append(names, t.Name)
			r.Details = append(r.Details, gitrepo.Trailer{Key: "Lcm-Tenant", Value: t.Name})
		}
	}
	switch {
	case len(names) == 0: // what is left is not about tenants' files
		r.Subject = "write " + scaffold.SopsFile + " anew"
	case len(names) > 3:
		r.Subject = fmt.Sprintf(c.subject, fmt.Sprintf("%d tenants", len(names)))
	default:
		r.Subject = fmt.Sprintf(c.subject, strings.Join(names, ", "))
	}
	return r
}

func (c *keysChange) report(e *env, report *display.KeysChange) error {
	if c.format.JSON() {
		return display.JSON(e.IO.Out, "KeysChange", report)
	}
	return display.KeysChangeText(e.IO, report)
}

// tenants gives all tenants that the change is about, each once.
func (c *keysChange) tenants() []string {
	out := slices.Clone(c.named)
	for _, name := range c.follow {
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// prepare works out the files. A tenant that was asked for and cannot be brought in line ends it.
func (c *keysChange) prepare(ctx context.Context, e *env, after *workspace.Snapshot) ([]rekey.Tenant, error) {
	progress := &term.Progress{}
	tenants, err := rekey.Prepare(ctx, after, rekey.Options{
		Tenants: c.tenants(), NewDataKeys: c.newDataKeys, Keyring: c.w.Keyring(), Now: e.now(),
		Total: func(n int) { progress = e.IO.Progress("re-encrypting", n) },
		Step:  func() { progress.Step() },
	})
	progress.Done()
	if err != nil {
		return nil, err
	}
	for _, t := range tenants {
		if t.Err == nil || !slices.Contains(c.named, t.Name) {
			continue
		}
		if list, ok := errors.AsType[diag.List](t.Err); ok {
			return nil, list
		}
		return nil, fmt.Errorf("tenant %q, of which nothing was written: %w", t.Name, t.Err)
	}
	return tenants, nil
}

// incomplete gives the exit code of a change that left tenants out, which the report has told of.
func incomplete(tenants []rekey.Tenant) error {
	for _, t := range tenants {
		if t.Err != nil {
			return &silentError{code: exitCode(t.Err)}
		}
	}
	return nil
}

// takeEdits takes in what was edited by hand of tenants' files, and is not committed: all of them, or those of the tenants that were
// named.
func (c *keysChange) takeEdits(ctx context.Context, e *env) error {
	if c.NoCommit {
		return nil // that is what the change starts from
	}
	for _, name := range c.tenants() {
		file := workspace.TenantFile(name)
		edited, err := c.editOf(ctx, file)
		if err != nil {
			return err
		}
		if edited == nil {
			continue
		}
		t, err := c.base.Tenant(ctx, name)
		if err != nil {
			return err
		}
		if err := c.edited(ctx, t, edited, name == address.Global); err != nil {
			return err
		}
		e.IO.Note("takes in the changes of %s that are not committed yet", file)
	}
	return nil
}

// editOf gives a file as it was edited and not committed; nil if it was not.
func (c *keysChange) editOf(ctx context.Context, file string) ([]byte, error) {
	before, err := c.base.ReadFile(ctx, file)
	if err != nil {
		return nil, err
	}
	now, err := c.w.Worktree().ReadFile(ctx, file)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && bytes.Equal(now, before):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return now, nil
}

// tenantFile gives a tenant and the text of its file, as far as the change has come.
func (c *keysChange) tenantFile(ctx context.Context, name string) (*workspace.Tenant, []byte, error) {
	s := c.w.Overlay(c.base, c.policy)
	t, err := s.Tenant(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	if !c.NoCommit {
		edited, err := c.editOf(ctx, t.File)
		if err != nil {
			return nil, nil, err
		}
		others, err := c.w.Repo().Dirty(ctx, path.Dir(t.File))
		if err != nil {
			return nil, nil, err
		}
		if edited != nil && len(others) == 1 { // else more than sync would do is under way
			return nil, nil, diag.WithHint(fmt.Errorf("%s has changes that are not committed", t.File),
				"lcm keys sync --tenant %s commits them, with the files that follow; or put them aside: git stash push %s", name, t.File)
		}
	}
	src, err := s.ReadFile(ctx, t.File)
	return t, src, err
}

// edited takes a new text of a tenant's file in. What opens for the platform's recovery keys follows in all tenants.
func (c *keysChange) edited(ctx context.Context, t *workspace.Tenant, text []byte, recovery bool) error {
	if c.policy == nil {
		c.policy = map[string][]byte{}
	}
	c.policy[t.File] = text
	if recovery && t.Name == address.Global {
		all, err := c.base.Tenants(ctx)
		if err != nil {
			return err
		}
		c.follow = all
	}
	return nil
}
