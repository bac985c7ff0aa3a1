package scan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/gitrepo"
	"github.com/llm-devops/lcm/pkg/leak"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// Commit is where in history a secret came in.
type Commit struct {
	Revision gitrepo.Revision `json:"revision"`
	Author   string           `json:"author"` // "Name <email>"
	Date     time.Time        `json:"date"`
}

const rotate = "a secret that was ever pushed is no secret any more: revoke it where it was issued, and get another"

// fromMatches makes findings of what was matched in a file. Keys says, by line, where in a layer that is.
func fromMatches(file string, matches []leak.Match, keyAt func(line int) (a address.Address, key string, ok bool)) []Finding {
	found := make([]Finding, 0, len(matches))
	for _, m := range matches {
		f := Finding{Fingerprint: m.Fingerprint, Finding: diag.Finding{
			Code: m.Rule, Severity: diag.Error, Message: sentence(m.Description),
			Position: diag.Position{File: file, Line: m.Line, Column: m.Column},
			Hint:     rotate + "; then take it out of the file, or say why it may stand there: # " + leak.AllowMark + " REASON",
		}}
		if m.Rule == leak.RuleNoReason {
			f.Hint = "write the reason after " + leak.AllowMark + ", or remove the comment"
		} else if keyAt != nil {
			if a, key, ok := keyAt(m.Line); ok {
				f.Address, f.Key = a.String(), key
				f.Hint = fmt.Sprintf("%s; then keep that encrypted: lcm set %s --secret '%s'", rotate, a, key)
			}
		}
		found = append(found, f)
	}
	return found
}

// sentence gives a rule's description as findings are worded.
func sentence(text string) string {
	text, _, _ = strings.Cut(text, ", ") // what it may lead to is much the same for all
	text = strings.TrimSuffix(strings.TrimSpace(text), ".")
	if len(text) > 1 && text[1] >= 'a' && text[1] <= 'z' || strings.HasPrefix(text, "A ") {
		text = strings.ToLower(text[:1]) + text[1:]
	}
	return text
}

// inLayer joins what was matched in a layer file with what its schema knows: of one place it is told once.
func inLayer(a address.Address, file string, content []byte, layer *workspace.File, matches []leak.Match, plain diag.List) []Finding {
	keys := keysOf(layer)
	lines := strings.SplitAfter(string(content), "\n")
	var found []Finding
	for _, p := range plain {
		f := Finding{Finding: p}
		if _, next, ok := strings.Cut(p.Hint, "; "); ok {
			f.Hint = rotate + "; " + next
		}
		f.Fingerprint = leak.FingerprintFrom(CodePlaintext, file, lines, p.Position.Line, p.Position.Column)
		matches = slices.DeleteFunc(matches, func(m leak.Match) bool {
			same := m.Rule != leak.RuleNoReason && m.Line >= p.Position.Line && keys.at(m.Line) == p.Key
			if same && !strings.Contains(f.Message, " (") {
				f.Message += " (" + m.Rule + ")"
			}
			return same
		})
		found = append(found, f)
	}
	return append(found, fromMatches(file, matches, func(line int) (address.Address, string, bool) {
		if line < 1 || line > len(lines) || strings.HasPrefix(strings.TrimSpace(lines[line-1]), "#") {
			return a, "", false
		}
		key := keys.at(line)
		return a, key, key != ""
	})...)
}

// leafLines are the keys of a layer's leaves by the lines that they begin at, in their order.
type leafLines []leafLine

type leafLine struct {
	line int
	key  string
}

func keysOf(layer *workspace.File) leafLines {
	if layer == nil || layer.IsCUE() {
		return nil
	}
	var keys leafLines
	for p, n := range layer.Own().Leaves() {
		if n.Pos.File == layer.Path {
			keys = append(keys, leafLine{n.Pos.Line, p.String()})
		}
	}
	slices.SortStableFunc(keys, func(a, b leafLine) int { return a.line - b.line })
	return keys
}

// at gives the key of the leaf that a line belongs to, "" where none begins at it or above it.
func (l leafLines) at(line int) string {
	key := ""
	for _, leaf := range l {
		if leaf.line > line {
			break
		}
		key = leaf.key
	}
	return key
}
