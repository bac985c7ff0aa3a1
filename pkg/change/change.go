// Package change is the one way anything is written: edits → preview → check → one signed commit.
//
// [Prepare] applies edits to the files of a snapshot without writing anything, and finds out what they reach and what would
// be wrong afterwards. [Plan.Commit] makes one signed commit of exactly those files; [Plan.Write] leaves them in the
// worktree. A dry run prepares and stops there, so it shows what a real run does.
package change

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/due"
	"github.com/llm-devops/lcm/pkg/gitrepo"
	"github.com/llm-devops/lcm/pkg/schema"
	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/workspace"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// Edit is one value of one layer to be set, or removed.
type Edit struct {
	Address address.Address // whose own layer file is edited
	Path    tree.Path
	Value   *tree.Node // nil removes
	Secret  bool       // encrypt the value to the tenant's recipients; implied where the schema says so
}

// Request is one change: all of it happens, or nothing.
type Request struct {
	Kind    string            // what the change is, for the Lcm-Change trailer: set, unset, promote, …
	Edits   []Edit            // of layers
	Texts   []Text            // of layers, whole; of other layers than the edits
	Files   map[string][]byte // of the repository's own files, whole; nil removes
	Subject string            // of the commit; "" makes one from the edits
	Reason  string            // why, in the author's words
	Details []gitrepo.Trailer // of the commit, beside those that every change has
	Now     time.Time         // for what records a time (lastmodified)
	Sign    gitrepo.SignMode
	Step    func() // is called at most twice for each file as the commit is written, concurrently; it may be nil
}

// Plan is a change that has been prepared and checked, and not written.
type Plan struct {
	Before, After *workspace.Snapshot
	Files         map[string][]byte // the new contents; nil removes
	Reach         []address.Address // what services read and comes out differently
	Overridden    []address.Address // what builds on a changed layer, and stays as it is because a higher one decides
	Introduced    diag.List         // what would be wrong afterwards and is not now
	Remaining     diag.List         // what is wrong now and would stay so
	Warned        diag.List         // what the change brings that is only warned about
	Known         []*due.List       // what those still know who lose access to a file on the way
	request       Request
	w             *workspace.Workspace
}

// FindingsError says that a change would make the configuration wrong.
type FindingsError struct{ Findings diag.List }

func (e *FindingsError) Error() string {
	return "the change would make the configuration invalid; nothing was written"
}

// Unwrap gives the findings, so that a caller can show them.
func (e *FindingsError) Unwrap() error { return e.Findings }

