package jsonschema

import (
	"regexp"
	"strings"
	"sync"
)

var marks = [...]string{"x-secret", "x-rotation", "x-merge", "x-promote", "x-module"}

var (
	secretType   = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`) })
	rotationText = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[1-9][0-9]*[smhdwy]$`) })
)

// about is what a schema says of a secret.
type about struct{ kind, rotation, owner string }

// secret reads x-secret and x-rotation: true, a word for what it is, or {"type": …, "rotate": …, "owner": …}.
func secret(s *value) (a about, ok bool) {
	x := s.get("x-secret")
	r := s.get("x-rotation")
	if x == nil {
		return about{}, r == nil
	}
	switch x.kind {
	case boolean:
		if x.isFalse() {
			return about{}, r == nil
		}
	case text:
		a.kind = x.text
	case object:
		for _, m := range x.members {
			switch {
			case m.value.kind != text:
				return about{}, false
			case m.key == "type":
				a.kind = m.value.text
			case m.key == "rotate":
				a.rotation = m.value.text
			case m.key == "owner":
				a.owner = m.value.text
			default:
				return about{}, false
			}
		}
	default:
		return about{}, false
	}
	if r != nil {
		if r.kind != text || a.rotation != "" {
			return about{}, false
		}
		a.rotation = r.text
	}
	words := (a.kind == "" || secretType().MatchString(a.kind)) && (a.owner == "" || secretType().MatchString(a.owner))
	return a, words && (a.rotation == "" || rotationText().MatchString(a.rotation))
}

var mergeRule = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(append|prepend|replace|merge|key=[^\s",=()]+)$`)
})

// checkMarks checks lcm's own keywords.
func (t *translator) checkMarks(s *value) {
	if _, ok := secret(s); !ok {
		at := s.get("x-secret")
		if at == nil {
			at = s.get("x-rotation")
		}
		t.refuse(t.rules.Mark, at.pos, "x-secret is not understood", `write "x-secret": "api-key", "x-rotation": "90d"`)
	}
	if m := s.get("x-merge"); m != nil && (m.kind != text || !mergeRule().MatchString(m.text)) {
		t.refuse(t.rules.Mark, m.pos, "x-merge does not say how", `write "append", "prepend", "replace", "merge" or "key=name"`)
	}
	if p := s.get("x-promote"); p != nil && !p.isFalse() && !p.isTrue() && (p.kind != text || p.text != "never") {
		t.refuse(t.rules.Mark, p.pos, "x-promote says something else than never", `write "x-promote": "never"`)
	}
}

// hasMarks reports whether a schema has marks, which in CUE stand behind a field or a definition.
func hasMarks(s *value) bool {
	x, p := s.get("x-secret"), s.get("x-promote")
	return x != nil && !x.isFalse() || s.get("x-merge") != nil || p != nil && !p.isTrue()
}

// marksOf gives the marks of a schema, behind the field that has it.
func (t *translator) marksOf(s *value) code {
	var out string
	if x := s.get("x-secret"); x != nil && !x.isFalse() {
		a, _ := secret(s)
		var args []string
		for _, arg := range [...][2]string{{"type", a.kind}, {"rotate", a.rotation}, {"owner", a.owner}} {
			if arg[1] != "" {
				args = append(args, arg[0]+"="+arg[1])
			}
		}
		out += " @secret(" + strings.Join(args, ", ") + ")"
	}
	if m := s.get("x-merge"); m != nil {
		out += " @merge(" + m.text + ")"
	}
	if p := s.get("x-promote"); p != nil && !p.isTrue() {
		out += " @promote(never)"
	}
	return plain(out)
}

// docOf gives what a schema says about itself.
func docOf(s *value) string {
	for _, key := range []string{"description", "title"} {
		if d := s.get(key); d != nil && d.text != "" {
			return d.text
		}
	}
	return ""
}
