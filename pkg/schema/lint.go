package schema

import (
	"fmt"
	"slices"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/ast/astutil"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/token"

	"github.com/llm-devops/lcm/pkg/cuesource"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/jsonschema"
	"github.com/llm-devops/lcm/pkg/tree"
)

// The codes of findings about a schema that compiles.
const (
	CodeUndocumented = "schema-undocumented"   // a field without a comment
	CodeSecretType   = "schema-secret-type"    //nolint:gosec // a secret of which it is not said what it is and how long it may live
	CodeSecretName   = "schema-secret-name"    // a name that is secret in one place and plain in another
	CodeSecretLost   = "schema-secret-dropped" // a secret of the built-in module that its replacement has in the clear
	CodeNoMergeRule  = "schema-merge-rule"     // a list of which it is not said how layers join
	CodeIdleMark     = "schema-idle-mark"      // a mark that says nothing
	CodeUnused       = "schema-unused"         // a definition that is not used
	CodeOutdated     = "schema-outdated"       // made from another version of the built-in module than there is
)

// Lint gives what is wrong with a module's schema, or what its author should look at: all that keeps it from compiling, and
// otherwise warnings about what the readers of its reference, the merging of layers and the SOPS format rely on. The
// findings are sorted.
func (s *Set) Lint(name string) diag.List {
	m, err := s.Module(name)
	if err != nil {
		if found, ok := err.(diag.List); ok { //nolint:errorlint // Module gives it bare
			return found
		}
		return diag.List{{Code: CodeInvalid, Severity: diag.Error, Message: err.Error(), Hint: diag.HintOf(err)}}
	}
	l := &linter{set: s, module: m, names: map[string]bool{}, told: map[string]bool{}}
	for _, n := range m.SecretNames() {
		l.names[n] = true
	}
	v := &visitor{open: map[*shape]bool{}, yield: func(key string, members []*member, above marks) bool {
		for _, mem := range members {
			l.member(key, mem, above)
		}
		return true
	}}
	v.visit("", []*member{m.root}, marks{})
	l.unused()
	l.replacement()
	return l.found.Sorted()
}

type linter struct {
	set    *Set
	module *Module
	names  map[string]bool // those of secrets in this module
	others []otherNames    // those of the others, once they are needed
	told   map[string]bool // by code and place: a definition is met wherever it is used
	found  diag.List
}

// say chooses words by the language the schema is written in.
func (l *linter) say(inCUE, inJSON string) string {
	if l.module.source.isJSON() {
		return inJSON
	}
	return inCUE
}

// warn adds a warning at the place where a field is declared.
func (l *linter) warn(code string, at diag.Position, key, message, hint string) {
	l.report(diag.Warning, code, at, key, message, hint)
}

func (l *linter) report(severity diag.Severity, code string, at diag.Position, key, message, hint string) {
	id := code + " " + at.String()
	if l.told[id] {
		return
	}
	l.told[id] = true
	l.found = append(l.found, diag.Finding{Code: code, Severity: severity, Position: at, Key: key, Message: message, Hint: hint})
}

