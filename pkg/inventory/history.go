package inventory

import (
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"maps"
	"slices"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/gitrepo"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// state is what one version of a file says about its secrets.
type state struct {
	texts map[*Secret]string // what stands at their keys; nothing where that is not there
	keys  []string           // the data key, as it is encrypted to each recipient
}

// rekeyed reports whether a file has another data key than before: nobody's copy of it is the same.
func (s *state) rekeyed(before *state) bool {
	return len(s.keys) > 0 && len(before.keys) > 0 && !slices.ContainsFunc(s.keys, func(k string) bool { return slices.Contains(before.keys, k) })
}

// walker goes through history once for all files.
type walker struct {
	repo    *gitrepo.Repo
	shallow bool
	byFile  map[string][]*Secret
	open    map[*Secret]bool // whose beginning is not found yet
	states  map[version]*state
}

// version is the content of a file.
type version struct {
	file   string
	digest [sha256.Size]byte
}

// date finds for each secret since when it is there, and what last changed it, in the history of a revision.
func date(ctx context.Context, repo *gitrepo.Repo, rev gitrepo.Revision, byFile map[string][]*Secret) error {
	w := &walker{repo: repo, byFile: byFile, open: map[*Secret]bool{}, states: map[version]*state{}}
	var err error
	if w.shallow, err = repo.Shallow(ctx); err != nil {
		return errHistory(err)
	}
	for file, secrets := range byFile {
		now, err := w.at(ctx, rev, file)
		if err != nil {
			return errHistory(err)
		}
		for _, s := range secrets {
			s.Uncommitted = now.texts[s] != s.text
			if now.texts[s] != "" {
				w.open[s] = true
			}
		}
	}
	for c, err := range repo.History(ctx, rev, slices.Sorted(maps.Keys(byFile))...) {
		if err != nil {
			return errHistory(err)
		}
		if len(w.open) == 0 {
			break
		}
		if err := w.commit(ctx, &c); err != nil {
			return errHistory(err)
		}
	}
	return nil
}

// commit notes what a commit did to the secrets whose beginning is not found yet.
func (w *walker) commit(ctx context.Context, c *gitrepo.CommitInfo) error {
	files, cut, err := w.changed(ctx, c)
	if err != nil {
		return err
	}
	for _, file := range files {
		after, err := w.at(ctx, c.Revision, file)
		if err != nil {
			return err
		}
		var parents []*state
		for _, p := range c.Parents {
			if cut {
				break
			}
			before, err := w.at(ctx, p, file)
			if err != nil {
				return err
			}
			parents = append(parents, before)
		}
		for _, s := range w.byFile[file] {
			if w.open[s] {
				s.Cut = s.Cut || cut
				w.note(c, s, after, parents)
			}
		}
	}
	return nil
}

// changed gives the files in which a commit differs from all of its parents. cut says that a shallow clone does not have those.
func (w *walker) changed(ctx context.Context, c *gitrepo.CommitInfo) (files []string, cut bool, err error) {
	parents := c.Parents
	if len(parents) == 0 {
		parents = []gitrepo.Revision{{}}
	}
	for i, p := range parents {
		found, err := w.repo.Changed(ctx, p, c.Revision, address.Root)
		if err != nil && w.shallow && ctx.Err() == nil {
			found, err = w.repo.Changed(ctx, gitrepo.Revision{}, c.Revision, address.Root)
			cut = true
		}
		if err != nil {
			return nil, false, err
		}
		if i == 0 {
			files = found
			continue
		}
		files = slices.DeleteFunc(files, func(f string) bool { return !slices.Contains(found, f) })
	}
	return slices.DeleteFunc(files, func(f string) bool { return len(w.byFile[f]) == 0 }), cut, nil
}

// note tells a secret what a commit did to it.
func (w *walker) note(c *gitrepo.CommitInfo, s *Secret, after *state, parents []*state) {
	text := after.texts[s]
	if text == "" {
		return // a side branch that does not have it
	}
	began, changed := true, true
	for _, before := range parents {
		old := before.texts[s]
		began = began && old == ""
		changed = changed && old != text && (old == "" || !onlySealed(c, s, after, before))
	}
	if !changed {
		return
	}
	info := *c
	s.Changes++
	if s.Changed == nil {
		s.Changed, s.Expires = &info, expiry(c, s.Address, s.Key)
	}
	if began {
		s.Since = &info
		delete(w.open, s)
	}
}

// onlySealed reports whether a commit encrypted a secret anew and left its value, as far as the commit or the file say.
func onlySealed(c *gitrepo.CommitInfo, s *Secret, after, before *state) bool {
	if yes, told := listed(c, s.Address, s.Key); told {
		return !yes
	}
	return after.rekeyed(before)
}

// at gives the state of a file at a revision. What the same bytes say is worked out once.
func (w *walker) at(ctx context.Context, rev gitrepo.Revision, file string) (*state, error) {
	snapshot, err := w.repo.At(ctx, rev)
	if err != nil {
		return nil, err
	}
	src, err := snapshot.ReadFile(ctx, file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	id := version{file, sha256.Sum256(src)}
	if known := w.states[id]; known != nil {
		return known, nil
	}
	s := &state{texts: map[*Secret]string{}}
	w.states[id] = s
	doc, err := yamldoc.Parse(file, src)
	if err != nil {
		return s, nil //nolint:nilerr // a version that is no YAML says nothing; it was a finding then
	}
	root := doc.Root()
	for _, secret := range w.byFile[file] {
		if n := root.Get(secret.Key); n != nil && n.Kind.IsScalar() && n.Kind != tree.Null {
			s.texts[secret] = n.Reveal()
		}
	}
	s.keys = dataKeys(root)
	return s, nil
}

// dataKeys gives the encrypted copies of the data key that a sops block holds, or those of its parts: for keys of whatever kind, in
// groups or not.
func dataKeys(root *tree.Node) []string {
	var keys []string
	root.Field("sops").Walk(func(_ tree.Path, n *tree.Node) bool {
		if enc := n.Field("enc"); enc != nil && enc.Kind == tree.String {
			keys = append(keys, enc.Reveal())
		}
		return true
	})
	return keys
}
