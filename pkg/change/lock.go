package change

import (
	"context"
	"errors"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// lock adds what the edited layers bring into use of the built-in templates to lcm.lock, so that the very commit that does so
// resolves to the same with another lcm.
func (p *Plan) lock(ctx context.Context, edited []address.Address) error {
	if p.Empty() {
		return nil
	}
	lock, err := p.After.LockedWith(ctx, edited)
	if _, broken := errors.AsType[diag.List](err); broken {
		return nil // a lock that cannot be read is a finding about what the change reaches
	}
	if err != nil || lock == nil {
		return err
	}
	p.Files[workspace.LockFile] = lock.Bytes()
	p.After = p.w.Overlay(p.Before, p.Files)
	return nil
}
