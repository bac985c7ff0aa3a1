package seal

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// block is the metadata of a file that is sealed for the first time, with the keys in SOPS's order.
type block struct {
	Age              []blockRecipient `yaml:"age"`
	EncryptedRegex   string           `yaml:"encrypted_regex"`
	LastModified     string           `yaml:"lastmodified"`
	MAC              string           `yaml:"mac"`
	MACOnlyEncrypted bool             `yaml:"mac_only_encrypted"`
	Version          string           `yaml:"version"`
}

type blockRecipient struct {
	Enc       string `yaml:"enc"`
	Recipient string `yaml:"recipient"`
}

// blockIndent is what the sops CLI indents with.
const blockIndent = 4

// appendTo gives the document with the block at its end, as the sops CLI would write it.
func (b *block) appendTo(doc *yamldoc.Doc) (*yamldoc.Doc, error) {
	var text bytes.Buffer
	e := yaml.NewEncoder(&text)
	e.SetIndent(blockIndent)
	if err := e.Encode(map[string]*block{blockKey: b}); err != nil {
		return nil, fmt.Errorf("write the sops block: %w", err)
	}
	if err := e.Close(); err != nil {
		return nil, fmt.Errorf("write the sops block: %w", err)
	}
	src := doc.Source()
	eol := "\n"
	if i := bytes.IndexByte(src, '\n'); i > 0 && src[i-1] == '\r' {
		eol = "\r\n"
	}
	out := bytes.Clone(src)
	if len(out) > 0 && out[len(out)-1] != '\n' {
		out = append(out, eol...)
	}
	out = append(out, strings.ReplaceAll(text.String(), "\n", eol)...)
	if done, err := yamldoc.Parse(doc.File(), out); err == nil && tree.Identical(done.Root().Without(blockKey), doc.Root()) {
		return done, nil
	}
	// The document ends in a way that nothing can follow: in brackets, or with a marker.
	return doc.Apply(yamldoc.Edit{Path: tree.Keys(blockKey), Value: b.tree()})
}

func (b *block) tree() *tree.Node {
	recipients := make([]*tree.Node, len(b.Age))
	for i, r := range b.Age {
		recipients[i] = recipientNode(r.Recipient, r.Enc)
	}
	return tree.NewMap(
		tree.Field{Key: "age", Value: tree.NewList(recipients...)},
		tree.Field{Key: encryptedRegex, Value: tree.NewString(b.EncryptedRegex)},
		tree.Field{Key: "lastmodified", Value: tree.NewString(b.LastModified)},
		tree.Field{Key: "mac", Value: tree.NewString(b.MAC)},
		tree.Field{Key: "mac_only_encrypted", Value: tree.NewBool(b.MACOnlyEncrypted)},
		tree.Field{Key: "version", Value: tree.NewString(b.Version)},
	)
}

func recipientNode(recipient, enc string) *tree.Node {
	return tree.NewMap(
		tree.Field{Key: "enc", Value: tree.NewString(enc)},
		tree.Field{Key: "recipient", Value: tree.NewString(recipient)},
	)
}

// timeText spells a time as SOPS does.
func timeText(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// blockEdit is an edit of one of the block's own scalars.
func blockEdit(key, text string) yamldoc.Edit {
	return yamldoc.Edit{Path: tree.Keys(blockKey, key), Value: tree.NewString(text)}
}
