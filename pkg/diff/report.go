package diff

import (
	"encoding/json"
	"strings"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/schema"
	"github.com/llm-devops/lcm/pkg/tree"
)

// Report is what differs between two sides. Which of Entries and Pairs is filled depends on what was compared: the same
// addresses at two snapshots, or different addresses.
type Report struct {
	Old string `json:"old"` // what stands on each side: "worktree", "HEAD", "acme/staging"
	New string `json:"new"`
	// Entries are the causes, platform layers first, then by file and line.
	Entries []Entry `json:"entries,omitempty"`
	// Pairs are the compared addresses, those without differences left out.
	Pairs []Pair `json:"pairs,omitempty"`
	// Addresses are those that exist on one side only.
	Addresses []AddressChange `json:"addresses,omitempty"`
	// Files are changed files that are not layers, and layer files in which no value changed.
	Files []FileChange `json:"files,omitempty"`
	// Schemas are the modules that differ, by name, where the same addresses were compared.
	Schemas []SchemaChange `json:"schemas,omitempty"`
	// Findings is what is broken on either side; the differences behind it are not known.
	Findings diag.List `json:"findings,omitempty"`
	// Unresolved are the addresses that could not be compared because of the findings.
	Unresolved []address.Address `json:"unresolved,omitempty"`
	Summary    Summary           `json:"summary"`
}

// Summary counts what a report holds.
type Summary struct {
	Changes    int `json:"changes"`    // entries, or differing keys of all pairs
	Files      int `json:"files"`      // files that the entries are in, and Files
	Addresses  int `json:"addresses"`  // addresses that come out differently
	Tenants    int `json:"tenants"`    // tenants of those
	Overridden int `json:"overridden"` // addresses that stay as they are because a higher layer sets what changed
	Invalid    int `json:"invalid"`    // addresses that a change of a schema makes invalid
}

// Empty reports whether nothing differs. Findings do not count.
func (r *Report) Empty() bool {
	return len(r.Entries)+len(r.Pairs)+len(r.Addresses)+len(r.Files)+len(r.Schemas) == 0
}

// Value is a value on one side of a difference, with where it comes from.
type Value struct {
	Node *tree.Node
}

// MarshalJSON gives {"value", "kind", "directive", "secret", "position"}. Secrets are masked; infinities and NaN, which JSON
// has no numbers for, are strings.
func (v Value) MarshalJSON() ([]byte, error) {
	n := v.Node
	out := struct {
		Value     *tree.Node     `json:"value"`
		Kind      string         `json:"kind"`
		Directive string         `json:"directive,omitempty"`
		Secret    bool           `json:"secret,omitempty"`
		Position  *diag.Position `json:"position,omitempty"`
	}{Value: jsonSafe(n), Kind: n.Kind.String(), Directive: n.Directive.String(), Secret: n.Secret}
	if !n.Pos.IsZero() {
		out.Position = &n.Pos
	}
	return json.Marshal(out)
}

// jsonSafe gives n with the numbers that JSON cannot spell as strings.
func jsonSafe(n *tree.Node) *tree.Node {
	switch n.Kind {
	case tree.Map:
		fields := make([]tree.Field, n.Len())
		for i, f := range n.Fields() {
			fields[i] = tree.Field{Key: f.Key, Value: jsonSafe(f.Value)}
		}
		return n.WithFields(fields)
	case tree.List:
		items := make([]*tree.Node, n.Len())
		for i, item := range n.Items() {
			items[i] = jsonSafe(item)
		}
		return n.WithItems(items)
	case tree.Int, tree.Float:
		if _, err := n.JSONNumber(); err != nil && !n.Secret {
			return tree.NewString(n.Text())
		}
	}
	return n
}

