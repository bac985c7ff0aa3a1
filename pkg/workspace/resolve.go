package workspace

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/layer"
	"github.com/llm-devops/lcm/pkg/schema"
	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/template"
	"github.com/llm-devops/lcm/pkg/tree"
)

// DefaultsLayer is the name of the lowest layer: the defaults of the schema.
const DefaultsLayer = "schema"

// Reaches reports whether a change of the layer file of from can change what to resolves to.
func (s *Settings) Reaches(from, to address.Address) bool {
	return slices.ContainsFunc(s.Stack(to), func(r LayerRef) bool { return r.Address == from })
}

// Resolved is what an address comes to.
type Resolved struct {
	Address   address.Address
	Namespace Namespace
	Partial   bool           // a layer for others: see [Settings.Partial]
	Module    *schema.Module // nil for a namespace without a schema
	Stack     []layer.Layer  // lowest first, the schema's defaults included; only layers that exist
	Root      *tree.Node     // secrets sealed unless revealed
	Findings  diag.List      // of merging; checking against the schema is validate's

	// Fed tells, by their place in a template, which variables went into scalars.
	Fed map[diag.Position][]template.Feed
}

// Resolve merges the layers of an address. Secrets stay sealed, so it needs no key.
func (s *Snapshot) Resolve(ctx context.Context, a address.Address) (*Resolved, error) {
	if err := s.Check(ctx, a); err != nil {
		return nil, err
	}
	settings, err := s.Settings(ctx)
	if err != nil {
		return nil, err
	}
	ns, _ := settings.Namespace(a.Namespace)
	r := &Resolved{Address: a, Namespace: ns, Partial: settings.Partial(a)}
	var rules layer.Rules
	if ns.Module != "" {
		if r.Module, err = s.module(ctx, ns); err != nil {
			return nil, err
		}
		r.Stack = append(r.Stack, layer.Layer{Name: DefaultsLayer, Root: r.Module.Defaults(), Defaults: true})
		rules = schemaRules(r.Module)
	}
	var broken diag.List
	for _, ref := range settings.Stack(a) {
		err := s.addLayers(ctx, r, ref)
		if list, ok := errors.AsType[diag.List](err); ok {
			broken = append(broken, list...)
			continue
		}
		if err != nil {
			return nil, err
		}
	}
	if len(broken) > 0 {
		return nil, broken.Sorted()
	}
	r.Root, r.Findings = layer.Merge(r.Stack, rules)
	for i := range r.Findings {
		r.Findings[i].Address = a.String()
	}
	if r.Module != nil {
		r.Root = markSecrets(r.Module.Complete(r.Root), r.Module)
	}
	return r, nil
}

// addLayers adds the layer file at one place of a stack, if there is one, and below it what its templates make.
func (s *Snapshot) addLayers(ctx context.Context, r *Resolved, ref LayerRef) error {
	f, err := s.LayerOf(ctx, ref.Address)
	if err != nil || f == nil {
		return err
	}
	made, err := s.extended(ctx, f, ref.Address)
	if err != nil {
		return err
	}
	if made != nil {
		r.addTemplates(made, f, ref)
	}
	r.Stack = append(r.Stack, layer.Layer{Name: ref.Name, File: f.Path, Root: f.Own(), Strict: ref.Strict})
	return nil
}

func (s *Snapshot) module(ctx context.Context, ns Namespace) (*schema.Module, error) {
	set, err := s.Schemas(ctx)
	if err != nil {
		return nil, err
	}
	m, err := set.Module(ns.Module)
	if unknown, ok := errors.AsType[*schema.UnknownModuleError](err); ok {
		return nil, diag.List{{
			Code: "unknown-module", Severity: diag.Error, Position: ns.Pos,
			Message: fmt.Sprintf("namespace %q is of the unknown module %q", ns.Name, ns.Module),
			Hint:    diag.DidYouMean(unknown.Name, set.Names(), "the modules are: "+strings.Join(set.Names(), ", ")),
		}}
	}
	return m, err
}

// ModuleOf gives the schema of a namespace, nil if it has none.
func (s *Snapshot) ModuleOf(ctx context.Context, namespace string) (*schema.Module, error) {
	settings, err := s.Settings(ctx)
	if err != nil {
		return nil, err
	}
	ns, ok := settings.Namespace(namespace)
	if !ok {
		return nil, Unknown("namespace", namespace, settings.NamespaceNames())
	}
	if ns.Module == "" {
		return nil, nil
	}
	return s.module(ctx, ns)
}

