// Package diff tells what differs between two configurations, in resolved terms and grouped by cause.
//
// [Trees] compares two trees and is pure. [Compare] compares two sides of a repository: the same addresses at two
// snapshots, where one edit that changes many addresses is one [Entry] with its reach, or two sets of addresses, where every
// pair gets its list of differing keys. The order of all results is a function of the input alone.
//
// No secret's value, nor its length, is in any result: secrets are compared as ciphertext, and where the keys are at hand
// by value, and only the outcome is kept ([SecretState]).
package diff

import (
	"slices"

	"github.com/llm-devops/lcm/pkg/tree"
)

// Kind says in which way a value differs. The values are part of the JSON output.
type Kind string

// The kinds.
const (
	Added     Kind = "added"
	Removed   Kind = "removed"
	Changed   Kind = "changed"
	Retyped   Kind = "type-changed" // another kind of value: a string became a list
	Respelled Kind = "respelled"    // the same number written in another way: 0.7 and 0.70
	Reordered Kind = "reordered"    // a list of the same items in another order
	Directive Kind = "directive"    // how the value merges: a tag added, removed or changed, tombstones included
)

// SecretState says what is known of a secret that differs. It is empty for values that are not secret.
type SecretState string

// The states.
const (
	SecretUnknown     SecretState = "unknown"     // other ciphertext, and no key to tell whether the value is another
	SecretChanged     SecretState = "changed"     // another value
	SecretReencrypted SecretState = "reencrypted" // the same value under other ciphertext
	SecretExposed     SecretState = "exposed"     // it was sealed and now lies in plain text
	SecretSealed      SecretState = "sealed"      // it lay in plain text and now is sealed
)

// Change is one difference of two trees.
type Change struct {
	// Path is the key in the new tree, or in the old one for what was removed. Items of lists of objects with an identity
	// (a name, an id) are matched by it: routes[name=primary].weight; others are by index.
	Path tree.Path
	Kind Kind
	Old  *tree.Node // nil for Added
	New  *tree.Node // nil for Removed
	// Secret is set where a scalar changed that is secret on either side; Old and New are then both marked secret.
	Secret SecretState
	// Item is the index of an added or removed list item in its list, new or old; -1 where the change is not of an item.
	Item int
}

// Trees gives the differences of two trees in document order of the new one, with what was removed after what is still
// there. Either tree may be nil. The old tree and the changes together determine the new tree, up to the order of map keys.
//
// Sealed secrets with the same ciphertext are the same. With other ciphertext they are Changed and [SecretUnknown].
func Trees(old, new *tree.Node) []Change {
	var d differ
	d.diff(nil, old, new, -1)
	return d.changes
}

type differ struct{ changes []Change }

func (d *differ) emit(p tree.Path, k Kind, old, new *tree.Node, item int) {
	d.changes = append(d.changes, Change{Path: p.Clone(), Kind: k, Old: old, New: new, Item: item})
}

func isTombstone(n *tree.Node) bool { return n != nil && n.Directive == tree.Delete }

func (d *differ) diff(p tree.Path, old, new *tree.Node, item int) {
	switch {
	case isTombstone(old) || isTombstone(new):
		if isTombstone(old) != isTombstone(new) {
			d.emit(p, Directive, old, new, item)
		}
		return
	case old == nil && new == nil:
		return
	case old == nil:
		d.emit(p, Added, nil, new, item)
		return
	case new == nil:
		d.emit(p, Removed, old, nil, item)
		return
	}
	if old.Directive != new.Directive {
		d.emit(p, Directive, old, new, -1)
	}
	switch {
	case old.Kind == tree.Map && new.Kind == tree.Map:
		d.maps(p, old, new)
	case old.Kind == tree.List && new.Kind == tree.List:
		d.lists(p, old, new)
	case old.Kind.IsScalar() && new.Kind.IsScalar() && (old.Secret || new.Secret):
		d.secrets(p, old, new)
	default:
		if k := scalarKind(old, new); k != "" {
			d.emit(p, k, old, new, -1)
		}
	}
}

