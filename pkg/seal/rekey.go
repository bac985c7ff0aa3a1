package seal

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// Rekey changes who can open a document: it becomes encrypted to those of access, those that it has staying in its order. The
// data key stays unless newDataKey is set; then every secret is encrypted anew, with a new mac and lastmodified. Whoever
// could open the file before knows the old data key: take a recipient out with a new one, and change the secrets at their
// source. Where there are key groups, all of them get new shares. A document without secrets, or one that already is as wanted, comes back as it is. Errors are as of [Open].
func Rekey(ctx context.Context, doc *yamldoc.Doc, access Access, k *Keyring, newDataKey bool, now time.Time) (*yamldoc.Doc, error) {
	m, err := Inspect(doc)
	if err != nil {
		return nil, err
	}
	if m == nil {
		return doc, nil
	}
	if err := rekeyFaults(doc, m, newDataKey); err != nil {
		return nil, err
	}
	to, err := parseAccess(access)
	if err != nil {
		return nil, fmt.Errorf("rekey %s: %w", doc.File(), err)
	}
	if !newDataKey && m.sealedTo(to.access) {
		return doc, nil
	}
	key, err := k.dataKey(ctx, m)
	if err != nil {
		return nil, err
	}
	defer key.wipe()
	root, err := open(doc, m, key, false)
	if err != nil {
		return nil, err
	}
	if now.IsZero() {
		now = time.Now()
	}
	var edits []yamldoc.Edit
	if newDataKey {
		if key, edits, err = reseal(doc, m, key, now); err != nil {
			return nil, err
		}
		defer key.wipe()
	}
	entries, err := entriesFor(ctx, m, to, key, newDataKey, now)
	if err != nil {
		return nil, fmt.Errorf("rekey %s: %w", doc.File(), err)
	}
	edits = append(edits, entryEdits(m, entries, to.access)...)
	done, err := doc.Apply(edits...)
	if err != nil {
		return nil, err
	}
	if err := proveRekey(done, root, to.access, key); err != nil {
		return nil, err
	}
	return done, nil
}

// rekeyFaults refuses the files that would lose something.
func rekeyFaults(doc *yamldoc.Doc, m *Metadata, newDataKey bool) error {
	switch {
	case m.otherKeys != "":
		return diag.List{finding(codeRekey, m.Pos, blockKey+"."+m.otherKeys,
			fmt.Sprintf("the file is encrypted to %s keys too, which cannot be renewed here", m.otherKeys),
			"use sops updatekeys or sops rotate on this file")}
	case newDataKey && bytes.Contains(doc.Source(), []byte(encryptedComment)):
		line := 1 + bytes.Count(doc.Source()[:bytes.Index(doc.Source(), []byte(encryptedComment))], []byte("\n"))
		return diag.List{finding(codeRekey, diag.Position{File: doc.File(), Line: line}, "",
			"an encrypted comment cannot be encrypted with a new data key here",
			"remove the comments in encrypted maps with sops edit, or use sops rotate on this file")}
	}
	return nil
}

// sealedTo reports whether a file has this access, and each key of it once in its group.
func (m *Metadata) sealedTo(a Access) bool {
	n := 0
	for _, group := range a.Groups {
		n += len(group)
	}
	return n == len(m.entries) && m.Access.Equal(a)
}

// reseal encrypts every secret, and the mac, with a new data key. The mac itself stays: the values do.
func reseal(doc *yamldoc.Doc, m *Metadata, old *dataKey, now time.Time) (*dataKey, []yamldoc.Edit, error) {
	key, err := newDataKey()
	if err != nil {
		return nil, nil, err
	}
	var edits []yamldoc.Edit
	for _, l := range selected(content(doc), &m.rule) {
		if isBlank(l.node) {
			continue
		}
		e, err := parseENC(l.node.Reveal())
		if err != nil {
			return nil, nil, err
		}
		plain, err := old.open(e, additionalData(l.keys))
		if err != nil {
			return nil, nil, err
		}
		sealed := tree.NewString(key.seal(plain, e.typ, additionalData(l.keys)))
		edits = append(edits, yamldoc.Edit{Path: l.path, Value: sealed})
	}
	mac, err := openMAC(m, old)
	if err != nil {
		return nil, nil, err
	}
	at := timeText(now)
	return key, append(edits, blockEdit("lastmodified", at), blockEdit("mac", key.seal(mac, typeStr, at))), nil
}

