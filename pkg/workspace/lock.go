package workspace

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/schema"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// LockFile is the file that holds a repository to the versions of what is built into lcm.
const LockFile = "lcm.lock"

// Lock is lcm.lock: with it, what a commit resolves to does not depend on the version of lcm.
type Lock struct {
	Schemas map[string]schema.Pin // by module
	missing bool
}

// Missing reports whether there is no lcm.lock.
func (l *Lock) Missing() bool { return l.missing }

const lockHead = `# What this repository uses of what is built into lcm. With another lcm it resolves to the same, or is refused.
# Written by lcm; move it on with: lcm schema upgrade
`

// Bytes gives the text of the file.
func (l *Lock) Bytes() []byte {
	var b bytes.Buffer
	b.WriteString(lockHead)
	b.WriteString("apiVersion: " + APIVersion + "\n")
	if len(l.Schemas) == 0 {
		b.WriteString("schemas: {}\n")
		return b.Bytes()
	}
	b.WriteString("schemas:\n")
	for _, name := range slices.Sorted(maps.Keys(l.Schemas)) {
		pin := l.Schemas[name]
		fmt.Fprintf(&b, "  %s:\n    version: %s\n    digest: %s\n", name, pin.Version, pin.Digest)
	}
	return b.Bytes()
}

// Lock gives lcm.lock, and an empty one where there is none.
func (s *Snapshot) Lock(ctx context.Context) (*Lock, error) {
	return s.lock.get(func() (*Lock, error) {
		src, err := s.files.ReadFile(ctx, LockFile)
		if errors.Is(err, fs.ErrNotExist) {
			return &Lock{missing: true}, nil
		}
		if err != nil {
			return nil, reading(LockFile, err)
		}
		return ParseLock(LockFile, src)
	})
}

// ParseLock reads lcm.lock. The error is a diag.List of everything wrong in it.
func ParseLock(file string, src []byte) (*Lock, error) {
	doc, err := yamldoc.Parse(file, src)
	if err != nil {
		return nil, err
	}
	d := &decoder{file: file}
	l := &Lock{Schemas: map[string]schema.Pin{}}
	version := ""
	d.object(doc.Root(), LockFile, map[string]func(tree.Field){
		"apiVersion": func(f tree.Field) { version = d.text(f) },
		"schemas":    func(f tree.Field) { d.entries(f, func(f tree.Field) { l.Schemas[f.Key] = d.pin(f) }) },
	})
	d.version(doc.Root(), version)
	if err := d.findings.Sorted().Err(); err != nil {
		return nil, err
	}
	return l, nil
}

// lockedText is a module's name, version and digest.
var lockedText = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[a-z][a-z0-9-]* [0-9]+\.[0-9]+\.[0-9]+ sha256:[0-9a-f]{64}$`)
})

func (d *decoder) pin(f tree.Field) schema.Pin {
	p := schema.Pin{Pos: f.Pos}
	d.object(f.Value, "a locked version", map[string]func(tree.Field){
		"version": func(f tree.Field) { p.Version = d.text(f) },
		"digest":  func(f tree.Field) { p.Digest = d.text(f) },
	})
	if !lockedText().MatchString(f.Key + " " + p.Version + " " + p.Digest) {
		d.report("lock-version", f.Pos, fmt.Sprintf("%s is not locked to a version and a digest", f.Key), "write the file anew: lcm schema upgrade")
	}
	return p
}

// Locked gives the lcm.lock that a snapshot should have: every built-in module that a namespace is of, held to what it is
// held to now or, where it is not, to the version that counts without a lock.
func (s *Snapshot) Locked(ctx context.Context) (*Lock, error) {
	return s.locked(ctx, func(string) bool { return false })
}

// Upgraded gives the lcm.lock that holds the modules that move names to the newest versions there are.
func (s *Snapshot) Upgraded(ctx context.Context, move func(module string) bool) (*Lock, error) {
	return s.locked(ctx, move)
}

func (s *Snapshot) locked(ctx context.Context, move func(module string) bool) (*Lock, error) {
	settings, err := s.Settings(ctx)
	if err != nil {
		return nil, err
	}
	now, err := s.Lock(ctx)
	if err != nil {
		return nil, err
	}
	sources, err := s.SchemaSources(ctx)
	if err != nil {
		return nil, err
	}
	newest, err := schema.Load(sources, nil)
	if err != nil {
		return nil, err
	}
	l := &Lock{Schemas: map[string]schema.Pin{}}
	for _, ns := range settings.Namespaces {
		if !newest.IsBuiltin(ns.Module) {
			continue
		}
		pin, ok := now.Schemas[ns.Module]
		if !ok || move(ns.Module) {
			if pin.Version, pin.Digest, err = newest.Identity(ns.Module); err != nil {
				return nil, err
			}
		}
		l.Schemas[ns.Module] = pin
	}
	return l, nil
}

// LockFindings tells of built-in modules in use that nothing holds the repository to.
func (s *Snapshot) LockFindings(ctx context.Context) (diag.List, error) {
	want, err := s.Locked(ctx)
	if err != nil {
		return nil, err
	}
	now, err := s.Lock(ctx)
	if err != nil {
		return nil, err
	}
	var open []string
	for _, name := range slices.Sorted(maps.Keys(want.Schemas)) {
		if _, ok := now.Schemas[name]; !ok {
			open = append(open, name)
		}
	}
	if len(open) == 0 {
		return nil, nil
	}
	return diag.List{{
		Code: "lock-missing", Severity: diag.Warning, Position: diag.Position{File: LockFile, Line: 1, Column: 1},
		Message: "nothing holds this repository to a version of " + strings.Join(open, ", ") + ", so another lcm may resolve it differently",
		Hint:    "write the lock: lcm schema upgrade",
	}}, nil
}
