package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"github.com/llm-devops/lcm/cmd/internal/display"
	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/gitrepo"
	"github.com/llm-devops/lcm/pkg/merge"
	"github.com/llm-devops/lcm/pkg/workspace"
)

type hooksMergeOptions struct {
	markerSize string
	path       string
	files      []string // of the base, ours and theirs
}

func newHooksMerge(e *env) *cobra.Command {
	o := &hooksMergeOptions{}
	cmd := &cobra.Command{
		Use:   "merge BASE OURS THEIRS",
		Short: "Merge three versions of a file by key; Git calls this",
		Long: `Merge three versions of a file by key, and write the outcome over OURS. Git calls this for the files that .gitattributes names, in
merges, rebases, cherry-picks and stashes, once lcm hooks install has been run.

It exits 0 if the file is merged, 1 if conflicts are left in it or somebody with a key has to seal it, and 2 if it did not come to
that: the file is as it was then.`,
		Example: "  lcm hooks merge --path config/acme/production/inference.yaml base.yaml ours.yaml theirs.yaml",
		Args:    args(3, 3, "three files"),
		RunE: func(cmd *cobra.Command, a []string) error {
			o.files = a
			err := runHooksMerge(cmd.Context(), e, o)
			if _, said := errors.AsType[*silentError](err); err != nil && !said {
				// 1 says that the conflicts are marked in the file, and nothing was written.
				return &silentError{exitUsage, err}
			}
			return err
		},
	}
	cmd.Flags().StringVar(&o.markerSize, "marker-size", "7", "how many characters the marks of a conflict have")
	cmd.Flags().StringVar(&o.path, "path", "", "the file's `PATH` in the repository, for messages")
	return cmd
}

func runHooksMerge(ctx context.Context, e *env, o *hooksMergeOptions) error {
	size, err := strconv.Atoi(o.markerSize)
	if err != nil || size < 1 || size > 1000 {
		return usage(fmt.Errorf("--marker-size %s is no number of characters", o.markerSize), "Git gives it as %%L")
	}
	var texts [3][]byte
	for i, f := range o.files {
		if texts[i], err = os.ReadFile(e.path(f)); err != nil {
			return fmt.Errorf("read a version: %w", err)
		}
	}
	if o.path == "" {
		o.path = o.files[1]
	}
	v := merge.Versions{Base: texts[0], Ours: texts[1], Theirs: texts[2]}
	if len(v.Base) == 0 {
		v.Base = nil // Git gives an empty file where there is no ancestor
	}
	r, err := merge.Merge(ctx, o.path, v, e.mergeOptions(ctx, size))
	if err != nil {
		return err
	}
	target := e.path(o.files[1])
	info, err := os.Stat(target)
	if err != nil {
		return fmt.Errorf("write the merged file: %w", err)
	}
	if err := renameio.WriteFile(target, r.Text, info.Mode().Perm()); err != nil {
		return fmt.Errorf("write the merged file: %w", err)
	}
	if size <= merge.MarkerSize { // longer marks are in ancestors that Git merges first: nobody is to resolve those
		display.MergedText(e.IO, o.path, addressOf(o.path), r)
	}
	if !r.Clean() {
		return &silentError{code: exitFailed}
	}
	return nil
}

// mergeOptions gives how files are merged here.
func (e *env) mergeOptions(ctx context.Context, markerSize int) merge.Options {
	return merge.Options{
		Keyring: e.keyring(), MarkerSize: markerSize, Now: e.now(),
		Shared: func() []string {
			// What cannot be read of the repository is done without: it may be in conflict itself.
			w, err := e.workspace(ctx)
			if err != nil {
				return nil
			}
			s, err := w.At(ctx, "HEAD")
			if err != nil {
				return nil
			}
			return sharedRecipients(ctx, s)
		},
	}
}

// sharedRecipients gives the recipients that more than one tenant has.
func sharedRecipients(ctx context.Context, s *workspace.Snapshot) []string {
	names, err := s.Tenants(ctx)
	if err != nil {
		return nil
	}
	count := map[string]int{}
	for _, name := range names {
		t, err := s.Tenant(ctx, name)
		if err != nil {
			continue
		}
		for _, key := range t.Keys() {
			count[key]++
		}
	}
	var shared []string
	for key, n := range count {
		if n > 1 {
			shared = append(shared, key)
		}
	}
	return shared
}

// repo opens the Git repository around -C or the current folder, whatever state its files are in.
func (e *env) repo(ctx context.Context) (*gitrepo.Repo, error) {
	dir := e.dir
	if dir == "" {
		dir = "."
	}
	return gitrepo.Open(ctx, dir)
}

// addressOf gives the address whose layer a file is, or the file.
func addressOf(file string) string {
	if a, ok := address.FromFile(file); ok {
		return a.String()
	}
	return file
}

// errNothingStopped says that there is no merge to go on with.
func errNothingStopped(ctx context.Context, repo *gitrepo.Repo) error {
	err := errors.New("Git is in the middle of nothing, and no file is in conflict") //nolint:staticcheck // a name
	if _, stash := repo.Resolve(ctx, "refs/stash"); stash == nil {
		return diag.WithHint(err, "if you resolved the conflicts of git stash pop, that is done: drop it with git stash drop")
	}
	return diag.WithHint(err, "start with git merge, git rebase or git cherry-pick")
}
