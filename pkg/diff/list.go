package diff

import (
	"slices"

	"github.com/llm-devops/lcm/pkg/tree"
)

// identityFields gives the fields that objects in lists are usually known by, most telling first.
func identityFields() []string { return []string{"name", "id", "key", "model"} }

// identityField gives the field that all items of both lists are known by, "" if there is none: every item is a map
// that has it, and no two of one list have the same text there.
func identityField(old, new []*tree.Node) string {
	if len(old)+len(new) == 0 {
		return ""
	}
	i := slices.IndexFunc(identityFields(), func(key string) bool { return isIdentity(old, key) && isIdentity(new, key) })
	if i < 0 {
		return ""
	}
	return identityFields()[i]
}

func isIdentity(items []*tree.Node, key string) bool {
	seen := make(map[string]bool, len(items))
	for _, item := range items {
		f := item.Field(key)
		if f == nil || !f.Kind.IsScalar() || f.Kind == tree.Null || f.Secret || seen[f.Text()] {
			return false
		}
		seen[f.Text()] = true
	}
	return true
}

// pair is an item of the new list beside the item of the old one that it was; -1 where there is none.
type pair struct{ old, new int }

// maxCells bounds the table of the alignment; lists beyond it are compared place by place.
const maxCells = 1 << 22

// align matches the items of two lists in order: equal ones by longest common subsequence, and in the gaps
// between them one by one where as many went as came.
func align(old, new []*tree.Node) []pair {
	pairs := make([]pair, 0, max(len(old), len(new)))
	lo := 0
	for lo < len(old) && lo < len(new) && tree.Equal(old[lo], new[lo]) {
		pairs = append(pairs, pair{lo, lo})
		lo++
	}
	oldEnd, newEnd := len(old), len(new)
	for oldEnd > lo && newEnd > lo && tree.Equal(old[oldEnd-1], new[newEnd-1]) {
		oldEnd--
		newEnd--
	}
	i, j := lo, lo
	for _, m := range common(old[lo:oldEnd], new[lo:newEnd]) {
		pairs = gap(pairs, old, new, i, lo+m.old, j, lo+m.new)
		pairs = append(pairs, pair{lo + m.old, lo + m.new})
		i, j = lo+m.old+1, lo+m.new+1
	}
	pairs = gap(pairs, old, new, i, oldEnd, j, newEnd)
	for k := range len(old) - oldEnd {
		pairs = append(pairs, pair{oldEnd + k, newEnd + k})
	}
	return pairs
}

// gap appends what lies between two matches.
func gap(pairs []pair, old, new []*tree.Node, i, iEnd, j, jEnd int) []pair {
	if iEnd-i == jEnd-j {
		for k := range iEnd - i {
			pairs = append(pairs, pair{i + k, j + k})
		}
		return pairs
	}
	// An item that only was edited keeps its place at the front of the gap when it is the same kind of thing.
	for i < iEnd && j < jEnd && old[i].Kind == new[j].Kind && !old[i].Kind.IsScalar() {
		pairs = append(pairs, pair{i, j})
		i++
		j++
	}
	for ; i < iEnd; i++ {
		pairs = append(pairs, pair{i, -1})
	}
	for ; j < jEnd; j++ {
		pairs = append(pairs, pair{-1, j})
	}
	return pairs
}

// common gives a longest common subsequence by the classic table.
func common(a, b []*tree.Node) []pair {
	if len(a) == 0 || len(b) == 0 || len(a)*len(b) > maxCells {
		return nil
	}
	width := len(b) + 1
	length := make([]int32, (len(a)+1)*width)
	same := make([]bool, len(a)*len(b))
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if tree.Equal(a[i], b[j]) {
				same[i*len(b)+j] = true
				length[i*width+j] = length[(i+1)*width+j+1] + 1
			} else {
				length[i*width+j] = max(length[(i+1)*width+j], length[i*width+j+1])
			}
		}
	}
	var out []pair
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case same[i*len(b)+j]:
			out = append(out, pair{i, j})
			i++
			j++
		case length[(i+1)*width+j] >= length[i*width+j+1]:
			i++
		default:
			j++
		}
	}
	return out
}

// sameItems reports whether two lists that differ hold the same items in another order.
func sameItems(old, new []*tree.Node, pairs []pair) bool {
	if len(old) != len(new) {
		return false
	}
	var went, came []*tree.Node
	for _, p := range pairs {
		switch {
		case p.old < 0:
			came = append(came, new[p.new])
		case p.new < 0:
			went = append(went, old[p.old])
		case !tree.Equal(old[p.old], new[p.new]):
			went, came = append(went, old[p.old]), append(came, new[p.new])
		}
	}
	if len(went) == 0 || len(went) != len(came) {
		return false
	}
	for _, w := range went {
		i := slices.IndexFunc(came, func(c *tree.Node) bool { return tree.Equal(w, c) })
		if i < 0 {
			return false
		}
		came = slices.Delete(came, i, i+1)
	}
	return true
}
