package keyaudit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/gitrepo"
	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// Naming is the commit by which a tenant's file names a key.
type Naming struct {
	Key string `json:"key"`
	Commit
	Signature gitrepo.SignatureStatus `json:"signature,omitempty"` // "" where the snapshot has no list of signers
	Signer    string                  `json:"signer,omitempty"`    // only where the signature is good
}

// Namings gives who named keys, by the places where they stand in tenants' files: the last who changed the key or, where that was
// nobody who may sign, who confirmed it since by a signed change of another line of its entry. What is not committed yet is left
// out. Signatures are held against the snapshot's own list of signers.
func Namings(ctx context.Context, w *workspace.Workspace, s *workspace.Snapshot, at []workspace.Recipient) (map[diag.Position]Naming, error) {
	signers, err := s.ReadFile(ctx, workspace.SignersFile)
	held := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	files := map[string][]int{}
	for _, r := range at {
		for line := r.First; line <= r.Last; line++ {
			files[r.Pos.File] = append(files[r.Pos.File], line)
		}
	}
	var mu sync.Mutex
	blamed := map[string]map[int]gitrepo.CommitInfo{}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for file, lines := range files {
		g.Go(func() error {
			commits, err := w.Repo().Blame(gctx, s.Revision(), file, lines)
			mu.Lock()
			defer mu.Unlock()
			blamed[file] = commits
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	n := &namer{w: w, signers: signers, held: held, verified: map[gitrepo.Revision]gitrepo.Signature{}}
	out := map[diag.Position]Naming{}
	for _, r := range at {
		named, ok, err := n.name(ctx, r, blamed[r.Pos.File])
		if err != nil {
			return nil, err
		}
		if ok {
			out[r.Pos] = named
		}
	}
	return out, nil
}

// namer finds who named keys.
type namer struct {
	w        *workspace.Workspace
	signers  []byte
	held     bool // there are signers
	verified map[gitrepo.Revision]gitrepo.Signature
}

// name gives who named a key, by who last changed each line of its file; false where that is not committed.
func (n *namer) name(ctx context.Context, r workspace.Recipient, blamed map[int]gitrepo.CommitInfo) (Naming, bool, error) {
	info := blamed[r.Pos.Line]
	if info.Revision.IsZero() {
		return Naming{}, false, nil
	}
	sig, err := n.verify(ctx, info.Revision)
	if err != nil {
		return Naming{}, false, err
	}
	if n.held && sig.Status != gitrepo.Good {
		for line := r.First; line <= r.Last; line++ {
			other, ok, err := n.confirmed(ctx, r, info, blamed[line])
			if err != nil {
				return Naming{}, false, err
			}
			if ok && (sig.Status != gitrepo.Good || other.Committed.After(info.Committed)) {
				info, sig = other, n.verified[other.Revision]
			}
		}
	}
	c := Commit{Revision: info.Revision.String(), Author: info.Author, Time: info.Committed, Subject: info.Subject}
	return Naming{r.Key, c, sig.Status, sig.Signer}, true, nil
}

func (n *namer) verify(ctx context.Context, rev gitrepo.Revision) (gitrepo.Signature, error) {
	if !n.held {
		return gitrepo.Signature{}, nil
	}
	if sig, ok := n.verified[rev]; ok {
		return sig, nil
	}
	sig, err := n.w.Repo().Verify(ctx, rev, n.signers)
	if err == nil {
		n.verified[rev] = sig
	}
	return sig, err
}

// confirmed reports whether who changed another line of a key's entry may sign, and had this very key before them: their commit
// is based on the one that named it, and its file names the key in the same way.
func (n *namer) confirmed(ctx context.Context, r workspace.Recipient, named, other gitrepo.CommitInfo) (gitrepo.CommitInfo, bool, error) {
	if other.Revision.IsZero() || other.Revision == named.Revision {
		return other, false, nil
	}
	sig, err := n.verify(ctx, other.Revision)
	if err != nil || sig.Status != gitrepo.Good {
		return other, false, err
	}
	based, err := n.w.Repo().IsAncestor(ctx, named.Revision.Hash, other.Revision.Hash)
	if err != nil || !based {
		return other, false, err
	}
	then, err := n.w.At(ctx, other.Revision.Hash)
	if err != nil {
		return other, false, err
	}
	src, err := then.ReadFile(ctx, r.Pos.File)
	if err != nil {
		return other, false, fmt.Errorf("read %s in %s: %w", r.Pos.File, other.Revision.Short(), err)
	}
	t, ok := tenantOf(r.Pos.File, src)
	return other, ok && slices.ContainsFunc(slices.Concat(t.Recipients, t.Recovery), func(o workspace.Recipient) bool {
		return o.Name == r.Name && o.Key == r.Key && o.Group == r.Group
	}), nil
}

// tenantOf reads a tenant's file as it was in some commit, where it is one.
func tenantOf(file string, src []byte) (*workspace.Tenant, bool) {
	t, err := workspace.ParseTenant(path.Base(path.Dir(file)), file, src)
	return t, err == nil
}

// namings says who named the keys of the report's tenants, and finds those that nobody who may sign named.
func (r *run) namings(ctx context.Context, tenants []Tenant) error {
	var all []workspace.Recipient
	for _, t := range tenants {
		if policy, err := r.s.Tenant(ctx, t.Name); err == nil { // else it is a problem of the tenant
			all = append(all, policy.All()...)
		}
	}
	named, err := Namings(ctx, r.w, r.s, all)
	if err != nil {
		return err
	}
	_, err = r.s.ReadFile(ctx, workspace.SignersFile)
	held := err == nil // without a list of signers nobody is held to one
	told := map[diag.Position]bool{}
	for i, t := range tenants {
		policy, err := r.s.Tenant(ctx, t.Name)
		if err != nil {
			continue
		}
		for _, a := range policy.All() {
			n, ok := named[a.Pos]
			if !ok {
				continue
			}
			tenants[i].Named = append(tenants[i].Named, n)
			if held && n.Signature != gitrepo.Good && !told[a.Pos] {
				told[a.Pos] = true
				r.unsigned(a, n)
			}
		}
	}
	return nil
}

func (r *run) unsigned(a workspace.Recipient, n Naming) {
	name := a.Name
	if name == "" {
		name = seal.ShortKey(a.Key)
	}
	r.found("unsigned-recipient", diag.Warning, a.Pos,
		fmt.Sprintf("%s was named by %s in commit %s, whose signature is %s", name, n.Author, n.Revision[:10], n.Signature),
		fmt.Sprintf("make sure that the key is that person's, then confirm it by a signed change of its entry, such as a comment behind its name: git commit -S %s", a.Pos.File))
}
