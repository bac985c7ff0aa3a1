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
	"github.com/llm-devops/lcm/pkg/pin"
	"github.com/llm-devops/lcm/pkg/schema"
	"github.com/llm-devops/lcm/pkg/template"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// LockFile is the file that holds a repository to the versions of what is built into lcm.
const LockFile = "lcm.lock"

// Lock is lcm.lock: with it, what a commit resolves to does not depend on the version of lcm.
type Lock struct {
	Schemas   map[string]pin.Pin // by module
	Templates map[string]pin.Pin // by reference, as layers and templates write it: NAME, NAME@1
	missing   bool
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
	} else {
		writePins(&b, "schemas", l.Schemas)
	}
	if len(l.Templates) > 0 { // many repositories use none
		writePins(&b, "templates", l.Templates)
	}
	return b.Bytes()
}

func writePins(b *bytes.Buffer, section string, pins map[string]pin.Pin) {
	b.WriteString(section + ":\n")
	for _, name := range slices.Sorted(maps.Keys(pins)) {
		fmt.Fprintf(b, "  %s:\n    version: %s\n    digest: %s\n", name, pins[name].Version, pins[name].Digest)
	}
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
	l, err := parseLock(file, src)
	if err != nil {
		return nil, err
	}
	return l, nil
}

// SoundLock reads of lcm.lock what can be read: whatever has no version and digest is not held to one.
func SoundLock(src []byte) *Lock {
	l, _ := parseLock(LockFile, src) //nolint:errcheck // what is wrong is a finding of others
	if l == nil {
		return &Lock{missing: true}
	}
	sound := func(name string, p pin.Pin, valid func(name, version string) bool) bool {
		return valid(name, p.Version) && lockedDigest().MatchString(p.Digest)
	}
	maps.DeleteFunc(l.Schemas, func(name string, p pin.Pin) bool { return !sound(name, p, isModulePin) })
	maps.DeleteFunc(l.Templates, func(name string, p pin.Pin) bool { return !sound(name, p, isTemplatePin) })
	return l
}

// anewHint says how a lock that cannot be read becomes one that can.
const anewHint = "write the file anew: lcm schema upgrade, with --no-commit where it was not committed like this"

// parseLock gives what it could read of a lock beside the error, nil where that is nothing.
func parseLock(file string, src []byte) (*Lock, error) {
	doc, err := yamldoc.Parse(file, src)
	if found, ok := errors.AsType[diag.List](err); ok {
		found = slices.Clone(found)
		for i := range found {
			found[i].Hint = anewHint
		}
		return nil, found
	}
	if err != nil {
		return nil, err
	}
	d := &decoder{file: file}
	l := &Lock{Schemas: map[string]pin.Pin{}, Templates: map[string]pin.Pin{}}
	version := ""
	d.object(doc.Root(), LockFile, map[string]func(tree.Field){
		"apiVersion": func(f tree.Field) { version = d.text(f) },
		"schemas":    func(f tree.Field) { d.entries(f, func(f tree.Field) { l.Schemas[f.Key] = d.pin(f, isModulePin) }) },
		"templates":  func(f tree.Field) { d.entries(f, func(f tree.Field) { l.Templates[f.Key] = d.pin(f, isTemplatePin) }) },
	})
	d.version(doc.Root(), version)
	return l, d.findings.Sorted().Err()
}

var (
	lockedModule = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z][a-z0-9-]* [0-9]+\.[0-9]+\.[0-9]+$`) })
	lockedDigest = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^sha256:[0-9a-f]{64}$`) })
)

// isModulePin reports whether a module of a name can have a version.
func isModulePin(name, version string) bool { return lockedModule().MatchString(name + " " + version) }

// isTemplatePin reports whether a reference, written as lcm writes it, can mean a version.
func isTemplatePin(text, version string) bool {
	ref, err := template.ParseRef(text)
	if err != nil || ref.String() != text {
		return false
	}
	v, err := template.ParseVersion(version)
	return err == nil && ref.Means(&template.Template{Name: ref.Name, Version: v})
}

