package diff

import (
	"context"
	"path"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/schema"
	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/template"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/workspace"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// layerFile is a layer file that may differ, with what its own text says differs.
type layerFile struct {
	file     string
	address  address.Address
	old, new *tree.Node // nil where the file is not there
	changes  []*rawChange
	imports  []string // the changed files that it is evaluated from, where it is in CUE
	broken   bool
}

// rawChange is a change of a layer file itself, before any merging.
type rawChange struct {
	Change
	in *layerFile
}

// layerFile reads both sides of the layer of an address. file is its file that is known to have changed, "" where only what
// it imports has.
func (c *comparer) layerFile(ctx context.Context, file string, a address.Address) (*layerFile, error) {
	l := &layerFile{file: file, address: a}
	var files [2]*workspace.File
	for i, side := range []Side{c.old, c.new} {
		f, err := side.Snapshot.LayerOf(ctx, a)
		if err != nil {
			if err := c.broken(err, side); err != nil {
				return nil, err
			}
			l.broken = true
			continue
		}
		if f == nil {
			continue
		}
		files[i] = f
		l.file = f.Path
		root, err := markSecrets(ctx, side.Snapshot, a.Namespace, f.Sealed)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			l.old = root
		} else {
			l.new = root
		}
	}
	if l.broken {
		return l, nil
	}
	changes := Trees(orEmpty(l.old), orEmpty(l.new))
	if err := c.settle(ctx, changes, &c.report.Findings); err != nil {
		return nil, err
	}
	for _, ch := range changes {
		l.changes = append(l.changes, &rawChange{ch, l})
	}
	if len(l.changes) == 0 && file != "" {
		c.report.Files = append(c.report.Files, FileChange{File: l.file, Kind: fileKind(files[0] == nil, files[1] == nil), Note: layoutNote(files)})
	}
	return l, nil
}

func orEmpty(n *tree.Node) *tree.Node {
	if n == nil {
		return tree.NewMap()
	}
	return n
}

func fileKind(noOld, noNew bool) Kind {
	switch {
	case noOld:
		return Added
	case noNew:
		return Removed
	}
	return Changed
}

// layoutNote says what differs in a layer file without another value.
func layoutNote(files [2]*workspace.File) string {
	var access [2]seal.Access
	for i, f := range files {
		if f == nil {
			return "no values"
		}
		if f.IsCUE() {
			if other := files[1-i]; other != nil && other.Path != f.Path {
				return "the same values as in " + files[0].Path
			}
			return "the same values"
		}
		if m, err := seal.Inspect(f.Doc); err == nil && m != nil {
			access[i] = m.Access
		}
	}
	if !access[0].Equal(access[1]) {
		return "recipients of its secrets"
	}
	return "comments or layout only"
}

// markSecrets marks what the schema calls secret in a layer, for where it lies there in plain text.
func markSecrets(ctx context.Context, s *workspace.Snapshot, namespace string, root *tree.Node) (*tree.Node, error) {
	m, err := s.ModuleOf(ctx, namespace)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		m = nil // an unknown namespace or module is a finding of the addresses that need it
	}
	if i := slices.IndexFunc(root.Fields(), func(f tree.Field) bool { return f.Key == template.VariablesKey }); i >= 0 {
		hide, err := unfit(template.VariablesKey + ".yaml")
		if err != nil {
			return nil, err
		}
		fields := slices.Clone(root.Fields())
		fields[i].Value = hide(nil, fields[i].Value)
		root = root.WithFields(fields)
	}
	if m == nil {
		return root, nil
	}
	return markNode(nil, root, m), nil
}

func markNode(p tree.Path, n *tree.Node, m *schema.Module) *tree.Node {
	switch {
	case n.Kind == tree.Map:
		fields := slices.Clone(n.Fields())
		for i, f := range fields {
			fields[i].Value = markNode(append(p, tree.Key(f.Key)), f.Value, m)
		}
		return n.WithFields(fields)
	case n.Kind == tree.List:
		items := slices.Clone(n.Items())
		for i, item := range items {
			items[i] = markNode(append(p, tree.Index(i)), item, m)
		}
		return n.WithItems(items)
	case !n.Secret && n.Kind != tree.Null:
		if f, _ := m.Field(p); f.Secret {
			return masked(n)
		}
	}
	return n
}

