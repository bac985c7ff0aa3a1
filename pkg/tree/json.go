package tree

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/llm-devops/lcm/pkg/secret"
)

// Secrecy says what an encoder does with secrets.
type Secrecy uint8

const (
	// Masked writes [secret.Mask] for every secret.
	Masked Secrecy = iota
	// Revealed writes secrets as they are.
	Revealed
)

// AppendJSON appends n as JSON in one line: keys sorted, numbers as they were written where JSON has that spelling and by
// their exact value where it has not (0o17 is 15), no HTML escapes. The result is a function of the values alone. It
// fails for infinities, NaN and text that is not UTF-8, which JSON cannot carry.
func (n *Node) AppendJSON(dst []byte, s Secrecy) ([]byte, error) {
	if n == nil {
		return append(dst, "null"...), nil
	}
	if n.Secret && s == Masked {
		return appendString(dst, secret.Mask)
	}
	var err error
	switch n.Kind {
	case Map:
		fields := slices.Clone(n.fields)
		slices.SortFunc(fields, func(a, b Field) int { return strings.Compare(a.Key, b.Key) })
		dst = append(dst, '{')
		for i, f := range fields {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, err = appendString(dst, f.Key); err != nil {
				return nil, err
			}
			dst = append(dst, ':')
			if dst, err = f.Value.AppendJSON(dst, s); err != nil {
				return nil, err
			}
		}
		return append(dst, '}'), nil
	case List:
		dst = append(dst, '[')
		for i, item := range n.items {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, err = item.AppendJSON(dst, s); err != nil {
				return nil, err
			}
		}
		return append(dst, ']'), nil
	case Int, Float:
		t, err := n.JSONNumber()
		return append(dst, t...), err
	case String:
		return appendString(dst, n.text)
	}
	return append(dst, n.text...), nil
}

// JSONNumber gives an Int or a Float as JSON spells numbers: its own text where that is one, else the same value.
func (n *Node) JSONNumber() (string, error) {
	if jsonText.MatchString(n.text) {
		return n.text, nil
	}
	r, ok := n.Number()
	if !ok {
		return "", fmt.Errorf("%s: %s has no spelling in JSON", n.Pos, n.Text())
	}
	if r.IsInt() {
		return r.Num().String(), nil
	}
	// Only the spelling is off (.5, +1.5, 1.e3): tidy it and keep the digits.
	t := strings.TrimPrefix(n.text, "+")
	neg := strings.HasPrefix(t, "-")
	t = strings.TrimPrefix(t, "-")
	mantissa, exponent := t, ""
	if i := strings.IndexAny(t, "eE"); i >= 0 {
		mantissa, exponent = t[:i], t[i:]
	}
	whole, frac, _ := strings.Cut(mantissa, ".")
	whole = strings.TrimLeft(whole, "0")
	if whole == "" {
		whole = "0"
	}
	out := whole
	if frac != "" {
		out += "." + frac
	}
	out += exponent
	if neg {
		out = "-" + out
	}
	if q, ok := new(big.Rat).SetString(out); !ok || q.Cmp(r) != 0 {
		return "", fmt.Errorf("%s: %s has no spelling in JSON", n.Pos, n.Text())
	}
	return out, nil
}

func appendString(dst []byte, s string) ([]byte, error) {
	if !utf8.ValidString(s) {
		return nil, errors.New("text is not valid UTF-8")
	}
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"'), nil
}

// MarshalJSON implements [json.Marshaler] with secrets masked.
func (n *Node) MarshalJSON() ([]byte, error) { return n.AppendJSON(nil, Masked) }

// FromJSON reads a JSON document with its numbers kept as they are written.
func FromJSON(data []byte) (*Node, error) {
	d := json.NewDecoder(strings.NewReader(string(data)))
	d.UseNumber()
	n, err := decode(d)
	if err != nil {
		return nil, err
	}
	if d.More() {
		return nil, errors.New("more than one JSON document")
	}
	return n, nil
}

func decode(d *json.Decoder) (*Node, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case nil:
		return NewNull(), nil
	case bool:
		return NewBool(t), nil
	case string:
		return NewString(t), nil
	case json.Number:
		return NewNumber(t.String())
	case json.Delim:
		if t == '[' {
			var items []*Node
			for d.More() {
				item, err := decode(d)
				if err != nil {
					return nil, err
				}
				items = append(items, item)
			}
			_, err := d.Token()
			return NewList(items...), err
		}
		var fields []Field
		seen := map[string]bool{}
		for d.More() {
			k, err := d.Token()
			if err != nil {
				return nil, err
			}
			key, _ := k.(string)
			if seen[key] {
				return nil, fmt.Errorf("key %q stands twice", key)
			}
			seen[key] = true
			v, err := decode(d)
			if err != nil {
				return nil, err
			}
			fields = append(fields, Field{Key: key, Value: v})
		}
		_, err := d.Token()
		return NewMap(fields...), err
	}
	return nil, fmt.Errorf("unexpected %v", t)
}
