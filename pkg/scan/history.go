package scan

import (
	"context"
	"fmt"
	"path"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/gitrepo"
	"github.com/llm-devops/lcm/pkg/leak"
	"github.com/llm-devops/lcm/pkg/validate"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// MessageFile stands for a commit's message where a file is named.
const MessageFile = "(commit message)"

// History looks through everything that commits brought in, and their messages. Revs is a revision or a range, "" for all that any
// branch or tag leads to. A secret is told once for each file that it was in, with the commit that brought it in there first. Which
// fields of a layer file are secret says the schema as it is now.
func History(ctx context.Context, w *workspace.Workspace, revs string, o Options) (*Report, error) {
	h := history{w: w, s: w.Worktree(), report: &Report{Findings: []Finding{}}}
	var err error
	if h.scanner, err = leak.Default(); err != nil {
		return nil, err
	}
	jobs, err := h.jobs(ctx, revs)
	if err != nil {
		return nil, err
	}
	const batch = 64
	o.total((len(jobs) + batch - 1) / batch)
	found := make([][]placed, len(jobs))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for from := 0; from < len(jobs); from += batch {
		g.Go(func() error {
			defer o.step()
			for i := from; i < min(from+batch, len(jobs)); i++ {
				var err error
				if found[i], err = h.look(gctx, jobs[i]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return h.report, h.first(ctx, jobs, found)
}

type history struct {
	w       *workspace.Workspace
	s       *workspace.Snapshot
	scanner *leak.Scanner
	report  *Report
}

// job is one content to look through, at the commit that brought it in first.
type job struct {
	rev    gitrepo.Revision
	path   string
	digest string // "" is the commit's message
}

// placed is a finding, and what tells its secret from others.
type placed struct {
	Finding
	same string
}

// jobs lists every content of every file once, the oldest commits first.
func (h *history) jobs(ctx context.Context, revs string) ([]job, error) {
	type content struct{ path, digest string }
	seen := map[content]bool{}
	var jobs []job
	for commit, err := range h.w.Repo().Brought(ctx, revs) {
		if err != nil {
			return nil, err
		}
		h.report.Commits++
		jobs = append(jobs, job{rev: commit.Revision, path: MessageFile})
		for _, f := range commit.Files {
			if c := (content{f.Path, f.Digest}); !seen[c] {
				seen[c] = true
				jobs = append(jobs, job{commit.Revision, f.Path, f.Digest})
			}
		}
	}
	h.report.Files = len(seen)
	return jobs, nil
}

// look looks through one content.
func (h *history) look(ctx context.Context, j job) ([]placed, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if j.digest == "" {
		return h.message(ctx, j)
	}
	if h.scanner.Skips(j.path) {
		return nil, nil
	}
	content, err := h.w.Repo().Content(ctx, j.digest)
	if err != nil {
		return nil, fmt.Errorf("scan %s at %s: %w", j.path, j.rev.Short(), err)
	}
	matches := h.scanner.Scan(j.path, content)
	same := map[string]string{}
	for _, m := range matches {
		same[m.Fingerprint] = m.Same
	}
	var found []Finding
	if a, ok := address.FromFile(j.path); ok && path.Ext(j.path) != ".cue" {
		layer, plain := validate.PlaintextThen(ctx, h.s, a, content)
		found = inLayer(a, j.path, content, layer, matches, plain)
	} else {
		found = fromMatches(j.path, matches, nil)
	}
	out := make([]placed, len(found))
	for i, f := range found {
		out[i] = placed{f, same[f.Fingerprint]}
		if out[i].same == "" { // what only the schema knows
			out[i].same = f.Fingerprint
		}
	}
	return out, nil
}

// message looks through what a commit says of itself.
func (h *history) message(ctx context.Context, j job) ([]placed, error) {
	c, err := h.w.Repo().Log(ctx, j.rev)
	if err != nil {
		return nil, err
	}
	matches := h.scanner.Scan(MessageFile, []byte(c.Subject+"\n\n"+c.Body))
	found := fromMatches(MessageFile, matches, nil)
	out := make([]placed, len(found))
	for i, f := range found {
		f.Hint = rotate + "; a commit's message stays, unless history is written anew"
		out[i] = placed{f, matches[i].Same + j.rev.Hash}
	}
	return out, nil
}

// first keeps of each secret in each file the first appearance, and says who brought it in.
func (h *history) first(ctx context.Context, jobs []job, found [][]placed) error {
	seen := map[string]bool{}
	for i, list := range found {
		for _, f := range list {
			key := jobs[i].path + "\x00" + f.same
			if seen[key] {
				continue
			}
			seen[key] = true
			c, err := h.w.Repo().Log(ctx, jobs[i].rev)
			if err != nil {
				return err
			}
			f.Commit = &Commit{Revision: c.Revision, Author: fmt.Sprintf("%s <%s>", c.Author, c.Email), Date: c.Time}
			h.report.Findings = append(h.report.Findings, f.Finding)
		}
	}
	h.report.Findings = slices.Clip(h.report.Findings)
	return nil
}
