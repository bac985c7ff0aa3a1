package diag

import (
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// Nearest gives up to three of the known words that somebody who wrote word may have meant, best first.
func Nearest(word string, known []string) []string {
	type candidate struct {
		word     string
		distance int
	}
	var near []candidate
	lower := strings.ToLower(word)
	for _, k := range known {
		d := levenshtein.ComputeDistance(lower, strings.ToLower(k))
		switch {
		case d <= max(1, min(len(word), len(k))/3):
		case len(word) >= 3 && (strings.HasPrefix(strings.ToLower(k), lower) || strings.HasPrefix(lower, strings.ToLower(k)) && len(k) >= 3):
		default:
			continue
		}
		near = append(near, candidate{k, d})
	}
	slices.SortStableFunc(near, func(a, b candidate) int {
		if a.distance != b.distance {
			return a.distance - b.distance
		}
		return strings.Compare(a.word, b.word)
	})
	out := make([]string, 0, 3)
	for _, c := range near[:min(3, len(near))] {
		out = append(out, c.word)
	}
	return out
}

// DidYouMean gives "did you mean X?" for the nearest known words, or otherwise if there is none.
func DidYouMean(word string, known []string, otherwise string) string {
	near := Nearest(word, known)
	if len(near) == 0 {
		return otherwise
	}
	return "did you mean " + strings.Join(near, " or ") + "?"
}
