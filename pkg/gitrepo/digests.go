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
	// Digests lists everything in a folder and below it. A missing folder is empty, one behind a symbolic link is a
	// [*PathError].
	Digests(ctx context.Context, path string) (*Listing, error)
}

// Listing is what lies in a folder and below it, by slash-separated paths relative to the folder.
type Listing struct {
	// Files has a digest of the content of each regular file: equal digests, equal content, at any time.
	Files map[string]string
	Dirs  []string // the folders below, in no order
	Odd   []string // what is neither: it is not looked into
}

// Digests implements [Digester] with the git ids: nothing is read.
func (s *revisionSnapshot) Digests(ctx context.Context, path string) (*Listing, error) {
	out := &Listing{Files: map[string]string{}}
	return out, s.list(ctx, path, "", out)
}

func (s *revisionSnapshot) list(ctx context.Context, path, below string, out *Listing) error {
	entries, err := s.ReadDir(ctx, path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := below + e.Name
		switch {
		case e.Irregular:
			out.Odd = append(out.Odd, name)
		case e.Dir:
			out.Dirs = append(out.Dirs, name)
			if err := s.list(ctx, strings.TrimPrefix(path+"/"+e.Name, "./"), name+"/", out); err != nil {
				return err
			}
		default:
			out.Files[name] = e.Digest
		}
	}
	return nil
}

// Digests implements [Digester]: every file is read. It is made for many files: that no link leads out of the repository is
// seen to for the folder itself, and below it by what the entries say that they are.
func (s worktreeSnapshot) Digests(ctx context.Context, path string) (*Listing, error) {
	out := &Listing{Files: map[string]string{}}
	root, err := s.open(path)
	if err != nil {
		return nil, fmt.Errorf("read folder: %w", err)
	}
	defer root.Close() //nolint:errcheck // a handle for reading
	if err := noSymlinks(root, path, true); errors.Is(err, fs.ErrNotExist) {
		return out, nil
	} else if err != nil {
		return nil, fmt.Errorf("read folder: %w", err)
	}
	h := hasher{out: out, buffer: make([]byte, 32<<10)}
	if err := h.folder(ctx, filepath.Join(s.root, filepath.FromSlash(path)), ""); err != nil {
		return nil, fmt.Errorf("read folder: %w", missing(err, path))
	}
	return out, nil
}

type hasher struct {
	out    *Listing
	buffer []byte
}

func (h *hasher) folder(ctx context.Context, dir, below string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	names, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, n := range names {
		name := below + n.Name()
		switch {
		case strings.EqualFold(n.Name(), ".git"):
		case n.IsDir():
			h.out.Dirs = append(h.out.Dirs, name)
			if err := h.folder(ctx, filepath.Join(dir, n.Name()), name+"/"); err != nil {
				return err
			}
		case n.Type().IsRegular():
			if h.out.Files[name], err = h.file(filepath.Join(dir, n.Name())); err != nil {
				return err
			}
		default:
			h.out.Odd = append(h.out.Odd, name)
		}
	}
	return nil
}

func (h *hasher) file(path string) (string, error) {
	n, whole, err := readSmall(path, h.buffer)
	if err != nil {
		return "", err
	}
	if whole { // nearly all are as small as that
		return ContentDigest(h.buffer[:n]), nil
	}
	f, err := os.Open(path) //nolint:gosec // inside the working tree
	if err != nil {
		return "", err
	}
	defer f.Close() //nolint:errcheck // a handle for reading
	hash := sha256.New()
	if _, err := io.CopyBuffer(hash, struct{ io.Reader }{f}, h.buffer); err != nil {
		return "", err
	}
	return ContentDigestPrefix + hex.EncodeToString(hash.Sum(nil)), nil
}

// ContentDigestPrefix begins the digests that are taken of what is read: sha256 in hexadecimal digits. Others are git ids.
const ContentDigestPrefix = "sha256:"

// ContentDigest gives the digest of a content that was read.
func ContentDigest(content []byte) string { return ContentDigestPrefix + digest(content) }
