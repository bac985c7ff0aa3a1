package cuelayer

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/token"

	"github.com/llm-devops/lcm/pkg/cuesource"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
)

// walker turns what CUE came to into a tree.
type walker struct {
	*loader
	request  Request
	path     tree.Path
	left     []tree.Path // out of the result, or told: what CUE says about them does not count
	values   int
	text     int
	findings diag.List
}

func newWalker(l *loader, r Request) *walker { return &walker{loader: l, request: r} }

// document gives the layer's map.
func (w *walker) document(v cue.Value) (*tree.Node, diag.List) {
	if err := v.Validate(); err != nil {
		return nil, w.loader.findings(err, w.request.Plain)
	}
	if v.Kind() != cue.StructKind {
		if w.incomplete(v); len(w.findings) > 0 {
			return nil, w.findings
		}
		w.tell(CodeValue, w.position(v.Pos()), "the layer is no map", "start it with a key: name: value")
		return nil, w.findings
	}
	root := w.fields(v)
	if len(w.findings) == 0 {
		w.incomplete(v)
	}
	if len(w.findings) > 0 {
		return nil, w.findings
	}
	root.Pos = diag.Position{File: w.request.File.Name, Line: 1, Column: 1}
	return root, nil
}

func (w *walker) tell(code string, at diag.Position, message, hint string) {
	w.findings = append(w.findings, diag.Finding{
		Code: code, Severity: diag.Error, Position: at, Key: w.path.String(), Message: message, Hint: hint,
	})
}

// incomplete tells what CUE finds missing beside the values that were looked at: conditions that cannot be decided, and
// fields that a definition requires.
func (w *walker) incomplete(v cue.Value) {
	for _, e := range errors.Errors(v.Validate(cue.Concrete(true))) {
		p := keyPath(e.Path())
		if slices.ContainsFunc(w.left, p.HasPrefix) || w.asks(e) {
			continue
		}
		f := w.finding(e, w.request.Plain)
		f.Code = CodeIncomplete
		w.findings = append(w.findings, f)
	}
}

// asks reports whether an error is a module's schema asking for what is not there: other layers may have it.
func (w *walker) asks(e errors.Error) bool {
	places := append([]token.Pos{e.Position()}, e.InputPositions()...)
	places = slices.DeleteFunc(places, func(p token.Pos) bool { return !p.IsValid() })
	format, _ := e.Msg()
	return strings.HasPrefix(format, "field is required") && slices.ContainsFunc(places, func(p token.Pos) bool { return w.isModule[p.Filename()] })
}

// value gives a value as a node, nil where it is no part of the layer.
func (w *walker) value(v cue.Value) *tree.Node {
	if w.values++; w.values > maxValues {
		if w.values == maxValues+1 {
			w.tell(CodeLimit, w.position(v.Pos()), fmt.Sprintf("the layer comes to more than %d values", maxValues), "split it into several namespaces")
		}
		return nil
	}
	directive := w.directive(v)
	if directive == tree.Delete {
		w.left = append(w.left, w.path.Clone())
		return w.placed(tree.NewNull(), v, directive)
	}
	concrete, byDefault := v.Default()
	given := w.isGiven(v)
	if !given && (byDefault || concrete.Kind() == cue.BottomKind) {
		w.left = append(w.left, w.path.Clone()) // a schema's default or type: the schema itself adds it
		return nil
	}
	n := w.content(v, concrete)
	if n == nil || !given && !n.Kind.IsScalar() && n.Len() == 0 {
		w.left = append(w.left, w.path.Clone())
		return nil
	}
	return w.placed(n, v, directive)
}

func (w *walker) content(v, concrete cue.Value) *tree.Node {
	kind := concrete.Kind()
	if (kind == cue.StructKind || kind == cue.ListKind) && len(w.path) >= maxDepth {
		w.tell(CodeLimit, w.position(v.Pos()), fmt.Sprintf("maps and lists are nested more than %d deep", maxDepth), "flatten the layer")
		return nil
	}
	switch kind {
	case cue.StructKind:
		return w.fields(concrete)
	case cue.ListKind:
		return w.items(concrete)
	case cue.NullKind:
		return tree.NewNull()
	case cue.BoolKind:
		b, _ := concrete.Bool()
		return tree.NewBool(b)
	case cue.IntKind, cue.FloatKind, cue.NumberKind:
		return w.number(v, concrete)
	case cue.StringKind:
		return w.string(v, concrete)
	case cue.BytesKind:
		w.tell(CodeValue, w.place(v), "bytes are no value of a configuration", `write a string: "…"`)
		return nil
	}
	message := "incomplete value: " + v.IncompleteKind().String()
	if err := v.Err(); err != nil {
		message = "incomplete value: " + w.finding(errors.Promote(err, ""), w.request.Plain).Message
	}
	w.tell(CodeIncomplete, w.place(v), message, "a layer is concrete data: give the field a value, or make it a definition (#name), hidden (_name) or optional (name?)")
	return nil
}

