package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/objfile"
)

// Sizes reads the objects' headers alone, or nothing but the headers of deltas.
func (s *revisionSnapshot) Sizes(ctx context.Context, path string) (map[string]int64, error) {
	e, err := s.lookup(ctx, path)
	if err != nil {
		return nil, s.wrap(err)
	}
	if !e.isDir() {
		return nil, s.wrap(notExist(path))
	}
	entries, err := s.tree(ctx, e.id)
	if err != nil {
		return nil, s.wrap(fmt.Errorf("%s: %w", path, err))
	}
	sizes := make(map[string]int64, len(entries))
	for _, e := range entries {
		if !e.isRegular() {
			continue
		}
		if sizes[e.name], err = s.objects.size(ctx, e.id); err != nil {
			return nil, s.wrap(fmt.Errorf("%s/%s: %w", path, e.name, err))
		}
	}
	return sizes, nil
}

// Sizes asks the file system, and opens no file.
func (s worktreeSnapshot) Sizes(ctx context.Context, path string) (map[string]int64, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	names, err := s.names(path)
	if err != nil {
		return nil, fmt.Errorf("read folder: %w", err)
	}
	sizes := make(map[string]int64, len(names))
	for _, n := range names {
		if !n.Type().IsRegular() {
			continue
		}
		info, err := n.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("read folder: %w", err)
		}
		sizes[n.Name()] = info.Size()
	}
	return sizes, nil
}

// size gives the length of an object's content, without reading it where that can be.
func (s *objectStore) size(ctx context.Context, id plumbing.Hash) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if size, ok := s.storedSize(id); ok {
		return size, nil
	}
	_, content, err := s.read(ctx, id)
	return int64(len(content)), err
}

func (s *objectStore) storedSize(id plumbing.Hash) (int64, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.folders == nil {
		if err := s.open(); err != nil {
			return 0, false // reading tells what is wrong
		}
	}
	for _, f := range s.folders {
		for _, p := range f.packs {
			if size, ok := p.size(id); ok {
				return size, true
			}
		}
		if size, err := f.looseSize(id); err == nil {
			return size, true
		}
	}
	return 0, false
}

func (f *objectFolder) looseSize(id plumbing.Hash) (size int64, err error) {
	hex := id.String()
	file, err := os.Open(filepath.Join(f.dir, hex[:2], hex[2:]))
	if err != nil {
		return 0, err
	}
	defer file.Close()
	rd, err := objfile.NewReader(file)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, rd.Close()) }()
	_, size, err = rd.Header()
	return size, err
}

// size gives the length of an object in the pack; ok is false if it is not there, or cannot be told without reading it.
func (p *pack) size(id plumbing.Hash) (int64, bool) {
	if err := p.open(id); err != nil {
		return 0, false
	}
	at, err := p.index.FindOffset(id)
	if err != nil {
		return 0, false
	}
	size, err := p.files.GetSizeByOffset(at)
	return size, err == nil
}
