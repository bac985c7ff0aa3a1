package cuesource

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/scanner"
	"cuelang.org/go/cue/token"

	"github.com/llm-devops/lcm/pkg/diag"
)

// The bounds on sources. CUE itself has none: it would take what memory and time there is.
const (
	MaxBytes       = 256 << 10
	maxBrackets    = 64   // nested, in the source
	maxSyntaxDepth = 1500 // of the syntax tree; a disjunction of n values is n deep
	maxRefs        = 100  // followed one after the other
)

// allowedImports are the packages of CUE that only compute. cue cmd's tool packages do IO; text/template is a language of
// its own.
var allowedImports = [...]string{
	"encoding/base64", "encoding/hex", "encoding/json", "list", "math", "math/bits", "net", "path", "regexp", "strconv",
	"strings", "struct", "time", "uuid",
}

// unbounded are the functions whose result can be far larger than their arguments.
var unbounded = [...]string{
	"list.Repeat", "list.Range", "strings.Repeat", "math.Pow", "math.Exp", "math.Exp2", "bits.Lsh", "bits.Set", "strconv.FormatFloat",
}

func packageName(importPath string) string { return importPath[strings.LastIndex(importPath, "/")+1:] }

// CheckBytes checks what the parser needs to hold, before it parses: it recurses with the nesting of the source.
func (t *Text) CheckBytes() diag.List {
	if len(t.Data) > MaxBytes {
		return diag.List{t.Finding(t.rules.Limit, token.NoPos, fmt.Sprintf("the %s has %d bytes, more than %d", t.rules.What, len(t.Data), MaxBytes),
			"split it, or take out what need not be in it")}
	}
	if found := t.checkText(); len(found) > 0 {
		return found
	}
	var s scanner.Scanner
	f := token.NewFile(t.File, -1, len(t.Data))
	s.Init(f, t.Data, func(token.Pos, string, []any) {}, 0)
	depth, chain := 0, 0
	for {
		pos, tok, _ := s.Scan()
		switch tok {
		case token.EOF:
			return nil
		case token.LBRACE, token.LBRACK, token.LPAREN:
			depth++
		case token.RBRACE, token.RBRACK, token.RPAREN:
			depth--
		case token.COLON, token.SUB, token.ADD, token.NOT, token.MUL:
			chain++ // a: b: c: and !!!x recurse too
		case token.COMMA:
			chain = 0
		}
		if depth > maxBrackets || chain > maxSyntaxDepth {
			return diag.List{t.Finding(t.rules.Limit, pos, "the "+t.rules.What+" is nested too deeply here", flattenHint)}
		}
	}
}

const flattenHint = "flatten it: give parts of it names of their own"

// SyntaxHint is what to do about text that CUE's parser does not take.
const SyntaxHint = "see how CUE is written: https://cuelang.org/docs/reference/spec/"

// checkText finds the first byte that no text has.
func (t *Text) checkText() diag.List {
	for i := 0; i < len(t.Data); {
		r, size := utf8.DecodeRune(t.Data[i:])
		switch {
		case r == 0:
			return diag.List{t.findingAt(t.rules.Syntax, i, "the "+t.rules.What+" holds a NUL byte", "save it as UTF-8 text; UTF-16 and binary files are not read")}
		case r == utf8.RuneError && size == 1:
			return diag.List{t.findingAt(t.rules.Syntax, i, "the "+t.rules.What+" is not valid UTF-8", "save the file in the encoding UTF-8")}
		}
		i += size
	}
	return nil
}

// CheckSyntax checks what can be seen in the syntax: depth, imports and functions without bounds.
func (t *Text) CheckSyntax(f *ast.File) diag.List {
	var found diag.List
	imports := map[string]string{} // local name → path
	for _, d := range f.Decls {
		decl, ok := d.(*ast.ImportDecl)
		if !ok {
			continue
		}
		for _, spec := range decl.Specs {
			path, err := strconv.Unquote(spec.Path.Value)
			if err == nil && t.rules.Imports != nil && t.rules.Imports(path) {
				continue
			}
			if err != nil || !slices.Contains(allowedImports[:], path) {
				found = append(found, t.Finding(t.rules.Import, spec.Path.Pos(), fmt.Sprintf("%s cannot be imported", spec.Path.Value),
					diag.DidYouMean(path, allowedImports[:], "these can be: "+strings.Join(allowedImports[:], ", ")+t.rules.ImportHint)))
				continue
			}
			name := packageName(path)
			if spec.Name != nil {
				name = spec.Name.Name
			}
			imports[name] = packageName(path)
		}
	}
	depth, tooDeep := 0, false
	ast.Walk(f, func(n ast.Node) bool {
		if depth++; depth > maxSyntaxDepth {
			if !tooDeep {
				tooDeep = true
				found = append(found, t.Finding(t.rules.Limit, n.Pos(), "the "+t.rules.What+" is nested too deeply here", flattenHint))
			}
			depth-- // a node that is not entered is not left either
			return false
		}
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if name := BuiltinName(n, imports); slices.Contains(unbounded[:], name) {
				found = append(found, t.Finding(t.rules.Limit, n.Pos(), fmt.Sprintf("%s cannot be used in a %s", name, t.rules.What),
					"what it builds cannot be bounded; write the values out"))
			}
		case *ast.BinaryExpr:
			if n.Op == token.MUL && (isText(n.X) || isText(n.Y)) {
				found = append(found, t.Finding(t.rules.Limit, n.Pos(), "repeated text cannot be used in a "+t.rules.What, "write the text out"))
			}
		}
		return true
	}, func(ast.Node) { depth-- })
	return found
}

// BuiltinName gives "list.MaxItems" for a selector of an imported package, whatever its local name, else "".
func BuiltinName(n *ast.SelectorExpr, imports map[string]string) string {
	id, ok := n.X.(*ast.Ident)
	if !ok || imports[id.Name] == "" {
		return ""
	}
	sel, ok := n.Sel.(*ast.Ident)
	if !ok {
		return ""
	}
	return imports[id.Name] + "." + sel.Name
}

func isText(e ast.Expr) bool {
	switch x := e.(type) {
	case *ast.BasicLit:
		return x.Kind == token.STRING
	case *ast.Interpolation:
		return true
	case *ast.ParenExpr:
		return isText(x.X)
	}
	return false
}

// Guard runs what hands a source to CUE, which may recurse or compute without end and has no way to be stopped: after
// the limit the work is left behind. ok is false if it did not come to an end, by time or by a panic.
func Guard(limit time.Duration, work func()) (ok bool) {
	done := make(chan bool, 1)
	go func() {
		defer func() {
			done <- recover() == nil
		}()
		work()
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case ok = <-done:
		return ok
	case <-timer.C:
		return false
	}
}
