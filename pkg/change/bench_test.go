package change

import (
	"fmt"
	"strings"
	"testing"

	"github.com/llm-devops/lcm/pkg/tree"
)

// BenchmarkLargeNamespace prepares a change of a layer of 5 MB: of one small value in it, and of one of 1 MB.
func BenchmarkLargeNamespace(b *testing.B) {
	f := newFixture(b)
	var text strings.Builder
	for i := range 400 {
		fmt.Fprintf(&text, "t%d:\n  version: 1\n  text: |\n%s", i, strings.Repeat("    a line of a prompt, as long as such lines are on the whole\n", 210))
	}
	f.write(map[string]string{"config/acme/production/notes.yaml": text.String()})
	large := f.edit("acme/production/notes t7.text=x")
	for name, edit := range map[string]Edit{"small": f.edit("acme/production/notes t7.version=2"), "1MB": large} {
		if name == "1MB" {
			edit.Value = tree.NewString(strings.Repeat("another line of text\n", 1_000_000/21))
		}
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(text.Len()))
			for b.Loop() {
				p, err := Prepare(b.Context(), f.w, f.w.Worktree(), Request{Kind: "set", Edits: []Edit{edit}})
				if err != nil || p.Err() != nil || len(p.Files) != 1 {
					b.Fatal(err, p.Err())
				}
			}
		})
	}
}

// BenchmarkQuotas prepares a change of one of a tenant's 1,000 layers, as it stands in a commit.
func BenchmarkQuotas(b *testing.B) {
	f := newFixture(b)
	files := map[string]string{"config/acme/tenant.yaml": f.read("config/acme/tenant.yaml") + "quotas: {namespaces: 2000}\n"}
	for i := range 1000 {
		files[fmt.Sprintf("config/acme/base/n%d.yaml", i)] = strings.Repeat("key: {a: 1, b: some text}\n", 1) + strings.Repeat("# some more of it\n", 60)
	}
	f.write(files)
	for b.Loop() {
		p, err := f.prepare("acme/production/inference replicas=3")
		if err != nil || p.Err() != nil {
			b.Fatal(err, p.Err())
		}
	}
}
