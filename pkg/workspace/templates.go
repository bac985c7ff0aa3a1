package workspace

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/layer"
	"github.com/llm-devops/lcm/pkg/pin"
	"github.com/llm-devops/lcm/pkg/template"
	"github.com/llm-devops/lcm/pkg/tree"
)

// TemplateDir is the folder of an organisation's own templates.
const TemplateDir = "templates"

// TemplatePrefix begins the name of a template's layer, and the file of a template that comes with the program.
const TemplatePrefix = "template:"

// IsTemplate reports whether a position's file is a template.
func IsTemplate(file string) bool {
	return strings.HasPrefix(file, TemplatePrefix) || strings.HasPrefix(file, TemplateDir+"/")
}

// Templates gives the templates: those that come with the program, in the versions that lcm.lock holds the repository to, and
// the repository's own.
func (s *Snapshot) Templates(ctx context.Context) (*template.Set, error) {
	return s.templates.get(func() (*template.Set, error) {
		lock, err := s.Lock(ctx)
		if err != nil {
			return nil, err
		}
		return s.templateSet(ctx, lock.Templates)
	})
}

func (s *Snapshot) templateSet(ctx context.Context, pins map[string]pin.Pin) (*template.Set, error) {
	sources := slices.Clone(s.w.templates)
	entries, err := s.files.ReadDir(ctx, TemplateDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, reading(TemplateDir, err)
	}
	for _, e := range entries {
		if e.Dir || path.Ext(e.Name) != ".yaml" {
			continue
		}
		file := path.Join(TemplateDir, e.Name)
		data, err := s.files.ReadFile(ctx, file)
		if err != nil {
			return nil, reading(file, err)
		}
		sources = append(sources, template.Source{File: file, Data: data})
	}
	return template.NewSet(sources, pins), nil
}

// Extended gives what the layer file of an address gets from the templates that it extends, nil if it extends none. The error
// is a diag.List of what is wrong with that, at the places in the layer file, or in a template that is broken.
func (s *Snapshot) Extended(ctx context.Context, a address.Address) (*template.Result, error) {
	f, err := s.LayerOf(ctx, a)
	if err != nil || f == nil {
		return nil, err
	}
	return s.extended(ctx, f, a)
}

func (s *Snapshot) extended(ctx context.Context, f *File, a address.Address) (*template.Result, error) {
	return f.extends.get(func() (*template.Result, error) {
		use, findings := template.ReadUse(f.Sealed)
		if use.Empty() {
			return nil, nil
		}
		if len(findings) > 0 {
			return nil, findings.Sorted()
		}
		set, err := s.Templates(ctx)
		if err != nil {
			return nil, err
		}
		settings, err := s.Settings(ctx)
		if err != nil {
			return nil, err
		}
		ns, _ := settings.Namespace(a.Namespace)
		made, findings := set.Apply(use, a.Tenant, ns.Module)
		if len(findings) > 0 {
			return nil, findings
		}
		if findings, err = s.templateSecrets(ctx, made, ns); err != nil {
			return nil, err
		}
		if len(findings) > 0 {
			return nil, findings
		}
		return made, nil
	})
}

// templateSecrets finds what templates put into secret fields: it would lie in plain text in their file, or in the variables
// of a layer.
func (s *Snapshot) templateSecrets(ctx context.Context, made *template.Result, ns Namespace) (diag.List, error) {
	if ns.Module == "" {
		return nil, nil
	}
	m, err := s.module(ctx, ns)
	if err != nil {
		return nil, err
	}
	var findings diag.List
	for _, l := range made.Layers {
		for p, n := range l.Root.Leaves() {
			f, _ := m.Field(p)
			if !f.Secret || !n.Kind.IsScalar() || n.Kind == tree.Null || n.Reveal() == "" {
				continue
			}
			finding := diag.Finding{
				Code: "template-secret", Severity: diag.Error, Position: n.Pos, Key: p.String(),
				Message: "this field is secret, and a template would set it in plain text",
				Hint:    "take it out of the template, and set it in the layers of those who extend it: lcm set ADDR --secret '" + p.String() + "'",
			}
			for _, feed := range made.Fed[n.Pos] {
				if IsTemplate(feed.Pos.File) {
					finding.Related = append(finding.Related, diag.Related{Position: feed.Pos, Message: "variable " + feed.Variable + " feeds it"})
					continue
				}
				finding.Related = append(finding.Related, diag.Related{Position: n.Pos, Message: "the template is here"})
				finding.Position, finding.Message = feed.Pos, "this variable feeds a field that is secret, and would lie in plain text"
			}
			findings = append(findings, finding)
		}
	}
	return findings.Sorted(), nil
}

// addTemplates adds what templates make for a layer file to the stack.
func (r *Resolved) addTemplates(made *template.Result, f *File, ref LayerRef) {
	for _, l := range made.Layers {
		r.Stack = append(r.Stack, layer.Layer{Name: TemplatePrefix + l.Template.ID(), File: l.Template.File, Root: l.Root, Strict: ref.Strict, Of: f.Path})
	}
	if r.Fed == nil {
		r.Fed = map[diag.Position][]template.Feed{}
	}
	for pos, feeds := range made.Fed {
		for _, feed := range feeds {
			if !slices.Contains(r.Fed[pos], feed) {
				r.Fed[pos] = append(r.Fed[pos], feed)
			}
		}
	}
}
