// Package schema knows what a module's configuration may be: it validates resolved trees, gives their defaults, and says
// for every field how it merges, whether it is secret and whether it may be promoted.
//
// [Load] takes the sources of all modules, built-in ones and the organisation's own, and reads their headers alone.
// [Set.Module] compiles one module when it is first asked for. A [Module] answers [Module.Field], [Module.Defaults],
// [Module.Keys] and the like from a description of the schema that is built once from its text, so these cost next to
// nothing; [Module.Validate] lets CUE decide and uses the description to say in plain words what is wrong and where. For
// the built-in modules the description is written down beforehand, and where it alone shows that a configuration is
// valid, CUE is not asked: tests compare it with their sources, and its verdict with CUE's.
//
// A module in CUE is one file:
//
//	package inference_engine
//
//	@module(name="inference-engine", version="1.0.0", title="Inference Engine: model execution")
//
//	#Config: {
//		// API key.
//		api_key?: string @secret(type=api-key, rotate=90d)
//		routes: [...#Route] @merge(key=name)
//		max_connections: *64 | int @promote(never)
//	}
//
// The marks are @secret(type=…, rotate=…), @merge(append | prepend | replace | merge | key=FIELD) and @promote(never). A
// mark on a definition holds wherever the definition is used; @secret and @promote(never) hold for everything below.
// What stands below `if` is known with its marks too.
//
// Everything here is safe for concurrent use. Numbers stay exact. No message holds the value of a secret. Sources are
// bounded in size and depth, may import CUE's own packages only, and what takes longer than a few seconds is given up.
package schema

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"cuelang.org/go/cue/format"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/pin"
)

// The codes of findings about a configuration.
const (
	CodeType       = "schema-type"          // a value of the wrong kind
	CodeBound      = "schema-bound"         // a number, or a length, out of its bounds
	CodeEnum       = "schema-enum"          // none of the allowed values
	CodePattern    = "schema-pattern"       // text that does not match a regular expression
	CodeRequired   = "schema-required"      // a field is missing
	CodeUnknown    = "schema-unknown-field" // a key that the schema does not know there
	CodeConstraint = "schema-constraint"    // another rule of the schema
)

// The codes of findings about a schema's source.
const (
	CodeSyntax    = "schema-syntax"    // not CUE
	CodeHeader    = "schema-header"    // no or a wrong @module, no #Config
	CodeDuplicate = "schema-duplicate" // two modules of one name
	CodeImport    = "schema-import"    // an import that is not one of CUE's own packages
	CodeLimit     = "schema-limit"     // too large, too deep, too slow, or a function that cannot be bounded
	CodeMark      = "schema-mark"      // a mark that is not understood
	CodeInvalid   = "schema-invalid"   // CUE, but contradictory
	CodeLocked    = "schema-locked"    // not the version of a built-in module that the repository is held to
)

// Source is the text of one module.
type Source struct {
	File    string                 // slash-separated, relative to the repository's root; not shown for built-in modules
	Data    []byte                 // not to be changed afterwards
	Open    func() ([]byte, error) // gives the text where Data is nil, when it is first needed
	Builtin bool                   // comes with the program, as NAME.cue or NAME@VERSION.cue; positions read "schema:NAME:LINE:COLUMN"
}

// Set is the modules of a repository.
type Set struct {
	names    []string
	modules  map[string]*lazyModule
	replaced map[string]*lazyModule // built-in modules in whose place the organisation's are
}

// lazyModule is a module that is read when it is first asked for.
type lazyModule struct {
	builtin bool
	own     Source        // of the organisation's modules
	pos     diag.Position // of the header, as far as it is known
	choose  func() (chosen, error)
	load    func() (*Module, error)
}

// chosen is the source of a module, of several versions the one that counts.
type chosen struct {
	source Source
	header header
}

