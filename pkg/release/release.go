// Package release decides what of a commit may be published.
//
// [Check] refuses a commit that readers could not trust: uncommitted files beside it, no signature, a signer who is not
// allowed, findings. [Inputs] resolves what passed into the inputs of bundles.
package release

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/bundle"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/gitrepo"
	"github.com/llm-devops/lcm/pkg/inventory"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/validate"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// RefusedError says why a commit may not be published.
type RefusedError struct{ Reason string }

func (e *RefusedError) Error() string { return "not published: " + e.Reason }

func refuse(hint, format string, args ...any) error {
	return diag.WithHint(&RefusedError{fmt.Sprintf(format, args...)}, "%s", hint)
}

// Clean refuses a worktree in which something differs from HEAD: what would be published is not what lies there.
func Clean(ctx context.Context, repo *gitrepo.Repo) error {
	dirty, err := repo.Dirty(ctx)
	if err != nil {
		return err
	}
	if len(dirty) == 0 {
		return nil
	}
	shown := strings.Join(dirty[:min(3, len(dirty))], ", ")
	if len(dirty) > 3 {
		shown += fmt.Sprintf(" and %d more", len(dirty)-3)
	}
	return refuse("commit them, put them away with git stash -u, or name the commit to publish: --at HEAD", "there are uncommitted files: %s", shown)
}

// Signed refuses a commit that is not signed by someone in its policies/allowed_signers, or where that file itself was
// changed by someone who was not in it before. It gives the file, for what is verified later.
func Signed(ctx context.Context, w *workspace.Workspace, s *workspace.Snapshot) ([]byte, error) {
	revision := s.Revision()
	signers, err := s.ReadFile(ctx, workspace.SignersFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, refuse("add your signing key: lcm init writes the file", "%s does not exist at %s, so nobody may sign", workspace.SignersFile, revision.Short())
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", workspace.SignersFile, err)
	}
	if err := verify(ctx, w.Repo(), revision, signers, workspace.SignersFile); err != nil {
		return nil, err
	}
	return signers, chain(ctx, w, revision)
}

// chain follows the changes of the signers file back to its first version: each must be signed by someone whom the version
// before it allowed. Without this, anyone could add a key in the very commit that it signs.
func chain(ctx context.Context, w *workspace.Workspace, revision gitrepo.Revision) error {
	for c, err := range w.Repo().History(ctx, revision, workspace.SignersFile) {
		if err != nil {
			return err
		}
		if len(c.Parents) == 0 {
			continue
		}
		allowed := false
		var refused error
		first := true
		for _, parent := range c.Parents {
			s, err := w.At(ctx, parent.String())
			if unknown, ok := errors.AsType[*gitrepo.UnknownRevisionError](err); ok && unknown.Shallow {
				return refuse(gitrepo.ShallowHint, "this clone is shallow, and who may sign is followed back through all changes of %s", workspace.SignersFile)
			}
			if err != nil {
				return err
			}
			before, err := s.ReadFile(ctx, workspace.SignersFile)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return err
			}
			first = false
			if err := verify(ctx, w.Repo(), c.Revision, before, workspace.SignersFile+" before it"); err == nil {
				allowed = true
			} else if _, ok := errors.AsType[*RefusedError](err); ok {
				refused = err
			} else {
				return err
			}
		}
		// The commit that brings the file in is where trust begins: there is nothing to hold it against.
		if !first && !allowed {
			return fmt.Errorf("%s was changed by someone it did not allow: %w", workspace.SignersFile, refused)
		}
	}
	return nil
}

func verify(ctx context.Context, repo *gitrepo.Repo, revision gitrepo.Revision, signers []byte, file string) error {
	sig, err := repo.Verify(ctx, revision, signers)
	if err != nil {
		return err
	}
	who := sig.Author + " <" + sig.Email + ">"
	switch sig.Status {
	case gitrepo.Good:
		return nil
	case gitrepo.Unsigned:
		return refuse("commit with lcm, or set git config commit.gpgsign true; sign what is there with git commit --amend -S",
			"commit %s by %s is not signed", revision.Short(), who)
	case gitrepo.UnknownSigner:
		return refuse("someone who is in the file may add the key to it", "commit %s by %s is signed with the key %s, which %s does not name", revision.Short(), who, sig.Key, file)
	}
	return refuse("look at it: git verify-commit "+revision.Short(), "the signature of commit %s by %s does not hold: %s", revision.Short(), who, sig.Detail)
}

// Validation says what has to be without findings.
type Validation struct {
	validate.Options
	Addresses []address.Address // what is to be published
	Now       time.Time         // by which it is told how old secrets are
	// AllowOverdue lets secrets pass that are longer due than lcm.yaml allows.
	AllowOverdue bool
}

