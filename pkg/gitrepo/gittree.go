package gitrepo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/llm-devops/lcm/pkg/diag"
)

// The modes of tree entries.
const (
	modeFile       = "100644"
	modeExecutable = "100755"
	modeSymlink    = "120000"
	modeSubmodule  = "160000"
	modeDir        = "40000"
)

// treeEntry is one line of a tree object.
type treeEntry struct {
	mode string // octal, as stored
	name string
	id   plumbing.Hash
}

func (e treeEntry) isDir() bool     { return e.mode == modeDir }
func (e treeEntry) isRegular() bool { return strings.HasPrefix(e.mode, "100") }

// sortKey orders as git does: folders as if their names ended in a slash.
func (e treeEntry) sortKey() string {
	if e.isDir() {
		return e.name + "/"
	}
	return e.name
}

var errMalformedTree = errors.New("malformed tree object")

// decodeTree reads a tree object: "MODE NAME NUL ID" for each entry, the id being 20 bytes.
func decodeTree(b []byte) ([]treeEntry, error) {
	var entries []treeEntry
	for len(b) > 0 {
		head, rest, ok := bytes.Cut(b, []byte{0})
		if !ok || len(rest) < len(plumbing.Hash{}) {
			return nil, errMalformedTree
		}
		mode, name, ok := strings.Cut(string(head), " ")
		if !ok || name == "" || mode == "" || strings.Contains(name, "/") || name == "." || name == ".." {
			return nil, errMalformedTree
		}
		if strings.Trim(mode, "01234567") != "" {
			return nil, errMalformedTree
		}
		e := treeEntry{mode: mode, name: name}
		copy(e.id[:], rest)
		entries = append(entries, e)
		b = rest[len(e.id):]
	}
	return entries, nil
}

// encodeTree is the opposite of decodeTree; it sorts.
func encodeTree(entries []treeEntry) []byte {
	slices.SortFunc(entries, func(a, b treeEntry) int { return strings.Compare(a.sortKey(), b.sortKey()) })
	var b bytes.Buffer
	for _, e := range entries {
		b.WriteString(e.mode)
		b.WriteByte(' ')
		b.WriteString(e.name)
		b.WriteByte(0)
		b.Write(e.id[:])
	}
	return b.Bytes()
}

// recentTrees are the trees that were read last: whoever changes a file looks at the folders above it more than once, and those
// of a large repository are large.
type recentTrees struct {
	mu   sync.Mutex
	kept [8]struct {
		id      plumbing.Hash
		entries []treeEntry
	}
	next int
}

func (t *recentTrees) get(id plumbing.Hash) ([]treeEntry, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, k := range t.kept {
		if k.id == id {
			return k.entries, true
		}
	}
	return nil, false
}

func (t *recentTrees) put(id plumbing.Hash, entries []treeEntry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept[t.next].id, t.kept[t.next].entries = id, entries
	t.next = (t.next + 1) % len(t.kept)
}

// tree reads a tree; the zero id is the empty one. The entries are not to be changed.
func (s *objectStore) tree(ctx context.Context, id plumbing.Hash) ([]treeEntry, error) {
	if id.IsZero() {
		return nil, nil
	}
	if entries, ok := s.trees.get(id); ok {
		return entries, nil
	}
	b, err := s.readKind(ctx, id, plumbing.TreeObject)
	if err != nil {
		return nil, err
	}
	entries, err := decodeTree(b)
	if err != nil {
		return nil, fmt.Errorf("read object %s: %w", id, err)
	}
	s.trees.put(id, entries)
	return entries, nil
}

// commitTree gives the id of a commit's tree; the zero id for no commit.
func (s *objectStore) commitTree(ctx context.Context, rev Revision) (plumbing.Hash, error) {
	id, err := rev.object()
	if err != nil || id.IsZero() {
		return plumbing.ZeroHash, err
	}
	b, err := s.readKind(ctx, id, plumbing.CommitObject)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	line, _, _ := strings.Cut(string(b), "\n")
	hash, ok := strings.CutPrefix(line, "tree ")
	if !ok || !isFullHash(hash) {
		return plumbing.ZeroHash, fmt.Errorf("read object %s: malformed commit object", id)
	}
	return plumbing.NewHash(hash), nil
}

// treeReader gives the entries of a tree.
type treeReader func(ctx context.Context, id plumbing.Hash) ([]treeEntry, error)

// remembered reads each tree once. It is not for concurrent use.
func remembered(read treeReader) treeReader {
	known := map[plumbing.Hash][]treeEntry{}
	return func(ctx context.Context, id plumbing.Hash) ([]treeEntry, error) {
		if entries, ok := known[id]; ok {
			return entries, nil
		}
		entries, err := read(ctx, id)
		if err == nil {
			known[id] = entries
		}
		return entries, err
	}
}

