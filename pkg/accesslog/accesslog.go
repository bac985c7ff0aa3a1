// Package accesslog keeps the record of who was shown which secrets on this machine: never a value, always before the value
// is shown.
//
// [In] names a log by its folder, [Log.Append] adds to it, [Log.Read] verifies it and gives what it holds. The log is lines of
// JSON, each holding the SHA-256 of the line before it; a second file, the head, holds how many lines there are and the hash
// of the last. Appends are made under a lock, and are on disk when Append returns; a process that is killed in one leaves at
// worst a line that the head does not count yet, or half of one, of which nothing was shown.
//
// # What can be noticed
//
// A line that is changed, removed, put in or moved breaks the chain; lines cut off at the end, the whole log removed, or the
// head removed do not fit the head. What cannot be noticed from the two files alone: that somebody who may write them made
// both anew, put older copies of both back, or removed both. For that a head that was noted elsewhere is needed, an [Anchor].
package accesslog

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/filelock"
)

// The files of a log, in its folder.
const (
	LogFile  = "access.log"
	headFile = "access.head"
	lockFile = "access.lock"
)

const (
	lockWait = 30 * time.Second
	maxLine  = 1 << 20 // bytes of one entry
	maxKeys  = 500     // listed in one entry
)

// Outcome is how an access ended.
type Outcome string

// The outcomes.
const (
	Opened  Outcome = "opened"  // the values were there to be shown
	Refused Outcome = "refused" // no key, or no permission
	Failed  Outcome = "failed"  // anything else
)

// Access is what was asked for. Nothing in it may hold a value.
type Access struct {
	Action   string   `json:"action"` // the command: get, explain, edit, exec, …
	Outcome  Outcome  `json:"outcome"`
	Address  string   `json:"address,omitempty"`
	Revision string   `json:"revision,omitempty"` // full hash; "" is the worktree
	Keys     []string `json:"keys,omitempty"`
	Program  string   `json:"program,omitempty"` // that was given the values; never its arguments
	Reason   string   `json:"reason,omitempty"`  // why it did not open, or what else there is to say
}

// Who is who asked, and from where.
type Who struct {
	Name    string `json:"name,omitempty"`  // as Git's settings say
	Email   string `json:"email,omitempty"` // as Git's settings say
	User    string `json:"user,omitempty"`  // of the operating system
	UID     string `json:"uid,omitempty"`
	Host    string `json:"host,omitempty"`
	SSH     string `json:"ssh,omitempty"` // address of the client of an SSH session
	Process int    `json:"process,omitempty"`
	Folder  string `json:"folder,omitempty"` // the worktree
}

// Entry is one line of a log.
type Entry struct {
	Number   int64     `json:"n"`        // from 1
	Previous string    `json:"previous"` // SHA-256 of the line before, without its newline; "" for the first
	Time     time.Time `json:"time"`
	Who      Who       `json:"who"`
	Access
}

// Anchor is the head of a log at some time: how many entries it had, and the SHA-256 of the last of them in hex.
type Anchor struct {
	Count int64  `json:"count"`
	Hash  string `json:"hash"`
}

// BrokenError says that a log is not as it was left, so that nothing is added to it.
type BrokenError struct{ Findings diag.List }

func (e *BrokenError) Error() string { return "the access log was tampered with or damaged" }

// Unwrap gives the findings.
func (e *BrokenError) Unwrap() error { return e.Findings }

// Log is a log in a folder. It is safe for concurrent use by any number of processes.
type Log struct {
	dir        string
	file, head string // the files' names in it
	name       string // of the log file, for findings
	aside      bool   // it was put aside: another one goes on
}

// In gives the log of a folder, which need not be there yet; name is what findings call the log's file.
func In(dir, name string) *Log { return &Log{dir: dir, file: LogFile, head: headFile, name: name} }

// Aside gives a log that was put aside, by its path, to be read.
func Aside(path string) *Log {
	file := filepath.Base(path)
	return &Log{dir: filepath.Dir(path), file: file, head: strings.TrimSuffix(file, ".log") + ".head", name: path, aside: true}
}

// Path gives the absolute path of the log's file.
func (l *Log) Path() string { return filepath.Join(l.dir, l.file) }

// Append adds accesses, all or none, and returns when they are on disk. The error is [*BrokenError] if the log does not end as
// it was left: what lies before its last entry only Read looks at. Whatever the error, what was to be shown must not be.
func (l *Log) Append(ctx context.Context, now time.Time, who Who, accesses ...Access) error {
	if len(accesses) == 0 {
		return nil
	}
	release, err := l.lock(ctx)
	if err != nil {
		return err
	}
	defer release()
	return l.append(now, who, accesses)
}

func (l *Log) lock(ctx context.Context) (release func(), err error) {
	if err := os.MkdirAll(l.dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the access log: %w", err)
	}
	release, err = filelock.Acquire(ctx, filepath.Join(l.dir, lockFile), lockWait)
	if err != nil {
		return nil, fmt.Errorf("wait for the access log: %w", err)
	}
	return release, nil
}

