package seal

import (
	"bytes"
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// macOverAll computes the MAC of a file without mac_only_encrypted: over all its values, as SOPS reads them. SOPS reads
// YAML by other rules than this project (1_000 and 2025-11-21 are no strings there), so the text is read once more in its
// way.
func macOverAll(doc *yamldoc.Doc, m *Metadata, key *dataKey) ([]byte, error) {
	var n yaml.Node
	if err := yaml.NewDecoder(bytes.NewReader(doc.Source())).Decode(&n); err != nil {
		return nil, fmt.Errorf("read %s as SOPS does: %w", doc.File(), err)
	}
	w := &macWalker{m: m, key: key, hash: sha512.New(), budget: yamldoc.MaxAliased}
	if err := w.walk(&n, nil, true); err != nil {
		return nil, err
	}
	return w.hash.Sum(nil), nil
}

type macWalker struct {
	m      *Metadata
	key    *dataKey
	hash   hash.Hash
	budget int // of aliases
}

func (w *macWalker) walk(n *yaml.Node, keys []string, top bool) error {
	switch n.Kind {
	case yaml.DocumentNode:
		for _, c := range n.Content {
			if err := w.walk(c, keys, true); err != nil {
				return err
			}
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if top && n.Content[i].Value == blockKey {
				continue
			}
			if err := w.walk(n.Content[i+1], append(keys, n.Content[i].Value), false); err != nil {
				return err
			}
		}
	case yaml.SequenceNode:
		for _, c := range n.Content {
			if err := w.walk(c, keys, false); err != nil {
				return err
			}
		}
	case yaml.AliasNode:
		if w.budget--; w.budget < 0 {
			return errors.New("too many aliases")
		}
		return w.walk(n.Alias, keys, false)
	case yaml.ScalarNode:
		return w.scalar(n, keys)
	}
	return nil
}

func (w *macWalker) scalar(n *yaml.Node, keys []string) error {
	var v any
	if err := n.Decode(&v); err != nil {
		return w.fault(n, "SOPS cannot read this value")
	}
	if text, ok := v.(string); ok && text != "" && w.m.rule.selects(keys) {
		e, err := parseENC(text)
		if err != nil {
			return w.fault(n, "the encrypted value is malformed")
		}
		plain, err := w.key.open(e, additionalData(keys))
		if err != nil {
			return w.fault(n, err.Error())
		}
		o, err := typed(plain, e.typ)
		if err != nil {
			return w.fault(n, err.Error())
		}
		w.hash.Write(o.mac)
		return nil
	}
	switch v := v.(type) {
	case nil:
	case string:
		w.hash.Write([]byte(v))
	case int:
		w.hash.Write([]byte(strconv.Itoa(v)))
	case float64:
		w.hash.Write([]byte(floatText(v)))
	case bool:
		w.hash.Write([]byte(boolText(v)))
	case time.Time:
		b, err := v.MarshalText()
		if err != nil {
			return w.fault(n, "SOPS cannot read this value")
		}
		w.hash.Write(b)
	default:
		return w.fault(n, "SOPS cannot hold this value")
	}
	return nil
}

func (w *macWalker) fault(n *yaml.Node, message string) error {
	return diag.List{finding(codeFormat, diag.Position{File: w.m.file, Line: n.Line, Column: n.Column}, "", message, hintValue)}
}