// walkTree goes from a root tree to the entry at path. A missing entry, or one below a file, is fs.ErrNotExist; one below a
// symbolic link or a submodule is a [*PathError].
func walkTree(ctx context.Context, read treeReader, root plumbing.Hash, path string) (treeEntry, error) {
	at := treeEntry{mode: modeDir, id: root}
	if path == "." {
		return at, nil
	}
	walked := ""
	for name := range strings.SplitSeq(path, "/") {
		if at.mode == modeSymlink || at.mode == modeSubmodule {
			return treeEntry{}, irregular(walked, at.mode)
		}
		if !at.isDir() {
			return treeEntry{}, notExist(path)
		}
		entries, err := read(ctx, at.id)
		if err != nil {
			return treeEntry{}, err
		}
		i := slices.IndexFunc(entries, func(e treeEntry) bool { return e.name == name })
		if i < 0 {
			return treeEntry{}, notExist(path)
		}
		at = entries[i]
		walked = strings.TrimPrefix(walked+"/"+name, "/")
	}
	return at, nil
}

func notExist(path string) error {
	return &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
}

// regularHint says what to do about what is neither.
const regularHint = "put a regular file or folder in its place"

func irregular(path, mode string) error {
	switch mode {
	case modeSymlink:
		return diag.WithHint(&PathError{Path: path, Reason: "is a symbolic link, which is not followed"}, regularHint)
	case modeSubmodule:
		return diag.WithHint(&PathError{Path: path, Reason: "is a submodule, which is not entered"}, regularHint)
	case modeDir:
		return diag.WithHint(&PathError{Path: path, Reason: "is a folder, not a file"}, regularHint)
	}
	return diag.WithHint(&PathError{Path: path, Reason: "is not a regular file"}, regularHint)
}

// treeChange is what becomes of one path: a blob with a mode, or (remove) nothing.
type treeChange struct {
	mode   string
	id     plumbing.Hash
	remove bool
}

// treeEdit makes new trees of old ones.
type treeEdit struct {
	objects *objectStore
	made    []pendingObject     // the new trees
	moves   map[string]treeMove // what they take the place of, by folder; "" is the root
}

// editTree applies changes, by path, to a root tree. Only the trees along the changed paths are made anew. A folder that
// becomes empty goes away, as in git.
func (s *objectStore) editTree(ctx context.Context, root plumbing.Hash, changes map[string]treeChange) (*treeEdit, error) {
	e := &treeEdit{objects: s, moves: map[string]treeMove{}}
	entries, err := e.entries(ctx, root, "", changes)
	if err != nil {
		return nil, err
	}
	e.add("", root, entries)
	return e, nil
}

func (e *treeEdit) add(dir string, old plumbing.Hash, entries []treeEntry) plumbing.Hash {
	o := newObject(plumbing.TreeObject, encodeTree(entries))
	e.made = append(e.made, o)
	e.moves[dir] = treeMove{from: old, to: o.id}
	return o.id
}

// root gives the id of the new root.
func (e *treeEdit) root() plumbing.Hash { return e.moves[""].to }

// entries gives what a tree comes to hold; dir is its path, ending in a slash unless it is the root.
func (e *treeEdit) entries(ctx context.Context, id plumbing.Hash, dir string, changes map[string]treeChange) ([]treeEntry, error) {
	old, err := e.objects.tree(ctx, id)
	if err != nil {
		return nil, err
	}
	entries := slices.Clone(old)
	below := map[string]map[string]treeChange{}
	for path, c := range changes {
		name, rest, deeper := strings.Cut(path, "/")
		if deeper {
			if below[name] == nil {
				below[name] = map[string]treeChange{}
			}
			below[name][rest] = c
			continue
		}
		i := slices.IndexFunc(entries, func(e treeEntry) bool { return e.name == name })
		if i >= 0 && !entries[i].isRegular() {
			return nil, irregular(dir+name, entries[i].mode)
		}
		switch {
		case c.remove && i >= 0:
			entries = slices.Delete(entries, i, i+1)
		case c.remove:
			return nil, notExist(dir + name)
		case i >= 0:
			entries[i].id, entries[i].mode = c.id, c.mode
		default:
			entries = append(entries, treeEntry{mode: c.mode, name: name, id: c.id})
		}
	}
	for name, sub := range below {
		i := slices.IndexFunc(entries, func(e treeEntry) bool { return e.name == name })
		var child plumbing.Hash
		if i >= 0 {
			if !entries[i].isDir() {
				return nil, &PathError{Path: dir + name, Reason: "is not a folder"}
			}
			child = entries[i].id
		}
		edited, err := e.entries(ctx, child, dir+name+"/", sub)
		if err != nil {
			return nil, err
		}
		if len(edited) == 0 {
			if i >= 0 {
				entries = slices.Delete(entries, i, i+1)
			}
			continue
		}
		id := e.add(dir+name, child, edited)
		if i >= 0 {
			entries[i].id = id
		} else {
			entries = append(entries, treeEntry{mode: modeDir, name: name, id: id})
		}
	}
	return entries, nil
}