// entriesFor gives the data key as it is encrypted to each recipient. Without a new data key, what is sealed to a recipient that
// stays is kept: one need not be able to seal to everybody's hardware token to add one recipient. Shares are of one splitting,
// and all new.
func entriesFor(ctx context.Context, m *Metadata, to audience, key *dataKey, all bool, now time.Time) ([]entry, error) {
	if all || to.access.Grouped() || m.Access.Grouped() {
		return to.inOrderOf(m).seal(ctx, key, now)
	}
	have := map[string]entry{}
	for _, e := range m.entries {
		if _, ok := have[e.recipient]; !ok {
			have[e.recipient] = e
		}
	}
	var entries []entry
	for _, r := range to.inOrderOf(m).groups[0] {
		e, ok := have[r.String()]
		if !ok {
			var err error
			if e, err = r.entry(ctx, key.raw, now); err != nil {
				return nil, err
			}
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// inOrderOf gives the recipients that a file without groups has in its order, then the others.
func (t audience) inOrderOf(m *Metadata) audience {
	if t.access.Grouped() || m.Access.Grouped() {
		return t
	}
	at := func(r Recipient) int {
		if i := slices.Index(m.Recipients, r.String()); i >= 0 {
			return i
		}
		return len(m.Recipients)
	}
	group := slices.Clone(t.groups[0])
	slices.SortStableFunc(group, func(a, b Recipient) int { return cmp.Compare(at(a), at(b)) })
	return audience{t.access, [][]Recipient{group}}
}

// entryEdits gives the edits of a block that make these its entries.
func entryEdits(m *Metadata, entries []entry, access Access) []yamldoc.Edit {
	var edits []yamldoc.Edit
	before := make(map[string]bool)
	for _, e := range m.entries {
		before[e.kind] = before[e.kind] || !m.grouped
	}
	lists := map[string]*tree.Node{}
	if !access.Grouped() {
		lists = entryLists(entries, 0)
	}
	for _, list := range [...]string{ageKey, pgpKey, transitList} {
		if lists[list] != nil || before[list] {
			edits = append(edits, yamldoc.Edit{Path: tree.Keys(blockKey, list), Value: lists[list]})
		}
	}
	switch {
	case access.Grouped():
		groups := make([]*tree.Node, len(access.Groups))
		for i := range groups {
			groups[i] = entryMap(entryLists(entries, i))
		}
		edits = append(edits, yamldoc.Edit{Path: tree.Keys(blockKey, keyGroups), Value: tree.NewList(groups...)},
			yamldoc.Edit{Path: tree.Keys(blockKey, shamirThreshold), Value: tree.NewInt(int64(access.Threshold))})
	case m.grouped:
		edits = append(edits, yamldoc.Edit{Path: tree.Keys(blockKey, keyGroups)})
		if m.hasThreshold {
			edits = append(edits, yamldoc.Edit{Path: tree.Keys(blockKey, shamirThreshold)})
		}
	}
	return edits
}

// entryLists gives the entries of a group as the lists of the block.
func entryLists(entries []entry, group int) map[string]*tree.Node {
	items := map[string][]*tree.Node{}
	for _, e := range entries {
		if e.group == group {
			items[e.kind] = append(items[e.kind], e.node())
		}
	}
	lists := map[string]*tree.Node{}
	for kind, of := range items {
		lists[kind] = tree.NewList(of...)
	}
	return lists
}

// entryMap gives the lists of a group in SOPS's order.
func entryMap(lists map[string]*tree.Node) *tree.Node {
	var fields []tree.Field
	for _, key := range slices.Sorted(maps.Keys(lists)) {
		fields = append(fields, tree.Field{Key: key, Value: lists[key]})
	}
	return tree.NewMap(fields...)
}

// proveRekey opens a result with its data key and compares it with what was meant.
func proveRekey(done *yamldoc.Doc, want *tree.Node, access Access, key *dataKey) error {
	m, err := Inspect(done)
	if err != nil {
		return fmt.Errorf("check the rekeyed %s: %w", done.File(), err)
	}
	if m == nil || !m.sealedTo(access) {
		return fmt.Errorf("check the rekeyed %s: %w", done.File(), errors.New("its recipients are not those that were set"))
	}
	got, err := open(done, m, key, false)
	if err != nil {
		return fmt.Errorf("check the rekeyed %s: %w", done.File(), err)
	}
	if !tree.Identical(got, want) {
		return fmt.Errorf("check the rekeyed %s: %w", done.File(), errors.New("its values are not what they were"))
	}
	return nil
}
