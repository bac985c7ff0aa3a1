package gitrepo

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"
)

// replacement is what is to become of one file of the working tree.
type replacement struct {
	path    string
	remove  bool
	content []byte      // on disk, after
	exists  bool        // whether there is a file now
	before  []byte      // on disk, now
	perm    fs.FileMode // of the file there is now
	exec    bool        // whether a new file is executable
	// In commits: the tree entries before and after.
	old, new  treeEntry
	converted bool // whether git made the blob: it is not the file byte for byte
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func (p replacement) journal() journalFile {
	f := journalFile{Path: p.path}
	if p.exists {
		f.Before = digest(p.before)
	}
	if !p.remove {
		f.After = digest(p.content)
	}
	if !p.old.id.IsZero() {
		f.OldBlob, f.OldMode = p.old.id.String(), p.old.mode
	}
	if !p.new.id.IsZero() {
		f.NewBlob, f.NewMode = p.new.id.String(), p.new.mode
	}
	return f
}

// stage writes the files to be and the journal. Nothing that anybody else looks at has changed when it returns.
func (t *txn) stage(files []replacement, step func()) error {
	here, err := os.Stat(t.dir)
	if err != nil {
		return fmt.Errorf("stage files: %w", err)
	}
	for _, p := range files {
		dir, missing, err := t.nearestDir(p.path)
		if err != nil {
			return fmt.Errorf("stage %s: %w", p.path, err)
		}
		for _, d := range missing {
			if !slices.Contains(t.journal.Dirs, d) {
				t.journal.Dirs = append(t.journal.Dirs, d)
			}
		}
		if t.staging == t.dir && !sameDevice(here, dir) {
			if err := t.stageInWorktree(); err != nil {
				return fmt.Errorf("stage files: %w", err)
			}
		}
		t.journal.Files = append(t.journal.Files, p.journal())
	}
	slices.Sort(t.journal.Dirs)
	if t.staging != t.dir { // recovery must know of the folder before there is anything in it
		if err := t.record(); err != nil {
			return err
		}
	}
	var g errgroup.Group
	g.SetLimit(8) // the fsyncs wait for the same journal commit of the file system, so they overlap well
	for i, p := range files {
		if p.remove {
			continue
		}
		g.Go(func() error {
			if err := t.stageFile(i, p); err != nil {
				return fmt.Errorf("stage %s: %w", p.path, err)
			}
			if step != nil {
				step()
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return t.record()
}

// nearestDir gives the folder a file is or will be in, or if that is missing the nearest that exists, and the missing ones.
func (t *txn) nearestDir(path string) (info fs.FileInfo, missing []string, err error) {
	dir := path
	for {
		i := strings.LastIndexByte(dir, '/')
		if i < 0 {
			info, err = os.Stat(t.repo.root)
			return info, missing, err
		}
		dir = dir[:i]
		info, err = os.Lstat(t.target(dir))
		switch {
		case err == nil && !info.IsDir():
			return nil, nil, &PathError{Path: dir, Reason: "is not a folder"}
		case err == nil:
			return info, missing, nil
		case !errors.Is(err, fs.ErrNotExist):
			return nil, nil, err
		}
		missing = append(missing, dir)
	}
}

// stageInWorktree moves the staging folder to the top of the working tree, hidden from git by an ignore file of its own.
func (t *txn) stageInWorktree() error {
	t.journal.Staging = ".lcm-" + t.id
	t.staging = filepath.Join(t.repo.root, t.journal.Staging)
	if err := os.Mkdir(t.staging, 0o777); err != nil { //nolint:gosec // the umask decides, as for every file here
		return err
	}
	return os.WriteFile(filepath.Join(t.staging, ".gitignore"), []byte("*\n"), 0o666) //nolint:gosec // as above
}

func (t *txn) staged(i int) string { return filepath.Join(t.staging, strconv.Itoa(i)) }

func (t *txn) target(path string) string { return filepath.Join(t.repo.root, filepath.FromSlash(path)) }

func (t *txn) stageFile(i int, p replacement) (err error) {
	perm := fs.FileMode(0o666)
	if p.exec {
		perm = 0o777
	}
	if p.exists {
		perm = p.perm
	}
	f, err := os.OpenFile(t.staged(i), os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return err
	}
	if p.exists { // exactly as it was, whatever the umask
		if err := f.Chmod(perm); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	if _, err := f.Write(p.content); err != nil {
		return errors.Join(err, f.Close())
	}
	return errors.Join(f.Sync(), f.Close())
}

// errEdited says that a file is not what it was when the change was planned.
var errEdited = errors.New("edited meanwhile")

// syncFolders makes what swapIn did durable. One call for all files: a folder is synced once, however many of its files change.
func (t *txn) syncFolders() error {
	synced := map[string]bool{}
	for _, f := range t.journal.Files {
		dir := filepath.Dir(t.target(f.Path))
		if synced[dir] {
			continue
		}
		synced[dir] = true
		if err := syncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

// swapIn puts one staged file in place. The file that was there takes its place in the staging folder, and if that turns
// out not to be the expected one, it is put back: the error is errEdited.
func (t *txn) swapIn(i int, f journalFile) error {
	staged, target := t.staged(i), t.target(f.Path)
	switch {
	case f.Before == "":
		return t.create(staged, target)
	case f.After == "":
		return t.takeAway(staged, target, f)
	}
	err := exchange(staged, target)
	if errors.Is(err, errors.ErrUnsupported) {
		return t.replace(i, f)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return errEdited
	}
	if err != nil {
		return err
	}
	if ok, err := hasDigest(staged, f.Before); err != nil || !ok {
		return errors.Join(errEdited, err, exchange(staged, target))
	}
	return nil
}

func (t *txn) create(staged, target string) error {
	if err := os.MkdirAll(filepath.Dir(target), 0o777); err != nil { //nolint:gosec // as git does: the umask decides
		return err
	}
	err := renameNew(staged, target)
	if errors.Is(err, errors.ErrUnsupported) {
		if err = os.Link(staged, target); err == nil {
			err = os.Remove(staged)
		}
	}
	if errors.Is(err, fs.ErrExist) {
		return errEdited
	}
	if err != nil {
		return err
	}
	return nil
}

func (t *txn) takeAway(staged, target string, f journalFile) error {
	if err := os.Rename(target, staged); errors.Is(err, fs.ErrNotExist) {
		return errEdited
	} else if err != nil {
		return err
	}
	if ok, err := hasDigest(staged, f.Before); err != nil || !ok {
		return errors.Join(errEdited, err, os.Rename(staged, target))
	}
	return nil
}

// replace is swapIn for file systems that cannot exchange: the old file gets a second name before the new one takes its
// place.
func (t *txn) replace(i int, f journalFile) error {
	staged, target, kept := t.staged(i), t.target(f.Path), t.kept(i)
	if err := os.Link(target, kept); errors.Is(err, fs.ErrNotExist) {
		return errEdited
	} else if err != nil {
		content, err := os.ReadFile(target) //nolint:gosec // inside the working tree, checked
		if err != nil {
			return err
		}
		if err := os.WriteFile(kept, content, 0o600); err != nil {
			return err
		}
		if info, err := os.Stat(target); err == nil {
			_ = os.Chmod(kept, info.Mode().Perm())
		}
	}
	if ok, err := hasDigest(kept, f.Before); err != nil || !ok {
		return errors.Join(errEdited, err, os.Remove(kept))
	}
	if err := os.Rename(staged, target); err != nil {
		return err
	}
	return nil
}

func (t *txn) kept(i int) string { return t.staged(i) + ".old" }

// restore undoes swapIn if it was done. A file that somebody has edited since is left as it is, and reported as kept.
func (t *txn) restore(f journalFile) (kept bool, err error) {
	i := slices.IndexFunc(t.journal.Files, func(g journalFile) bool { return g.Path == f.Path })
	staged, target := t.staged(i), t.target(f.Path)
	switch {
	case f.Before == "":
		return t.uncreate(staged, target, f)
	case f.After == "":
		if _, err := os.Lstat(staged); errors.Is(err, fs.ErrNotExist) {
			return false, nil // not taken away yet, or already back
		} else if err != nil {
			return false, err
		}
		if err := os.MkdirAll(filepath.Dir(target), 0o777); err != nil { //nolint:gosec // as git does
			return false, err
		}
		if _, err := os.Lstat(target); err == nil {
			return true, nil
		}
		return false, os.Rename(staged, target)
	}
	if ours, err := hasDigest(target, f.After); err != nil || !ours {
		if errors.Is(err, fs.ErrNotExist) {
			return true, nil
		}
		before, _ := hasDigest(target, f.Before)
		return !before, err
	}
	if _, err := os.Lstat(t.kept(i)); err == nil {
		return false, os.Rename(t.kept(i), target)
	}
	if same, err := hasDigest(staged, f.After); err != nil || same {
		return false, ignoreMissing(err) // not swapped in
	}
	return false, os.Rename(staged, target)
}

func (t *txn) uncreate(staged, target string, f journalFile) (kept bool, err error) {
	if there, err := os.Lstat(staged); err == nil {
		// Not in place, or (by link) in place under both names.
		now, err := os.Lstat(target)
		if err != nil || !os.SameFile(there, now) {
			return false, ignoreMissing(err)
		}
		return false, os.Remove(target)
	}
	ours, err := hasDigest(target, f.After)
	if err != nil || !ours {
		return err == nil, ignoreMissing(err)
	}
	return false, os.Remove(target)
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// removeDirs removes the folders the transaction made, as far as they are empty.
func (t *txn) removeDirs() {
	for _, d := range slices.Backward(t.journal.Dirs) {
		_ = os.Remove(t.target(d))
	}
}

// pruneDirs removes the folders that the transaction's removals left empty, as git does.
func (t *txn) pruneDirs() {
	for _, f := range t.journal.Files {
		if f.After != "" {
			continue
		}
		dir := f.Path
		for {
			i := strings.LastIndexByte(dir, '/')
			if i < 0 {
				break
			}
			dir = dir[:i]
			if os.Remove(t.target(dir)) != nil {
				break
			}
		}
	}
}

// hasDigest reports whether a file is a regular one with that content.
func hasDigest(path, want string) (bool, error) {
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() {
		return false, err
	}
	b, err := os.ReadFile(path) //nolint:gosec // inside the working tree, checked
	if err != nil {
		return false, err
	}
	return digest(b) == want, nil
}
