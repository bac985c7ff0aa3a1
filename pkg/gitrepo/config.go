package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/pkg/diag"
)

// gitConfig is a repository's configuration. Keys are "section.name" or "section.subsection.name", section and name in
// lower case; the last value wins.
type gitConfig struct {
	values map[string]string
	// valueless holds the keys written without "=", which as booleans are true.
	valueless map[string]bool
}

func (c *gitConfig) get(key string) string { return c.values[key] }

func (c *gitConfig) has(key string) bool {
	_, ok := c.values[key]
	return ok
}

func (c *gitConfig) boolean(key string) bool {
	if c.valueless[key] {
		return true
	}
	switch strings.ToLower(c.values[key]) {
	case "", "false", "no", "off", "0":
		return false
	}
	return true
}

func (c *gitConfig) set(key, value string, valueless bool) {
	c.values[key] = value
	c.valueless[key] = valueless
}

func newGitConfig() *gitConfig {
	return &gitConfig{values: map[string]string{}, valueless: map[string]bool{}}
}

// loadConfig asks git for everything that is configured for this repository: system, user, local, worktree, includes and
// the environment. The answer is kept until forgetConfig.
func (r *Repo) loadConfig(ctx context.Context) (*gitConfig, error) {
	r.configMu.Lock()
	defer r.configMu.Unlock()
	if r.config != nil {
		return r.config, nil
	}
	out, err := r.git(ctx, "config", "--list", "-z", "--includes")
	if err != nil {
		return nil, fmt.Errorf("read git configuration: %w", err)
	}
	c := newGitConfig()
	for entry := range strings.SplitSeq(string(out), "\x00") {
		if entry == "" {
			continue
		}
		key, value, ok := strings.Cut(entry, "\n")
		c.set(key, value, !ok)
	}
	r.config = c
	return c, nil
}

// forgetConfig makes the next loadConfig ask again: a long-lived process must see what the user configures meanwhile.
func (r *Repo) forgetConfig() {
	r.configMu.Lock()
	defer r.configMu.Unlock()
	r.config = nil
}

// readLocalConfig reads one configuration file without git, as far as the keys need it that say what kind of repository
// this is. Like git for those keys it follows no includes. What it does not understand it skips: git itself will complain.
func readLocalConfig(path string) (*gitConfig, error) {
	b, err := os.ReadFile(path) //nolint:gosec // part of the repository
	if errors.Is(err, fs.ErrNotExist) {
		return newGitConfig(), nil
	}
	if err != nil {
		return nil, err
	}
	return parseLocalConfig(string(b)), nil
}

func parseLocalConfig(src string) *gitConfig {
	c := newGitConfig()
	section := ""
	for line := range strings.Lines(src) {
		line = strings.TrimSpace(line)
		if rest, ok := strings.CutPrefix(line, "["); ok {
			head, after, ok := strings.Cut(rest, "]")
			if !ok {
				continue
			}
			name, sub, hasSub := strings.Cut(head, " ")
			section = strings.ToLower(strings.TrimSpace(name)) + "."
			if hasSub {
				section += strings.Trim(strings.TrimSpace(sub), `"`) + "."
			}
			line = strings.TrimSpace(after)
		}
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		value, _, _ = strings.Cut(value, " #")
		value, _, _ = strings.Cut(value, " ;")
		c.set(section+strings.ToLower(strings.TrimSpace(key)), strings.Trim(strings.TrimSpace(value), `"`), !ok)
	}
	return c
}

// knownExtensions are the repository format extensions that reading and writing here are good with.
var knownExtensions = []string{
	"extensions.noop", "extensions.noop-v1", "extensions.preciousobjects", "extensions.worktreeconfig", "extensions.relativeworktrees",
}

// readable refuses the repositories whose objects or refs this package cannot read.
func (c *gitConfig) readable() error {
	if f := c.get("extensions.objectformat"); f != "" && !strings.EqualFold(f, "sha1") {
		return unsupported(strings.ToLower(f)+" object format",
			"make the configuration repository with git's default object format (`git init --object-format=sha1`)")
	}
	if f := c.get("extensions.refstorage"); f != "" && !strings.EqualFold(f, "files") {
		return unsupported(strings.ToLower(f)+" ref storage", "run `git refs migrate --ref-format=files`")
	}
	return nil
}

// CheckSupported says whether this is a repository that Commit writes to; if not, the [*UnsupportedError] names what it
// is, with a hint. Commit calls it before anything is written.
func (r *Repo) CheckSupported(ctx context.Context) error {
	if r.root == "" {
		return unsupported("bare repository", "work in a clone with a working tree")
	}
	local, err := readLocalConfig(filepath.Join(r.commonDir, "config"))
	if err != nil {
		return fmt.Errorf("read git configuration: %w", err)
	}
	if err := local.readable(); err != nil {
		return err
	}
	if err := local.unknownExtension(); err != nil {
		return err
	}
	c, err := r.loadConfig(ctx)
	if err != nil {
		return err
	}
	if err := c.writable(r.root); err != nil {
		return err
	}
	if _, err := alternates(filepath.Join(r.commonDir, "objects")); err != nil {
		return err
	}
	index, err := r.readIndex()
	if err != nil {
		return err
	}
	return index.supported()
}

func (c *gitConfig) unknownExtension() error {
	if v := c.get("core.repositoryformatversion"); v != "" && v != "0" && v != "1" {
		return unsupported("repository format version "+v, "a newer lcm may know it")
	}
	for key := range c.values {
		name, ok := strings.CutPrefix(key, "extensions.")
		switch {
		case !ok, slices.Contains(knownExtensions, key), key == "extensions.objectformat", key == "extensions.refstorage":
		case key == "extensions.partialclone":
			return partialClone()
		case c.get("core.repositoryformatversion") == "1":
			return unsupported("repository extension "+name, "a newer lcm may know it")
		}
	}
	return nil
}

func partialClone() error {
	return unsupported("partial clone", "clone the whole repository: `git clone` without --filter")
}

// writable refuses the settings under which the index or the working tree hold only part of the repository.
func (c *gitConfig) writable(root string) error {
	for key := range c.values {
		if strings.HasPrefix(key, "remote.") && strings.HasSuffix(key, ".promisor") && c.boolean(key) {
			return partialClone()
		}
	}
	switch {
	case c.boolean("core.sparsecheckout"):
		return unsupported("sparse checkout", "run `git sparse-checkout disable`")
	case c.boolean("core.splitindex"):
		return unsupported("split index", "run `git config core.splitIndex false && git update-index --no-split-index`")
	}
	if wt := c.get("core.worktree"); wt != "" {
		// Submodules have it, pointing to where their ".git" file is; anything else is a tree that was not opened.
		if !filepath.IsAbs(wt) {
			return nil
		}
		if real, err := filepath.EvalSymlinks(wt); err != nil || real != root {
			return unsupported("core.worktree", "use a linked worktree instead: `git worktree add PATH`")
		}
	}
	return nil
}

func unsupported(feature, hint string) error {
	return diag.WithHint(&UnsupportedError{Feature: feature}, "%s", hint)
}
