package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/llm-devops/lcm/pkg/bundle"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/publish"
	"github.com/llm-devops/lcm/pkg/publish/dir"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// OpenRemote opens a target that is reached over a network, other than its pair for secrets: the store, and the store for
// secrets if it is one itself.
type OpenRemote func(workspace.Target) (publish.Store, publish.SecretStore, error)

// isRemote reports whether a target needs a client that only lcm-remote has.
func isRemote(t workspace.Target) bool { return t.Type != "dir" || t.Secrets != nil }

// openTarget opens the store, and the secret store if there is one, of a target of lcm.yaml.
func (e *env) openTarget(root string, t workspace.Target) (publish.Target, error) {
	prefix := strings.Trim(t.Prefix, "/")
	out := publish.Target{Name: t.Name, Layout: bundle.Layout{Prefix: prefix, VaultPrefix: prefix}}
	var err error
	if t.Type == "dir" {
		path := t.Path
		if !filepath.IsAbs(path) {
			path = filepath.Join(root, filepath.FromSlash(path))
		}
		out.Store, err = dir.Open(path)
	} else {
		out.Store, out.Secrets, err = e.OpenRemote(t)
	}
	if err != nil || t.Secrets == nil {
		return out, err
	}
	if _, out.Secrets, err = e.OpenRemote(*t.Secrets); err != nil {
		return out, err
	}
	if p := strings.Trim(t.Secrets.Prefix, "/"); p != "" {
		out.Layout.VaultPrefix = p
	}
	return out, nil
}

const (
	remoteProgram = "lcm-remote"
	remoteVersion = "LCM_REMOTE_VERSION" // tells lcm-remote which version the lcm that calls it has
)

// handOver lets lcm-remote do what this process was called for, in its place and with the same arguments. It returns only
// where that cannot be, or where a process cannot be replaced by another.
func (e *env) handOver(ctx context.Context, what string) error {
	program, err := findRemote()
	if err != nil {
		return diag.WithHint(fmt.Errorf("%s is reached over a network, which takes the program %s: %w", what, remoteProgram, err),
			"install it beside lcm, in the same version: go install github.com/llm-devops/lcm/cmd/%s@latest", remoteProgram)
	}
	e.release()
	environ := append(os.Environ(), remoteVersion+"="+e.version())
	return e.Shield.Without(func() error { return replaceProcess(ctx, e.IO, program, e.Args, environ) })
}

// checkRemote refuses to go on for an lcm of another version: the two must agree on every format.
func (e *env) checkRemote() error {
	caller := e.Getenv(remoteVersion)
	if e.OpenRemote == nil || caller == "" || caller == e.version() {
		return nil
	}
	return diag.WithHint(fmt.Errorf("%s is version %s, and the lcm that needs it is %s", remoteProgram, e.version(), caller),
		"install both in the same version")
}

// findRemote gives the path of lcm-remote: beside this program, where every installation puts it, or on PATH.
func findRemote() (string, error) {
	name := remoteProgram
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	if self, err := os.Executable(); err == nil {
		places := []string{filepath.Dir(self)}
		if real, err := filepath.EvalSymlinks(self); err == nil {
			places = append(places, filepath.Dir(real))
		}
		for _, place := range places {
			if found, err := exec.LookPath(filepath.Join(place, name)); err == nil {
				return found, nil
			}
		}
	}
	found, err := exec.LookPath(name)
	if errors.Is(err, exec.ErrNotFound) {
		return "", errors.New("it is neither beside lcm nor on PATH")
	}
	return found, err
}
