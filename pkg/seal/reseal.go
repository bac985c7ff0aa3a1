package seal

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// Unsealed gives a document as people edit it: its secrets in plain text where they stand, and without the sops block. Every
// other byte is the document's own. Errors are as of [Open].
func Unsealed(ctx context.Context, doc *yamldoc.Doc, k *Keyring) (*yamldoc.Doc, error) {
	opened, err := Open(ctx, doc, k)
	if err != nil {
		return nil, err
	}
	var edits []yamldoc.Edit
	content(doc).Walk(func(p tree.Path, n *tree.Node) bool {
		if isEncrypted(n) {
			edits = append(edits, yamldoc.Edit{Path: p.Clone(), Value: unmasked(opened.Get(p))})
		}
		return true
	})
	plain, err := doc.Apply(edits...)
	if err != nil {
		return nil, err
	}
	return WithoutBlock(plain)
}

// WithoutBlock gives a document without its sops block, its secrets as they are.
func WithoutBlock(doc *yamldoc.Doc) (*yamldoc.Doc, error) {
	start, end, ok := blockText(doc)
	if !ok {
		return doc, nil
	}
	out, err := yamldoc.Parse(doc.File(), slices.Concat(doc.Source()[:start], doc.Source()[end:]))
	if err != nil || !tree.Identical(out.Root(), content(doc)) {
		return nil, diag.List{finding(codeUnsupported, doc.Root().Field(blockKey).Pos, blockKey,
			"the file is written in a way in which its sops block cannot be taken apart from the rest", "edit it with lcm set, which leaves the rest as it is")}
	}
	return out, nil
}

// blockText gives the lines of the sops block: from its key to the next key, or to the end.
func blockText(doc *yamldoc.Doc) (start, end int, ok bool) {
	fields := doc.Root().Fields()
	i := slices.IndexFunc(fields, func(f tree.Field) bool { return f.Key == blockKey })
	if i < 0 {
		return 0, 0, false
	}
	end = len(doc.Source())
	if i+1 < len(fields) {
		end = doc.LineOffset(fields[i+1].Pos.Line)
	}
	return doc.LineOffset(fields[i].Pos.Line), end, true
}

// Reseal gives the file that an edited text becomes, where the text is old as [Unsealed] or [WithoutBlock] gave it, and then
// changed. Secrets are the values that old's sops block selects, and those that secret names by their path in the text, which
// the block then selects too. A secret that has the value it had at its key keeps its ciphertext byte for byte, and if all
// do, the sops block stays as it is. Everything else is the text's.
//
// A secret that is still ciphertext in the text stays, if it is that of the same key. Errors are as of [Edit]; findings have
// their places in the text.
func Reseal(ctx context.Context, old, text *yamldoc.Doc, secret func(tree.Path) bool, o Options) (*yamldoc.Doc, error) {
	m, err := Inspect(old)
	if err != nil {
		return nil, err
	}
	e := &editor{ctx: ctx, doc: old, o: o, m: m, sealedNow: map[string]opened{}}
	defer func() { e.key.wipe() }()
	r := &resealer{editor: e, text: text, secret: secret}
	if err := r.check(); err != nil {
		return nil, err
	}
	if err := r.chooseRule(); err != nil {
		return nil, err
	}
	attached, err := r.attach()
	if err != nil {
		return nil, err
	}
	if err := aliasFaults(attached, &e.after); err != nil {
		return nil, err
	}
	edits, err := r.edits()
	if err != nil {
		return nil, err
	}
	blank, err := attached.Apply(r.blanks(edits)...)
	if err != nil {
		return nil, err
	}
	sealed, err := blank.Apply(edits...)
	if err != nil {
		return nil, err
	}
	return e.finish(sealed)
}

// resealer is one run of Reseal.
type resealer struct {
	*editor
	text   *yamldoc.Doc
	secret func(tree.Path) bool
}

func (r *resealer) check() error {
	if f := r.text.Root().Field(blockKey); f != nil {
		return diag.List{finding(codeReserved, f.Pos, blockKey, "the sops block is not configuration", "remove it: lcm adds the file's own again")}
	}
	if r.m != nil && !r.m.MACOnlyEncrypted {
		return r.coversAll()
	}
	return nil
}

// leaves gives the scalars of the text, in document order.
func (r *resealer) leaves() []leaf {
	all := rule{invert: true}
	return selected(r.text.Root(), &all)
}