// member looks at one field, pattern or item. above is what it inherits.
func (l *linter) member(key string, m *member, above marks) {
	if m.name != "" && m.doc == "" {
		l.warn(CodeUndocumented, m.pos, key, key+l.say(" has no comment", " has no description"),
			l.say("say above it what it does and in which unit: the comment is its entry in the reference",
				"say in its description what it does and in which unit: it is its entry in the reference"))
	}
	if m.marks.secret && (m.marks.secretType == "" || m.marks.rotation == "") {
		l.warn(CodeSecretType, m.pos, key, key+" is secret, and it is not said of which type or how often it is to be changed",
			l.say("write @secret(type=api-key, rotate=90d)", `write "x-secret": "api-key", "x-rotation": "90d"`))
	}
	if m.shape.kinds.has(tree.List) && m.shape.kinds != anyKind && m.marks.merge == (MergeRule{}) && m.name != "" {
		l.warn(CodeNoMergeRule, m.pos, key, key+" is a list, and it is not said how the lists of several layers join",
			l.say("write @merge(replace), @merge(append), @merge(prepend), or @merge(key=name) for a list of maps known by name",
				`add "x-merge": "replace", "append", "prepend", or "key=name" for a list of maps known by name`))
	}
	if rule := m.marks.merge; rule.Strategy != tree.Override && rule != (MergeRule{}) && m.shape.kinds&kindsOf(tree.List, tree.Map) == 0 {
		l.warn(CodeIdleMark, m.pos, key, fmt.Sprintf("%s is no list, so %s says nothing", key, l.say("@merge("+rule.String()+")", "x-merge")), "leave it out")
	}
	if m.marks.noPromote && (m.marks.secret || above.secret) {
		l.warn(CodeIdleMark, m.pos, key, key+" is secret and so never promoted: "+l.say("@promote(never)", "x-promote")+" says nothing", "leave it out")
	}
	if m.name != "" {
		l.secretName(key, m, above)
	}
}

// otherNames are the names that another module uses, for secrets and for plain values.
type otherNames struct {
	module        string
	builtin       bool
	secret, plain map[string]bool
}

// secretName compares what a name stands for here with what it stands for elsewhere: the SOPS format chooses what to
// encrypt by name.
func (l *linter) secretName(key string, m *member, above marks) {
	isSecret := m.marks.secret || above.secret
	carries := m.carriesSecret(map[*shape]bool{})
	if l.names[m.name] && !isSecret && !carries {
		l.report(diag.Error, CodeSecretName, m.pos, key, fmt.Sprintf("%s is plain, and %s is secret elsewhere in this module", key, m.name),
			"the SOPS format chooses by name what is encrypted: give one of the two another name")
		return
	}
	if above.secret {
		return // it is encrypted with what it is in
	}
	for _, o := range l.otherModules() {
		switch {
		case o.secret[m.name] && !isSecret && !carries:
			l.warn(CodeSecretName, m.pos, key, fmt.Sprintf("%s is plain, and %s is secret in module %s", key, m.name, o.module),
				"the SOPS format chooses by name what is encrypted: give it another name")
		case o.builtin && o.plain[m.name] && (m.marks.secret || carries): // of others, their own check tells
			l.warn(CodeSecretName, m.pos, key, fmt.Sprintf("%s is secret, and %s is plain in module %s", key, m.name, o.module),
				"the SOPS format chooses by name what is encrypted: give it another name")
		default:
			continue
		}
		return
	}
}

// carriesSecret reports whether there are secrets below a field that have no name of their own: under keys of the user's
// choice, or in a list.
func (m *member) carriesSecret(seen map[*shape]bool) bool {
	for _, s := range m.shape.spread(nil) {
		if seen[s] {
			continue
		}
		seen[s] = true
		for _, child := range slices.Concat(s.patterns, s.elements()) {
			if child.marks.secret || child.carriesSecret(seen) {
				return true
			}
		}
	}
	return false
}

func (l *linter) otherModules() []otherNames {
	if l.others != nil {
		return l.others
	}
	l.others = []otherNames{}
	for _, name := range l.set.Names() {
		if name == l.module.Name() {
			continue
		}
		m, err := l.set.Module(name)
		if err != nil {
			continue // its own check tells
		}
		o := otherNames{module: name, builtin: m.source.Builtin, secret: map[string]bool{}, plain: map[string]bool{}}
		for _, n := range m.SecretNames() {
			o.secret[n] = true
		}
		v := &visitor{open: map[*shape]bool{}, yield: func(_ string, members []*member, above marks) bool {
			for _, mem := range members {
				if mem.name != "" && !above.secret && !mem.marks.secret && !mem.carriesSecret(map[*shape]bool{}) {
					o.plain[mem.name] = true
				}
			}
			return true
		}}
		v.visit("", []*member{m.root}, marks{})
		l.others = append(l.others, o)
	}
	return l.others
}

