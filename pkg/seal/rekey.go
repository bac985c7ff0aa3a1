package seal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// Rekey changes who can open a document: it becomes encrypted to recipients, those that it has staying in its order. The
// data key stays unless newDataKey is set; then every secret is encrypted anew, with a new mac and lastmodified. Whoever
// could open the file before knows the old data key: take a recipient out with a new one, and change the secrets at their
// source. A document without secrets, or one that already is as wanted, comes back as it is. Errors are as of [Open].
func Rekey(ctx context.Context, doc *yamldoc.Doc, recipients []string, k *Keyring, newDataKey bool, now time.Time) (*yamldoc.Doc, error) {
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
	to, err := parseRecipients(recipients)
	if err != nil {
		return nil, fmt.Errorf("rekey %s: %w", doc.File(), err)
	}
	wanted := make([]string, len(to))
	for i, r := range to {
		wanted[i] = r.String()
	}
	if !newDataKey && sameSet(wanted, m.Recipients) {
		return doc, nil
	}
	key, err := k.dataKey(ctx, m)
	if err != nil {
		return nil, err
	}
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
	}
	entries, err := entriesFor(ctx, m, to, key, newDataKey, now)
	if err != nil {
		return nil, fmt.Errorf("rekey %s: %w", doc.File(), err)
	}
	edits = append(edits, entryEdits(m, entries)...)
	done, err := doc.Apply(edits...)
	if err != nil {
		return nil, err
	}
	if err := proveRekey(done, root, wanted, key); err != nil {
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

// sameSet reports whether two lists hold the same texts.
func sameSet(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(slices.Compact(a), slices.Compact(b)) && len(a) == len(b)
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
// stays is kept: one need not be able to seal to everybody's hardware token to add one recipient.
func entriesFor(ctx context.Context, m *Metadata, to []Recipient, key *dataKey, all bool, now time.Time) ([]entry, error) {
	byText := make(map[string]Recipient, len(to))
	for _, r := range to {
		byText[r.String()] = r
	}
	var entries []entry
	add := func(r Recipient) error {
		e, err := r.entry(ctx, key, now)
		entries = append(entries, e)
		return err
	}
	for _, e := range m.entries {
		r, ok := byText[e.recipient]
		if !ok {
			continue
		}
		delete(byText, e.recipient)
		if !all {
			entries = append(entries, e)
		} else if err := add(r); err != nil {
			return nil, err
		}
	}
	for _, r := range to {
		if _, ok := byText[r.String()]; ok {
			if err := add(r); err != nil {
				return nil, err
			}
		}
	}
	return entries, nil
}

// entryEdits gives the edits of a block that make these its entries.
func entryEdits(m *Metadata, entries []entry) []yamldoc.Edit {
	var edits []yamldoc.Edit
	for _, list := range [...]string{ageKey, pgpKey, transitList} {
		var items []*tree.Node
		for _, e := range entries {
			if e.kind == list {
				items = append(items, e.node())
			}
		}
		edit := yamldoc.Edit{Path: tree.Keys(blockKey, list)}
		if len(items) > 0 {
			edit.Value = tree.NewList(items...)
		} else if !slices.ContainsFunc(m.entries, func(e entry) bool { return e.kind == list }) {
			continue
		}
		edits = append(edits, edit)
	}
	return edits
}

// proveRekey opens a result with its data key and compares it with what was meant.
func proveRekey(done *yamldoc.Doc, want *tree.Node, recipients []string, key *dataKey) error {
	m, err := Inspect(done)
	if err != nil {
		return fmt.Errorf("check the rekeyed %s: %w", done.File(), err)
	}
	if m == nil || !sameSet(m.Recipients, recipients) {
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
