package command

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/pkg/accesslog"
	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// accessFolder is where the access log is, in the Git directory that all worktrees share.
const accessFolder = "lcm-access"

// access is what a command is about to open: for the log.
type access struct {
	action  string
	address address.Address
	keys    []string
	program string // that is given the values
}

// revealed opens secrets and records in the access log that it did, or why it could not. What cannot be recorded is not given:
// whoever shows a secret gets it from here. An access to no key is none, and is not recorded.
func revealed[T any](ctx context.Context, e *env, w *workspace.Workspace, s *workspace.Snapshot, a access, open func() (T, error)) (T, error) {
	value, err := open()
	if len(a.keys) == 0 {
		return value, err
	}
	var none T
	if err != nil && ctx.Err() != nil {
		return none, err
	}
	record := a.record(s, err)
	switch unrecorded := e.record(ctx, w, record); {
	case unrecorded == nil:
	case err == nil:
		return none, unrecorded
	default:
		e.IO.Warn("the attempt is not in the access log: %s", unrecorded)
	}
	return value, err
}

// record gives the entry of an access to a snapshot, and of how it ended.
func (a access) record(s *workspace.Snapshot, err error) accesslog.Access {
	r := accesslog.Access{
		Action: a.action, Outcome: accesslog.Opened, Address: a.address.String(), Revision: s.Revision().String(), Keys: onlyOnce(a.keys), Program: a.program,
	}
	if err != nil {
		r.Outcome, r.Reason = accesslog.Failed, firstRunes(err.Error(), 300)
		if isA[*seal.NoIdentityError](err) || errors.Is(err, fs.ErrPermission) {
			r.Outcome = accesslog.Refused
		}
	}
	return r
}

// record adds to the access log. Its error says that nothing was shown, and what to do.
func (e *env) record(ctx context.Context, w *workspace.Workspace, accesses ...accesslog.Access) error {
	if len(accesses) == 0 {
		return nil
	}
	who, err := e.who(ctx, w)
	if err != nil {
		return err
	}
	log := accessLog(w)
	err = log.Append(ctx, e.now(), who, accesses...)
	switch {
	case err == nil:
		return nil
	case isA[*accesslog.BrokenError](err):
		return diag.WithHint(fmt.Errorf("no secret was shown, as reading them is recorded and %w", err),
			"see what is wrong with it, and how to begin a new one: lcm audit access")
	}
	return diag.WithHint(fmt.Errorf("no secret was shown, as that could not be recorded: %w", err),
		"reading secrets is recorded in %s: let that folder be written by you, or work in a clone of your own", filepath.Dir(log.Path()))
}

// willRecord has Git asked for the user's name while what is to be opened is found: that takes as long. A failure is met again
// by whoever needs the answer.
func (e *env) willRecord(ctx context.Context, w *workspace.Workspace) {
	go func() { _, _ = w.Repo().Config(ctx, "user.name") }()
}

func accessLog(w *workspace.Workspace) *accesslog.Log {
	dir := filepath.Join(w.Repo().CommonDir(), accessFolder)
	name := filepath.Join(dir, accesslog.LogFile)
	if rel, err := filepath.Rel(w.Repo().Root(), name); err == nil && filepath.IsLocal(rel) {
		name = filepath.ToSlash(rel)
	}
	return accesslog.In(dir, name)
}

// who says who runs this program: the user as the operating system knows them, and the name that Git's settings give.
func (e *env) who(ctx context.Context, w *workspace.Workspace) (accesslog.Who, error) {
	who := accesslog.Who{Process: os.Getpid(), Folder: w.Repo().Root()}
	var err error
	if who.Name, err = w.Repo().Config(ctx, "user.name"); err != nil {
		return who, err
	}
	if who.Email, err = w.Repo().Config(ctx, "user.email"); err != nil {
		return who, err
	}
	if u, err := user.Current(); err == nil {
		who.User, who.UID = u.Username, u.Uid
	}
	who.Host, _ = os.Hostname()
	who.SSH, _, _ = strings.Cut(e.Getenv("SSH_CONNECTION"), " ")
	return who, nil
}

// secretKeys gives the keys of the secrets in a value that lies at a key.
func secretKeys(key tree.Path, value *tree.Node) []string {
	var keys []string
	if value == nil {
		return nil
	}
	for below, leaf := range value.Leaves() {
		if leaf.Secret {
			keys = append(keys, append(key.Clone(), below...).String())
		}
	}
	return keys
}

// onlyOnce gives keys sorted, each once.
func onlyOnce(keys []string) []string { return slices.Compact(slices.Sorted(slices.Values(keys))) }

// firstRunes cuts a text that is longer than n characters.
func firstRunes(s string, n int) string {
	if runes := []rune(s); len(runes) > n {
		return string(runes[:n]) + "…"
	}
	return s
}
