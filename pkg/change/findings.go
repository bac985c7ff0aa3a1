package change

import (
	"context"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/validate"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// findings gives what is wrong with addresses, and with the layer files themselves of some.
func findings(ctx context.Context, s *workspace.Snapshot, addresses, layers []address.Address) (diag.List, error) {
	list, err := validate.Addresses(ctx, s, addresses)
	if err != nil {
		return nil, err
	}
	broken, err := validate.Rules(ctx, s, addresses)
	if err != nil {
		return nil, err
	}
	list = append(list, broken...)
	for _, a := range layers {
		own, err := validate.Layer(ctx, s, a)
		if err != nil {
			return nil, err
		}
		list = append(list, own...)
	}
	return list, nil
}
