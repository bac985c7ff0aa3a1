package change

import (
	"fmt"
	"strings"
	"testing"

	"github.com/llm-devops/lcm/pkg/tree"
)

// BenchmarkLargeNamespace reads layers of 1.2 and of 5 MB, and prepares a change of one small value in them, and of one of
// 1 MB: the time of each has to grow with the size and no faster, whether the layer holds long texts or many small values.
func BenchmarkLargeNamespace(b *testing.B) {
	prompt := "  text: |\n" + strings.Repeat("    a line of a prompt, as long as such lines are on the whole\n", 210)
	var numbers strings.Builder
	for i := range 500 {
		fmt.Fprintf(&numbers, "  a_number_%d: %d\n", i, i)
	}
	for _, shape := range []struct{ name, fields string }{{"texts", prompt}, {"values", numbers.String()}} {
		for _, size := range []int{1_250_000, 5_000_000} {
			b.Run(fmt.Sprintf("%s/%.1fMB", shape.name, float64(size)/1e6), func(b *testing.B) { benchLarge(b, shape.fields, size) })
		}
	}
}

func benchLarge(b *testing.B, fields string, size int) {
	f := newFixture(b)
	var text strings.Builder
	for i := 0; text.Len() < size; i++ {
		fmt.Fprintf(&text, "t%d:\n  version: 1\n%s", i, fields)
	}
	f.write(map[string]string{"config/acme/production/notes.yaml": text.String()})
	small, large := f.edit("acme/production/notes t7.version=2"), f.edit("acme/production/notes t7.text=x")
	large.Value = tree.NewString(strings.Repeat("another line of text\n", 1_000_000/21))
	b.Run("get", func(b *testing.B) {
		b.SetBytes(int64(text.Len()))
		for b.Loop() {
			if _, err := f.w.Worktree().Resolve(b.Context(), small.Address); err != nil {
				b.Fatal(err)
			}
		}
	})
	for name, edit := range map[string]Edit{"set": small, "set-1MB": large} {
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
