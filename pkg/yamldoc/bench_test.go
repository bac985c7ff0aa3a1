package yamldoc

import (
	"fmt"
	"strings"
	"testing"

	"github.com/llm-devops/lcm/pkg/tree"
)

const small = `# Inference for the chat product.
model:
  name: llama-3.3-70b-instruct
  revision: "2025-11-21"
  temperature: 0.70 # agreed with the product team
  max_tokens: 4096
  stop: ["</s>", "###"]
providers:
  openai:
    endpoint: https://api.openai.com/v1
    api_key: ENC[AES256_GCM,data:Zm9vYmFy,iv:aXY=,tag:dGFn,type:str]
    timeout: 30s
routes:
  - name: primary
    weight: 80
    match: {tier: gold, region: eu}
  - name: fallback
    weight: 20
prompt: |
  You are a helpful assistant.

  Answer in the language of the question.
limits: &limits
  rpm: 600
  tpm: 90000
burst:
  <<: *limits
  rpm: 1200
`

// large gives a document of about size bytes.
func large(size int) string {
	var b strings.Builder
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, "service-%d:\n", i)
		for line := range strings.Lines(strings.ReplaceAll(small, "limits", fmt.Sprintf("limits%d", i))) {
			b.WriteString("  " + line)
		}
	}
	return b.String()
}

func BenchmarkParse(b *testing.B) {
	for _, c := range []struct{ name, src string }{{"small", small}, {"5MB", large(5 << 20)}} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(c.src)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse("b.yaml", []byte(c.src)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSetScalar(b *testing.B) {
	d := mustParse(b, small)
	e := Edit{mustPath(b, "routes[name=primary].weight"), val(b, "75")}
	for b.Loop() {
		if _, err := d.Apply(e); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSetLarge makes one edit and a hundred in a file of 5 MB.
func BenchmarkSetLarge(b *testing.B) {
	d := mustParse(b, large(5<<20))
	for _, n := range []int{1, 100} {
		var edits []Edit
		for i := range n {
			edits = append(edits, Edit{mustPath(b, fmt.Sprintf("service-%d.model.max_tokens", i*50)), tree.NewString("x")})
			edits = append(edits, Edit{mustPath(b, fmt.Sprintf("service-%d.model.fresh", i*50+7)), tree.NewString("x")})
		}
		b.Run(fmt.Sprintf("%d edits", len(edits)), func(b *testing.B) {
			b.SetBytes(int64(len(d.Source())))
			for b.Loop() {
				if _, err := d.Apply(edits...); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
