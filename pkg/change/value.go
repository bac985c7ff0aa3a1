package change

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/schema"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// MaxValue is the largest single value, in bytes.
const MaxValue = 1 << 20

// TypeError says that a text is no value of the type a field takes.
type TypeError struct {
	Key   tree.Path
	Text  string // "" where the value is secret
	Kinds []tree.Kind
}

func (e *TypeError) Error() string {
	names := make([]string, 0, len(e.Kinds))
	for _, k := range e.Kinds {
		switch {
		case k == tree.Int && slices.Contains(e.Kinds, tree.Float): // a number says it all
		case k == tree.Int:
			names = append(names, "an "+k.String())
		case k == tree.Null:
			names = append(names, k.String())
		default:
			names = append(names, "a "+k.String())
		}
	}
	what := "the value given"
	if e.Text != "" {
		what = fmt.Sprintf("%q", e.Text)
	}
	return fmt.Sprintf("%s takes %s, and %s is none", e.Key, strings.Join(names, " or "), what)
}

// ParseValue gives the value that somebody means who types text for a key. Where the schema knows the field, its type
// decides; else YAML's rules do: true, 0.70 and null are no strings, [a, b] and {k: v} are a list and a map. A number that
// JSON cannot spell (0o17, .5) stays the text it is, unless the schema wants a number. field is nil without a schema.
func ParseValue(key tree.Path, text string, field *schema.Field) (*tree.Node, error) {
	if err := CheckText(key, text); err != nil {
		return nil, err
	}
	if field == nil || len(field.Kinds) == 0 {
		return parseFree(text), nil
	}
	takes := func(k tree.Kind) bool { return slices.Contains(field.Kinds, k) }
	kind, canonical := tree.Resolve(text)
	switch {
	case field.Secret && takes(tree.String):
		return tree.NewString(text), nil
	case kind == tree.Bool && takes(tree.Bool), kind == tree.Null && text != "" && takes(tree.Null):
		return tree.Scalar(kind, canonical), nil
	case kind == tree.Int && (takes(tree.Int) || takes(tree.Float)), kind == tree.Float && takes(tree.Float):
		return tree.NewNumber(text)
	}
	if takes(tree.List) || takes(tree.Map) {
		if n, ok := parseFlow(text); ok && takes(n.Kind) {
			return n, nil
		}
	}
	if takes(tree.String) {
		return tree.NewString(text), nil
	}
	e := &TypeError{Key: key, Text: text, Kinds: field.Kinds}
	if field.Secret || len(text) > 80 {
		e.Text = ""
	}
	return nil, e
}

const textHint = "values are text: encode what is not, in Base64 for example"

// CheckText says whether text can be a value at all.
func CheckText(key tree.Path, text string) error {
	switch {
	case len(text) > MaxValue:
		return diag.WithHint(fmt.Errorf("%s: the value is larger than %d bytes, which is the most", key, MaxValue), "split it, or let the value say where the rest is")
	case !utf8.ValidString(text):
		return diag.WithHint(fmt.Errorf("%s: the value is not UTF-8 text", key), textHint)
	case strings.ContainsRune(text, 0):
		return diag.WithHint(fmt.Errorf("%s: the value has a NUL character in it", key), textHint)
	}
	return nil
}

func parseFree(text string) *tree.Node {
	if text == "" {
		return tree.NewString("")
	}
	if n, ok := parseFlow(text); ok {
		return n
	}
	kind, canonical := tree.Resolve(text)
	if (kind == tree.Int || kind == tree.Float) && !tree.IsJSONNumber(text) {
		kind, canonical = tree.String, text
	}
	return tree.Scalar(kind, canonical)
}

// parseFlow reads a list or a map in YAML's flow style, of which JSON is a part.
func parseFlow(text string) (*tree.Node, bool) {
	trimmed := strings.TrimSpace(text)
	if trimmed == "" || trimmed[0] != '[' && trimmed[0] != '{' {
		return nil, false
	}
	doc, err := yamldoc.Parse("value", []byte("value: "+trimmed+"\n"))
	if err != nil || doc.Root().Len() != 1 {
		return nil, false
	}
	n := doc.Root().Field("value")
	if n == nil || n.Kind.IsScalar() {
		return nil, false
	}
	return n, true
}
