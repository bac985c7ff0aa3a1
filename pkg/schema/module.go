package schema

import (
	"fmt"
	"strings"
	"sync"

	"github.com/llm-devops/lcm/pkg/cuesource"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
)

// Module is one compiled schema.
type Module struct {
	header      header
	source      Source
	root        *member
	defaults    func() *tree.Node
	secretNames func() []string
	secretive   func() map[*shape]bool
	judge       judge
	text        func() (*text, diag.List)
}

// judge is the language a schema is written in, as far as it decides what is valid: the description of the schema that
// [Module] holds explains and looks up, but refuses nothing by itself, and accepts for built-in modules alone. A judge is safe for concurrent use.
type judge interface {
	// check gives everything that is wrong with a configuration, nothing if it is valid. Sealed secrets count as valid.
	check(root *tree.Node, shape *member) diag.List
}

// Name gives the module's name: inference-engine.
func (m *Module) Name() string { return m.header.name }

// Title gives the module's name for people.
func (m *Module) Title() string { return m.header.title }

// Version gives the module's version, three numbers with dots.
func (m *Module) Version() string { return m.header.version }

// Digest identifies the module's text: "sha256:" and 64 hexadecimal digits. Line ends, a byte order mark and empty lines
// at the end do not count.
func (m *Module) Digest() string { return m.header.digest }

// Doc gives the comment on the schema's root, or on its package, without the words "Package NAME describes" at its beginning.
func (m *Module) Doc() string {
	doc, ok := strings.CutPrefix(m.root.doc, "Package ")
	if !ok {
		return m.root.doc
	}
	_, rest, ok := strings.Cut(doc, " describes ")
	if !ok || rest == "" {
		return m.root.doc
	}
	return strings.ToUpper(rest[:1]) + rest[1:]
}

// Validate gives everything that is wrong with a resolved configuration, sorted by position. A finding has the position
// of the value in the tree, of the key where the key is unknown, and of the nearest map where something is missing; its
// Key is the dotted path, and Related says where the schema demands it. Fields that are not there have their defaults,
// whether or not [Module.Defaults] were merged. A sealed secret counts as present and valid, one in the clear is
// checked; its value is in no message.
func (m *Module) Validate(root *tree.Node) diag.List {
	if root == nil {
		root = tree.NewMap()
	}
	return m.judge.check(root, m.root).Sorted()
}

// compile turns a source into a module. Findings are about the source, whose text is asked for when it is needed.
func compile(src Source, h header, source func() (*text, diag.List)) (*Module, diag.List) {
	m := &Module{header: h, source: src, text: source}
	if d := descriptionOf(src, h.digest); d != nil {
		if root, err := d.root(); err == nil {
			m.root, m.judge = root, newJudge(newText(builtinFile(h.name), src.Data), true)
		}
	}
	if m.root == nil {
		if found := m.compile(src); len(found) > 0 {
			return nil, found
		}
	}
	m.defaults = sync.OnceValue(func() *tree.Node {
		empty := tree.NewMap()
		empty.Pos = m.root.pos
		return complete(m.root.shape, empty, 0)
	})
	m.secretive = sync.OnceValue(func() map[*shape]bool { return secretShapes(m.root) })
	m.secretNames = sync.OnceValue(func() []string { return secretNames(m.root) })
	return m, nil
}

// compile reads the source itself.
func (m *Module) compile(src Source) (found diag.List) {
	t, found := m.text()
	if len(found) > 0 {
		return found
	}
	if ok := cuesource.Guard(compileTime, func() { m.root, m.judge, found = compileCUE(t, src.Builtin) }); !ok {
		return diag.List{t.limitFinding(fmt.Sprintf("the schema cannot be compiled within %s", compileTime))}
	}
	return found
}
