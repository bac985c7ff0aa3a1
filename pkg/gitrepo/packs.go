package gitrepo

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/format/idxfile"
	"github.com/go-git/go-git/v5/plumbing/format/objfile"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
)

// objectFolder is one "objects" folder. Files are decoded by go-git; finding an object in them costs the same however many
// there are, as a pack's index is searched where it is and never read whole. It is not safe for concurrent use.
type objectFolder struct {
	dir   string
	packs []*pack
}

const bases = 8 * cache.MiByte // of deltas, kept to be built upon

// openFolder lists the packs that are there now.
func openFolder(dir string) (*objectFolder, error) {
	f := &objectFolder{dir: dir}
	names, err := os.ReadDir(filepath.Join(dir, "pack"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	shared := cache.NewObjectLRU(bases)
	for _, n := range names {
		if base, ok := strings.CutSuffix(n.Name(), ".idx"); ok && strings.HasPrefix(base, "pack-") {
			f.packs = append(f.packs, &pack{base: filepath.Join(dir, "pack", base), cache: shared})
		}
	}
	return f, nil
}

func (f *objectFolder) close() {
	for _, p := range f.packs {
		p.close()
	}
}

// read gives an object, or [plumbing.ErrObjectNotFound].
func (f *objectFolder) read(id plumbing.Hash) (plumbing.ObjectType, []byte, error) {
	kind, content, err := f.readLoose(id)
	if !errors.Is(err, fs.ErrNotExist) {
		return kind, content, err
	}
	// Packs are written one after another, and what is looked for together was mostly written together: the last hit first.
	for i, p := range f.packs {
		obj, err := p.get(id)
		if errors.Is(err, plumbing.ErrObjectNotFound) {
			continue
		}
		if err != nil {
			return 0, nil, err
		}
		f.packs[0], f.packs[i] = f.packs[i], f.packs[0]
		content, err := readAll(obj)
		return obj.Type(), content, err
	}
	return 0, nil, plumbing.ErrObjectNotFound
}

func (f *objectFolder) readLoose(id plumbing.Hash) (kind plumbing.ObjectType, content []byte, err error) {
	hex := id.String()
	file, err := os.Open(filepath.Join(f.dir, hex[:2], hex[2:]))
	if err != nil {
		return 0, nil, err
	}
	defer file.Close()
	rd, err := objfile.NewReader(file)
	if err != nil {
		return 0, nil, err
	}
	defer func() { err = errors.Join(err, rd.Close()) }()
	kind, size, err := rd.Header()
	if err != nil {
		return 0, nil, err
	}
	content, err = readSized(rd, size)
	return kind, content, err
}

// pack is one pack file with its index, opened when it is first asked.
type pack struct {
	base  string // the path without .pack and .idx
	cache cache.Object

	index *packIndex
	files *packfile.Packfile
}

func (p *pack) get(id plumbing.Hash) (plumbing.EncodedObject, error) {
	if err := p.open(id); err != nil {
		return nil, err
	}
	return p.files.Get(id)
}

// open opens the pack for reading an object of it. The error is [plumbing.ErrObjectNotFound] if it holds none of that id.
func (p *pack) open(id plumbing.Hash) error {
	if p.index == nil {
		index, err := openPackIndex(p.base + ".idx")
		if err != nil {
			return err
		}
		p.index = index
	}
	if _, err := p.index.FindOffset(id); err != nil {
		return err
	}
	if p.files == nil {
		fs := osfs.New(filepath.Dir(p.base), osfs.WithBoundOS())
		file, err := fs.Open(filepath.Base(p.base) + ".pack")
		if err != nil {
			return err
		}
		p.files = packfile.NewPackfileWithCache(p.index, fs, file, p.cache, 0)
	}
	return nil
}

func (p *pack) close() {
	if p.files != nil {
		_ = p.files.Close()
	}
	if p.index != nil {
		_ = p.index.file.Close()
	}
}

// packIndex is a pack index of version 2 (gitformat-pack(5)) that stays on disk.
type packIndex struct {
	file   *os.File
	fanout [256]uint32 // how many ids have a first byte up to this one

	// For deltas, whose base is named by its place.
	offsets []byte // the table of 32-bit offsets, once a base was asked for
	asked   int
	byPlace map[int64]int // once many were
}

// Where the tables start.
const (
	packIndexHeader = 8
	packIndexIDs    = packIndexHeader + 256*4
	manyBases       = 64 // from here on a table pays: looking through 100,000 offsets takes some 30 µs
)

func openPackIndex(path string) (_ *packIndex, err error) {
	file, err := os.Open(path) //nolint:gosec // part of the repository
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = file.Close()
		}
	}()
	x := &packIndex{file: file}
	var head [packIndexIDs]byte
	if _, err := file.ReadAt(head[:], 0); err != nil {
		return nil, fmt.Errorf("read pack index: %w", err)
	}
	if !bytes.Equal(head[:packIndexHeader], []byte("\xfftOc\x00\x00\x00\x02")) {
		return nil, unsupported("a pack index that is not of version 2", "run `git -c pack.indexVersion=2 repack -a -d`")
	}
	for i := range x.fanout {
		x.fanout[i] = binary.BigEndian.Uint32(head[packIndexHeader+4*i:])
		if i > 0 && x.fanout[i] < x.fanout[i-1] {
			return nil, fmt.Errorf("read pack index %s: malformed fan-out table", path)
		}
	}
	const checksums = 2 * 20
	if info, err := file.Stat(); err != nil || info.Size() < packIndexIDs+28*x.count()+checksums {
		return nil, errors.Join(err, fmt.Errorf("read pack index %s: shorter than its tables", path))
	}
	return x, nil
}

