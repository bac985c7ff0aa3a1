package seal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// Change is one change to a document's values.
type Change struct {
	Path   tree.Path
	Value  *tree.Node // nil removes the key or the item; a directive is written as a tag
	Secret bool       // encrypt the value, and everything below its key from now on
}

// Options says how an edit seals.
type Options struct {
	Access      Access    // of a file that has no secrets yet
	SecretNames []string  // keys that a file's first secret marks as secret too, so that the sops CLI encrypts them
	Keyring     *Keyring  // opens a file that has secrets; needed only if one of them changes
	Now         time.Time // for lastmodified
}

// Edit makes changes to a document, all or none. Plain changes leave the sops block alone and need no key. Where a secret
// changes, its own line, mac and lastmodified change, and encrypted_regex if its key is new among the secret ones; a
// secret set to the value that it has stays as it is. A value whose key the file encrypts is a secret, whatever the change
// says. The first secret of a file adds the sops block at its end and needs no key; removing the last one removes the
// block.
//
// Numbers that SOPS would spell differently, and values with a directive, are encrypted as strings; null and the empty
// string are not encrypted, as in SOPS. Errors are those of [Open] and of [yamldoc.Doc.Apply], and a [diag.List] where a new
// secret's name would catch plain values, or the file selects its secrets in a way that is not extended here.
func Edit(ctx context.Context, doc *yamldoc.Doc, changes []Change, o Options) (*yamldoc.Doc, error) {
	m, err := Inspect(doc)
	if err != nil {
		return nil, err
	}
	e := &editor{ctx: ctx, doc: doc, changes: changes, o: o, m: m, sealedNow: map[string]opened{}}
	defer func() { e.key.wipe() }()
	if err := e.check(); err != nil {
		return nil, err
	}
	if err := e.chooseRule(); err != nil {
		return nil, err
	}
	edits := make([]yamldoc.Edit, 0, len(changes))
	for _, c := range changes {
		edit, err := e.edit(c)
		if err != nil {
			return nil, err
		}
		edits = append(edits, edit)
	}
	edited, err := doc.Apply(edits...)
	if err != nil {
		return nil, err
	}
	return e.finish(edited)
}

// editor is one run of Edit.
type editor struct {
	ctx     context.Context
	doc     *yamldoc.Doc
	changes []Change
	o       Options

	m      *Metadata // nil without a sops block
	before rule      // of the file as it is; selects nothing without a block
	after  rule      // of the result
	added  bool      // after has keys that before has not

	key       *dataKey
	had       map[hadKey][]string // the ciphertexts of the document in its order, once it is open; items of a list share a key
	sealedNow map[string]opened   // what this edit encrypted, by ciphertext
}

// hadKey is a secret value at a key.
type hadKey struct {
	aad  string
	kind tree.Kind
	text string
}

// check refuses what no edit may do.
func (e *editor) check() error {
	var faults diag.List
	for _, c := range e.changes {
		if len(c.Path) == 0 {
			return errors.New("edit: a change needs a key")
		}
		if key, _ := c.Path[0].AsKey(); key == blockKey {
			faults = append(faults, finding(codeReserved, diag.Position{File: e.doc.File()}, c.Path.String(),
				"the sops block is not configuration", "change recipients in the tenant's file"))
		}
	}
	if e.m != nil && !e.m.MACOnlyEncrypted && len(e.changes) > 0 {
		faults = append(faults, e.coversAll()...)
	}
	if len(faults) > 0 {
		return faults.Sorted()
	}
	return nil
}

// coversAll refuses a file that a plain edit would break.
func (e *editor) coversAll() diag.List {
	return diag.List{finding(codeUnsupported, e.m.Pos, blockKey,
		"the file's mac covers its plain values too (mac_only_encrypted is not set), so it cannot be edited here", convertHint(e.doc.File()))}
}

func convertHint(file string) string {
	return fmt.Sprintf("convert it: sops decrypt --in-place %[1]s, then sops encrypt --in-place %[1]s "+
		"with encrypted_regex and mac_only_encrypted: true in .sops.yaml", file)
}

// chooseRule finds the keys that become secret and the rule that selects them.
func (e *editor) chooseRule() error {
	if e.m != nil {
		e.before = e.m.rule
	}
	e.after = e.before
	var names []string
	for _, c := range e.changes {
		if !c.Secret || c.Value == nil || e.covers(c) {
			continue
		}
		keys := c.Path.MapKeys()
		names = append(names, keys[len(keys)-1])
	}
	if len(names) == 0 {
		return nil
	}
	if e.m != nil && e.before.option != encryptedRegex {
		return diag.List{finding(codeUnsupported, e.m.Pos, blockKey+"."+e.before.option,
			fmt.Sprintf("the file selects its secrets by %s, which does not cover %s", e.before.option, names[0]), convertHint(e.doc.File()))}
	}
	if e.m == nil {
		names = append(names, e.harmless(names)...)
	}
	var err error
	if e.after, err = e.before.extend(names); err != nil {
		return fmt.Errorf("extend encrypted_regex: %w", err)
	}
	e.added = true
	return nil
}