// Prepare works out a change on top of a snapshot: HEAD's for a commit, the worktree's to leave it uncommitted.
func Prepare(ctx context.Context, w *workspace.Workspace, base *workspace.Snapshot, r Request) (*Plan, error) {
	p := &Plan{Before: base, Files: map[string][]byte{}, request: r, w: w}
	for _, file := range slices.Sorted(maps.Keys(r.Files)) {
		old, err := base.ReadFile(ctx, file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		if err != nil || r.Files[file] == nil || !bytes.Equal(old, r.Files[file]) {
			p.Files[file] = r.Files[file]
		}
	}
	groups, order := byAddress(r.Edits)
	for _, a := range order {
		if err := base.Check(ctx, a); err != nil {
			return nil, err
		}
		if err := p.edit(ctx, a, groups[a]); err != nil {
			return nil, err
		}
	}
	for _, t := range r.Texts {
		if err := base.Check(ctx, t.Address); err != nil {
			return nil, err
		}
		if err := p.text(ctx, t); err != nil {
			return nil, err
		}
		order = append(order, t.Address)
	}
	p.After = w.Overlay(base, p.Files)
	if err := p.lock(ctx, order); err != nil {
		return nil, err
	}
	if err := p.check(ctx, order); err != nil {
		return nil, err
	}
	if err := p.quotas(ctx); err != nil {
		return nil, err
	}
	return p, nil
}

func byAddress(edits []Edit) (map[address.Address][]Edit, []address.Address) {
	groups := map[address.Address][]Edit{}
	var order []address.Address
	for _, e := range edits {
		if _, ok := groups[e.Address]; !ok {
			order = append(order, e.Address)
		}
		groups[e.Address] = append(groups[e.Address], e)
	}
	slices.SortFunc(order, address.Compare)
	return groups, order
}

// edit works out the new text of one layer file.
func (p *Plan) edit(ctx context.Context, a address.Address, edits []Edit) error {
	tenant, err := p.Before.Tenant(ctx, a.Tenant)
	if err != nil {
		return err
	}
	module, err := p.Before.ModuleOf(ctx, a.Namespace)
	if err != nil {
		return err
	}
	file := a.File()
	var doc *yamldoc.Doc
	current, err := p.Before.LayerOf(ctx, a)
	if err != nil {
		return err
	}
	if current != nil && current.IsCUE() {
		return inCUE(current, edits, module)
	}
	if current != nil {
		doc = current.Doc
	} else if doc, err = yamldoc.Parse(file, nil); err != nil {
		return err
	}
	o := seal.Options{Access: tenant.Access(), Keyring: p.w.Keyring(), Now: p.request.Now}
	if module != nil {
		o.SecretNames = module.SecretNames()
	}
	var changes []seal.Change
	for _, e := range edits {
		for _, c := range sealChanges(ownItem(e, doc.Root(), module), module) {
			if c.Secret && len(tenant.Keys()) == 0 {
				return diag.WithHint(fmt.Errorf("tenant %q has no recipients, so %s cannot be encrypted", a.Tenant, c.Path),
					"add a public key under recipients: in %s", tenant.File)
			}
			changes = append(changes, c)
		}
	}
	seals := slices.ContainsFunc(changes, func(c seal.Change) bool { return c.Secret && c.Value != nil })
	if seals {
		if err := p.settled(ctx, tenant); err != nil {
			return err
		}
	}
	edited, err := seal.Edit(ctx, doc, changes, o)
	if err != nil {
		return err
	}
	if seals {
		if edited, err = p.rekey(ctx, edited, o); err != nil {
			return err
		}
	}
	if current != nil && bytes.Equal(edited.Source(), current.Doc.Source()) {
		return nil
	}
	p.Files[file] = edited.Source()
	return nil
}

// Edits gives what changes, key by key: the request's edits, and what its texts come to.
func (p *Plan) Edits() []Edit { return p.request.Edits }

// Kind says what the change is, as the Lcm-Change trailer does.
func (p *Plan) Kind() string { return p.request.Kind }

// rekey re-encrypts a file in which a secret is set to exactly the tenant's recipients, where it was to others: who may read
// is what tenant.yaml says, never what the file says. If somebody lost access, the data key changes too.
func (p *Plan) rekey(ctx context.Context, doc *yamldoc.Doc, o seal.Options) (*yamldoc.Doc, error) {
	meta, err := seal.Inspect(doc)
	if err != nil || meta == nil {
		return doc, err
	}
	if meta.Access.Equal(o.Access) {
		return doc, nil
	}
	// Who opened it and does not any more knows the data key.
	newDataKey := !meta.Access.Within(o.Access)
	done, err := seal.Rekey(ctx, doc, o.Access, o.Keyring, newDataKey, o.Now)
	if err != nil || !newDataKey {
		return done, err
	}
	all := o.Access.Recipients()
	gone := slices.DeleteFunc(meta.Access.Recipients(), func(r string) bool { return slices.Contains(all, r) })
	return done, p.known(ctx, doc, done, gone)
}

// settled refuses to encrypt by a policy that is about to change: whoever was taken out of tenant.yaml, and not out of a commit yet,
// would be able to read what is set now.
func (p *Plan) settled(ctx context.Context, tenant *workspace.Tenant) error {
	if p.Before.Revision().IsZero() {
		return nil
	}
	now, err := p.w.Worktree().Tenant(ctx, tenant.Name)
	if err == nil && now.Access().Equal(tenant.Access()) {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	file := tenant.File
	before, errBefore := p.Before.ReadFile(ctx, file)
	if after, err := p.w.Worktree().ReadFile(ctx, file); errBefore == nil && err == nil && bytes.Equal(before, after) {
		file = workspace.TenantFile(address.Global) // whose recovery keys are everybody's
	}
	return diag.WithHint(fmt.Errorf("%s has changes that are not committed, by which the secrets of %s are for others", file, tenant.Name),
		"lcm keys sync commits them, with the files that follow; or put them aside: git stash push %s", file)
}

// now gives the time that the change records.
func (p *Plan) now() time.Time {
	if p.request.Now.IsZero() {
		return time.Now()
	}
	return p.request.Now
}

// ownItem turns an edit of a keyed list's item that the layer does not have itself into one that adds the item with its key,
// as the item of a lower layer is overridden: routes[name=chat].weight becomes a new item {name: chat, weight: …}.
func ownItem(e Edit, root *tree.Node, m *schema.Module) Edit {
	if _, ok := root.Locate(e.Path); ok || m == nil || e.Value == nil {
		return e
	}
	for i, step := range e.Path {
		key, id, ok := step.AsMatch()
		if !ok {
			continue
		}
		list := e.Path[:i]
		if _, found := root.Locate(e.Path[:i+1]); found {
			continue
		}
		f, known := m.Field(list)
		if !known || f.Merge.Key != key {
			return e
		}
		item := e.Value
		for _, below := range slices.Backward(e.Path[i+1:]) {
			k, isKey := below.AsKey()
			if !isKey {
				return e
			}
			item = tree.NewMap(tree.Field{Key: k, Value: item})
		}
		item = withIdentity(item, key, id, len(e.Path) == i+1)
		if item == nil {
			return e
		}
		if own := root.Get(list); own != nil && own.Kind == tree.List && own.Len() > 0 {
			e.Path = append(list.Clone(), tree.Index(own.Len()))
			e.Value = item
		} else {
			e.Path = list.Clone()
			e.Value = tree.NewList(item)
		}
		return e
	}
	return e
}

// withIdentity gives a list item with the field by which it is known; whole says that the item itself was given, which may be
// a tombstone. It gives nil where that is no map.
func withIdentity(item *tree.Node, key, id string, whole bool) *tree.Node {
	identity := tree.Field{Key: key, Value: tree.NewString(id)}
	if whole && item.Directive == tree.Delete {
		n := tree.NewMap(identity)
		n.Directive = tree.Delete
		return n
	}
	if item.Kind != tree.Map {
		return nil
	}
	return item.WithFields(append([]tree.Field{identity}, item.Without(key).Fields()...))
}

// sealChanges gives an edit as changes to a file: one, and one more for every secret that lies inside a map or a list.
func sealChanges(e Edit, m *schema.Module) []seal.Change {
	changes := []seal.Change{{Path: e.Path, Value: e.Value, Secret: e.Secret}}
	if m == nil || e.Value == nil || e.Secret {
		return changes
	}
	for below, leaf := range e.Value.Leaves() {
		path := append(e.Path.Clone(), below...)
		if f, ok := m.Field(path); !ok || !f.Secret || !leaf.Kind.IsScalar() {
			continue
		}
		if len(below) == 0 {
			changes[0].Secret = true
			continue
		}
		changes = append(changes, seal.Change{Path: path, Value: leaf, Secret: true})
	}
	return changes
}

// Empty reports whether the change changes nothing.
func (p *Plan) Empty() bool { return len(p.Files) == 0 }

// check finds out what the change reaches, and what would be wrong there afterwards that is not now.
func (p *Plan) check(ctx context.Context, edited []address.Address) error {
	if p.Empty() {
		return nil
	}
	settings, err := p.After.Settings(ctx)
	if err != nil {
		return err
	}
	for file := range p.Files {
		if tenant, ok := strings.CutSuffix(strings.TrimPrefix(file, address.Root+"/"), "/tenant.yaml"); ok && p.Files[file] != nil {
			if _, err := p.After.Tenant(ctx, tenant); err != nil {
				return err
			}
		}
	}
	if len(edited) == 0 {
		return nil
	}
	candidates, err := p.After.Addresses(ctx, reachPatterns(settings, edited)...)
	if err != nil {
		return err
	}
	var check []address.Address
	for _, a := range candidates {
		if slices.ContainsFunc(edited, func(e address.Address) bool { return settings.Reaches(e, a) }) {
			check = append(check, a)
		}
	}
	for _, e := range edited { // a base or global layer is checked for itself too
		if !slices.Contains(check, e) {
			check = append(check, e)
		}
	}
	if err := p.reach(ctx, settings, check); err != nil {
		return err
	}
	after, err := findings(ctx, p.After, check, edited)
	if err != nil {
		return err
	}
	if len(after) == 0 {
		return nil // then nothing has to be told from what was wrong before
	}
	before, err := findings(ctx, p.Before, check, edited)
	if err != nil {
		return err
	}
	// A finding is the same one though its line moved: what counts is what is wrong with which key where.
	type identity struct{ code, rule, address, key string }
	known := map[identity]bool{}
	// What is complete must stay so; what is not yet may be filled in step by step.
	incomplete := map[string]bool{}
	for _, f := range before {
		known[identity{f.Code, f.Rule, f.Address, f.Key}] = true
		incomplete[f.Address] = incomplete[f.Address] || f.Code == schema.CodeRequired
	}
	// Plain text in a secret field does not stay in a file that is written, unless the change is on the way to mend it.
	leaks := count(after, "plaintext-secret")
	if leaks < count(before, "plaintext-secret") {
		leaks = 0
	}
	for _, f := range after {
		if f.Code == "plaintext-secret" && leaks > 0 {
			p.Introduced = append(p.Introduced, f)
			continue
		}
		filling := f.Code == schema.CodeRequired && incomplete[f.Address]
		switch {
		case filling || known[identity{f.Code, f.Rule, f.Address, f.Key}]:
			p.Remaining = append(p.Remaining, f)
		case f.Severity != diag.Error:
			p.Warned = append(p.Warned, f)
		default:
			p.Introduced = append(p.Introduced, f)
		}
	}
	p.Introduced, p.Remaining, p.Warned = p.Introduced.Collapsed(), p.Remaining.Collapsed(), p.Warned.Collapsed()
	return nil
}

func count(l diag.List, code string) int {
	n := 0
	for _, f := range l {
		if f.Code == code {
			n++
		}
	}
	return n
}

// reach tells the addresses that come out differently from those that override the change.
func (p *Plan) reach(ctx context.Context, settings *workspace.Settings, addresses []address.Address) error {
	for _, a := range addresses {
		if settings.Partial(a) {
			continue
		}
		after, err := p.After.Resolve(ctx, a)
		if _, broken := errors.AsType[diag.List](err); broken {
			continue // a finding, of which the check tells
		}
		if err != nil {
			return err
		}
		before, err := p.Before.Resolve(ctx, a)
		if err == nil && tree.Equal(before.Root, after.Root) {
			p.Overridden = append(p.Overridden, a)
		} else {
			p.Reach = append(p.Reach, a)
		}
	}
	return nil
}

// reachPatterns narrows down where the edited layers can reach, so that a change of one tenant looks at no other.
func reachPatterns(s *workspace.Settings, edited []address.Address) []address.Pattern {
	wide := false
	for _, e := range edited {
		wide = wide || e.Tenant == address.Global || slices.ContainsFunc(s.Layers, func(l string) bool {
			return strings.HasPrefix(l, e.Tenant+"/")
		})
	}
	var texts []string
	if wide {
		texts = []string{"", address.Global, address.Global + "/" + address.Base, "*/" + address.Base}
	} else {
		for _, e := range edited {
			texts = append(texts, e.Tenant, e.Tenant+"/"+address.Base)
		}
	}
	var out []address.Pattern
	for _, t := range texts {
		if p, err := address.ParsePattern(t); err == nil {
			out = append(out, p)
		}
	}
	return out
}

// Err gives the findings the change would introduce as a [FindingsError], nil if there are none.
func (p *Plan) Err() error {
	if len(p.Introduced) == 0 {
		return nil
	}
	return &FindingsError{p.Introduced}
}

// Commit makes the change: one signed commit of exactly its files, on top of the snapshot it was prepared on. Nothing is
// written if the branch has moved since, or if the change would introduce findings.
func (p *Plan) Commit(ctx context.Context) (gitrepo.Revision, error) {
	if err := p.Err(); err != nil {
		return gitrepo.Revision{}, err
	}
	subject, body, trailers := p.message()
	return p.w.Repo().Commit(ctx, gitrepo.CommitRequest{
		Parent: p.Before.Revision(), Files: p.Files, Subject: subject, Body: body, Trailers: trailers, Sign: p.request.Sign, Step: p.request.Step,
	})
}

// Write makes the change in the worktree and leaves the index alone.
func (p *Plan) Write(ctx context.Context) error {
	if err := p.Err(); err != nil {
		return err
	}
	return p.w.Repo().WriteFiles(ctx, p.Files)
}
