package template

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// Template is one template file, parsed.
type Template struct {
	Name        string
	Version     Version
	Description string
	Module      string   // the module it makes configuration for, "" for any
	Tenants     []string // who may extend it; nil for everyone
	File        string   // "templates/NAME.yaml", or "template:NAME" for one that comes with the program; as the file, either may have a version
	Builtin     bool
	Variables   []Variable // its own, in the file's order
	Extends     []Extend
	Values      *tree.Node // for variables of the templates it extends; nil for none
	Source      []byte

	body    *tree.Node
	scalars map[*tree.Node][]part // of body and Values: those that have placeholders
}

// ID gives NAME@VERSION.
func (t *Template) ID() string { return t.Name + "@" + t.Version.String() }

// Extend is one template that another one, or a layer file, builds upon.
type Extend struct {
	Ref Ref
	Pos diag.Position
}

// part is a part of a scalar: text, or a placeholder.
type part struct {
	text string
	expr *expression
}

// The keys of a template's first level that are not configuration.
const (
	headerKey    = "template"
	ExtendsKey   = "extends"
	VariablesKey = "variables"
	sopsKey      = "sops"
)

// Source is the text of a template file.
type Source struct {
	File    string // NAME.yaml or NAME@VERSION.yaml, with its folder
	Data    []byte
	Builtin bool
}

const (
	ext           = ".yaml"     // ends the files of templates
	builtinPrefix = "template:" // begins the files of built-in ones, as far as they are shown
)

// parser reads one file and collects what is wrong with it.
type parser struct {
	t        *Template
	h        hidden
	doc      *yamldoc.Doc
	findings diag.List
}

func (p *parser) report(code string, pos diag.Position, message, hint string) {
	if pos.IsZero() {
		pos = diag.Position{File: p.t.File}
	}
	p.findings = append(p.findings, diag.Finding{Code: code, Severity: diag.Error, Position: pos, Message: p.h.restore(message), Hint: p.h.restore(hint)})
}

// Parse reads a template file for itself; what it extends is not looked at. named is the version in the file's name, "" for
// none. The error is a [diag.List] of everything wrong in it.
func Parse(file, name, named string, src []byte) (*Template, error) {
	p := &parser{t: &Template{Name: name, File: file, Source: src, scalars: map[*tree.Node][]part{}}}
	h, findings := hide(file, src)
	if len(findings) > 0 {
		return nil, findings
	}
	p.h = h
	doc, err := yamldoc.Parse(file, h.text)
	if err != nil {
		list, ok := errors.AsType[diag.List](err)
		if !ok {
			return nil, err
		}
		for _, f := range list {
			f.Message, f.Hint = h.restore(f.Message), h.restore(f.Hint)
			p.findings = append(p.findings, f)
		}
		return nil, p.findings.Sorted()
	}
	p.doc = doc
	root := doc.Root()
	p.header(root, named)
	for _, f := range root.Fields() {
		switch f.Key {
		case ExtendsKey, VariablesKey:
			p.report("template-header", f.Pos, fmt.Sprintf("%s stands beside the header of this template, not in it", f.Key), "move it below "+headerKey+":")
		case sopsKey:
			p.report("template-secret", f.Pos, "a template cannot hold secrets, so it has no sops block", "set secrets in the layers of those who extend it: lcm set ADDR --secret KEY")
		}
	}
	p.t.body = p.node(root.Without(headerKey, ExtendsKey, VariablesKey, sopsKey))
	if p.t.Values != nil {
		p.t.Values = p.node(p.t.Values)
	}
	p.required()
	if len(p.findings) > 0 {
		return nil, p.findings.Sorted()
	}
	return p.t, nil
}

func (p *parser) header(root *tree.Node, named string) {
	var header tree.Field
	for _, f := range root.Fields() {
		if f.Key == headerKey {
			header = f
		}
	}
	if header.Value == nil {
		p.report("template-header", diag.Position{File: p.t.File, Line: 1, Column: 1}, "the file has no header, which makes it a template",
			"begin it with "+headerKey+": {version: 1.0.0, description: …, variables: {…}}; lcm template new NAME writes one to start from")
		return
	}
	version := tree.Field{Value: tree.NewNull()}
	p.object(header.Value, headerKey, map[string]func(tree.Field){
		"version":     func(f tree.Field) { version = f },
		"description": func(f tree.Field) { p.t.Description = p.word(f) },
		"module":      func(f tree.Field) { p.t.Module = p.word(f) },
		"tenants": func(f tree.Field) {
			p.t.Tenants = []string{}
			p.list(f, func(n *tree.Node) { p.t.Tenants = append(p.t.Tenants, p.word(tree.Field{Key: "a tenant", Value: n})) })
		},
		"extends": func(f tree.Field) {
			var findings diag.List
			p.t.Extends, findings = readExtends(f)
			for _, x := range findings {
				p.report(x.Code, x.Position, x.Message, x.Hint)
			}
		},
		"values": func(f tree.Field) {
			if f.Value.Kind != tree.Map {
				p.report("template-header", f.Value.Pos, "values is a map from variables of the extended templates to their values", "")
				return
			}
			p.t.Values = f.Value
		},
		"variables": func(f tree.Field) {
			if f.Value.Kind == tree.Map {
				for _, v := range f.Value.Fields() {
					p.t.Variables = append(p.t.Variables, p.declaration(v))
				}
			} else if f.Value.Kind != tree.Null {
				p.report("template-header", f.Value.Pos, "variables is a map from names to what the template says about them", "")
			}
		},
	})
	if p.t.Values != nil && len(p.t.Extends) == 0 {
		p.report("template-header", p.t.Values.Pos, "values is for the variables of templates that this one extends, and it extends none", "remove it, or add extends:")
	}
	p.version(header, version, named)
}