// covers reports whether the file's rule already selects every value of a change.
func (e *editor) covers(c Change) bool {
	if e.m == nil {
		return false
	}
	covered := true
	keys := c.Path.MapKeys()
	mapLeaves(c.Value, &rule{}, func(below []string, _ bool, n *tree.Node) *tree.Node {
		covered = covered && e.before.selects(slices.Concat(keys, below))
		return n
	})
	return covered
}

// harmless gives those of SecretNames that catch no plain value of the result. A plain value under one of them is not for
// this edit to judge.
func (e *editor) harmless(changed []string) []string {
	plain := map[string]bool{}
	note := func(keys []string) {
		for _, key := range keys {
			plain[key] = true
		}
	}
	root := content(e.doc)
	mapLeaves(root, &rule{}, func(keys []string, _ bool, n *tree.Node) *tree.Node {
		if !isBlank(n) {
			note(keys)
		}
		return n
	})
	for _, c := range e.changes {
		if c.Secret || c.Value == nil {
			continue
		}
		prefix := c.Path.MapKeys()
		note(prefix)
		mapLeaves(c.Value, &rule{}, func(keys []string, _ bool, n *tree.Node) *tree.Node {
			note(keys)
			return n
		})
	}
	var names []string
	for _, name := range e.o.SecretNames {
		if name != "" && !plain[name] && !slices.Contains(changed, name) {
			names = append(names, name)
		}
	}
	return names
}

// edit gives a change with the secret part of its value encrypted.
func (e *editor) edit(c Change) (yamldoc.Edit, error) {
	if c.Value == nil {
		return yamldoc.Edit{Path: c.Path}, nil
	}
	old := e.doc.Root().Get(c.Path)
	prefix := c.Path.MapKeys()
	var failed error
	// The value's own keys come below the change's.
	r := e.after
	matched := slices.ContainsFunc(prefix, r.matches)
	value := mapLeaves(c.Value, &r, func(keys []string, below bool, n *tree.Node) *tree.Node {
		selected := (matched || below != r.invert) != r.invert
		switch {
		case failed != nil:
			return n
		case n.Sealed || !selected && isEncrypted(n):
			failed = e.ciphertext(c.Path)
			return n
		case !selected || isBlank(n):
			return unmasked(n)
		}
		tagged := n.Directive != tree.None
		if n == c.Value && !tagged && old != nil && old.Directive != tree.None && old.Directive != tree.Delete {
			tagged = true // the directive that stands there stays
		}
		sealed, err := e.seal(n, tagged, slices.Concat(prefix, keys))
		if err != nil {
			failed = err
			return n
		}
		return sealed
	})
	return yamldoc.Edit{Path: c.Path, Value: value}, failed
}

// ciphertext refuses a value that is encrypted already: it would open nowhere but where it comes from.
func (e *editor) ciphertext(p tree.Path) error {
	return diag.List{finding(codeUncovered, diag.Position{File: e.doc.File()}, p.String(),
		"the new value is encrypted already, and an encrypted value opens only where it was encrypted", "set the value itself, with --secret "+p.String())}
}

// unmasked gives a node that is written as it is.
func unmasked(n *tree.Node) *tree.Node {
	if !n.Secret {
		return n
	}
	n = n.Clone()
	n.Secret = false
	return n
}

// seal encrypts one scalar. A value that the file has at that key already keeps its ciphertext, as in SOPS.
func (e *editor) seal(n *tree.Node, tagged bool, keys []string) (*tree.Node, error) {
	if err := e.unlock(); err != nil {
		return nil, err
	}
	plain, typ := plaintext(n, tagged)
	defer clear(plain)
	v, err := typed(plain, typ)
	if err != nil {
		return nil, fmt.Errorf("encrypt %s: %w", tree.Keys(keys...), err)
	}
	aad := additionalData(keys)
	text := ""
	at := hadKey{aad, v.kind, v.text}
	switch had := e.had[at]; len(had) {
	case 0:
		text = e.key.seal(plain, typ, aad)
	case 1:
		text = had[0]
	default:
		text, e.had[at] = had[0], had[1:]
	}
	v.mac = nil // which may be plain
	e.sealedNow[text] = v
	out := tree.NewString(text)
	out.Directive = n.Directive
	return out, nil
}
