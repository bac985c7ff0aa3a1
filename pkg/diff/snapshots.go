package diff

import (
	"context"
	"iter"
	"maps"
	"path"
	"slices"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/layer"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// scope is what differs between two snapshots and where it can matter.
type scope struct {
	layers  map[string]*layerFile
	all     bool            // settings, schemas or templates differ: any address can
	tenants map[string]bool // whose tenant.yaml differs
	// over are the addresses that have a changed layer file in their stack, on either side.
	over map[string][]address.Address
}

// snapshots compares the same addresses at two snapshots and groups what differs by cause.
func (c *comparer) snapshots(ctx context.Context) error {
	files, err := changedFiles(ctx, c.old.Snapshot, c.new.Snapshot, c.o)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return nil
	}
	s, err := c.scope(ctx, files)
	if err != nil {
		return err
	}
	patterns, err := c.reachable(ctx, s)
	if err != nil {
		return err
	}
	olds, oldOK, err := c.addressesOf(ctx, c.old, patterns)
	if err != nil {
		return err
	}
	news, newOK, err := c.addressesOf(ctx, c.new, patterns)
	if err != nil {
		return err
	}
	var jobs []job
	var onlyOld, onlyNew []address.Address
	if oldOK && newOK {
		jobs, onlyOld, onlyNew = pairUp(olds, news, c.old.Of, c.new.Of)
		if jobs, err = c.affected(ctx, s, jobs); err != nil {
			return err
		}
	}
	g := newGroups(s)
	modules, err := c.modules(ctx, s)
	if err != nil {
		return err
	}
	compare := func(ctx context.Context, j job) (outcome, error) { return c.effects(ctx, s, modules, j) }
	err = c.run(ctx, jobs, compare, func(o outcome) {
		g.take(o)
		modules.take(o)
	})
	if err != nil {
		return err
	}
	c.report.Schemas = modules.report(c.isRestricted())
	if err := c.lone(ctx, onlyOld, onlyNew); err != nil {
		return err
	}
	restricted := c.isRestricted()
	lone := map[string]bool{}
	for _, a := range slices.Concat(onlyOld, onlyNew) {
		for _, file := range c.stackFiles(ctx, a) {
			lone[file] = true
		}
	}
	c.report.Entries = g.entries(func(l *layerFile) bool {
		if len(s.over[l.file]) > 0 {
			return true
		}
		// A layer of addresses that came or went is told by those; one that is under no address is told as it is.
		return !lone[l.file] && (!restricted || c.new.Of.Match(l.address))
	})
	c.summarise()
	return nil
}

func (c *comparer) isRestricted() bool {
	t, e, n := c.new.Of.Parts()
	return t != "*" || e != "*" || n != "*"
}

// scope reads the changed files themselves.
func (c *comparer) scope(ctx context.Context, files []string) (*scope, error) {
	s := &scope{layers: map[string]*layerFile{}, tenants: map[string]bool{}, over: map[string][]address.Address{}}
	for _, file := range files {
		if a, ok := address.FromFile(file); ok {
			if !c.canMatter(ctx, a) {
				continue
			}
			if s.layers[a.File()] != nil || s.layers[a.CUEFile()] != nil {
				continue // rewritten from one language in the other
			}
			l, err := c.layerFile(ctx, file, a)
			if err != nil {
				return nil, err
			}
			s.layers[l.file] = l
			continue
		}
		dir, base := path.Split(file)
		if tenant := path.Base(dir); base == "tenant.yaml" && file == workspace.TenantFile(tenant) {
			if !c.new.Of.MatchTenant(tenant) {
				continue
			}
			s.tenants[tenant] = true
		}
		if file == workspace.SettingsFile || file == workspace.LockFile || isBelow(file, workspace.SchemaDir) || isBelow(file, workspace.TemplateDir) {
			s.all = true
		}
		if err := c.otherFile(ctx, file); err != nil {
			return nil, err
		}
	}
	return s, c.importers(ctx, s, files)
}

// canMatter reports whether a layer can be under an address of the pattern, judged by the tenant alone.
func (c *comparer) canMatter(ctx context.Context, a address.Address) bool {
	return c.new.Of.MatchTenant(a.Tenant) || c.isShared(ctx, a.Tenant)
}

// isShared reports whether the layers of a tenant lie under those of others.
func (c *comparer) isShared(ctx context.Context, tenant string) bool {
	if tenant == address.Global {
		return true
	}
	for _, side := range []Side{c.old, c.new} {
		if settings, err := side.Snapshot.Settings(ctx); err == nil {
			for _, l := range settings.Layers {
				if path.Dir(l) == tenant {
					return true
				}
			}
		}
	}
	return false
}

