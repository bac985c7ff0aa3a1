package seal

import (
	"fmt"
	"strings"
	"testing"

	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// benchDoc is a file of 30 fields of which 10 are secret, sealed to ten recipients of whom the last is ours.
func benchDoc(b *testing.B) (*yamldoc.Doc, *Keyring) {
	var src strings.Builder
	var changes []Change
	for i := range 10 {
		fmt.Fprintf(&src, "service%d:\n  url: https://service%d.example.com\n  timeout: %d\n", i, i, i)
		changes = append(changes, secretChange(b, fmt.Sprintf("service%d.api_key", i), fmt.Sprintf("sk-%032d", i)))
	}
	var recipients []string
	var k *Keyring
	for range 10 {
		var r string
		r, k = pair(b)
		recipients = append(recipients, r)
	}
	doc := mustEdit(b, parse(b, src.String()), Options{Access: AccessOf(recipients...), Now: now}, changes...)
	return doc, k
}

func BenchmarkOpen(b *testing.B) {
	doc, k := benchDoc(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Open(b.Context(), doc, k); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEditSecret(b *testing.B) {
	doc, k := benchDoc(b)
	changes := []Change{secretChange(b, "service5.api_key", "sk-new")}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Edit(b.Context(), doc, changes, Options{Keyring: k, Now: now}); err != nil {
			b.Fatal(err)
		}
	}
}
