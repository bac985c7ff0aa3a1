package command

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/llm-devops/lcm/cmd/internal/display"
	"github.com/llm-devops/lcm/cmd/internal/option"
	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/diff"
	"github.com/llm-devops/lcm/pkg/gitrepo"
	"github.com/llm-devops/lcm/pkg/workspace"
)

type diffOptions struct {
	format   option.Format
	operands []string
	exitCode bool
	all      bool
}

func newDiff(e *env) *cobra.Command {
	o := &diffOptions{}
	cmd := &cobra.Command{
		Use:   "diff [A [B]]",
		Short: "Show what differs, by cause, with its reach",
		Long: `Show what differs between any two of: the worktree, a revision (HEAD~1, v1.4.0), an address or pattern (acme/staging), an
address at a revision (acme/staging@v1.4.0). Resolved results are compared and grouped by cause: one edited default that
changes 240 addresses is one entry with its reach.

Without operands HEAD is compared with the worktree; with one revision, that revision with the worktree; with one address,
HEAD with the worktree for it. A secret shows as changed, without its value: with its key, one that only was encrypted anew is
told from one that changed.`,
		Example: `  lcm diff                                     what is not committed yet
  lcm diff HEAD~1                              what the last commit did
  lcm diff origin/main HEAD -o markdown        for a pull request
  lcm diff acme/staging acme/production        where two environments differ
  lcm diff acme/production@v1.4.0 acme/production`,
		Args:              args(0, 2, "at most two things to compare"),
		ValidArgsFunction: e.addresses,
		RunE: func(cmd *cobra.Command, a []string) error {
			o.operands = a
			e.output(&o.format)
			return runDiff(cmd.Context(), e, o)
		},
	}
	o.format.Bind(cmd, "text", "json", "markdown")
	cmd.Flags().BoolVar(&o.all, "all", false, "list every address that a change reaches, and long texts in full")
	cmd.Flags().BoolVar(&o.exitCode, "exit-code", false, "exit with 4 if something differs")
	return cmd
}

func runDiff(ctx context.Context, e *env, o *diffOptions) error {
	w, err := e.workspace(ctx)
	if err != nil {
		return err
	}
	from, to, err := o.sides(ctx, w)
	if err != nil {
		return err
	}
	report, err := diff.Compare(ctx, from, to, diff.Options{Repo: w.Repo(), OpenSecrets: true})
	if err != nil {
		return err
	}
	switch o.format.Name {
	case "json":
		err = display.DiffJSON(e.IO.Out, report)
	case "markdown":
		err = display.DiffMarkdown(e.IO.Out, report)
	default:
		err = display.DiffText(e.IO.Out, report, e.IO.Style(), display.DiffOptions{All: o.all})
	}
	if err != nil {
		return err
	}
	switch {
	case len(report.Findings) > 0 && report.Findings.Count(diag.Error) > 0:
		return &silentError{code: exitFindings}
	case o.exitCode && !report.Empty():
		return &silentError{code: exitDifferences}
	}
	return nil
}

// operand is one side as it was written.
type operand struct {
	pattern  string
	revision string
}

// sides makes the two sides of a comparison from what was written.
func (o *diffOptions) sides(ctx context.Context, w *workspace.Workspace) (from, to diff.Side, err error) {
	parsed := make([]operand, 0, 2)
	for _, text := range o.operands {
		op, err := parseOperand(ctx, w, text)
		if err != nil {
			return from, to, err
		}
		parsed = append(parsed, op)
	}
	switch {
	case len(parsed) == 0:
		parsed = []operand{{revision: "HEAD"}, {}}
	case len(parsed) == 1 && parsed[0].revision == "":
		parsed = []operand{{pattern: parsed[0].pattern, revision: "HEAD"}, parsed[0]}
	case len(parsed) == 1:
		parsed = append(parsed, operand{pattern: parsed[0].pattern})
	case parsed[0].pattern == "":
		parsed[0].pattern = parsed[1].pattern // a revision against an address: that address at the revision
	case parsed[1].pattern == "":
		parsed[1].pattern = parsed[0].pattern
	}
	worktree := w.Worktree()
	if from, err = side(ctx, w, worktree, parsed[0]); err != nil {
		return from, to, err
	}
	to, err = side(ctx, w, worktree, parsed[1])
	return from, to, err
}

// parseOperand tells an address from a revision: an address begins with a tenant that the repository has, or a glob.
func parseOperand(ctx context.Context, w *workspace.Workspace, text string) (operand, error) {
	pattern, revision, at := strings.Cut(text, "@")
	isAddress, err := looksLikeAddress(ctx, w, pattern)
	if err != nil {
		return operand{}, err
	}
	switch {
	case isAddress && at && !strings.HasPrefix(revision, "{"):
		return operand{pattern, revision}, nil
	case isAddress && !at:
		return operand{pattern: pattern}, nil
	}
	if _, err := w.Repo().Resolve(ctx, text); err != nil {
		if unknown, ok := errors.AsType[*gitrepo.UnknownRevisionError](err); ok && unknown.Shallow && !strings.Contains(pattern, "/") {
			return operand{}, err
		}
		names, listErr := w.Worktree().Tenants(ctx)
		if listErr != nil {
			return operand{}, listErr
		}
		first, _, _ := strings.Cut(pattern, "/")
		return operand{}, diag.WithHint(fmt.Errorf("%q is neither a revision nor an address", text), "%s",
			diag.DidYouMean(first, names, "a revision is a commit, tag or branch; an address begins with a tenant: see lcm tenant list"))
	}
	return operand{revision: text}, nil
}

func looksLikeAddress(ctx context.Context, w *workspace.Workspace, text string) (bool, error) {
	p, err := address.ParsePattern(text)
	if err != nil || text == "" {
		return false, nil //nolint:nilerr // then it is no address
	}
	tenant, _, _ := p.Parts()
	if strings.ContainsAny(tenant, "*?") {
		return true, nil
	}
	names, err := w.Worktree().Tenants(ctx)
	if err != nil {
		return false, err
	}
	for _, n := range names {
		if n == tenant {
			return true, nil
		}
	}
	return false, nil
}

func side(ctx context.Context, w *workspace.Workspace, worktree *workspace.Snapshot, op operand) (diff.Side, error) {
	s := diff.Side{Snapshot: worktree, Label: op.pattern}
	if op.revision != "" {
		at, err := w.At(ctx, op.revision)
		if err != nil {
			return s, err
		}
		s.Snapshot = at
	}
	switch {
	case op.pattern != "" && op.revision != "":
		s.Label = op.pattern + "@" + op.revision
	case op.revision != "":
		s.Label = op.revision
	case op.pattern == "":
		s.Label = "worktree"
	}
	p, err := address.ParsePattern(op.pattern)
	if err != nil {
		return s, usage(err, "for example acme/staging")
	}
	if op.pattern != "" {
		if err := checkPattern(ctx, s.Snapshot, p); err != nil && op.revision == "" {
			return s, err
		}
	}
	s.Of = p
	return s, nil
}
