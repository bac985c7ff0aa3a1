package merge

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/gitrepo"
	"github.com/llm-devops/lcm/pkg/scaffold"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// State is how far a file is in a merge.
type State string

// The states.
const (
	InConflict State = "conflict" // it has conflicts to resolve
	Unsealed   State = "unsealed" // its conflicts are resolved, and it is to be sealed and added
	Added      State = "added"    // it was added to the index
	Foreign    State = "foreign"  // not a configuration file, or gone on one side: Git's business
)

// File is a file that Git stopped at.
type File struct {
	Path     string
	State    State
	Regions  []Region
	Problem  error // what is wrong with its text
	text     []byte
	versions Versions
}

// Session is a merge, rebase, cherry-pick or stash that Git stopped in.
type Session struct {
	Repo    *gitrepo.Repo
	Options Options
}

// IsMerged reports whether a file is one that is merged by key.
func IsMerged(file string) bool {
	switch file {
	case workspace.SettingsFile, workspace.LockFile, scaffold.SopsFile:
		return true
	}
	return strings.HasPrefix(file, address.Root+"/") && path.Ext(file) == ".yaml"
}

// Files gives the files that Git stopped at, with those that were resolved since.
func (s *Session) Files(ctx context.Context) ([]File, error) {
	unmerged, err := s.Repo.Unmerged(ctx)
	if err != nil {
		return nil, err
	}
	files := make([]File, 0, len(unmerged))
	for _, u := range unmerged {
		f := File{Path: u.Path, State: Unsealed, versions: Versions{u.Base, u.Ours, u.Theirs}}
		if !IsMerged(u.Path) || u.Ours == nil || u.Theirs == nil {
			f.State = Foreign
			if u.Resolved {
				f.State = Added
			}
			files = append(files, f)
			continue
		}
		f.text, err = s.Repo.Worktree().ReadFile(ctx, u.Path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			f.State = Foreign // removed by hand
			if u.Resolved {
				f.State = Added
			}
		case err != nil:
			return nil, err
		default:
			f.Regions, f.Problem = Regions(u.Path, f.text, s.Options.MarkerSize)
			if len(f.Regions) > 0 || f.Problem != nil {
				f.State = InConflict
			} else if u.Resolved && s.isSealed(ctx, f) {
				f.State = Added
			}
		}
		files = append(files, f)
	}
	return files, nil
}

// isSealed reports whether a file that was added is as Finish would leave it.
func (s *Session) isSealed(ctx context.Context, f File) bool {
	r, err := Finish(ctx, f.Path, f.text, f.versions, s.Options)
	return err == nil && r.Pending == nil && string(r.Text) == string(f.text)
}

// Settle seals a file whose conflicts are resolved and adds it to the index. If somebody with a key has to do that, the
// file stays as it is and the error is the [seal.NoIdentityError].
func (s *Session) Settle(ctx context.Context, f File) error {
	r, err := Finish(ctx, f.Path, f.text, f.versions, s.Options)
	if err != nil {
		return err
	}
	if r.Pending != nil {
		return r.Pending
	}
	if err := s.write(ctx, f, r.Text); err != nil {
		return err
	}
	return s.Repo.Add(ctx, f.Path)
}

// write replaces a file that is still as it was read.
func (s *Session) write(ctx context.Context, f File, text []byte) error {
	return s.Repo.WriteFiles(ctx, map[string][]byte{f.Path: text}, gitrepo.Expect(map[string][]byte{f.Path: f.text}))
}

// Regenerate writes the generated rules of .sops.yaml anew where they do not say what the tenants' files say as these were
// resolved, and adds the file to the index. It reports whether it did.
func (s *Session) Regenerate(ctx context.Context, w *workspace.Workspace) (bool, error) {
	tree := w.Worktree()
	drift, err := tree.SopsDrift(ctx)
	if err != nil || len(drift) == 0 {
		return false, err
	}
	now, err := tree.ReadFile(ctx, scaffold.SopsFile)
	if err != nil {
		return false, err
	}
	want, err := scaffold.SopsOf(ctx, tree)
	if err != nil {
		return false, err
	}
	if err := s.write(ctx, File{Path: scaffold.SopsFile, text: now}, want); err != nil {
		return false, err
	}
	return true, s.Repo.Add(ctx, scaffold.SopsFile)
}