func (x *packIndex) count() int64 { return int64(x.fanout[255]) }

// place gives the position of an id in the tables, or one below zero.
func (x *packIndex) place(id plumbing.Hash) (int64, error) {
	low, high := int64(0), int64(x.fanout[id[0]])
	if id[0] > 0 {
		low = int64(x.fanout[id[0]-1])
	}
	if low == high {
		return -1, nil
	}
	ids := make([]byte, 20*(high-low)) // a 256th of all
	if _, err := x.file.ReadAt(ids, packIndexIDs+20*low); err != nil {
		return 0, fmt.Errorf("read pack index: %w", err)
	}
	at, found := sort.Find(int(high-low), func(i int) int { return bytes.Compare(id[:], ids[20*i:20*i+20]) })
	if !found {
		return -1, nil
	}
	return low + int64(at), nil
}

// FindOffset gives where an object is in the pack, or [plumbing.ErrObjectNotFound].
func (x *packIndex) FindOffset(id plumbing.Hash) (int64, error) {
	at, err := x.place(id)
	if err != nil {
		return 0, err
	}
	if at < 0 {
		return 0, plumbing.ErrObjectNotFound
	}
	var b [8]byte
	table := packIndexIDs + 24*x.count() // after the ids and their checksums
	if _, err := x.file.ReadAt(b[:4], table+4*at); err != nil {
		return 0, fmt.Errorf("read pack index: %w", err)
	}
	offset := binary.BigEndian.Uint32(b[:])
	if offset < 1<<31 {
		return int64(offset), nil
	}
	// Beyond 2 GiB: the rest of the number is the position in a table of 64-bit offsets.
	if _, err := x.file.ReadAt(b[:], table+4*x.count()+8*int64(offset&^(1<<31))); err != nil {
		return 0, fmt.Errorf("read pack index: %w", err)
	}
	return int64(binary.BigEndian.Uint64(b[:])), nil
}

// FindHash gives the id of the object at a place in the pack.
func (x *packIndex) FindHash(offset int64) (id plumbing.Hash, err error) {
	at, err := x.at(offset)
	if err != nil {
		return id, err
	}
	if _, err := x.file.ReadAt(id[:], packIndexIDs+20*int64(at)); err != nil {
		return id, fmt.Errorf("read pack index: %w", err)
	}
	return id, nil
}

// at gives the position in the tables of the object at a place in the pack.
func (x *packIndex) at(offset int64) (int, error) {
	if x.offsets == nil {
		offsets := make([]byte, 4*x.count())
		if _, err := x.file.ReadAt(offsets, packIndexIDs+24*x.count()); err != nil {
			return 0, fmt.Errorf("read pack index: %w", err)
		}
		x.offsets = offsets
	}
	x.asked++
	if x.asked <= manyBases && x.byPlace == nil {
		for i := 0; i < len(x.offsets); i += 4 {
			if int64(binary.BigEndian.Uint32(x.offsets[i:])) == offset {
				return i / 4, nil
			}
		}
	}
	if x.byPlace == nil {
		if err := x.tabulate(); err != nil {
			return 0, err
		}
	}
	at, ok := x.byPlace[offset]
	if !ok {
		return 0, plumbing.ErrObjectNotFound
	}
	return at, nil
}

func (x *packIndex) tabulate() error {
	x.byPlace = make(map[int64]int, x.count())
	for i := range int(x.count()) {
		offset := int64(binary.BigEndian.Uint32(x.offsets[4*i:]))
		if offset >= 1<<31 {
			var b [8]byte
			if _, err := x.file.ReadAt(b[:], packIndexIDs+28*x.count()+8*(offset&^(1<<31))); err != nil {
				return fmt.Errorf("read pack index: %w", err)
			}
			offset = int64(binary.BigEndian.Uint64(b[:]))
		}
		x.byPlace[offset] = i
	}
	return nil
}

// Contains implements [idxfile.Index].
func (x *packIndex) Contains(id plumbing.Hash) (bool, error) {
	at, err := x.place(id)
	return at >= 0, err
}

// Count implements [idxfile.Index].
func (x *packIndex) Count() (int64, error) { return x.count(), nil }

// FindCRC32 is not needed to read objects, whose content is checked against their id.
func (x *packIndex) FindCRC32(plumbing.Hash) (uint32, error) { return 0, errors.ErrUnsupported }

// Entries is not needed to read objects by their id.
func (x *packIndex) Entries() (idxfile.EntryIter, error) { return nil, errors.ErrUnsupported }

// EntriesByOffset is not needed to read objects by their id.
func (x *packIndex) EntriesByOffset() (idxfile.EntryIter, error) { return nil, errors.ErrUnsupported }
