package merge

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/workspace"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// Versions are the three texts of a file. Base is nil where the sides have no common ancestor.
type Versions struct {
	Base, Ours, Theirs []byte
}

// Options says how files are merged.
type Options struct {
	Keyring    *seal.Keyring
	Shared     func() []string // gives the recipients that several tenants have, as of [seal.NewMerger]
	MarkerSize int             // of conflicts; 0 is Git's 7
	Now        time.Time       // for what is sealed anew
}

// Result is a merged file.
type Result struct {
	Text      []byte
	Conflicts []Region // marked in the text
	// Pending says that secrets of both sides came together and nobody here can seal them: somebody with a key must finish.
	Pending *seal.NoIdentityError
	// ByLine says why the file was merged by line and not by key.
	ByLine error
	// Lost are comments of theirs that have no place in the outcome.
	Lost []string
}

// Clean reports whether nothing is left to do.
func (r *Result) Clean() bool { return len(r.Conflicts) == 0 && r.Pending == nil }

// Merge merges one file, whatever its state: what cannot be merged by key is merged by line. The error is for a context that
// ended.
func Merge(ctx context.Context, file string, v Versions, o Options) (*Result, error) {
	r, err := byKey(ctx, file, v, o)
	if err == nil || ctx.Err() != nil {
		return r, ctx.Err()
	}
	return byLine(v, o.MarkerSize, err), nil
}

// parsed gives the versions as documents.
func (v Versions) parsed(file string) (d seal.Versions, err error) {
	if v.Base != nil {
		if d.Base, err = parseBase(file+" (base)", v.Base); err != nil {
			return d, err
		}
	}
	if d.Ours, err = yamldoc.Parse(file+" (ours)", v.Ours); err != nil {
		return d, err
	}
	d.Theirs, err = yamldoc.Parse(file+" (theirs)", v.Theirs)
	return d, err
}

// maxNested is how deep Git is followed in merging ancestors.
const maxNested = 10

// parseBase reads the ancestor. Where two branches have several, Git merges these first, and gives what comes out with its
// conflicts in it, marked the longer the deeper it is. What such a key was before is open: it gets a value that neither side has, so
// that sides that differ are in conflict there.
func parseBase(file string, text []byte) (*yamldoc.Doc, error) {
	doc, err := yamldoc.Parse(file, text)
	if err == nil {
		return doc, nil
	}
	for size := MarkerSize + 2; size <= MarkerSize+2*maxNested; size += 2 {
		regions, regionsErr := Regions(file, text, size)
		if regionsErr != nil || len(regions) == 0 {
			continue
		}
		var edits []yamldoc.Edit
		for _, r := range regions {
			for _, key := range r.KeyList() {
				p, err := tree.ParsePath(key)
				if err != nil {
					return nil, err
				}
				edits = append(edits, yamldoc.Edit{Path: p, Value: tree.NewString("in conflict between ancestors")})
			}
			if r.Keys == "" {
				return nil, err
			}
		}
		text = replaceRegions(text, regions, func(_ int, r *Region) ([]string, bool) { return r.Ours, true })
		if doc, err = yamldoc.Parse(file, text); err != nil {
			continue // there are deeper ones
		}
		return doc.Apply(edits...)
	}
	return nil, err
}

func byKey(ctx context.Context, file string, v Versions, o Options) (*Result, error) {
	docs, err := v.parsed(file)
	if err != nil {
		return nil, err
	}
	m, err := seal.NewMerger(ctx, docs, o.Keyring, o.Shared)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	c := contents{m.Contents.Base, m.Contents.Ours, m.Contents.Theirs, file == workspace.SopsFile}
	want, conflicts := c.merge(preferOurs)
	merged, err := c.write(want)
	if err != nil {
		return nil, err
	}
	sealed, complete, err := m.Seal(ctx, merged, o.Now)
	if err != nil {
		return nil, err
	}
	r := &Result{Text: sealed.Source()}
	if !complete {
		r.Pending = m.Locked
	}
	if len(conflicts) > 0 {
		if err := r.markConflicts(c, sealed, o.MarkerSize); err != nil {
			return nil, err
		}
	}
	r.Lost = lostComments(v.Base, v.Theirs, r.Text)
	return r, nil
}

// markConflicts marks each conflict in the text at its own lines.
func (r *Result) markConflicts(c contents, sealed *yamldoc.Doc, size int) error {
	theirs, conflicts := c.merge(preferTheirs)
	base, _ := c.merge(preferBase)
	regions, err := variants{sealed, theirs, base}.regions(conflicts)
	if err != nil {
		return err
	}
	if size <= 0 {
		size = MarkerSize
	}
	r.Text = mark(lines(sealed.Source()), regions, size)
	r.Conflicts, err = Regions(sealed.File(), r.Text, size)
	if err == nil && len(r.Conflicts) != len(regions) {
		err = errors.New("a value looks like the mark of a conflict")
	}
	return err
}

// byLine merges as Git does.
func byLine(v Versions, size int, why error) *Result {
	if size <= 0 {
		size = MarkerSize
	}
	base, ours, theirs := endedLines(v.Base), endedLines(v.Ours), endedLines(v.Theirs)
	merged, ok := diff3(base, ours, theirs, conflict)
	r := &Result{ByLine: why}
	// Lines of two encrypted files are never mixed without looking.
	if ok && !sealedText(v.Ours) && !sealedText(v.Theirs) {
		r.Text = []byte(strings.Join(merged, ""))
		return r
	}
	region := Region{Ours: ours, Base: base, Theirs: theirs, to: len(ours)}
	region.trim()
	r.Text = mark(ours, []Region{region}, size)
	r.Conflicts, _ = Regions("", r.Text, size)
	return r
}

// trim leaves the lines out that all versions start and end with.
func (r *Region) trim() {
	for len(r.Ours) > 0 && len(r.Base) > 0 && len(r.Theirs) > 0 && r.Ours[0] == r.Theirs[0] && r.Ours[0] == r.Base[0] {
		r.Ours, r.Base, r.Theirs = r.Ours[1:], r.Base[1:], r.Theirs[1:]
		r.from++
	}
	last := func(s []string) string { return s[len(s)-1] }
	for len(r.Ours) > 0 && len(r.Base) > 0 && len(r.Theirs) > 0 && last(r.Ours) == last(r.Theirs) && last(r.Ours) == last(r.Base) {
		r.Ours, r.Base, r.Theirs = r.Ours[:len(r.Ours)-1], r.Base[:len(r.Base)-1], r.Theirs[:len(r.Theirs)-1]
		r.to--
	}
}

// UnresolvedError says that a file still has conflicts.
type UnresolvedError struct {
	File    string
	Regions []Region
}

// Error implements error.
func (e *UnresolvedError) Error() string {
	r := e.Regions[0]
	what := r.Keys
	if what == "" {
		what = "a part of the file"
	}
	return fmt.Sprintf("%s:%d: %s is still in conflict", e.File, r.Line, what)
}
