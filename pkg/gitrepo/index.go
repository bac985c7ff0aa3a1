package gitrepo

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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

// gitIndex is what the index holds, as far as it matters here. It is only read: git itself writes indexes.
type gitIndex struct {
	entries    []indexEntry
	extensions []string // their four-letter names
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
	body := b[:len(b)-indexChecksumSize]
	index := &gitIndex{entries: make([]indexEntry, 0, min(int(count), len(body)/(indexFixed+1)))}
	at, previous := indexHeader, ""
	for range count {
		e, size, err := decodeIndexEntry(body[at:], version, previous)
		if err != nil {
			return nil, err
		}
		index.entries = append(index.entries, e)
		previous = e.path
		at += size
	}
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

// decodeIndexEntry reads the entry at the start of b and gives its size.
func decodeIndexEntry(b []byte, version uint32, previous string) (indexEntry, int, error) {
	if len(b) < indexFixed {
		return indexEntry{}, 0, errMalformedIndex
	}
	flags := binary.BigEndian.Uint16(b[indexStat+20:])
	e := indexEntry{
		mode:        binary.BigEndian.Uint32(b[24:]),
		id:          plumbing.Hash(b[indexStat : indexStat+20]),
		stage:       int(flags&flagStage) >> 12,
		assumeValid: flags&flagAssumeValid != 0,
	}
	at := indexFixed
	if flags&flagExtended != 0 {
		if version < 3 || len(b) < at+2 {
			return indexEntry{}, 0, errMalformedIndex
		}
		more := binary.BigEndian.Uint16(b[at:])
		e.skipWorktree, e.intentToAdd = more&flagSkipWorktree != 0, more&flagIntentToAdd != 0
		at += 2
	}
	prefix := ""
	if version == 4 {
		// The name is what the previous one leaves when so many bytes are taken off its end, and a suffix.
		strip, n := offsetVarint(b[at:])
		if n == 0 || strip > uint64(len(previous)) {
			return indexEntry{}, 0, errMalformedIndex
		}
		prefix = previous[:len(previous)-int(strip)] //nolint:gosec // not over the length
		at += n
	}
	end := bytes.IndexByte(b[at:], 0)
	if end < 0 {
		return indexEntry{}, 0, errMalformedIndex
	}
	e.path = prefix + string(b[at:at+end])
	if version == 4 {
		return e, at + end + 1, nil
	}
	size := (at + end + 8) &^ 7 // one to eight NULs, up to a multiple of eight
	if size > len(b) {
		return indexEntry{}, 0, errMalformedIndex
	}
	return e, size, nil
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
	for _, e := range x.entries {
		if e.stage != 0 && (len(paths) == 0 || paths[len(paths)-1] != e.path) {
			paths = append(paths, e.path)
		}
	}
	return paths
}

// indexed gives the entries of the paths that are keys of want.
func indexed[V any](x *gitIndex, want map[string]V) map[string]indexEntry {
	found := make(map[string]indexEntry, len(want))
	for _, e := range x.entries {
		if _, ok := want[e.path]; ok && e.stage == 0 {
			found[e.path] = e
		}
	}
	return found
}

// modeString gives the mode as trees have it.
func (e indexEntry) modeString() string { return strconv.FormatUint(uint64(e.mode), 8) }

// same reports whether two indexes hold the same files, whatever they know of their times and sizes.
func (x *gitIndex) same(y *gitIndex) bool {
	if len(x.entries) != len(y.entries) {
		return false
	}
	for i, e := range x.entries {
		f := y.entries[i]
		if e.path != f.path || e.mode != f.mode || e.id != f.id || e.stage != f.stage || e.intentToAdd != f.intentToAdd {
			return false
		}
	}
	return true
}
