package schema

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/literal"
	"cuelang.org/go/cue/token"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
)

// marks is what the attributes of a field say.
type marks struct {
	secret     bool
	secretType string
	rotation   string
	owner      string
	merge      MergeRule
	noPromote  bool
}

// join adds what o says where m says nothing; secrecy and @promote(never) of either hold.
func (m marks) join(o marks) marks {
	m.secret = m.secret || o.secret
	m.noPromote = m.noPromote || o.noPromote
	if m.secretType == "" {
		m.secretType = o.secretType
	}
	if m.rotation == "" {
		m.rotation = o.rotation
	}
	if m.owner == "" {
		m.owner = o.owner
	}
	if m.merge == (MergeRule{}) {
		m.merge = o.merge
	}
	return m
}

// inherited is what holds for all below too.
func (m marks) inherited() marks {
	m.merge = MergeRule{}
	return m
}

var (
	knownMarks   = []string{"secret", "merge", "promote", "module"}
	rotationText = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[1-9][0-9]*[smhdwy]$`) })
	secretType   = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`) })
)

// readMarks reads attributes. Attributes that are not lcm's are left alone, unless they look like one misspelt: a secret
// that nobody treats as one is worse than a schema that does not load.
func (b *builder) readMarks(attrs []*ast.Attribute) marks {
	var m marks
	for _, a := range attrs {
		if known, ok := b.marksOf[a]; ok {
			m = m.join(known)
			continue
		}
		name, body := a.Split()
		one, err := parseMark(name, body)
		if err != nil {
			b.findings = append(b.findings, b.text.finding(CodeMark, a.Pos(), err.Error(), diag.HintOf(err)))
		}
		b.marksOf[a] = one
		m = m.join(one)
	}
	return m
}

func parseMark(name, body string) (marks, error) {
	args, err := parseArgs(body)
	if err != nil {
		return marks{}, fmt.Errorf("@%s: %w", name, err)
	}
	switch name {
	case "secret":
		return parseSecret(args)
	case "merge":
		return parseMerge(args)
	case "promote":
		if len(args) != 1 || args[0] != (arg{value: "never"}) {
			return marks{}, diag.WithHint(errors.New("@promote says something else than never"), "write @promote(never)")
		}
		return marks{noPromote: true}, nil
	}
	if near := diag.Nearest(name, knownMarks); len(near) > 0 && name != "module" {
		return marks{}, diag.WithHint(fmt.Errorf("there is no mark @%s", name), "did you mean @%s?", near[0])
	}
	return marks{}, nil
}

func parseSecret(args []arg) (marks, error) {
	m := marks{secret: true}
	for _, a := range args {
		switch {
		case a.key == "type" && secretType().MatchString(a.value):
			m.secretType = a.value
		case a.key == "rotate" && rotationText().MatchString(a.value):
			m.rotation = a.value
		case a.key == "owner" && secretType().MatchString(a.value):
			m.owner = a.value
		default:
			return m, diag.WithHint(fmt.Errorf("@secret does not understand %q", a), "write @secret(type=api-key, rotate=90d)")
		}
	}
	return m, nil
}

func parseMerge(args []arg) (marks, error) {
	var m marks
	if len(args) == 1 {
		switch a := args[0]; {
		case a.key == "key" && a.value != "":
			m.merge.Key = a.value
		case a == (arg{value: "append"}):
			m.merge.Strategy = tree.Append
		case a == (arg{value: "prepend"}):
			m.merge.Strategy = tree.Prepend
		case a == (arg{value: "replace"}):
			m.merge.Strategy = tree.Override
		case a == (arg{value: "merge"}):
			m.merge.Strategy = tree.Merge
		}
	}
	if m.merge == (MergeRule{}) {
		return m, diag.WithHint(errors.New("@merge does not say how"), "write @merge(append), @merge(prepend), @merge(replace), @merge(merge) or @merge(key=name)")
	}
	return m, nil
}

// checkMerges checks that lists merged by a key have items with that field.
func (b *builder) checkMerges(root *member) {
	v := &visitor{open: map[*shape]bool{}, yield: func(_ string, members []*member, _ marks) bool {
		for _, m := range members {
			if key := m.marks.merge.Key; key != "" && !m.shape.hasItemsWith(key) {
				mark := "@merge(key=" + key + ")"
				if b.text.Places != nil {
					mark = `"x-merge": "key=` + key + `"`
				}
				f := b.text.finding(CodeMark, token.NoPos, fmt.Sprintf("%s is not on a list of maps with %s", mark, key), "")
				f.Position = m.pos
				b.findings = append(b.findings, f)
			}
		}
		return true
	}}
	v.visit("", []*member{root}, marks{})
}

// hasItemsWith reports whether a value can be a list whose items have a field.
func (s *shape) hasItemsWith(key string) bool {
	return slices.ContainsFunc(s.step(tree.Index(0), nil), func(item *member) bool {
		return len(item.shape.step(tree.Key(key), nil)) > 0
	})
}

// arg is one argument of an attribute; key is empty for a bare word.
type arg struct{ key, value string }

func (a arg) String() string {
	if a.key == "" {
		return a.value
	}
	return a.key + "=" + a.value
}

// parseArgs reads the body of an attribute: bare words and key=value, values bare or quoted.
func parseArgs(body string) ([]arg, error) {
	var args []arg
	rest := strings.TrimSpace(body)
	for rest != "" {
		var a arg
		end := strings.IndexAny(rest, ",=\"")
		if end >= 0 && rest[end] == '=' {
			a.key = strings.TrimSpace(rest[:end])
			rest = strings.TrimSpace(rest[end+1:])
		}
		if strings.HasPrefix(rest, `"`) {
			end = closingQuote(rest)
			if end < 0 {
				return nil, errors.New("a quote is not closed")
			}
			v, err := literal.Unquote(rest[:end])
			if err != nil {
				return nil, fmt.Errorf("%s is not a string", rest[:end])
			}
			a.value, rest = v, strings.TrimSpace(rest[end:])
			if rest != "" && rest[0] != ',' {
				return nil, fmt.Errorf("%q is not expected", rest)
			}
		} else {
			end = strings.IndexByte(rest, ',')
			if end < 0 {
				end = len(rest)
			}
			a.value, rest = strings.TrimSpace(rest[:end]), rest[end:]
		}
		args = append(args, a)
		rest = strings.TrimSpace(strings.TrimPrefix(rest, ","))
	}
	return args, nil
}

// closingQuote gives the offset behind the quoted string at the beginning of s, or -1.
func closingQuote(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}
