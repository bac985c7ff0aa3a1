package schemas_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// TestExamplesAgreeWithCUE compares the verdicts on the configurations in testdata, and on variants of the valid ones in
// which something is missing or is not what it was, with those of CUE by itself. Unlike the platform of TestAgreesWithCUE
// they cover every module and nearly every field.
func TestExamplesAgreeWithCUE(t *testing.T) {
	set := load(t)
	variants := 24
	if testing.Short() {
		variants = 0
	}
	for _, name := range modules {
		t.Run(name, func(t *testing.T) {
			m, o := module(t, set, name), newOracle(t, name)
			compare := func(file string, root *tree.Node) (accepted bool) {
				found, refused := m.Validate(root), o.refuses(t, root)
				if (len(found) > 0) != (refused != nil) {
					text, _ := root.AppendJSON(nil, tree.Revealed)
					t.Errorf("%s: found %v, CUE says %v of\n%s", file, found, refused, text)
				}
				return refused == nil
			}
			paths, err := filepath.Glob(filepath.Join("testdata", name, "*.yaml"))
			if err != nil || len(paths) == 0 {
				t.Fatalf("%d files, %v", len(paths), err)
			}
			verdicts := map[bool]int{}
			for _, p := range paths {
				src, err := os.ReadFile(p)
				if err != nil {
					t.Fatal(err)
				}
				file := filepath.Base(p)
				doc, err := yamldoc.Parse(file, src)
				if err != nil {
					t.Fatal(err)
				}
				valid := strings.HasPrefix(file, "valid")
				if compare(file, doc.Root()) != valid {
					t.Errorf("%s: CUE says otherwise", file)
				}
				if !valid {
					continue
				}
				for seed := range variants {
					verdicts[compare(file, variant(doc.Root(), uint64(seed)))]++
				}
			}
			if variants > 0 && (verdicts[true] < variants/10 || verdicts[false] < variants/10) {
				t.Errorf("CUE accepted %d variants and refused %d: they show little", verdicts[true], verdicts[false])
			}
		})
	}
}

// variant gives a copy of a configuration without one of its values, or with one of its scalars in another place.
func variant(root *tree.Node, seed uint64) *tree.Node {
	r := rand.New(rand.NewPCG(5, seed))
	count := 0
	var scalars []*tree.Node
	root.Walk(func(_ tree.Path, n *tree.Node) bool {
		if count++; n.Kind.IsScalar() {
			scalars = append(scalars, n)
		}
		return true
	})
	place := 1 + r.IntN(count)
	if r.IntN(2) == 0 {
		return without(root, &place, nil)
	}
	return without(root, &place, scalars[r.IntN(len(scalars))])
}
