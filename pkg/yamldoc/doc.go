// Package yamldoc turns YAML files into value trees with positions, and edits them without touching anything else.
//
// [Parse] reads one document under the YAML 1.2 core schema: no, on and 2025-11-21 are strings, numbers keep the digits
// they were written with, and the tags !override, !append, !prepend, !merge and !delete become directives. What a
// configuration must not hold (duplicate keys, keys that are not strings, unknown tags, cycles, alias bombs, a second
// document) is reported with line, column and a hint, all of it at once.
//
// [Doc.Apply] sets and removes values by changing the bytes of those values alone: comments, blank lines, quoting,
// anchors, line endings and the order of keys stay. Every edit is proved: the result is parsed again and compared with
// the tree that was intended, and if they differ the edit is refused. [New] writes a fresh file.
//
// The parser beneath is go.yaml.in/yaml/v3. Its positions say where a value starts; where it ends is found here.
package yamldoc

import (
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
)

// The limits of a document.
const (
	MaxSize    = 16 << 20 // bytes of source
	MaxValues  = 500_000  // keys, values and items in the source; the parser takes some hundred bytes for each
	MaxKey     = 4 << 10  // bytes of one key
	MaxDepth   = 100      // nested maps and lists, aliases expanded
	MaxAliased = 200_000  // values that stand in the tree only because aliases and merge keys repeat them
)

// Doc is one parsed YAML file. It is immutable and safe for concurrent readers.
type Doc struct {
	file    string
	src     []byte
	root    *tree.Node
	aliased []Alias
}

// Alias is a value that a document repeats instead of writing it.
type Alias struct {
	Path tree.Path     // of the value that is repeated here; for a merge key, of the map that it is in
	Pos  diag.Position // of the alias or the merge key
}

// File gives the name that the document was parsed under.
func (d *Doc) File() string { return d.file }

// Source gives the text of the file. It must not be changed.
func (d *Doc) Source() []byte { return d.src }

// Root gives the document's map. Nodes and keys know their positions, aliases are expanded and merge keys resolved. An
// empty document is an empty map.
func (d *Doc) Root() *tree.Node { return d.root }

// Aliases gives the places where the document uses an alias or a merge key, in document order. Apply refuses to edit at
// and below them. The slice must not be changed.
func (d *Doc) Aliases() []Alias { return d.aliased }
