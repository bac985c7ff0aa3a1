package gitrepo

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/filelock"
)

// A transaction is one write to the working tree, and in a commit also to HEAD and the index. It has a folder of its own,
// <git directory>/lcm/<id>, with these files:
//
//	owner    locked by the process that writes, and inherited by its git children, until all of them are dead
//	lock     the text that index.lock holds while this transaction has it
//	journal  what is about to change; written before the first change, and removed after the last
//	index    the index to be
//	0, 1, …  the files to be; once swapped in, the files that were
//
// Whoever finds a folder and gets the lock on its owner file knows that the writer is dead, and settles what it left.
type txn struct {
	repo    *Repo
	id      string
	dir     string
	staging string // where the numbered files are: dir, or a folder in the working tree if that is on another device
	owner   *os.File
	locked  bool // index.lock is this transaction's
	journal journal
}

// journal is the record of a transaction.
type journal struct {
	Version int           `json:"version"`
	PID     int           `json:"pid"` // for people only
	Parent  string        `json:"parent,omitempty"`
	Commit  string        `json:"commit,omitempty"`  // "" until the commit is made
	Index   bool          `json:"index,omitempty"`   // whether HEAD and the index change too
	Staging string        `json:"staging,omitempty"` // name of the folder at the top of the working tree, if not the transaction's
	Files   []journalFile `json:"files"`
	Dirs    []string      `json:"dirs,omitempty"` // folders that did not exist, outermost first
}

// journalFile is one file of the working tree. Before and After are SHA-256 digests of what is on disk, "" for no file.
type journalFile struct {
	Path    string `json:"path"`
	Before  string `json:"before,omitempty"`
	After   string `json:"after,omitempty"`
	OldBlob string `json:"oldBlob,omitempty"` // git ids and modes; only in commits
	NewBlob string `json:"newBlob,omitempty"`
	OldMode string `json:"oldMode,omitempty"`
	NewMode string `json:"newMode,omitempty"`
}

const (
	journalVersion = 1
	txnFolder      = "lcm"
)

// begin makes a transaction's folder and takes the lock on it.
func (r *Repo) begin() (*txn, error) {
	parent := filepath.Join(r.gitDir, txnFolder)
	for range 10 {
		if err := os.MkdirAll(parent, 0o777); err != nil { //nolint:gosec // as the git directory: the umask decides
			return nil, err
		}
		var random [8]byte
		_, _ = rand.Read(random[:]) // never fails
		t := &txn{repo: r, id: hex.EncodeToString(random[:])}
		t.dir = filepath.Join(parent, t.id)
		t.staging = t.dir
		if err := os.Mkdir(t.dir, 0o777); err != nil { //nolint:gosec // as above
			return nil, err
		}
		// Until the lock is taken somebody who cleans up may take the folder for a dead one's: then once more.
		owner, err := os.OpenFile(filepath.Join(t.dir, "owner"), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666) //nolint:gosec // own folder
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if ok, err := filelock.Try(owner); err != nil || !ok || !stillThere(owner) {
			_ = owner.Close()
			if err != nil {
				return nil, fmt.Errorf("lock %s: %w", owner.Name(), err)
			}
			continue
		}
		t.owner = owner
		return t, nil
	}
	return nil, errors.New("cannot make a folder for the transaction")
}

// stillThere reports whether the open file is the one at its path.
func stillThere(f *os.File) bool {
	open, err := f.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(f.Name())
	return err == nil && os.SameFile(open, named)
}

func (t *txn) path(name string) string { return filepath.Join(t.dir, name) }

func (r *Repo) indexLock() string { return filepath.Join(r.gitDir, "index.lock") }

// token is what index.lock holds while the transaction has it.
func (t *txn) token() string { return "lcm " + t.id + "\n" }

// How long to wait for index.lock: "git status" takes it for an instant to note what it learned.
const (
	lockWait = time.Second
	lockPoll = 10 * time.Millisecond
)

