package leak

import "math"

// genericRule is by far the costliest: its keywords are in most files of configuration, and its expression begins and goes on
// with almost anything.
const genericRule = "generic-api-key"

// plausible gives those parts of the text that can hold a secret of the generic rule, within those where a keyword is: it is
// of letters, digits and ".=+/_-", not of letters alone, and of as many different ones as its entropy takes.
func (t *text) plausible(r *rule, parts []span) []span {
	different := int(math.Ceil(math.Exp2(r.Entropy)))
	var out []span
	for _, part := range parts {
		for at := part.start; at < part.end; {
			if !isTokenByte(t.masked[at]) {
				at++
				continue
			}
			end := at
			for end < part.end && isTokenByte(t.masked[end]) {
				end++
			}
			if isRandom(t.masked[at:end], different) {
				around := t.around(end)
				around = span{max(part.start, around.start), min(part.end, around.end)}
				if n := len(out); n > 0 && out[n-1].end >= around.start {
					out[n-1].end = around.end
				} else {
					out = append(out, around)
				}
			}
			at = end
		}
	}
	return out
}

func isTokenByte(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return c == '.' || c == '=' || c == '+' || c == '/' || c == '_' || c == '-'
}

// isRandom reports whether a token has that many different bytes, one of them no letter.
func isRandom(token []byte, different int) bool {
	var seen [256]bool
	n, letters := 0, true
	for _, c := range token {
		if !seen[c] {
			seen[c] = true
			n++
		}
		letters = letters && (c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' || c == '.' || c == '-')
	}
	return n >= different && !letters
}
