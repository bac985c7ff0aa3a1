package gitrepo

import (
	"context"
	"fmt"
	"path/filepath"
)

// MergeFile gives the three-way merge of the files at three paths, outside of any repository, as "git merge-file" does it line
// by line; names are what its conflict markers call ours, base and theirs. conflicts says whether there are any.
func MergeFile(ctx context.Context, ours, base, theirs string, names [3]string) (merged []byte, conflicts bool, err error) {
	args := []string{"merge-file", "-p", "-L", names[0], "-L", names[1], "-L", names[2], ours, base, theirs}
	out, err := runGit(ctx, filepath.Dir(ours), command{args: args}, nil)
	if code := exitCode(err); err != nil && code > 0 && code < 128 {
		return out, true, nil // the code is the number of conflicts
	}
	if err != nil {
		return nil, false, fmt.Errorf("merge %s: %w", filepath.Base(ours), err)
	}
	return out, false, nil
}