func (l *Log) append(now time.Time, who Who, accesses []Access) error {
	end, err := l.end()
	if err != nil {
		return err
	}
	head := end.head
	var lines bytes.Buffer
	for _, a := range accesses {
		if more := len(a.Keys) - maxKeys; more > 0 {
			a.Keys = append(a.Keys[:maxKeys:maxKeys], fmt.Sprintf("… %d more", more))
		}
		line, err := encode(Entry{Number: head.Count + 1, Previous: head.Hash, Time: now.UTC().Truncate(time.Millisecond), Who: who, Access: a})
		if err != nil {
			return err
		}
		lines.Write(line)
		lines.WriteByte('\n')
		head = Anchor{Count: head.Count + 1, Hash: digest(line)}
	}
	if end.fresh { // so that lines without a head are never what a killed process left
		if err := l.writeHead(Anchor{}); err != nil {
			return err
		}
	}
	if err := l.writeLines(end.size, lines.Bytes()); err != nil {
		return err
	}
	return l.writeHead(head)
}

func encode(e Entry) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(e); err != nil {
		return nil, fmt.Errorf("write the access log: %w", err)
	}
	line := bytes.TrimRight(b.Bytes(), "\n")
	if len(line) > maxLine {
		return nil, fmt.Errorf("write the access log: an entry of %d bytes is longer than the %d there may be", len(line), maxLine)
	}
	return line, nil
}

func digest(line []byte) string {
	sum := sha256.Sum256(line)
	return hex.EncodeToString(sum[:])
}

// writeLines puts lines at an offset, the end of the last whole line, and cuts off again what it could write only in part.
func (l *Log) writeLines(at int64, lines []byte) (err error) {
	f, err := os.OpenFile(l.Path(), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write the access log: %w", err)
	}
	defer func() {
		if err != nil {
			_ = f.Truncate(at)
		}
		if closing := f.Close(); err == nil && closing != nil {
			err = fmt.Errorf("write the access log: %w", closing)
		}
	}()
	if info, err := f.Stat(); err != nil || info.Size() != at {
		if err := f.Truncate(at); err != nil {
			return fmt.Errorf("write the access log: %w", err)
		}
	}
	if _, err := f.WriteAt(lines, at); err != nil {
		return fmt.Errorf("write the access log: %w", err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("write the access log: %w", err)
	}
	return nil
}

// headSize is the size of the head's file, whatever it holds: white space fills it up. It fits into a sector, of which a disk
// has the old content or the new.
const headSize = 128

// writeHead writes the head, over the one that is there, or where there is none: a new file beside it, synced, renamed.
func (l *Log) writeHead(head Anchor) error {
	data, err := json.Marshal(head)
	if err != nil {
		return fmt.Errorf("write the head of the access log: %w", err)
	}
	data = append(append(data, bytes.Repeat([]byte(" "), max(0, headSize-1-len(data)))...), '\n')
	path := filepath.Join(l.dir, l.head)
	if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() && info.Size() == int64(len(data)) {
		return l.overwriteHead(path, data)
	}
	temp := path + ".new" // nobody else writes it: the lock is held
	f, err := os.OpenFile(temp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write the head of the access log: %w", err)
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		_ = os.Remove(temp)
		return fmt.Errorf("write the head of the access log: %w", err)
	}
	return syncFolder(l.dir)
}

// overwriteHead puts a head in the place of one of its size: a file that is neither made, renamed nor grown has only its
// content to bring to disk.
func (l *Log) overwriteHead(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("write the head of the access log: %w", err)
	}
	_, err = f.WriteAt(data, 0)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write the head of the access log: %w", err)
	}
	return nil
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	defer d.Close()
	_ = d.Sync() // some file systems cannot, and the rename is in order there too
	return nil
}

// SetAside puts the log away under another name in its folder, as it is, and begins a new one, whose first entry says so. It
// gives the path of what was put away.
func (l *Log) SetAside(ctx context.Context, now time.Time, who Who) (string, error) {
	release, err := l.lock(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	suffix := now.UTC().Format("20060102T150405.000Z")
	old := filepath.Join(l.dir, "access-"+suffix+".log")
	sum, moved, err := moveAside(l.Path(), old)
	if err != nil {
		return "", err
	}
	_, movedHead, err := moveAside(filepath.Join(l.dir, l.head), filepath.Join(l.dir, "access-"+suffix+".head"))
	if err != nil {
		return "", err
	}
	reason := "there was no log before"
	switch {
	case moved:
		reason = fmt.Sprintf("the log before is %s, with the SHA-256 %s", filepath.Base(old), sum)
	case movedHead:
		reason = "the log before was gone; its head is " + "access-" + suffix + ".head"
	}
	if !moved {
		old = ""
	}
	return old, l.append(now, who, []Access{{Action: "set-aside", Outcome: Opened, Reason: reason}})
}

func moveAside(from, to string) (sum string, moved bool, err error) {
	data, err := os.ReadFile(from)
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	if err == nil {
		err = os.Rename(from, to)
	}
	if err != nil {
		return "", false, fmt.Errorf("put the access log aside: %w", err)
	}
	return digest(data), true, nil
}
