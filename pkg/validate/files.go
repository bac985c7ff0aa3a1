package validate

import (
	"context"
	"errors"
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

func (p *part) layer(ctx context.Context, a address.Address, tenant *workspace.Tenant) error {
	file := p.s.LayerFile(ctx, a)
	at := diag.Position{File: file}
	if !p.settings.Folder(a.Environment) {
		p.found(diag.Finding{
			Code: "unknown-environment", Severity: diag.Error, Position: at,
			Message: fmt.Sprintf("environment %q is not declared in lcm.yaml", a.Environment),
			Hint:    diag.DidYouMean(a.Environment, p.settings.FolderNames(), "declare it under environments:, or remove the folder"),
		})
		return nil
	}
	if _, ok := p.settings.Namespace(a.Namespace); !ok {
		p.found(diag.Finding{
			Code: "unknown-namespace", Severity: diag.Error, Position: at,
			Message: fmt.Sprintf("namespace %q is not declared in lcm.yaml", a.Namespace),
			Hint: diag.DidYouMean(a.Namespace, p.settings.NamespaceNames(),
				"declare it: lcm namespace add "+a.Namespace+" --module MODULE"),
		})
		return nil
	}
	f, err := p.s.LayerOf(ctx, a)
	if err != nil {
		return p.cannotRead(ctx, file, err)
	}
	if f == nil {
		return nil
	}
	module, err := p.s.ModuleOf(ctx, a.Namespace)
	if err != nil {
		if err := p.add(err); err != nil {
			return err
		}
	}
	if _, err := p.s.Extended(ctx, a); err != nil {
		if err := p.add(err); err != nil {
			return err
		}
	}
	unlocked, err := p.s.LayerLockFindings(ctx, a)
	if err != nil {
		return err
	}
	p.found(unlocked...)
	list, err := checkLayer(a, f, module, tenant)
	if err != nil {
		return p.add(err)
	}
	p.found(list...)
	if err := p.mac(ctx, f, list); err != nil {
		return err
	}
	fits := true
	if module != nil {
		if fits, err = p.secretsFit(ctx, f, module); err != nil {
			return err
		}
	}
	p.fitting = p.fitting && fits
	if fits {
		p.form = layerForm(module, f)
	}
	return nil
}

// secretsFit reports whether the schema takes each of a file's secrets wherever it ends up. Those that no identity at hand
// opens are taken as they are everywhere.
func (p *part) secretsFit(ctx context.Context, f *workspace.File, m *schema.Module) (bool, error) {
	root, err := p.s.RevealWhatOpens(ctx, f.Own())
	return err == nil && m.SecretsFit(root), err
}

// fits reports whether a secret's value is known to fit the schema of a namespace.
func (r *run) fits(namespace string, secret *tree.Node) bool {
	from, ok := address.FromFile(secret.Pos.File)
	if !ok {
		return false
	}
	state, known := r.layer(from, namespace)
	return known && state.fitting
}

// layerState is what is known of a layer file for itself.
type layerState struct {
	fitting bool
	form    string // see layerForm
}

// layer gives what is known of a layer file under the schema of a namespace.
func (r *run) layer(a address.Address, namespace string) (layerState, bool) {
	state, known := r.layers.Load(a)
	its, _ := r.settings.Namespace(a.Namespace)
	here, _ := r.settings.Namespace(namespace)
	if !known || its.Module != here.Module {
		return layerState{}, false
	}
	return state.(layerState), true
}

// cannotRead makes a finding of a file that cannot be read, so that the rest is still looked at.
func (p *part) cannotRead(ctx context.Context, file string, err error) error {
	p.unreadable = true
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if p.add(err) == nil {
		return nil
	}
	hint := diag.HintOf(err)
	if hint == "" {
		hint = "a layer is a regular file of YAML or CUE inside the repository"
	}
	p.found(diag.Finding{Code: "unreadable-file", Severity: diag.Error, Position: diag.Position{File: file}, Message: err.Error(), Hint: hint})
	return nil
}

// Layer checks the layer file of an address for itself, if there is one: its templates, secrets in plain text, recipients.
func Layer(ctx context.Context, s *workspace.Snapshot, a address.Address) (diag.List, error) {
	f, err := s.LayerOf(ctx, a)
	if broken, ok := errors.AsType[diag.List](err); ok {
		return broken, nil
	}
	if err != nil || f == nil {
		return nil, err
	}
	module, err := s.ModuleOf(ctx, a.Namespace)
	if err != nil {
		return nil, err
	}
	tenant, err := s.Tenant(ctx, a.Tenant)
	if err != nil {
		return nil, err
	}
	list, err := checkLayer(a, f, module, tenant)
	if err == nil {
		_, err = s.Extended(ctx, a)
	}
	if broken, ok := errors.AsType[diag.List](err); ok {
		return append(list, broken...), nil
	}
	return list, err
}

// mac opens a file's secrets where an identity does, which checks its MAC. told is what the file's own check has found:
// opening meets a secret in plain text once more.
func (p *part) mac(ctx context.Context, f *workspace.File, told diag.List) error {
	if f.IsCUE() {
		return nil
	}
	meta, err := seal.Inspect(f.Doc)
	if err != nil {
		return p.add(err)
	}
	if meta == nil {
		return nil
	}
	err = p.s.CanOpen(ctx, f.Path)
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*seal.NoIdentityError](err); ok {
		p.unopened = append(p.unopened, f.Path)
		return nil
	}
	if list, ok := errors.AsType[diag.List](err); ok {
		p.found(slices.DeleteFunc(slices.Clone(list), func(again diag.Finding) bool {
			return slices.ContainsFunc(told, func(t diag.Finding) bool { return t.Code == again.Code && t.Position == again.Position })
		})...)
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	hint := diag.HintOf(err)
	p.found(diag.Finding{
		Code: "unreadable-secrets", Severity: diag.Error, Position: diag.Position{File: f.Path}, Message: err.Error(), Hint: hint,
	})
	return nil
}

// Plaintext finds the values of an address's own layer file that stand in secret fields and are not encrypted, and gives the
// file, nil where there is none. What else is wrong with it is not told: a file that cannot be read has no findings here.
func Plaintext(ctx context.Context, s *workspace.Snapshot, a address.Address) (*workspace.File, diag.List, error) {
	f, err := s.LayerOf(ctx, a)
	if err != nil {
		return nil, nil, ctx.Err()
	}
	if f == nil {
		return nil, nil, nil
	}
	return f, plaintextOf(a, f, moduleOf(ctx, s, a)), ctx.Err()
}

// PlaintextThen is Plaintext for a layer file in YAML with another content, one that it had at another time.
func PlaintextThen(ctx context.Context, s *workspace.Snapshot, a address.Address, content []byte) (*workspace.File, diag.List) {
	if doc, err := yamldoc.Parse(a.File(), content); err == nil {
		if root, err := seal.Sealed(doc); err == nil {
			f := &workspace.File{Path: a.File(), Doc: doc, Sealed: root}
			return f, plaintextOf(a, f, moduleOf(ctx, s, a))
		}
	}
	return nil, nil // it was never read
}

func plaintextOf(a address.Address, f *workspace.File, module *schema.Module) diag.List {
	if f.IsCUE() {
		return plaintext(a, f, nil, module)
	}
	if meta, err := seal.Inspect(f.Doc); err == nil {
		return plaintext(a, f, meta, module)
	}
	return nil // validation tells what is wrong with the block
}

// moduleOf gives the module of an address's namespace; nil where there is none, or one that does not compile and so knows no
// secrets.
func moduleOf(ctx context.Context, s *workspace.Snapshot, a address.Address) *schema.Module {
	settings, err := s.Settings(ctx)
	if err != nil {
		return nil
	}
	if _, ok := settings.Namespace(a.Namespace); !ok {
		return nil
	}
	module, _ := s.ModuleOf(ctx, a.Namespace)
	return module
}

// PlaintextIn is [Plaintext] for a file at hand. encrypted is the sops block that says what is secret in it, nil for none: the
// file's own, or that of another of its versions.
func PlaintextIn(a address.Address, f *workspace.File, encrypted *seal.Metadata, m *schema.Module) diag.List {
	return plaintext(a, f, encrypted, m)
}
