package validate

import (
	"context"
	"slices"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/schema"
	"github.com/llm-devops/lcm/pkg/template"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// sopsKey is where a layer file's metadata of its encryption stand.
const sopsKey = "sops"

// formOf names the form of a layer's file as a part of what a namespace comes to: another schema sees another form in it.
type formOf struct {
	layer     address.Address
	namespace string
}

// form gives the form of a layer of a shared tenant. ok is false where the outcome does not go by it: another tenant's layer,
// none, one that is broken or in CUE, or one that a template makes something of.
func (k *keys) form(ctx context.Context, layer address.Address, namespace string) (text string, ok bool) {
	if !slices.Contains(k.shared, layer.Tenant) {
		return "", false
	}
	k.formMu.Lock()
	defer k.formMu.Unlock()
	of := formOf{layer, namespace}
	text, known := k.forms[of]
	if !known {
		text = k.readForm(ctx, of)
		if ctx.Err() == nil {
			k.forms[of] = text
		}
	}
	return text, text != ""
}

func (k *keys) readForm(ctx context.Context, of formOf) string {
	f, err := k.s.LayerOf(ctx, of.layer)
	if err != nil || f == nil || f.IsCUE() || isExtended(f) {
		return ""
	}
	m, err := k.s.ModuleOf(ctx, of.namespace)
	if err != nil {
		return ""
	}
	// Whether its secrets open, and to what, goes by the block.
	return f.Path + " " + schema.Content(f.Doc.Root().Field(sopsKey)) + " " + formUnder(m, f, false)
}

// isExtended reports whether templates make something of a layer.
func isExtended(f *workspace.File) bool {
	return f.Sealed.Field(template.ExtendsKey) != nil || f.Sealed.Field(template.VariablesKey) != nil
}

// layerForm gives the form of a tenant's own layer whose secrets fit the schema of its namespace, by which it is as good as
// another tenant's layer of the same form; "" for one that is not known by it.
func layerForm(m *schema.Module, f *workspace.File) string {
	if f.IsCUE() || isExtended(f) {
		return ""
	}
	return formUnder(m, f, true)
}

// formUnder gives the form of a layer under a schema.
func formUnder(m *schema.Module, f *workspace.File, fitting bool) string {
	if m != nil && m.Name() == promptModule {
		return schema.Content(f.Sealed) // what is checked there beside the schema looks into texts
	}
	return schema.Form(m, f.Sealed, fitting)
}
