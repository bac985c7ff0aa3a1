package seal

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/llm-devops/lcm/pkg/tree"
)

// The types of encrypted values.
const (
	typeStr     = "str"
	typeInt     = "int"
	typeFloat   = "float"
	typeBool    = "bool"
	typeBytes   = "bytes"
	typeTime    = "time"
	typeComment = "comment"
)

// plaintext gives the bytes and the type that a scalar is encrypted as; no bytes for null and the empty string, which SOPS
// leaves as they are. A number that SOPS would spell differently, or could not hold, is encrypted as the string that it is
// written as. So is a value with a tag: SOPS reads every tagged scalar as a string.
func plaintext(n *tree.Node, tagged bool) (plain []byte, typ string) {
	text := n.Reveal()
	if n.Kind == tree.Null {
		return nil, ""
	}
	if !tagged {
		switch n.Kind {
		case tree.Bool:
			return []byte(boolText(text == "true")), typeBool
		case tree.Int:
			if i, err := strconv.Atoi(text); err == nil && strconv.Itoa(i) == text {
				return []byte(text), typeInt
			}
		case tree.Float:
			if f, err := strconv.ParseFloat(text, 64); err == nil && floatText(f) == text {
				return []byte(text), typeFloat
			}
		}
	}
	return []byte(text), typeStr
}

// opened is the plaintext of one encrypted value.
type opened struct {
	kind tree.Kind
	text string
	mac  []byte // what SOPS hashes for it
}

// typed reads the plaintext of a value of a type as SOPS does. SOPS hashes the value it read, not the bytes, so that a
// changed type is found where it changes the value.
func typed(plain []byte, typ string) (opened, error) {
	text := string(plain)
	switch typ {
	case typeStr, typeBytes:
		if !utf8.Valid(plain) {
			return opened{}, errors.New("the value holds bytes that are not text")
		}
		return opened{tree.String, text, plain}, nil
	case typeInt:
		i, err := strconv.Atoi(text)
		if err != nil {
			return opened{}, errors.New("the value is no integer, as its type says")
		}
		return opened{tree.Int, strconv.Itoa(i), []byte(strconv.Itoa(i))}, nil
	case typeFloat:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return opened{}, errors.New("the value is no number, as its type says")
		}
		text = floatText(f)
		o := opened{tree.Float, text, []byte(text)}
		if kind, _ := tree.Resolve(text); kind == tree.Int {
			o.text += ".0" // SOPS drops it, and the text alone would be an integer
		} else if kind != tree.Float {
			o.text = map[string]string{"+Inf": ".inf", "-Inf": "-.inf", "NaN": ".nan"}[text]
		}
		return o, nil
	case typeBool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return opened{}, errors.New("the value is neither true nor false, as its type says")
		}
		return opened{tree.Bool, strconv.FormatBool(b), []byte(boolText(b))}, nil
	case typeTime:
		var t time.Time
		if err := t.UnmarshalText(plain); err != nil {
			return opened{}, errors.New("the value is no time, as its type says")
		}
		b, err := t.MarshalText()
		if err != nil {
			return opened{}, errors.New("the value is no time, as its type says")
		}
		return opened{tree.String, string(b), b}, nil
	case typeComment:
		return opened{}, errors.New("the value is an encrypted comment")
	}
	return opened{}, fmt.Errorf("the value has the unknown type %q", typ)
}

// floatText and boolText spell values as SOPS does before encrypting and hashing them.
func floatText(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

func boolText(b bool) string {
	if b {
		return "True"
	}
	return "False"
}

// isBlank reports whether SOPS leaves a scalar as it is in an encrypted field.
func isBlank(n *tree.Node) bool {
	return n.Kind == tree.Null || n.Kind == tree.String && n.Reveal() == ""
}

// oneLine shortens text of a file for a message.
func oneLine(s string) string {
	if i := strings.IndexAny(s, "\r\n"); i >= 0 {
		s = s[:i] + "…"
	}
	if r := []rune(s); len(r) > 80 {
		s = string(r[:79]) + "…"
	}
	return s
}