// Choose resolves conflicts of a file by taking a side, all of them if no keys are given.
func (s *Session) Choose(ctx context.Context, f File, keys []string, side Side) error {
	text, err := Choose(f.Path, f.text, keys, side, s.Options)
	if err != nil {
		return err
	}
	return s.write(ctx, f, text)
}

// Set resolves the conflict at a key with a value that is on neither side.
func (s *Session) Set(ctx context.Context, f File, key tree.Path, value *tree.Node) error {
	text, err := Set(ctx, f.Path, f.text, key, value, f.versions, s.Options)
	if err != nil {
		return err
	}
	return s.write(ctx, f, text)
}

// Values gives what the sides have at the keys of a file.
func (s *Session) Values(ctx context.Context, f File) (ValueFunc, error) {
	return Values(ctx, f.Path, f.versions, s.Options)
}

// Left gives the files of some states.
func Left(files []File, states ...State) []File {
	return slices.DeleteFunc(slices.Clone(files), func(f File) bool { return !slices.Contains(states, f.State) })
}

// Committed gives the files of a merge at HEAD that were committed before somebody with a key had sealed them.
func (s *Session) Committed(ctx context.Context) (files []File, head gitrepo.Revision, err error) {
	head, _, unborn, err := s.Repo.Head(ctx)
	if err != nil || unborn {
		return nil, head, err
	}
	commit, err := s.Repo.Log(ctx, head)
	if err != nil || len(commit.Parents) != 2 {
		return nil, head, err
	}
	base, err := s.Repo.MergeBase(ctx, commit.Parents[0], commit.Parents[1])
	if err != nil {
		return nil, head, err
	}
	var changed [2][]string
	for i, parent := range commit.Parents {
		if changed[i], err = s.Repo.Changed(ctx, parent, head, "."); err != nil {
			return nil, head, err
		}
	}
	for _, path := range changed[0] {
		if !IsMerged(path) || !slices.Contains(changed[1], path) {
			continue // one side's file as it was
		}
		f := File{Path: path, State: Unsealed}
		for _, part := range []struct {
			at   gitrepo.Revision
			text *[]byte
		}{{head, &f.text}, {commit.Parents[0], &f.versions.Ours}, {commit.Parents[1], &f.versions.Theirs}, {base, &f.versions.Base}} {
			if *part.text, err = s.read(ctx, part.at, path); err != nil {
				return nil, head, err
			}
		}
		if f.text == nil || f.versions.Ours == nil || f.versions.Theirs == nil || !sealedText(f.text) {
			continue
		}
		if f.Regions, f.Problem = Regions(path, f.text, s.Options.MarkerSize); len(f.Regions) > 0 || f.Problem != nil || s.isSealed(ctx, f) {
			continue
		}
		files = append(files, f)
	}
	return files, head, nil
}

// read gives a file at a revision, nil where there is none.
func (s *Session) read(ctx context.Context, at gitrepo.Revision, path string) ([]byte, error) {
	if at.IsZero() {
		return nil, nil
	}
	snapshot, err := s.Repo.At(ctx, at)
	if err != nil {
		return nil, err
	}
	text, err := snapshot.ReadFile(ctx, path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return text, err
}

// Seal gives the sealed texts of files, for a commit.
func (s *Session) Seal(ctx context.Context, files []File) (map[string][]byte, error) {
	out := map[string][]byte{}
	for _, f := range files {
		r, err := Finish(ctx, f.Path, f.text, f.versions, s.Options)
		if err != nil {
			return nil, err
		}
		if r.Pending != nil {
			r.Pending.File = f.Path
			return nil, r.Pending
		}
		out[f.Path] = r.Text
	}
	return out, nil
}
