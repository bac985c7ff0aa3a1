package workspace

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/cuelayer"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
)

// SharedDir is the folder of the packages that layers in CUE import.
const SharedDir = cuelayer.SharedDir

// CUESecretHint says where a secret goes that a layer in CUE cannot hold.
const CUESecretHint = cuelayer.SecretHint

// CodeTwoLayers is the code of the finding that an address has a layer in YAML and one in CUE.
const CodeTwoLayers = "two-layers"

// IsCUE reports whether the layer is written in CUE. It has no Doc then, and holds no encrypted value.
func (f *File) IsCUE() bool { return path.Ext(f.Path) == ".cue" }

// LayerOf gives the layer file of an address, whichever it has; nil without an error if there is none.
func (s *Snapshot) LayerOf(ctx context.Context, a address.Address) (*File, error) {
	yaml, err := s.Layer(ctx, a.File())
	inCUE, errCUE := s.Layer(ctx, a.CUEFile())
	if (yaml != nil || err != nil) && (inCUE != nil || errCUE != nil) {
		if err := otherThanFindings(err, errCUE); err != nil {
			return nil, err
		}
		return nil, diag.List{{
			Code: CodeTwoLayers, Severity: diag.Error, Position: diag.Position{File: a.CUEFile()},
			Message: fmt.Sprintf("there is also %s, and an address has one layer file", a.File()),
			Hint:    "move the values of one into the other and remove it",
			Related: []diag.Related{{Position: diag.Position{File: a.File()}, Message: "the other is here"}},
		}}
	}
	if inCUE != nil || errCUE != nil {
		return inCUE, errCUE
	}
	return yaml, err
}

// otherThanFindings gives the first error that is not about what files say, or that a folder on the way to them is none.
func otherThanFindings(errs ...error) error {
	for _, err := range errs {
		_, unread := errors.AsType[*unreadableError](err)
		if _, ok := errors.AsType[diag.List](err); err != nil && (unread || !ok) {
			return err
		}
	}
	return nil
}

// LayerFile gives the path of the layer file that an address has, and of the one in YAML where it has none.
func (s *Snapshot) LayerFile(ctx context.Context, a address.Address) string {
	if f, err := s.Layer(ctx, a.CUEFile()); f != nil || err != nil {
		return a.CUEFile()
	}
	return a.File()
}

// cueLayer evaluates a layer that is written in CUE.
func (s *Snapshot) cueLayer(ctx context.Context, file string, src []byte) (*File, error) {
	a, ok := address.FromFile(file)
	if !ok {
		return nil, fmt.Errorf("%s is the place of no layer", file)
	}
	l, err := s.w.cue.Evaluate(ctx, cuelayer.Request{
		Address: a, File: cuelayer.File{Name: file, Data: src}, Packages: packages{s},
		Plain: func(p tree.Path) bool { return s.isPlain(ctx, a.Namespace, p) },
	})
	if err != nil {
		return nil, err
	}
	return &File{Path: file, Sealed: l.Root, Reads: l.Reads, text: src}, nil
}

// isPlain reports whether a field is known to hold one value that is no secret.
func (s *Snapshot) isPlain(ctx context.Context, namespace string, p tree.Path) bool {
	m, err := s.ModuleOf(ctx, namespace)
	if err != nil {
		return false
	}
	if m == nil {
		return true // no schema, and so no secrets but those that are encrypted
	}
	f, ok := m.Field(p)
	return ok && !f.Secret && !slices.ContainsFunc(f.Kinds, func(k tree.Kind) bool { return !k.IsScalar() })
}

// CUELayers gives the addresses of a tenant's layers that are written in CUE.
func (s *Snapshot) CUELayers(ctx context.Context, tenant string) ([]address.Address, error) {
	root := path.Join(address.Root, tenant)
	environments, err := s.ReadDir(ctx, root)
	if err != nil {
		return nil, err
	}
	var out []address.Address
	for _, e := range environments {
		if !e.Dir || e.Irregular {
			continue
		}
		entries, err := s.ReadDir(ctx, path.Join(root, e.Name))
		if err != nil {
			return nil, err
		}
		for _, f := range entries {
			if path.Ext(f.Name) != ".cue" || f.Dir {
				continue
			}
			if a, ok := address.FromFile(path.Join(root, e.Name, f.Name)); ok {
				out = append(out, a)
			}
		}
	}
	return out, nil
}

