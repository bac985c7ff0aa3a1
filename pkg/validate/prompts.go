package validate

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/template"
	"github.com/llm-devops/lcm/pkg/tree"
)

// promptModule is the module whose templates are prompts.
const promptModule = "prompt-registry"

// prompt is one prompt template of a registry.
type prompt struct {
	name, syntax, extends string
	declared              map[string]*tree.Node // the name's node
	order                 []string              // of declared
	texts                 []promptText
	used                  map[string]bool
}

// promptText is a text with placeholders; those of examples count as uses only.
type promptText struct {
	key     string
	node    *tree.Node
	example bool
}

// prompts finds placeholders of prompt templates that no variable is declared for, which would fail a call, and variables
// that no text uses. A template has the variables of the one it extends, and its text stands in those that extend it.
func prompts(root *tree.Node) diag.List {
	all := map[string]*prompt{}
	var order []*prompt
	for _, f := range root.Field("templates").Fields() {
		p := readPrompt(f)
		all[p.name] = p
		order = append(order, p)
	}
	var list diag.List
	for _, p := range order {
		list = append(list, p.undeclared(all)...)
	}
	for _, p := range order {
		for _, name := range p.order {
			if !isUsed(name, p, order, all) {
				list = append(list, diag.Finding{
					Code: "prompt-unused", Severity: diag.Warning, Position: p.declared[name].Pos, Key: "templates." + p.name + ".variables",
					Message: fmt.Sprintf("variable %s of the prompt %s is declared and never used", name, p.name), Hint: "use it as {{" + name + "}}, or remove it",
				})
			}
		}
	}
	return list
}

func readPrompt(f tree.Field) *prompt {
	p := &prompt{name: f.Key, syntax: "mustache", declared: map[string]*tree.Node{}, used: map[string]bool{}}
	if n := f.Value.Field("syntax"); isText(n) {
		p.syntax = n.Text()
	}
	if n := f.Value.Field("extends"); isText(n) {
		p.extends = n.Text()
	}
	for _, v := range f.Value.Field("variables").Items() {
		if n := v.Field("name"); isText(n) && p.declared[n.Text()] == nil {
			p.declared[n.Text()] = n
			p.order = append(p.order, n.Text())
		}
	}
	add := func(n *tree.Node, key string, example bool) {
		if isText(n) {
			p.texts = append(p.texts, promptText{key, n, example})
		}
	}
	add(f.Value.Field("system"), "templates."+p.name+".system", false)
	add(f.Value.Field("user"), "templates."+p.name+".user", false)
	for _, e := range f.Value.Field("examples").Items() {
		add(e.Field("user"), "", true)
		add(e.Field("assistant"), "", true)
	}
	return p
}

func isText(n *tree.Node) bool { return n != nil && n.Kind == tree.String && !n.Secret }

// ancestors gives a prompt and those that it extends; complete is false where one of them does not exist.
func (p *prompt) ancestors(all map[string]*prompt) (out []*prompt, complete bool) {
	for p != nil {
		if slices.Contains(out, p) {
			return out, false
		}
		out = append(out, p)
		if p.extends == "" {
			return out, true
		}
		p = all[p.extends]
	}
	return out, false
}

// isUsed reports whether a variable of a prompt is in a text of its own, of one it extends, or of one that extends it.
func isUsed(name string, p *prompt, order []*prompt, all map[string]*prompt) bool {
	above, complete := p.ancestors(all)
	if !complete || slices.ContainsFunc(above, func(a *prompt) bool { return a.used[name] || a.syntax == "none" }) {
		return true
	}
	return slices.ContainsFunc(order, func(o *prompt) bool {
		line, _ := o.ancestors(all)
		return slices.Contains(line, p) && o.used[name]
	})
}

// undeclared notes what a prompt's texts use, and finds what is not declared.
func (p *prompt) undeclared(all map[string]*prompt) diag.List {
	above, complete := p.ancestors(all)
	var known []string
	for _, a := range above {
		known = append(known, a.order...)
	}
	var list diag.List
	for _, t := range p.texts {
		for _, u := range promptUses(p.syntax, t.node.Text()) {
			p.used[u.name] = true
			if !u.needed || !complete || t.example || slices.Contains(known, u.name) {
				continue
			}
			hint := diag.DidYouMean(u.name, known, "declare it below variables: - name: "+u.name)
			f := diag.Finding{
				Code: "prompt-variable", Severity: diag.Error, Position: t.node.Pos, Key: t.key, Hint: hint,
				Message: fmt.Sprintf("line %d of the text uses {{%s}}, and no such variable is declared", u.line, u.name),
			}
			if !strings.Contains(strings.TrimSuffix(t.node.Text(), "\n"), "\n") {
				f.Message = fmt.Sprintf("the text uses {{%s}}, and no such variable is declared", u.name)
			}
			list = append(list, f)
		}
	}
	return list
}

