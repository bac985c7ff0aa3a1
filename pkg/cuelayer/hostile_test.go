package cuelayer

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/llm-devops/lcm/pkg/diag"
)

// TestGrowth keeps that what grows with every step, by any way that CUE has, is refused soon: before it is evaluated, or when
// it has taken too much.
func TestGrowth(t *testing.T) {
	for _, tt := range []struct{ name, first, step string }{
		{"interpolation", `a0: "0123456789"`, `a%d: "\(a%[2]d)\(a%[2]d)"`},
		{"sum of texts", `a0: "0123456789"`, `a%d: a%[2]d + a%[2]d`},
		{"joined", "import \"strings\"\na0: \"0123456789\"", `a%d: strings.Join([a%[2]d, a%[2]d, a%[2]d], "")`},
		{"replaced", "import \"strings\"\na0: \"0123456789\"", `a%d: strings.Replace(a%[2]d, "", a%[2]d, -1)`},
		{"matches replaced", "import \"regexp\"\na0: \"0123456789\"", `a%d: regexp.ReplaceAll("", a%[2]d, a%[2]d)`},
		{"escaped", "import \"encoding/json\"\na0: \"\\\"\"", `a%d: json.Marshal(a%[2]d)`},
		{"concatenated", "import \"list\"\na0: [1, 2, 3]", `a%d: list.Concat([a%[2]d, a%[2]d])`},
		{"flattened", "import \"list\"\na0: [1, 2, 3]", `a%d: list.FlattenN([a%[2]d, a%[2]d], 9)`},
		{"squared", `a0: 9999999999`, `a%d: a%[2]d * a%[2]d`},
		{"structs", `a0: {x: 1}`, `a%d: {l: a%[2]d, r: a%[2]d}`},
		{"hidden", `_a0: {x: 1}`, `_a%d: {l: _a%[2]d, r: _a%[2]d}`},
		{"definitions", `#a0: {x: 1}`, `#a%d: {l: #a%[2]d, r: #a%[2]d}`},
		{"lists", `a0: [1]`, `a%d: [a%[2]d, a%[2]d]`},
		{"loops", `a0: [1, 2]`, `a%d: [for x in a%[2]d for y in [1, 2] {x}]`},
		{"fields of loops", `a0: {x: 1, y: 2}`, `a%d: {for k, v in a%[2]d {"\(k)x": v, "\(k)y": v}}`},
		{"disjunctions", `a0: 1 | 2`, `a%d: {x: a%[2]d, y: 1} | {x: a%[2]d, y: 2}`},
		{"let", `a0: {x: 1}`, `let a%d = {l: a%[2]d, r: a%[2]d}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b strings.Builder
			b.WriteString(tt.first + "\n")
			const steps = 40
			for i := range steps {
				fmt.Fprintf(&b, tt.step+"\n", i+1, i)
			}
			prefix := tt.first[strings.LastIndex(tt.first, "\n")+1:]
			prefix = prefix[:strings.Index(prefix, "0:")]
			fmt.Fprintf(&b, "last: %s%d\n", prefix, steps)
			start := time.Now()
			_, err := evaluate(t, b.String(), nil)
			list, ok := errors.AsType[diag.List](err)
			if !ok {
				t.Fatalf("got %v", err)
			}
			if took := time.Since(start); took > 2*maxTime || list[0].Code != CodeLimit {
				t.Errorf("after %s: %v", took, list)
			}
		})
	}
}
