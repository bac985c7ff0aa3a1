package seal

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// Seal makes a file of merged content: values of either side, and plain ones in secret fields, which are encrypted. Where the
// secrets are those of one side, in its order, its block is taken over byte for byte and no key is needed; the recipients
// of both are merged. complete is false where only one with a key can finish it: the block is one side's then, and does not
// fit yet.
func (m *Merger) Seal(ctx context.Context, merged *yamldoc.Doc, now time.Time) (done *yamldoc.Doc, complete bool, err error) {
	if len(m.sides) == 0 {
		return merged, true, nil
	}
	if m.key != nil {
		if merged, err = m.encrypt(merged); err != nil {
			return nil, false, err
		}
	}
	secrets := ciphertexts(merged, &m.rule)
	plainLeft := slices.ContainsFunc(selected(content(merged), &m.rule), func(l leaf) bool { return !isBlank(l.node) && !isEncrypted(l.node) })
	if len(secrets) == 0 && !plainLeft && !bytes.Contains(merged.Source(), []byte(encryptedComment)) {
		return merged, true, nil
	}
	from := m.sides[0]
	asSealed := -1
	if !m.fresh && !plainLeft {
		asSealed = slices.IndexFunc(m.sides, func(s *side) bool { return slices.Equal(secrets, ciphertexts(s.doc, &s.m.rule)) })
	}
	if asSealed >= 0 {
		from = m.sides[asSealed]
	}
	edits, ok, err := m.blockEdits(ctx, from, asSealed >= 0, merged, now)
	if err != nil {
		return nil, false, err
	}
	if done, err = withBlock(merged, from.block); err != nil {
		return nil, false, err
	}
	if done, err = done.Apply(edits...); err != nil {
		return nil, false, err
	}
	if ok && m.key != nil {
		return done, true, m.prove(done, merged)
	}
	return done, ok, nil
}

// Fits reports whether a document is sealed as the outcome has to be: it opens with the data key that is kept, for the
// recipients that were merged. Without the key nothing fits.
func (m *Merger) Fits(ctx context.Context, doc *yamldoc.Doc, k *Keyring) bool {
	if m.key == nil {
		return false
	}
	meta, err := Inspect(doc)
	if err != nil || meta == nil || !meta.Access.Equal(m.access) || meta.rule.pattern != m.rule.pattern {
		return false
	}
	key := m.key
	if m.fresh { // a new one was made when this was sealed
		if key, err = k.dataKey(ctx, meta); err != nil || slices.ContainsFunc(m.sides, func(s *side) bool { return bytes.Equal(s.key.raw, key.raw) }) {
			return false
		}
		defer key.wipe()
	}
	_, err = open(doc, meta, key, false)
	return err == nil
}

// blockEdits gives what of a side's block is not as the outcome needs it; ok is false where that takes a key that nobody
// here has.
func (m *Merger) blockEdits(ctx context.Context, from *side, sealed bool, merged *yamldoc.Doc, now time.Time) (edits []yamldoc.Edit, ok bool, err error) {
	if m.rule.option == encryptedRegex && m.rule.pattern != from.m.rule.pattern {
		edits = append(edits, blockEdit(encryptedRegex, m.rule.pattern))
	}
	entries, ok, err := m.entriesFor(ctx, from, now)
	if err != nil {
		return nil, false, err
	}
	if ok && (m.fresh || !slices.Equal(entries, from.m.entries)) {
		edits = append(edits, entryEdits(from.m, entries, m.access)...)
	}
	switch {
	case sealed:
	case m.key == nil:
		ok = false
	default:
		mac, err := sealMAC(merged, &m.rule, m.key, now)
		if err != nil {
			return nil, false, err
		}
		edits = append(edits, blockEdit("lastmodified", timeText(now)), blockEdit("mac", mac))
	}
	return edits, ok, nil
}

// entriesFor gives the data key as it is encrypted to each recipient of the outcome: as it stands in a version with the same
// data key, else anew.
func (m *Merger) entriesFor(ctx context.Context, from *side, now time.Time) (entries []entry, ok bool, err error) {
	if from.m.Access.Equal(m.access) && !m.fresh && (m.key == nil || bytes.Equal(m.key.raw, from.key.raw)) {
		return from.m.entries, true, nil
	}
	if other := from.m.otherKeys; other != "" {
		return nil, false, rekeyFaults(from.doc, from.m, false)
	}
	if m.access.Grouped() {
		return m.newShares(ctx, from, now)
	}
	for _, r := range m.access.Recipients() {
		e, found := m.entryOf(from, r)
		if !found {
			if m.key == nil {
				return nil, false, nil
			}
			to, err := parseRecipients([]string{r})
			if err != nil {
				return nil, false, fmt.Errorf("merge %s: %w", from.doc.File(), err)
			}
			if e, err = to[0].entry(ctx, m.key.raw, now); err != nil {
				return nil, false, fmt.Errorf("merge %s: %w", from.doc.File(), err)
			}
		}
		entries = append(entries, e)
	}
	return entries, true, nil
}

// newShares gives the data key as it is encrypted to key groups: as it stands in a side with the same data key that has these
// groups, else split anew.
func (m *Merger) newShares(ctx context.Context, from *side, now time.Time) (entries []entry, ok bool, err error) {
	if !m.fresh {
		for _, s := range m.sides {
			if s.m.Access.Equal(m.access) && (m.key == nil && from.sharesKey(s) || m.key != nil && bytes.Equal(s.key.raw, m.key.raw)) {
				return s.m.entries, true, nil
			}
		}
	}
	if m.key == nil {
		return nil, false, nil
	}
	to, err := parseAccess(m.access)
	if err == nil {
		entries, err = to.seal(ctx, m.key, now)
	}
	if err != nil {
		return nil, false, fmt.Errorf("merge %s: %w", from.doc.File(), err)
	}
	return entries, true, nil
}

