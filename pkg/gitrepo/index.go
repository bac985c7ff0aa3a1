package gitrepo

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

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

// gitIndex is an index file. It is only read: git itself writes indexes, but for the case that indexPatch has. Few of its
// entries ever matter, and a repository may have a hundred thousand, so they stay in the file's bytes.
type gitIndex struct {
	version    uint32
	body       []byte   // all but the checksum
	starts     []int    // where in body each entry starts, in the order of their paths
	end        int      // where the entries end and the extensions start
	extensions []string // their four-letter names
	unmerged   []string // the paths whose merge conflict is unresolved
}

// readIndex reads this worktree's index. A missing one is empty.
func (r *Repo) readIndex() (*gitIndex, error) {
	index, _, _, err := r.indexFile()
	return index, err
}

// indexFile gives this worktree's index with its checksum and what the system says of its file, nil for none. As long as it
// is the same file it is read once: git replaces indexes and never writes into them.
func (r *Repo) indexFile() (*gitIndex, []byte, fs.FileInfo, error) {
	r.index.mu.Lock()
	defer r.index.mu.Unlock()
	k := &r.index
	path := filepath.Join(r.gitDir, "index")
	now, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &gitIndex{}, nil, nil, nil
	}
	if err != nil {
		return nil, nil, nil, fmt.Errorf("read index: %w", err)
	}
	if k.file != nil && os.SameFile(k.info, now) && k.info.ModTime().Equal(now.ModTime()) && k.info.Size() == now.Size() {
		return k.index, k.checksum, k.info, nil
	}
	k.forget()
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("read index: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, nil, nil, errors.Join(fmt.Errorf("read index: %w", err), file.Close())
	}
	b := make([]byte, info.Size())
	if _, err := io.ReadFull(file, b); err != nil {
		return nil, nil, nil, errors.Join(fmt.Errorf("read index: %w", err), file.Close())
	}
	index, err := decodeIndex(b)
	if err != nil {
		return nil, nil, nil, errors.Join(fmt.Errorf("read index: %w", err), file.Close())
	}
	k.index, k.checksum, k.info, k.file = index, b[len(index.body):], info, file
	if runtime.GOOS == "windows" { // where an open file cannot be replaced
		k.forget()
	}
	return index, b[len(index.body):], info, nil
}

// keptIndex is the index as it was read last. The file stays open, so that no other one can get its number.
type keptIndex struct {
	mu       sync.Mutex
	file     *os.File // nil: nothing is kept
	info     fs.FileInfo
	index    *gitIndex
	checksum []byte
}

