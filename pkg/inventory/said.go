package inventory

import (
	"slices"
	"strings"
	"time"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/gitrepo"
	"github.com/llm-devops/lcm/pkg/tree"
)

// ExpiresTrailer says in a commit until when the secrets that it sets work: a date.
const ExpiresTrailer = "Lcm-Expires"

// changeTrailer begins what a change says of itself.
const changeTrailer = "Lcm-Change"

// expiry gives until when a secret works, as the commit that set it says; zero where that says nothing.
func expiry(c *gitrepo.CommitInfo, a address.Address, key tree.Path) time.Time {
	text := ""
	if c.Trailer(changeTrailer) == "" { // written by hand
		text = c.Trailer(ExpiresTrailer)
	}
	for _, trailers := range append([][]gitrepo.Trailer{c.Trailers}, squashed(c)...) {
		if yes, _ := listedIn(trailers, a, key); yes {
			text = gitrepo.CommitInfo{Trailers: trailers}.Trailer(ExpiresTrailer)
			break
		}
	}
	at, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return time.Time{}
	}
	return at
}

// listed reports whether a commit made by lcm says that it set a key, or something above or below it; told is false where the
// commit says nothing about the address. Of changes that were squashed into the commit only what they set is believed, as others
// may be among them that say nothing.
func listed(c *gitrepo.CommitInfo, a address.Address, key tree.Path) (yes, told bool) {
	if yes, told = listedIn(c.Trailers, a, key); yes {
		return yes, told
	}
	for _, trailers := range squashed(c) {
		if yes, _ := listedIn(trailers, a, key); yes {
			return true, true
		}
	}
	return false, told
}

func listedIn(trailers []gitrepo.Trailer, a address.Address, key tree.Path) (yes, told bool) {
	at := ""
	for _, t := range trailers {
		switch {
		case strings.EqualFold(t.Key, "Lcm-Address"):
			at = t.Value
		case strings.EqualFold(t.Key, "Lcm-Keys") && at == a.String():
			told = true
			yes = yes || names(t.Value, key)
		}
	}
	return yes, told
}

// squashHead is how git merge --squash begins its message, which has the newest commit first. The pages on which people merge put
// the oldest first.
const squashHead = "Squashed commit of the following:"

// squashed gives what the changes say of themselves that were squashed into a commit, the newest first: their trailers stand in the
// body then, indented by git merge --squash.
func squashed(c *gitrepo.CommitInfo) [][]gitrepo.Trailer {
	var all [][]gitrepo.Trailer
	inside := false
	for line := range strings.Lines(c.Body) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok || !strings.HasPrefix(key, "Lcm-") {
			inside = false
			continue
		}
		if key == changeTrailer {
			all, inside = append(all, nil), true
		}
		if inside {
			last := &all[len(all)-1]
			*last = append(*last, gitrepo.Trailer{Key: key, Value: value})
		}
	}
	if c.Subject != squashHead && !strings.HasPrefix(c.Body, squashHead) {
		slices.Reverse(all)
	}
	return all
}

// names reports whether a list of keys, as trailers hold it, has a key or something above or below it. A list that was cut short
// may have it.
func names(list string, key tree.Path) bool {
	if strings.Contains(list, "… ") {
		return true
	}
	for word := range strings.SplitSeq(list, ", ") {
		p, err := tree.ParsePath(word)
		if err != nil {
			return true // a key that holds what separates them
		}
		if matches(p, key) {
			return true
		}
	}
	return false
}

// matches reports whether one of two keys leads to the other. A step that chooses a list's item by its name may be any.
func matches(a, b tree.Path) bool {
	for i := range min(len(a), len(b)) {
		x, isKey := a[i].AsKey()
		y, other := b[i].AsKey()
		if isKey != other || isKey && x != y {
			return false
		}
	}
	return true
}
