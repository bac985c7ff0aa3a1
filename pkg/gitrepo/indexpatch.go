package gitrepo

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // the checksum that the format has
	"encoding/binary"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/go-git/go-git/v5/plumbing"
)

// indexPatch says what replacing the content of files that are in the index already changes in it.
type indexPatch struct {
	files map[string]plumbing.Hash // the blob that each path comes to have
	trees map[string]treeMove      // by folder ("" is the root): what HEAD's tree was, and will be
}

type treeMove struct{ from, to plumbing.Hash }

// worktree is what a patch has to know of the files on disk.
type worktree interface {
	// stat gives what lstat(2) says of a regular file, as the index keeps it.
	stat(path string) (b [indexStat]byte, ok bool)
	// is reports whether a file is the blob that the index says.
	is(path string, e indexEntry) bool
}

// apply gives the bytes of an index with the patch in it, in pieces, most of which are the index's own. It only ever replaces fields of fixed size, in files written as
// gitformat-index(5) has it, and gives ok = false wherever git would have more to do than that: then git is to do it.
//
// written is when the present index file was, in seconds of Unix time. What git knows of a file younger than that may hide an
// edit, so like git it looks into those files before the index becomes younger (racy-git in Git's documentation).
func (p indexPatch) apply(x *gitIndex, checksum []byte, written uint32, disk worktree) (out [][]byte, ok bool) {
	if len(x.starts) == 0 || bytes.Count(checksum, []byte{0}) == len(checksum) { // index.skipHash
		return nil, false
	}
	for _, name := range x.extensions {
		// Known to say nothing about a single tracked file's content, or looked after below.
		if !slices.Contains([]string{"TREE", "REUC", "UNTR"}, name) {
			return nil, false
		}
	}
	at := map[int]string{}
	for path := range p.files {
		i, found := x.find(path)
		if !found {
			return nil, false
		}
		at[i] = path
	}
	from := 0
	for _, i := range slices.Sorted(maps.Keys(at)) {
		entry, ok := p.entry(x, i, at[i], disk)
		if !ok {
			return nil, false
		}
		out = append(out, x.body[from:x.starts[i]], entry)
		from = x.starts[i] + len(entry)
	}
	extensions := bytes.Clone(x.body[x.end:])
	if !p.looked(x, written, disk) || !p.moveTrees(extensions, x.extensions) {
		return nil, false
	}
	out = append(out, x.body[from:x.end], extensions)
	sum := sha1.New() //nolint:gosec // as above
	for _, piece := range out {
		sum.Write(piece)
	}
	return append(out, sum.Sum(nil)), true
}

// entry gives the beginning of an entry with its new content: all of fixed size that the patch replaces.
func (p indexPatch) entry(x *gitIndex, i int, path string, disk worktree) ([]byte, bool) {
	if e := x.entry(i); e.assumeValid || e.skipWorktree || e.intentToAdd {
		return nil, false
	}
	s, known := disk.stat(path)
	if !known {
		return nil, false
	}
	// The mode is Git's own, of the entry: it was checked to be what is on disk.
	copy(s[indexModeAt:indexModeAt+4], x.body[x.starts[i]+indexModeAt:])
	id := p.files[path]
	return append(s[:], id[:]...), true
}

// looked reports whether no entry as young as the index hides an edit.
func (p indexPatch) looked(x *gitIndex, written uint32, disk worktree) bool {
	young := map[int]bool{}
	for i, at := range x.starts {
		if binary.BigEndian.Uint32(x.body[at+indexMtimeAt:]) >= written {
			young[i] = true
		}
	}
	if len(young) == 0 {
		return true
	}
	if len(young) > maxRacy+len(p.files) {
		return false
	}
	for i, path := range x.paths() {
		if _, mine := p.files[string(path)]; young[i] && !mine && !disk.is(string(path), x.entry(i)) {
			return false
		}
	}
	return true
}

const (
	// Where the parts of an entry's stat data are.
	indexMtimeAt = 8
	indexModeAt  = 24

	maxRacy = 64 // files to look into; with more of them git is as fast
)

