package gitrepo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// Brought is what one commit brought in: the files that it added or changed, against each of its parents.
type Brought struct {
	Revision Revision
	Files    []BroughtFile
}

// BroughtFile is one content of a file. Links and submodules are none.
type BroughtFile struct {
	Path   string
	Digest string // the git id of the content: see [Repo.Content]
}

// Brought walks history from the oldest commit on: each commit comes after its parents. Revs is what git rev-list takes to say
// which commits are meant, a revision or a range; "" is all that any branch or tag leads to, and HEAD.
func (r *Repo) Brought(ctx context.Context, revs string) iter.Seq2[Brought, error] {
	return func(yield func(Brought, error) bool) {
		if err := r.brought(ctx, revs, yield); err != nil && !errors.Is(err, errStop) {
			yield(Brought{}, fmt.Errorf("walk history: %w", err))
		}
	}
}

func (r *Repo) brought(ctx context.Context, revs string, yield func(Brought, error) bool) error {
	args := []string{"rev-list", "--reverse", "--topo-order"}
	switch {
	case strings.HasPrefix(revs, "-"):
		return &UnknownRevisionError{Rev: revs, Reason: "it begins like an option"}
	case revs != "":
		args = append(args, revs, "--")
	default:
		args = append(args, "--all")
		if _, _, unborn, err := r.Head(ctx); err != nil {
			return err
		} else if !unborn {
			args = append(args, "HEAD")
		}
		args = append(args, "--")
	}
	list, err := r.git(ctx, args...)
	if err != nil {
		if exitCode(err) == 128 && revs != "" {
			return &UnknownRevisionError{Rev: revs, Reason: "git rev-list does not know it as a revision or a range"}
		}
		return err
	}
	_, err = r.run(ctx, command{
		args:   []string{"diff-tree", "--stdin", "--always", "--root", "-r", "-m", "--raw", "--no-renames", "--no-abbrev", "-z"},
		stdin:  strings.NewReader(string(list)),
		stream: func(out io.Reader) error { return parseBrought(out, yield) },
	})
	return err
}

// parseBrought reads what git diff-tree --stdin -z writes: the id of a commit, then ":MODE MODE ID ID STATUS" and a path for
// each file; a merge comes once for each parent.
func parseBrought(out io.Reader, yield func(Brought, error) bool) error {
	b := bufio.NewReader(out)
	var now Brought
	flush := func() error {
		if !now.Revision.IsZero() && !yield(now, nil) {
			return errStop
		}
		now = Brought{}
		return nil
	}
	for {
		field, err := b.ReadString(0)
		if errors.Is(err, io.EOF) && field == "" {
			return flush()
		}
		if err != nil {
			return err
		}
		field = strings.TrimSuffix(field, "\x00")
		if isFullHash(field) {
			if field != now.Revision.Hash {
				if err := flush(); err != nil {
					return err
				}
				now.Revision = Revision{Hash: field}
			}
			continue
		}
		parts := strings.Fields(field)
		if len(parts) != 5 || field[0] != ':' {
			return fmt.Errorf("git diff-tree wrote %q", field)
		}
		path, err := b.ReadString(0)
		if err != nil {
			return err
		}
		if (treeEntry{mode: parts[1]}).isRegular() {
			now.Files = append(now.Files, BroughtFile{Path: strings.TrimSuffix(path, "\x00"), Digest: parts[3]})
		}
	}
}

// Content gives the content of a file by its git id, wherever it lies.
func (r *Repo) Content(ctx context.Context, id string) ([]byte, error) {
	if !isFullHash(id) {
		return nil, fmt.Errorf("read object: %q is no id", id)
	}
	return r.objects.readKind(ctx, plumbing.NewHash(id), plumbing.BlobObject)
}
