package change

import (
	"context"
	"errors"
	"io/fs"

	"github.com/llm-devops/lcm/pkg/gitrepo"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// Unlisted reports whether the repository says who may sign changes, and the key that signed the change's commit is not among them:
// nobody will publish it. It compares texts alone; what a signature is worth, [gitrepo.Repo.Verify] says.
func (p *Plan) Unlisted(ctx context.Context, commit gitrepo.Revision) (bool, error) {
	signers, err := p.After.ReadFile(ctx, workspace.SignersFile)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	key, err := p.w.Repo().SSHKeyOf(ctx, commit)
	if err != nil || key == "" {
		return false, err
	}
	return !gitrepo.NamesKey(signers, key), nil
}