// lockIndex takes index.lock, so that neither git nor lcm changes the index or commits.
func (t *txn) lockIndex(ctx context.Context) error {
	if err := os.WriteFile(t.path("lock"), []byte(t.token()), 0o666); err != nil { //nolint:gosec // no secret; the umask decides
		return fmt.Errorf("lock index: %w", err)
	}
	for waited := time.Duration(0); ; waited += lockPoll {
		err := t.createLock()
		if err == nil {
			t.locked = true
			return nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("lock index: %w", err)
		}
		if waited >= lockWait {
			return diag.WithHint(&ConflictError{Reason: "another git or lcm process is writing to the repository"},
				"try again when it has finished; if none is running, it was killed: remove %s", t.repo.indexLock())
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("lock index: %w", context.Cause(ctx))
		case <-time.After(lockPoll):
		}
		// The holder may be one of ours that has just died.
		if _, err := t.repo.Recover(ctx); err != nil && !errors.Is(err, ErrConflict) {
			return err
		}
	}
}

// createLock makes index.lock with the token in it, in one step where the file system has links.
func (t *txn) createLock() error {
	err := os.Link(t.path("lock"), t.repo.indexLock())
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	f, err := os.OpenFile(t.repo.indexLock(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666) //nolint:gosec // as git does
	if err != nil {
		return err
	}
	_, err = f.WriteString(t.token())
	return errors.Join(err, f.Close())
}

// holdsLock reports whether index.lock is this transaction's, by its content: git's own are empty or an index.
func (t *txn) holdsLock() bool {
	b, err := os.ReadFile(t.repo.indexLock())
	return err == nil && string(b) == t.token()
}

func (t *txn) unlockIndex() error {
	if !t.holdsLock() { // the user removed it, and somebody else may have it now
		return nil
	}
	t.locked = false
	return os.Remove(t.repo.indexLock())
}

// record writes the journal, durably.
func (t *txn) record() error {
	t.journal.Version, t.journal.PID = journalVersion, os.Getpid()
	b, err := json.Marshal(t.journal)
	if err != nil {
		return err
	}
	if err := t.replaceJournal(b); err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	return nil
}

func (t *txn) replaceJournal(b []byte) error {
	f, err := os.Create(t.path("journal.new"))
	if err != nil {
		return err
	}
	if _, err := f.Write(b); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), t.path("journal")); err != nil {
		return err
	}
	return syncDir(t.dir)
}

// end removes every trace of the transaction. The journal goes first: without it there is nothing to settle.
func (t *txn) end() error {
	var errs []error
	if err := os.Remove(t.path("journal")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		errs = append(errs, err)
	}
	errs = append(errs, t.unlockIndex())
	if t.staging != t.dir {
		errs = append(errs, os.RemoveAll(t.staging))
	}
	errs = append(errs, os.RemoveAll(t.dir), t.owner.Close())
	return errors.Join(errs...)
}

// abandon leaves the transaction for recovery to settle.
func (t *txn) abandon() { _ = t.owner.Close() }

// Recovery tells what [Repo.Recover] did about one write that a killed process had left half done.
type Recovery struct {
	Commit   Revision // the commit that was being made, if it had got so far
	Finished bool     // whether the write was finished; else it was undone
	Paths    []string
}

// Recover settles the writes that killed processes have left half done, and tells what it did. It costs next to nothing if
// there are none. It is [ErrConflict] if one cannot be settled now because another process is writing.
func (r *Repo) Recover(ctx context.Context) ([]Recovery, error) {
	parent := filepath.Join(r.gitDir, txnFolder)
	dirs, err := os.ReadDir(parent)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("recover: %w", err)
	}
	var done []Recovery
	for _, d := range dirs {
		if !d.IsDir() {
			continue
		}
		did, err := r.recoverOne(ctx, d.Name(), filepath.Join(parent, d.Name()))
		if err != nil {
			return done, fmt.Errorf("recover from an interrupted write: %w", err)
		}
		if did != nil {
			done = append(done, *did)
		}
	}
	return done, nil
}

