package gitrepo

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
)

// CommitInfo is what a commit says about itself. Nothing in it is verified: that is [Repo.Verify]'s task.
type CommitInfo struct {
	Revision  Revision   `json:"revision"` // zero for lines that are not committed yet
	Parents   []Revision `json:"-"`
	Author    string     `json:"author"`
	Email     string     `json:"email"`
	Time      time.Time  `json:"time"` // of the author, with the author's offset
	Committed time.Time  `json:"-"`
	Subject   string     `json:"subject"`
	Body      string     `json:"-"`
	Trailers  []Trailer  `json:"-"`
	Signed    bool       `json:"signed"` // whether it carries a signature at all
}

// Trailer gives the value of the first trailer of that name, or "". Names are compared without regard to case.
func (c CommitInfo) Trailer(key string) string {
	for _, t := range c.Trailers {
		if strings.EqualFold(t.Key, key) {
			return t.Value
		}
	}
	return ""
}

// Log gives what one commit says about itself.
func (r *Repo) Log(ctx context.Context, rev Revision) (CommitInfo, error) {
	c, err := r.readCommit(ctx, rev)
	if err != nil {
		return CommitInfo{}, fmt.Errorf("read commit %s: %w", rev.Short(), err)
	}
	return c.CommitInfo, nil
}

// commitObject is a parsed commit.
type commitObject struct {
	CommitInfo
	tree      plumbing.Hash
	signature string // armoured, or ""
}

func (r *Repo) readCommit(ctx context.Context, rev Revision) (commitObject, error) {
	id, err := rev.object()
	if err != nil {
		return commitObject{}, err
	}
	b, err := r.objects.readKind(ctx, id, plumbing.CommitObject)
	if err != nil {
		return commitObject{}, err
	}
	c, err := parseCommit(b)
	if err != nil {
		return commitObject{}, err
	}
	c.Revision = rev
	return c, nil
}

var errMalformedCommit = errors.New("malformed commit object")

// parseCommit reads a commit object: header lines "KEY VALUE", continued by lines that start with a space, then a blank
// line and the message.
func parseCommit(b []byte) (commitObject, error) {
	head, message, _ := bytes.Cut(b, []byte("\n\n"))
	var c commitObject
	var key string
	for line := range strings.SplitSeq(string(head), "\n") {
		if more, ok := strings.CutPrefix(line, " "); ok {
			if key == "gpgsig" {
				c.signature += "\n" + more
			}
			continue
		}
		var value string
		key, value, _ = strings.Cut(line, " ")
		switch key {
		case "tree":
			if !isFullHash(value) {
				return commitObject{}, errMalformedCommit
			}
			c.tree = plumbing.NewHash(value)
		case "parent":
			if !isFullHash(value) {
				return commitObject{}, errMalformedCommit
			}
			c.Parents = append(c.Parents, Revision{Hash: value})
		case "author":
			c.Author, c.Email, c.Time = parsePerson(value)
		case "committer":
			_, _, c.Committed = parsePerson(value)
		case "gpgsig":
			c.signature = value
			c.Signed = true
		}
	}
	if c.tree.IsZero() {
		return commitObject{}, errMalformedCommit
	}
	c.Subject, c.Body, c.Trailers = splitMessage(strings.ToValidUTF8(string(message), "\uFFFD"))
	return c, nil
}

// parsePerson reads "Name <email> 1700000000 +0100"; what is malformed stays empty, as git shows such commits too.
func parsePerson(s string) (name, email string, when time.Time) {
	s = strings.ToValidUTF8(s, "\uFFFD")
	name, rest, ok := strings.Cut(s, "<")
	if !ok {
		return strings.TrimSpace(s), "", time.Time{}
	}
	i := strings.LastIndex(rest, ">")
	if i < 0 {
		return strings.TrimSpace(name), strings.TrimSpace(rest), time.Time{}
	}
	email = rest[:i]
	fields := strings.Fields(rest[i+1:])
	if len(fields) > 0 {
		if seconds, err := strconv.ParseInt(fields[0], 10, 64); err == nil {
			when = time.Unix(seconds, 0).UTC()
			if len(fields) > 1 {
				if zone, err := time.Parse("-0700", fields[1]); err == nil {
					when = when.In(zone.Location())
				}
			}
		}
	}
	return strings.TrimSpace(name), email, when
}