// promptUse is a name in a text; needed says that a call without it would fail, as it is no item of something else.
type promptUse struct {
	name   string
	line   int
	needed bool
}

func promptUses(syntax, text string) []promptUse {
	switch syntax {
	case "none":
		return nil
	case "jinja2":
		return jinjaUses(text)
	}
	return mustacheUses(text)
}

// mustacheUses reads Mustache (https://mustache.github.io/mustache.5.html) and Handlebars. Inside of a section that walks
// through something, names may be those of its items.
func mustacheUses(text string) []promptUse {
	var out []promptUse
	var sections []bool // of each open section, whether it changes what names mean
	for _, p := range template.Placeholders(text) {
		tag := trimTag(strings.Trim(p.Text, "{}"), "~&")
		inside := slices.Contains(sections, true)
		switch {
		case tag == "" || strings.ContainsRune("!>@.", rune(tag[0])):
			continue
		case tag[0] == '/':
			if len(sections) > 0 {
				sections = sections[:len(sections)-1]
			}
			continue
		case tag[0] == '#' || tag[0] == '^':
			words := strings.Fields(tag[1:])
			condition := tag[0] == '^'
			if len(words) > 1 { // a helper of Handlebars and what it is given
				condition = words[0] == "if" || words[0] == "unless"
				words = words[1:]
			}
			sections = append(sections, !condition)
			for _, w := range words {
				out = appendUse(out, w, p.Line, !inside)
			}
			continue
		}
		words := strings.Fields(tag)
		bare := len(words) == 1 || strings.HasPrefix(words[1], "|")
		if !bare {
			words = words[1:] // a helper, or else if
		}
		for i, w := range words {
			out = appendUse(out, w, p.Line, bare && i == 0 && !inside)
		}
	}
	return out
}

// trimTag takes white space of any kind and the marks of a language off both ends of a tag.
func trimTag(s, marks string) string {
	return strings.TrimFunc(s, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(marks, r) })
}

// appendUse adds the name that a word begins with, if it begins with one.
func appendUse(out []promptUse, word string, line int, needed bool) []promptUse {
	name, rest := leadingName(word)
	if name == "" || name == "this" || name == "else" || strings.HasPrefix(rest, "(") || strings.HasPrefix(rest, "=") {
		return out
	}
	return append(out, promptUse{name, line, needed})
}

func leadingName(s string) (name, rest string) {
	n := strings.IndexFunc(s, func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
	if n < 0 {
		n = len(s)
	}
	if !template.IsVariableName(s[:n]) {
		return "", s
	}
	return s[:n], s[n:]
}

// jinjaUses reads Jinja (https://jinja.palletsprojects.com/en/stable/templates/): what the braces print, and every name in a
// statement as a use. Names that the text gives itself, by for, set and the like, need no variable.
func jinjaUses(text string) []promptUse {
	var out []promptUse
	own := map[string]bool{"loop": true, "range": true, "true": true, "false": true, "none": true, "True": true, "False": true, "None": true, "not": true}
	for statement := range between(text, "{%", "%}") {
		words := strings.FieldsFunc(statement, func(r rune) bool { return strings.ContainsRune(" \t\r\n,()-+=|[]{}:~", r) })
		if len(words) == 0 {
			continue
		}
		gives := words[0] == "set" || words[0] == "for" || words[0] == "macro" || words[0] == "import" || words[0] == "from" || words[0] == "with" || words[0] == "call"
		for _, w := range words[1:] {
			if w == "in" && words[0] == "for" {
				gives = false
				continue
			}
			if name, _ := leadingName(w); gives && name != "" {
				own[name] = true
			}
			out = appendUse(out, w, 0, false)
		}
	}
	for _, p := range template.Placeholders(text) {
		expression := trimTag(p.Text, "-")
		name, rest := leadingName(expression)
		out = appendUse(out, expression, p.Line, name != "" && !own[name] && !strings.HasPrefix(strings.TrimLeft(rest, " "), "("))
		for _, w := range strings.FieldsFunc(rest, func(r rune) bool { return strings.ContainsRune(" \t\r\n,()-+|[]{}:~", r) }) {
			out = appendUse(out, w, p.Line, false)
		}
	}
	return out
}

// between visits what stands between two marks.
func between(text, from, to string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for {
			_, rest, ok := strings.Cut(text, from)
			if !ok {
				return
			}
			inner, after, ok := strings.Cut(rest, to)
			if !ok || !yield(strings.Trim(inner, "-+ \t\r\n")) {
				return
			}
			text = after
		}
	}
}
