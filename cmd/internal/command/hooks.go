package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/llm-devops/lcm/cmd/internal/display"
	"github.com/llm-devops/lcm/cmd/internal/option"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/gitrepo"
	"github.com/llm-devops/lcm/pkg/scaffold"
	"github.com/llm-devops/lcm/pkg/seal"
)

func newHooks(e *env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "hooks",
		Short: "What Git calls lcm for",
		Long: `What Git calls lcm for. Git does not take over settings from a repository that is cloned, as they run programs: each clone is told
once, by lcm hooks install or lcm init.`,
	}
	cmd.AddCommand(newHooksInstall(e), newHooksTextconv(e), newHooksMerge(e), newHooksPreCommit(e), newHooksPreMergeCommit(e))
	return cmd
}

type hooksInstallOptions struct {
	format      option.Format
	dryRun      bool
	noPreCommit bool
}

func newHooksInstall(e *env) *cobra.Command {
	o := &hooksInstallOptions{}
	cmd := &cobra.Command{
		Use:   "install",
		Short: "Have Git call lcm in this clone: to merge and show layer files, and to check what is committed",
		Long: `Have git diff, git log -p and git show give layer files as they are read: a secret is a short mark that changes when the secret
does, and of the sops block only for whom the file is encrypted. It takes no key, and shows no secret. What is stored, merged and
applied stays the file itself.

Have git merge, rebase, cherry-pick and stash merge configuration files by key: changes to different keys never collide, secrets
of two branches come together under one MAC, and a key that both changed is a conflict at that key alone (see lcm resolve).

It sets diff.lcm.textconv, merge.lcm.name and merge.lcm.driver in this clone's Git configuration. Which files they are for is in
.gitattributes, where lcm init puts it. Running it again is harmless.

The hook pre-commit has every commit checked by lcm hooks pre-commit, in well under a second. Git does not run it for the commit of
a merge without conflicts, whose outcome may be invalid though both branches are valid: for that there is the hook pre-merge-commit,
which calls lcm hooks pre-merge-commit. A hook that is there already goes on to be run, first: it is kept beside the new one as
pre-commit.before-lcm or pre-merge-commit.before-lcm. Where core.hooksPath leads out of the repository, to hooks that other
repositories use too, or the pre-commit framework (.pre-commit-config.yaml) manages the hook, nothing is written: what to add there
is printed. Running it again in a clone that has one of the hooks adds the other.`,
		Example: "  lcm hooks install\n  lcm hooks install --dry-run -o json",
		Args:    args(0, 0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			e.output(&o.format)
			return runHooksInstall(cmd.Context(), e, o)
		},
	}
	o.format.Bind(cmd, "text", "json")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "show what would be set, and set nothing")
	cmd.Flags().BoolVar(&o.noPreCommit, "no-pre-commit", false, "leave the hooks pre-commit and pre-merge-commit as they are")
	return cmd
}

func runHooksInstall(ctx context.Context, e *env, o *hooksInstallOptions) error {
	w, err := e.workspace(ctx)
	if err != nil {
		return err
	}
	attributes, err := w.Worktree().ReadFile(ctx, scaffold.AttributesFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read %s: %w", scaffold.AttributesFile, err)
	}
	if !bytes.Equal(scaffold.Attributes(attributes), attributes) {
		return diag.WithHint(fmt.Errorf("%s does not say which files lcm shows and merges", scaffold.AttributesFile), "let lcm add it, in a commit: lcm init")
	}
	set, err := installDrivers(ctx, w.Repo(), o.dryRun)
	if err != nil {
		return err
	}
	report := display.Hooks{DryRun: o.dryRun, Set: set}
	if !o.noPreCommit {
		if report.PreCommit, err = installHook(ctx, w, preCommit, o.dryRun); err != nil {
			return err
		}
		if report.PreMergeCommit, err = installHook(ctx, w, preMergeCommit, o.dryRun); err != nil {
			return err
		}
	}
	if o.format.JSON() {
		return display.JSON(e.IO.Out, "Hooks", report)
	}
	return display.HooksText(e.IO, report)
}

// drivers are the settings by which Git calls lcm.
var drivers = [...]display.Setting{
	{Key: "diff.lcm.textconv", Value: "lcm hooks textconv"},
	{Key: "merge.lcm.name", Value: "lcm, by key"},
	// Where lcm is missing or fails, Git would take our side for a conflict without a mark: then the lines are merged, with marks.
	{Key: "merge.lcm.driver", Value: "lcm hooks merge --marker-size %L --path %P %O %A %B; s=$?; " +
		"test $s -le 1 || { git merge-file --marker-size=%L %A %O %B; s=1; }; exit $s"},
}

// installDrivers sets what is not set yet in this clone's configuration, and gives it.
func installDrivers(ctx context.Context, repo *gitrepo.Repo, dryRun bool) ([]display.Setting, error) {
	missing := []display.Setting{}
	for _, d := range drivers {
		if now, err := repo.Config(ctx, d.Key); err != nil || now == d.Value {
			if err != nil {
				return nil, err
			}
			continue
		}
		missing = append(missing, d)
	}
	if dryRun {
		return missing, nil
	}
	for _, d := range missing {
		if err := repo.SetConfig(ctx, d.Key, d.Value); err != nil {
			return nil, err
		}
	}
	return slices.Clip(missing), nil
}

func newHooksTextconv(e *env) *cobra.Command {
	return &cobra.Command{
		Use:   "textconv FILE",
		Short: "Write a layer file as people read it; Git calls this",
		Long: `Write a layer file as people read it in a diff, without any key: a secret is a short mark that changes when the secret does. Git
calls this for the files that .gitattributes names, once lcm hooks install has been run.`,
		Example: "  lcm hooks textconv config/acme/production/inference.yaml",
		Args:    args(1, 1, "a file"),
		RunE: func(_ *cobra.Command, a []string) error {
			src, err := os.ReadFile(e.path(a[0]))
			if err != nil {
				return fmt.Errorf("read layer file: %w", err)
			}
			_, err = e.IO.Out.Write(seal.Readable(src))
			return err
		},
	}
}