// History gives the commits up to rev that changed any of the paths (all commits if none are given), newest first, as
// "git log -- path" does: side branches that led to the same content are left out. In a shallow clone it ends where the
// clone does. The sequence ends after its first error.
func (r *Repo) History(ctx context.Context, rev Revision, paths ...string) iter.Seq2[CommitInfo, error] {
	return func(yield func(CommitInfo, error) bool) {
		fail := func(err error) { yield(CommitInfo{}, fmt.Errorf("read history: %w", err)) }
		if _, err := rev.object(); err != nil || rev.IsZero() {
			fail(errors.Join(err, errors.New("no revision given")))
			return
		}
		for _, p := range paths {
			if err := cleanPath(p); err != nil {
				fail(err)
				return
			}
		}
		args := append([]string{"--literal-pathspecs", "rev-list", rev.Hash, "--"}, paths...)
		_, err := r.run(ctx, command{args: args, stream: func(out io.Reader) error {
			for lines := bufio.NewScanner(out); lines.Scan(); {
				c, err := r.readCommit(ctx, Revision{Hash: lines.Text()})
				if err != nil {
					return err
				}
				if !yield(c.CommitInfo, nil) {
					return errStop
				}
			}
			return nil
		}})
		if err != nil && !errors.Is(err, errStop) {
			fail(err)
		}
	}
}

// Shallow reports whether history is cut off, as in a clone with --depth.
func (r *Repo) Shallow(ctx context.Context) (bool, error) {
	out, err := r.git(ctx, "rev-parse", "--is-shallow-repository")
	if err != nil {
		return false, fmt.Errorf("look for a shallow boundary: %w", err)
	}
	return strings.TrimSpace(string(out)) == "true", nil
}

// Blame tells for lines of a file (counted from 1) which commit last changed each. With the zero Revision the file is the
// one in the worktree, and lines that are not committed have a zero CommitInfo. A line past the end is an error.
func (r *Repo) Blame(ctx context.Context, rev Revision, path string, lines []int) (map[int]CommitInfo, error) {
	if err := cleanPath(path); err != nil {
		return nil, fmt.Errorf("blame: %w", err)
	}
	result := make(map[int]CommitInfo, len(lines))
	if len(lines) == 0 {
		return result, nil
	}
	if rev.IsZero() {
		known, err := r.inHead(ctx, path)
		if err != nil {
			return nil, fmt.Errorf("blame %s: %w", path, err)
		}
		if !known {
			for _, n := range lines {
				result[n] = CommitInfo{}
			}
			return result, nil
		}
	}
	args := []string{"blame", "--porcelain", "--no-textconv"} // lines are those of the file
	for _, span := range spans(lines) {
		args = append(args, fmt.Sprintf("-L%d,%d", span[0], span[1]))
	}
	if !rev.IsZero() {
		args = append(args, rev.Hash)
	}
	out, err := r.git(ctx, append(args, "--", path)...)
	if err != nil {
		return nil, fmt.Errorf("blame %s: %w", path, err)
	}
	commits := map[string]CommitInfo{strings.Repeat("0", 40): {}}
	for n, hash := range parseBlame(string(out)) {
		c, ok := commits[hash]
		if !ok {
			info, err := r.readCommit(ctx, Revision{Hash: hash})
			if err != nil {
				return nil, fmt.Errorf("blame %s: %w", path, err)
			}
			c = info.CommitInfo
			commits[hash] = c
		}
		result[n] = c
	}
	return result, nil
}

// inHead reports whether HEAD has a file at path.
func (r *Repo) inHead(ctx context.Context, path string) (bool, error) {
	head, _, unborn, err := r.Head(ctx)
	if err != nil || unborn {
		return false, err
	}
	e, err := r.entryAt(ctx, head, path)
	return !e.id.IsZero(), err
}

// spans joins line numbers into runs, first and last.
func spans(lines []int) [][2]int {
	sorted := slices.Compact(slices.Sorted(slices.Values(lines)))
	var out [][2]int
	for _, n := range sorted {
		if len(out) > 0 && out[len(out)-1][1] == n-1 {
			out[len(out)-1][1] = n
			continue
		}
		out = append(out, [2]int{n, n})
	}
	return out
}

// parseBlame reads "git blame --porcelain" as far as the lines "HASH ORIGINAL-LINE LINE [COUNT]" that precede each line of
// content, which itself starts with a tab.
func parseBlame(out string) map[int]string {
	hashes := map[int]string{}
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		if len(fields) < 3 || len(fields) > 4 || line[0] == '\t' || !isFullHash(fields[0]) {
			continue
		}
		if n, err := strconv.Atoi(fields[2]); err == nil {
			hashes[n] = fields[0]
		}
	}
	return hashes
}
