package mem_test

import (
	"testing"

	"github.com/llm-devops/lcm/pkg/publish"
	"github.com/llm-devops/lcm/pkg/publish/mem"
	"github.com/llm-devops/lcm/pkg/publish/publishtest"
)

func TestContract(t *testing.T) {
	publishtest.TestStore(t, func(*testing.T) func() publish.Store {
		s := &mem.Store{}
		return func() publish.Store { return s }
	})
	publishtest.TestSecretStore(t, func(*testing.T) func() publish.SecretStore {
		s := &mem.Secrets{}
		return func() publish.SecretStore { return s }
	})
}