// Valid refuses what has findings: the whole of every tenant and environment that is to be published, and secrets that are longer
// due than their environments allow. It gives what is due and is not refused.
func Valid(ctx context.Context, w *workspace.Workspace, s *workspace.Snapshot, v Validation) (due diag.List, err error) {
	report, err := validate.Run(ctx, s, v.Options)
	if err != nil {
		return nil, err
	}
	if due, err = inventory.Check(ctx, w, s, v.Patterns, v.Addresses, v.Now); err != nil {
		return nil, err
	}
	found, hint := report.Findings, "mend them; see lcm validate"
	if !v.AllowOverdue {
		if found.Err() == nil && due.Err() != nil {
			hint = "change those secrets, or publish in spite of them: --allow-overdue"
		}
		found = append(found, due...).Sorted()
	}
	if err := found.Err(); err != nil {
		return nil, diag.WithHint(fmt.Errorf("not published: the configuration has findings: %w", err), "%s", hint)
	}
	return due, nil
}

// Inputs resolves the addresses into one input per tenant and environment, in their order, with secrets opened. sealed says
// that secrets will travel sealed to their tenant's recipients.
func Inputs(ctx context.Context, s *workspace.Snapshot, addresses []address.Address, sealed bool) ([]bundle.Input, error) {
	type slot struct{ unit, namespace int }
	var inputs []bundle.Input
	slots := make([]slot, len(addresses))
	for i, a := range addresses {
		at := slices.IndexFunc(inputs, func(in bundle.Input) bool { return in.Tenant == a.Tenant && in.Environment == a.Environment })
		if at < 0 {
			tenant, err := s.Tenant(ctx, a.Tenant)
			if err != nil {
				return nil, err
			}
			at = len(inputs)
			in := bundle.Input{Tenant: a.Tenant, Environment: a.Environment, Commit: s.Revision().String()}
			if sealed {
				in.Recipients = tenant.Everyday()
			}
			inputs = append(inputs, in)
		}
		slots[i] = slot{at, len(inputs[at].Namespaces)}
		inputs[at].Namespaces = append(inputs[at].Namespaces, bundle.Namespace{Name: a.Namespace})
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, a := range addresses {
		in := &inputs[slots[i].unit]
		g.Go(func() error {
			ns, err := namespace(gctx, s, a, in.Recipients)
			if err != nil {
				return err
			}
			if sealed && ns.SecretsInput != "" {
				if err := opensAlone(ctx, s, a.Tenant); err != nil {
					return err
				}
			}
			in.Namespaces[slots[i].namespace] = ns
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return inputs, nil
}

// opensAlone refuses to seal the secrets of a tenant with key groups: an age file opens for each of its recipients alone.
func opensAlone(ctx context.Context, s *workspace.Snapshot, tenant string) error {
	t, err := s.Tenant(ctx, tenant)
	if err != nil || !t.Access().Grouped() {
		return err
	}
	return refuse("publish to a target that keeps secrets in a Vault, which decides who reads them",
		"it takes keys of %d key groups together to open the secrets of %s, and published to this target they would open for each key alone", t.Threshold, tenant)
}

func namespace(ctx context.Context, s *workspace.Snapshot, a address.Address, recipients []string) (bundle.Namespace, error) {
	r, err := s.Resolve(ctx, a)
	if err != nil {
		return bundle.Namespace{}, err
	}
	ns := bundle.Namespace{Name: a.Namespace, Module: r.Namespace.Module}
	if r.Module != nil {
		ns.SchemaDigest = r.Module.Digest()
	}
	if hasSealed(r.Root) {
		ns.SecretsInput = bundle.SecretsInput(recipients, r.Root)
	}
	ns.Tree, err = s.Reveal(ctx, r.Root)
	if err != nil {
		return bundle.Namespace{}, fmt.Errorf("publish %s: %w", a, err)
	}
	return ns, nil
}

func hasSealed(root *tree.Node) bool {
	for _, n := range root.Leaves() {
		if n.Sealed {
			return true
		}
	}
	return false
}

// Ancestry gives the check whether one commit is an ancestor of another, for the order of what is published.
func Ancestry(repo *gitrepo.Repo) func(ctx context.Context, older, newer string) (bool, error) {
	return repo.IsAncestor
}

// Allowed reads the signers file for verifying manifests.
func Allowed(signers []byte) (*bundle.AllowedSigners, error) {
	// OpenPGP signers sign commits; manifests are signed with Ed25519 keys alone.
	var ssh []byte
	for line := range bytes.Lines(signers) {
		if !bytes.Contains(line, []byte("openpgp:")) {
			ssh = append(ssh, line...)
		}
	}
	return bundle.ParseAllowedSigners(workspace.SignersFile, ssh)
}