// onDisk is the worktree of a repository.
type onDisk struct {
	root    string
	convert *converter
}

func (d onDisk) path(path string) string { return filepath.Join(d.root, filepath.FromSlash(path)) }

func (d onDisk) stat(path string) ([indexStat]byte, bool) { return indexStatOf(d.path(path)) }

func (d onDisk) is(path string, e indexEntry) bool {
	info, err := os.Lstat(d.path(path))
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxObject {
		return false
	}
	b, err := os.ReadFile(d.path(path))
	return err == nil && !d.convert.mayConvert(path, b) && plumbing.ComputeHash(plumbing.BlobObject, b) == e.id
}

// moveTrees brings the extension up to date that remembers which folders are the trees of which ids.
func (p indexPatch) moveTrees(out []byte, extensions []string) bool {
	at := 0
	for _, name := range extensions {
		size := int(binary.BigEndian.Uint32(out[at+4:]))
		at += 8
		if name == "TREE" {
			rest, ok := p.moveTree(out[at:at+size], "", true)
			if !ok || len(rest) > 0 {
				return false
			}
		}
		at += size
	}
	return true
}

// moveTree handles one folder and those below it, and gives what comes after them: its name, NUL, how many entries of the
// index it covers (-1: not known to be any tree), space, how many folders follow below it, newline, and its id if it has one.
func (p indexPatch) moveTree(b []byte, above string, root bool) (rest []byte, ok bool) {
	name, b, ok1 := bytes.Cut(b, []byte{0})
	line, b, ok2 := bytes.Cut(b, []byte{'\n'})
	covers, folders, ok3 := bytes.Cut(line, []byte{' '})
	n, err := strconv.Atoi(string(folders))
	if !ok1 || !ok2 || !ok3 || err != nil || n < 0 {
		return nil, false
	}
	dir := string(name)
	if !root && above != "" {
		dir = above + "/" + dir
	}
	if len(covers) > 0 && covers[0] != '-' {
		if len(b) < 20 {
			return nil, false
		}
		if move, changes := p.trees[dir]; changes {
			if !bytes.Equal(b[:20], move.from[:]) {
				return nil, false // something else is staged in there
			}
			copy(b, move.to[:])
		}
		b = b[20:]
	}
	for range n {
		if b, ok = p.moveTree(b, dir, false); !ok {
			return nil, false
		}
	}
	return b, true
}

// patchIndex makes the new index in the transaction's folder without git, and reports whether it could.
func (c *commitRun) patchIndex() (bool, error) {
	p := indexPatch{files: map[string]plumbing.Hash{}, trees: c.trees}
	for _, f := range c.plan.files {
		if f.remove || !f.exists || f.old.id.IsZero() || f.old.mode != f.new.mode || f.converted {
			return false, nil
		}
		p.files[f.path] = f.new.id
	}
	index, checksum, info, err := c.repo.indexFile()
	if err != nil || info == nil {
		return false, err
	}
	data, ok := p.apply(index, checksum, uint32(info.ModTime().Unix()), onDisk{c.repo.root, c.plan.convert})
	if !ok {
		return false, nil
	}
	// The stat data now says "this is that blob": so it must still be what was put there, whatever an editor did since.
	for i, f := range c.txn.journal.Files {
		if same, err := hasDigest(c.txn.target(f.Path), f.After); err != nil || !same {
			return false, edited([]string{c.txn.journal.Files[i].Path})
		}
	}
	file, err := os.OpenFile(c.txn.path("index"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, info.Mode().Perm())
	if err != nil {
		return false, err
	}
	for _, piece := range data {
		if _, err := file.Write(piece); err != nil {
			_ = file.Close()
			return false, err
		}
	}
	if err := file.Chmod(info.Mode().Perm()); err != nil { // as it was, whatever the umask
		_ = file.Close()
		return false, err
	}
	c.step("index patched")
	return true, file.Close()
}
