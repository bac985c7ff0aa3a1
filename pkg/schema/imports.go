package schema

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/token"

	"github.com/llm-devops/lcm/pkg/cuesource"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/pin"
)

// moduleImports is what paths of modules begin with, as in layers in CUE.
const moduleImports = "lcm.local/schemas/"

// moduleImport is an import of one module by another.
type moduleImport struct {
	module   string
	local    string // the name it has in the file
	pos      token.Pos
	from, to int // offsets of what says so
}

// moduleImportsOf gives the modules that a source imports, and the packages of CUE: local name to path.
func moduleImportsOf(f *ast.File) (modules []moduleImport, packages map[string]string) {
	packages = map[string]string{}
	for _, d := range f.Decls {
		decl, ok := d.(*ast.ImportDecl)
		if !ok {
			continue
		}
		var own []moduleImport
		for _, spec := range decl.Specs {
			path, _ := strconv.Unquote(spec.Path.Value)
			local := baseName(path)
			module, isModule := strings.CutPrefix(path, moduleImports)
			if isModule {
				local = strings.ReplaceAll(module, "-", "_")
			}
			from := spec.Path.Pos()
			if spec.Name != nil {
				local, from = spec.Name.Name, spec.Name.Pos()
			}
			if isModule {
				own = append(own, moduleImport{module, local, spec.Path.Pos(), from.Offset(), spec.Path.End().Offset()})
			} else {
				packages[local] = path
			}
		}
		if len(own) > 0 && len(own) == len(decl.Specs) {
			own[0].from, own[len(own)-1].to = decl.Pos().Offset(), decl.End().Offset()
		}
		modules = append(modules, own...)
	}
	return modules, packages
}

// segment is a piece of a text that was put together: from a place of another text, or all from one place.
type segment struct {
	start int
	of    *text
	at    int
	pos   diag.Position
}

// joiner puts texts together.
type joiner struct {
	bytes.Buffer
	segments []segment
}

func (j *joiner) copy(t *text, from, to int) {
	j.segments = append(j.segments, segment{start: j.Len(), of: t, at: from})
	j.Write(t.Data[from:to])
}

func (j *joiner) put(pos diag.Position, parts ...string) {
	j.segments = append(j.segments, segment{start: j.Len(), pos: pos})
	for _, p := range parts {
		j.WriteString(p)
	}
}

func (j *joiner) text(file string) *text {
	t := newText(file, j.Bytes())
	segments := j.segments
	t.Places = func(offset int) diag.Position {
		i, exact := slices.BinarySearchFunc(segments, offset, func(s segment, o int) int { return s.start - o })
		if !exact {
			i--
		}
		s := segments[max(i, 0)]
		if s.of == nil {
			return s.pos
		}
		return s.of.At(s.at + offset - s.start)
	}
	return t
}

// textOf gives the CUE of a source. The modules that it imports become structs in it, under their local names, so that
// the definitions of all are described, and decided by, as one text. open are the modules that are being imported.
func (s *Set) textOf(src Source, open ...string) (*text, diag.List) {
	t, found := textOf(src)
	if len(found) > 0 || src.Builtin || !bytes.Contains(t.Data, []byte(moduleImports)) {
		return t, found
	}
	f, err := parser.ParseFile(t.File, t.Data)
	if err != nil {
		return t, nil //nolint:nilerr // compiling says it
	}
	modules, packages := moduleImportsOf(f)
	var j joiner
	var bodies []*text
	at := 0
	for _, m := range modules {
		body, refused := s.imported(t, m, open)
		if refused != nil {
			found = append(found, refused...)
			continue
		}
		found = append(found, undefined(t, f, m, body)...)
		bodies = append(bodies, body)
		j.copy(t, at, m.from)
		j.put(t.position(m.pos), importsOf(body, packages))
		at = m.to
	}
	if len(found) > 0 {
		return nil, found
	}
	j.copy(t, at, len(t.Data))
	for i, body := range bodies {
		j.put(t.position(modules[i].pos), "\n", modules[i].local, ": {\n")
		declarations(&j, body)
		j.put(t.position(modules[i].pos), "\n}\n")
	}
	joined := j.text(t.File)
	return joined, joined.CheckBytes()
}

// imported gives the text of a module that another imports.
func (s *Set) imported(by *text, m moduleImport, open []string) (*text, diag.List) {
	refuse := func(message, hint string) diag.List {
		return diag.List{by.finding(CodeImport, m.pos, message, hint)}
	}
	if slices.Contains(open, m.module) {
		return nil, refuse("modules import each other in a circle: "+strings.Join(append(open, m.module), " → "), "move what both need into a module of its own")
	}
	of := s.modules[m.module]
	if of == nil {
		return nil, refuse(fmt.Sprintf("there is no module %q", m.module), diag.DidYouMean(m.module, s.names, "see them: lcm schema list"))
	}
	c, err := of.choose()
	if found, ok := err.(diag.List); ok { //nolint:errorlint // choose gives it bare
		return nil, found
	}
	if err != nil {
		return nil, refuse(err.Error(), diag.HintOf(err))
	}
	return s.textOf(c.source, append(slices.Clone(open), m.module)...)
}

