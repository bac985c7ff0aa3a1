// Package scan looks through a config repository for secrets in plain text: its worktree, what is staged, its history.
//
// What is a secret says [leak], for any file, and the schemas, for layer files: a value in plain text in a secret field is one
// whatever it looks like. A report never holds any part of a secret, but where it is, what says so, and what to do.
package scan

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/leak"
	"github.com/llm-devops/lcm/pkg/validate"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// CodePlaintext is the code of a value in plain text in a field that the schema, or the file itself, says is secret.
const CodePlaintext = "plaintext-secret"

// Finding is one secret at one place.
type Finding struct {
	diag.Finding
	// Fingerprint tells the finding from others of the repository, whatever changes around it; it holds nothing of the secret.
	Fingerprint string  `json:"fingerprint"`
	Commit      *Commit `json:"commit,omitempty"` // that brought it in, where history was looked through
}

// Report is what was found, and how much was looked at.
type Report struct {
	Findings []Finding `json:"findings"`
	Files    int       `json:"files"`             // with what they hold at different times, for a history
	Commits  int       `json:"commits,omitempty"` // of a history
	Known    int       `json:"known,omitempty"`   // findings that the baseline has, and that are left out here
}

// Options say who is told how far a scan is. Both may be nil; Step is called concurrently.
type Options struct {
	Total func(int)
	Step  func()
}

func (o Options) total(n int) {
	if o.Total != nil {
		o.Total(n)
	}
}

func (o Options) step() {
	if o.Step != nil {
		o.Step()
	}
}

// List gives the findings as such.
func (r *Report) List() diag.List {
	list := make(diag.List, len(r.Findings))
	for i, f := range r.Findings {
		list[i] = f.Finding
	}
	return list
}

// Worktree looks through the files of the worktree that are tracked, or could be as nothing says to ignore them.
func Worktree(ctx context.Context, w *workspace.Workspace, o Options) (*Report, error) {
	files, err := w.Repo().Files(ctx)
	if err != nil {
		return nil, err
	}
	return run(ctx, w.Worktree(), files, o)
}

// Staged looks through the files that the next commit would add or change, for what is not at the same place in HEAD already.
// Index is the file of the index, or "" for the repository's own.
func Staged(ctx context.Context, w *workspace.Workspace, index string, o Options) (*Report, error) {
	s, staged, err := w.Staged(ctx, index)
	if err != nil {
		return nil, err
	}
	return StagedIn(ctx, w, s, staged.Changed, o)
}

// StagedIn is Staged for a snapshot of what is staged, and the files that the commit would add or change.
func StagedIn(ctx context.Context, w *workspace.Workspace, s *workspace.Snapshot, changed []string, o Options) (*Report, error) {
	report, err := run(ctx, s, changed, o)
	if err != nil || len(report.Findings) == 0 {
		return report, err
	}
	rev, _, unborn, err := w.Repo().Head(ctx)
	if err != nil || unborn {
		return report, err
	}
	head, err := w.At(ctx, rev.Hash)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, f := range report.Findings {
		files = append(files, f.Position.File)
	}
	before, err := run(ctx, head, slices.Compact(files), Options{})
	if err != nil {
		return nil, err
	}
	old := map[string]int{}
	for _, f := range before.Findings {
		old[f.Fingerprint]++
	}
	report.Findings = slices.DeleteFunc(report.Findings, func(f Finding) bool {
		old[f.Fingerprint]--
		return old[f.Fingerprint] >= 0
	})
	return report, nil
}

// run looks through some files of a snapshot.
func run(ctx context.Context, s *workspace.Snapshot, files []string, o Options) (*Report, error) {
	scanner, err := leak.Default()
	if err != nil {
		return nil, err
	}
	report := &Report{Findings: []Finding{}}
	var mu sync.Mutex
	parts := byFolder(files)
	o.total(len(parts))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, part := range parts {
		g.Go(func() error {
			defer o.step()
			var found []Finding
			read := 0
			for _, file := range part {
				list, ok, err := one(gctx, scanner, s, file)
				if err != nil {
					return err
				}
				if ok {
					read++
				}
				found = append(found, list...)
			}
			if rest, ok := strings.CutPrefix(part[0], address.Root+"/"); ok {
				if tenant, _, _ := strings.Cut(rest, "/"); tenant != address.Global {
					s.Forget(tenant)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			report.Files += read
			report.Findings = append(report.Findings, found...)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	sortFindings(report.Findings)
	return report, nil
}

// byFolder puts together what is below one folder of config, that is of one tenant, and what is in one folder elsewhere.
func byFolder(files []string) [][]string {
	var parts [][]string
	last := ""
	for _, f := range files {
		dir := path.Dir(f)
		if rest, ok := strings.CutPrefix(f, address.Root+"/"); ok {
			tenant, _, _ := strings.Cut(rest, "/")
			dir = address.Root + "/" + tenant
		}
		if len(parts) == 0 || dir != last {
			parts = append(parts, nil)
		}
		parts[len(parts)-1] = append(parts[len(parts)-1], f)
		last = dir
	}
	return parts
}

// one looks through a file; ok is false where there is none to read.
func one(ctx context.Context, scanner *leak.Scanner, s *workspace.Snapshot, file string) (found []Finding, ok bool, err error) {
	content, err := s.ReadFile(ctx, file)
	if ctx.Err() != nil {
		return nil, false, ctx.Err()
	}
	if _, odd := errors.AsType[diag.List](err); odd || errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil // a link, or a submodule, or removed: nothing of the repository's own
	}
	if err != nil {
		return nil, false, fmt.Errorf("scan %s: %w", file, err)
	}
	matches := scanner.Scan(file, content)
	a, isLayer := address.FromFile(file)
	if !isLayer {
		return fromMatches(file, matches, nil), true, nil
	}
	layer, plain, err := validate.Plaintext(ctx, s, a)
	if err != nil {
		return nil, false, err
	}
	return inLayer(a, file, content, layer, matches, plain), true, nil
}

func sortFindings(found []Finding) {
	slices.SortStableFunc(found, func(a, b Finding) int {
		p, q := a.Position, b.Position
		if c := strings.Compare(p.File, q.File); c != 0 {
			return c
		}
		if p.Line != q.Line {
			return p.Line - q.Line
		}
		return p.Column - q.Column
	})
}
