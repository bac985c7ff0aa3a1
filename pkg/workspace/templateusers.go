package workspace

import (
	"context"
	"errors"
	"slices"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/layer"
	"github.com/llm-devops/lcm/pkg/template"
	"github.com/llm-devops/lcm/pkg/tree"
)

// TemplateUser is a layer file that gets something from a template.
type TemplateUser struct {
	Layer    address.Address `json:"layer"`
	Position diag.Position   `json:"position"` // of what the file extends
	Extends  string          `json:"extends"`  // as the file says it
	Template string          `json:"template"` // NAME@VERSION, which that means now; "" where it means none
}

// TemplateUsers gives the layer files that extend a template, themselves or through another template, by tenant and file.
func (s *Snapshot) TemplateUsers(ctx context.Context, ref template.Ref) ([]TemplateUser, error) {
	set, err := s.Templates(ctx)
	if err != nil {
		return nil, err
	}
	tenants, err := s.Tenants(ctx)
	if err != nil {
		return nil, err
	}
	var out []TemplateUser
	for _, tenant := range tenants {
		layers, _, err := s.LayerFiles(ctx, tenant)
		if err != nil {
			return nil, err
		}
		for _, a := range layers {
			f, err := s.LayerOf(ctx, a)
			if err != nil {
				return nil, err
			}
			use, _ := template.ReadUse(f.Sealed)
			for _, e := range use.Extends {
				user := TemplateUser{Layer: a, Position: e.Pos, Extends: e.Ref.String()}
				t, err := set.Find(e.Ref)
				if err != nil {
					if e.Ref.Name == ref.Name { // what it names is broken or gone, and this is who would notice
						out = append(out, user)
					}
					continue
				}
				if slices.ContainsFunc(set.Chain(t), func(t *template.Template) bool { return ref.Means(t) }) {
					user.Template = t.ID()
					out = append(out, user)
				}
			}
		}
	}
	return out, nil
}

// TemplateHeirs gives the templates that extend a template, themselves or through another one.
func (s *Snapshot) TemplateHeirs(ctx context.Context, ref template.Ref) ([]*template.Template, error) {
	set, err := s.Templates(ctx)
	if err != nil {
		return nil, err
	}
	var out []*template.Template
	for _, name := range set.Names() {
		versions, err := set.Versions(name)
		if _, broken := errors.AsType[diag.List](err); err != nil && !broken {
			return nil, err
		}
		for _, t := range versions {
			if !ref.Means(t) && slices.ContainsFunc(set.Chain(t), func(t *template.Template) bool { return ref.Means(t) }) {
				out = append(out, t)
			}
		}
	}
	return out, nil
}

// RenderTemplate gives what a template makes of some values, those that it extends merged under it, without a schema's
// defaults. The error is a diag.List of what is wrong with the values or the template.
func (s *Snapshot) RenderTemplate(ctx context.Context, t *template.Template, variables *tree.Node) (*tree.Node, error) {
	set, err := s.Templates(ctx)
	if err != nil {
		return nil, err
	}
	made, findings := set.Render(t, variables)
	if len(findings) > 0 {
		return nil, findings
	}
	var rules layer.Rules
	stack := make([]layer.Layer, 0, len(made.Layers))
	for _, l := range made.Layers {
		stack = append(stack, layer.Layer{Name: TemplatePrefix + l.Template.ID(), File: l.Template.File, Root: l.Root, Of: t.File})
		if l.Template.Module != "" && rules == nil {
			m, err := s.module(ctx, Namespace{Name: t.Name, Module: l.Template.Module, Pos: diag.Position{File: l.Template.File}})
			if err != nil {
				return nil, err
			}
			rules = schemaRules(m)
		}
	}
	root, findings := layer.Merge(stack, rules)
	if err := findings.Err(); err != nil {
		return nil, err
	}
	return root, nil
}

// Reached gives the addresses that have a layer file of some users of a template below them.
func (s *Snapshot) Reached(ctx context.Context, users []TemplateUser) ([]address.Address, error) {
	settings, err := s.Settings(ctx)
	if err != nil {
		return nil, err
	}
	all, err := s.Addresses(ctx)
	if err != nil {
		return nil, err
	}
	out := []address.Address{}
	for _, a := range all {
		if slices.ContainsFunc(users, func(u TemplateUser) bool { return settings.Reaches(u.Layer, a) }) {
			out = append(out, a)
		}
	}
	return out, nil
}
