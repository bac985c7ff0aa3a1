package schemas_test

import (
	"bytes"
	"flag"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/llm-devops/lcm/pkg/pin"
	"github.com/llm-devops/lcm/pkg/template"
	"github.com/llm-devops/lcm/pkg/workspace"
	"github.com/llm-devops/lcm/pkg/yamldoc"
	"github.com/llm-devops/lcm/templates"
)

//go:generate go test -run ^TestExampleLock$ . -update

var update = flag.Bool("update", false, "write examples/platform/lcm.lock anew")

// TestExampleLock keeps the example's lcm.lock at the modules and templates as they are here.
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
	lock.Templates = exampleTemplates(t)
	const file = "../examples/platform/lcm.lock"
	if *update {
		if err := os.WriteFile(file, lock.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(have, lock.Bytes()) {
		t.Errorf("%s is not what the built-in modules and templates are: run make generate (%v)", file, err)
	}
}

// exampleTemplates gives what the example's layers use of the built-in templates.
func exampleTemplates(t *testing.T) map[string]pin.Pin {
	t.Helper()
	names, err := fs.Glob(templates.FS, "*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var sources []template.Source
	for _, name := range names {
		data, err := templates.FS.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		sources = append(sources, template.Source{File: name, Data: data, Builtin: true})
	}
	set := template.NewSet(sources, nil)
	layers, err := filepath.Glob(filepath.Join(platform, "config", "*", "*", "*.yaml"))
	if err != nil || len(layers) == 0 {
		t.Fatal(layers, err)
	}
	out := map[string]pin.Pin{}
	for _, file := range layers {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := yamldoc.Parse(file, src)
		if err != nil {
			t.Fatal(err)
		}
		use, findings := template.ReadUse(doc.Root())
		pins, whole := set.Pins(use)
		if len(findings) > 0 || !whole {
			t.Fatalf("%s: %v", file, findings)
		}
		maps.Copy(out, pins)
	}
	return out
}
