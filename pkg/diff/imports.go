package diff

import (
	"context"
	"errors"
	"io/fs"
	"slices"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// layerFiles gives the paths that the layer of an address can have.
func layerFiles(a address.Address) []string { return []string{a.File(), a.CUEFile()} }

// importers adds the layers in CUE that are evaluated from a changed file, on either side, to what differs.
func (c *comparer) importers(ctx context.Context, s *scope, files []string) error {
	files = slices.DeleteFunc(slices.Clone(files), func(f string) bool {
		return f != workspace.LockFile && !isBelow(f, workspace.SharedDir) && !isBelow(f, workspace.SchemaDir)
	})
	if len(files) == 0 {
		return nil
	}
	for _, side := range []Side{c.old, c.new} {
		tenants, err := side.Snapshot.Tenants(ctx)
		if err != nil {
			return err
		}
		for _, tenant := range tenants {
			layers, err := side.Snapshot.CUELayers(ctx, tenant)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			for _, a := range layers {
				if err := c.importer(ctx, s, side, a, files); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (c *comparer) importer(ctx context.Context, s *scope, side Side, a address.Address, files []string) error {
	if !c.canMatter(ctx, a) {
		return nil
	}
	f, err := side.Snapshot.LayerOf(ctx, a)
	if _, ok := errors.AsType[diag.List](err); err != nil && !ok {
		return err
	}
	var imports []string
	if f != nil {
		if imports = slices.DeleteFunc(slices.Clone(f.Reads), func(r string) bool { return !slices.Contains(files, r) }); len(imports) == 0 {
			return nil
		}
	}
	l := s.layers[a.CUEFile()]
	if l == nil {
		// What cannot be evaluated on one side may be so because of what it imports.
		if l, err = c.layerFile(ctx, "", a); err != nil {
			return err
		}
		if l.file == "" {
			l.file = a.CUEFile()
		}
		s.layers[l.file] = l
	}
	for _, file := range imports {
		if !slices.Contains(l.imports, file) {
			l.imports = append(l.imports, file)
		}
	}
	return nil
}

// withImports adds to layer files the changed ones that they import.
func (s *scope) withImports(files []string) []string {
	out := slices.Clone(files)
	for _, file := range files {
		for _, imported := range s.layers[file].imports {
			if !slices.Contains(out, imported) {
				out = append(out, imported)
			}
		}
	}
	return out
}

// causeOf gives the file whose change a change of a layer is: the layer's own, or one that it imports where that changed and
// the value stands there, so that one edit that reaches several layers is one cause.
func causeOf(r *rawChange) string {
	n := r.New
	if n == nil {
		n = r.Old
	}
	if n.Layer != "" && slices.Contains(r.in.imports, n.Pos.File) {
		return n.Pos.File
	}
	return r.in.file
}
