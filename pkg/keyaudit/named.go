package keyaudit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
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

// Namings gives who named keys, by the places where they stand in tenants' files. What is not committed yet is left out.
// Signatures are held against the snapshot's own list of signers.
func Namings(ctx context.Context, w *workspace.Workspace, s *workspace.Snapshot, at []workspace.Recipient) (map[diag.Position]Naming, error) {
	signers, err := s.ReadFile(ctx, workspace.SignersFile)
	held := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	files := map[string][]int{}
	for _, r := range at {
		files[r.Pos.File] = append(files[r.Pos.File], r.Pos.Line)
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
	verified := map[gitrepo.Revision]gitrepo.Signature{}
	out := map[diag.Position]Naming{}
	for _, r := range at {
		info := blamed[r.Pos.File][r.Pos.Line]
		if info.Revision.IsZero() {
			continue
		}
		sig, ok := verified[info.Revision]
		if !ok && held {
			if sig, err = w.Repo().Verify(ctx, info.Revision, signers); err != nil {
				return nil, err
			}
			verified[info.Revision] = sig
		}
		c := Commit{Revision: info.Revision.String(), Author: info.Author, Time: info.Committed, Subject: info.Subject}
		out[r.Pos] = Naming{r.Key, c, sig.Status, sig.Signer}
	}
	return out, nil
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
		"make sure that the key is that person's; whoever confirms it signs the change")
}
