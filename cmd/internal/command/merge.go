package command

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/llm-devops/lcm/cmd/internal/display"
	"github.com/llm-devops/lcm/cmd/internal/option"
	"github.com/llm-devops/lcm/pkg/accesslog"
	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/gitrepo"
	"github.com/llm-devops/lcm/pkg/merge"
	"github.com/llm-devops/lcm/pkg/scaffold"
	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/workspace"
)

type mergeOptions struct {
	format option.Format
	goOn   bool
}

func newMerge(e *env) *cobra.Command {
	o := &mergeOptions{}
	cmd := &cobra.Command{
		Use:   "merge",
		Short: "See and finish the merge, rebase or cherry-pick that Git stopped in",
		Long: `See what is left to do in the merge, rebase, cherry-pick or stash that Git stopped in, and finish it.

Git merges configuration files by key in clones where lcm hooks install was run. Where both sides changed the same key, resolve
it with lcm resolve or by hand. --continue then seals the files: secrets that came from both sides, and those typed by hand in
plain text, are encrypted together under a new MAC, which takes a key that opens the file. It adds them to the index and lets
Git go on.`,
		Example: "  lcm merge\n  lcm merge --continue",
		Args:    args(0, 0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			e.output(&o.format)
			return runMerge(cmd.Context(), e, o)
		},
	}
	o.format.Bind(cmd, "text", "json")
	cmd.Flags().BoolVar(&o.goOn, "continue", false, "seal and add the resolved files, and let Git go on")
	return cmd
}

// session gives the merge that Git stopped in.
func (e *env) session(ctx context.Context) (*merge.Session, error) {
	repo, err := e.repo(ctx)
	if err != nil {
		return nil, err
	}
	return &merge.Session{Repo: repo, Options: e.mergeOptions(ctx, 0)}, nil
}

func runMerge(ctx context.Context, e *env, o *mergeOptions) error {
	s, err := e.session(ctx)
	if err != nil {
		return err
	}
	files, err := s.Files(ctx)
	if err != nil {
		return err
	}
	op := s.Repo.Operation()
	if len(files) == 0 && op == gitrepo.NoOperation {
		return e.sealCommitted(ctx, s, o)
	}
	if !o.goOn {
		if err := e.showMerge(ctx, s, files, o.format, false); err != nil {
			return err
		}
		noteNext(e, op, files)
		return nil
	}
	for _, f := range merge.Left(files, merge.Unsealed) {
		if err := settle(ctx, s, f); err != nil {
			return err
		}
	}
	if files, err = s.Files(ctx); err != nil {
		return err
	}
	if left := merge.Left(files, merge.InConflict, merge.Foreign); len(left) > 0 {
		if err := e.showMerge(ctx, s, left, o.format, false); err != nil {
			return err
		}
		noteNext(e, op, left)
		what := "1 file is"
		if len(left) > 1 {
			what = fmt.Sprintf("%d files are", len(left))
		}
		return &silentError{exitFailed, fmt.Errorf("%s left to resolve", what)}
	}
	if err := e.regenerateSops(ctx, s); err != nil {
		return err
	}
	return e.continueGit(ctx, s, files, op, o.format)
}

// regenerateSops has .sops.yaml say what the tenants' files say as they were resolved. What is wrong with these is the hook's to say.
func (e *env) regenerateSops(ctx context.Context, s *merge.Session) error {
	w, err := e.workspace(ctx)
	if err != nil {
		return nil //nolint:nilerr // the settings may be what is wrong
	}
	done, err := s.Regenerate(ctx, w)
	if _, wrong := errors.AsType[diag.List](err); wrong {
		return nil
	}
	if err == nil && done {
		e.IO.Note("wrote %s anew, from the tenants' files as they were resolved", scaffold.SopsFile)
	}
	return err
}

// sealCommitted seals the files of a merge that somebody without a key has committed.
func (e *env) sealCommitted(ctx context.Context, s *merge.Session, o *mergeOptions) error {
	files, head, err := s.Committed(ctx)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return errNothingStopped(ctx, s.Repo)
	}
	if !o.goOn {
		if err := e.showMerge(ctx, s, files, o.format, false); err != nil {
			return err
		}
		e.IO.Note("the merge %s was committed before they were sealed; do it with lcm merge --continue", head.Short())
		return nil
	}
	texts, err := s.Seal(ctx, files)
	if locked, ok := errors.AsType[*seal.NoIdentityError](err); ok {
		return diag.WithHint(locked, "let one of its recipients run lcm merge --continue on this branch")
	}
	if err != nil {
		return err
	}
	rev, err := s.Repo.Commit(ctx, gitrepo.CommitRequest{
		Parent: head, Files: texts, Subject: "seal the secrets that the merge brought together", Output: e.IO.Err,
		Trailers: []gitrepo.Trailer{{Key: "Lcm-Change", Value: "merge"}},
	})
	if err != nil {
		return err
	}
	for i := range files {
		files[i].State = merge.Added
	}
	if err := e.showMerge(ctx, s, files, o.format, false); err != nil {
		return err
	}
	e.IO.Note("committed %s: what the merge brought together is sealed; check it with lcm validate", rev.Short())
	return nil
}