func schemaRules(m *schema.Module) layer.Rules {
	return func(p tree.Path) layer.Rule {
		f, ok := m.Field(p)
		if !ok {
			return layer.Rule{}
		}
		return layer.Rule{Strategy: f.Merge.Strategy, Key: f.Merge.Key}
	}
}

// Own gives what the layer file of an address itself says, an empty map if there is none. Secrets are sealed, and what the
// schema calls secret is marked even in plain text.
func (s *Snapshot) Own(ctx context.Context, a address.Address) (*tree.Node, error) {
	if err := s.Check(ctx, a); err != nil {
		return nil, err
	}
	f, err := s.LayerOf(ctx, a)
	if err != nil || f == nil {
		return tree.NewMap(), err
	}
	m, err := s.ModuleOf(ctx, a.Namespace)
	if err != nil || m == nil {
		return f.Sealed, err
	}
	return markSecrets(f.Sealed, m), nil
}

// markSecrets marks what the schema calls secret even where it lies in plain text, so that no output shows it.
func markSecrets(n *tree.Node, m *schema.Module) *tree.Node { return m.MarkSecrets(nil, n) }

// Reveal gives a copy of a resolved tree with its sealed secrets opened, opening only the files that they come from. The
// error is the first file's that cannot be opened.
func (s *Snapshot) Reveal(ctx context.Context, n *tree.Node) (*tree.Node, error) {
	return s.reveal(ctx, n, func(_ *tree.Node, err error) (*tree.Node, error) { return nil, err })
}

// reveal opens the sealed leaves below n; failed says what becomes of one that cannot be opened. What holds no sealed leaf
// is shared with n.
func (s *Snapshot) reveal(ctx context.Context, n *tree.Node, failed func(*tree.Node, error) (*tree.Node, error)) (*tree.Node, error) {
	switch {
	case n == nil:
		return nil, nil
	case n.Sealed:
		v, err := s.revealLeaf(ctx, n)
		if err != nil {
			return failed(n, err)
		}
		return v, nil
	case n.Kind == tree.Map:
		var fields []tree.Field
		for i, f := range n.Fields() {
			v, err := s.reveal(ctx, f.Value, failed)
			if err != nil {
				return nil, err
			}
			if v != f.Value {
				if fields == nil {
					fields = slices.Clone(n.Fields())
				}
				fields[i].Value = v
			}
		}
		if fields != nil {
			return n.WithFields(fields), nil
		}
	case n.Kind == tree.List:
		var items []*tree.Node
		for i, item := range n.Items() {
			v, err := s.reveal(ctx, item, failed)
			if err != nil {
				return nil, err
			}
			if v != item {
				if items == nil {
					items = slices.Clone(n.Items())
				}
				items[i] = v
			}
		}
		if items != nil {
			return n.WithItems(items), nil
		}
	}
	return n, nil
}

func (s *Snapshot) revealLeaf(ctx context.Context, n *tree.Node) (*tree.Node, error) {
	opened, err := s.opened(ctx, n.Pos.File)
	if err != nil {
		return nil, err
	}
	v := opened[n.Pos]
	if v == nil {
		return nil, fmt.Errorf("%s: the secret is not where it was", n.Pos)
	}
	out := n.WithText(v.Kind, v.Reveal())
	out.Sealed = false
	return out, nil
}

// opened gives the opened secrets of a layer file by their place in it.
func (s *Snapshot) opened(ctx context.Context, file string) (map[diag.Position]*tree.Node, error) {
	f, err := s.Layer(ctx, file)
	if err != nil {
		return nil, err
	}
	if f == nil || f.IsCUE() {
		return nil, fmt.Errorf("open %s: %w", file, fs.ErrNotExist)
	}
	return f.open.get(func() (map[diag.Position]*tree.Node, error) {
		root, err := seal.Open(ctx, f.Doc, s.w.keyring)
		if err != nil {
			return nil, err
		}
		secrets := map[diag.Position]*tree.Node{}
		root.Walk(func(_ tree.Path, n *tree.Node) bool {
			if n.Secret {
				secrets[n.Pos] = n
			}
			return true
		})
		return secrets, nil
	})
}

// RevealWhatOpens is Reveal, and leaves sealed what no identity at hand opens or what is damaged.
func (s *Snapshot) RevealWhatOpens(ctx context.Context, n *tree.Node) (*tree.Node, error) {
	return s.reveal(ctx, n, func(leaf *tree.Node, _ error) (*tree.Node, error) { return leaf, ctx.Err() })
}

