package schema

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/token"

	"github.com/llm-devops/lcm/pkg/cuesource"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/jsonschema"
	"github.com/llm-devops/lcm/pkg/pin"
)

// header is what a source says about itself in @module.
type header struct {
	name, version, title string
	replaces             string // the version of the built-in module in whose place this one is, or ""
	pos                  diag.Position
	digest               string // of the whole source
}

var (
	moduleName    = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`) })
	moduleVersion = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)$`)
	})
)

// readHeader parses a source up to its imports, unless its description is written down.
func readHeader(src Source) (header, diag.List) {
	digest := pin.Digest(src.Data)
	if d := descriptionOf(src, digest); d != nil {
		return d.header, nil
	}
	if src.isJSON() {
		return readJSONHeader(src, digest)
	}
	display := src.display()
	t := newText(display, src.Data)
	if found := t.CheckBytes(); len(found) > 0 {
		return header{}, found
	}
	f, err := parser.ParseFile(display, src.Data, parser.ImportsOnly)
	if err != nil {
		return header{}, t.syntaxFindings(err)
	}
	if f.PackageName() == "" {
		return header{}, diag.List{t.finding(CodeHeader, token.NoPos, "no package clause",
			"begin the file with: package "+strings.ReplaceAll(strings.TrimSuffix(baseName(src.File), ".cue"), "-", "_"))}
	}
	h := header{digest: digest}
	var found diag.List
	for _, d := range f.Decls {
		a, ok := d.(*ast.Attribute)
		if !ok {
			continue
		}
		name, body := a.Split()
		if name != "module" {
			continue
		}
		if !h.pos.IsZero() {
			f := t.finding(CodeHeader, a.Pos(), "a second @module", "")
			f.Related = []diag.Related{{Position: h.pos, Message: "the first is here"}}
			found = append(found, f)
			continue
		}
		h.pos = t.position(a.Pos())
		found = append(found, h.read(t, a.Pos(), body)...)
	}
	if h.pos.IsZero() && bytes.Contains(src.Data, []byte("\n@module(")) {
		found = append(found, t.finding(CodeHeader, token.NoPos, "@module is not where it is looked for", "move it up, behind the package clause and before the imports"))
	} else if h.pos.IsZero() {
		found = append(found, t.finding(CodeHeader, token.NoPos, "no @module",
			`name the module behind the package clause: @module(name="my-module", version="1.0.0", title="My module")`))
	}
	if src.Builtin && len(found) == 0 {
		h.pos.File = builtinFile(h.name)
	}
	return h, found
}

// readJSONHeader reads the header of a module in JSON Schema.
func readJSONHeader(src Source, digest string) (header, diag.List) {
	x, found := jsonschema.ReadHeader(src.File, src.Data, &jsonRules)
	h := header{name: x.Name, version: x.Version, title: x.Title, replaces: x.Replaces, pos: x.Position, digest: digest}
	if len(found) > 0 {
		return h, found
	}
	h.check(func(message, hint, _ string) {
		found = append(found, diag.Finding{Code: CodeHeader, Severity: diag.Error, Position: h.pos, Message: message, Hint: hint})
	})
	return h, found
}

func (h *header) read(t *text, pos token.Pos, body string) diag.List {
	var found diag.List
	args, err := parseArgs(body)
	if err != nil {
		return diag.List{t.finding(CodeHeader, pos, "@module: "+err.Error(), "")}
	}
	for _, a := range args {
		switch a.key {
		case "name":
			h.name = a.value
		case "version":
			h.version = a.value
		case "title":
			h.title = a.value
		case "replaces":
			h.replaces = a.value
		default:
			found = append(found, t.finding(CodeHeader, pos, fmt.Sprintf("@module does not know %q", a.key),
				diag.DidYouMean(a.key, []string{"name", "version", "title", "replaces"}, "it knows name, version, title and replaces")))
		}
	}
	if len(found) > 0 {
		return found
	}
	h.check(func(message, hint, example string) {
		found = append(found, t.finding(CodeHeader, pos, message, hint+": "+example))
	})
	return found
}

