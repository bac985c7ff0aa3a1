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

	"github.com/llm-devops/lcm/pkg/diag"
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
)

// Source is the text of one module.
type Source struct {
	File    string // slash-separated, relative to the repository's root; not shown for built-in modules
	Data    []byte // not to be changed afterwards
	Builtin bool   // comes with the program; positions read "schema:NAME:LINE:COLUMN"
}

// Set is the modules of a repository.
type Set struct {
	names   []string
	modules map[string]*lazyModule
}

type lazyModule struct {
	header header
	source Source
	load   func() (*Module, error)
}

// Load reads the headers of all modules. The error is a [diag.List]: headers that cannot be read, names that two modules
// share. An organisation's module cannot take the name of a built-in one.
func Load(sources []Source) (*Set, error) {
	s := &Set{modules: make(map[string]*lazyModule, len(sources))}
	var findings diag.List
	// Built-in modules first, so that of two with one name it is the organisation's that is reported.
	ordered := slices.Clone(sources)
	slices.SortStableFunc(ordered, func(a, b Source) int {
		switch {
		case a.Builtin == b.Builtin:
			return strings.Compare(a.File, b.File)
		case a.Builtin:
			return -1
		}
		return 1
	})
	for _, src := range ordered {
		h, err := readHeader(src)
		if err != nil {
			findings = append(findings, err...)
			continue
		}
		if first := s.modules[h.name]; first != nil {
			f := diag.Finding{
				Code: CodeDuplicate, Severity: diag.Error, Position: h.pos,
				Message: fmt.Sprintf("there is another module %q", h.name),
				Hint:    "give this one another name in @module",
				Related: []diag.Related{{Position: first.header.pos, Message: "the other is here"}},
			}
			if first.source.Builtin {
				f.Message = fmt.Sprintf("module %q is built in and cannot be replaced", h.name)
				f.Related[0].Message = "the built-in module is here"
			}
			findings = append(findings, f)
			continue
		}
		s.names = append(s.names, h.name)
		s.modules[h.name] = &lazyModule{header: h, source: src, load: sync.OnceValues(func() (*Module, error) {
			m, found := compile(src, h)
			if len(found) > 0 {
				return nil, found.Sorted()
			}
			return m, nil
		})}
	}
	if len(findings) > 0 {
		return nil, findings.Sorted()
	}
	slices.Sort(s.names)
	return s, nil
}

// Names gives the names of all modules, sorted.
func (s *Set) Names() []string { return slices.Clone(s.names) }

// Module gives a module, compiled at the first call. The error is an [*UnknownModuleError], or a [diag.List] of what is
// wrong with the schema.
func (s *Set) Module(name string) (*Module, error) {
	m := s.modules[name]
	if m == nil {
		return nil, diag.WithHint(&UnknownModuleError{Name: name, Nearest: diag.Nearest(name, s.names)},
			"%s", diag.DidYouMean(name, s.names, "the modules are: "+strings.Join(s.names, ", ")))
	}
	return m.load()
}

// Source gives the text of a module as it was loaded; ok is false if there is no such module.
func (s *Set) Source(name string) (src Source, ok bool) {
	m := s.modules[name]
	if m == nil {
		return Source{}, false
	}
	return m.source, true
}

// UnknownModuleError says that there is no module of a name.
type UnknownModuleError struct {
	Name    string
	Nearest []string // known names that may have been meant, best first
}

// Error implements error.
func (e *UnknownModuleError) Error() string { return fmt.Sprintf("there is no module %q", e.Name) }
