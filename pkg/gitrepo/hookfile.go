package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/google/renameio/v2"

	"github.com/llm-devops/lcm/pkg/diag"
)

// HookFile is where Git looks for one of the repository's hooks, and what is there.
type HookFile struct {
	Path    string // absolute
	Content []byte // nil: there is none
	Active  bool   // Git would run it: it is executable
	// Configured is core.hooksPath, "" where it is not set. Outside says that the folder is neither in the working tree nor in
	// the git directory: other repositories use it too.
	Configured string
	Outside    bool
	// Off says that Git runs no hook at all here: core.hooksPath is empty, or names what is no folder, as /dev/null. Default is
	// the folder that the hooks of the repository are in otherwise.
	Off     bool
	Default string
}

// HookFile finds a hook by its name.
func (r *Repo) HookFile(ctx context.Context, name string) (HookFile, error) {
	c, err := r.loadConfig(ctx)
	if err != nil {
		return HookFile{}, err
	}
	h := HookFile{Configured: c.get("core.hookspath"), Default: filepath.Join(r.commonDir, "hooks")}
	dir, err := r.hooksDir(ctx, c)
	if err != nil {
		return HookFile{}, err
	}
	h.Path = filepath.Join(dir, name)
	if info, err := os.Stat(dir); err == nil && !info.IsDir() || c.has("core.hookspath") && h.Configured == "" {
		h.Off = true
		return h, nil
	}
	h.Outside = !within(dir, r.commonDir) && !within(dir, r.gitDir) && (r.root == "" || !within(dir, r.root))
	h.Content, err = os.ReadFile(h.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return h, nil
	case err != nil:
		return HookFile{}, fmt.Errorf("read hook %s: %w", name, err)
	}
	info, err := os.Stat(h.Path)
	if err != nil {
		return HookFile{}, fmt.Errorf("read hook %s: %w", name, err)
	}
	h.Active = info.Mode()&0o111 != 0 || runtime.GOOS == "windows"
	return h, nil
}

// hooksDir gives the folder where Git looks for hooks.
func (r *Repo) hooksDir(ctx context.Context, c *gitConfig) (string, error) {
	if !c.has("core.hookspath") {
		return filepath.Join(r.commonDir, "hooks"), nil
	}
	if c.get("core.hookspath") == "" {
		return string(filepath.Separator), nil // where Git looks for /pre-commit then
	}
	out, err := r.git(ctx, "rev-parse", "--git-path", "hooks")
	if err != nil {
		return "", fmt.Errorf("find hooks: %w", err)
	}
	dir := strings.TrimRight(string(out), "\r\n")
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(r.runDir(), dir)
	}
	return dir, nil
}

func within(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// WriteHook replaces a hook, and keeps what was there under another name beside it where one is given.
func (r *Repo) WriteHook(h HookFile, content []byte, keepAs string) error {
	if err := os.MkdirAll(filepath.Dir(h.Path), 0o777); err != nil { //nolint:gosec // as git does: the umask decides
		return fmt.Errorf("write hook: %w", err)
	}
	if keepAs != "" && h.Content != nil {
		kept := filepath.Join(filepath.Dir(h.Path), keepAs)
		if _, err := os.Lstat(kept); !errors.Is(err, fs.ErrNotExist) {
			return diag.WithHint(fmt.Errorf("write hook: %s is there already, from a hook that was here before", kept),
				"make one of the two, or remove the one that is not needed")
		}
		// A link, so that there is a hook at any moment; where the file system has none, the name is free for one.
		if err := os.Link(h.Path, kept); err != nil {
			if err := os.Rename(h.Path, kept); err != nil {
				return fmt.Errorf("write hook: %w", err)
			}
		}
	}
	mode := renameio.WithPermissions(0o777) // the umask decides
	if info, err := os.Stat(h.Path); err == nil {
		// Git runs none that is not executable: whoever may read it may run it.
		mode = renameio.WithStaticPermissions(info.Mode().Perm() | (info.Mode().Perm()&0o444)>>2)
	}
	if err := writeProgram(h.Path, content, mode); err != nil {
		return fmt.Errorf("write hook: %w", err)
	}
	return nil
}

func writeProgram(path string, content []byte, mode renameio.Option) error {
	f, err := renameio.NewPendingFile(path, mode)
	if err != nil {
		return err
	}
	defer f.Cleanup() //nolint:errcheck // of what was not put in place
	if _, err := f.Write(content); err != nil {
		return err
	}
	return f.CloseAtomicallyReplace()
}