// check finds values that are none, and fills in the title.
func (h *header) check(report func(message, hint, example string)) {
	if !moduleName().MatchString(h.name) {
		report(fmt.Sprintf("%q is not a module's name", h.name), "names are lower case with hyphens", `@module(name="my-module", …)`)
	}
	if !moduleVersion().MatchString(h.version) {
		report(fmt.Sprintf("%q is not a module's version", h.version), "versions are three numbers", `@module(…, version="1.0.0")`)
	}
	if h.replaces != "" && !moduleVersion().MatchString(h.replaces) {
		report(fmt.Sprintf("%q is not a module's version", h.replaces),
			"replaces is the version of the built-in module that this one was made from", `@module(…, replaces="1.0.0")`)
	}
	if h.title == "" {
		h.title = h.name
	}
}

func builtinFile(name string) string { return "schema:" + name }

// display gives the file as findings name it.
func (s Source) display() string {
	if s.Builtin {
		return builtinFile(moduleOfFile(s.File))
	}
	return s.File
}

// isJSON reports whether a module is in JSON Schema.
func (s Source) isJSON() bool { return !s.Builtin && strings.HasSuffix(s.File, ".json") }

// jsonRules are the codes of findings about JSON Schema.
var jsonRules = jsonschema.Rules{Syntax: CodeSyntax, Header: CodeHeader, Mark: CodeMark, Invalid: CodeInvalid, Limit: CodeLimit}

func baseName(file string) string { return file[strings.LastIndex(file, "/")+1:] }

// text is a source with what it takes to give positions in it.
type text struct {
	*cuesource.Text
	file *ast.File // once parsed
}

func newText(display string, data []byte) *text {
	return &text{Text: cuesource.New(display, data, &sourceRules)}
}

// textOf gives the CUE of a source, which is made of it where it is JSON Schema.
func textOf(src Source) (*text, diag.List) {
	if !src.isJSON() {
		return newText(src.display(), src.Data), nil
	}
	made, found := jsonschema.Translate(src.File, src.Data, &jsonRules)
	if len(found) > 0 {
		return nil, found
	}
	t := newText(src.File, made.CUE)
	t.Places = made.Position
	return t, t.CheckBytes()
}

func (t *text) position(p token.Pos) diag.Position { return t.Position(p) }

func (t *text) finding(code string, pos token.Pos, message, hint string) diag.Finding {
	return t.Finding(code, pos, message, hint)
}

// syntaxFindings turns the parser's errors into findings.
func (t *text) syntaxFindings(err error) diag.List {
	found := t.errorFindings(CodeSyntax, err)
	for i := range found {
		found[i].Hint = cuesource.SyntaxHint
	}
	return found
}

// maxErrors bounds the findings about one schema: more is noise.
const maxErrors = 20

func (t *text) errorFindings(code string, err error) diag.List {
	var found diag.List
	for _, e := range errors.Errors(err) {
		format, args := e.Msg()
		f := t.finding(code, token.NoPos, fmt.Sprintf(format, args...), "")
		for _, p := range append([]token.Pos{e.Position()}, e.InputPositions()...) {
			if p.IsValid() && p.Filename() == t.File {
				f.Position = t.position(p)
				break
			}
		}
		if f.Position.Line == 0 {
			f.Position = t.position(t.declaration(e.Path()))
		}
		switch path := e.Path(); {
		case len(path) > 0 && path[0] == jsonschema.DefaultsName:
			f.Message = "the default is not what the schema allows: " + f.Message
		case len(path) > 0:
			f.Message = strings.Join(path, ".") + ": " + f.Message
		}
		if found = append(found, f); len(found) == maxErrors {
			break
		}
	}
	return found
}

// declaration gives the place of the innermost field along a path that the source writes as such.
func (t *text) declaration(path []string) (pos token.Pos) {
	if t.file == nil {
		return token.NoPos
	}
	decls := t.file.Decls
	for _, name := range path {
		i := slices.IndexFunc(decls, func(d ast.Decl) bool {
			f, ok := d.(*ast.Field)
			if !ok {
				return false
			}
			label, ok := cuesource.LabelName(f.Label)
			return ok && label == name
		})
		if i < 0 {
			return pos
		}
		pos = decls[i].Pos()
		s, ok := decls[i].(*ast.Field).Value.(*ast.StructLit)
		if !ok {
			return pos
		}
		decls = s.Elts
	}
	return pos
}

func (t *text) limitFinding(message string) diag.Finding {
	return t.finding(CodeLimit, token.NoPos, message, "let the schema say less, or split the module")
}