// encrypted begins what SOPS has encrypted.
const encrypted = "ENC[AES256_GCM,"

func (w *walker) string(v, concrete cue.Value) *tree.Node {
	s, err := concrete.String()
	if err != nil || !utf8.ValidString(s) {
		w.tell(CodeValue, w.place(v), "the string is not valid UTF-8", "")
		return nil
	}
	if strings.HasPrefix(s, encrypted) {
		w.tell(CodeSecret, w.place(v), "a layer in CUE cannot hold an encrypted value", SecretHint)
		return nil
	}
	if w.text += len(s); w.text > maxText {
		if w.text-len(s) <= maxText {
			w.tell(CodeLimit, w.place(v), fmt.Sprintf("the layer's strings have more than %d bytes", maxText), "")
		}
		return nil
	}
	return tree.NewString(s)
}

// SecretHint says where a secret goes that a CUE layer cannot hold.
const SecretHint = "keep secrets in a YAML layer of the same stack, such as that of base"

// number gives a number as it is written, or as CUE writes what it computed.
func (w *walker) number(v, concrete cue.Value) *tree.Node {
	text, err := concrete.MarshalJSON()
	if err != nil {
		w.tell(CodeValue, w.place(v), "the number cannot be written", "")
		return nil
	}
	n, err := tree.NewNumber(string(text))
	isInt := concrete.Kind() == cue.IntKind
	if err != nil || isInt && n.Kind != tree.Int {
		// CUE computes with 34 digits and writes what has more with an exponent.
		w.tell(CodeValue, w.place(v), "the number has more digits than CUE computes with exactly", "write it out")
		return nil
	}
	if written := literalOf(w.source(concrete)); written != nil && sameNumber(written, n) {
		return written
	}
	if !isInt && n.Kind == tree.Int {
		return n.WithText(tree.Float, string(text)+".0")
	}
	return n
}

func sameNumber(a, b *tree.Node) bool {
	x, okX := a.Number()
	y, okY := b.Number()
	return okX && okY && a.Kind == b.Kind && x.Cmp(y) == 0
}

// literalOf gives the number that an expression writes, with its sign.
func literalOf(e ast.Expr) *tree.Node {
	switch x := e.(type) {
	case *ast.ParenExpr:
		return literalOf(x.X)
	case *ast.BasicLit:
		if n := cuesource.Scalar(x); n != nil && (n.Kind == tree.Int || n.Kind == tree.Float) {
			return n
		}
	case *ast.UnaryExpr:
		if n := literalOf(x.X); n != nil && x.Op == token.SUB && !strings.HasPrefix(n.Text(), "-") {
			return n.WithText(n.Kind, "-"+n.Text())
		}
	}
	return nil
}

func (w *walker) fields(v cue.Value) *tree.Node {
	var fields []tree.Field
	it, err := v.Fields()
	if err != nil {
		f := w.finding(errors.Promote(err, ""), w.request.Plain)
		w.tell(CodeIncomplete, f.Position, f.Message, "")
		return tree.NewMap()
	}
	for it.Next() && w.values <= maxValues {
		name := it.Selector().Unquoted()
		w.path = append(w.path, tree.Key(name))
		key := w.keyPlace(it.Value())
		switch n := w.value(it.Value()); {
		case n == nil:
		case len(w.path) == 1 && name == "sops":
			w.tell(CodeSecret, key, "a layer in CUE cannot hold encrypted values, whose key is in sops", SecretHint)
		default:
			fields = append(fields, tree.Field{Key: name, Pos: key, Value: n})
		}
		w.path = w.path[:len(w.path)-1]
	}
	return tree.NewMap(fields...)
}

func (w *walker) items(v cue.Value) *tree.Node {
	var items []*tree.Node
	it, err := v.List()
	if err != nil {
		f := w.finding(errors.Promote(err, ""), w.request.Plain)
		w.tell(CodeIncomplete, f.Position, f.Message, "")
		return nil
	}
	for i := 0; it.Next() && w.values <= maxValues; i++ {
		w.path = append(w.path, tree.Index(i))
		if n := w.value(it.Value()); n != nil {
			items = append(items, n)
		}
		w.path = w.path[:len(w.path)-1]
	}
	return tree.NewList(items...)
}

// directive gives the directive on a value. A schema's own attributes of the same names have arguments.
func (w *walker) directive(v cue.Value) tree.Directive {
	found := tree.None
	for _, a := range v.Attributes(cue.ValueAttr) {
		if a.Contents() != "" {
			continue
		}
		d, ok := tree.ParseDirective("!" + a.Name())
		if !ok || d == found {
			continue
		}
		if found != tree.None {
			w.tell(CodeMark, w.place(v), fmt.Sprintf("@%s and @%s stand on one value", strings.TrimPrefix(found.String(), "!"), a.Name()), "keep one")
		}
		found = d
	}
	return found
}