// CheckShared checks the packages that layers in CUE can import, each for itself. The error is a diag.List.
func (s *Snapshot) CheckShared(ctx context.Context) error {
	var found diag.List
	err := s.sharedFolders(ctx, SharedDir, func(folder string) error {
		err := s.w.cue.Package(ctx, folder, packages{s})
		if list, ok := errors.AsType[diag.List](err); ok {
			found = append(found, list...)
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	return found.Sorted().Err()
}

// sharedFolders visits the folders at and below one that hold a package.
func (s *Snapshot) sharedFolders(ctx context.Context, folder string, visit func(string) error) error {
	entries, err := s.ReadDir(ctx, folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return reading(folder, err)
	}
	hasFile := false
	for _, e := range entries {
		hasFile = hasFile || !e.Dir && isPackageFile(e.Name)
		if e.Dir && !strings.HasPrefix(e.Name, ".") {
			if err := s.sharedFolders(ctx, path.Join(folder, e.Name), visit); err != nil {
				return err
			}
		}
	}
	if hasFile && folder != SharedDir {
		return visit(folder)
	}
	return nil
}

// isPackageFile reports whether a file is part of the package of its folder, as the cue command sees it.
func isPackageFile(name string) bool {
	return path.Ext(name) == ".cue" && !strings.HasPrefix(name, ".") && !strings.HasPrefix(name, "_") &&
		!strings.HasSuffix(name, "_tool.cue") && !strings.HasSuffix(name, "_test.cue")
}

// packages implements [cuelayer.Packages] on a snapshot.
type packages struct{ s *Snapshot }

// Folder implements [cuelayer.Packages].
func (p packages) Folder(ctx context.Context, folder string) ([]cuelayer.File, error) {
	entries, err := p.s.ReadDir(ctx, folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, reading(folder, err)
	}
	var out []cuelayer.File
	for _, e := range entries {
		if e.Dir || !isPackageFile(e.Name) {
			continue
		}
		file := path.Join(folder, e.Name)
		data, err := p.s.ReadFile(ctx, file)
		if err != nil {
			return nil, reading(file, err)
		}
		out = append(out, cuelayer.File{Name: file, Data: data})
	}
	return out, nil
}

// Module implements [cuelayer.Packages].
func (p packages) Module(ctx context.Context, name string) (cuelayer.File, error) {
	set, err := p.s.Schemas(ctx)
	if err != nil {
		return cuelayer.File{}, err
	}
	if !slices.Contains(set.Names(), name) {
		return cuelayer.File{}, diag.WithHint(fmt.Errorf("there is no module %q", name),
			"%s", diag.DidYouMean(name, set.Names(), "the modules are: "+strings.Join(set.Names(), ", ")))
	}
	if _, _, err := set.Identity(name); err != nil {
		return cuelayer.File{}, err
	}
	src, _ := set.Source(name)
	if path.Ext(src.File) != ".cue" {
		return cuelayer.File{}, fmt.Errorf("the schema of module %q is not written in CUE", name)
	}
	if !set.IsBuiltin(name) {
		return cuelayer.File{Name: src.File, Data: src.Data}, nil
	}
	settings, err := p.s.Settings(ctx)
	if err != nil {
		return cuelayer.File{}, err
	}
	if !slices.ContainsFunc(settings.Namespaces, func(ns Namespace) bool { return slices.Contains(builtinOf(set, ns.Module), name) }) {
		return cuelayer.File{}, diag.WithHint(
			fmt.Errorf("no namespace is of module %q, so %s does not hold the repository to a version of it", name, LockFile),
			"declare a namespace of it: lcm namespace add NAME --module %s", name)
	}
	return cuelayer.File{Name: "schema:" + name, Data: src.Data, From: LockFile}, nil
}
