package promote

import (
	"slices"
	"strings"

	"github.com/llm-devops/lcm/pkg/tree"
)

// PinMark is the comment that pins a key: a promotion into its layer leaves the key, and all below it, as it is. It stands
// behind the key or its value, or alone on the line above.
const PinMark = "lcm:pin"

// pins finds the pinned keys of a layer. Items of lists are named by the field that identity gives for the list's path;
// a pin inside of another list pins the list.
func pins(src []byte, root *tree.Node, identity func(tree.Path) string) []tree.Path {
	if !strings.Contains(string(src), PinMark) {
		return nil
	}
	lines := strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(src)), "\n")
	var out []tree.Path
	var visit func(p tree.Path, n *tree.Node)
	visit = func(p tree.Path, n *tree.Node) {
		for _, f := range n.Fields() {
			path := append(p.Clone(), tree.Key(f.Key))
			if isPinned(lines, f.Pos.Line, f.Pos.Column) {
				out = append(out, path)
				continue
			}
			visit(path, f.Value)
		}
		if len(n.Items()) == 0 {
			return
		}
		key := identity(p)
		for _, item := range n.Items() {
			id := item.Field(key)
			if key == "" || id == nil {
				before := len(out)
				visit(p, item)
				if len(out) > before {
					out = append(out[:before], p)
				}
				continue
			}
			path := append(p.Clone(), tree.Match(key, id.Text()))
			if isPinned(lines, item.Pos.Line, item.Pos.Column) {
				out = append(out, path)
				continue
			}
			visit(path, item)
		}
	}
	visit(nil, root)
	return slices.CompactFunc(out, tree.Path.Equal)
}

// isPinned reports whether the key at a line and column, from 1, is pinned there or on the line above.
func isPinned(lines []string, line, column int) bool {
	if line < 1 || line > len(lines) {
		return false
	}
	if isMark(comment(lines[line-1], column)) {
		return true
	}
	if line < 2 {
		return false
	}
	// A line above with the key's own indentation cannot be inside a block of text that belongs to another key.
	above := lines[line-2]
	text := strings.TrimLeft(above, " ")
	indent := len(above) - len(text)
	return strings.HasPrefix(text, "#") && indent == len(lines[line-1])-len(strings.TrimLeft(lines[line-1], " ")) && isMark(text)
}

func isMark(comment string) bool {
	words := strings.Fields(strings.TrimLeft(comment, "#"))
	return len(words) > 0 && strings.TrimRight(words[0], ":,.;") == PinMark
}

// comment gives the comment at the end of a line of YAML, "" if there is none. It looks from the column of a key, in
// characters, on; quoted text is skipped.
func comment(line string, column int) string {
	runes := []rune(line)
	quote := rune(0)
	for i := max(column-1, 0); i < len(runes); i++ {
		switch c := runes[i]; {
		case quote == '"' && c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '#' && (i == 0 || runes[i-1] == ' ' || runes[i-1] == '\t'):
			return string(runes[i:])
		case (c == '"' || c == '\'') && startsToken(runes, i, column-1):
			quote = c
		}
	}
	return ""
}

// startsToken reports whether a quote opens a quoted scalar: inside of a plain one it is a character like any other.
func startsToken(runes []rune, i, from int) bool {
	for j := i - 1; j >= from; j-- {
		switch runes[j] {
		case ' ', '\t':
			continue
		case ':', ',', '[', '{', '-', '?':
			return true
		}
		// Behind a tag or an anchor.
		word := j
		for word > from && runes[word-1] != ' ' && runes[word-1] != '\t' {
			word--
		}
		return j < i-1 && (runes[word] == '!' || runes[word] == '&')
	}
	return true
}
