package seal

import (
	"context"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"
	"time"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// Sealed gives a document's root without the sops block, its secrets still encrypted: every encrypted value is Secret and
// Sealed. A value in plain text where the file encrypts is Secret but not Sealed. It needs no key. The error is as of
// [Inspect].
func Sealed(doc *yamldoc.Doc) (*tree.Node, error) {
	m, err := Inspect(doc)
	if err != nil {
		return nil, err
	}
	r := rule{}
	if m != nil {
		r = m.rule
	}
	return mapLeaves(content(doc), &r, func(_ []string, selected bool, n *tree.Node) *tree.Node {
		sealed := isEncrypted(n)
		if !sealed && (!selected || n.Kind == tree.Null) {
			return n
		}
		n = n.Clone()
		n.Secret, n.Sealed = true, sealed
		return n
	}), nil
}

func isEncrypted(n *tree.Node) bool {
	if n.Kind != tree.String || !looksEncrypted(n.Reveal()) {
		return false
	}
	_, err := parseENC(n.Reveal())
	return err == nil
}

// Open decrypts a document's secrets with an identity of the keyring, checks that they are those it was sealed with, and
// gives its root without the sops block: secrets are Secret and not Sealed, positions stay. A document without a sops
// block needs no key.
//
// Errors: a *[NoIdentityError] if no identity opens it, a *[MACError] or a [diag.List] with the positions of the values if
// something was changed without the key, a [diag.List] for what [Inspect] refuses.
func Open(ctx context.Context, doc *yamldoc.Doc, k *Keyring) (*tree.Node, error) {
	m, err := Inspect(doc)
	if err != nil {
		return nil, err
	}
	if m == nil {
		return openPlain(doc)
	}
	key, err := k.dataKey(ctx, m)
	if err != nil {
		return nil, err
	}
	defer key.wipe()
	return open(doc, m, key, false)
}

// openPlain gives the root of a document without a sops block, in which nothing may be encrypted.
func openPlain(doc *yamldoc.Doc) (*tree.Node, error) {
	var faults diag.List
	root := doc.Root()
	root.Walk(func(p tree.Path, n *tree.Node) bool {
		if isEncrypted(n) {
			faults = append(faults, finding(codeUncovered, n.Pos, p.String(),
				"the value is encrypted, and the file has no sops block to open it with", hintRestore))
		}
		return true
	})
	if len(faults) > 0 {
		return nil, faults.Sorted()
	}
	return root, nil
}

// macInit starts a MAC over encrypted values only, so that it differs from one over all values: the SHA-256 of "sops".
var macInit = [...]byte{
	0x8a, 0x3f, 0xd2, 0xad, 0x54, 0xce, 0x66, 0x52, 0x7b, 0x10, 0x34, 0xf3, 0xd1, 0x47, 0xbe, 0x0b,
	0x0b, 0x97, 0x5b, 0x3b, 0xf4, 0x4f, 0x72, 0xc6, 0xfd, 0xad, 0xec, 0x81, 0x76, 0xf2, 0x7d, 0x69,
}

// opener opens the leaves of one document.
type opener struct {
	m      *Metadata
	key    *dataKey
	root   *tree.Node
	mac    hash.Hash
	plain  bool // a plain value in a secret field is no fault here
	faults diag.List
}

// open decrypts a document with its data key and checks its MAC. With plain, a plain value in a secret field is taken as it
// is and left out of the MAC: it came after the file was sealed, and the edit at hand may be about to encrypt it.
func open(doc *yamldoc.Doc, m *Metadata, key *dataKey, plain bool) (*tree.Node, error) {
	if err := aliasFaults(doc, &m.rule); err != nil {
		return nil, err
	}
	o := &opener{m: m, key: key, root: content(doc), mac: sha512.New(), plain: plain}
	o.mac.Write(macInit[:])
	root := mapLeaves(o.root, &m.rule, o.leaf)
	if len(o.faults) > 0 {
		return nil, o.faults.Sorted()
	}
	sum := o.mac.Sum(nil)
	if !m.MACOnlyEncrypted {
		var err error
		if sum, err = macOverAll(doc, m, key); err != nil {
			return nil, err
		}
	}
	want, err := openMAC(m, key)
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare(want, macText(sum)) != 1 {
		return nil, macError(m)
	}
	return root, nil
}

func (o *opener) fault(code string, n *tree.Node, message, hint string) *tree.Node {
	o.faults = append(o.faults, finding(code, n.Pos, keyOf(o.root, n), message, hint))
	return n
}

func (o *opener) leaf(keys []string, selected bool, n *tree.Node) *tree.Node {
	switch {
	case !selected:
		if isEncrypted(n) {
			return o.fault(codeUncovered, n, "the value is encrypted, but "+o.m.rule.option+" does not cover its key", hintRestore)
		}
		return n
	case n.Kind == tree.Null:
		return n
	case isBlank(n):
		return asSecret(n)
	case n.Kind != tree.String || !looksEncrypted(n.Reveal()):
		if o.plain {
			return asSecret(n)
		}
		return o.fault(codePlaintext, n, "the file encrypts this field, and its value is in plain text",
			"if it was ever committed, change it at its source first; then set it again with --secret")
	}
	e, err := parseENC(n.Reveal())
	if err != nil {
		return o.fault(codeFormat, n, "the encrypted value is malformed", hintValue)
	}
	plain, err := o.key.open(e, additionalData(keys))
	if err != nil {
		return o.fault(codeTampered, n, err.Error(), hintValue)
	}
	defer clear(plain)
	if e.typ == typeComment {
		return o.fault(codeUnsupported, n, "an encrypted comment stands in a list, which is not supported",
			"remove the comments in encrypted lists with: sops edit "+o.m.file)
	}
	v, err := typed(plain, e.typ)
	if err != nil {
		return o.fault(codeFormat, n, err.Error(), hintValue)
	}
	o.mac.Write(v.mac)
	clear(v.mac)
	n = n.WithText(v.kind, v.text)
	n.Secret = true
	return n
}

const hintValue = "restore the value from Git, or set it again"

// macText spells a MAC as it is encrypted.
func macText(sum []byte) []byte { return []byte(strings.ToUpper(hex.EncodeToString(sum))) }

// macAAD is what the MAC's ciphertext is bound to.
func macAAD(lastModified time.Time) string { return lastModified.Format(time.RFC3339) }

// openMAC gives the MAC that a file was sealed with.
func openMAC(m *Metadata, key *dataKey) ([]byte, error) {
	e, err := parseENC(m.mac)
	if err != nil || e.typ != typeStr {
		return nil, diag.List{finding(codeFormat, m.macPos, blockKey+".mac", "the mac is malformed", hintRestore)}
	}
	mac, err := key.open(e, macAAD(m.LastModified))
	if err != nil {
		return nil, diag.List{finding(codeTampered, m.macPos, blockKey+".mac", "mac or lastmodified was changed", hintRestore)}
	}
	return mac, nil
}

// aliasFaults reports aliases and merge keys that repeat a secret: SOPS binds a value to its key, so a repeated one opens
// at one of its places at most.
func aliasFaults(doc *yamldoc.Doc, r *rule) error {
	aliases := doc.Aliases()
	if len(aliases) == 0 {
		return nil
	}
	root := content(doc)
	uses := map[diag.Position]int{}
	root.Walk(func(_ tree.Path, n *tree.Node) bool {
		if n.Kind.IsScalar() {
			uses[n.Pos]++
		}
		return true
	})
	secrets := selected(root, r)
	var faults diag.List
	for _, a := range aliases {
		n := root.Get(a.Path)
		whole := n == nil || n.Pos == a.Pos || isMergeOfValues(doc, a.Pos)
		for _, s := range secrets {
			if s.path.HasPrefix(a.Path) && !isBlank(s.node) && (whole || uses[s.node.Pos] > 1) {
				faults = append(faults, finding(codeAlias, a.Pos, s.path.String(),
					fmt.Sprintf("an alias or a merge key repeats the secret %s, which can be encrypted in one place only", s.path),
					"write the secret out where it is used"))
				break
			}
		}
	}
	if len(faults) > 0 {
		return faults.Sorted()
	}
	return nil
}

// isMergeOfValues reports whether a merge key, not an alias, stands at a position: its values are written there.
func isMergeOfValues(doc *yamldoc.Doc, at diag.Position) bool {
	line := ""
	number := 0
	for l := range strings.Lines(string(doc.Source())) {
		if number++; number == at.Line {
			line = l
			break
		}
	}
	runes := []rune(line)
	return at.Column >= 1 && at.Column <= len(runes) && !strings.HasPrefix(string(runes[at.Column-1:]), "*")
}

func asSecret(n *tree.Node) *tree.Node {
	n = n.Clone()
	n.Secret = true
	return n
}
