package cuelayer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/build"
	cueerrors "cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/token"

	"github.com/llm-devops/lcm/pkg/cuesource"
	"github.com/llm-devops/lcm/pkg/diag"
)

var noPos = token.NoPos

// rules are what package cuesource does not know of layers.
func rules() *cuesource.Rules {
	return &cuesource.Rules{
		What: "CUE file", Syntax: CodeSyntax, Import: CodeImport, Limit: CodeLimit,
		Imports:    func(path string) bool { return strings.HasPrefix(path, importRoot) },
		ImportHint: "; of the repository " + SharedImports + "FOLDER and " + moduleImports + "MODULE",
	}
}

// loader parses a layer and what it imports, and checks all of it, before anything is evaluated.
type loader struct {
	ctx      context.Context //nolint:containedctx // CUE's loader calls back without one
	request  Request
	build    *build.Context
	texts    map[string]*cuesource.Text // by file
	isModule map[string]bool            // files that are a module's schema
	files    map[string][]*ast.File     // by import path
	fieldOf  map[ast.Node]*ast.Field    // by value
	stack    []string                   // imports being loaded
	count    int                        // of files
	reads    []string
	found    diag.List
}

func newLoader(ctx context.Context, r Request) *loader {
	return &loader{
		ctx: ctx, request: r, build: build.NewContext(), texts: map[string]*cuesource.Text{}, isModule: map[string]bool{},
		files: map[string][]*ast.File{}, fieldOf: map[ast.Node]*ast.Field{},
	}
}

func (l *loader) report(found ...diag.Finding) { l.found = append(l.found, found...) }

// layer loads the layer itself.
func (l *loader) layer(file File) *build.Instance {
	t, f := l.parse(file)
	if f == nil {
		return nil
	}
	l.marks(t, f, true)
	if len(l.found) > 0 {
		return nil
	}
	return l.instance("", []*ast.File{f}, []*cuesource.Text{t})
}

// parse parses a file within the bounds; the syntax is nil where something is wrong with it.
func (l *loader) parse(file File) (*cuesource.Text, *ast.File) {
	t := cuesource.New(file.Name, file.Data, rules())
	l.texts[file.Name] = t
	if found := t.CheckBytes(); len(found) > 0 {
		l.report(found...)
		return t, nil
	}
	f, err := parser.ParseFile(file.Name, file.Data, parser.ParseComments)
	if err != nil {
		for _, e := range cueerrors.Errors(err) {
			format, args := e.Msg()
			l.report(t.Finding(CodeSyntax, e.Position(), fmt.Sprintf(format, args...), cuesource.SyntaxHint))
		}
		return t, nil
	}
	if found := t.CheckSyntax(f); len(found) > 0 {
		l.report(found...)
		return t, nil
	}
	l.prepare(t, f)
	return t, f
}

// instance makes CUE's own view of a package, with what it imports, and weighs it.
func (l *loader) instance(path string, files []*ast.File, texts []*cuesource.Text) *build.Instance {
	inst := l.build.NewInstance("", func(pos token.Pos, imported string) *build.Instance {
		if !strings.HasPrefix(imported, importRoot) || l.ctx.Err() != nil {
			return nil // CUE's own
		}
		return l.load(cmp.Or(l.texts[pos.Filename()], texts[0]), pos, imported)
	})
	inst.ImportPath = path
	for _, f := range files {
		if err := inst.AddSyntax(f); err != nil {
			l.report(l.findings(err, nil)...)
		}
	}
	l.files[path] = files
	if err := inst.Complete(); err != nil && len(l.found) == 0 {
		l.report(l.findings(cueerrors.Promote(err, ""), nil)...)
	}
	if inst.ResolutionErr != nil {
		l.report(l.findings(inst.ResolutionErr, nil)...)
	}
	if len(l.found) > 0 {
		return nil
	}
	for i, f := range files {
		l.report(texts[i].CheckWeight(f, func(path string) []*ast.File { return l.files[path] })...)
	}
	return inst
}

// load loads what is imported at a place of a text.
func (l *loader) load(from *cuesource.Text, pos token.Pos, path string) *build.Instance {
	refuse := func(message, hint string) *build.Instance {
		l.report(from.Finding(CodeImport, pos, message, hint))
		return nil
	}
	if i := slices.Index(l.stack, path); i >= 0 {
		return refuse("packages import each other in a circle: "+strings.Join(append(l.stack[i:], path), " → "), "move what both need into a package of its own")
	}
	l.stack = append(l.stack, path)
	defer func() { l.stack = l.stack[:len(l.stack)-1] }()
	folder, module, ok := place(path)
	if !ok {
		return refuse(fmt.Sprintf("%q is no package of the repository", path),
			"write "+SharedImports+"FOLDER or "+moduleImports+"MODULE")
	}
	var files []File
	var err error
	if module != "" {
		files = make([]File, 1)
		files[0], err = l.request.Packages.Module(l.ctx, module)
	} else {
		files, err = l.request.Packages.Folder(l.ctx, folder)
	}
	if list, ok := errors.AsType[diag.List](err); ok {
		l.report(list...)
		return nil
	}
	switch {
	case err != nil:
		return refuse(err.Error(), diag.HintOf(err))
	case len(files) == 0:
		return refuse(fmt.Sprintf("there is no CUE file in %s", folder), "a package is a folder of the repository below "+SharedDir+"/, with files that end in .cue")
	}
	if l.count += len(files); l.count > maxFiles {
		return refuse(fmt.Sprintf("the layer imports more than %d files", maxFiles), "import fewer packages, or put them together")
	}
	return l.imported(path, files, module != "")
}

// imported parses the files of an imported package.
func (l *loader) imported(path string, files []File, module bool) *build.Instance {
	var parsed []*ast.File
	var texts []*cuesource.Text
	for _, file := range files {
		l.isModule[file.Name] = module
		if file.From == "" {
			file.From = file.Name
		}
		l.reads = append(l.reads, file.From)
		t, f := l.parse(file)
		if f == nil {
			continue
		}
		if !module {
			l.marks(t, f, false)
		}
		name := f.PackageName()
		switch {
		case name == "":
			l.report(t.Finding(CodeImport, noPos, "no package clause", "begin the file with: package "+files0(parsed, path)))
		case len(parsed) > 0 && parsed[0].PackageName() != name:
			l.report(t.Finding(CodeImport, noPos, fmt.Sprintf("the file is of package %s, and %s of package %s", name, texts[0].File, parsed[0].PackageName()),
				"a folder holds one package"))
		}
		parsed, texts = append(parsed, f), append(texts, t)
	}
	if len(l.found) > 0 {
		return nil
	}
	return l.instance(path, parsed, texts)
}

// files0 gives the name that a package should have.
func files0(parsed []*ast.File, path string) string {
	if len(parsed) > 0 {
		return parsed[0].PackageName()
	}
	return strings.ReplaceAll(path[strings.LastIndex(path, "/")+1:], "-", "_")
}

// place says what an import path stands for: a folder of the repository, or a module.
func place(path string) (folder, module string, ok bool) {
	rest, isModule := strings.CutPrefix(path, moduleImports)
	if !isModule {
		if rest, ok = strings.CutPrefix(path, SharedImports); !ok {
			return "", "", false
		}
	}
	for name := range strings.SplitSeq(rest, "/") {
		if name == "" || name[0] == '.' || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") != "" {
			return "", "", false
		}
	}
	if isModule {
		return "", rest, !strings.Contains(rest, "/")
	}
	return SharedDir + "/" + rest, "", true
}
