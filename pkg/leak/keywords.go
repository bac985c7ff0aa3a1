package leak

// keywords finds which of many words a text holds, in one pass whatever their number: the automaton of Aho and Corasick
// (Efficient string matching, 1975), over ASCII letters in lower case.
type keywords struct {
	next  [][256]int32 // by state and byte
	found [][]int      // by state: the rules of the words that end there
}

// newKeywords takes the words of each rule, in lower case.
func newKeywords(words [][]string) *keywords {
	k := &keywords{next: make([][256]int32, 1), found: make([][]int, 1)}
	for rule, list := range words {
		for _, w := range list {
			at := int32(0)
			for _, c := range []byte(w) {
				if k.next[at][c] == 0 {
					k.next[at][c] = int32(len(k.next))
					k.next = append(k.next, [256]int32{})
					k.found = append(k.found, nil)
				}
				at = k.next[at][c]
			}
			k.found[at] = append(k.found[at], rule)
		}
	}
	k.link()
	return k
}

// link completes the automaton: where a word does not go on, the longest end of it that begins another does.
func (k *keywords) link() {
	fail := make([]int32, len(k.next))
	var queue []int32
	for _, to := range k.next[0] {
		if to != 0 {
			queue = append(queue, to)
		}
	}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		for c := range k.next[at] {
			to := k.next[at][c]
			if to == 0 {
				k.next[at][c] = k.next[fail[at]][c]
				continue
			}
			fail[to] = k.next[fail[at]][c]
			k.found[to] = append(k.found[to], k.found[fail[to]]...)
			queue = append(queue, to)
		}
	}
}

// in calls hit for each rule one of whose words ends before the byte at end, as often as one does.
func (k *keywords) in(text []byte, hit func(rule, end int)) {
	at := int32(0)
	for i, c := range text {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		at = k.next[at][c]
		for _, rule := range k.found[at] {
			hit(rule, i+1)
		}
	}
}
