package seal

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Access says who opens a file: anybody with one of the keys, or where there are several groups, people who together have keys
// of Threshold of them. The data key is then split by Shamir's secret sharing, one share a group.
type Access struct {
	Groups    [][]string // canonical recipients, as of [Recipient]
	Threshold int        // of how many groups it takes a key; 0 where there is one
}

// AccessOf gives the access of recipients who open a file each alone.
func AccessOf(recipients ...string) Access { return Access{Groups: [][]string{recipients}} }

// Grouped reports whether it takes keys of several groups.
func (a Access) Grouped() bool { return len(a.Groups) > 1 }

// Recipients gives everybody, each once, in order.
func (a Access) Recipients() []string {
	var out []string
	for _, group := range a.Groups {
		for _, r := range group {
			if !slices.Contains(out, r) {
				out = append(out, r)
			}
		}
	}
	return out
}

// String says what it takes to open a file: "one key", or "keys of 2 of 3 groups".
func (a Access) String() string {
	if !a.Grouped() {
		return "one key"
	}
	return fmt.Sprintf("keys of %d of %d groups", a.Threshold, len(a.Groups))
}

// Check says what is wrong with it; nil if it can be sealed to.
func (a Access) Check() error {
	if a.Grouped() && slices.ContainsFunc(a.Groups, func(g []string) bool { return len(g) == 0 }) {
		return errors.New("a key group has no key")
	}
	return a.checkThreshold()
}

func (a Access) checkThreshold() error {
	const most = 255 // shares that Shamir's scheme has over bytes
	switch n := len(a.Groups); {
	case n > most:
		return fmt.Errorf("there are %d key groups, and %d at most can be", n, most)
	case n > 1 && a.Threshold == 0:
		return fmt.Errorf("there are %d key groups, and nothing says of how many it takes a key: from 2 to %d", n, n)
	case n > 1 && (a.Threshold < 2 || a.Threshold > n):
		return fmt.Errorf("the threshold of %d key groups is %d: it must be from 2 to %d", n, a.Threshold, n)
	}
	return nil
}

// Equal reports whether two are the same, whatever the order.
func (a Access) Equal(b Access) bool {
	return a.Grouped() == b.Grouped() && (!a.Grouped() || a.Threshold == b.Threshold) && slices.Equal(a.sorted(), b.sorted())
}

// sorted gives the groups, each as a text.
func (a Access) sorted() []string {
	out := make([]string, 0, len(a.Groups))
	for _, group := range a.Groups {
		if !a.Grouped() && len(group) == 0 {
			continue // nobody, however it is said
		}
		out = append(out, strings.Join(slices.Compact(slices.Sorted(slices.Values(group))), "\n"))
	}
	slices.Sort(out)
	return out
}

// Within reports whether whoever opens a file with this access opens one with the other, too. It errs on the side of no.
func (a Access) Within(b Access) bool {
	switch {
	case a.Equal(b):
		return true
	case !b.Grouped():
		all := b.Recipients()
		return !slices.ContainsFunc(a.Recipients(), func(r string) bool { return !slices.Contains(all, r) })
	case !a.Grouped():
		return !slices.ContainsFunc(a.Recipients(), func(r string) bool { return !b.OpensWith(r) })
	case len(a.Groups) != len(b.Groups) || a.Threshold < b.Threshold:
		return false
	}
	for i, group := range a.Groups {
		if slices.ContainsFunc(group, func(r string) bool { return !slices.Contains(b.Groups[i], r) }) {
			return false
		}
	}
	return true
}

// OpensWith reports whether these keys alone open it.
func (a Access) OpensWith(keys ...string) bool {
	n := a.groupsOf(keys...)
	return n > 0 && n >= a.Threshold
}

// mergeAccess gives who opens a file after a merge: those that stay and those that came; who was taken out on one side is
// out. Where both sides changed how many groups there are, or how many it takes, ok is false.
func mergeAccess(base *Access, ours, theirs Access) (merged Access, ok bool) {
	switch {
	case ours.Equal(theirs), base != nil && theirs.Equal(*base):
		return ours, true
	case base != nil && ours.Equal(*base):
		return theirs, true
	case len(ours.Groups) != len(theirs.Groups) || ours.Threshold != theirs.Threshold:
		return Access{}, false
	case !ours.Grouped():
		var before []string
		if base != nil {
			before = base.Recipients()
		}
		return AccessOf(mergeRecipients(before, ours.Recipients(), theirs.Recipients())...), base == nil || !base.Grouped()
	case base == nil || len(base.Groups) != len(ours.Groups):
		return Access{}, false
	}
	left, ok1 := ours.alignedTo(*base)
	right, ok2 := theirs.alignedTo(*base)
	if !ok1 || !ok2 {
		return Access{}, false
	}
	merged.Threshold = ours.Threshold
	for i, group := range base.Groups {
		merged.Groups = append(merged.Groups, mergeRecipients(group, left[i], right[i]))
	}
	for _, r := range merged.Recipients() { // moved on one side, named on the other: neither meant both
		if merged.groupsOf(r) > max(ours.groupsOf(r), theirs.groupsOf(r)) {
			return Access{}, false
		}
	}
	return merged, merged.Check() == nil
}

// groupsOf counts the groups that some keys are of.
func (a Access) groupsOf(keys ...string) int {
	n := 0
	for _, group := range a.Groups {
		if slices.ContainsFunc(group, func(r string) bool { return slices.Contains(keys, r) }) {
			n++
		}
	}
	return n
}

// alignedTo gives the groups in the order of those that they were: the one with which each has most in common, or the one in its
// place. Groups have no names, and ok is false where two were the same.
func (a Access) alignedTo(base Access) (groups [][]string, ok bool) {
	groups = make([][]string, len(base.Groups))
	for i, group := range a.Groups {
		best := i
		for j, before := range base.Groups {
			if common(group, before) > common(group, base.Groups[best]) {
				best = j
			}
		}
		if groups[best] != nil {
			return nil, false
		}
		groups[best] = group
	}
	return groups, true
}

// common counts what two lists have in common.
func common(a, b []string) int {
	n := 0
	for _, text := range a {
		if slices.Contains(b, text) {
			n++
		}
	}
	return n
}

// mergeRecipients merges the recipients of one group.
func mergeRecipients(base, ours, theirs []string) []string {
	var out []string
	for _, r := range slices.Concat(ours, theirs) {
		gone := slices.Contains(base, r) && (!slices.Contains(ours, r) || !slices.Contains(theirs, r))
		if !gone && !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	return out
}