// settle seals a file, or says what one without a key can do.
func settle(ctx context.Context, s *merge.Session, f merge.File) error {
	err := s.Settle(ctx, f)
	if locked, ok := errors.AsType[*seal.NoIdentityError](err); ok {
		locked.File = f.Path
		return diag.WithHint(locked, "it holds secrets of both sides, which only one of its recipients can seal: let one of them merge these branches, or put a private key where lcm finds it and run lcm merge --continue")
	}
	return err
}

// continueGit lets Git go on, and reports.
func (e *env) continueGit(ctx context.Context, s *merge.Session, files []merge.File, op gitrepo.Operation, format option.Format) error {
	report, err := mergeReport(ctx, s, files, false)
	if err != nil {
		return err
	}
	if op == gitrepo.NoOperation {
		if format.JSON() {
			return display.JSON(e.IO.Out, "Merge", report)
		}
		if err := display.MergeText(e.IO, report); err != nil {
			return err
		}
		noteStash(e)
		return nil
	}
	if err := nothingLeft(ctx, s.Repo, op); err != nil {
		return err
	}
	started, err := s.Repo.Started()
	if err != nil {
		return err
	}
	setup, err := s.Repo.Signing(ctx)
	if err != nil {
		return err
	}
	said, err := s.Repo.Continue(ctx, op, setup.Usable)
	report.Git = said
	if err != nil {
		if more, _ := s.Files(ctx); len(merge.Left(more, merge.InConflict, merge.Unsealed, merge.Foreign)) > 0 {
			e.IO.Note("%s", said)
			return diag.WithHint(fmt.Errorf("the %s went on and stopped at the next conflict", op), "see it with lcm merge")
		}
		if strings.Contains(said, "[foreign-recipient]") || strings.Contains(said, "[missing-recipient]") {
			return diag.WithHint(err, "have the files follow who is in now: lcm keys sync --no-commit, git add what it wrote, then lcm merge --continue")
		}
		return err
	}
	report.Continued = true
	if format.JSON() {
		return display.JSON(e.IO.Out, "Merge", report)
	}
	if err := display.MergeText(e.IO, report); err != nil {
		return err
	}
	e.IO.Note("the %s is done; see what it did with lcm diff ORIG_HEAD, and check it with lcm validate", op)
	return e.warnUnsigned(ctx, s.Repo, op, started)
}

// nothingLeft refuses to go on with a commit that would change nothing, which Git does not make.
func nothingLeft(ctx context.Context, repo *gitrepo.Repo, op gitrepo.Operation) error {
	if op != gitrepo.Revert && op != gitrepo.CherryPick {
		return nil // a merge is one all the same, and a rebase leaves such a commit out
	}
	empty, err := repo.NothingStaged(ctx)
	if err != nil || !empty {
		return err
	}
	return diag.WithHint(fmt.Errorf("nothing is left of the %s: as it is resolved, it changes nothing of HEAD", op), "leave it out with git %s --skip", op)
}

// warnUnsigned tells of the commits that Git made by itself before it stopped, which it does not sign unless it is told to.
func (e *env) warnUnsigned(ctx context.Context, repo *gitrepo.Repo, op gitrepo.Operation, started gitrepo.Revision) error {
	if op == gitrepo.MergeOp || started.IsZero() {
		return nil
	}
	n, err := repo.Unsigned(ctx, started)
	if err != nil || n == 0 {
		return err
	}
	e.IO.Warn("commits of the %s that are not signed, so that they count for nobody's: %d; sign them with git rebase --force-rebase --gpg-sign %s", op, n, started.Short())
	return nil
}

// noteStash says what is left after conflicts that no operation of Git waits for.
func noteStash(e *env) {
	e.IO.Note("all conflicts are resolved and added; if they came from git stash pop, drop it with git stash drop")
}

