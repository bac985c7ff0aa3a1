package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/llm-devops/lcm/pkg/diag"
)

// Repo is an open Git repository. It is safe for concurrent use and holds no lock while nothing is being written.
type Repo struct {
	root      string // absolute; "" for a bare repository
	gitDir    string // absolute; of this worktree
	commonDir string // absolute; gitDir except in linked worktrees
	// childVariables are set for every git command: the quarantine of a push in progress, if this repository is its target.
	childVariables []string

	objects *objectStore

	configMu sync.Mutex
	config   *gitConfig

	index keptIndex

	atStep func(step string) // nil but in tests: called as a write gets on
}

// Open finds the repository that dir is in; dir may be any folder of a working tree, a linked worktree, or a bare
// repository. It starts no process and reads no object. The error is [ErrNotRepository] if there is none, and
// [*UnsupportedError] if its objects cannot be read.
func Open(ctx context.Context, dir string) (*Repo, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open repository: %w", err)
	}
	// The working directory may have been reached through a symlink; git itself works with the real path too.
	real, err := filepath.EvalSymlinks(abs)
	if err != nil {
		return nil, fmt.Errorf("open repository: %w", err)
	}
	for at := real; ; at = filepath.Dir(at) {
		r, err := openAt(at)
		if err != nil {
			return nil, fmt.Errorf("open repository %s: %w", at, err)
		}
		if r != nil {
			return r, nil
		}
		if at == filepath.Dir(at) {
			return nil, diag.WithHint(fmt.Errorf("%s: %w", dir, ErrNotRepository),
				"run `git init` here, or name a folder inside a repository")
		}
	}
}

// openAt gives the repository whose top is exactly dir, or nil.
func openAt(dir string) (*Repo, error) {
	dotGit := filepath.Join(dir, ".git")
	info, err := os.Stat(dotGit)
	switch {
	case err == nil && info.IsDir() && isGitDir(dotGit):
		return newRepo(dir, dotGit)
	case err == nil && info.Mode().IsRegular():
		gitDir, err := readGitFile(dotGit)
		if err != nil {
			return nil, err
		}
		return newRepo(dir, gitDir)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	if isGitDir(dir) {
		root := ""
		if filepath.Base(dir) == ".git" { // opened from inside the git directory of a working tree
			root = filepath.Dir(dir)
		}
		return newRepo(root, dir)
	}
	return nil, nil
}

// isGitDir applies git's own test: a HEAD, objects and refs (the latter two may be in the common directory).
func isGitDir(dir string) bool {
	if _, err := os.Lstat(filepath.Join(dir, "HEAD")); err != nil {
		return false
	}
	common, err := commonDirOf(dir)
	if err != nil {
		return false
	}
	for _, sub := range []string{"objects", "refs"} {
		if info, err := os.Stat(filepath.Join(common, sub)); err != nil || !info.IsDir() {
			return false
		}
	}
	return true
}

// readGitFile reads a ".git" file ("gitdir: PATH"), as linked worktrees and submodules have it.
func readGitFile(path string) (string, error) {
	b, err := os.ReadFile(path) //nolint:gosec // the path was found by walking up
	if err != nil {
		return "", err
	}
	target, ok := strings.CutPrefix(strings.TrimRight(string(b), "\r\n"), "gitdir: ")
	if !ok {
		return "", fmt.Errorf("%s: not a gitdir file", path)
	}
	if !filepath.IsAbs(target) {
		target = filepath.Join(filepath.Dir(path), target)
	}
	if !isGitDir(target) {
		return "", fmt.Errorf("%s points to %s, which is %w", path, target, ErrNotRepository)
	}
	return filepath.Clean(target), nil
}

func commonDirOf(gitDir string) (string, error) {
	b, err := os.ReadFile(filepath.Join(gitDir, "commondir")) //nolint:gosec // part of the repository
	if errors.Is(err, fs.ErrNotExist) {
		return gitDir, nil
	}
	if err != nil {
		return "", err
	}
	common := strings.TrimRight(string(b), "\r\n")
	if !filepath.IsAbs(common) {
		common = filepath.Join(gitDir, common)
	}
	return filepath.Clean(common), nil
}

func newRepo(root, gitDir string) (*Repo, error) {
	common, err := commonDirOf(gitDir)
	if err != nil {
		return nil, err
	}
	local, err := readLocalConfig(filepath.Join(common, "config"))
	if err != nil {
		return nil, err
	}
	if err := local.readable(); err != nil {
		return nil, err
	}
	if root != "" && local.boolean("core.bare") && gitDir == common {
		root = ""
	}
	r := &Repo{root: root, gitDir: gitDir, commonDir: common}
	r.childVariables = quarantineVariables(common)
	r.objects = newObjectStore(r)
	return r, nil
}

// quarantineVariables gives the variables that let a pre-receive hook see the objects being pushed to the repository whose
// common directory is given, or nil outside of one.
func quarantineVariables(commonDir string) []string {
	dir := os.Getenv("GIT_QUARANTINE_PATH")
	if dir == "" {
		return nil
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil
	}
	if abs, err = filepath.EvalSymlinks(abs); err != nil || filepath.Dir(abs) != filepath.Join(commonDir, "objects") {
		return nil
	}
	return []string{
		"GIT_QUARANTINE_PATH=" + abs,
		"GIT_OBJECT_DIRECTORY=" + abs,
		"GIT_ALTERNATE_OBJECT_DIRECTORIES=" + filepath.Join(commonDir, "objects"),
	}
}

// Init makes an empty repository in dir, or leaves the one that is there, and opens it. The first branch is
// init.defaultBranch, or else "main".
func Init(ctx context.Context, dir string) (*Repo, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // a working tree is as readable as the umask lets it be
		return nil, fmt.Errorf("init repository: %w", err)
	}
	args := []string{"init", "--quiet"}
	out, err := runGit(ctx, dir, command{args: []string{"config", "--get", "init.defaultBranch"}}, nil)
	if err != nil && exitCode(err) != 1 {
		return nil, fmt.Errorf("init repository: %w", err)
	}
	if strings.TrimSpace(string(out)) == "" {
		args = append(args, "--initial-branch=main")
	}
	if _, err := runGit(ctx, dir, command{args: args, write: true}, nil); err != nil {
		return nil, fmt.Errorf("init repository: %w", err)
	}
	return Open(ctx, dir)
}

// Root gives the absolute path of the working tree's top folder, or "" for a bare repository.
func (r *Repo) Root() string { return r.root }

// GitDir gives the absolute path of the git directory: in a linked worktree, of that worktree's own.
func (r *Repo) GitDir() string { return r.gitDir }

// CommonDir gives the absolute path of the git directory that all worktrees of the repository share.
func (r *Repo) CommonDir() string { return r.commonDir }

// runDir is where git commands run.
func (r *Repo) runDir() string {
	if r.root == "" {
		return r.gitDir
	}
	return r.root
}
