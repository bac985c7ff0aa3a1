package seal

import (
	"bytes"
	"crypto/sha512"
	"fmt"
	"slices"
	"time"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// unlock makes the data key of a file that has none, or opens the file with its own: what was changed without the key is
// found before anything is sealed beside it.
func (e *editor) unlock() error {
	if e.key != nil {
		return nil
	}
	if e.m == nil {
		var err error
		e.key, err = newDataKey()
		return err
	}
	var err error
	if e.key, err = e.o.Keyring.dataKey(e.ctx, e.m); err != nil {
		return err
	}
	root, err := open(e.doc, e.m, e.key, true)
	if err != nil {
		return err
	}
	e.had = map[hadKey][]string{}
	for _, l := range selected(content(e.doc), &e.before) {
		if v := root.Get(l.path); isEncrypted(l.node) {
			at := hadKey{additionalData(l.keys), v.Kind, v.Reveal()}
			e.had[at] = append(e.had[at], l.node.Reveal())
		}
	}
	return nil
}

// finish updates or adds the sops block of an edited document if its secrets are not what they were, and proves the result.
func (e *editor) finish(edited *yamldoc.Doc) (*yamldoc.Doc, error) {
	secrets := ciphertexts(edited, &e.after)
	if !e.added && slices.Equal(secrets, ciphertexts(e.doc, &e.before)) {
		return edited, nil
	}
	if err := e.plainLeft(edited); err != nil {
		return nil, err
	}
	if len(secrets) == 0 && !bytes.Contains(edited.Source(), []byte(encryptedComment)) {
		if e.m == nil {
			return edited, nil
		}
		return edited.Apply(yamldoc.Edit{Path: tree.Keys(blockKey)})
	}
	if err := e.unlock(); err != nil {
		return nil, err
	}
	now := e.o.Now
	if now.IsZero() {
		now = time.Now()
	}
	mac, err := sealMAC(edited, &e.after, e.key, now)
	if err != nil {
		return nil, err
	}
	var done *yamldoc.Doc
	if e.m == nil {
		done, err = e.create(edited, mac, now)
	} else {
		edits := []yamldoc.Edit{blockEdit("lastmodified", timeText(now)), blockEdit("mac", mac)}
		if e.added {
			edits = append(edits, blockEdit(encryptedRegex, e.after.pattern))
		}
		done, err = edited.Apply(edits...)
	}
	if err != nil {
		return nil, err
	}
	if err := e.prove(done); err != nil {
		return nil, err
	}
	return done, nil
}

// ciphertexts gives the encrypted values of a document in order, each with the key that it is bound to.
func ciphertexts(doc *yamldoc.Doc, r *rule) []string {
	var out []string
	mapLeaves(content(doc), r, func(keys []string, selected bool, n *tree.Node) *tree.Node {
		if selected && n.Kind == tree.String && looksEncrypted(n.Reveal()) {
			out = append(out, additionalData(keys)+n.Reveal())
		}
		return n
	})
	return out
}

// plainLeft reports the plain values that the rule of the result selects: sops could not open the file.
func (e *editor) plainLeft(edited *yamldoc.Doc) error {
	var faults diag.List
	for _, l := range selected(content(edited), &e.after) {
		if isBlank(l.node) || l.node.Kind == tree.String && looksEncrypted(l.node.Reveal()) {
			continue
		}
		at := diag.Position{File: e.doc.File()}
		if n := e.doc.Root().Get(l.path); n != nil {
			at = n.Pos
		}
		key := l.path.String()
		if e.m != nil && e.before.selects(l.keys) {
			faults = append(faults, finding(codePlaintext, at, key, "the file encrypts this field, and its value is in plain text",
				"if it was ever committed, change it at its source first; then set it again with --secret "+key))
			continue
		}
		i := slices.IndexFunc(l.keys, e.after.matches)
		faults = append(faults, finding(codeCatches, at, key,
			fmt.Sprintf("keys named %q become secret in this file, and %s is a plain value below one", l.keys[i], key),
			"encrypt it too, in the same command: --secret "+key))
	}
	if len(faults) > 0 {
		return faults.Sorted()
	}
	return nil
}

// create adds the block to a document that has none.
func (e *editor) create(edited *yamldoc.Doc, mac string, now time.Time) (*yamldoc.Doc, error) {
	to, err := parseAccess(e.o.Access)
	if err != nil {
		return nil, fmt.Errorf("encrypt %s: %w", e.doc.File(), err)
	}
	entries, err := to.seal(e.ctx, e.key, now)
	if err != nil {
		return nil, fmt.Errorf("encrypt %s: %w", e.doc.File(), err)
	}
	b := &block{EncryptedRegex: e.after.pattern, LastModified: timeText(now), MAC: mac, MACOnlyEncrypted: true, Version: formatVersion}
	if err := b.add(entries, to.access); err != nil {
		return nil, fmt.Errorf("encrypt %s: %w", e.doc.File(), err)
	}
	return b.appendTo(edited)
}

// sealMAC gives the encrypted MAC over a document's secrets.
func sealMAC(doc *yamldoc.Doc, r *rule, key *dataKey, now time.Time) (string, error) {
	o := &opener{m: &Metadata{file: doc.File(), rule: *r}, key: key, root: content(doc), mac: sha512.New()}
	o.mac.Write(macInit[:])
	mapLeaves(o.root, r, o.leaf)
	if len(o.faults) > 0 {
		return "", o.faults.Sorted()
	}
	return key.seal(macText(o.mac.Sum(nil)), typeStr, timeText(now)), nil
}

// prove opens a result as a reader would and compares what this edit encrypted with what comes out.
func (e *editor) prove(done *yamldoc.Doc) error {
	m, err := Inspect(done)
	if err != nil {
		return fmt.Errorf("check the edited %s: %w", done.File(), err)
	}
	if m == nil {
		return fmt.Errorf("check the edited %s: the sops block is missing", done.File())
	}
	root, err := open(done, m, e.key, false)
	if err != nil {
		return fmt.Errorf("check the edited %s: %w", done.File(), err)
	}
	for _, l := range selected(content(done), &m.rule) {
		if want, ok := e.sealedNow[l.node.Reveal()]; ok {
			if got := root.Get(l.path); got.Kind != want.kind || got.Reveal() != want.text {
				return fmt.Errorf("check the edited %s: %s does not open to what was set", done.File(), l.path)
			}
		}
	}
	return nil
}
