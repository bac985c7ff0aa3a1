package gitrepo

import (
	"context"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/llm-devops/lcm/pkg/diag"
)

// Files gives the files of the worktree that are tracked, or could be as nothing says to ignore them, sorted. A tracked file
// that was removed is among them.
func (r *Repo) Files(ctx context.Context) ([]string, error) {
	out, err := r.git(ctx, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	if err != nil {
		return nil, fmt.Errorf("list files: %w", err)
	}
	files := splitNUL(out)
	slices.Sort(files)
	return slices.Compact(files), nil
}

func splitNUL(out []byte) []string {
	text := strings.TrimSuffix(string(out), "\x00")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\x00")
}

// Staged is what is staged: the files as the next commit would have them.
type Staged struct {
	Snapshot          // at the index: its revision is zero
	Changed  []string // the files that the commit would add or change, sorted
	Removed  []string // the files that it would remove, sorted
}

// Staged reads an index. Its file is the repository's own, or the one that is named: to a hook Git says in GIT_INDEX_FILE
// which index is to be committed. A relative path is one in the worktree's top folder.
func (r *Repo) Staged(ctx context.Context, file string) (*Staged, error) {
	switch {
	case file == "":
		file = filepath.Join(r.gitDir, "index")
	case !filepath.IsAbs(file):
		file = filepath.Join(r.root, file)
	}
	index, err := readIndexFile(file)
	if err != nil {
		return nil, err
	}
	if err := index.supported(); err != nil {
		return nil, fmt.Errorf("read what is staged: %w", err)
	}
	if len(index.unmerged) > 0 {
		return nil, diag.WithHint(&StateError{Reason: "there is a conflict", Paths: index.unmerged}, "resolve it, and git add the result")
	}
	s := &Staged{Snapshot: newIndexSnapshot(r.objects, index)}
	_, _, unborn, err := r.Head(ctx)
	if err != nil {
		return nil, err
	}
	if unborn {
		for _, e := range index.entries() {
			if !e.intentToAdd {
				s.Changed = append(s.Changed, e.path)
			}
		}
		return s, nil
	}
	out, err := r.run(ctx, command{
		args: []string{"diff-index", "--cached", "--ita-invisible-in-index", "--name-status", "-z", "--no-renames", "HEAD"},
		env:  []string{"GIT_INDEX_FILE=" + file},
	})
	if err != nil {
		return nil, fmt.Errorf("compare what is staged with HEAD: %w", err)
	}
	fields := splitNUL(out) // a letter, then the path that it is about
	for i := 0; i+1 < len(fields); i += 2 {
		if fields[i] == "D" {
			s.Removed = append(s.Removed, fields[i+1])
		} else {
			s.Changed = append(s.Changed, fields[i+1])
		}
	}
	return s, nil
}

// indexSnapshot is the tree that an index stands for.
type indexSnapshot struct {
	objects *objectStore
	files   map[string]treeEntry
	folders map[string][]Entry // sorted by name
}

func newIndexSnapshot(objects *objectStore, index *gitIndex) *indexSnapshot {
	s := &indexSnapshot{objects: objects, files: make(map[string]treeEntry, len(index.starts)), folders: map[string][]Entry{".": nil}}
	for _, e := range index.entries() {
		if e.intentToAdd {
			continue
		}
		entry := treeEntry{mode: e.modeString(), name: path.Base(e.path), id: e.id}
		s.files[e.path] = entry
		s.add(e.path, Entry{Name: entry.name, Irregular: !entry.isRegular(), Digest: e.id.String()})
	}
	for dir, entries := range s.folders {
		slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
		s.folders[dir] = entries
	}
	return s
}

// add enters a file or folder into the one that it is in, and that one where it is new.
func (s *indexSnapshot) add(name string, e Entry) {
	for {
		dir := path.Dir(name)
		_, known := s.folders[dir]
		s.folders[dir] = append(s.folders[dir], e)
		if known {
			return
		}
		name, e = dir, Entry{Name: path.Base(dir), Dir: true}
	}
}

func (s *indexSnapshot) Revision() Revision { return Revision{} }

func (s *indexSnapshot) ReadFile(ctx context.Context, name string) ([]byte, error) {
	if err := cleanPath(name); err != nil {
		return nil, s.wrap(err)
	}
	e, ok := s.files[name]
	if !ok {
		return nil, s.wrap(notExist(name))
	}
	if !e.isRegular() {
		return nil, s.wrap(irregular(name, e.mode))
	}
	content, err := s.objects.readKind(ctx, e.id, plumbing.BlobObject)
	if err != nil {
		return nil, s.wrap(fmt.Errorf("%s: %w", name, err))
	}
	return content, nil
}

func (s *indexSnapshot) ReadDir(_ context.Context, name string) ([]Entry, error) {
	if err := cleanPath(name); err != nil {
		return nil, s.wrap(err)
	}
	entries, ok := s.folders[name]
	if !ok {
		return nil, s.wrap(notExist(name))
	}
	return slices.Clone(entries), nil
}

// Digests implements [Digester] with the git ids: nothing is read.
func (s *indexSnapshot) Digests(_ context.Context, name string) (*Listing, error) {
	if err := cleanPath(name); err != nil {
		return nil, s.wrap(err)
	}
	out := &Listing{Files: map[string]string{}}
	s.list(name, "", out)
	return out, nil
}

func (s *indexSnapshot) list(dir, below string, out *Listing) {
	for _, e := range s.folders[dir] {
		name := below + e.Name
		switch {
		case e.Irregular:
			out.Odd = append(out.Odd, name)
		case e.Dir:
			out.Dirs = append(out.Dirs, name)
			s.list(path.Join(dir, e.Name), name+"/", out)
		default:
			out.Files[name] = e.Digest
		}
	}
}

// Sizes needs the objects: an index knows the sizes of the files that it was made of, and those may be converted.
func (s *indexSnapshot) Sizes(ctx context.Context, dir string) (map[string]int64, error) {
	entries, err := s.ReadDir(ctx, dir)
	if err != nil {
		return nil, err
	}
	sizes := map[string]int64{}
	for _, e := range entries {
		if e.Dir || e.Irregular {
			continue
		}
		content, err := s.ReadFile(ctx, path.Join(dir, e.Name))
		if err != nil {
			return nil, err
		}
		sizes[e.Name] = int64(len(content))
	}
	return sizes, nil
}

func (s *indexSnapshot) wrap(err error) error { return fmt.Errorf("read what is staged: %w", err) }
