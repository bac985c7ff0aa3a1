package bundle

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/secret"
	"github.com/llm-devops/lcm/pkg/tree"
)

// secretKey marks the reference that stands where a secret was: {"$secret": "providers.openai.api_key"}, with
// "type": "integer", "number" or "boolean" for one that is no string.
const (
	secretKey = "$secret"
	typeKey   = "type"
)

const kindDocument = "Document"

// Document is the plain configuration of one namespace, with a reference where each secret was:
//
//	{"apiVersion":"lcm/v1","config":{…},"environment":…,"kind":"Document","module":…,"namespace":…,"tenant":…}
type Document struct {
	Unit      Unit
	Namespace string
	Module    string
	Config    *tree.Node
}

// Encode gives the document as one line of JSON, a function of the values alone.
func (d *Document) Encode() ([]byte, error) {
	field := func(key, value string) tree.Field { return tree.Field{Key: key, Value: tree.NewString(value)} }
	root := tree.NewMap(
		field("apiVersion", APIVersion), field("kind", kindDocument),
		field("tenant", d.Unit.Tenant), field("environment", d.Unit.Environment),
		field("namespace", d.Namespace), field("module", d.Module),
		tree.Field{Key: "config", Value: d.Config},
	)
	// Masked, although no secret is left in the tree: a mistake must not become a leak.
	data, err := root.AppendJSON(nil, tree.Masked)
	if err != nil {
		return nil, fmt.Errorf("encode document: %w", err)
	}
	data = append(data, '\n')
	if len(data) > MaxDocument {
		return nil, fmt.Errorf("encode document: %d bytes are more than the %d allowed", len(data), MaxDocument)
	}
	return data, nil
}

// ParseDocument reads what [Document.Encode] wrote and nothing else: the references must name the places they stand at.
func ParseDocument(data []byte) (*Document, error) {
	root, err := parseCanonical(data, MaxDocument)
	if err != nil {
		return nil, fmt.Errorf("document: %w: %w", ErrInvalid, err)
	}
	text := func(key string) string {
		if n := root.Field(key); n != nil && n.Kind == tree.String {
			return n.Text()
		}
		return ""
	}
	d := &Document{
		Unit:      Unit{text("tenant"), text("environment")},
		Namespace: text("namespace"), Module: text("module"), Config: root.Field("config"),
	}
	switch {
	case text("apiVersion") != APIVersion || text("kind") != kindDocument:
		return nil, fmt.Errorf("document: %w: neither %s nor a %s", ErrInvalid, APIVersion, kindDocument)
	case d.Unit.Check() != nil || address.CheckName("namespace", d.Namespace) != nil:
		return nil, fmt.Errorf("document: %w: names no address", ErrInvalid)
	case d.Config == nil || d.Config.Kind != tree.Map || root.Len() != 7 || root.Field("module") == nil ||
		root.Field("module").Kind != tree.String:
		return nil, fmt.Errorf("document: %w: fields are missing or unknown", ErrInvalid)
	}
	if _, err := d.references(); err != nil {
		return nil, fmt.Errorf("document: %w: %w", ErrInvalid, err)
	}
	return d, nil
}

// SecretKeys gives the dotted keys of the secrets the document refers to, in document order.
func (d *Document) SecretKeys() []string {
	refs, err := d.references()
	if err != nil {
		return nil
	}
	return refs
}

func (d *Document) references() (keys []string, err error) {
	d.Config.Walk(func(p tree.Path, n *tree.Node) bool {
		if err != nil {
			return false
		}
		key, _, ok, refErr := reference(p, n)
		if refErr != nil {
			err = refErr
		} else if ok {
			keys = append(keys, key)
		}
		return !ok
	})
	return keys, err
}

// reference reads a node as a reference to a secret.
func reference(p tree.Path, n *tree.Node) (key string, kind tree.Kind, ok bool, err error) {
	ref := n.Field(secretKey)
	if ref == nil {
		return "", 0, false, nil
	}
	kind = tree.String
	want := 1
	if t := n.Field(typeKey); t != nil {
		want = 2
		switch t.Text() {
		case tree.Int.String():
			kind = tree.Int
		case tree.Float.String():
			kind = tree.Float
		case tree.Bool.String():
			kind = tree.Bool
		default:
			return "", 0, false, fmt.Errorf("%s: a reference of unknown type", p)
		}
	}
	if n.Len() != want || ref.Kind != tree.String || ref.Text() != p.String() {
		return "", 0, false, fmt.Errorf("%s: a reference that is not one to this place", p)
	}
	return ref.Text(), kind, true, nil
}

// Restore gives the configuration with its secrets in their places, marked as secret. It fails with [ErrInvalid] if the
// document refers to a secret that is not given, or one is given that it does not refer to.
func (d *Document) Restore(secrets Secrets) (*tree.Node, error) {
	used := 0
	root, err := restore(nil, d.Config, secrets, &used)
	if err != nil {
		return nil, fmt.Errorf("document %s/%s: %w: %w", d.Unit, d.Namespace, ErrInvalid, err)
	}
	if used != len(secrets) {
		return nil, fmt.Errorf("document %s/%s: %w: %d secrets that it does not refer to", d.Unit, d.Namespace, ErrInvalid, len(secrets)-used)
	}
	return root, nil
}

