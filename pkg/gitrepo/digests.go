package gitrepo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Digester is a [Snapshot] that tells files apart by their content.
type Digester interface {
	// Digests gives a digest of the content of each regular file in a folder, by name: equal digests, equal content, at any
	// time and in any snapshot of the same kind. A missing folder has none; one behind a symbolic link is a [*PathError].
	Digests(ctx context.Context, path string) (map[string]string, error)
}

// Digests implements [Digester] with the git ids: nothing is read.
func (s *revisionSnapshot) Digests(ctx context.Context, path string) (map[string]string, error) {
	entries, err := s.ReadDir(ctx, path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out := make(map[string]string, len(entries))
	for _, e := range entries {
		if !e.Dir && !e.Irregular {
			out[e.Name] = e.Digest
		}
	}
	return out, nil
}

// Digests implements [Digester]: every file is read, one folder in one go.
func (s worktreeSnapshot) Digests(ctx context.Context, path string) (map[string]string, error) {
	out, err := s.digests(ctx, path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read folder: %w", err)
	}
	return out, nil
}

func (s worktreeSnapshot) digests(ctx context.Context, path string) (map[string]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	top, err := s.open(path)
	if err != nil {
		return nil, err
	}
	defer top.Close() //nolint:errcheck // a handle for reading
	if err := noSymlinks(top, path, true); err != nil {
		return nil, err
	}
	root, err := top.OpenRoot(filepath.FromSlash(path))
	if err != nil {
		return nil, missing(err, path)
	}
	defer root.Close() //nolint:errcheck // a handle for reading
	dir, err := root.Open(".")
	if err != nil {
		return nil, missing(err, path)
	}
	defer dir.Close() //nolint:errcheck // a handle for reading
	names, err := dir.ReadDir(-1)
	if err != nil {
		return nil, missing(err, path)
	}
	out := make(map[string]string, len(names))
	hash, buffer := sha256.New(), make([]byte, 32<<10)
	for _, n := range names {
		if !n.Type().IsRegular() || strings.EqualFold(n.Name(), ".git") {
			continue
		}
		hash.Reset()
		if err := hashFile(root, n.Name(), hash, buffer); err != nil {
			return nil, missing(err, path+"/"+n.Name())
		}
		out[n.Name()] = ContentDigestPrefix + hex.EncodeToString(hash.Sum(nil))
	}
	return out, nil
}

func hashFile(root *os.Root, name string, to io.Writer, buffer []byte) error {
	f, err := root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // a handle for reading
	_, err = io.CopyBuffer(to, struct{ io.Reader }{f}, buffer)
	return err
}

// ContentDigestPrefix begins the digests that are taken of what is read: sha256 in hexadecimal digits. Others are git ids.
const ContentDigestPrefix = "sha256:"

// ContentDigest gives the digest of a content that was read.
func ContentDigest(content []byte) string { return ContentDigestPrefix + digest(content) }
