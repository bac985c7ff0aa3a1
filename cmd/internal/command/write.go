package command

import (
	"context"
	"strings"

	"github.com/llm-devops/lcm/cmd/internal/display"
	"github.com/llm-devops/lcm/cmd/internal/option"
	"github.com/llm-devops/lcm/pkg/change"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// writeBase gives the snapshot that a change starts from: the last commit, or the worktree for a change that stays there.
func (e *env) writeBase(ctx context.Context, w *workspace.Workspace, o option.Write) (*workspace.Snapshot, error) {
	if !o.DryRun {
		// Writers take turns: the turn lasts until the process ends, or this command does.
		release, err := w.Repo().Exclusive(ctx)
		if err != nil {
			return nil, err
		}
		e.atEnd = append(e.atEnd, release)
		if err := e.recover(ctx, w); err != nil {
			return nil, err
		}
	}
	if o.NoCommit {
		return w.Worktree(), nil
	}
	head, branch, unborn, err := w.Repo().Head(ctx)
	if err != nil {
		return nil, err
	}
	if unborn {
		return nil, diag.WithHint(errUnborn(branch), "make the first commit: lcm init")
	}
	return w.At(ctx, head.String())
}

// recover settles what a killed process left half done, so that nothing is read from between two states.
func (e *env) recover(ctx context.Context, w *workspace.Workspace) error {
	settled, err := w.Repo().Recover(ctx)
	if err != nil {
		return err
	}
	for _, s := range settled {
		if s.Finished {
			e.IO.Note("finished the commit %s that a process was killed in", s.Commit.Short())
		} else {
			e.IO.Note("undid a change that a process was killed in: %s", strings.Join(s.Paths, ", "))
		}
	}
	return nil
}

type errUnborn string

func (b errUnborn) Error() string { return "branch " + string(b) + " has no commits yet" }

// change prepares a request, shows it, and unless it is a dry run makes it.
func (e *env) change(ctx context.Context, w *workspace.Workspace, base *workspace.Snapshot, r change.Request, o option.Write, format option.Format) error {
	plan, err := change.Prepare(ctx, w, base, r)
	if err != nil {
		return err
	}
	return e.apply(ctx, plan, o, format)
}

// apply carries a prepared change out and reports it.
func (e *env) apply(ctx context.Context, plan *change.Plan, o option.Write, format option.Format) error {
	report, err := e.carriedOut(ctx, plan, o)
	if err != nil {
		return err
	}
	if format.JSON() {
		return display.JSON(e.IO.Out, "Change", report)
	}
	return display.ChangeText(e.IO, report)
}

// carriedOut carries a prepared change out and gives its report.
func (e *env) carriedOut(ctx context.Context, plan *change.Plan, o option.Write) (*display.Change, error) {
	if err := plan.Err(); err != nil {
		return nil, err
	}
	report, err := display.NewChange(ctx, plan)
	if err != nil {
		return nil, err
	}
	report.IdentityFile = e.identityFile
	report.Outcome, report.Commit, err = e.carryOut(ctx, plan, o)
	return report, err
}

// carryOut writes a prepared change, or does not, and says what became of it.
func (e *env) carryOut(ctx context.Context, plan *change.Plan, o option.Write) (outcome display.Outcome, commit string, err error) {
	switch {
	case plan.Empty():
		return display.Unchanged, "", nil
	case o.DryRun:
		return display.Planned, "", nil
	case o.NoCommit:
		return display.Written, "", plan.Write(ctx)
	}
	commit, err = e.commit(ctx, plan)
	if err != nil {
		return "", "", err
	}
	return display.Committed, commit, nil
}

// commit makes the commit of a prepared change, and warns where it is signed with a key that does not count here.
func (e *env) commit(ctx context.Context, plan *change.Plan) (string, error) {
	revision, err := plan.Commit(ctx)
	if err != nil {
		return "", err
	}
	if unlisted, err := plan.Unlisted(ctx, revision); err == nil && unlisted {
		e.IO.Warn("%s does not name the key that you sign with, so lcm publish will refuse this commit: lcm doctor says what to do", workspace.SignersFile)
	}
	return revision.String(), nil
}
