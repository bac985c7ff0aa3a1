// Package bundle turns the resolved configuration of one tenant and environment into what leaves the repository: documents
// by digest, a signed manifest that names them, and the pointer that says which manifest is active; and it reads them back.
//
// [Build] makes a [Bundle] from resolved trees, [SignManifest] and [Verify] seal and check a [Manifest], [Read] follows
// pointer, manifest and documents and checks every step. [Layout] says where each object lies.
//
// Guarantees: a document is a function of the values alone, so that unchanged configuration keeps its digest; a document
// never holds a secret, only a reference to it; what is read back is bounded in size, strictly decoded and canonical, and
// nothing of a manifest is used before its signature holds. Building does no IO; reading does it through [Objects].
package bundle

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
)

// APIVersion stands in every object of a bundle.
const APIVersion = "lcm/v1"

var (
	// ErrNotExist is what a store wraps for an object, and a reader for a unit, that is not there.
	ErrNotExist = errors.New("does not exist")
	// ErrInvalid is wrapped by every failure of what was read: undecodable, another digest or size, a signature that
	// does not hold, a missing part. Reading again does not help.
	ErrInvalid = errors.New("not a valid bundle")
)

// Input is the configuration of one tenant and environment, resolved.
type Input struct {
	Tenant      string
	Environment string
	Commit      string // the full object id the configuration was resolved from
	Namespaces  []Namespace
	Recipients  []string // public keys that sealed secrets are readable for; without a vault only

	// Partial says that Namespaces are only some of the unit's: the others stay as they are published.
	Partial bool
}

// Namespace is one namespace of an [Input].
type Namespace struct {
	Name         string
	Module       string // "" if it is an instance of none
	SchemaDigest string
	Tree         *tree.Node // a map, its secrets opened: Secret set, Sealed not

	// SecretsInput identifies the ciphertexts the secrets came from, as [SecretsInput] computes it. Sealing is randomised,
	// so this is what tells a publisher that nothing changed. It is needed for secrets that travel sealed.
	SecretsInput string
}

// Unit names what is published as one: a tenant in an environment.
type Unit struct {
	Tenant      string `json:"tenant"`
	Environment string `json:"environment"`
}

// String gives "tenant/environment".
func (u Unit) String() string { return u.Tenant + "/" + u.Environment }

// Check says whether both names are well formed, so that they can be used in object keys.
func (u Unit) Check() error {
	if err := address.CheckName("tenant", u.Tenant); err != nil {
		return err
	}
	return address.CheckName("environment", u.Environment)
}

// Bundle is a unit ready to be published: its documents and, apart from them, its secrets.
type Bundle struct {
	Unit       Unit
	Commit     string
	Items      []Item // by name
	Recipients []string
	Partial    bool
}

// Item is one namespace of a [Bundle].
type Item struct {
	Name         string
	Module       string
	SchemaDigest string
	Data         []byte // the document
	Digest       Digest // of Data
	Secrets      Secrets
	Empty        bool // nothing is configured

	// SealInput identifies everything that goes into the sealed secrets, ciphertexts instead of values; "" without
	// [Namespace.SecretsInput].
	SealInput Digest
}

// Empty reports whether nothing at all is configured: no namespace, or only empty ones.
func (b *Bundle) Empty() bool {
	return !b.Partial && !slices.ContainsFunc(b.Items, func(i Item) bool { return !i.Empty })
}

var commitText = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(?:[0-9a-f]{40}|[0-9a-f]{64})$`) })

// Build makes the documents of one unit. Faults in the values (a sealed secret, a reserved key) come as a [diag.List], all
// of them; other errors are about the input itself.
func Build(in Input) (*Bundle, error) {
	unit := Unit{in.Tenant, in.Environment}
	if err := unit.Check(); err != nil {
		return nil, fmt.Errorf("build bundle: %w", err)
	}
	if !commitText().MatchString(in.Commit) {
		return nil, fmt.Errorf("build bundle %s: %q is not a full commit id", unit, in.Commit)
	}
	b := &Bundle{Unit: unit, Commit: in.Commit, Partial: in.Partial}
	b.Recipients = slices.Compact(slices.Sorted(slices.Values(in.Recipients)))
	var findings diag.List
	for _, ns := range in.Namespaces {
		item, err := buildItem(unit, ns, b.Recipients)
		if list, ok := errors.AsType[diag.List](err); ok {
			findings = append(findings, list...)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("build bundle %s/%s: %w", unit, ns.Name, err)
		}
		b.Items = append(b.Items, item)
	}
	if len(findings) > 0 {
		return nil, findings.Sorted()
	}
	slices.SortFunc(b.Items, func(x, y Item) int { return strings.Compare(x.Name, y.Name) })
	for i := 1; i < len(b.Items); i++ {
		if b.Items[i].Name == b.Items[i-1].Name {
			return nil, fmt.Errorf("build bundle %s: namespace %s is given twice", unit, b.Items[i].Name)
		}
	}
	return b, nil
}

func buildItem(unit Unit, ns Namespace, recipients []string) (Item, error) {
	if err := address.CheckName("namespace", ns.Name); err != nil {
		return Item{}, err
	}
	if ns.Tree == nil || ns.Tree.Kind != tree.Map {
		return Item{}, fmt.Errorf("the configuration is no map but %s", ns.Tree)
	}
	if len(ns.Module) > maxName || len(ns.SchemaDigest) > maxName {
		return Item{}, fmt.Errorf("module or schema digest is longer than %d bytes", maxName)
	}
	r := redactor{address: unit.String() + "/" + ns.Name, secrets: Secrets{}}
	config := r.redact(nil, ns.Tree, false)
	if len(r.findings) > 0 {
		return Item{}, r.findings
	}
	doc := Document{Unit: unit, Namespace: ns.Name, Module: ns.Module, Config: config}
	data, err := doc.Encode()
	if err != nil {
		return Item{}, err
	}
	item := Item{
		Name: ns.Name, Module: ns.Module, SchemaDigest: ns.SchemaDigest,
		Data: data, Digest: DigestOf(data), Secrets: r.secrets, Empty: config.Len() == 0,
	}
	if ns.SecretsInput != "" && len(item.Secrets) > 0 {
		item.SealInput, err = digestOfJSON([]any{
			"lcm/v1 sealed", ns.SecretsInput, ns.Module, ns.SchemaDigest, recipients, item.Secrets.Keys(),
		})
	}
	return item, err
}
