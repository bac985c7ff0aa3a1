package display

import (
	"fmt"
	"io"
	"slices"

	"github.com/llm-devops/lcm/cmd/internal/term"
	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/secret"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// Configuration is what an address, or one key of it, resolves to.
type Configuration struct {
	Address  address.Address `json:"address"`
	Revision string          `json:"revision,omitempty"`
	Key      string          `json:"key,omitempty"`
	Value    value           `json:"value"`
}

// value is a tree that encodes with its secrets masked or, where that was asked for, as they are.
type value struct {
	node    *tree.Node
	secrecy tree.Secrecy
}

// MarshalJSON implements json.Marshaler.
func (v value) MarshalJSON() ([]byte, error) { return v.node.AppendJSON(nil, v.secrecy) }

// NewConfig makes the report of one address; reveal says that secrets in it are to be shown.
func NewConfig(a address.Address, revision, key string, n *tree.Node, reveal bool) *Configuration {
	c := &Configuration{Address: a, Revision: revision, Key: key, Value: value{n, tree.Masked}}
	if reveal {
		c.Value.secrecy = tree.Revealed
	}
	return c
}

// Config writes one result: a scalar as it is, or YAML, or JSON.
func Config(t *term.IO, c *Configuration, format string) error {
	if format == "json" {
		return JSON(t.Out, "Configuration", c)
	}
	n := c.Value.node
	if n.Kind.IsScalar() {
		text := n.Text()
		if c.Value.secrecy == tree.Revealed {
			text = n.Reveal()
		}
		_, err := io.WriteString(t.Out, text+"\n")
		return err
	}
	return yamlText(t.Out, n, c.Value.secrecy)
}

// ConfigOfMany writes one result among many: a YAML document with its address above it, or a line of JSON.
func ConfigOfMany(t *term.IO, c *Configuration, format string) error {
	if format == "json" {
		return JSONLine(t.Out, "Configuration", c)
	}
	if _, err := fmt.Fprintf(t.Out, "---\n# %s\n", c.Address); err != nil {
		return err
	}
	n := c.Value.node
	if c.Key != "" {
		n = tree.NewMap(tree.Field{Key: c.Key, Value: n})
	}
	return yamlText(t.Out, n, c.Value.secrecy)
}

func yamlText(w io.Writer, n *tree.Node, secrecy tree.Secrecy) error {
	if n.Len() == 0 {
		_, err := io.WriteString(w, map[bool]string{true: "[]\n", false: "{}\n"}[n.Kind == tree.List])
		return err
	}
	n = mask(n, secrecy)
	if n.Kind == tree.List { // a document of ours is a map: write the items under a key, then take the key away
		data, err := n.AppendJSON(nil, tree.Revealed)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "%s\n", data)
		return err
	}
	doc, err := yamldoc.New("output", n)
	if err != nil {
		return fmt.Errorf("write YAML: %w", err)
	}
	_, err = w.Write(doc.Source())
	return err
}

// mask replaces the secrets of a tree by the mask, or by nothing where they are to be shown, and drops what only matters
// inside the program.
func mask(n *tree.Node, secrecy tree.Secrecy) *tree.Node {
	switch {
	case n.Secret && secrecy == tree.Masked:
		return tree.NewString(secret.Mask)
	case n.Kind == tree.Map:
		fields := slices.Clone(n.Fields())
		for i := range fields {
			fields[i].Value = mask(fields[i].Value, secrecy)
		}
		return n.WithFields(fields)
	case n.Kind == tree.List:
		items := slices.Clone(n.Items())
		for i := range items {
			items[i] = mask(items[i], secrecy)
		}
		return n.WithItems(items)
	}
	return n
}