// undefined finds references to definitions that an imported module does not have. CUE would wait for them.
func undefined(t *text, f *ast.File, m moduleImport, body *text) (found diag.List) {
	of, err := parser.ParseFile(body.File, body.Data)
	if err != nil {
		return nil // said where it is compiled
	}
	var names []string
	for _, d := range of.Decls {
		if field, ok := d.(*ast.Field); ok {
			if name, ok := cuesource.LabelName(field.Label); ok && strings.HasPrefix(name, "#") {
				names = append(names, name)
			}
		}
	}
	ast.Walk(f, func(n ast.Node) bool {
		x, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		id, ok := x.X.(*ast.Ident)
		if !ok || id.Name != m.local {
			return true
		}
		if name, _, err := ast.LabelName(x.Sel); err == nil && !slices.Contains(names, name) {
			found = append(found, t.finding(CodeInvalid, x.Sel.Pos(), fmt.Sprintf("module %s does not define %s", m.module, name),
				diag.DidYouMean(name, names, "it defines "+strings.Join(names, ", "))))
		}
		return true
	}, nil)
	return found
}

// importsOf writes the imports of a text that are not there yet, on one line.
func importsOf(t *text, have map[string]string) string {
	f, err := parser.ParseFile(t.File, t.Data, parser.ImportsOnly)
	if err != nil {
		return ""
	}
	var out strings.Builder
	_, packages := moduleImportsOf(f)
	for _, local := range slices.Sorted(maps.Keys(packages)) {
		if have[local] == packages[local] {
			continue
		}
		have[local] = packages[local]
		if out.Len() > 0 {
			out.WriteString("\n")
		}
		fmt.Fprintf(&out, "import %s %q", local, packages[local])
	}
	return out.String()
}

// declarations writes a text without its package clause, imports and header.
func declarations(j *joiner, t *text) {
	f, err := parser.ParseFile(t.File, t.Data, parser.ImportsOnly)
	if err != nil {
		j.copy(t, 0, len(t.Data))
		return
	}
	at := 0
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.Package, *ast.ImportDecl:
			j.copy(t, at, d.Pos().Offset())
			at = d.End().Offset()
		case *ast.Attribute:
			if name, _ := d.Split(); name == "module" {
				j.copy(t, at, d.Pos().Offset())
				at = d.End().Offset()
			}
		}
	}
	j.copy(t, at, len(t.Data))
}

// Imports gives the built-in modules that one of the organisation's own imports, itself or through others, sorted.
func (s *Set) Imports(name string) []string {
	var list []string
	seen := map[string]bool{name: true}
	queue := []string{name}
	for len(queue) > 0 {
		m := s.modules[queue[0]]
		queue = queue[1:]
		if m == nil || m.builtin {
			continue
		}
		for _, imported := range importedBy(m.own) {
			of := s.modules[imported]
			if seen[imported] || of == nil {
				continue
			}
			seen[imported] = true
			if of.builtin {
				list = append(list, imported)
			}
			queue = append(queue, imported)
		}
	}
	slices.Sort(list)
	return list
}

// importedBy gives the modules that a source imports itself.
func importedBy(src Source) []string {
	if !bytes.Contains(src.Data, []byte(moduleImports)) {
		return nil
	}
	t, found := textOf(src)
	if len(found) > 0 {
		return nil
	}
	f, err := parser.ParseFile(t.File, t.Data, parser.ImportsOnly)
	if err != nil {
		return nil
	}
	var list []string
	modules, _ := moduleImportsOf(f)
	for _, m := range modules {
		list = append(list, m.module)
	}
	return list
}

// digestWith gives the digest of a module together with those of what it imports: they are part of what it says.
func (s *Set) digestWith(c chosen) string {
	imported := importedBy(c.source)
	if len(imported) == 0 {
		return c.header.digest
	}
	hash := sha256.New()
	fmt.Fprintln(hash, c.header.digest)
	seen := map[string]bool{}
	for len(imported) > 0 {
		name := imported[0]
		imported = imported[1:]
		of := s.modules[name]
		if of == nil || seen[name] {
			continue
		}
		seen[name] = true
		if !of.builtin { // which may be asking for this one's digest
			fmt.Fprintln(hash, name, pin.Digest(of.own.Data))
			imported = append(imported, importedBy(of.own)...)
		} else if other, err := of.choose(); err == nil {
			fmt.Fprintln(hash, name, other.header.digest)
		}
	}
	return "sha256:" + hex.EncodeToString(hash.Sum(nil))
}
