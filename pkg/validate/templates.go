package validate

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/layer"
	"github.com/llm-devops/lcm/pkg/schema"
	"github.com/llm-devops/lcm/pkg/template"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// Templates checks templates for themselves: every version of those that are named, or of all that are the repository's own
// where none is. What a template makes of its defaults and examples is held against the schema of the module that it names.
// The error is as of [template.Set.Versions] where there is no template of a name.
func Templates(ctx context.Context, s *workspace.Snapshot, names ...string) (list diag.List, checked int, err error) {
	set, err := s.Templates(ctx)
	if err != nil {
		return nil, 0, err
	}
	if len(names) == 0 {
		names = set.Own()
		list = set.Files()
	}
	for _, name := range names {
		versions, err := set.Versions(name)
		if broken, ok := errors.AsType[diag.List](err); ok {
			list = append(list, broken...)
		} else if err != nil {
			return nil, 0, err
		}
		for _, t := range versions {
			checked++
			found, err := checkTemplate(ctx, s, set, t)
			if err != nil {
				return nil, 0, err
			}
			list = append(list, found...)
		}
	}
	return list.Sorted(), checked, nil
}

// templates checks the repository's own templates, those too that nothing extends yet.
func (r *run) templates(ctx context.Context) error {
	list, _, err := Templates(ctx, r.s)
	if err != nil {
		return r.add(err)
	}
	r.tell(list...)
	return nil
}

func checkTemplate(ctx context.Context, s *workspace.Snapshot, set *template.Set, t *template.Template) (diag.List, error) {
	list := set.Check(t)
	tenants, err := s.Tenants(ctx)
	if err != nil {
		return nil, err
	}
	for _, tenant := range t.Tenants {
		if !slices.Contains(tenants, tenant) {
			list = append(list, diag.Finding{
				Code: "unknown-tenant", Severity: diag.Error, Position: diag.Position{File: t.File},
				Message: fmt.Sprintf("tenants names %q, and there is no such tenant", tenant), Hint: diag.DidYouMean(tenant, tenants, "see lcm tenant list"),
			})
		}
	}
	if t.Module == "" || list.Count(diag.Error) > 0 {
		return list, nil
	}
	schemas, err := s.Schemas(ctx)
	if err != nil {
		return nil, err
	}
	m, err := schemas.Module(t.Module)
	if unknown, ok := errors.AsType[*schema.UnknownModuleError](err); ok {
		return append(list, diag.Finding{
			Code: "unknown-module", Severity: diag.Error, Position: diag.Position{File: t.File},
			Message: fmt.Sprintf("the template is for the unknown module %q", unknown.Name), Hint: diag.DidYouMean(unknown.Name, schemas.Names(), "see lcm namespace list"),
		}), nil
	}
	if err != nil {
		return nil, err
	}
	return append(list, checkSample(set, t, m)...), nil
}

// checkSample holds what a template makes of its defaults and examples against a schema. What is required may come from the
// layers of those who extend it.
func checkSample(set *template.Set, t *template.Template, m *schema.Module) diag.List {
	made, missing := set.Sample(t)
	if len(missing) > 0 {
		return missing
	}
	stack := []layer.Layer{{Name: workspace.DefaultsLayer, Root: m.Defaults(), Defaults: true}}
	for _, l := range made.Layers {
		stack = append(stack, layer.Layer{Name: workspace.TemplatePrefix + l.Template.ID(), File: l.Template.File, Root: l.Root, Of: t.File})
	}
	root, list := layer.Merge(stack, func(p tree.Path) layer.Rule {
		f, _ := m.Field(p)
		return layer.Rule{Strategy: f.Merge.Strategy, Key: f.Merge.Key}
	})
	for _, f := range m.Validate(m.Complete(root)) {
		if f.Code == schema.CodeRequired {
			continue
		}
		list = append(list, withFeeds(f, made.Fed[f.Position]))
	}
	for p, n := range root.Leaves() {
		if f, _ := m.Field(p); f.Secret && workspace.IsTemplate(n.Pos.File) && n.Kind != tree.Null && n.Text() != "" {
			list = append(list, diag.Finding{
				Code: "template-secret", Severity: diag.Error, Position: n.Pos, Key: p.String(),
				Message: "this field is secret, and a template would set it in plain text",
				Hint:    "take it out, and set it in the layers of those who extend it: lcm set ADDR --secret '" + p.String() + "'",
			})
		}
	}
	return list
}

// blameVariables says at a finding in a template which variables made the value, and where they are set.
func blameVariables(f diag.Finding, r *workspace.Resolved) diag.Finding {
	return withFeeds(f, r.Fed[f.Position])
}

func withFeeds(f diag.Finding, feeds []template.Feed) diag.Finding {
	for _, feed := range feeds {
		f.Related = append(slices.Clip(f.Related), diag.Related{Position: feed.Pos, Message: "variable " + feed.Variable + " is set here"})
	}
	return f
}
