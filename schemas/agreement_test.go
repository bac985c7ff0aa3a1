package schemas_test

import (
	"io/fs"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/cuecontext"

	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/yamldoc"
	"github.com/llm-devops/lcm/schemas"
)

// oracle is CUE by itself, given a module's text and nothing of lcm's.
type oracle struct {
	ctx    *cue.Context
	config cue.Value
}

func newOracle(t *testing.T, module string) oracle {
	t.Helper()
	src, err := fs.ReadFile(schemas.FS, strings.ReplaceAll(module, "-", "_")+".cue")
	if err != nil {
		t.Fatal(err)
	}
	ctx := cuecontext.New()
	config := ctx.CompileBytes(src).LookupPath(cue.ParsePath("#Config"))
	if err := config.Err(); err != nil {
		t.Fatal(err)
	}
	return oracle{ctx, config}
}

func (o oracle) refuses(t *testing.T, root *tree.Node) error {
	t.Helper()
	text, err := root.AppendJSON(nil, tree.Revealed)
	if err != nil {
		t.Fatal(err)
	}
	return o.config.Unify(o.ctx.CompileBytes(text)).Validate(cue.Concrete(true))
}

// without gives a copy of a tree without the place that is counted down to, or with another value there.
func without(n *tree.Node, place *int, other *tree.Node) *tree.Node {
	switch n.Kind {
	case tree.Map:
		var fields []tree.Field
		for _, f := range n.Fields() {
			if *place--; *place != 0 {
				f.Value = without(f.Value, place, other)
			} else if f.Value = other; other == nil {
				continue
			}
			fields = append(fields, f)
		}
		return n.WithFields(fields)
	case tree.List:
		var items []*tree.Node
		for _, item := range n.Items() {
			if *place--; *place != 0 {
				item = without(item, place, other)
			} else if item = other; other == nil {
				continue
			}
			items = append(items, item)
		}
		return n.WithItems(items)
	}
	return n
}

// TestAgreesWithCUE compares the verdicts on the example's configurations, and on variants of them in which something is
// missing or is not what it was, with those of CUE by itself.
func TestAgreesWithCUE(t *testing.T) {
	set, config := load(t), settings(t)
	everyone := keyring(t, tenants(t)...)
	open := func(d *yamldoc.Doc) (*tree.Node, error) { return seal.Open(t.Context(), d, everyone) }
	oracles := map[string]oracle{}
	for _, name := range modules {
		oracles[name] = newOracle(t, name)
	}
	variants, accepted := 2, 0
	if testing.Short() {
		variants = 0
	}
	seed := uint64(0)
	for _, tenant := range tenants(t) {
		for _, env := range config.EnvironmentNames() {
			for _, ns := range config.Namespaces {
				m, o := module(t, set, ns.Module), oracles[ns.Module]
				root := resolve(t, config, m, tenant, env, ns.Name, open)
				at := path.Join(tenant, env, ns.Name)
				compare := func(root *tree.Node) {
					found, refused := m.Validate(root), o.refuses(t, root)
					if (len(found) > 0) != (refused != nil) {
						t.Errorf("%s: found %v, CUE says %v", at, found, refused)
					}
					if refused == nil {
						accepted++
					}
				}
				compare(root)
				count, scalars := 0, []*tree.Node{nil, nil}
				root.Walk(func(_ tree.Path, n *tree.Node) bool {
					if count++; n.Kind.IsScalar() {
						scalars = append(scalars, n)
					}
					return true
				})
				for range variants {
					seed++
					r := rand.New(rand.NewPCG(3, seed))
					place := 1 + r.IntN(count)
					compare(without(root, &place, scalars[r.IntN(len(scalars))]))
					place = 1 + r.IntN(count)
					compare(without(root, &place, nil))
				}
			}
		}
	}
	if accepted < 96 || !slices.Equal(set.Names(), modules[:]) {
		t.Errorf("CUE accepted %d configurations", accepted)
	}
}