// unused finds definitions that the root does not use, directly or through others: what is marked in them marks nothing.
func (l *linter) unused() {
	t, found := l.module.text()
	if len(found) > 0 {
		return
	}
	f, err := parser.ParseFile(t.File, t.Data, parser.ParseComments)
	if err != nil {
		return
	}
	astutil.Resolve(f, func(token.Pos, string, ...any) {})
	values := map[ast.Node]*ast.Field{}
	var order []*ast.Field
	for _, d := range f.Decls {
		if field, ok := d.(*ast.Field); ok {
			values[field.Value], values[field] = field, field
			order = append(order, field)
		}
	}
	used := map[*ast.Field]bool{}
	var visit func(field *ast.Field)
	visit = func(field *ast.Field) {
		if used[field] {
			return
		}
		used[field] = true
		ast.Walk(field, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok && id.Node != nil {
				if target := values[id.Node]; target != nil {
					visit(target)
				}
			}
			return true
		}, nil)
	}
	for _, field := range order {
		if name, _ := cuesource.LabelName(field.Label); name == rootName {
			visit(field)
		}
	}
	for _, field := range order {
		if name, ok := cuesource.LabelName(field.Label); ok && !used[field] && name != jsonschema.DefaultsName {
			message := l.say(name, strings.TrimPrefix(name, "#")) + " is not used"
			if marked := marksIn(field); marked != "" {
				message += ", so the " + marked + " in it marks nothing"
			}
			l.warn(CodeUnused, t.position(field.Pos()), "", message, l.say("use it below "+rootName+", or remove it", "refer to it by $ref, or remove it"))
		}
	}
}

// marksIn gives the first of lcm's marks in a declaration, "" if there is none.
func marksIn(field *ast.Field) (found string) {
	ast.Walk(field, func(n ast.Node) bool {
		if a, ok := n.(*ast.Attribute); ok && found == "" {
			if name, _ := a.Split(); slices.Contains(knownMarks, name) {
				found = a.Text
			}
		}
		return found == ""
	}, nil)
	return found
}

// replacement compares a module with the built-in one in whose place it is.
func (l *linter) replacement() {
	r := l.set.replaced[l.module.Name()]
	if r == nil {
		return
	}
	built, err := r.load()
	if err != nil {
		return // the built-in module that the repository was held to is not there: nothing to compare with
	}
	h := l.module.header
	if built.Version() != h.replaces {
		l.warn(CodeOutdated, h.pos, "", fmt.Sprintf("this was made from %s %s, and the built-in module is %s now", h.name, h.replaces, built.Version()),
			fmt.Sprintf("compare the two (lcm schema eject %s --as NAME --dry-run), take over what is wanted, and write replaces=%q", h.name, built.Version()))
	}
	for e := range built.Fields() {
		if !e.Field.Secret {
			continue
		}
		for _, own := range l.at(e.Key) {
			if own.member.marks.secret || own.above.secret {
				continue
			}
			l.report(diag.Error, CodeSecretLost, own.member.pos, e.Key, e.Key+" is secret in the built-in module, and plain here", l.say("mark it: @secret("+secretArgs(e.Field)+")", `mark it with "x-secret" and "x-rotation"`))
		}
	}
}

func secretArgs(f Field) string {
	var args []string
	if f.SecretType != "" {
		args = append(args, "type="+f.SecretType)
	}
	if f.Rotation != "" {
		args = append(args, "rotate="+f.Rotation)
	}
	if f.Owner != "" {
		args = append(args, "owner="+f.Owner)
	}
	return strings.Join(args, ", ")
}

type placed struct {
	member *member
	above  marks
}

// at gives what stands at a key of the reference.
func (l *linter) at(key string) (list []placed) {
	v := &visitor{open: map[*shape]bool{}, yield: func(k string, members []*member, above marks) bool {
		if k == key {
			for _, m := range members {
				list = append(list, placed{m, above})
			}
		}
		return k != key
	}}
	v.visit("", []*member{l.module.root}, marks{})
	return list
}