func (m *Merger) entryOf(from *side, recipient string) (entry, bool) {
	if m.fresh {
		return entry{}, false
	}
	for _, s := range append([]*side{from}, m.sides...) {
		same := s == from || from.sharesKey(s)
		if m.key != nil {
			same = bytes.Equal(s.key.raw, m.key.raw)
		}
		if i := slices.IndexFunc(s.m.entries, func(e entry) bool { return e.recipient == recipient }); same && i >= 0 && !s.m.Access.Grouped() {
			return s.m.entries[i], true
		}
	}
	return entry{}, false
}

// encrypt gives merged content with every secret encrypted with the key that is kept: what a side, or the base, encrypted
// with another one, and what is in plain text.
func (m *Merger) encrypt(merged *yamldoc.Doc) (*yamldoc.Doc, error) {
	var edits []yamldoc.Edit
	var faults diag.List
	for _, l := range selected(content(merged), &m.rule) {
		if isBlank(l.node) {
			continue
		}
		aad := additionalData(l.keys)
		if !isEncrypted(l.node) {
			plain, typ := plaintext(l.node, l.node.Directive != tree.None)
			sealed := tree.NewString(m.key.seal(plain, typ, aad))
			edits = append(edits, yamldoc.Edit{Path: l.path, Value: sealed})
			continue
		}
		if _, _, _, err := m.key.openText(l.node.Reveal(), aad); err == nil {
			continue
		}
		plain, typ, err := m.openAny(l.node.Reveal(), aad)
		if err != nil {
			faults = append(faults, finding(codeTampered, l.node.Pos, l.path.String(), err.Error(),
				"choose one of the sides, or set it again; an encrypted value opens only where it was encrypted"))
			continue
		}
		edits = append(edits, yamldoc.Edit{Path: l.path, Value: tree.NewString(m.key.seal(plain, typ, aad))})
	}
	if len(faults) > 0 {
		return nil, faults.Sorted()
	}
	return merged.Apply(edits...)
}

// openAny decrypts a value with the key of any version.
func (m *Merger) openAny(text, aad string) (plain []byte, typ string, err error) {
	for _, s := range append(slices.Clone(m.sides), m.base) {
		if s == nil || s.key == nil {
			continue
		}
		if _, plain, typ, err = s.key.openText(text, aad); err == nil {
			return plain, typ, nil
		}
	}
	return nil, "", err
}

// Reveal gives a value of the merge as people read it who may: decrypted, or as it is where it is plain. ok is false where
// it cannot be.
func (m *Merger) Reveal(keys []string, n *tree.Node) (shown *tree.Node, ok bool) {
	ok = true
	shown = mapLeaves(n, &rule{}, func(below []string, _ bool, n *tree.Node) *tree.Node {
		if !isEncrypted(n) {
			return n
		}
		aad := additionalData(slices.Concat(keys, below))
		for _, key := range m.keys() {
			if v, _, _, err := key.openText(n.Reveal(), aad); err == nil {
				n = n.WithText(v.kind, v.text)
				n.Secret = true
				return n
			}
		}
		ok = false
		return n
	})
	return shown, ok
}

func (m *Merger) keys() []*dataKey {
	var keys []*dataKey
	if m.key != nil {
		keys = append(keys, m.key)
	}
	for _, s := range append(slices.Clone(m.sides), m.base) {
		if s != nil && s.key != nil {
			keys = append(keys, s.key)
		}
	}
	return keys
}

// Encrypt gives a value for a key with what of it is secret in this file encrypted. It needs the key: the error is the
// [NoIdentityError] without it. A file without secrets encrypts nothing.
func (m *Merger) Encrypt(keys []string, value *tree.Node) (*tree.Node, error) {
	if len(m.sides) == 0 {
		return value, nil
	}
	needed := false
	matched := slices.ContainsFunc(keys, m.rule.matches)
	out := mapLeaves(value, &m.rule, func(below []string, selected bool, n *tree.Node) *tree.Node {
		if !(matched || selected) || m.rule.invert || isBlank(n) {
			return n
		}
		needed = true
		if m.key == nil {
			return n
		}
		plain, typ := plaintext(n, n.Directive != tree.None)
		sealed := tree.NewString(m.key.seal(plain, typ, additionalData(slices.Concat(keys, below))))
		sealed.Directive = n.Directive
		return sealed
	})
	if needed && m.key == nil {
		return nil, m.Locked
	}
	return out, nil
}

// withBlock gives content with a block behind it.
func withBlock(merged *yamldoc.Doc, block []byte) (*yamldoc.Doc, error) {
	src := bytes.Clone(merged.Source())
	if len(src) > 0 && src[len(src)-1] != '\n' {
		src = append(src, '\n')
	}
	done, err := yamldoc.Parse(merged.File(), append(src, block...))
	if err != nil {
		return nil, fmt.Errorf("add the sops block to the merged %s: %w", merged.File(), err)
	}
	return done, nil
}

// prove opens a result as a reader would.
func (m *Merger) prove(done, merged *yamldoc.Doc) error {
	meta, err := Inspect(done)
	if err != nil {
		return fmt.Errorf("check the merged %s: %w", done.File(), err)
	}
	if !meta.Access.Equal(m.access) {
		return fmt.Errorf("check the merged %s: its recipients are not those that were merged", done.File())
	}
	if _, err := open(done, meta, m.key, false); err != nil {
		return fmt.Errorf("check the merged %s: %w", done.File(), err)
	}
	if !tree.Identical(content(done), merged.Root()) {
		return fmt.Errorf("check the merged %s: its values are not those that were merged", done.File())
	}
	return nil
}
