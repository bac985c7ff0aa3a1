// Package quantity reads the quantities that configuration is written in, durations, sizes and plain numbers, exactly.
//
// [Parse] tells from the spelling what a text measures: 30s, 1.5h, 365d are durations, 10GB, 512MiB are sizes, 0.70 is a
// number. Quantities of one kind compare by value, however they are written.
package quantity

import (
	"math/big"
	"strings"
	"time"

	"github.com/llm-devops/lcm/pkg/tree"
)

// Kind is what a quantity measures.
type Kind uint8

// The kinds.
const (
	Number Kind = iota + 1
	Duration
	Size
)

// String gives the kind's name with its article, for messages.
func (k Kind) String() string {
	switch k {
	case Number:
		return "a number"
	case Duration:
		return "a duration"
	case Size:
		return "a size"
	}
	return "nothing"
}

// Quantity is an amount of something. The zero value is none.
type Quantity struct {
	Kind Kind
	text string
	rat  *big.Rat // a number, seconds, or bytes
}

// String gives the quantity as it was written.
func (q Quantity) String() string { return q.text }

// Duration gives a duration, cut to nanoseconds; ok is false for what is none, or longer than a [time.Duration] can be.
func (q Quantity) Duration() (d time.Duration, ok bool) {
	if q.Kind != Duration {
		return 0, false
	}
	nanoseconds := new(big.Rat).Mul(q.rat, big.NewRat(int64(time.Second), 1))
	whole := new(big.Int).Quo(nanoseconds.Num(), nanoseconds.Denom())
	return time.Duration(whole.Int64()), whole.IsInt64()
}

// Compare orders two quantities of one kind; ok is false where they measure different things.
func Compare(a, b Quantity) (order int, ok bool) {
	if a.Kind != b.Kind || a.Kind == 0 {
		return 0, false
	}
	return a.rat.Cmp(b.rat), true
}

// maxText bounds what is read as a quantity: nobody writes longer ones.
const maxText = 64

// Parse reads a quantity; ok is false for text that is none.
func Parse(text string) (Quantity, bool) {
	if len(text) > maxText {
		return Quantity{}, false
	}
	if kind, canonical := tree.Resolve(text); kind == tree.Int || kind == tree.Float {
		r, ok := tree.Scalar(kind, canonical).Number()
		if !ok {
			return Quantity{}, false
		}
		return Quantity{Number, text, r}, true
	}
	if r, ok := measure(text, durationUnit); ok {
		return Quantity{Duration, text, r}, true
	}
	if r, ok := measure(text, sizeUnit); ok {
		return Quantity{Size, text, r}, true
	}
	return Quantity{}, false
}

// measure reads a decimal number and a unit, which one blank may part, and scales the one by the other.
func measure(text string, scale func(unit string) (*big.Rat, bool)) (*big.Rat, bool) {
	end := strings.IndexFunc(text, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if end <= 0 || text[0] == '.' || text[end-1] == '.' {
		return nil, false
	}
	by, ok := scale(strings.TrimPrefix(text[end:], " "))
	if !ok {
		return nil, false
	}
	r, ok := new(big.Rat).SetString(text[:end])
	if !ok {
		return nil, false
	}
	return r.Mul(r, by), true
}

func durationUnit(unit string) (*big.Rat, bool) {
	switch unit {
	case "us", "µs":
		return big.NewRat(1, 1_000_000), true
	case "ms":
		return big.NewRat(1, 1000), true
	case "s":
		return big.NewRat(1, 1), true
	case "m":
		return big.NewRat(60, 1), true
	case "h":
		return big.NewRat(60*60, 1), true
	case "d":
		return big.NewRat(24*60*60, 1), true
	case "w":
		return big.NewRat(7*24*60*60, 1), true
	}
	return nil, false
}

func sizeUnit(unit string) (*big.Rat, bool) {
	letter, ok := strings.CutSuffix(unit, "B")
	if !ok {
		return nil, false
	}
	if letter == "" {
		return big.NewRat(1, 1), true
	}
	step := int64(1000)
	if rest, ok := strings.CutSuffix(letter, "i"); ok {
		step, letter = 1024, rest
	}
	power := strings.Index("KMGT", letter)
	if len(letter) != 1 || power < 0 {
		return nil, false
	}
	scale := step
	for range power {
		scale *= step
	}
	return big.NewRat(scale, 1), true
}
