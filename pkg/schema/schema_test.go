package schema

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// service gives the module in testdata.
func service(t testing.TB) *Module {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "service.cue"))
	if err != nil {
		t.Fatal(err)
	}
	return mustModule(t, Source{File: "service.cue", Data: data, Builtin: true})
}

// inline gives a module of the organisation's whose source begins with the lines given.
func inline(t testing.TB, body string) *Module {
	t.Helper()
	return mustModule(t, inlineSource(body))
}

func inlineSource(body string) Source {
	return Source{File: "schemas/mine.cue", Data: []byte("package mine\n@module(name=\"mine\", version=\"1.0.0\")\n" + body)}
}

func mustModule(t testing.TB, src Source) *Module {
	t.Helper()
	set, err := Load([]Source{src}, nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := set.Module(set.Names()[0])
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// config parses YAML as file c.yaml.
func config(t testing.TB, src string) *tree.Node {
	t.Helper()
	doc, err := yamldoc.Parse("c.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return doc.Root()
}

func path(t testing.TB, key string) tree.Path {
	t.Helper()
	if key == "" {
		return nil
	}
	p, err := tree.ParsePath(key)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func jsonOf(t testing.TB, n *tree.Node) string {
	t.Helper()
	out, err := n.AppendJSON(nil, tree.Revealed)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// lines gives findings as "POSITION CODE MESSAGE", with the hint behind a bar.
func lines(found diag.List) []string {
	out := make([]string, len(found))
	for i, f := range found {
		at := strings.TrimPrefix(f.Position.String(), "c.yaml:")
		out[i] = at + " " + strings.TrimPrefix(f.Code, "schema-") + ": " + f.Message
		if f.Hint != "" {
			out[i] += " | " + f.Hint
		}
	}
	return out
}
