package seal

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

const (
	blockKey = "sops" // the top-level key of the metadata
	ageKey   = "age"  // in it, the data key as it is encrypted to age and SSH keys
	pgpKey   = "pgp"  // to PGP keys

	transitList = "hc_vault" // to keys of Vault's transit engine

	keyGroups       = "key_groups"       // instead of these lists, groups that have them
	shamirThreshold = "shamir_threshold" // of how many groups it takes a key

	// formatVersion is the version of SOPS whose format is written.
	formatVersion = "3.13.3"

	maxRecipients = 4096
)

// Metadata is what a file's sops block says. Nothing of it is authenticated but LastModified.
type Metadata struct {
	Recipients       []string // in the file's order, in the canonical form of [Recipient] where they parse; one may be in several groups
	Access           Access   // of these
	EncryptedRegex   string   // "" where the file selects its secrets in another way
	MACOnlyEncrypted bool
	LastModified     time.Time
	Version          string
	Pos              diag.Position   // of the block's key
	RecipientPos     []diag.Position // of each recipient
	Others           []OtherKey      // keys that are not supported here and open the file too

	file         string
	rule         rule
	entries      []entry
	mac          string
	macPos       diag.Position
	grouped      bool   // the keys stand in key_groups, be it one
	hasThreshold bool   // shamir_threshold is there
	otherKeys    string // a kind of keys that are not supported and that the file is encrypted to, "" if none
}

// OtherKey is a key of a kind that is not supported here, to which a file is encrypted too.
type OtherKey struct {
	Kind string // as in the block: kms, azure_kv, …
	Name string // what the block calls it: an ARN, an address, …
	Pos  diag.Position
}

// entry is the data key, or its group's share of it, encrypted to one recipient.
type entry struct {
	kind      string // the list that it stands in: ageKey, pgpKey or transitList
	group     int    // the group that this list is of, from 0
	recipient string // canonical where it parses
	text      string // as it stands in the file
	enc       string // an armored age file or PGP message, or what Vault made of it
	created   string // when, but for age
}

// otherKeys are the lists of keys in the block that are not supported here.
var otherKeys = [...]string{"kms", "gcp_kms", "hckms", "azure_kv"}

// Inspect reads a document's sops block; nil without an error where there is none. It needs no key. The error is a
// [diag.List] of all that is malformed or not supported.
func Inspect(doc *yamldoc.Doc) (*Metadata, error) {
	block, at := blockOf(doc)
	if block == nil {
		return nil, nil
	}
	r := &metadataReader{m: &Metadata{Pos: at, macPos: at, file: doc.File()}, block: block}
	r.read()
	if len(r.faults) > 0 {
		return nil, r.faults.Sorted()
	}
	return r.m, nil
}

func blockOf(doc *yamldoc.Doc) (*tree.Node, diag.Position) {
	for _, f := range doc.Root().Fields() {
		if f.Key == blockKey {
			return f.Value, f.Pos
		}
	}
	return nil, diag.Position{}
}

type metadataReader struct {
	m      *Metadata
	block  *tree.Node
	faults diag.List
}

func (r *metadataReader) fault(code string, n *tree.Node, key, message, hint string) {
	at := r.m.Pos
	if n != nil && !n.Pos.IsZero() {
		at = n.Pos
	}
	r.faults = append(r.faults, finding(code, at, strings.TrimSuffix(blockKey+"."+key, "."), message, hint))
}

const hintRestore = "restore the sops block from Git: it is written by lcm and sops, not by hand"

func (r *metadataReader) read() {
	if r.block.Kind != tree.Map {
		r.fault(codeMetadata, r.block, "", fmt.Sprintf("sops must be a map, this is a %s", r.block.Kind), hintRestore)
		return
	}
	r.m.Version = r.text("version", false)
	r.m.mac = r.text("mac", true)
	if n := r.block.Field("mac"); n != nil {
		r.m.macPos = n.Pos
	}
	if at := r.text("lastmodified", true); at != "" {
		var err error
		if r.m.LastModified, err = time.Parse(time.RFC3339, at); err != nil {
			r.fault(codeMetadata, r.block.Field("lastmodified"), "lastmodified", "lastmodified is not a time of the form 2006-01-02T15:04:05Z", hintRestore)
		}
	}
	if n := r.block.Field("mac_only_encrypted"); n != nil && n.Kind != tree.Null {
		only, err := strconv.ParseBool(n.Reveal())
		if err != nil || !n.Kind.IsScalar() {
			r.fault(codeMetadata, n, "mac_only_encrypted", "mac_only_encrypted is neither true nor false", hintRestore)
		}
		r.m.MACOnlyEncrypted = only
	}
	r.rule()
	r.keys()
}