func (d *decoder) pin(f tree.Field, valid func(name, version string) bool) pin.Pin {
	p := pin.Pin{Pos: f.Pos}
	d.object(f.Value, "a locked version", map[string]func(tree.Field){
		"version": func(f tree.Field) { p.Version = d.text(f) },
		"digest":  func(f tree.Field) { p.Digest = d.text(f) },
	})
	if !valid(f.Key, p.Version) || !lockedDigest().MatchString(p.Digest) {
		d.report("lock-version", f.Pos, fmt.Sprintf("%s is not locked to a version and a digest", f.Key), anewHint)
	}
	return p
}

// Locked gives the lcm.lock that a snapshot should have: every built-in module that a namespace is of, held to what it is
// held to now or, where it is not, to the version that counts without a lock. Of templates it has what the lock has, as only
// all layers together say which are in use; where there is no lock yet, they are asked.
func (s *Snapshot) Locked(ctx context.Context) (*Lock, error) {
	stay := func(string) bool { return false }
	now, err := s.Lock(ctx)
	if err != nil {
		return nil, err
	}
	if now.missing {
		return s.Upgraded(ctx, stay)
	}
	l := &Lock{Templates: now.Templates}
	l.Schemas, err = s.lockedSchemas(ctx, now, stay)
	return l, err
}

// Upgraded gives the lcm.lock that holds the modules and templates that move names to the newest versions there are, and all
// others in use to what they are held to now.
func (s *Snapshot) Upgraded(ctx context.Context, move func(name string) bool) (*Lock, error) {
	now, err := s.Lock(ctx)
	if err != nil {
		return nil, err
	}
	l := &Lock{}
	if l.Schemas, err = s.lockedSchemas(ctx, now, move); err != nil {
		return nil, err
	}
	l.Templates, err = s.lockedTemplates(ctx, now, move)
	return l, err
}

func (s *Snapshot) lockedSchemas(ctx context.Context, now *Lock, move func(module string) bool) (map[string]pin.Pin, error) {
	settings, err := s.Settings(ctx)
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
	pins := map[string]pin.Pin{}
	for _, ns := range settings.Namespaces {
		for _, module := range builtinOf(newest, ns.Module) {
			held, ok := now.Schemas[module]
			if !ok || move(module) {
				if held.Version, held.Digest, err = newest.Identity(module); err != nil {
					return nil, err
				}
			}
			pins[module] = held
		}
	}
	return pins, nil
}

// LockFindings tells of built-in modules in use that nothing holds the repository to. Of templates in use, each layer tells:
// [Snapshot.LayerLockFindings].
func (s *Snapshot) LockFindings(ctx context.Context) (diag.List, error) {
	now, err := s.Lock(ctx)
	if err != nil {
		return nil, err
	}
	want, err := s.lockedSchemas(ctx, now, func(string) bool { return false })
	if err != nil {
		return nil, err
	}
	var open []string
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if _, ok := now.Schemas[name]; !ok {
			open = append(open, name)
		}
	}
	if len(open) == 0 {
		return nil, nil
	}
	return diag.List{lockMissing(strings.Join(open, ", "), "write the lock: lcm schema upgrade")}, nil
}

func lockMissing(what, hint string) diag.Finding {
	return diag.Finding{
		Code: "lock-missing", Severity: diag.Warning, Position: diag.Position{File: LockFile, Line: 1, Column: 1},
		Message: "nothing holds this repository to a version of " + what + ", so another lcm may resolve it differently",
		Hint:    hint,
	}
}

// builtinOf gives the built-in modules that a module takes: itself, or those it imports.
func builtinOf(set *schema.Set, module string) []string {
	if set.IsBuiltin(module) {
		return []string{module}
	}
	return set.Imports(module)
}
