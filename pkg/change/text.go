package change

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/schema"
	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/workspace"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// Text is a whole layer file as somebody edited it: secrets in plain text or as they were, without the sops block. What is
// secret is encrypted again, and what did not change keeps its bytes.
type Text struct {
	Address address.Address
	Source  []byte
	Secrets []tree.Path // keys to encrypt beside those that the schema and the file call secret
}

// text works out the file that an edited text becomes, and which keys change by it.
func (p *Plan) text(ctx context.Context, t Text) error {
	current, err := p.Before.LayerOf(ctx, t.Address)
	if err != nil {
		return err
	}
	if current != nil && current.IsCUE() {
		if len(t.Secrets) > 0 {
			return diag.WithHint(fmt.Errorf("%s is a layer in CUE, which holds no secrets", current.Path), "put them into a layer in YAML, above or below it")
		}
		if !bytes.Equal(current.Source(), t.Source) {
			p.Files[current.Path] = t.Source
		}
		return nil
	}
	tenant, err := p.Before.Tenant(ctx, t.Address.Tenant)
	if err != nil {
		return err
	}
	module, err := p.Before.ModuleOf(ctx, t.Address.Namespace)
	if err != nil {
		return err
	}
	file := t.Address.File()
	old, err := yamldoc.Parse(file, nil)
	if current != nil {
		old, err = current.Doc, nil
	}
	if err != nil {
		return err
	}
	text, err := yamldoc.Parse(file, t.Source)
	if err != nil {
		return err
	}
	if err := checkSizes(text); err != nil {
		return err
	}
	o := seal.Options{Access: tenant.Access(), Keyring: p.w.Keyring(), Now: p.request.Now}
	if module != nil {
		o.SecretNames = module.SecretNames()
	}
	marked, err := locateMarked(text.Root(), t, tenant)
	if err != nil {
		return err
	}
	isSecret := func(path tree.Path) bool {
		return isSecretField(path, module) || slices.ContainsFunc(marked, path.HasPrefix)
	}
	if err := p.settled(ctx, tenant); err != nil {
		return err
	}
	edited, err := seal.Reseal(ctx, old, text, isSecret, o)
	if err != nil {
		return err
	}
	edits, err := changedKeys(t.Address, old, edited)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(edits, func(e Edit) bool { return e.Secret && e.Value != nil }) {
		if edited, err = p.rekey(ctx, edited, o); err != nil {
			return err
		}
	}
	p.request.Edits = append(p.request.Edits, edits...)
	if current == nil && len(edited.Source()) == 0 || bytes.Equal(edited.Source(), old.Source()) {
		return nil
	}
	p.Files[file] = edited.Source()
	return nil
}

// checkSizes refuses values that lcm set would refuse too.
func checkSizes(text *yamldoc.Doc) error {
	var list diag.List
	for p, n := range text.Root().Leaves() {
		if n.Kind == tree.String && len(n.Reveal()) > MaxValue {
			list = append(list, diag.Finding{
				Code: "value-size", Severity: diag.Error, Position: n.Pos, Key: p.String(),
				Message: fmt.Sprintf("%s: the value is larger than %d bytes, which is the most", p, MaxValue), Hint: "split it, or let the value say where the rest is",
			})
		}
	}
	return list.Err()
}

// isSecretField reports whether the schema says that the value at a path is secret.
func isSecretField(path tree.Path, m *schema.Module) bool {
	if m == nil {
		return false
	}
	f, ok := m.Field(path)
	return ok && f.Secret
}

// locateMarked gives where the keys are that are to be secret; it is an error if one is not there.
func locateMarked(root *tree.Node, t Text, tenant *workspace.Tenant) ([]tree.Path, error) {
	var marked []tree.Path
	for _, path := range t.Secrets {
		located, ok := root.Locate(path)
		if !ok || root.Get(located) == nil {
			return nil, diag.WithHint(fmt.Errorf("%s is to be secret, and %s does not have it", path, t.Address), "name a key that the edited file has")
		}
		if len(tenant.Keys()) == 0 {
			return nil, diag.WithHint(fmt.Errorf("tenant %q has no recipients, so %s cannot be encrypted", t.Address.Tenant, path),
				"add a public key under recipients: in %s", tenant.File)
		}
		marked = append(marked, located)
	}
	return marked, nil
}

// changedKeys gives the leaves in which two states of a file differ, as edits: ciphertexts count as they are.
func changedKeys(a address.Address, old, edited *yamldoc.Doc) ([]Edit, error) {
	before, err := seal.Sealed(old)
	if err != nil {
		return nil, err
	}
	after, err := seal.Sealed(edited)
	if err != nil {
		return nil, err
	}
	var edits []Edit
	for p, n := range after.Leaves() {
		if was := before.Get(p); len(p) > 0 && (was == nil || !tree.Identical(was, n)) {
			edits = append(edits, Edit{Address: a, Path: p.Clone(), Value: n, Secret: n.Secret || was != nil && was.Secret})
		}
	}
	for p, was := range before.Leaves() {
		if len(p) > 0 && after.Get(p) == nil {
			edits = append(edits, Edit{Address: a, Path: p.Clone(), Secret: was.Secret})
		}
	}
	return edits, nil
}
