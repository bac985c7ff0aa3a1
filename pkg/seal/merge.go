package seal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// Versions are the three states of one file in a merge. Base is nil where the sides have no common ancestor.
type Versions struct {
	Base, Ours, Theirs *yamldoc.Doc
}

// Merger merges what is encrypted of one file: the contents it gives can be compared and mixed as if nothing were, and
// [Merger.Seal] makes a file of the outcome.
type Merger struct {
	// Contents are the versions without their sops blocks. With the key, all values are encrypted with the data key that
	// is kept, and a secret has the same ciphertext in all versions where its value is the same. Without it, the
	// ciphertexts are as they were.
	Contents Versions
	// Locked says why nothing could be decrypted; nil with a key, and where there is nothing to decrypt.
	Locked *NoIdentityError

	sides  []*side // the one whose block is kept first; those without a block are left out
	base   *side   // nil without a block
	rule   rule
	access Access
	key    *dataKey
	fresh  bool // key is none of the sides'
}

// side is one version that has a block.
type side struct {
	doc     *yamldoc.Doc
	content *yamldoc.Doc
	block   []byte // the text of the block
	m       *Metadata
	key     *dataKey
}

// NewMerger prepares a merge. With an identity that opens both sides their MACs are checked, so that what was changed
// without the key in one of them does not become good by merging. shared gives the recipients that say nothing about whose a
// file is, since several tenants have them; nil is none.
//
// It fails for what cannot be merged safely: sides that are encrypted to nobody in common (another tenant's file, that Git
// took for this one renamed), a MAC over plain values, a file that is broken. The errors are those of [Open].
func NewMerger(ctx context.Context, v Versions, k *Keyring, shared func() []string) (*Merger, error) {
	m := &Merger{}
	ours, err := sideOf(v.Ours)
	if err != nil {
		return nil, err
	}
	theirs, err := sideOf(v.Theirs)
	if err != nil {
		return nil, err
	}
	m.Contents = Versions{Ours: ours.content, Theirs: theirs.content}
	if v.Base != nil {
		if m.base, err = sideOf(v.Base); err != nil {
			return nil, err
		}
		m.Contents.Base = m.base.content
		if m.base.m == nil {
			m.base = nil
		}
	}
	for _, s := range []*side{ours, theirs} {
		if s.m != nil {
			m.sides = append(m.sides, s)
		}
	}
	if len(m.sides) == 0 {
		return m, nil
	}
	if err := m.chooseRule(); err != nil {
		return nil, err
	}
	if err := m.mergeAccess(); err != nil {
		return nil, err
	}
	if len(m.sides) == 2 && !ours.sharesKey(theirs) && !haveCommon(ours.m.Recipients, theirs.m.Recipients, shared) {
		return nil, diag.List{finding(codeMixed, theirs.m.Pos, blockKey,
			"the two sides are encrypted to nobody in common: Git may have taken another owner's file for this one renamed",
			"set the secrets that are meant again, with lcm set; none is carried from one owner to another")}
	}
	if err = m.unlock(ctx, k); err == nil && m.Locked == nil {
		err = m.align(ours, theirs)
	}
	if err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

func sideOf(doc *yamldoc.Doc) (*side, error) {
	m, err := Inspect(doc)
	if err != nil {
		return nil, err
	}
	s := &side{doc: doc, m: m, content: doc}
	if m == nil {
		return s, nil
	}
	if !m.MACOnlyEncrypted {
		return nil, diag.List{finding(codeUnsupported, m.Pos, blockKey,
			"the file's mac covers its plain values too (mac_only_encrypted is not set), so it cannot be merged by key", convertHint(doc.File()))}
	}
	if err := aliasFaults(doc, &m.rule); err != nil {
		return nil, err
	}
	src := doc.Source()
	at := lineOffset(src, m.Pos.Line)
	fields := doc.Root().Fields()
	if fields[len(fields)-1].Key == blockKey && m.Pos.Column == 1 {
		s.block = src[at:]
		if s.content, err = yamldoc.Parse(doc.File(), slices.Clip(src[:at])); err == nil {
			return s, nil
		}
	}
	if s.content, err = doc.Apply(yamldoc.Edit{Path: tree.Keys(blockKey)}); err != nil {
		return nil, err
	}
	alone, err := yamldoc.New(doc.File(), tree.NewMap(tree.Field{Key: blockKey, Value: doc.Root().Field(blockKey)}))
	if err != nil {
		return nil, err
	}
	s.block = alone.Source()
	return s, nil
}

// Content gives a document without its sops block.
func Content(doc *yamldoc.Doc) (*yamldoc.Doc, error) {
	s, err := sideOf(doc)
	if err != nil {
		return nil, err
	}
	return s.content, nil
}

// lineOffset gives where a line, counted from 1, starts.
func lineOffset(src []byte, line int) int {
	at := 0
	for ; line > 1; line-- {
		i := bytes.IndexByte(src[at:], '\n')
		if i < 0 {
			return len(src)
		}
		at += i + 1
	}
	return at
}

// sharesKey reports whether two sides are known to have the same data key, without opening either.
func (s *side) sharesKey(t *side) bool {
	if s.key != nil && t.key != nil {
		return bytes.Equal(s.key.raw, t.key.raw)
	}
	return slices.ContainsFunc(s.m.entries, func(e entry) bool {
		return slices.ContainsFunc(t.m.entries, func(f entry) bool {
			return e.recipient == f.recipient && strings.TrimSpace(e.enc) == strings.TrimSpace(f.enc)
		})
	})
}

// haveCommon reports whether two files have a recipient in common, of those that are not shared among tenants. Where both
// have shared ones only, those count.
func haveCommon(a, b []string, shared func() []string) bool {
	var out []string
	if shared != nil {
		out = shared()
	}
	isShared := func(r string) bool { return slices.Contains(out, r) }
	ownA := slices.DeleteFunc(slices.Clone(a), isShared)
	ownB := slices.DeleteFunc(slices.Clone(b), isShared)
	if len(ownA) == 0 && len(ownB) == 0 {
		ownA, ownB = a, b
	}
	return slices.ContainsFunc(ownA, func(r string) bool { return slices.Contains(ownB, r) })
}

// chooseRule finds what is encrypted in the outcome: all that is in one of the sides.
func (m *Merger) chooseRule() error {
	m.rule = m.sides[0].m.rule
	if len(m.sides) == 1 {
		return nil
	}
	a, b := &m.sides[0].m.rule, &m.sides[1].m.rule
	switch {
	case a.option == b.option && a.pattern == b.pattern:
		return nil
	case a.option != encryptedRegex || b.option != encryptedRegex:
		return diag.List{finding(codeUnsupported, m.sides[1].m.Pos, blockKey,
			fmt.Sprintf("the sides select their secrets in two ways, by %s and by %s", a.option, b.option), convertHint(m.sides[1].doc.File()))}
	}
	var err error
	if b.names != nil {
		var names []string
		for name := range b.names {
			names = append(names, name)
		}
		m.rule, err = a.extend(names)
	} else {
		m.rule, err = newRule(encryptedRegex, "(?:"+a.pattern+")|(?:"+b.pattern+")")
	}
	return err
}

// mergeAccess finds who opens the outcome.
func (m *Merger) mergeAccess() error {
	m.access = m.sides[0].m.Access
	if len(m.sides) == 1 {
		return nil
	}
	var base *Access
	if m.base != nil {
		base = &m.base.m.Access
	}
	var ok bool
	if m.access, ok = mergeAccess(base, m.access, m.sides[1].m.Access); !ok {
		return diag.List{finding(codeMixed, m.sides[1].m.Pos, blockKey+"."+keyGroups,
			"the two sides are encrypted to different key groups, both of them other than before",
			"take one side's file, set what the other side changed again, and bring the file in line with the tenant's policy: lcm keys sync")}
	}
	return nil
}

// unlock gets the data keys of the sides and checks what they sealed.
func (m *Merger) unlock(ctx context.Context, k *Keyring) error {
	for _, s := range m.sides {
		key, err := k.dataKey(ctx, s.m)
		if locked, ok := errors.AsType[*NoIdentityError](err); ok {
			m.Locked = locked
			return nil
		}
		if err != nil {
			return err
		}
		s.key = key
		if _, err := open(s.doc, s.m, key, false); err != nil {
			return err
		}
	}
	if m.base != nil {
		// One who came later may not open what was before; then nothing of it is compared.
		if key, err := k.dataKey(ctx, m.base.m); err == nil {
			m.base.key = key
		} else if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return m.chooseKey()
}

// chooseKey keeps the data key of a side that nobody who is out knows, or makes a new one. That a side took somebody out and
// left the data key as it was is its own choice.
func (m *Merger) chooseKey() error {
	knowsNobodyOut := func(s *side) bool { return s.m.Access.Within(m.access) }
	if len(m.sides) == 2 && !m.sides[0].sharesKey(m.sides[1]) && !knowsNobodyOut(m.sides[0]) {
		slices.Reverse(m.sides)
		if !knowsNobodyOut(m.sides[0]) {
			slices.Reverse(m.sides)
			m.fresh = true
			var err error
			m.key, err = newDataKey()
			return err
		}
	}
	m.key = m.sides[0].key
	return nil
}

// align encrypts the values of all versions with the key that is kept, each with one ciphertext wherever it is the same.
func (m *Merger) align(ours, theirs *side) error {
	known := map[hadKey]string{}
	kept := map[string]bool{} // what the side that is kept has, which stays as it is
	for i, s := range append(slices.Clone(m.sides), m.base) {
		if s == nil || s.key == nil {
			continue
		}
		stays := i == 0 && !m.fresh
		if s != m.base && (m.fresh || !bytes.Equal(s.key.raw, m.key.raw)) {
			if err := rekeyFaults(s.doc, s.m, true); err != nil {
				return err
			}
		}
		var edits []yamldoc.Edit
		for _, l := range selected(content(s.doc), &s.m.rule) {
			if !isEncrypted(l.node) {
				continue
			}
			aad, text := additionalData(l.keys), l.node.Reveal()
			v, plain, typ, err := s.key.openText(text, aad)
			if err != nil {
				if s == m.base {
					continue // its mac was not checked; it is compared, never written
				}
				return diag.List{finding(codeTampered, l.node.Pos, l.path.String(), err.Error(), hintValue)}
			}
			id := hadKey{aad, v.kind, v.text}
			if stays {
				kept[aad+text] = true
			}
			if _, ok := known[id]; !ok {
				known[id] = text
				if m.fresh || !bytes.Equal(s.key.raw, m.key.raw) {
					known[id] = m.key.seal(plain, typ, aad)
				}
			}
			if sealed := known[id]; !kept[aad+text] && sealed != text {
				edits = append(edits, yamldoc.Edit{Path: l.path, Value: tree.NewString(sealed)})
			}
		}
		done, err := s.content.Apply(edits...)
		if err != nil {
			return err
		}
		s.content = done
	}
	m.Contents.Ours, m.Contents.Theirs = ours.content, theirs.content
	if m.base != nil {
		m.Contents.Base = m.base.content
	}
	return nil
}

// openText decrypts one value as it stands in a file.
func (k *dataKey) openText(text, aad string) (v opened, plain []byte, typ string, err error) {
	e, err := parseENC(text)
	if err != nil {
		return v, nil, "", errors.New("the encrypted value is malformed")
	}
	if plain, err = k.open(e, aad); err != nil {
		return v, nil, "", err
	}
	v, err = typed(plain, e.typ)
	return v, plain, e.typ, err
}
