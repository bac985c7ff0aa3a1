package schema

import (
	"math/big"
	"strconv"
	"strings"
	"sync"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/ast/astutil"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/token"

	"github.com/llm-devops/lcm/pkg/cuesource"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
)

// rootName is the definition that a configuration has to satisfy.
const rootName = "#Config"

// cueJudge lets CUE decide. Values of CUE can be unified concurrently, and what is encoded for a unification is not kept
// by the context, unlike what is parsed.
type cueJudge struct {
	text    *text
	ctx     *cue.Context
	root    cue.Value
	top     cue.Value // _
	imports map[string]string
	trusted bool // built in: comes to an end
	build   func() diag.List
}

func newJudge(t *text, trusted bool) *cueJudge {
	j := &cueJudge{text: t, trusted: trusted}
	j.build = sync.OnceValue(j.compile)
	return j
}

// parse parses a source, resolves its references, checks its limits and gives the declaration of #Config.
func (t *text) parse() (config *ast.Field, found diag.List) {
	f, err := parser.ParseFile(t.File, t.Data, parser.ParseComments)
	if err != nil {
		return nil, t.syntaxFindings(err)
	}
	if found := t.CheckSyntax(f); len(found) > 0 {
		return nil, found
	}
	astutil.Resolve(f, func(pos token.Pos, message string, _ ...any) {
		found = append(found, t.finding(CodeInvalid, pos, message, ""))
	})
	for _, d := range f.Decls {
		if field, ok := d.(*ast.Field); ok {
			if name, _ := cuesource.LabelName(field.Label); name == rootName {
				config = field
			}
		}
	}
	if config == nil {
		found = append(found, t.finding(CodeHeader, token.NoPos, "no "+rootName, "define the root of the configuration: "+rootName+": {…}"))
	}
	if len(found) > 0 {
		return nil, found
	}
	if found := t.CheckWeight(f, nil); len(found) > 0 {
		return nil, found
	}
	t.file = f
	return config, nil
}

// compileCUE parses, describes and compiles a source.
func compileCUE(t *text, trusted bool) (*member, judge, diag.List) {
	config, found := t.parse()
	if len(found) > 0 {
		return nil, nil, found
	}
	b := newBuilder(t, t.file)
	root := b.root(config.Value)
	root.doc = docOf(config)
	if root.doc == "" {
		root.doc = packageDoc(t.file)
	}
	if root.shape.kinds != kindsOf(tree.Map) {
		b.findings = append(b.findings, t.finding(CodeHeader, config.Pos(), rootName+" is not a struct", ""))
	}
	b.checkMerges(root)
	if len(b.findings) > 0 {
		return nil, nil, b.findings
	}
	j := newJudge(t, trusted)
	if !trusted {
		if found := j.build(); len(found) > 0 {
			return nil, nil, found
		}
	}
	return root, j, nil
}

// compile has CUE compile the source. For built-in modules, whose tests see to it that it succeeds, this waits for the
// first configuration that is checked: it takes longer than all else that a command does with a schema.
func (j *cueJudge) compile() diag.List {
	if j.text.file == nil {
		if _, found := j.text.parse(); len(found) > 0 {
			return found
		}
	}
	j.imports = importNames(j.text.file)
	j.ctx = cuesource.NewContext()
	file := j.ctx.BuildFile(j.text.file)
	if err := file.Err(); err != nil {
		return j.text.errorFindings(CodeInvalid, err)
	}
	if err := file.Validate(cue.All()); err != nil {
		return j.text.errorFindings(CodeInvalid, err)
	}
	j.root = file.LookupPath(cue.ParsePath(rootName))
	if err := j.root.Validate(); err != nil {
		return j.text.errorFindings(CodeInvalid, err)
	}
	j.top = j.ctx.CompileString("_")
	return nil
}

func packageDoc(f *ast.File) string {
	for _, d := range f.Decls {
		p, ok := d.(*ast.Package)
		if !ok {
			continue
		}
		for _, g := range ast.Comments(p) {
			if g.Doc {
				return strings.TrimSpace(g.Text())
			}
		}
	}
	for _, g := range ast.Comments(f) {
		if g.Doc {
			return strings.TrimSpace(g.Text())
		}
	}
	return ""
}

// encoder turns a tree into what CUE's Encode takes.
type encoder struct {
	top      any // stands for sealed secrets and for what was repaired
	repaired map[string]repair
	path     tree.Path
	partial  bool // something was left out that CUE cannot hold
}

func (e *encoder) encode(n *tree.Node) any {
	if e.repaired != nil && e.repaired[e.path.String()] == replaced {
		return e.top
	}
	switch {
	case n.Sealed:
		e.partial = true
		return e.top
	case len(e.path) > maxTreeDepth || !representable(n):
		e.partial = true
		return e.top
	}
	switch n.Kind {
	case tree.Map:
		m := make(map[string]any, n.Len())
		for _, f := range n.Fields() {
			if f.Value == nil || f.Value.Directive == tree.Delete {
				continue
			}
			e.path = append(e.path, tree.Key(f.Key))
			if e.repaired == nil || e.repaired[e.path.String()] != dropped {
				m[f.Key] = e.encode(f.Value)
			}
			e.path = e.path[:len(e.path)-1]
		}
		return m
	case tree.List:
		list := make([]any, n.Len())
		for i, item := range n.Items() {
			e.path = append(e.path, tree.Index(i))
			list[i] = e.encode(item)
			e.path = e.path[:len(e.path)-1]
		}
		return list
	case tree.Bool:
		return n.Reveal() == "true"
	case tree.Int:
		return encodeInt(n)
	case tree.Float:
		return &ast.BasicLit{Kind: token.FLOAT, Value: floatText(n)}
	case tree.String:
		return n.Reveal()
	}
	return nil
}

func encodeInt(n *tree.Node) any {
	text := n.Reveal()
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return i
	}
	r, ok := n.Number()
	if !ok {
		return new(big.Int)
	}
	return r.Num()
}

// floatText spells a number so that CUE takes it for a float too.
func floatText(n *tree.Node) string {
	text := n.Reveal()
	if !tree.IsJSONNumber(text) {
		plain := n.Clone()
		plain.Secret = false
		text, _ = plain.JSONNumber()
	}
	if !strings.ContainsAny(text, ".eE") {
		text += ".0"
	}
	return text
}

// maxExponent bounds the exponents that are computed with: the arithmetic is exact, so that 1e999999999 would take all
// memory. maxDigits does the same for what is written out.
const (
	maxExponent = 4000
	maxDigits   = 10000
)

// representable reports whether CUE can compute with a scalar: numbers that are not infinite, nor NaN, nor immense.
func representable(n *tree.Node) bool {
	if n.Kind != tree.Int && n.Kind != tree.Float {
		return true
	}
	text := n.Reveal()
	if len(text) > maxDigits {
		return false
	}
	if n.Kind == tree.Int {
		return true
	}
	if strings.ContainsAny(text, "nN") { // .inf, .nan
		return false
	}
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		e, err := strconv.Atoi(text[i+1:])
		return err == nil && e <= maxExponent && e >= -maxExponent
	}
	return true
}