// CanOpen reports whether the secrets of a layer file open with the identities at hand; the error is why not.
func (s *Snapshot) CanOpen(ctx context.Context, file string) error {
	_, err := s.opened(ctx, file)
	return err
}

// Addresses gives what the patterns match, for all tenants but global: what services can read. An address exists where a
// layer of its stack does, and the tenant has the namespace. The order is by tenant, then promotion order, then namespace.
func (s *Snapshot) Addresses(ctx context.Context, patterns ...address.Pattern) ([]address.Address, error) {
	settings, err := s.Settings(ctx)
	if err != nil {
		return nil, err
	}
	tenants, err := s.Tenants(ctx)
	if err != nil {
		return nil, err
	}
	if len(patterns) == 0 {
		patterns = []address.Pattern{{}}
		patterns[0], _ = address.ParsePattern("")
	}
	existing := existence{s: s, dirs: map[string]map[string]bool{}}
	names := settings.NamespaceNames()
	var out []address.Address
	for _, tenant := range tenants {
		if !slices.ContainsFunc(patterns, func(p address.Pattern) bool { return p.MatchTenant(tenant) }) {
			continue
		}
		has := names
		if tenant == address.Global {
			if !slices.ContainsFunc(patterns, func(p address.Pattern) bool { t, _, _ := p.Parts(); return t == address.Global }) {
				continue
			}
		} else if t, err := s.Tenant(ctx, tenant); err == nil && t.Namespaces != nil {
			has = slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !slices.Contains(t.Namespaces, n) })
		}
		for _, env := range slices.Concat(settings.EnvironmentNames(), []string{address.Base}, settings.Shared()) {
			for _, ns := range has {
				a := address.Address{Tenant: tenant, Environment: env, Namespace: ns}
				if !slices.ContainsFunc(patterns, func(p address.Pattern) bool { return settings.matches(p, a) }) {
					continue
				}
				ok, err := existing.any(ctx, settings.Stack(a))
				if err != nil {
					return nil, err
				}
				if ok {
					out = append(out, a)
				}
			}
		}
	}
	return out, nil
}

// matches is Pattern.Match, and what is no environment must be asked for by name.
func (s *Settings) matches(p address.Pattern, a address.Address) bool {
	if _, ok := s.Environment(a.Environment); !ok {
		if _, env, _ := p.Parts(); env != a.Environment {
			return false
		}
	}
	return p.Match(a)
}

// existence remembers which layer files there are, folder by folder.
type existence struct {
	s    *Snapshot
	dirs map[string]map[string]bool
}

func (e existence) any(ctx context.Context, stack []LayerRef) (bool, error) {
	for _, ref := range stack {
		dir, yaml := path.Split(ref.Address.File())
		_, inCUE := path.Split(ref.Address.CUEFile())
		names, ok := e.dirs[dir]
		if !ok {
			entries, err := e.s.files.ReadDir(ctx, path.Clean(dir))
			// What is no folder of the repository (a link, a file) holds no layers; validation tells about it.
			if _, odd := errors.AsType[*unreadableError](err); err != nil && !odd && !errors.Is(err, fs.ErrNotExist) {
				return false, err
			}
			names = make(map[string]bool, len(entries))
			for _, entry := range entries {
				names[entry.Name] = true
			}
			e.dirs[dir] = names
		}
		if names[yaml] || names[inCUE] {
			return true, nil
		}
	}
	return false, nil
}

// LayerFiles gives the addresses of all layer files that exist, each once, one folder at a time, and the files under config that are
// neither layers nor tenant.yaml.
func (s *Snapshot) LayerFiles(ctx context.Context, tenant string) (layers []address.Address, strays []string, err error) {
	root := path.Join(address.Root, tenant)
	entries, err := s.files.ReadDir(ctx, root)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		dir := path.Join(root, e.Name)
		if !e.Dir || e.Irregular {
			if e.Name != "tenant.yaml" {
				strays = append(strays, dir)
			}
			continue
		}
		files, err := s.files.ReadDir(ctx, dir)
		if err != nil {
			return nil, nil, err
		}
		for _, f := range files {
			file := path.Join(dir, f.Name)
			if a, ok := address.FromFile(file); ok && !f.Dir {
				if !slices.Contains(layers, a) { // in YAML and in CUE
					layers = append(layers, a)
				}
			} else {
				strays = append(strays, file)
			}
		}
	}
	return layers, strays, nil
}
