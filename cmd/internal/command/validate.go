package command

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/llm-devops/lcm/cmd/internal/display"
	"github.com/llm-devops/lcm/cmd/internal/option"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/inventory"
	"github.com/llm-devops/lcm/pkg/validate"
)

type validateOptions struct {
	format   option.Format
	at       string
	patterns []string
	noCache  bool
}

func newValidate(e *env) *cobra.Command {
	o := &validateOptions{}
	cmd := &cobra.Command{
		Use:   "validate [PATTERN…]",
		Short: "Check files and resolved results, and report everything that is wrong",
		Long: `Check the repository: syntax, names, merging, schemas, plaintext in secret fields, recipients against the tenant's, quotas, and
the rules of lcm.yaml. It takes no private key; where an identity at hand opens a file, its MAC and its secrets' values are
checked too.

All findings are reported at once, sorted, with file:line:column, a stable code and a hint. The exit code is 3 if there are
errors.

What has not changed since an earlier run is not checked again. That is decided by the content of the files alone, and kept in
the user's cache folder.`,
		Example: `  lcm validate
  lcm validate acme/production
  lcm validate --at origin/main -o json
  lcm validate -o github                     annotations in a GitHub workflow`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: e.addresses,
		RunE: func(cmd *cobra.Command, a []string) error {
			o.patterns = a
			e.output(&o.format)
			return runValidate(cmd.Context(), e, o)
		},
	}
	o.format.Bind(cmd, "text", "json", "github")
	cmd.Flags().StringVar(&o.at, "at", "", "check `REV`, a commit, tag or branch, in place of the worktree")
	cmd.Flags().BoolVar(&o.noCache, "no-cache", false, "check everything, whatever earlier runs found, and keep nothing")
	return cmd
}

func runValidate(ctx context.Context, e *env, o *validateOptions) error {
	w, s, err := e.open(ctx, o.at)
	if err != nil {
		return err
	}
	var options validate.Options
	if options.Patterns, err = parsePatterns(ctx, s, o.patterns); err != nil {
		return err
	}
	progress := e.IO.Stages()
	options.Total, options.Step = progress.Of("validating"), progress.Step
	if !o.noCache {
		if options.Keys, err = e.keyring().Recipients(ctx); err != nil {
			return err
		}
		options.Cache = e.validationCache(w.Repo().Root())
	}
	report, err := validate.Run(ctx, s, options)
	progress.Done()
	if err != nil {
		return err
	}
	// How old secrets are depends on history and on the day, so nothing of it is kept.
	due, err := inventory.Check(ctx, w, s, options.Patterns, nil, e.now())
	if err != nil {
		return err
	}
	report.Findings = append(report.Findings, due...).Sorted()
	if options.Cache != nil {
		if err := options.Cache.Save(len(o.patterns) == 0); err != nil {
			e.IO.Note("what was found could not be kept for the next run: %v", err)
		}
	}
	switch o.format.Name {
	case "json":
		err = display.JSON(e.IO.Out, "ValidationReport", report)
	case "github":
		err = display.FindingsGitHub(e.IO.Out, report.Findings)
	default:
		err = display.ValidationText(e.IO, report)
	}
	if err != nil {
		return err
	}
	if report.Findings.Count(diag.Error) > 0 {
		return &silentError{code: exitFindings}
	}
	return nil
}

// validationCache opens what earlier validations of a repository found, nil where there is no place for it.
func (e *env) validationCache(root string) *validate.Cache {
	dir := e.Getenv("XDG_CACHE_HOME")
	if dir == "" {
		var err error
		if dir, err = os.UserCacheDir(); err != nil {
			return nil
		}
	}
	program, err := e.program()
	if err != nil {
		return nil
	}
	name := sha256.Sum256([]byte(root))
	return validate.OpenCache(filepath.Join(dir, "lcm", "validate", hex.EncodeToString(name[:8])), program)
}

// program names this very build: by its version where that says it all, else by its bytes.
func (e *env) program() (string, error) {
	version := e.version()
	if version != "(devel)" && !strings.Contains(version, "dirty") && version != "unknown" {
		return version, nil
	}
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	f, err := os.Open(self)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return version + " " + hex.EncodeToString(h.Sum(nil)), nil
}