// text gives a string of the block, "" if it is missing.
func (r *metadataReader) text(key string, required bool) string {
	n := r.block.Field(key)
	switch {
	case n == nil || n.Kind == tree.Null:
		if required {
			r.fault(codeMetadata, n, key, key+" is missing", hintRestore)
		}
		return ""
	case !n.Kind.IsScalar():
		r.fault(codeMetadata, n, key, fmt.Sprintf("%s must be a string, this is a %s", key, n.Kind), hintRestore)
		return ""
	}
	return n.Reveal()
}

func (r *metadataReader) rule() {
	for _, key := range [...]string{"encrypted_comment_regex", "unencrypted_comment_regex"} {
		if n := r.block.Field(key); n != nil && !isBlank(n) {
			r.fault(codeUnsupported, n, key, key+" is not supported: what is encrypted must follow from keys, not from comments",
				"decrypt it with sops, and encrypt it again with encrypted_regex and mac_only_encrypted")
		}
	}
	option, pattern := "", ""
	for _, key := range [...]string{encryptedRegex, unencryptedRegex, encryptedSuffix, unencryptedSuffix} {
		text := r.text(key, false)
		if text == "" {
			continue
		}
		if option != "" {
			r.fault(codeMetadata, r.block.Field(key), key, option+" and "+key+" exclude each other", hintRestore)
			continue
		}
		option, pattern = key, text
	}
	if option == "" {
		option, pattern = unencryptedSuffix, defaultSuffix
	}
	if option == encryptedRegex {
		r.m.EncryptedRegex = pattern
	}
	var err error
	if r.m.rule, err = newRule(option, pattern); err != nil {
		r.fault(codeMetadata, r.block.Field(option), option, option+" is not a regular expression", hintRestore)
	}
}

func (r *metadataReader) keys() {
	groups := r.block.Field(keyGroups)
	r.m.hasThreshold = r.block.Field(shamirThreshold) != nil
	if !present(groups) {
		r.group(r.block, 0, "")
		r.m.Access.Groups = [][]string{r.m.Recipients}
		return
	}
	r.m.grouped = true
	for _, list := range append(slices.Clone(otherKeys[:]), ageKey, pgpKey, transitList) {
		if present(r.block.Field(list)) {
			r.fault(codeMetadata, groups, keyGroups, "there are key_groups and keys in none of them", hintRestore)
			return
		}
	}
	if groups.Kind != tree.List {
		r.fault(codeMetadata, groups, keyGroups, fmt.Sprintf("key_groups must be a list, this is a %s", groups.Kind), hintRestore)
		return
	}
	for i, group := range groups.Items() {
		before := len(r.m.Recipients)
		r.group(group, i, fmt.Sprintf("%s[%d]", keyGroups, i))
		r.m.Access.Groups = append(r.m.Access.Groups, slices.Clip(r.m.Recipients[before:]))
	}
	if !r.m.Access.Grouped() || len(r.faults) > 0 {
		return
	}
	r.threshold(groups)
}

// threshold reads of how many groups it takes a key.
func (r *metadataReader) threshold(groups *tree.Node) {
	r.m.Access.Threshold = groups.Len() // as SOPS takes it where nothing is said
	if n := r.block.Field(shamirThreshold); present(n) {
		var err error
		if r.m.Access.Threshold, err = strconv.Atoi(n.Reveal()); err != nil || n.Kind != tree.Int {
			r.fault(codeMetadata, n, shamirThreshold, shamirThreshold+" must be a number", hintRestore)
			return
		}
	}
	if err := r.m.Access.checkThreshold(); err != nil {
		r.fault(codeMetadata, r.block.Field(shamirThreshold), shamirThreshold, err.Error(), hintRestore)
	}
}

