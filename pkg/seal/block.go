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
	Age              []blockRecipient `yaml:"age,omitempty"`
	EncryptedRegex   string           `yaml:"encrypted_regex"`
	Vault            []blockTransit   `yaml:"hc_vault,omitempty"`
	LastModified     string           `yaml:"lastmodified"`
	MAC              string           `yaml:"mac"`
	MACOnlyEncrypted bool             `yaml:"mac_only_encrypted"`
	PGP              []blockPGP       `yaml:"pgp,omitempty"`
	Version          string           `yaml:"version"`
}

type blockRecipient struct {
	Enc       string `yaml:"enc"`
	Recipient string `yaml:"recipient"`
}

type blockPGP struct {
	CreatedAt   string `yaml:"created_at"`
	Enc         string `yaml:"enc"`
	Fingerprint string `yaml:"fp"`
}

type blockTransit struct {
	CreatedAt string `yaml:"created_at"`
	Enc       string `yaml:"enc"`
	Engine    string `yaml:"engine_path"`
	Name      string `yaml:"key_name"`
	Address   string `yaml:"vault_address"`
}

// add adds an entry to the list of its kind.
func (b *block) add(e entry) error {
	switch e.kind {
	case pgpKey:
		b.PGP = append(b.PGP, blockPGP{e.created, e.enc, e.text})
	case transitList:
		r, err := parseTransit(e.recipient)
		if err != nil {
			return err
		}
		b.Vault = append(b.Vault, blockTransit{e.created, e.enc, r.transit.engine, r.transit.name, r.transit.address})
	default:
		b.Age = append(b.Age, blockRecipient{e.enc, e.text})
	}
	return nil
}

// node gives an entry as it stands in the list of its kind.
func (e entry) node() *tree.Node {
	switch e.kind {
	case pgpKey:
		return pgpNode(e.created, e.text, e.enc)
	case transitList:
		if r, err := parseTransit(e.recipient); err == nil {
			return r.transit.node(e.created, e.enc)
		}
	}
	return recipientNode(e.text, e.enc)
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
	var fields []tree.Field
	if len(b.Age) > 0 {
		recipients := make([]*tree.Node, len(b.Age))
		for i, r := range b.Age {
			recipients[i] = recipientNode(r.Recipient, r.Enc)
		}
		fields = append(fields, tree.Field{Key: ageKey, Value: tree.NewList(recipients...)})
	}
	fields = append(fields, tree.Field{Key: encryptedRegex, Value: tree.NewString(b.EncryptedRegex)})
	if len(b.Vault) > 0 {
		keys := make([]*tree.Node, len(b.Vault))
		for i, k := range b.Vault {
			keys[i] = (&transitKey{k.Address, k.Engine, k.Name}).node(k.CreatedAt, k.Enc)
		}
		fields = append(fields, tree.Field{Key: transitList, Value: tree.NewList(keys...)})
	}
	fields = append(fields,
		tree.Field{Key: "lastmodified", Value: tree.NewString(b.LastModified)},
		tree.Field{Key: "mac", Value: tree.NewString(b.MAC)},
		tree.Field{Key: "mac_only_encrypted", Value: tree.NewBool(b.MACOnlyEncrypted)},
	)
	if len(b.PGP) > 0 {
		keys := make([]*tree.Node, len(b.PGP))
		for i, k := range b.PGP {
			keys[i] = pgpNode(k.CreatedAt, k.Fingerprint, k.Enc)
		}
		fields = append(fields, tree.Field{Key: pgpKey, Value: tree.NewList(keys...)})
	}
	return tree.NewMap(append(fields, tree.Field{Key: "version", Value: tree.NewString(b.Version)})...)
}

func pgpNode(created, fingerprint, enc string) *tree.Node {
	return tree.NewMap(
		tree.Field{Key: "created_at", Value: tree.NewString(created)},
		tree.Field{Key: "enc", Value: tree.NewString(enc)},
		tree.Field{Key: "fp", Value: tree.NewString(fingerprint)},
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
