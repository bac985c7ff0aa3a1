package rules_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/rules"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/workspace"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// BenchmarkCheck holds five kinds of rules against namespaces of more and more upstreams: the time must grow with them, and
// no faster.
func BenchmarkCheck(b *testing.B) {
	s, err := workspace.ParseSettings("lcm.yaml", []byte(head+indent(`
isolated: {environments: [development, staging], isolate: {from: production}}
models: {namespaces: router, references: {keys: "upstreams.*.model", namespace: inference, names: models}}
ends: {acyclic: {nodes: upstreams, edges: next}}
once: {unique: {keys: "upstreams.*.port", across: namespaces}}
strict: {environments: production, require: "upstreams.*.url", values: {upstreams.*.port: {min: 1, max: 10000000}}}
`)))
	if err != nil {
		b.Fatal(err)
	}
	for _, n := range []int{100, 1000, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			trees := map[string]*tree.Node{}
			for _, env := range s.EnvironmentNames() {
				var router, inference strings.Builder
				router.WriteString("upstreams:\n")
				inference.WriteString("models:\n")
				for i := range n {
					fmt.Fprintf(&router, "  u%d: {url: 'https://h%d.%s.example.com:8080/v1', model: m%d, port: %d, next: u%d}\n", i, i, env, i, i+1, i+1)
					fmt.Fprintf(&inference, "  m%d: {}\n", i)
				}
				for name, text := range map[string]string{"router": router.String(), "inference": inference.String()} {
					doc, err := yamldoc.Parse("config/acme/"+env+"/"+name+".yaml", []byte(text))
					if err != nil {
						b.Fatal(err)
					}
					trees[env+"/"+name] = doc.Root()
				}
			}
			scope := rules.Scope{
				Tenant: "acme", Environments: s.EnvironmentNames(), Namespaces: s.NamespaceNames(),
				Tree: func(_ context.Context, a address.Address) (*tree.Node, bool, error) {
					root, ok := trees[a.Environment+"/"+a.Namespace]
					return root, ok, nil
				},
			}
			var addresses []address.Address
			for _, env := range s.EnvironmentNames() {
				for _, ns := range []string{"inference", "router"} {
					addresses = append(addresses, address.Address{Tenant: "acme", Environment: env, Namespace: ns})
				}
			}
			for b.Loop() {
				if list, err := s.Rules.Check(b.Context(), scope, addresses); err != nil || len(list) > 0 {
					b.Fatal(list, err)
				}
			}
		})
	}
}