func restore(p tree.Path, n *tree.Node, secrets Secrets, used *int) (*tree.Node, error) {
	key, kind, ok, err := reference(p, n)
	switch {
	case err != nil:
		return nil, err
	case ok:
		value, given := secrets[key]
		if !given {
			return nil, fmt.Errorf("secret %s is missing", key)
		}
		*used++
		leaf := tree.Scalar(kind, value.Reveal())
		leaf.Secret = true
		return leaf, nil
	case n.Kind == tree.Map:
		fields := slices.Clone(n.Fields())
		for i, f := range fields {
			if fields[i].Value, err = restore(append(p, tree.Key(f.Key)), f.Value, secrets, used); err != nil {
				return nil, err
			}
		}
		return n.WithFields(fields), nil
	case n.Kind == tree.List:
		items := slices.Clone(n.Items())
		for i, item := range items {
			if items[i], err = restore(append(p, tree.Index(i)), item, secrets, used); err != nil {
				return nil, err
			}
		}
		return n.WithItems(items), nil
	}
	return n, nil
}

// redactor takes the secrets out of a tree.
type redactor struct {
	address  string
	secrets  Secrets
	findings diag.List
}

func (r *redactor) find(p tree.Path, n *tree.Node, code, message, hint string) {
	r.findings = append(r.findings, diag.Finding{
		Code: code, Severity: diag.Error, Message: message, Hint: hint,
		Position: n.Pos, Address: r.address, Key: p.String(),
	})
}

// redact gives n with references for secrets. A collection marked secret makes all below it secret. A null has no value to
// hide and stays.
func (r *redactor) redact(p tree.Path, n *tree.Node, hidden bool) *tree.Node {
	hidden = hidden || n.Secret
	switch {
	case n.Sealed:
		r.find(p, n, "sealed-secret", p.String()+" is still encrypted", "an identity of the tenant is needed to publish")
		return n
	case n.Kind == tree.Map:
		if n.Field(secretKey) != nil {
			r.find(p, n, "reserved-key", fmt.Sprintf("the key %q is reserved for references to secrets", secretKey), "rename the key")
			return n
		}
		fields := slices.Clone(n.Fields())
		for i, f := range fields {
			fields[i].Value = r.redact(append(p, tree.Key(f.Key)), f.Value, hidden)
		}
		return tree.NewMap(fields...)
	case n.Kind == tree.List:
		items := slices.Clone(n.Items())
		for i, item := range items {
			items[i] = r.redact(append(p, tree.Index(i)), item, hidden)
		}
		return tree.NewList(items...)
	case !hidden || n.Kind == tree.Null:
		return n
	}
	key := p.String()
	r.secrets[key] = secret.New(n.Reveal())
	fields := []tree.Field{{Key: secretKey, Value: tree.NewString(key)}}
	if n.Kind != tree.String {
		fields = append(fields, tree.Field{Key: typeKey, Value: tree.NewString(n.Kind.String())})
	}
	return tree.NewMap(fields...)
}

// Secrets holds the secrets of one namespace: dotted key to exact text, numbers and booleans as they are written.
type Secrets map[string]secret.Text

// Keys gives the keys, sorted.
func (s Secrets) Keys() []string { return slices.Sorted(maps.Keys(s)) }

// Equal reports whether two sets have the same keys and values.
func (s Secrets) Equal(t Secrets) bool { return maps.Equal(s, t) }

// Encode gives the secrets in plain, as one line of canonical JSON: {"dotted.key":"value"}. It is what gets sealed.
func (s Secrets) Encode() ([]byte, error) {
	fields := make([]tree.Field, 0, len(s))
	for _, key := range s.Keys() {
		fields = append(fields, tree.Field{Key: key, Value: tree.NewString(s[key].Reveal())})
	}
	data, err := tree.NewMap(fields...).AppendJSON(nil, tree.Revealed)
	if err != nil {
		return nil, fmt.Errorf("encode secrets: %w", err)
	}
	return append(data, '\n'), nil
}

// ParseSecrets reads what [Secrets.Encode] wrote and nothing else.
func ParseSecrets(data []byte) (Secrets, error) {
	root, err := parseCanonical(data, MaxDocument)
	if err != nil {
		// The cause could quote a value.
		return nil, fmt.Errorf("secrets: %w: not canonical JSON", ErrInvalid)
	}
	s := make(Secrets, root.Len())
	for _, f := range root.Fields() {
		if f.Value.Kind != tree.String {
			return nil, fmt.Errorf("secrets: %w: %s is no string", ErrInvalid, f.Key)
		}
		s[f.Key] = secret.New(f.Value.Text())
	}
	return s, nil
}

// parseCanonical reads a map from one line of JSON as AppendJSON writes it.
func parseCanonical(data []byte, limit int) (*tree.Node, error) {
	if len(data) > limit {
		return nil, fmt.Errorf("%d bytes are more than the %d allowed", len(data), limit)
	}
	// Valid bounds the depth as well, and so the stack.
	if !json.Valid(data) {
		return nil, fmt.Errorf("not JSON")
	}
	root, err := tree.FromJSON(data)
	if err != nil {
		return nil, err
	}
	if root.Kind != tree.Map {
		return nil, fmt.Errorf("not a map")
	}
	again, err := root.AppendJSON(make([]byte, 0, len(data)), tree.Masked)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(append(again, '\n'), data) {
		return nil, fmt.Errorf("not in canonical form")
	}
	return root, nil
}
