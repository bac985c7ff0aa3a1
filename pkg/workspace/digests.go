package workspace

import (
	"context"
	"maps"
	"strings"
	"sync"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/gitrepo"
)

// Digests lists everything in a folder and below it, with digests of the files' content; nothing for a missing folder. What
// has the same digests resolves to the same.
func (s *Snapshot) Digests(ctx context.Context, dir string) (*gitrepo.Listing, error) {
	return s.files.(gitrepo.Digester).Digests(ctx, dir) // every snapshot of this package's is one
}

// DigestOf gives the digest of one file's content, "" where there is none.
func (s *Snapshot) DigestOf(ctx context.Context, file string) string {
	data, err := s.files.ReadFile(ctx, file)
	if err != nil {
		return ""
	}
	return gitrepo.ContentDigest(data)
}

// Digests implements [gitrepo.Digester].
func (o overlay) Digests(ctx context.Context, dir string) (*gitrepo.Listing, error) {
	out, err := o.Snapshot.(gitrepo.Digester).Digests(ctx, dir)
	if err != nil {
		return nil, err
	}
	out.Files = maps.Clone(out.Files)
	for file, data := range o.over {
		name, ok := strings.CutPrefix(file, dir+"/")
		switch {
		case dir == ".":
			name = file
		case !ok:
			continue
		}
		if data == nil {
			delete(out.Files, name)
		} else {
			out.Files[name] = gitrepo.ContentDigest(data)
		}
	}
	return out, nil
}

// settled is the worktree as a snapshot reads it: the few files that many addresses depend on are read once, so that whatever
// looks at one of them again sees the same, though somebody edits it meanwhile.
type settled struct {
	gitrepo.Snapshot
	files *sync.Map // path → []byte
}

func (s settled) ReadFile(ctx context.Context, path string) ([]byte, error) {
	if !isSettled(path) {
		return s.Snapshot.ReadFile(ctx, path)
	}
	if data, ok := s.files.Load(path); ok {
		return data.([]byte), nil
	}
	data, err := s.Snapshot.ReadFile(ctx, path)
	if err != nil {
		return nil, err
	}
	kept, _ := s.files.LoadOrStore(path, data)
	return kept.([]byte), nil
}

// isSettled tells the files that many addresses depend on from layers.
func isSettled(path string) bool {
	_, isLayer := address.FromFile(path)
	return !isLayer
}

// Digests implements [gitrepo.Digester].
func (s settled) Digests(ctx context.Context, dir string) (*gitrepo.Listing, error) {
	out, err := s.Snapshot.(gitrepo.Digester).Digests(ctx, dir)
	if err != nil {
		return nil, err
	}
	for name := range out.Files {
		file := strings.TrimPrefix(dir+"/"+name, "./")
		if !isSettled(file) {
			continue
		}
		data, err := s.ReadFile(ctx, file)
		if err != nil {
			return nil, err
		}
		out.Files[name] = gitrepo.ContentDigest(data)
	}
	return out, nil
}