// scalarKind gives how two values differ that are not both maps or both lists, "" if they do not.
func scalarKind(old, new *tree.Node) Kind {
	if old.Kind == new.Kind && old.Reveal() == new.Reveal() {
		return ""
	}
	if a, ok := old.Number(); ok {
		if b, ok := new.Number(); ok {
			if a.Cmp(b) == 0 {
				return Respelled
			}
			return Changed
		}
	}
	if old.Kind != new.Kind && !(isNumber(old) && isNumber(new)) {
		return Retyped
	}
	return Changed
}

func isNumber(n *tree.Node) bool { return n.Kind == tree.Int || n.Kind == tree.Float }

func (d *differ) secrets(p tree.Path, old, new *tree.Node) {
	state := SecretUnknown
	switch {
	case old.Sealed && new.Sealed:
		if old.Reveal() == new.Reveal() {
			return
		}
	case old.Sealed:
		state = SecretExposed
	case new.Sealed:
		state = SecretSealed
	default:
		if old.Kind == new.Kind && old.Reveal() == new.Reveal() {
			return
		}
		state = SecretChanged
	}
	d.changes = append(d.changes, Change{Path: p.Clone(), Kind: Changed, Old: masked(old), New: masked(new), Secret: state, Item: -1})
}

// masked gives n as a secret: what is secret on one side is not shown on the other either.
func masked(n *tree.Node) *tree.Node {
	if n == nil || n.Secret {
		return n
	}
	c := n.Clone()
	c.Secret = true
	return c
}

func (d *differ) maps(p tree.Path, old, new *tree.Node) {
	for _, f := range new.Fields() {
		d.diff(append(p, tree.Key(f.Key)), old.Field(f.Key), f.Value, -1)
	}
	for _, f := range old.Fields() {
		if new.Field(f.Key) == nil {
			d.diff(append(p, tree.Key(f.Key)), f.Value, nil, -1)
		}
	}
}

func (d *differ) lists(p tree.Path, old, new *tree.Node) {
	if key := identityField(old.Items(), new.Items()); key != "" {
		d.keyedLists(p, old, new, key)
		return
	}
	pairs := align(old.Items(), new.Items())
	if sameItems(old.Items(), new.Items(), pairs) {
		d.emit(p, Reordered, old, new, -1)
		return
	}
	for _, pair := range pairs {
		switch {
		case pair.old < 0:
			d.diff(append(p, tree.Index(pair.new)), nil, new.Items()[pair.new], pair.new)
		case pair.new < 0:
			d.diff(append(p, tree.Index(pair.old)), old.Items()[pair.old], nil, pair.old)
		default:
			d.diff(append(p, tree.Index(pair.new)), old.Items()[pair.old], new.Items()[pair.new], pair.new)
		}
	}
}

// keyedLists compares lists whose items are known by a field.
func (d *differ) keyedLists(p tree.Path, old, new *tree.Node, key string) {
	at := make(map[string]int, old.Len())
	for i, item := range old.Items() {
		at[item.Field(key).Text()] = i
	}
	var order []int
	kept := make(map[int]bool, old.Len())
	for i, item := range new.Items() {
		id := item.Field(key).Text()
		o, ok := at[id]
		step := tree.Match(key, id)
		if !ok {
			d.diff(append(p, step), nil, item, i)
			continue
		}
		kept[o] = true
		order = append(order, o)
		d.diff(append(p, step), old.Items()[o], item, i)
	}
	for i, item := range old.Items() {
		if !kept[i] {
			d.diff(append(p, tree.Match(key, item.Field(key).Text())), item, nil, i)
		}
	}
	if !slices.IsSorted(order) {
		d.emit(p, Reordered, old, new, -1)
	}
}
