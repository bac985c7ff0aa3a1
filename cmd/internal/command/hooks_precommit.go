package command

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/llm-devops/lcm/cmd/internal/display"
	"github.com/llm-devops/lcm/cmd/internal/option"
	"github.com/llm-devops/lcm/cmd/internal/term"
	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/gitrepo"
	"github.com/llm-devops/lcm/pkg/scan"
	"github.com/llm-devops/lcm/pkg/validate"
	"github.com/llm-devops/lcm/pkg/workspace"
)

type hooksPreCommitOptions struct {
	format option.Format
	merge  bool
}

func newHooksPreCommit(e *env) *cobra.Command {
	o := &hooksPreCommitOptions{}
	cmd := &cobra.Command{
		Use:   "pre-commit",
		Short: "Check what is staged: validate it, and look for secrets in plain text; Git calls this",
		Long: `Check what is staged, as the next commit would have it, whatever lies in the worktree: lcm validate for the tenants whose files
would change (for all, where what all depend on would), and lcm secret scan --staged. Git calls this before each commit, once lcm
hooks install has been run; git commit --no-verify does without. Of commits that lcm makes itself, which checks what they bring, only
the second is done.

It takes no key, and prints nothing if nothing is wrong. The exit code is 3 if there are errors, and then Git makes no commit.`,
		Example: "  lcm hooks pre-commit\n  lcm hooks pre-commit -o json",
		Args:    args(0, 0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			e.output(&o.format)
			return runHooksPreCommit(cmd.Context(), e, o)
		},
	}
	o.format.Bind(cmd, "text", "json")
	return cmd
}

func newHooksPreMergeCommit(e *env) *cobra.Command {
	o := &hooksPreCommitOptions{merge: true}
	cmd := &cobra.Command{
		Use:   "pre-merge-commit",
		Short: "Check what a merge without conflicts came to, before Git commits it; Git calls this",
		Long: `Check what a merge without conflicts came to, before Git commits it: two branches that are valid, each for itself, can be invalid
together, by a quota, by a name that one uses and the other removes. It is what lcm hooks pre-commit does, for what the merge
changes of HEAD. Git calls this once lcm hooks install has been run, and lcm hooks pre-commit for the commit of a merge whose
conflicts were resolved; git merge --no-verify does without.

It takes no key, and prints nothing if nothing is wrong. The exit code is 3 if there are errors. Then Git leaves the merge
uncommitted: fix what is wrong, git add and git commit, or take it back with git merge --abort. A fast-forward makes no commit, and
is not checked: what it brings was checked where it was committed.`,
		Example: "  lcm hooks pre-merge-commit\n  lcm hooks pre-merge-commit -o json",
		Args:    args(0, 0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			e.output(&o.format)
			return runHooksPreCommit(cmd.Context(), e, o)
		},
	}
	o.format.Bind(cmd, "text", "json")
	return cmd
}

func runHooksPreCommit(ctx context.Context, e *env, o *hooksPreCommitOptions) error {
	w, err := e.workspace(ctx)
	if err != nil {
		return err
	}
	s, staged, err := w.Staged(ctx, e.Getenv("GIT_INDEX_FILE"))
	if err != nil {
		return err
	}
	report := display.PreCommitReport{Findings: diag.List{}, Changed: len(staged.Changed) + len(staged.Removed), Merge: o.merge}
	validated := false
	// What lcm commits itself was checked, and what was wrong before must not keep anybody from mending something else.
	own := e.Getenv(gitrepo.OwnCommit) != ""
	if _, err := s.Settings(ctx); !own && !isA[*workspace.NotConfigRepositoryError](err) {
		var found diag.List
		if found, validated, err = e.validateStaged(ctx, w, s, staged); err != nil {
			return err
		}
		report.Findings = append(report.Findings, found...)
	}
	scanned, err := scan.StagedIn(ctx, w, s, staged.Changed, scan.Options{})
	if err != nil {
		return err
	}
	for _, f := range scanned.Findings {
		if !validated && !own || f.Code != scan.CodePlaintext { // validation has told of those
			report.Findings = append(report.Findings, f.Finding)
		}
	}
	report.Findings = report.Findings.Sorted()
	if o.format.JSON() {
		err = display.JSON(e.IO.Out, "PreCommit", report)
	} else {
		err = display.PreCommitText(e.IO, report)
	}
	if err != nil {
		return err
	}
	if report.Findings.Count(diag.Error) > 0 {
		return &silentError{code: exitFindings}
	}
	return nil
}

// validateStaged validates what the staged files can have changed; done is false where that is nothing.
func (e *env) validateStaged(
	ctx context.Context, w *workspace.Workspace, s *workspace.Snapshot, staged *gitrepo.Staged,
) (found diag.List, done bool, err error) {
	options, ok, err := e.reachOf(ctx, s, append(slices.Clone(staged.Changed), staged.Removed...))
	if err != nil || !ok {
		return nil, false, err
	}
	if len(options.Patterns) == 0 {
		if options.Keys, err = e.keyring().Recipients(ctx); err != nil {
			return nil, false, err
		}
		options.Cache = e.validationCache(w.Repo().Root() + "\x00staged")
	}
	progress := &term.Progress{}
	options.Total = func(n int) { progress = e.IO.Progress("validating what is staged", n) }
	options.Step = func() { progress.Step() }
	report, err := validate.Run(ctx, s, options)
	progress.Done()
	if err != nil {
		return nil, false, err
	}
	if options.Cache != nil {
		if err := options.Cache.Save(true); err != nil {
			e.IO.Note("what was found could not be kept for the next run: %v", err)
		}
	}
	return report.Findings, true, nil
}

// reachOf says what to validate where some files change: the tenants that they belong to, or everything; ok is false where
// they have no part in the configuration.
func (e *env) reachOf(ctx context.Context, s *workspace.Snapshot, files []string) (o validate.Options, ok bool, err error) {
	shared := []string{address.Global}
	if settings, err := s.Settings(ctx); err == nil { // one that is wrong is a finding
		for _, l := range settings.Layers {
			shared = append(shared, strings.Split(l, "/")[0])
		}
	}
	var tenants []string
	for _, f := range files {
		top, rest, _ := strings.Cut(f, "/")
		switch top {
		case address.Root:
			tenant, _, inTenant := strings.Cut(rest, "/")
			isTenant := inTenant && address.CheckName("tenant", tenant) == nil
			if !isTenant || slices.Contains(shared, tenant) {
				return validate.Options{}, true, nil
			}
			if !slices.Contains(tenants, tenant) {
				tenants = append(tenants, tenant)
			}
		case workspace.SettingsFile, workspace.LockFile, workspace.SopsFile, workspace.SchemaDir, workspace.SharedDir, workspace.TemplateDir:
			return validate.Options{}, true, nil
		}
	}
	for _, t := range tenants {
		p, err := address.ParsePattern(t)
		if err != nil {
			return validate.Options{}, false, err
		}
		o.Patterns = append(o.Patterns, p)
	}
	return o, len(tenants) > 0, nil
}