// chooseRule finds the keys that become secret and the rule that selects them, and refuses one that would catch plain values.
func (r *resealer) chooseRule() error {
	if r.m != nil {
		r.before = r.m.rule
	}
	r.after = r.before
	var names []string
	chosen := map[string]bool{}
	plain := map[string]bool{}
	leaves := r.leaves()
	for _, l := range leaves {
		switch {
		case isBlank(l.node) || r.before.selects(l.keys) && r.m != nil:
		case r.secret(l.path):
			name := l.keys[len(l.keys)-1]
			names = append(names, name)
			chosen[l.path.String()] = true
			if r.m != nil && r.before.option != encryptedRegex {
				return diag.List{finding(codeUnsupported, l.node.Pos, l.path.String(),
					fmt.Sprintf("the file selects its secrets by %s, which does not cover %s", r.before.option, name), convertHint(r.doc.File()))}
			}
		default:
			for _, key := range l.keys {
				plain[key] = true
			}
		}
	}
	if len(names) == 0 {
		return nil
	}
	if r.m == nil {
		for _, name := range r.o.SecretNames {
			if name != "" && !plain[name] {
				names = append(names, name)
			}
		}
	}
	var err error
	if r.after, err = r.before.extend(names); err != nil {
		return fmt.Errorf("extend encrypted_regex: %w", err)
	}
	r.added = true
	var faults diag.List
	for _, l := range leaves {
		if key := l.path.String(); !isBlank(l.node) && r.after.selects(l.keys) && (r.m == nil || !r.before.selects(l.keys)) && !chosen[key] {
			i := slices.IndexFunc(l.keys, r.after.matches)
			faults = append(faults, finding(codeCatches, l.node.Pos, key,
				fmt.Sprintf("keys named %q become secret in this file, and %s is a plain value below one", l.keys[i], key), "make it secret too"))
		}
	}
	if len(faults) > 0 {
		return faults.Sorted()
	}
	return nil
}

// attach gives the text with the old file's sops block behind it, byte for byte.
func (r *resealer) attach() (*yamldoc.Doc, error) {
	start, end, ok := blockText(r.doc)
	if !ok {
		return r.text, nil
	}
	src := bytes.Clone(r.text.Source())
	if n := len(src); n > 0 && src[n-1] != '\n' {
		src = append(src, '\n')
	}
	attached, err := yamldoc.Parse(r.doc.File(), append(src, r.doc.Source()[start:end]...))
	if err != nil || !tree.Identical(content(attached), r.text.Root()) {
		return nil, diag.List{finding(codeUnsupported, diag.Position{File: r.text.File(), Line: 1}, "",
			"nothing can follow the text as it ends, and the sops block has to", "end it with a line of its own, without ... and without brackets round everything")}
	}
	return attached, nil
}

// edits encrypts what is secret in the text.
func (r *resealer) edits() ([]yamldoc.Edit, error) {
	had := map[string]bool{}
	for _, c := range ciphertexts(r.doc, &r.before) {
		had[c] = true
	}
	var edits []yamldoc.Edit
	var faults diag.List
	for _, l := range r.leaves() {
		selects := r.after.option != "" && r.after.selects(l.keys)
		switch {
		case isEncrypted(l.node):
			if !selects || !had[additionalData(l.keys)+l.node.Reveal()] {
				faults = append(faults, finding(codeUncovered, l.node.Pos, l.path.String(),
					"the value is encrypted already, and an encrypted value opens only where it was encrypted", "write the value itself"))
			}
		case selects && !isBlank(l.node):
			sealed, err := r.seal(l.node, l.node.Directive != tree.None, l.keys)
			if err != nil {
				return nil, err
			}
			edits = append(edits, yamldoc.Edit{Path: l.path, Value: sealed})
		}
	}
	if len(faults) > 0 {
		return nil, faults.Sorted()
	}
	return edits, nil
}

// blanks puts in the place of each secret what is written as its ciphertext was: a value takes over the style of the one that
// it replaces, and that of a secret in plain text says nothing about its ciphertext.
func (r *resealer) blanks(edits []yamldoc.Edit) []yamldoc.Edit {
	var out []yamldoc.Edit
	for _, edit := range edits {
		blank := tree.Scalar(tree.Int, "0")
		if old := r.doc.Root().Get(edit.Path); old != nil && isEncrypted(old) && old.Directive == tree.None {
			switch r.doc.ByteAt(old.Pos) {
			case '"', '\'':
				blank = tree.NewString("0")
			case '|', '>':
				continue
			}
		}
		blank.Directive = edit.Value.Directive
		out = append(out, yamldoc.Edit{Path: edit.Path, Value: blank})
	}
	return out
}