// Load gives the modules of sources. Only what the repository itself adds is looked into: a built-in module is known by the
// name of its file until it is asked for. Of several versions of one it is the pinned one, or else the newest. The error is a
// [diag.List]: headers that cannot be read, names that two modules share.
//
// An organisation's module takes the place of a built-in one if its header says so, with the version that it was made from:
// @module(name="inference-engine", version="1.1.0", replaces="1.0.0").
func Load(sources []Source, pins map[string]pin.Pin) (*Set, error) {
	s := &Set{modules: make(map[string]*lazyModule, len(sources)), replaced: map[string]*lazyModule{}}
	s.addBuiltin(sources, pins)
	var findings diag.List
	ordered := slices.DeleteFunc(slices.Clone(sources), func(src Source) bool { return src.Builtin })
	slices.SortStableFunc(ordered, func(a, b Source) int { return strings.Compare(a.File, b.File) })
	for _, src := range ordered {
		h, err := readHeader(src)
		if err != nil {
			findings = append(findings, err...)
			continue
		}
		if f := s.admit(h); f != nil {
			findings = append(findings, *f)
			continue
		}
		s.add(h.name, false, h.pos, func() (chosen, error) {
			h := h
			h.digest = s.digestWith(chosen{src, h})
			return chosen{src, h}, nil
		})
		s.modules[h.name].own = src
	}
	if len(findings) > 0 {
		return nil, findings.Sorted()
	}
	slices.Sort(s.names)
	return s, nil
}

// admit says why one of the organisation's modules cannot be added, nil if it can.
func (s *Set) admit(h header) *diag.Finding {
	f := &diag.Finding{Code: CodeDuplicate, Severity: diag.Error, Position: h.pos}
	first := s.modules[h.name]
	switch {
	case first == nil && h.replaces != "":
		f.Code, f.Message = CodeHeader, fmt.Sprintf("there is no built-in module %q to replace", h.name)
		f.Hint = "leave replaces out"
	case first == nil:
		return nil
	case first.builtin && h.replaces != "":
		s.replaced[h.name] = first
		return nil
	case first.builtin:
		f.Message = fmt.Sprintf("module %q is built in", h.name)
		f.Hint = `give this one another name in @module, or say that it takes the other's place, with its version: replaces="1.0.0"`
		f.Related = []diag.Related{{Position: first.pos, Message: "the built-in module is here"}}
	default:
		f.Message, f.Hint = fmt.Sprintf("there is another module %q", h.name), "give this one another name in @module"
		f.Related = []diag.Related{{Position: first.pos, Message: "the other is here"}}
	}
	return f
}

func (s *Set) add(name string, builtin bool, pos diag.Position, choose func() (chosen, error)) {
	m := &lazyModule{builtin: builtin, pos: pos, choose: sync.OnceValues(choose)}
	m.load = sync.OnceValues(func() (*Module, error) {
		c, err := m.choose()
		if err != nil {
			return nil, err
		}
		compiled, found := compile(c.source, c.header, sync.OnceValues(func() (*text, diag.List) { return s.textOf(c.source, name) }))
		if len(found) > 0 {
			return nil, found.Sorted()
		}
		return compiled, nil
	})
	if s.modules[name] == nil {
		s.names = append(s.names, name)
	}
	s.modules[name] = m
}

// addBuiltin adds the built-in modules, each with all its versions.
func (s *Set) addBuiltin(sources []Source, pins map[string]pin.Pin) {
	versions := map[string][]Source{}
	for _, src := range sources {
		if src.Builtin {
			name := moduleOfFile(src.File)
			versions[name] = append(versions[name], src)
		}
	}
	for name, all := range versions {
		held, pinned := pins[name]
		s.add(name, true, diag.Position{File: builtinFile(name)}, func() (chosen, error) {
			if pinned {
				return choosePinned(name, all, held)
			}
			return chooseNewest(all)
		})
	}
}

// moduleOfFile gives the name of the module in a built-in file: inference_engine.cue, or inference_engine@1.0.0.cue for a
// version that is not the newest any more.
func moduleOfFile(file string) string {
	base, _, _ := strings.Cut(strings.TrimSuffix(baseName(file), ".cue"), "@")
	return strings.ReplaceAll(base, "_", "-")
}

func read(src Source) (chosen, error) {
	if src.Data == nil && src.Open != nil {
		data, err := src.Open()
		if err != nil {
			return chosen{}, fmt.Errorf("read schema %s: %w", src.File, err)
		}
		src.Data = data
	}
	h, found := readHeader(src)
	return chosen{src, h}, found.Err()
}