func (k *keptIndex) forget() {
	if k.file != nil {
		_ = k.file.Close()
	}
	k.file, k.info, k.index, k.checksum = nil, nil, nil, nil
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
	index := &gitIndex{version: version, body: b[:len(b)-indexChecksumSize]}
	body := index.body
	index.starts = make([]int, 0, min(int(count), len(body)/(indexFixed+1)))
	at := indexHeader
	var path []byte
	for range count {
		name, flags, size, err := splitIndexEntry(body[at:], version)
		if err != nil {
			return nil, err
		}
		if path, err = joinPath(path, name, version); err != nil {
			return nil, err
		}
		if flags&flagStage != 0 && (len(index.unmerged) == 0 || index.unmerged[len(index.unmerged)-1] != string(path)) {
			index.unmerged = append(index.unmerged, string(path))
		}
		index.starts = append(index.starts, at)
		at += size
	}
	index.end = at
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

// splitIndexEntry gives the name of the entry at the start of b as the file has it, its flags, and its size.
func splitIndexEntry(b []byte, version uint32) (name []byte, flags uint16, size int, err error) {
	if len(b) < indexFixed {
		return nil, 0, 0, errMalformedIndex
	}
	flags = binary.BigEndian.Uint16(b[indexStat+20:])
	at := indexFixed
	if flags&flagExtended != 0 {
		if version < 3 || len(b) < at+2 {
			return nil, 0, 0, errMalformedIndex
		}
		at += 2
	}
	from := at
	if version == 4 { // a number stands before the name, and may hold a NUL
		_, n := offsetVarint(b[at:])
		if n == 0 {
			return nil, 0, 0, errMalformedIndex
		}
		at += n
	}
	end := bytes.IndexByte(b[at:], 0)
	if end < 0 {
		return nil, 0, 0, errMalformedIndex
	}
	name = b[from : at+end]
	if version == 4 {
		return name, flags, at + end + 1, nil
	}
	size = (at + end + 8) &^ 7 // one to eight NULs, up to a multiple of eight
	if size > len(b) {
		return nil, 0, 0, errMalformedIndex
	}
	return name, flags, size, nil
}

// joinPath gives an entry's path, of its name in the file and the path before. In version 4 the name is what the previous one
// leaves when so many bytes are taken off its end, and a suffix; path is then overwritten.
func joinPath(path, name []byte, version uint32) ([]byte, error) {
	if version != 4 {
		return name, nil
	}
	strip, n := offsetVarint(name)
	if n == 0 || strip > uint64(len(path)) {
		return nil, errMalformedIndex
	}
	return append(path[:len(path)-int(strip)], name[n:]...), nil //nolint:gosec // not over the length
}

// paths gives each entry's place in starts with its path, which is only lent.
func (x *gitIndex) paths() iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		var path []byte
		for i, at := range x.starts {
			name, _, _, _ := splitIndexEntry(x.body[at:], x.version) // decoding has seen all of them
			path, _ = joinPath(path, name, x.version)
			if !yield(i, path) {
				return
			}
		}
	}
}

// find gives the place in starts of the entry of a path, without conflict.
func (x *gitIndex) find(path string) (int, bool) {
	if x.version == 4 { // where a path can only be told from the one before
		for i, p := range x.paths() {
			if string(p) == path {
				return i, x.entry(i).stage == 0
			}
		}
		return 0, false
	}
	i, found := slices.BinarySearchFunc(x.starts, path, func(at int, path string) int {
		name, _, _, _ := splitIndexEntry(x.body[at:], x.version)
		return strings.Compare(string(name), path)
	})
	return i, found && x.entry(i).stage == 0
}

// entry gives all of an entry but its path.
func (x *gitIndex) entry(i int) indexEntry {
	b := x.body[x.starts[i]:]
	flags := binary.BigEndian.Uint16(b[indexStat+20:])
	e := indexEntry{
		mode:        binary.BigEndian.Uint32(b[24:]),
		id:          plumbing.Hash(b[indexStat : indexStat+20]),
		stage:       int(flags&flagStage) >> 12,
		assumeValid: flags&flagAssumeValid != 0,
	}
	if flags&flagExtended != 0 {
		more := binary.BigEndian.Uint16(b[indexFixed:])
		e.skipWorktree, e.intentToAdd = more&flagSkipWorktree != 0, more&flagIntentToAdd != 0
	}
	return e
}

// entries gives all entries.
func (x *gitIndex) entries() []indexEntry {
	all := make([]indexEntry, 0, len(x.starts))
	for i, path := range x.paths() {
		e := x.entry(i)
		e.path = string(path)
		all = append(all, e)
	}
	return all
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

// indexed gives the entries of the paths that are keys of want.
func indexed[V any](x *gitIndex, want map[string]V) map[string]indexEntry {
	found := make(map[string]indexEntry, len(want))
	for path := range want {
		if i, ok := x.find(path); ok {
			e := x.entry(i)
			e.path = path
			found[path] = e
		}
	}
	return found
}

// modeString gives the mode as trees have it.
func (e indexEntry) modeString() string { return strconv.FormatUint(uint64(e.mode), 8) }

// same reports whether two indexes hold the same files, whatever they know of their times and sizes.
func (x *gitIndex) same(y *gitIndex) bool {
	return len(x.starts) == len(y.starts) && slices.EqualFunc(x.entries(), y.entries(), func(e, f indexEntry) bool {
		return e.path == f.path && e.mode == f.mode && e.id == f.id && e.stage == f.stage && e.intentToAdd == f.intentToAdd
	})
}
