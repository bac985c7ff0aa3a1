package seal

import (
	"bytes"
	"fmt"
	"slices"
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
	KeyGroups        []*blockGroup    `yaml:"key_groups,omitempty"`
	LastModified     string           `yaml:"lastmodified"`
	MAC              string           `yaml:"mac"`
	MACOnlyEncrypted bool             `yaml:"mac_only_encrypted"`
	PGP              []blockPGP       `yaml:"pgp,omitempty"`
	ShamirThreshold  int              `yaml:"shamir_threshold,omitempty"`
	Version          string           `yaml:"version"`
}

// blockGroup are the keys of one group.
type blockGroup struct {
	Age   []blockRecipient `yaml:"age,omitempty"`
	Vault []blockTransit   `yaml:"hc_vault,omitempty"`
	PGP   []blockPGP       `yaml:"pgp,omitempty"`
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

// add takes in to whom the data key is encrypted.
func (b *block) add(entries []entry, access Access) error {
	groups := make([]*blockGroup, len(access.Groups))
	for i := range groups {
		groups[i] = &blockGroup{}
	}
	for _, e := range entries {
		if err := groups[e.group].add(e); err != nil {
			return err
		}
	}
	if access.Grouped() {
		b.KeyGroups, b.ShamirThreshold = groups, access.Threshold
		return nil
	}
	b.Age, b.Vault, b.PGP = groups[0].Age, groups[0].Vault, groups[0].PGP
	return nil
}

// add adds an entry to the list of its kind.
func (b *blockGroup) add(e entry) error {
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
	lists := (&blockGroup{b.Age, b.Vault, b.PGP}).lists()
	fields := []tree.Field{
		{Key: ageKey, Value: lists[ageKey]},
		{Key: encryptedRegex, Value: tree.NewString(b.EncryptedRegex)},
		{Key: transitList, Value: lists[transitList]},
	}
	if len(b.KeyGroups) > 0 {
		groups := make([]*tree.Node, len(b.KeyGroups))
		for i, g := range b.KeyGroups {
			groups[i] = entryMap(g.lists())
		}
		fields = append(fields, tree.Field{Key: keyGroups, Value: tree.NewList(groups...)})
	}
	fields = append(fields,
		tree.Field{Key: "lastmodified", Value: tree.NewString(b.LastModified)},
		tree.Field{Key: "mac", Value: tree.NewString(b.MAC)},
		tree.Field{Key: "mac_only_encrypted", Value: tree.NewBool(b.MACOnlyEncrypted)},
		tree.Field{Key: pgpKey, Value: lists[pgpKey]},
	)
	if b.ShamirThreshold > 0 {
		fields = append(fields, tree.Field{Key: shamirThreshold, Value: tree.NewInt(int64(b.ShamirThreshold))})
	}
	fields = append(fields, tree.Field{Key: "version", Value: tree.NewString(b.Version)})
	return tree.NewMap(slices.DeleteFunc(fields, func(f tree.Field) bool { return f.Value == nil })...)
}

// lists gives the lists that have something in them, by their names.
func (b *blockGroup) lists() map[string]*tree.Node {
	items := map[string][]*tree.Node{}
	for _, r := range b.Age {
		items[ageKey] = append(items[ageKey], recipientNode(r.Recipient, r.Enc))
	}
	for _, k := range b.Vault {
		items[transitList] = append(items[transitList], (&transitKey{k.Address, k.Engine, k.Name}).node(k.CreatedAt, k.Enc))
	}
	for _, k := range b.PGP {
		items[pgpKey] = append(items[pgpKey], pgpNode(k.CreatedAt, k.Fingerprint, k.Enc))
	}
	lists := map[string]*tree.Node{}
	for key, of := range items {
		lists[key] = tree.NewList(of...)
	}
	return lists
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
