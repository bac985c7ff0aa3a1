package schema

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/llm-devops/lcm/pkg/tree"
)

// object is a JSON object that keeps the order of its keys. Values are strings, bools, [json.RawMessage], *[tree.Node],
// objects, and lists of these.
type object struct{ fields []property }

type property struct {
	key   string
	value any
}

// set gives a key a value, in the place of one that it has.
func (o *object) set(key string, value any) {
	if i := o.index(key); i >= 0 {
		o.fields[i].value = value
		return
	}
	o.fields = append(o.fields, property{key, value})
}

// setNew sets a key that is not there yet.
func (o *object) setNew(key string, value any) {
	if !o.has(key) {
		o.set(key, value)
	}
}

// add adds a keyword of a schema; a second one of the same name holds too.
func (o *object) add(key string, value any) {
	if !o.has(key) {
		o.set(key, value)
		return
	}
	var more object
	more.set(key, value)
	o.also(more)
}

// also adds a schema that has to hold too.
func (o *object) also(schema object) {
	var list []any
	if i := o.index("allOf"); i >= 0 {
		list = o.fields[i].value.([]any)
	}
	o.set("allOf", append(list, schema))
}

func (o *object) has(key string) bool { return o.index(key) >= 0 }

func (o *object) index(key string) int {
	return slices.IndexFunc(o.fields, func(p property) bool { return p.key == key })
}

// admitsText reports whether a schema accepts every string.
func (o *object) admitsText() bool {
	for _, f := range o.fields {
		switch f.key {
		case "type":
			list, isList := f.value.([]any)
			if f.value != "string" && !(isList && slices.Contains(list, any("string"))) {
				return false
			}
		case "const", "enum", "pattern", "minLength", "maxLength", "not", "anyOf", "allOf", "$ref":
			return false
		}
	}
	return true
}

func (o object) appendJSON(dst []byte) ([]byte, error) {
	dst = append(dst, '{')
	for i, f := range o.fields {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = appendValue(dst, f.key); err != nil {
			return nil, err
		}
		dst = append(dst, ':')
		if dst, err = appendValue(dst, f.value); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

func appendValue(dst []byte, value any) ([]byte, error) {
	switch v := value.(type) {
	case object:
		return v.appendJSON(dst)
	case []any:
		dst = append(dst, '[')
		for i, item := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			var err error
			if dst, err = appendValue(dst, item); err != nil {
				return nil, err
			}
		}
		return append(dst, ']'), nil
	case *tree.Node:
		return v.AppendJSON(dst, tree.Masked)
	case string:
		return tree.NewString(v).AppendJSON(dst, tree.Masked)
	case bool:
		return fmt.Appendf(dst, "%t", v), nil
	case json.RawMessage:
		return append(dst, v...), nil
	}
	return nil, fmt.Errorf("no JSON for %T", value)
}
