// Package cuelayer evaluates a layer that is written in CUE: text in, a tree with places out.
//
// [Evaluator.Evaluate] reads nothing but what its [Packages] hand over, the files of one snapshot: there is no network, no
// file system, no environment and no clock in it. A layer can import CUE's own packages that only compute, the repository's
// own under lcm.local/shared/…, and the definitions of a module under lcm.local/schemas/MODULE. Its own tenant, environment
// and namespace are given to the fields that are marked @tag(tenant), @tag(environment) and @tag(namespace).
//
// The result is concrete data: regular fields alone, numbers with the digits they were written with, every value with the
// place in the CUE file that says it. The attributes @append, @prepend, @merge, @override and @delete become directives.
// Size, depth, time and memory are bounded, and what is wrong is a [diag.List] with places. No finding holds a value of a
// field unless the caller says that it is no secret.
package cuelayer

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"cuelang.org/go/cue"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/cuesource"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
)

// Where imports begin: the folder of the repository's own packages, and the modules.
const (
	importRoot    = "lcm.local/"
	SharedDir     = "shared"
	SharedImports = importRoot + SharedDir + "/"
	moduleImports = importRoot + "schemas/"
)

// The bounds on one layer, beside those of package cuesource on every source.
const (
	maxTime   = 5 * time.Second
	maxMemory = 512 << 20 // bytes that an evaluation may hold on to
	maxFiles  = 200       // that one layer may import
	maxDepth  = 100       // nested maps and lists, as in YAML
	maxValues = 100_000
	maxText   = 16 << 20 // bytes of all strings
)

// The codes of findings.
const (
	CodeSyntax     = "cue-syntax"     // not CUE
	CodeImport     = "cue-import"     // an import that is not there, not allowed, or a cycle
	CodeLimit      = "cue-limit"      // too large, too deep, too slow, or a function that cannot be bounded
	CodeInvalid    = "cue-invalid"    // CUE, but contradictory
	CodeIncomplete = "cue-incomplete" // a value that is not concrete
	CodeValue      = "cue-value"      // a value that a configuration cannot hold
	CodeMark       = "cue-mark"       // an attribute that is not understood
	CodeSecret     = "cue-secret"     // an encrypted value, which CUE cannot hold
)

// File is a text and the name that it has in places.
type File struct {
	Name string // relative to the repository's root
	Data []byte // not to be changed afterwards
	// From is the file of the repository that decides on the text, where that is not Name: lcm.lock for a built-in module.
	From string
}

// Packages is what a layer can import. Both methods answer from one snapshot.
type Packages interface {
	// Folder gives the CUE files of a folder of the repository, sorted by name; none if there is no such folder.
	Folder(ctx context.Context, folder string) ([]File, error)
	// Module gives the text of a module's schema; the error says that there is none, with a hint.
	Module(ctx context.Context, name string) (File, error)
}

// Request is a layer to be evaluated.
type Request struct {
	Address  address.Address // of the layer itself: its tags
	File     File
	Packages Packages
	// Plain reports whether messages may show the values of a field; nil shows none.
	Plain func(tree.Path) bool
}

// Layer is what a layer evaluates to.
type Layer struct {
	Root  *tree.Node // a map
	Reads []string   // the other files of the repository that it depends on, sorted
}

// Evaluator evaluates layers, one at a time, so that what one takes can be told from what others take. It is safe for
// concurrent use.
type Evaluator struct {
	slot    chan struct{}
	current atomic.Pointer[job] // that took the slot last
	limits  limits
}

// New gives an evaluator.
func New() *Evaluator {
	return &Evaluator{slot: make(chan struct{}, 1), limits: limits{time: maxTime, memory: maxMemory}}
}

const limitHint = "write out what is computed, or compute less of it"

// Evaluate evaluates a layer. The error is a [diag.List] of all that is wrong with it or with what it imports, or that of
// the context.
func (e *Evaluator) Evaluate(ctx context.Context, r Request) (*Layer, error) {
	l := newLoader(ctx, r)
	main := l.layer(r.File)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(l.found) > 0 {
		return nil, l.found.Sorted()
	}
	var root *tree.Node
	var found diag.List
	err := e.run(ctx, func() {
		v := cuesource.NewContext().BuildInstance(main)
		root, found = newWalker(l, r).document(v)
	})
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, diag.List{{
			Code: CodeLimit, Severity: diag.Error, Position: diag.Position{File: r.File.Name}, Message: err.Error(),
			Hint: limitHint,
		}}
	case len(found) > 0:
		return nil, found.Sorted()
	}
	slices.Sort(l.reads)
	return &Layer{Root: root, Reads: slices.Compact(l.reads)}, nil
}

// Package checks a package of the repository for itself: that it can be read and does not contradict itself.
func (e *Evaluator) Package(ctx context.Context, folder string, p Packages) error {
	l := newLoader(ctx, Request{Packages: p})
	inst := l.load(cuesource.New(folder, nil, rules()), noPos, importRoot+folder)
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(l.found) > 0 || inst == nil {
		return l.found.Sorted().Err()
	}
	var found diag.List
	err := e.run(ctx, func() {
		if err := cuesource.NewContext().BuildInstance(inst).Validate(cue.All()); err != nil {
			found = l.findings(err, func(tree.Path) bool { return false })
		}
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		found = diag.List{{Code: CodeLimit, Severity: diag.Error, Position: diag.Position{File: folder}, Message: err.Error(), Hint: limitHint}}
	}
	return found.Sorted().Err()
}
