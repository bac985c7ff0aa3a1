package workspace

import (
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/quantity"
	"github.com/llm-devops/lcm/pkg/tree"
)

// SecretPolicy is what lcm.yaml says of how long secrets may live.
type SecretPolicy struct {
	Rotation map[string]string // by the type that schemas name, how often to change it: 90d; "*" is for all that nobody says it of
	Grace    time.Duration     // how long one may be due before it is refused
	Refuse   []string          // the environments that are refused then, names or globs
	Pos      diag.Position
}

// RotationOf gives how often a secret of a type is to be changed, where its schema says what is given; "" is nowhere said.
func (p *SecretPolicy) RotationOf(secretType, schema string) string {
	if p == nil {
		return schema
	}
	if own := p.Rotation[secretType]; own != "" && secretType != "" {
		return own
	}
	if schema != "" {
		return schema
	}
	return p.Rotation["*"]
}

// Refuses reports whether an environment may not go on with secrets that are past their grace.
func (p *SecretPolicy) Refuses(environment string) bool {
	return p != nil && slices.ContainsFunc(p.Refuse, func(glob string) bool {
		ok, err := path.Match(glob, environment)
		return err == nil && ok
	})
}

func (d *decoder) secretPolicy(f tree.Field) *SecretPolicy {
	p := &SecretPolicy{Rotation: map[string]string{}, Pos: f.Pos}
	d.object(f.Value, "secrets", map[string]func(tree.Field){
		"rotation": func(f tree.Field) {
			d.entries(f, func(f tree.Field) {
				d.duration(f)
				p.Rotation[f.Key] = f.Value.Text()
			})
		},
		"grace":  func(f tree.Field) { p.Grace = d.duration(f) },
		"refuse": func(f tree.Field) { p.Refuse = d.globs(f) },
	})
	return p
}

func (d *decoder) duration(f tree.Field) time.Duration {
	text := d.text(f)
	q, _ := quantity.Parse(text)
	span, ok := q.Duration()
	if f.Value.Kind == tree.String && (!ok || span <= 0) {
		d.report(codeRule, f.Value.Pos, fmt.Sprintf("%s: %s is no span of time", f.Key, f.Value), "write one such as 90d, 12h or 30m")
	}
	return span
}
