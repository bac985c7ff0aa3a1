package schemas_test

import (
	"bytes"
	"flag"
	"os"
	"testing"

	"github.com/llm-devops/lcm/pkg/pin"
	"github.com/llm-devops/lcm/pkg/workspace"
)

//go:generate go test -run ^TestExampleLock$ . -update

var update = flag.Bool("update", false, "write examples/platform/lcm.lock anew")

// TestExampleLock keeps the example's lcm.lock at the modules as they are here.
func TestExampleLock(t *testing.T) {
	set := load(t)
	lock := workspace.Lock{Schemas: map[string]pin.Pin{}}
	for _, ns := range settings(t).Namespaces {
		version, digest, err := set.Identity(ns.Module)
		if err != nil {
			t.Fatal(err)
		}
		lock.Schemas[ns.Module] = pin.Pin{Version: version, Digest: digest}
	}
	const file = "../examples/platform/lcm.lock"
	if *update {
		if err := os.WriteFile(file, lock.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(have, lock.Bytes()) {
		t.Errorf("%s is not what the built-in modules are: run make generate (%v)", file, err)
	}
}
