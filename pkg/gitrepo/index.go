package gitrepo

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/go-git/go-git/v5/plumbing"
)

// indexEntry is one file in the index.
type indexEntry struct {
	path         string
	mode         uint32
	id           plumbing.Hash
	stage        int // not 0 while a merge conflict in the file is unresolved
	assumeValid  bool
	skipWorktree bool
	intentToAdd  bool
}

// gitIndex is an index file. It is only read: git itself writes indexes. Few of its entries ever matter, and a repository may
// have a hundred thousand, so they stay in the file's bytes and are walked through.
type gitIndex struct {
	version, count uint32
	body           []byte   // all but the checksum
	extensions     []string // their four-letter names
}

// readIndex reads this worktree's index. A missing one is empty.
func (r *Repo) readIndex() (*gitIndex, error) {
	return readIndexFile(filepath.Join(r.gitDir, "index"))
}

func readIndexFile(path string) (*gitIndex, error) {
	b, err := os.ReadFile(path) //nolint:gosec // part of the repository
	if errors.Is(err, fs.ErrNotExist) {
		return &gitIndex{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read index: %w", err)
	}
	index, err := decodeIndex(b)
	if err != nil {
		return nil, fmt.Errorf("read index: %w", err)
	}
	return index, nil
}

var errMalformedIndex = errors.New("malformed index file")

// Sizes and flags of gitformat-index(5).
const (
	indexHeader       = 12
	indexStat         = 40 // up to the object id; the mode is 24 bytes in
	indexFixed        = indexStat + 20 + 2
	flagAssumeValid   = 0x8000
	flagExtended      = 0x4000
	flagStage         = 0x3000
	flagSkipWorktree  = 0x4000 // of the extended flags
	flagIntentToAdd   = 0x2000
	indexChecksumSize = 20
)

// decodeIndex reads an index of version 2, 3 or 4.
func decodeIndex(b []byte) (*gitIndex, error) {
	if len(b) < indexHeader+indexChecksumSize || string(b[:4]) != "DIRC" {
		return nil, errMalformedIndex
	}
	version, count := binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
	if version < 2 || version > 4 {
		return nil, unsupported(fmt.Sprintf("index version %d", version), "run `git update-index --index-version 2`")
	}
	index := &gitIndex{version: version, count: count, body: b[:len(b)-indexChecksumSize]}
	at, err := index.walk(func([]byte, indexEntry) {})
	if err != nil {
		return nil, err
	}
	body := index.body
	for at+8 <= len(body) {
		index.extensions = append(index.extensions, string(body[at:at+4]))
		size := int64(binary.BigEndian.Uint32(body[at+4:]))
		if size > int64(len(body)-at-8) {
			return nil, errMalformedIndex
		}
		at += 8 + int(size)
	}
	return index, nil
}

// walk calls visit with each entry but for its path, which is given as bytes that are only lent. It gives where the entries
// end.
func (x *gitIndex) walk(visit func(path []byte, e indexEntry)) (end int, err error) {
	var path []byte
	at := indexHeader
	for range x.count {
		e, rest, size, err := decodeIndexEntry(x.body[at:], x.version)
		if err != nil {
			return 0, err
		}
		if x.version == 4 {
			// The name is what the previous one leaves when so many bytes are taken off its end, and a suffix.
			strip, n := offsetVarint(rest)
			if n == 0 || strip > uint64(len(path)) {
				return 0, errMalformedIndex
			}
			path = append(path[:len(path)-int(strip)], rest[n:]...) //nolint:gosec // not over the length
		} else {
			path = rest
		}
		visit(path, e)
		at += size
	}
	return at, nil
}

// entries gives all entries.
func (x *gitIndex) entries() []indexEntry {
	var all []indexEntry
	_, _ = x.walk(func(path []byte, e indexEntry) { // decoding has walked all of it before
		e.path = string(path)
		all = append(all, e)
	})
	return all
}

// decodeIndexEntry reads the entry at the start of b, and gives its name as the file has it, and its size.
func decodeIndexEntry(b []byte, version uint32) (e indexEntry, name []byte, size int, err error) {
	if len(b) < indexFixed {
		return e, nil, 0, errMalformedIndex
	}
	flags := binary.BigEndian.Uint16(b[indexStat+20:])
	e = indexEntry{
		mode:        binary.BigEndian.Uint32(b[24:]),
		id:          plumbing.Hash(b[indexStat : indexStat+20]),
		stage:       int(flags&flagStage) >> 12,
		assumeValid: flags&flagAssumeValid != 0,
	}
	at := indexFixed
	if flags&flagExtended != 0 {
		if version < 3 || len(b) < at+2 {
			return e, nil, 0, errMalformedIndex
		}
		more := binary.BigEndian.Uint16(b[at:])
		e.skipWorktree, e.intentToAdd = more&flagSkipWorktree != 0, more&flagIntentToAdd != 0
		at += 2
	}
	from := at
	if version == 4 { // a number stands before the name, and may hold a NUL
		_, n := offsetVarint(b[at:])
		if n == 0 {
			return e, nil, 0, errMalformedIndex
		}
		at += n
	}
	end := bytes.IndexByte(b[at:], 0)
	if end < 0 {
		return e, nil, 0, errMalformedIndex
	}
	name = b[from : at+end]
	if version == 4 {
		return e, name, at + end + 1, nil
	}
	size = (at + end + 8) &^ 7 // one to eight NULs, up to a multiple of eight
	if size > len(b) {
		return e, nil, 0, errMalformedIndex
	}
	return e, name, size, nil
}

// offsetVarint reads the variable-width integer that pack files use for offsets. It gives 0 bytes for a malformed one.
func offsetVarint(b []byte) (value uint64, n int) {
	for i, c := range b {
		if i > 8 {
			return 0, 0
		}
		value = value<<7 | uint64(c&0x7f)
		if c&0x80 == 0 {
			return value, i + 1
		}
		value++
	}
	return 0, 0
}

// supported refuses indexes that hold only part of what is tracked.
func (x *gitIndex) supported() error {
	for _, name := range x.extensions {
		switch name {
		case "link":
			return unsupported("split index", "run `git config core.splitIndex false && git update-index --no-split-index`")
		case "sdir":
			return unsupported("sparse index", "run `git sparse-checkout disable`")
		}
	}
	return nil
}

// conflicts gives the paths whose merge conflict is unresolved.
func (x *gitIndex) conflicts() []string {
	var paths []string
	_, _ = x.walk(func(path []byte, e indexEntry) {
		if e.stage != 0 && (len(paths) == 0 || paths[len(paths)-1] != string(path)) {
			paths = append(paths, string(path))
		}
	})
	return paths
}

// indexed gives the entries of the paths that are keys of want.
func indexed[V any](x *gitIndex, want map[string]V) map[string]indexEntry {
	found := make(map[string]indexEntry, len(want))
	_, _ = x.walk(func(path []byte, e indexEntry) {
		if _, ok := want[string(path)]; ok && e.stage == 0 {
			e.path = string(path)
			found[e.path] = e
		}
	})
	return found
}

// modeString gives the mode as trees have it.
func (e indexEntry) modeString() string { return strconv.FormatUint(uint64(e.mode), 8) }

// same reports whether two indexes hold the same files, whatever they know of their times and sizes.
func (x *gitIndex) same(y *gitIndex) bool {
	return x.count == y.count && slices.EqualFunc(x.entries(), y.entries(), func(e, f indexEntry) bool {
		return e.path == f.path && e.mode == f.mode && e.id == f.id && e.stage == f.stage && e.intentToAdd == f.intentToAdd
	})
}
