package schema

import (
	"fmt"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
)

// Module is one compiled schema.
type Module struct {
	header      header
	digest      string
	root        *member
	defaults    *tree.Node
	secretNames []string
	judge       judge
}

// judge is the language a schema is written in, as far as it decides what is valid: the description of the schema that
// [Module] holds explains and looks up, but refuses nothing by itself. A judge is safe for concurrent use.
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
func (m *Module) Digest() string { return m.digest }

// Doc gives the comment on the schema's root, or on its package.
func (m *Module) Doc() string { return m.root.doc }

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

// compile turns a source into a module. Findings are about the source.
func compile(src Source, h header) (*Module, diag.List) {
	display := src.File
	if src.Builtin {
		display = builtinFile(h.name)
	}
	m := &Module{header: h, digest: sourceDigest(src.Data)}
	t := newText(display, src.Data)
	var found diag.List
	ok := guard(compileTime, func() { m.root, m.judge, found = compileCUE(t, src.Builtin) })
	if !ok {
		return nil, diag.List{t.limitFinding(fmt.Sprintf("the schema cannot be compiled within %s", compileTime))}
	}
	if len(found) > 0 {
		return nil, found
	}
	empty := tree.NewMap()
	empty.Pos = m.root.pos
	m.defaults = complete(m.root.shape, empty, 0)
	m.secretNames = secretNames(m.root)
	return m, nil
}