// group reads the lists of keys of a block, or of one of its groups.
func (r *metadataReader) group(lists *tree.Node, group int, path string) {
	if lists.Kind != tree.Map {
		r.fault(codeMetadata, lists, path, fmt.Sprintf("a key group must be a map, this is a %s", lists.Kind), hintRestore)
		return
	}
	if path != "" {
		path += "."
	}
	other := ""
	for _, key := range otherKeys {
		n := lists.Field(key)
		if !present(n) {
			continue
		}
		if other == "" {
			other = key
		}
		for _, item := range n.Items() {
			r.m.Others = append(r.m.Others, OtherKey{key, otherName(item), item.Pos})
		}
	}
	if r.m.otherKeys == "" {
		r.m.otherKeys = other
	}
	list := lists.Field(ageKey)
	if !present(list) && !present(lists.Field(pgpKey)) && !present(lists.Field(transitList)) {
		what, code, hint := "the block names no recipients", codeMetadata, hintRestore
		if path != "" {
			what = "the key group names no recipients"
		}
		if other != "" && path == "" {
			code, what = codeUnsupported, fmt.Sprintf("the file is encrypted to %s keys only, which are not supported", other)
			hint = "add an age recipient with sops: sops rotate --in-place --add-age age1… " + r.m.file
			list = lists.Field(other)
		} else if other != "" {
			return // its share cannot be had; others may do
		}
		if list == nil && path != "" {
			list = lists
		}
		r.fault(code, list, path+ageKey, what, hint)
		return
	}
	r.list(lists, group, path, ageKey, "recipient")
	r.list(lists, group, path, pgpKey, "fp")
	r.list(lists, group, path, transitList, "key_name")
}

// list reads one of the lists of recipients.
func (r *metadataReader) list(lists *tree.Node, group int, path, key, name string) {
	list := lists.Field(key)
	if !present(list) {
		return
	}
	if list.Kind != tree.List || list.Len()+len(r.m.entries) > maxRecipients {
		r.fault(codeMetadata, list, path+key, fmt.Sprintf("%s must be a list of at most %d recipients", key, maxRecipients), hintRestore)
		return
	}
	for i, item := range list.Items() {
		recipient, enc := item.Field(name), item.Field("enc")
		if recipient == nil || enc == nil || recipient.Kind != tree.String || enc.Kind != tree.String {
			r.fault(codeMetadata, item, fmt.Sprintf("%s%s[%d]", path, key, i), name+" and enc must be strings", hintRestore)
			continue
		}
		e := entry{kind: key, group: group, text: recipient.Reveal(), enc: enc.Reveal()}
		text := strings.TrimSpace(e.text)
		if key == pgpKey {
			text = pgpPrefix + text
		}
		if key == transitList {
			text = transitText(item)
			e.text = text
		}
		if key != ageKey {
			if at := item.Field("created_at"); at != nil && at.Kind == tree.String {
				e.created = at.Reveal()
			}
		}
		if parsed, err := ParseRecipient(text); err == nil {
			text = parsed.String()
		}
		e.recipient = text
		r.m.Recipients = append(r.m.Recipients, text)
		r.m.RecipientPos = append(r.m.RecipientPos, recipient.Pos)
		r.m.entries = append(r.m.entries, e)
	}
}

// transitText gives the address of a key that the block has in parts.
func transitText(item *tree.Node) string {
	part := func(key string) string {
		if n := item.Field(key); n != nil && n.Kind == tree.String {
			return n.Reveal()
		}
		return ""
	}
	return strings.TrimRight(part("vault_address"), "/") + "/v1/" + strings.Trim(part("engine_path"), "/") + "/keys/" + part("key_name")
}

// otherName gives what the block says about such a key, without what is encrypted to it.
func otherName(item *tree.Node) string {
	var parts []string
	for _, f := range item.Fields() {
		if f.Key != "enc" && f.Key != "created_at" && f.Value.Kind == tree.String && f.Value.Reveal() != "" {
			parts = append(parts, f.Value.Reveal())
		}
	}
	return oneLine(strings.Join(parts, " "))
}

// present reports whether a list of the block has something in it: older versions of SOPS write empty ones.
func present(n *tree.Node) bool {
	return n != nil && n.Kind != tree.Null && (n.Kind.IsScalar() || n.Len() > 0)
}
