package gitrepo

import (
	"errors"
	"fmt"
	"strings"
)

// Sentinels for [errors.Is].
var (
	// ErrNotRepository says that a folder is not inside a Git repository.
	ErrNotRepository = errors.New("not a git repository")
	// ErrConflict says that somebody else wrote first and that nothing was changed.
	ErrConflict = errors.New("conflict")
)

// ConflictError says that the repository is no longer what the caller saw, or that another process is writing to it.
// Nothing was changed. It is [ErrConflict].
type ConflictError struct {
	Reason string   // what moved, in one clause
	Paths  []string // the files concerned, if it is about files; sorted
}

func (e *ConflictError) Error() string { return withPaths(e.Reason, e.Paths) }

// Is makes the error an [ErrConflict].
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }

// StateError says that the repository is in a state in which nothing is written: detached HEAD, a merge in progress,
// uncommitted changes in the very files to write. Nothing was changed. Its hint says what to do.
type StateError struct {
	Reason string
	Paths  []string
}

func (e *StateError) Error() string { return withPaths(e.Reason, e.Paths) }

// UnsupportedError names a kind of repository that is not written to, or not read.
type UnsupportedError struct {
	Feature string // "sha256 object format"
}

func (e *UnsupportedError) Error() string { return "repository not supported: " + e.Feature }

// UnknownRevisionError says that a name is not the name of a commit here.
type UnknownRevisionError struct {
	Rev     string
	Reason  string
	Shallow bool // this clone does not have all of history, so it may be a commit elsewhere
}

// ShallowHint says how a clone gets the history that it does not have.
const ShallowHint = "get the rest of history: git fetch --unshallow; in CI, check out with fetch-depth 0"

func (e *UnknownRevisionError) Error() string {
	switch {
	case e.Shallow:
		return fmt.Sprintf("unknown revision %q: this clone is shallow, and does not have all commits", e.Rev)
	case e.Reason == "":
		return fmt.Sprintf("unknown revision %q", e.Rev)
	}
	return fmt.Sprintf("unknown revision %q: %s", e.Rev, e.Reason)
}

// SigningError says that git could not sign a commit. Nothing was changed.
type SigningError struct {
	Format string // "ssh", "openpgp", "x509"
	Output string // what git and the signing program said
}

func (e *SigningError) Error() string {
	return fmt.Sprintf("sign commit (%s): %s", e.Format, oneLine(e.Output))
}

// IdentityError says that git knows no name or no email to commit under. Nothing was changed.
type IdentityError struct {
	Output string
}

func (e *IdentityError) Error() string { return "git does not know who commits: " + oneLine(e.Output) }

// HookError says that one of the repository's hooks refused the commit. The commit was not made.
type HookError struct {
	Hook   string // "pre-commit"
	Output string
	Left   []string // files that the hook itself changed, left as it made them; sorted
}

func (e *HookError) Error() string {
	s := fmt.Sprintf("hook %s refused the commit", e.Hook)
	if out := strings.TrimSpace(e.Output); out != "" {
		s += ":\n" + out
	}
	if len(e.Left) > 0 {
		s += "\n(the hook's own edits were left in " + strings.Join(e.Left, ", ") + ")"
	}
	return s
}

// PathError says why a path of the repository is not read or written: a symlink, a submodule, a path that leads outside.
type PathError struct {
	Path   string // slash-separated, relative to the repository's root
	Reason string
}

func (e *PathError) Error() string { return fmt.Sprintf("%s: %s", e.Path, e.Reason) }

// GitError is a git command that failed.
type GitError struct {
	Command string // "git update-ref"
	Code    int    // exit code, -1 when it was killed or did not start
	Stderr  string
	err     error
}

func (e *GitError) Error() string {
	if msg := oneLine(e.Stderr); msg != "" {
		return e.Command + ": " + msg
	}
	return fmt.Sprintf("%s: %v", e.Command, e.err)
}

func (e *GitError) Unwrap() error { return e.err }

func withPaths(reason string, paths []string) string {
	const most = 5
	switch {
	case len(paths) == 0:
		return reason
	case len(paths) > most:
		return fmt.Sprintf("%s: %s and %d more", reason, strings.Join(paths[:most], ", "), len(paths)-most)
	}
	return reason + ": " + strings.Join(paths, ", ")
}

// oneLine joins the lines of a program's output, without git's own prefixes.
func oneLine(s string) string {
	var parts []string
	for line := range strings.Lines(s) {
		line = strings.TrimSpace(line)
		line = strings.TrimPrefix(strings.TrimPrefix(line, "fatal: "), "error: ")
		if line != "" {
			parts = append(parts, line)
		}
	}
	return strings.Join(parts, "; ")
}