// Difference is one differing key.
type Difference struct {
	Key    tree.Path   `json:"key"`
	Kind   Kind        `json:"kind"`
	Old    *Value      `json:"old,omitempty"`
	New    *Value      `json:"new,omitempty"`
	Secret SecretState `json:"secret,omitempty"`
	// Hunks compares long strings and such of several lines.
	Hunks []Hunk `json:"hunks,omitempty"`
}

// Entry is one cause: a value in one layer file, or a default of a schema, and what it changes.
type Entry struct {
	Difference
	// File is where the cause is: a layer file, or schema:MODULE for a default. Position is the place in it: of the new
	// value, or of the old one where it is gone.
	File     string        `json:"file"`
	Layer    string        `json:"layer,omitempty"` // "acme/production"
	Position diag.Position `json:"position"`
	// Directive is the tag that made the difference, where it was not the value: "!delete", "!append".
	Directive string `json:"directive,omitempty"`
	// Reach lists the addresses that come out differently, by tenant, promotion order and namespace. It is empty for an edit
	// without effect.
	Reach []address.Address `json:"reach"`
	// ReachTenants counts the tenants in Reach, Tenants those that have the layer under any of their addresses.
	ReachTenants int `json:"reachTenants"`
	Tenants      int `json:"tenants"`
	// Overridden are the addresses over this layer whose value comes from a higher one and did not change.
	Overridden []address.Address `json:"overridden,omitempty"`
}

// Pair is two compared addresses and what differs between them.
type Pair struct {
	Old         address.Address `json:"old"`
	New         address.Address `json:"new"`
	Differences []Difference    `json:"differences"`
}

// AddressChange is an address that exists on one side only.
type AddressChange struct {
	Address address.Address `json:"address"`
	Kind    Kind            `json:"kind"` // Added or Removed
	Keys    int             `json:"keys"` // how many values it resolves to
}

// FileChange is a changed file that is not a layer, or a layer file in which no value changed.
type FileChange struct {
	File string `json:"file"`
	Kind Kind   `json:"kind"` // Added, Removed or Changed
	// Note says what changed where that is no value: "comments or layout", "recipients".
	Note string `json:"note,omitempty"`
	// Differences are the differing keys of lcm.yaml and tenant.yaml files.
	Differences []Difference `json:"differences,omitempty"`
	// Hunks compares other text files, as schemas.
	Hunks []Hunk `json:"hunks,omitempty"`
}

// SchemaChange is a module that differs, and what that does to configurations beside other defaults, which are entries.
type SchemaChange struct {
	Module string `json:"module"`
	Kind   Kind   `json:"kind"`          // Added, Removed or Changed
	Old    string `json:"old,omitempty"` // the versions
	New    string `json:"new,omitempty"`
	// Fields are those of which another thing is said.
	Fields []schema.FieldChange `json:"fields,omitempty"`
	// Addresses counts those of the module, of which Invalid become invalid, and Refused says why: what the new schema finds
	// in them and the old one does not.
	Addresses int               `json:"addresses"`
	Invalid   []address.Address `json:"invalid,omitempty"`
	Refused   diag.List         `json:"refused,omitempty"`
}

// NewDifference makes a change presentable: strings of several lines get their hunks.
func NewDifference(c Change) Difference {
	d := Difference{Key: c.Path, Kind: c.Kind, Secret: c.Secret}
	if c.Old != nil {
		d.Old = &Value{c.Old}
	}
	if c.New != nil {
		d.New = &Value{c.New}
	}
	if c.Kind == Changed && c.Secret == "" && c.Old.Kind == tree.String && c.New.Kind == tree.String && (isLong(c.Old) || isLong(c.New)) {
		d.Hunks = Text(c.Old.Text(), c.New.Text())
	}
	return d
}

// longText is the length, in bytes, from which a string of one line is compared word by word.
const longText = 120

// isLong reports whether a string is better compared line by line.
func isLong(n *tree.Node) bool {
	text := n.Text()
	return len(text) > longText || strings.Contains(strings.TrimSuffix(text, "\n"), "\n")
}
