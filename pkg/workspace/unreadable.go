package workspace

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/gitrepo"
)

// CodeUnreadable is the code of the finding that something is no regular file or folder of the repository itself.
const CodeUnreadable = "unreadable-file"

// placed is a snapshot that says where what it does not read lies: links, pipes and paths that lead out of the repository are
// findings, like anything else that is wrong with its files.
type placed struct{ gitrepo.Snapshot }

// unreadableError is a finding that is also the error it was made of.
type unreadableError struct {
	diag.List
	cause error
}

func (e *unreadableError) Unwrap() []error { return []error{e.List, e.cause} }

func unreadable(err error) error {
	odd, ok := errors.AsType[*gitrepo.PathError](err)
	if !ok {
		return err
	}
	return &unreadableError{diag.List{{
		Code: CodeUnreadable, Severity: diag.Error, Position: diag.Position{File: odd.Path}, Message: "this " + odd.Reason,
		Hint: "lcm reads files of up to 64 MB that lie in the repository itself: put one in its place, or remove it",
	}}, err}
}

// reading says what could not be read, where the error does not.
func reading(name string, err error) error {
	if _, ok := errors.AsType[*unreadableError](err); ok {
		return err
	}
	return fmt.Errorf("read %s: %w", name, err)
}

func (p placed) ReadFile(ctx context.Context, path string) ([]byte, error) {
	data, err := p.Snapshot.ReadFile(ctx, path)
	return data, unreadable(err)
}

func (p placed) ReadDir(ctx context.Context, path string) ([]gitrepo.Entry, error) {
	entries, err := p.Snapshot.ReadDir(ctx, path)
	return entries, unreadable(err)
}

func (p placed) Sizes(ctx context.Context, path string) (map[string]int64, error) {
	sizes, err := p.Snapshot.Sizes(ctx, path)
	return sizes, unreadable(err)
}

// Digests implements [gitrepo.Digester].
func (p placed) Digests(ctx context.Context, path string) (*gitrepo.Listing, error) {
	listing, err := p.Snapshot.(gitrepo.Digester).Digests(ctx, path)
	return listing, unreadable(err)
}

// Unreadable finds links and the like in the folders that lcm reads: whatever lies behind one is no part of the repository,
// and would be missing without a word.
func (s *Snapshot) Unreadable(ctx context.Context) (diag.List, error) {
	var found diag.List
	for dir, deep := range map[string]bool{address.Root: false, SchemaDir: false, TemplateDir: false, SharedDir: true} {
		if err := s.unreadable(ctx, dir, deep, &found); err != nil {
			return nil, err
		}
	}
	tenants, err := s.Tenants(ctx)
	if err != nil {
		return nil, err
	}
	for _, tenant := range tenants {
		if err := s.unreadable(ctx, path.Join(address.Root, tenant), false, &found); err != nil {
			return nil, err
		}
	}
	return found.Sorted(), nil
}

func (s *Snapshot) unreadable(ctx context.Context, dir string, deep bool, found *diag.List) error {
	entries, err := s.files.ReadDir(ctx, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return reading(dir, err)
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name)
		switch {
		case e.Irregular:
			_, err := s.files.ReadFile(ctx, name)
			list, ok := errors.AsType[diag.List](err)
			if !ok && err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			*found = append(*found, list...)
		case e.Dir && deep:
			if err := s.unreadable(ctx, name, deep, found); err != nil {
				return err
			}
		}
	}
	return nil
}
