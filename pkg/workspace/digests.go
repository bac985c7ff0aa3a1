package workspace

import (
	"context"
	"strings"
	"sync"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/gitrepo"
)

// Digests gives a digest of the content of each regular file in a folder, by name; none for a missing folder. What has the
// same digests resolves to the same.
func (s *Snapshot) Digests(ctx context.Context, dir string) (map[string]string, error) {
	return s.files.(gitrepo.Digester).Digests(ctx, dir) // every snapshot of this package's is one
}

// Digests implements [gitrepo.Digester].
func (o overlay) Digests(ctx context.Context, dir string) (map[string]string, error) {
	out, err := o.Snapshot.(gitrepo.Digester).Digests(ctx, dir)
	if err != nil {
		return nil, err
	}
	for file, data := range o.over {
		name, ok := strings.CutPrefix(file, dir+"/")
		if dir == "." {
			name, ok = file, true
		}
		if !ok || strings.Contains(name, "/") {
			continue
		}
		if data == nil {
			delete(out, name)
			continue
		}
		if out == nil {
			out = map[string]string{}
		}
		out[name] = gitrepo.ContentDigest(data)
	}
	return out, nil
}

// settled is the worktree as a snapshot reads it: the few files that all addresses depend on are read once, so that whatever
// looks at one of them again sees the same, though somebody edits it meanwhile.
type settled struct {
	gitrepo.Snapshot
	files *sync.Map // path → []byte
}

func (s settled) ReadFile(ctx context.Context, path string) ([]byte, error) {
	if _, isLayer := address.FromFile(path); isLayer {
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

// Digests implements [gitrepo.Digester].
func (s settled) Digests(ctx context.Context, dir string) (map[string]string, error) {
	out, err := s.Snapshot.(gitrepo.Digester).Digests(ctx, dir)
	if err != nil {
		return nil, err
	}
	for name := range out {
		file := name
		if dir != "." {
			file = dir + "/" + name
		}
		if _, isLayer := address.FromFile(file); isLayer {
			continue
		}
		data, err := s.ReadFile(ctx, file)
		if err != nil {
			return nil, err
		}
		out[name] = gitrepo.ContentDigest(data)
	}
	return out, nil
}