// showMerge writes what is left to do.
func (e *env) showMerge(ctx context.Context, s *merge.Session, files []merge.File, format option.Format, reveal bool) error {
	report, err := mergeReport(ctx, s, files, reveal)
	if err != nil {
		return err
	}
	if reveal {
		if err := e.recordConflicts(ctx, s, report); err != nil {
			return err
		}
	}
	if format.JSON() {
		return display.JSON(e.IO.Out, "Merge", report)
	}
	if err := display.MergeText(e.IO, report); err != nil {
		return err
	}
	return e.noteByLine(ctx, s, files)
}

// noteByLine says what to do about files that Git merged by line because nobody told it to merge them by key.
func (e *env) noteByLine(ctx context.Context, s *merge.Session, files []merge.File) error {
	missing, err := installDrivers(ctx, s.Repo, true)
	if err != nil || len(missing) == 0 {
		return err
	}
	for _, f := range files {
		if slices.ContainsFunc(f.Regions, func(r merge.Region) bool { return r.Keys == "" }) {
			e.IO.Note("this clone merges by line, not by key; to have it merged again by key: lcm hooks install, then git checkout --merge -- %s", f.Path)
		}
	}
	return nil
}

// recordConflicts records which secrets are about to be shown, and which could not be opened.
func (e *env) recordConflicts(ctx context.Context, s *merge.Session, report display.Merge) error {
	var accesses []accesslog.Access
	for _, f := range report.Files {
		keys := map[accesslog.Outcome][]string{}
		for _, c := range f.Conflicts {
			for _, v := range c.Values {
				for _, side := range []*display.MergeValue{v.Ours, v.Base, v.Theirs} {
					if side != nil && side.Locked {
						keys[accesslog.Refused] = append(keys[accesslog.Refused], v.Key)
					} else if side != nil && side.Secret {
						keys[accesslog.Opened] = append(keys[accesslog.Opened], v.Key)
					}
				}
			}
		}
		for _, outcome := range []accesslog.Outcome{accesslog.Opened, accesslog.Refused} {
			if len(keys[outcome]) > 0 {
				accesses = append(accesses, accesslog.Access{Action: "resolve", Outcome: outcome, Address: addressOf(f.Path), Keys: onlyOnce(keys[outcome])})
			}
		}
	}
	if len(accesses) == 0 {
		return nil
	}
	return e.record(ctx, workspace.New(s.Repo, workspace.Options{}), accesses...)
}

func noteNext(e *env, op gitrepo.Operation, files []merge.File) {
	switch conflicts := merge.Left(files, merge.InConflict); {
	case len(conflicts) > 0:
		e.IO.Note("choose with lcm resolve %s [KEY…] --ours or --theirs, or set another value with KEY=VALUE", addressOf(conflicts[0].Path))
	case op == gitrepo.NoOperation && len(merge.Left(files, merge.Foreign, merge.Unsealed)) == 0:
		noteStash(e)
	case len(merge.Left(files, merge.Foreign)) == 0:
		e.IO.Note("nothing is left in conflict; go on with lcm merge --continue")
	}
}

// mergeReport collects what is known of files; a file that cannot be read by key is shown without values.
func mergeReport(ctx context.Context, s *merge.Session, files []merge.File, reveal bool) (display.Merge, error) {
	report := display.Merge{Operation: string(s.Repo.Operation()), Files: []display.MergedFile{}}
	for _, f := range files {
		m := display.MergedFile{Path: f.Path, State: string(f.State)}
		if a := addressOf(f.Path); a != f.Path {
			m.Address = a
		}
		if f.Problem != nil {
			m.Problem = f.Problem.Error()
		}
		if len(f.Regions) > 0 {
			values, err := s.Values(ctx, f)
			if err != nil && ctx.Err() != nil {
				return report, err
			}
			for _, r := range f.Regions {
				m.Conflicts = append(m.Conflicts, conflictOf(r, values, reveal))
			}
		}
		report.Files = append(report.Files, m)
	}
	return report, nil
}

func conflictOf(r merge.Region, values merge.ValueFunc, reveal bool) display.MergeConflict {
	c := display.MergeConflict{Line: r.Line}
	if values == nil {
		return c
	}
	for _, text := range r.KeyList() {
		key, err := tree.ParsePath(text)
		if err != nil {
			continue
		}
		show := func(side merge.Side) *display.MergeValue {
			n, open := values(key, side)
			if n == nil {
				return nil
			}
			return display.NewMergeValue(n, !open, reveal)
		}
		c.Values = append(c.Values, display.KeyValues{Key: text, Ours: show(merge.Ours), Base: show(merge.Base), Theirs: show(merge.Theirs)})
	}
	return c
}

// targetFile gives the file that a user names by its address or its path.
func targetFile(target string) string {
	if a, err := address.Parse(target); err == nil {
		return a.File()
	}
	return target
}
