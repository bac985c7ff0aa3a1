package gitrepo

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// FileVersion is a content that a file had in some commit.
type FileVersion struct {
	Commit Revision // the first that has it, in an order in which parents come before children
	Path   string
	blob   plumbing.Hash
}

// Versions gives every content that the files below a path ever had, in the history of a revision or, with the zero Revision,
// of all refs and HEAD: side branches and the results of merges too. Each content of a path comes once. The sequence ends
// after its first error. What is no regular file is left out; in a shallow clone history ends where the clone does.
func (r *Repo) Versions(ctx context.Context, rev Revision, under string) iter.Seq2[FileVersion, error] {
	return func(yield func(FileVersion, error) bool) {
		err := r.versions(ctx, rev, under, func(v FileVersion) bool { return yield(v, nil) })
		if err != nil {
			yield(FileVersion{}, fmt.Errorf("read all versions: %w", err))
		}
	}
}

func (r *Repo) versions(ctx context.Context, rev Revision, under string, yield func(FileVersion) bool) error {
	if err := cleanPath(under); err != nil {
		return err
	}
	from := []string{"--all", "HEAD"}
	if !rev.IsZero() {
		from = []string{rev.Hash}
	}
	commits, err := r.git(ctx, append([]string{"rev-list", "--topo-order", "--reverse"}, from...)...)
	if err != nil {
		return err
	}
	type version struct {
		path string
		blob string
	}
	seen := map[version]bool{}
	_, err = r.run(ctx, command{
		args:  []string{"--literal-pathspecs", "diff-tree", "--stdin", "-m", "-r", "--root", "--raw", "--no-renames", "--no-abbrev", "-z", "--", under},
		stdin: bytes.NewReader(commits),
		stream: func(out io.Reader) error {
			return parseDiffTree(out, func(commit, mode, blob, path string) error {
				v := version{path, blob}
				if seen[v] || mode != modeFile && mode != modeExecutable {
					return nil
				}
				seen[v] = true
				if !yield(FileVersion{Revision{Hash: commit}, path, plumbing.NewHash(blob)}) {
					return errStop
				}
				return nil
			})
		},
	})
	if err == errStop { //nolint:errorlint // our own, as it comes
		return nil
	}
	return err
}

// parseDiffTree reads "git diff-tree --stdin --raw -z": the name of a commit, and after it for each file that is another than in
// a parent ":MODE MODE ID ID STATUS" and its path, all ended by NUL. It tells what each file is afterwards, if it is there.
func parseDiffTree(out io.Reader, each func(commit, mode, blob, path string) error) error {
	in := bufio.NewReader(out)
	commit := ""
	for {
		token, err := in.ReadString(0)
		if err == io.EOF { //nolint:errorlint // bufio gives it bare
			return nil
		}
		if err != nil {
			return err
		}
		token = strings.TrimSuffix(token, "\x00")
		if !strings.HasPrefix(token, ":") {
			commit = strings.TrimSpace(token)
			continue
		}
		fields := strings.Fields(token)
		path, err := in.ReadString(0)
		if err != nil || len(fields) != 5 {
			return fmt.Errorf("unexpected line %q from git", token)
		}
		if fields[4] == "D" {
			continue
		}
		if err := each(commit, fields[1], fields[3], strings.TrimSuffix(path, "\x00")); err != nil {
			return err
		}
	}
}

// ReadVersion gives the content of a file in one of its versions.
func (r *Repo) ReadVersion(ctx context.Context, v FileVersion) ([]byte, error) {
	content, err := r.objects.readKind(ctx, v.blob, plumbing.BlobObject)
	if err != nil {
		return nil, fmt.Errorf("read %s at %s: %w", v.Path, v.Commit.Short(), err)
	}
	return content, nil
}