// otherFile reports a changed file that is not a layer.
func (c *comparer) otherFile(ctx context.Context, file string) error {
	old, err := readFile(ctx, c.old.Snapshot, file)
	if err != nil {
		return err
	}
	new, err := readFile(ctx, c.new.Snapshot, file)
	if err != nil || old == nil && new == nil {
		return err
	}
	change := FileChange{File: file, Kind: fileKind(old == nil, new == nil)}
	switch {
	case string(old) == string(new) && old != nil && new != nil:
		return nil
	case file == workspace.SettingsFile || file == workspace.LockFile || path.Base(file) == "tenant.yaml":
		a, errOld := yamldoc.Parse(file, old)
		b, errNew := yamldoc.Parse(file, new)
		for i, err := range []error{errOld, errNew} {
			if err != nil {
				if err := c.broken(err, []Side{c.old, c.new}[i]); err != nil {
					return err
				}
			}
		}
		if errOld == nil && errNew == nil && old != nil && new != nil {
			hide, err := unfit(file)
			if err != nil {
				return err
			}
			for _, ch := range Trees(hide(nil, a.Root()), hide(nil, b.Root())) {
				change.Differences = append(change.Differences, NewDifference(ch))
			}
			if len(change.Differences) == 0 {
				change.Note = "comments or layout only"
			}
		}
	case isText(file) && change.Kind == Changed:
		change.Hunks = Text(string(old), string(new))
	}
	c.report.Files = append(c.report.Files, change)
	return nil
}

// touching gives the changes of the file that can have changed the value at a path, the likeliest first: at the same path,
// then below it, then above it.
func (l *layerFile) touching(p tree.Path) []*rawChange {
	p = mapPart(p)
	var same, above, below []*rawChange
	for _, r := range l.changes {
		switch q := mapPart(r.Path); {
		case q.Equal(p):
			same = append(same, r)
		case p.HasPrefix(q) && l.decides(p, q):
			above = append(above, r)
		case q.HasPrefix(p):
			below = append(below, r)
		}
	}
	return slices.Concat(same, below, above)
}

// decides reports whether a change at a path above can be why the value at p differs: the layer has a say on p itself, or
// a tag on the way there.
func (l *layerFile) decides(p, above tree.Path) bool {
	for _, root := range []*tree.Node{l.old, l.new} {
		if root.Get(p) != nil {
			return true
		}
		for i := len(above); i < len(p); i++ {
			if n := root.Get(p[:i]); n != nil && (n.Directive != tree.None || n.Kind != tree.Map) {
				return true
			}
		}
	}
	return false
}

// mapPart cuts a path at its first list step: where in a list an item stands differs from layer to layer.
func mapPart(p tree.Path) tree.Path {
	for i, s := range p {
		if _, ok := s.AsKey(); !ok {
			return p[:i]
		}
	}
	return p
}

func layerName(file string) string {
	if a, ok := address.FromFile(file); ok {
		return a.Tenant + "/" + a.Environment
	}
	if isBelow(file, workspace.SchemaDir) || strings.HasPrefix(file, "schema:") {
		return workspace.DefaultsLayer
	}
	if workspace.IsTemplate(file) {
		return "template"
	}
	return ""
}

// isText reports whether a file is shown as text where nothing can be told of values.
func isText(file string) bool {
	return isBelow(file, workspace.SchemaDir) || isBelow(file, workspace.TemplateDir) || isBelow(file, workspace.SharedDir)
}

// compareFiles orders files by how far they reach: schemas, the platform's layers, then by name.
func compareFiles(a, b string) int {
	rank := func(f string) int {
		switch {
		case layerName(f) == workspace.DefaultsLayer, workspace.IsTemplate(f), isBelow(f, workspace.SharedDir):
			return 0
		case isBelow(f, path.Join(address.Root, address.Global)):
			return 1
		}
		return 2
	}
	if d := rank(a) - rank(b); d != 0 {
		return d
	}
	return strings.Compare(a, b)
}

func comparePositions(a, b diag.Position) int {
	if d := a.Line - b.Line; d != 0 {
		return d
	}
	return a.Column - b.Column
}