func (p *parser) version(header, f tree.Field, named string) {
	text := named
	switch {
	case f.Value.Kind == tree.String:
		text = p.word(f)
	case f.Key != "":
		p.report("template-header", f.Value.Pos, "version is three numbers, as 1.2.3", "")
		return
	case named == "":
		p.report("template-header", header.Pos, "the template has no version", "add version: 1.0.0")
		return
	}
	var err error
	if p.t.Version, err = ParseVersion(text); err != nil {
		p.report("template-header", f.Value.Pos, err.Error(), "")
	} else if named != "" && named != text {
		p.report("template-header", f.Value.Pos, fmt.Sprintf("version is %s, and the file's name says %s", text, named), "make them the same")
	}
}

// object hands each field of a map to its reader and reports the unknown ones.
func (p *parser) object(n *tree.Node, what string, readers map[string]func(tree.Field)) {
	if n.Kind != tree.Map {
		p.report("template-header", n.Pos, fmt.Sprintf("%s is a map, and this is %s", what, article(n.Kind.String())), "")
		return
	}
	for _, f := range n.Fields() {
		if read, ok := readers[f.Key]; ok {
			read(f)
			continue
		}
		known := slices.Sorted(maps.Keys(readers))
		p.report("template-header", f.Pos, fmt.Sprintf("%s has no field %q", what, f.Key), diag.DidYouMean(f.Key, known, "the fields are: "+strings.Join(known, ", ")))
	}
}

// word reads a text of the header, where placeholders mean nothing.
func (p *parser) word(f tree.Field) string {
	if f.Value.Kind != tree.String {
		p.report("template-header", f.Value.Pos, fmt.Sprintf("%s is text, and this is %s", f.Key, article(f.Value.Kind.String())), "put it in quotes")
		return ""
	}
	return p.h.restore(f.Value.Text())
}

func (p *parser) number(f tree.Field) *tree.Node {
	if _, ok := f.Value.Number(); !ok {
		p.report("template-header", f.Value.Pos, f.Key+" is a number", "")
		return nil
	}
	return f.Value
}

func (p *parser) list(f tree.Field, each func(*tree.Node)) {
	if f.Value.Kind != tree.List {
		p.report("template-header", f.Value.Pos, fmt.Sprintf("%s is a list, and this is %s", f.Key, article(f.Value.Kind.String())), "")
		return
	}
	for _, item := range f.Value.Items() {
		each(item)
	}
}

// node compiles the placeholders at and below a node.
func (p *parser) node(n *tree.Node) *tree.Node {
	switch n.Kind {
	case tree.Map:
		fields := slices.Clone(n.Fields())
		for i, f := range fields {
			if text := p.h.restore(f.Key); text != f.Key {
				p.report("template-key", f.Pos, fmt.Sprintf("key %s has a placeholder in it, and keys are fixed", text), "put placeholders into values; braces that mean nothing are written \\{{")
			}
			fields[i].Value = p.node(f.Value)
		}
		return n.WithFields(fields)
	case tree.List:
		items := slices.Clone(n.Items())
		for i := range items {
			items[i] = p.node(items[i])
		}
		return n.WithItems(items)
	case tree.String:
		return p.scalar(n)
	}
	return n
}

func (p *parser) scalar(n *tree.Node) *tree.Node {
	text := n.Text()
	if strings.HasPrefix(text, "ENC[AES256_GCM,") {
		p.report("template-secret", n.Pos, "a template cannot hold secrets, and this is an encrypted value", "set secrets in the layers of those who extend it: lcm set ADDR --secret KEY")
		return n
	}
	pieces := p.h.pieces(text)
	if len(pieces) == 0 || len(pieces) == 1 && pieces[0].placeholder == nil {
		if strings.Contains(text, opening) {
			p.report("template-syntax", n.Pos, "{{ is not closed on its line", "close it with }}, or write \\{{ for braces that mean nothing")
		}
		if len(pieces) == 1 && pieces[0].text != text {
			return n.WithText(tree.String, pieces[0].text)
		}
		return n
	}
	parts := make([]part, 0, len(pieces))
	for _, piece := range pieces {
		if piece.placeholder == nil {
			parts = append(parts, part{text: piece.text})
			continue
		}
		e, err := parseExpression(p.unquote(n, piece.placeholder.text))
		if err != nil {
			hint := diag.HintOf(err)
			if hint == "" {
				hint = "a placeholder is {{name}} or {{name | filter: argument}}; braces that mean nothing here are written \\{{"
			}
			p.report("template-syntax", piece.placeholder.pos, err.Error(), hint)
			continue
		}
		e.pos = piece.placeholder.pos
		parts = append(parts, part{expr: e})
	}
	p.t.scalars[n] = parts
	return n
}

// unquote undoes what YAML's own quotes make of the quotes in a placeholder.
func (p *parser) unquote(n *tree.Node, text string) string {
	if !strings.Contains(text, `\`) && !strings.Contains(text, "''") {
		return text
	}
	switch p.doc.ByteAt(n.Pos) {
	case '"':
		return strings.NewReplacer(`\\`, `\`, `\"`, `"`).Replace(text)
	case '\'':
		return strings.ReplaceAll(text, "''", "'")
	}
	return text
}

// required finds out which variables have to be set: those without a default that some placeholder cannot do without.
func (p *parser) required() {
	for i := range p.t.Variables {
		v := &p.t.Variables[i]
		if v.Default != nil || v.optional {
			continue
		}
		uses, all := 0, true
		for e := range p.t.placeholders() {
			if e.variable() == v.Name {
				uses++
				all = all && e.hasDefault()
			}
		}
		v.Required = uses == 0 || !all
	}
}