// chooseNewest gives the version whose file names none.
func chooseNewest(all []Source) (chosen, error) {
	i := slices.IndexFunc(all, func(s Source) bool { return !strings.Contains(s.File, "@") })
	return read(all[max(i, 0)])
}

func choosePinned(name string, all []Source, held pin.Pin) (chosen, error) {
	var known []string
	for _, src := range all {
		c, err := read(src)
		if err != nil {
			return chosen{}, err
		}
		if c.header.version == held.Version && c.header.digest == held.Digest {
			return c, nil
		}
		text := c.header.version
		if text == held.Version {
			text += " with another text"
		}
		known = append(known, text)
	}
	return chosen{}, diag.List{{
		Code: CodeLocked, Severity: diag.Error, Position: held.Pos,
		Message: fmt.Sprintf("this repository is held to %s %s, and this lcm has %s", name, held.Version, strings.Join(known, ", ")),
		Hint:    "use an lcm that has it, or see what another version changes: lcm schema upgrade " + name + " --dry-run",
	}}
}

// Names gives the names of all modules, sorted.
func (s *Set) Names() []string { return slices.Clone(s.names) }

// Module gives a module, compiled at the first call. The error is an [*UnknownModuleError], or a [diag.List] of what is
// wrong with the schema.
func (s *Set) Module(name string) (*Module, error) {
	m := s.modules[name]
	if m == nil {
		return nil, s.unknown(name)
	}
	return m.load()
}

func (s *Set) unknown(name string) error {
	return diag.WithHint(&UnknownModuleError{Name: name, Nearest: diag.Nearest(name, s.names)},
		"%s", diag.DidYouMean(name, s.names, "the modules are: "+strings.Join(s.names, ", ")))
}

// Source gives the text of a module; ok is false if there is no such module, or it cannot be read.
func (s *Set) Source(name string) (src Source, ok bool) {
	m := s.modules[name]
	if m == nil {
		return Source{}, false
	}
	c, err := m.choose()
	return c.source, err == nil
}

// CUE gives the text of a module in CUE: its source, or what is made of it where that is JSON Schema.
func (s *Set) CUE(name string) ([]byte, error) {
	m := s.modules[name]
	if m == nil {
		return nil, s.unknown(name)
	}
	c, err := m.choose()
	if err != nil || !c.source.isJSON() {
		return c.source.Data, err
	}
	t, found := textOf(c.source)
	if len(found) > 0 {
		return nil, found
	}
	out, err := format.Source(t.Data)
	if err != nil {
		return nil, fmt.Errorf("format %s: %w", name, err)
	}
	return out, nil
}

// IsBuiltin reports whether a module comes with the program.
func (s *Set) IsBuiltin(name string) bool {
	m := s.modules[name]
	return m != nil && m.builtin
}

// Identity says which version of a module counts, without compiling it.
func (s *Set) Identity(name string) (version, digest string, err error) {
	m := s.modules[name]
	if m == nil {
		return "", "", &UnknownModuleError{Name: name, Nearest: diag.Nearest(name, s.names)}
	}
	c, err := m.choose()
	return c.header.version, c.header.digest, err
}

// Info is what a module's header says, which is known without compiling it.
type Info struct {
	Name     string
	Version  string
	Title    string
	Builtin  bool
	File     string // of the source
	Replaces string // the version of the built-in module from which this one, in its place, was made
	Current  string // with Replaces: the version of that built-in module that would count without it
}

// Info gives what is known of a module without compiling it.
func (s *Set) Info(name string) (Info, error) {
	m := s.modules[name]
	if m == nil {
		return Info{}, s.unknown(name)
	}
	c, err := m.choose()
	if err != nil {
		return Info{}, err
	}
	info := Info{
		Name: name, Version: c.header.version, Title: c.header.title, Builtin: m.builtin, File: c.source.File, Replaces: c.header.replaces,
	}
	if r := s.replaced[name]; r != nil {
		if built, err := r.choose(); err == nil {
			info.Current = built.header.version
		}
	}
	return info, nil
}

// UnknownModuleError says that there is no module of a name.
type UnknownModuleError struct {
	Name    string
	Nearest []string // known names that may have been meant, best first
}

// Error implements error.
func (e *UnknownModuleError) Error() string { return fmt.Sprintf("there is no module %q", e.Name) }
