package seal

import (
	"regexp"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// rule says which values of a file are encrypted: those below a matching key, or all but those.
type rule struct {
	option  string // the metadata field that it stands in
	pattern string // as it stands there
	invert  bool   // encrypted unless a key matches
	re      *regexp.Regexp
	suffix  string
	names   map[string]bool // where the pattern is one of ours: the keys it names
}

// The metadata fields that select values.
const (
	encryptedRegex    = "encrypted_regex"
	unencryptedRegex  = "unencrypted_regex"
	encryptedSuffix   = "encrypted_suffix"
	unencryptedSuffix = "unencrypted_suffix"

	// defaultSuffix is what SOPS uses where a file names no selection.
	defaultSuffix = "_unencrypted"
)

func newRule(option, pattern string) (rule, error) {
	r := rule{option: option, pattern: pattern, invert: option == unencryptedRegex || option == unencryptedSuffix}
	if option == encryptedSuffix || option == unencryptedSuffix {
		r.suffix = pattern
		return r, nil
	}
	if names, ok := patternNames(pattern); ok && option == encryptedRegex {
		r.names = make(map[string]bool, len(names))
		for _, name := range names {
			r.names[name] = true
		}
		return r, nil
	}
	var err error
	r.re, err = regexp.Compile(pattern)
	return r, err
}

// matches reports whether the rule names a key.
func (r *rule) matches(key string) bool {
	switch {
	case r.names != nil:
		return r.names[key]
	case r.re != nil:
		return r.re.MatchString(key)
	case r.suffix != "":
		return strings.HasSuffix(key, r.suffix)
	}
	return false
}

// selects reports whether the value below some map keys is encrypted.
func (r *rule) selects(keys []string) bool { return slices.ContainsFunc(keys, r.matches) != r.invert }

// namesPattern builds the encrypted_regex for some keys.
func namesPattern(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = regexp.QuoteMeta(name)
	}
	slices.Sort(quoted)
	return "^(" + strings.Join(slices.Compact(quoted), "|") + ")$"
}

// patternNames is the inverse of namesPattern, for names in any order; ok is false for any other pattern.
func patternNames(pattern string) (names []string, ok bool) {
	body, ok1 := strings.CutPrefix(pattern, "^(")
	body, ok2 := strings.CutSuffix(body, ")$")
	if !ok1 || !ok2 {
		return nil, false
	}
	var b strings.Builder
	for i := 0; i < len(body); i++ {
		switch c := body[i]; c {
		case '\\':
			i++
			if i == len(body) {
				return nil, false
			}
			b.WriteByte(body[i])
		case '|':
			names = append(names, b.String())
			b.Reset()
		default:
			b.WriteByte(c)
		}
	}
	names = append(names, b.String())
	// Only what quoting gives back unchanged is a list of names and nothing more.
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = regexp.QuoteMeta(name)
	}
	return names, strings.Join(quoted, "|") == body
}

// extend gives the rule that selects some more keys.
func (r *rule) extend(names []string) (rule, error) {
	pattern := namesPattern(names)
	switch {
	case r.pattern == "":
	case r.names != nil:
		all := slices.Clone(names)
		for name := range r.names {
			all = append(all, name)
		}
		pattern = namesPattern(all)
	default:
		// Somebody else's pattern stays as it is.
		pattern = "(?:" + r.pattern + ")|" + pattern
	}
	return newRule(encryptedRegex, pattern)
}

// content gives a document's root without the sops block.
func content(doc *yamldoc.Doc) *tree.Node { return doc.Root().Without(blockKey) }

// leaf is a scalar of a file that its rule selects.
type leaf struct {
	path tree.Path
	keys []string
	node *tree.Node
}

// selected gives the scalars that a rule selects, in document order, with their paths.
func selected(root *tree.Node, r *rule) []leaf {
	var leaves []leaf
	root.Walk(func(p tree.Path, n *tree.Node) bool {
		if n.Kind.IsScalar() {
			if keys := p.MapKeys(); r.selects(keys) {
				leaves = append(leaves, leaf{p.Clone(), keys, n})
			}
		}
		return true
	})
	return leaves
}

// mapLeaves gives a copy of a root in which change has replaced the scalars, in document order; what did not change is
// shared. keys are the map keys above a scalar, valid only during the call.
func mapLeaves(root *tree.Node, r *rule, change func(keys []string, selected bool, n *tree.Node) *tree.Node) *tree.Node {
	var walk func(keys []string, matched bool, n *tree.Node) *tree.Node
	walk = func(keys []string, matched bool, n *tree.Node) *tree.Node {
		switch n.Kind {
		case tree.Map:
			var fields []tree.Field
			for i, f := range n.Fields() {
				v := walk(append(keys, f.Key), matched || r.matches(f.Key), f.Value)
				if v != f.Value {
					if fields == nil {
						fields = slices.Clone(n.Fields())
					}
					fields[i].Value = v
				}
			}
			if fields != nil {
				return n.WithFields(fields)
			}
		case tree.List:
			var items []*tree.Node
			for i, item := range n.Items() {
				v := walk(keys, matched, item)
				if v != item {
					if items == nil {
						items = slices.Clone(n.Items())
					}
					items[i] = v
				}
			}
			if items != nil {
				return n.WithItems(items)
			}
		default:
			return change(keys, matched != r.invert, n)
		}
		return n
	}
	return walk(nil, false, root)
}

// keyOf gives a leaf's dotted key for a message. It searches, since paths are not kept where there is no fault.
func keyOf(root, leaf *tree.Node) string {
	key := ""
	root.Walk(func(p tree.Path, n *tree.Node) bool {
		if n == leaf {
			key = p.String()
		}
		return key == ""
	})
	return key
}
