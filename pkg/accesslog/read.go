package accesslog

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/llm-devops/lcm/pkg/diag"
)

// The codes of what can be wrong with a log.
const (
	CodeEntry     = "access-log-entry"     // a line is no entry
	CodeChain     = "access-log-chain"     // a line does not follow the one before it
	CodeTruncated = "access-log-truncated" // lines are missing at the end, or all
	CodeHead      = "access-log-head"      // the head is gone, unreadable, or another log's
	CodeAnchor    = "access-log-anchor"    // the log is not the one that an anchor was noted of
)

// maxFindings bounds what is told of one log.
const maxFindings = 20

// Report is what a log holds and whether it is as it was left.
type Report struct {
	Head      Anchor    // of the lines that are there
	Entries   []Entry   // in their order
	Findings  diag.List // nothing if the log is whole
	Uncounted int64     // whole lines at the end that the head does not count: a process was killed, or the machine died
	Cut       bool      // half a line is at the end, of an access that was not shown
}

// ParseAnchor reads "COUNT:HASH".
func ParseAnchor(s string) (Anchor, error) {
	count, hash, ok := strings.Cut(s, ":")
	n, err := strconv.ParseInt(count, 10, 64)
	if raw, bad := hex.DecodeString(hash); !ok || err != nil || n < 1 || bad != nil || len(raw) != 32 {
		return Anchor{}, fmt.Errorf("%q is not the head of an access log, COUNT:HASH", s)
	}
	return Anchor{n, strings.ToLower(hash)}, nil
}

// String gives "COUNT:HASH".
func (a Anchor) String() string { return fmt.Sprintf("%d:%s", a.Count, a.Hash) }

// Read reads and verifies a log, and that it still goes on from each of the anchors. A log that is not there is an empty one.
func (l *Log) Read(ctx context.Context, anchors ...Anchor) (*Report, error) {
	if _, err := os.Stat(l.dir); errors.Is(err, fs.ErrNotExist) {
		return l.verified(nil, nil, anchors), nil
	}
	// A writer replaces the log and its head one after the other. Who may only read takes them as they are.
	release, err := l.lock(ctx)
	switch {
	case err == nil:
		defer release()
	case !errors.Is(err, fs.ErrPermission):
		return nil, err
	}
	data, err := readIfThere(l.Path())
	if err != nil {
		return nil, err
	}
	head, err := readIfThere(filepath.Join(l.dir, l.head))
	if err != nil {
		return nil, err
	}
	return l.verified(data, head, anchors), nil
}

func readIfThere(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the access log: %w", err)
	}
	return data, nil
}

// verified judges a log and its head; nil stands for a file that is not there.
func (l *Log) verified(data, head []byte, anchors []Anchor) *Report {
	r := &Report{}
	hashes := []string{""} // after each number of entries
	lines := bufio.NewReader(bytes.NewReader(data))
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			r.Cut = len(line) > 0
			break
		}
		line = line[:len(line)-1]
		var e Entry
		if err := json.Unmarshal(line, &e); err != nil || e.Number == 0 {
			l.tell(r, n, CodeEntry, "the line is not an entry of the log")
		} else {
			if e.Previous != hashes[n-1] || e.Number != int64(n) {
				l.tell(r, n, CodeChain, "the entry does not follow the one before it: one was changed, removed or put in")
			}
			r.Entries = append(r.Entries, e)
		}
		hashes = append(hashes, digest(line))
	}
	r.Head = Anchor{int64(len(hashes) - 1), hashes[len(hashes)-1]}
	l.judgeHead(r, hashes, head)
	for _, a := range anchors {
		if a.Count > r.Head.Count {
			l.tell(r, 0, CodeAnchor, fmt.Sprintf("the log has %d entries, and had %d when its head %s was noted", r.Head.Count, a.Count, a))
		} else if hashes[a.Count] != a.Hash {
			l.tell(r, int(a.Count), CodeAnchor, fmt.Sprintf("the log is not the one whose head was noted as %s", a))
		}
	}
	return r
}

func (l *Log) judgeHead(r *Report, hashes []string, head []byte) {
	if head == nil {
		if r.Head.Count > 0 || r.Cut {
			l.tell(r, 0, CodeHead, "the head of the log is gone: it says how many entries there are")
		}
		return
	}
	var counted Anchor
	if err := json.Unmarshal(head, &counted); err != nil || counted.Count < 0 {
		l.tell(r, 0, CodeHead, "the head of the log cannot be read: it says how many entries there are")
		return
	}
	switch missing := counted.Count - r.Head.Count; {
	case missing > 0:
		l.tell(r, int(r.Head.Count), CodeTruncated, fmt.Sprintf("%d of %d entries are missing at the end", missing, counted.Count))
	case hashes[counted.Count] != counted.Hash:
		l.tell(r, int(counted.Count), CodeHead, "the entry is not the one that the head of the log was made of")
	default:
		r.Uncounted = -missing
	}
}

func (l *Log) tell(r *Report, line int, code, message string) {
	if len(r.Findings) == maxFindings {
		return
	}
	hint := "find out who did it: what such a log says, and does not say, is no evidence"
	if !l.aside {
		hint += "; then begin a new one: lcm audit access --set-aside"
	}
	r.Findings = append(r.Findings, diag.Finding{
		Code: code, Severity: diag.Error, Message: message, Position: diag.Position{File: l.name, Line: line}, Hint: hint,
	})
}

// end is where the next entry goes.
type end struct {
	head  Anchor
	size  int64 // bytes of whole lines
	fresh bool  // there is neither a log nor a head
}

// end finds the end of the log from its last line alone where that is the one the head counts, which it is but for a killed
// process; else the whole log is verified.
func (l *Log) end() (end, error) {
	raw, err := readIfThere(filepath.Join(l.dir, l.head))
	if err != nil {
		return end{}, err
	}
	var head Anchor
	if raw != nil && json.Unmarshal(raw, &head) == nil {
		if size, ok := l.endsWith(head); ok {
			return end{head: head, size: size}, nil
		}
	}
	data, err := readIfThere(l.Path())
	if err != nil {
		return end{}, err
	}
	r := l.verified(data, raw, nil)
	if len(r.Findings) > 0 {
		return end{}, diag.WithHint(&BrokenError{r.Findings}, "see lcm audit access")
	}
	return end{head: r.Head, size: int64(bytes.LastIndexByte(data, '\n') + 1), fresh: raw == nil}, nil
}

// endsWith reports whether the last line of the log is the one a head was made of, and the log's size.
func (l *Log) endsWith(head Anchor) (size int64, ok bool) {
	f, err := os.Open(l.Path())
	if err != nil || head.Count < 1 {
		return 0, false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, false
	}
	for _, longest := range []int64{4 << 10, maxLine + 2} {
		start := max(0, info.Size()-longest)
		tail := make([]byte, info.Size()-start)
		if _, err := f.ReadAt(tail, start); err != nil {
			return 0, false
		}
		line, whole := bytes.CutSuffix(tail, []byte("\n"))
		at := bytes.LastIndexByte(line, '\n') + 1
		if whole && (at > 0 || start == 0) {
			return info.Size(), digest(line[at:]) == head.Hash
		}
	}
	return 0, false
}
