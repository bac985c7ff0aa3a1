package scaffold

import (
	"fmt"
	"slices"

	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/workspace"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// The lists of a tenant.yaml that hold public keys.
const (
	recipientsKey = "recipients"
	recoveryKey   = "recovery"
)

// AddRecipient gives a tenant.yaml with one more recipient or recovery key at the end of its list; everything else in it stays
// byte for byte.
func AddRecipient(file string, src []byte, r workspace.Recipient, recovery bool) ([]byte, error) {
	doc, err := yamldoc.Parse(file, src)
	if err != nil {
		return nil, err
	}
	item := recipientNode(r)
	list := recipientsKey
	if recovery {
		list = recoveryKey
	}
	edit := yamldoc.Edit{Path: tree.Keys(list), Value: tree.NewList(item)}
	if have := doc.Root().Field(list); have != nil && have.Kind == tree.List && have.Len() > 0 {
		edit = yamldoc.Edit{Path: append(tree.Keys(list), tree.Index(have.Len())), Value: item}
	}
	if doc, err = doc.Apply(edit); err != nil {
		return nil, fmt.Errorf("add to %s: %w", list, err)
	}
	return doc.Source(), nil
}

// recipientNode gives a public key as it stands in a tenant.yaml.
func recipientNode(r workspace.Recipient) *tree.Node {
	var fields []tree.Field
	for _, f := range [...][2]string{{"name", r.Name}, {"key", r.Key}, {"group", r.Group}} {
		if f[1] != "" {
			fields = append(fields, tree.Field{Key: f[0], Value: tree.NewString(f[1])})
		}
	}
	return tree.NewMap(fields...)
}

// RemoveKeys gives a tenant.yaml without some public keys, in whichever list they stand, and everything else as it was.
func RemoveKeys(file string, src []byte, keys []string) ([]byte, error) {
	doc, err := yamldoc.Parse(file, src)
	if err != nil {
		return nil, err
	}
	var edits []yamldoc.Edit
	for _, list := range []string{recipientsKey, recoveryKey} {
		items := doc.Root().Field(list).Items()
		var gone []yamldoc.Edit
		for i, item := range items {
			if slices.Contains(keys, canonicalKey(item)) {
				gone = append(gone, yamldoc.Edit{Path: append(tree.Keys(list), tree.Index(i))})
			}
		}
		if len(gone) == len(items) && len(gone) > 0 && list == recoveryKey {
			gone = []yamldoc.Edit{{Path: tree.Keys(list)}}
		}
		slices.Reverse(gone) // what is taken from the end moves nothing
		edits = append(edits, gone...)
	}
	if doc, err = doc.Apply(edits...); err != nil {
		return nil, fmt.Errorf("remove keys: %w", err)
	}
	return doc.Source(), nil
}

// canonicalKey gives the key of an entry as policy compares it.
func canonicalKey(item *tree.Node) string {
	text := item
	if item.Kind == tree.Map {
		text = item.Field("key")
	}
	if text == nil || text.Kind != tree.String {
		return ""
	}
	r, err := seal.ParseRecipient(text.Text())
	if err != nil {
		return ""
	}
	return r.String()
}