func (r *Repo) recoverOne(ctx context.Context, id, dir string) (*Recovery, error) {
	owner, err := os.OpenFile(filepath.Join(dir, "owner"), os.O_RDWR, 0) //nolint:gosec // part of the repository
	if errors.Is(err, fs.ErrNotExist) {
		_ = os.Remove(dir) // only if empty: its maker died, or will make another
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if ok, err := filelock.Try(owner); err != nil || !ok || !stillThere(owner) {
		return nil, errors.Join(err, owner.Close())
	}
	t := &txn{repo: r, id: id, dir: dir, staging: dir, owner: owner}
	t.locked = t.holdsLock()
	b, err := os.ReadFile(t.path("journal"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, t.end() // nothing was changed yet, or all is done
	}
	if err == nil {
		err = json.Unmarshal(b, &t.journal)
	}
	if err == nil && t.journal.Version != journalVersion {
		err = diag.WithHint(fmt.Errorf("%s was left by another version of lcm", dir), "let that version recover, or look at the files and remove the folder")
	}
	if err != nil {
		t.abandon()
		return nil, err
	}
	if t.journal.Staging != "" {
		t.staging = filepath.Join(r.root, t.journal.Staging)
	}
	did, err := t.settle(ctx)
	if err != nil {
		t.abandon()
		return nil, err
	}
	return did, t.end()
}

// settle finishes or undoes a dead process's transaction.
func (t *txn) settle(ctx context.Context) (*Recovery, error) {
	// A dead git's lock on the branch, if it is for the very commit of this journal, is in everybody's way.
	if err := t.removeRefLocks(); err != nil {
		return nil, err
	}
	if t.journal.Index && !t.locked {
		// Somebody removed the lock by hand; others may be at work.
		if err := os.WriteFile(t.path("lock"), []byte(t.token()), 0o666); err != nil { //nolint:gosec // as in lockIndex
			return nil, err
		}
		if err := t.createLock(); errors.Is(err, fs.ErrExist) {
			return nil, &ConflictError{Reason: "another git process is writing to the repository"}
		} else if err != nil {
			return nil, err
		}
		t.locked = true
	}
	did := &Recovery{Commit: Revision{Hash: t.journal.Commit}}
	for _, f := range t.journal.Files {
		did.Paths = append(did.Paths, f.Path)
	}
	head, _, unborn, err := t.repo.Head(ctx)
	if err != nil {
		return nil, err
	}
	did.Finished, err = t.repo.contains(ctx, head, did.Commit)
	if err != nil {
		return nil, err
	}
	current := map[string]string{}
	if t.journal.Index && !unborn {
		if current, err = t.repo.blobs(ctx, head, did.Paths); err != nil {
			return nil, err
		}
	}
	if did.Finished {
		return did, t.finishIndex(ctx, current)
	}
	for _, f := range t.journal.Files {
		// On another branch, say, the new content may be what belongs there.
		if t.journal.Index && current[f.Path] == f.NewBlob {
			continue
		}
		if _, err := t.restore(f); err != nil {
			return nil, err
		}
	}
	t.removeDirs()
	return did, nil
}

func (t *txn) removeRefLocks() error {
	if t.journal.Commit == "" {
		return nil
	}
	ref, _, err := t.repo.readHead()
	if err != nil || ref == "" {
		return err
	}
	lock := filepath.Join(t.repo.commonDir, filepath.FromSlash(ref)) + ".lock"
	b, err := os.ReadFile(lock) //nolint:gosec // part of the repository
	if errors.Is(err, fs.ErrNotExist) || (err == nil && string(b) != t.journal.Commit+"\n") {
		return nil
	}
	if err != nil {
		return err
	}
	// Git takes HEAD.lock first and keeps it longest: while the branch is locked by the dead one, so is HEAD.
	if err := os.Remove(filepath.Join(t.repo.gitDir, "HEAD.lock")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Remove(lock)
}

// contains reports whether head is commit or comes after it.
func (r *Repo) contains(ctx context.Context, head, commit Revision) (bool, error) {
	if commit.IsZero() || head.IsZero() {
		return false, nil
	}
	if head == commit {
		return true, nil
	}
	_, err := r.git(ctx, "merge-base", "--is-ancestor", commit.Hash, head.Hash)
	if code := exitCode(err); code == 1 || code == 128 { // 128: the commit never got written
		return false, nil
	}
	return err == nil, err
}

// blobs gives the git ids of the files there are at the paths.
func (r *Repo) blobs(ctx context.Context, rev Revision, paths []string) (map[string]string, error) {
	root, err := r.objects.commitTree(ctx, rev)
	if err != nil {
		return nil, err
	}
	m := map[string]string{}
	for _, p := range paths {
		e, err := r.objects.blobAt(ctx, root, p)
		if _, odd := errors.AsType[*PathError](err); odd {
			continue
		}
		if err != nil {
			return nil, err
		}
		if !e.id.IsZero() {
			m[p] = e.id.String()
		}
	}
	return m, nil
}
