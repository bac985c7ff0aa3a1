package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/llm-devops/lcm/cmd/internal/option"
	"github.com/llm-devops/lcm/cmd/internal/shield"
	"github.com/llm-devops/lcm/cmd/internal/term"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/schema"
	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/template"
	"github.com/llm-devops/lcm/pkg/workspace"
	"github.com/llm-devops/lcm/schemas"
	"github.com/llm-devops/lcm/templates"
)

// Process is what main knows of the process it runs in.
type Process struct {
	Args    []string
	IO      *term.IO
	Getenv  func(string) string
	Version string
	Shield  *shield.Shield // round this process, not round the programs that it runs for its user

	// OpenRemote opens targets beyond directories. Without it such a target is lcm-remote's business.
	OpenRemote OpenRemote
}

// env is what commands share: the process, the global flags, and the costly things, opened when they are first asked for.
type env struct {
	Process
	dir          string // -C
	noColor      bool
	quiet        bool
	json         bool // the run command writes JSON: so do its errors
	keys         *seal.Keyring
	identityFile string   // where a new identity was saved
	atEnd        []func() // what to let go of when the command is over
}

// output notes in which format the command writes: with JSON, what goes to Err is JSON too.
func (e *env) output(f *option.Format) {
	if e.json = f.JSON(); e.json {
		e.IO.JSON()
	}
}

// release lets go of what the command holds, at its end or before somebody is asked: nobody else is to wait for an answer.
// What was read stays right, as a commit on top of a branch that has moved is refused.
func (e *env) release() {
	for _, end := range e.atEnd {
		end()
	}
	e.atEnd = nil
}

// wait lets go of what the command holds, private keys included, before somebody is asked: that takes as long as it likes.
func (e *env) wait() {
	e.release()
	e.forgetKeys()
}

func (e *env) now() time.Time { return time.Now() }

func (e *env) keyring() *seal.Keyring {
	if e.keys == nil {
		e.keys = seal.NewKeyring(seal.KeyringOptions{
			Getenv: e.Getenv, Home: e.home(), ConfigDir: e.configDir(), Passphrase: e.passphrase,
		})
	}
	return e.keys
}

// forgetKeys drops the private keys, and overwrites what can be, before something that may take long. They are looked for again when they are needed again.
func (e *env) forgetKeys() {
	if e.keys == nil {
		return
	}
	e.keys.Forget()
	debug.FreeOSMemory() // what libraries leave behind of them lies in memory that nobody uses, and goes back to the system
}

func (e *env) passphrase(ctx context.Context, prompt string) ([]byte, error) {
	p, err := e.IO.AskSecret(ctx, prompt)
	return p, diag.WithHint(err, "the key has a passphrase: run this on a terminal, or give an identity without one in SOPS_AGE_KEY_FILE")
}

func (e *env) home() string {
	if h := e.Getenv("HOME"); h != "" {
		return h
	}
	h, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return h
}

func (e *env) configDir() string {
	if d := e.Getenv("XDG_CONFIG_HOME"); d != "" {
		return d
	}
	d, err := os.UserConfigDir()
	if err != nil {
		return filepath.Join(e.home(), ".config")
	}
	return d
}

// path gives a path that the user wrote as seen from -C.
func (e *env) path(p string) string {
	if e.dir == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(e.dir, p)
}

// unread says of a file that the user named that it cannot be read, and where it was looked for.
func (e *env) unread(doing, file string, err error) error { return unreadFrom(e.dir, doing, file, err) }

func unreadFrom(from, doing, file string, err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		err = p.Err // the path is said here, as the user wrote it
	}
	err = fmt.Errorf("%s: %s: %w", doing, file, err)
	switch {
	case errors.Is(err, fs.ErrNotExist) && filepath.IsAbs(file):
		return diag.WithHint(err, "check the path")
	case errors.Is(err, fs.ErrNotExist):
		dir, _ := filepath.Abs(cmp.Or(from, "."))
		return diag.WithHint(err, "check the path: it counts from %s", dir)
	case errors.Is(err, fs.ErrPermission):
		return diag.WithHint(err, "see who may read it: ls -ld %s", file)
	}
	return err
}

// workspace opens the config repository around -C or the current folder.
func (e *env) workspace(ctx context.Context) (*workspace.Workspace, error) {
	builtin, err := builtinSchemas()
	if err != nil {
		return nil, err
	}
	dir := cmp.Or(e.dir, ".")
	if _, err := os.Stat(dir); err != nil {
		return nil, unreadFrom("", "open", dir, err)
	}
	library, err := builtinTemplates()
	if err != nil {
		return nil, err
	}
	return workspace.Open(ctx, dir, workspace.Options{Keyring: e.keyring(), Builtin: builtin, Templates: library})
}

// builtinSchemas gives the modules that come with the program, each read when it is needed.
func builtinSchemas() ([]schema.Source, error) {
	entries, err := fs.ReadDir(schemas.FS, ".")
	if err != nil {
		return nil, fmt.Errorf("read built-in schemas: %w", err)
	}
	sources := make([]schema.Source, 0, len(entries))
	for _, entry := range entries {
		open := func() ([]byte, error) { return schemas.FS.ReadFile(entry.Name()) }
		sources = append(sources, schema.Source{File: entry.Name(), Open: open, Builtin: true})
	}
	return sources, nil
}

// builtinTemplates gives the templates that come with the program.
func builtinTemplates() ([]template.Source, error) {
	entries, err := fs.ReadDir(templates.FS, ".")
	if err != nil {
		return nil, fmt.Errorf("read built-in templates: %w", err)
	}
	sources := make([]template.Source, 0, len(entries))
	for _, entry := range entries {
		data, err := templates.FS.ReadFile(entry.Name())
		if err != nil {
			return nil, fmt.Errorf("read built-in templates: %w", err)
		}
		sources = append(sources, template.Source{File: entry.Name(), Data: data, Builtin: true})
	}
	return sources, nil
}

// open opens the config repository, at the worktree or at a revision if one is named.
func (e *env) open(ctx context.Context, rev string) (*workspace.Workspace, *workspace.Snapshot, error) {
	w, err := e.workspace(ctx)
	if err != nil {
		return nil, nil, err
	}
	if rev == "" {
		return w, w.Worktree(), nil
	}
	s, err := w.At(ctx, rev)
	return w, s, err
}