// reachable gives patterns for the addresses that the changes can reach: where they are of a few tenants alone, no other
// tenant is looked at.
func (c *comparer) reachable(ctx context.Context, s *scope) ([]address.Pattern, error) {
	all := []address.Pattern{c.new.Of}
	tenant, environment, namespace := c.new.Of.Parts()
	if s.all || tenant != "*" {
		return all, nil
	}
	tenants := maps.Clone(s.tenants)
	for _, l := range s.layers {
		tenants[l.address.Tenant] = true
	}
	var out []address.Pattern
	for _, t := range slices.Sorted(maps.Keys(tenants)) {
		if c.isShared(ctx, t) {
			return all, nil
		}
		p, err := address.ParsePattern(t + "/" + environment + "/" + namespace)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	if len(out) == 0 { // no patterns would stand for everything
		return all, nil
	}
	return out, nil
}

// addressesOf gives a side's addresses; ok is false where its settings are broken, which then is a finding.
func (c *comparer) addressesOf(ctx context.Context, side Side, patterns []address.Pattern) (list []address.Address, ok bool, err error) {
	list, err = side.Snapshot.Addresses(ctx, patterns...)
	if err != nil {
		return nil, false, c.broken(err, side)
	}
	return list, true, nil
}

// affected keeps the jobs that can come out differently.
func (c *comparer) affected(ctx context.Context, s *scope, jobs []job) ([]job, error) {
	oldSettings, err := c.old.Snapshot.Settings(ctx)
	if err != nil {
		return nil, err
	}
	newSettings, err := c.new.Snapshot.Settings(ctx)
	if err != nil {
		return nil, err
	}
	var out []job
	for _, j := range jobs {
		var over []string
		for _, settings := range []*workspace.Settings{oldSettings, newSettings} {
			for _, ref := range settings.Stack(j.new) {
				for _, file := range layerFiles(ref.Address) {
					if s.layers[file] != nil && !slices.Contains(over, file) {
						over = append(over, file)
					}
				}
			}
		}
		for _, file := range s.withImports(over) {
			s.over[file] = append(s.over[file], j.new)
		}
		if len(over) > 0 || s.all || s.tenants[j.new.Tenant] {
			out = append(out, j)
		}
	}
	return out, nil
}

// stackFiles gives the places of an address's stack on both sides.
func (c *comparer) stackFiles(ctx context.Context, a address.Address) []string {
	var files []string
	for _, side := range []Side{c.old, c.new} {
		if settings, err := side.Snapshot.Settings(ctx); err == nil {
			for _, ref := range settings.Stack(a) {
				files = append(files, layerFiles(ref.Address)...)
			}
		}
	}
	return files
}

// effect is a change of what an address resolves to, with its cause.
type effect struct {
	Change
	raw  *rawChange // nil where no layer file's own change explains it
	file string
}

// effects finds out how an address comes out differently, and why.
func (c *comparer) effects(ctx context.Context, s *scope, m modules, j job) (outcome, error) {
	out := outcome{job: j}
	old, new, err := c.resolve(ctx, j, &out)
	if err != nil || out.unresolved {
		return out, err
	}
	if err := c.refused(ctx, m, old, new, &out); err != nil {
		return out, err
	}
	changes := Trees(old.Root, new.Root)
	if err := c.settle(ctx, changes, &out.findings); err != nil {
		return out, err
	}
	order := stackOrder(old.Stack, new.Stack)
	var touched []*layerFile // those changed, highest first
	for _, file := range slices.Backward(order) {
		if l := s.layers[file]; l != nil {
			touched = append(touched, l)
		}
	}
	used := map[*rawChange]bool{}
	out.templates = templatesOf(old.Stack, new.Stack)
	for _, ch := range changes {
		effects, parts := attributeTemplates(attribute(ch, touched), touched, old, new)
		for _, r := range parts {
			used[r] = true
		}
		out.parts = append(out.parts, parts...)
		for _, e := range effects {
			out.effects = append(out.effects, e)
			if e.raw != nil {
				used[e.raw] = true
			}
		}
	}
	for _, l := range touched {
		for _, r := range l.changes {
			if !used[r] && isOverridden(r, old.Root, new.Root, order) {
				out.overridden = append(out.overridden, r)
			}
		}
	}
	return out, nil
}

// stackOrder gives the files of two stacks, lowest first.
func stackOrder(old, new []layer.Layer) []string {
	var files []string
	for _, l := range new {
		// A layer that was rewritten in another language keeps its place.
		for _, o := range old {
			if o.Name == l.Name && o.File != l.File {
				files = append(files, o.File)
			}
		}
		files = append(files, l.File)
	}
	for _, l := range old {
		if !slices.Contains(files, l.File) {
			files = append(files, l.File)
		}
	}
	return files
}

// attribute finds the causes of a change among the changed layers, highest first. Values that came or went as a whole map
// are taken apart where several edits had a part in it.
func attribute(ch Change, touched []*layerFile) []effect {
	var causes []*rawChange
	for _, l := range touched {
		causes = append(causes, l.touching(ch.Path)...)
	}
	if wholeMap(ch) != nil && len(causes) > 1 {
		var out []effect
		for child := range children(ch) {
			out = append(out, attribute(child, touched)...)
		}
		return out
	}
	for _, r := range causes {
		if fromHere(ch, r) {
			return []effect{{ch, r, causeOf(r)}}
		}
	}
	if len(causes) > 0 {
		return []effect{{ch, causes[0], causeOf(causes[0])}}
	}
	e := effect{Change: ch}
	if ch.New != nil {
		e.file = ch.New.Pos.File
	} else {
		e.file = ch.Old.Pos.File
	}
	return []effect{e}
}

// wholeMap gives the map that was added or removed as one, nil for other changes.
func wholeMap(ch Change) *tree.Node {
	n := ch.New
	if ch.Kind == Removed {
		n = ch.Old
	}
	if (ch.Kind == Added || ch.Kind == Removed) && n.Kind == tree.Map && n.Len() > 0 {
		return n
	}
	return nil
}

// children takes a map that was added or removed as one apart.
func children(ch Change) iter.Seq[Change] {
	return func(yield func(Change) bool) {
		for _, f := range wholeMap(ch).Fields() {
			child := Change{Path: append(ch.Path.Clone(), tree.Key(f.Key)), Kind: ch.Kind, Item: -1}
			if ch.Kind == Added {
				child.New = f.Value
			} else {
				child.Old = f.Value
			}
			if !yield(child) {
				return
			}
		}
	}
}

// fromHere reports whether the new value, or the one that is gone, stands at the very place of a layer's change.
func fromHere(ch Change, r *rawChange) bool {
	if ch.New != nil && r.New != nil && !isTombstone(r.New) {
		return tree.SamePlace(ch.New, r.New) && !r.New.Pos.IsZero()
	}
	return ch.New == nil && r.New == nil && tree.SamePlace(ch.Old, r.Old) && !r.Old.Pos.IsZero()
}

// isOverridden reports whether a change of a layer has no effect because a higher layer decides.
func isOverridden(r *rawChange, old, new *tree.Node, order []string) bool {
	p := mapPart(r.Path)
	root, value := new, r.New
	if value == nil {
		root, value = old, r.Old
	}
	if isTombstone(r.New) {
		// A tombstone is overridden where the key is there all the same.
		n := new.Get(p)
		return n != nil && slices.Index(order, n.LayerFile()) > slices.Index(order, r.in.file)
	}
	if value.Kind != tree.Map {
		return isHigher(root.Get(p), r.in.file, order)
	}
	for below := range value.Leaves() {
		if isHigher(root.Get(append(p.Clone(), mapPart(below)...)), r.in.file, order) {
			return true
		}
	}
	return false
}

// isHigher reports whether a resolved value comes from a layer above a file; a value that is gone was taken away there.
func isHigher(n *tree.Node, file string, order []string) bool {
	return n == nil || slices.Index(order, n.LayerFile()) > slices.Index(order, file)
}

// placeOf gives where a cause is in its file: the key's place, or the value's where there is no key.
func placeOf(e effect) diag.Position {
	if e.raw != nil {
		for _, root := range []*tree.Node{e.raw.in.new, e.raw.in.old} {
			if pos, ok := keyPlace(root, e.Path); ok {
				return pos
			}
		}
	}
	return valuePlace(e)
}

// keyPlace gives where the key at the end of a path stands.
func keyPlace(root *tree.Node, p tree.Path) (diag.Position, bool) {
	if len(p) == 0 {
		return diag.Position{}, false
	}
	key, ok := p[len(p)-1].AsKey()
	if !ok {
		return diag.Position{}, false
	}
	for _, f := range root.Get(p[:len(p)-1]).Fields() {
		if f.Key == key && !f.Pos.IsZero() {
			return f.Pos, true
		}
	}
	return diag.Position{}, false
}

func valuePlace(e effect) diag.Position {
	switch {
	case e.New != nil && e.New.Pos.File == e.file:
		return e.New.Pos
	case e.raw == nil && e.New != nil:
		return e.New.Pos
	case e.raw == nil || e.New == nil && e.Old.Pos.File == e.file && e.raw.New == nil:
		return e.Old.Pos
	case e.raw.New != nil:
		return e.raw.New.Pos
	}
	return e.raw.Old.Pos
}
