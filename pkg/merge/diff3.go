package merge

import (
	"slices"
	"strings"

	"github.com/sergi/go-diff/diffmatchpatch"
)

// touching says what two changes beside each other, or two insertions at one place, are.
type touching int

const (
	mayTouch        touching = iota // both are made, ours first: for text whose values are compared afterwards
	oursAndComments                 // ours is made, with the comments of theirs before it: both may insert the same keys
	conflict                        // a conflict: for what only its order gives a meaning
)

// hunk is a change of base[from:to] to other[start:end].
type hunk struct {
	from, to, start, end int
	theirs               bool
}

// diff3 merges two changes of a sequence. Where both changed the same place in different ways, ours is taken and ok is false.
func diff3(base, ours, theirs []string, t touching) (merged []string, ok bool) {
	ids := map[string]rune{}
	b, o, h := intern(ids, base), intern(ids, ours), intern(ids, theirs)
	hunks := slices.Concat(hunksOf(b, o, false), hunksOf(b, h, true))
	slices.SortStableFunc(hunks, func(x, y hunk) int {
		if x.from != y.from {
			return x.from - y.from
		}
		return x.to - y.to
	})
	ok = true
	at := 0
	for i := 0; i < len(hunks); {
		j, end := i+1, hunks[i].to
		for j < len(hunks) && overlaps(hunks[i:j], end, hunks[j], t) {
			end = max(end, hunks[j].to)
			j++
		}
		merged = append(merged, base[at:hunks[i].from]...)
		part, clean := mergeHunks(base, ours, theirs, hunks[i:j], end, t)
		merged = append(merged, part...)
		ok = ok && clean
		at, i = end, j
	}
	return append(merged, base[at:]...), ok
}

// overlaps reports whether a hunk belongs to those before it, which end at end in base.
func overlaps(before []hunk, end int, h hunk, t touching) bool {
	switch {
	case h.from < end:
		return true
	case h.from > end:
		return false
	case t != mayTouch:
		return true
	}
	// Two insertions at one place, which may be the same one.
	first := before[0]
	return first.from == end && h.to == h.from
}

// mergeHunks gives what stands for base[hunks[0].from:end].
func mergeHunks(base, ours, theirs []string, hunks []hunk, end int, t touching) (part []string, ok bool) {
	from := hunks[0].from
	o, changedO := side(base, ours, hunks, from, end, false)
	h, changedT := side(base, theirs, hunks, from, end, true)
	switch {
	case !changedT || slices.Equal(o, h):
		return o, true
	case !changedO:
		return h, true
	case t == mayTouch && from == end:
		return slices.Concat(o, h), true
	case t == oursAndComments:
		known := slices.Concat(base[from:end], o)
		return append(slices.DeleteFunc(h, func(l string) bool { return !isComment(l) || slices.Contains(known, l) }), o...), false
	}
	return o, false
}

// side gives base[from:end] with the hunks of one side made.
func side(base, other []string, hunks []hunk, from, end int, theirs bool) (part []string, changed bool) {
	at := from
	for _, h := range hunks {
		if h.theirs != theirs {
			continue
		}
		part = append(append(part, base[at:h.from]...), other[h.start:h.end]...)
		at, changed = h.to, true
	}
	return append(part, base[at:end]...), changed
}

// intern gives each text a rune of its own; surrogates are left out, which strings cannot hold.
func intern(ids map[string]rune, texts []string) []rune {
	out := make([]rune, len(texts))
	for i, s := range texts {
		id, ok := ids[s]
		if !ok {
			id = rune(len(ids) + 1)
			if id >= 0xD800 {
				id += 0x800
			}
			ids[s] = id
		}
		out[i] = id
	}
	return out
}

// hunksOf gives the changes from one sequence to another.
func hunksOf(base, other []rune, theirs bool) []hunk {
	dmp := diffmatchpatch.New()
	dmp.DiffTimeout = 0 // the outcome must not depend on the machine
	var hunks []hunk
	at, to := 0, 0
	grow := func(removed, added int) {
		if n := len(hunks); n > 0 && hunks[n-1].to == at && hunks[n-1].end == to {
			hunks[n-1].to += removed
			hunks[n-1].end += added
		} else {
			hunks = append(hunks, hunk{at, at + removed, to, to + added, theirs})
		}
		at, to = at+removed, to+added
	}
	for _, d := range dmp.DiffMainRunes(base, other, false) {
		n := len([]rune(d.Text))
		switch d.Type {
		case diffmatchpatch.DiffDelete:
			grow(n, 0)
		case diffmatchpatch.DiffInsert:
			grow(0, n)
		default:
			at, to = at+n, to+n
		}
	}
	return hunks
}

func isComment(line string) bool { return strings.HasPrefix(strings.TrimSpace(line), "#") }

// lines splits text into lines with their ends.
func lines(text []byte) []string { return slices.Collect(strings.Lines(string(text))) }
