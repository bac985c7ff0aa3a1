package keyaudit

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/cuelayer"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/gitrepo"
	"github.com/llm-devops/lcm/pkg/holders"
	"github.com/llm-devops/lcm/pkg/schema"
	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/validate"
	"github.com/llm-devops/lcm/pkg/workspace"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// History is what the versions of all files show.
type History struct {
	Versions int      `json:"versions"` // contents of layer files that were looked at
	Former   []Former `json:"former"`   // who could once open secrets of a tenant, and cannot now
	Shallow  bool     `json:"shallow"`  // the clone does not have all of history
}

// Former is a key that once opened secrets of a tenant.
type Former struct {
	Tenant  string `json:"tenant"`
	Key     string `json:"key"`
	Name    string `json:"name,omitempty"` // whose it was, by some version of the tenant's file
	First   Commit `json:"first"`          // of the first version that opened for it
	Last    Commit `json:"last"`           // of the last one
	Secrets int    `json:"secrets"`        // keys whose values it could open
}

// Commit is what a commit says about itself.
type Commit struct {
	Revision string    `json:"revision"`
	Author   string    `json:"author"`
	Time     time.Time `json:"time"`
	Subject  string    `json:"subject"`
}

// leak is a key of a file that was in plain text in some version.
type leak struct {
	address  address.Address
	file     string
	key      string
	first    int
	last     int
	versions int
}

// span is the versions that open for somebody.
type span struct {
	first, last int
	secrets     map[string]bool // file and key
}

// past collects what versions show.
type past struct {
	*run
	versions []gitrepo.FileVersion
	modules  map[string]*schema.Module
	now      map[string]*seal.Metadata // by path: the sops blocks of today's files

	mu      sync.Mutex
	looked  int
	broken  []int
	leaks   map[string]*leak            // by file and key
	openers map[[2]string]*span         // by tenant and key
	names   map[[2]string]string        // by tenant and key
	sealed  map[[sha256.Size]byte]place // the first place of each ciphertext, in the order of versions
	places  map[[sha256.Size]byte]int   // and in which version that was
	stolen  map[string]diag.Finding     // ciphertext of one tenant that came up at another, by place
}

func (r *run) history(ctx context.Context) (*History, error) {
	p := &past{
		run: r, modules: map[string]*schema.Module{}, now: map[string]*seal.Metadata{}, leaks: map[string]*leak{},
		openers: map[[2]string]*span{}, names: map[[2]string]string{},
		sealed: map[[sha256.Size]byte]place{}, places: map[[sha256.Size]byte]int{}, stolen: map[string]diag.Finding{},
	}
	if err := p.gather(ctx); err != nil {
		return nil, err
	}
	r.start("reading history", len(p.versions))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i := range p.versions {
		g.Go(func() error {
			if r.o.Step != nil {
				defer r.o.Step()
			}
			return p.look(gctx, i)
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	out := &History{Versions: p.looked}
	var err error
	if out.Shallow, err = r.w.Repo().Shallow(ctx); err != nil {
		return nil, err
	}
	if out.Shallow {
		r.found("shallow-history", diag.Warning, diag.Position{}, "this clone does not have all of history", "git fetch --unshallow, then run it again")
	}
	if out.Former, err = p.former(ctx); err != nil {
		return nil, err
	}
	return out, p.tell(ctx)
}

// gather finds the versions of layer files and tenants' files, and what today's files say is secret.
func (p *past) gather(ctx context.Context) error {
	for v, err := range p.w.Repo().Versions(ctx, p.s.Revision(), address.Root) {
		if err != nil {
			return err
		}
		if ext := path.Ext(v.Path); ext == ".yaml" || ext == ".cue" {
			p.versions = append(p.versions, v)
		}
	}
	if err := p.gatherShared(ctx); err != nil {
		return err
	}
	settings, err := p.s.Settings(ctx)
	if err != nil {
		return err
	}
	for _, ns := range settings.Namespaces {
		if m, err := p.s.ModuleOf(ctx, ns.Name); err == nil { // one that does not compile knows no secrets
			p.modules[ns.Name] = m
		}
	}
	for _, t := range p.all {
		for _, f := range t.Files {
			src, err := p.s.ReadFile(ctx, f.Path)
			if err != nil {
				return err
			}
			if doc, err := yamldoc.Parse(f.Path, src); err == nil {
				p.now[f.Path], _ = seal.Inspect(doc)
			}
		}
	}
	return nil
}

// gatherShared adds the versions of layers in CUE that came of a change in the packages that they import, and not in them.
func (p *past) gatherShared(ctx context.Context) error {
	type version struct {
		commit gitrepo.Revision
		path   string
	}
	known := map[version]bool{}
	for _, v := range p.versions {
		known[version{v.Commit, v.Path}] = true
	}
	changed := map[gitrepo.Revision]bool{}
	for v, err := range p.w.Repo().Versions(ctx, p.s.Revision(), workspace.SharedDir) {
		if err != nil {
			return err
		}
		if changed[v.Commit] {
			continue
		}
		changed[v.Commit] = true
		importing, err := p.importing(ctx, v.Commit)
		if err != nil {
			return err
		}
		for _, file := range importing {
			if !known[version{v.Commit, file}] {
				p.versions = append(p.versions, gitrepo.FileVersion{Commit: v.Commit, Path: file})
			}
		}
	}
	return nil
}

// importing gives the layers in CUE of a commit that import packages of the repository.
func (p *past) importing(ctx context.Context, commit gitrepo.Revision) ([]string, error) {
	s, err := p.w.At(ctx, commit.String())
	if err != nil {
		return nil, err
	}
	tenants, err := s.Tenants(ctx)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, tenant := range tenants {
		layers, err := s.CUELayers(ctx, tenant)
		if err != nil {
			return nil, err
		}
		for _, a := range layers {
			src, err := s.ReadFile(ctx, a.CUEFile())
			if err != nil {
				return nil, err
			}
			if bytes.Contains(src, []byte(cuelayer.SharedImports)) {
				out = append(out, a.CUEFile())
			}
		}
	}
	return out, nil
}

// look takes one version in.
func (p *past) look(ctx context.Context, i int) error {
	v := p.versions[i]
	a, isLayer := address.FromFile(v.Path)
	if isLayer && path.Ext(v.Path) == ".cue" {
		return p.lookAtCUE(ctx, i, a)
	}
	tenant, isTenant := strings.CutSuffix(strings.TrimPrefix(v.Path, address.Root+"/"), "/tenant.yaml")
	if !isLayer && !isTenant {
		return nil
	}
	src, err := p.w.Repo().ReadVersion(ctx, v)
	if err != nil {
		return err
	}
	if isTenant {
		p.noteNames(tenant, v.Path, src)
		return nil
	}
	doc, err := yamldoc.Parse(v.Path, src)
	if err != nil {
		return p.cannot(i)
	}
	meta, err := seal.Inspect(doc)
	if err != nil {
		return p.cannot(i)
	}
	root, err := seal.Sealed(doc)
	if err != nil {
		return p.cannot(i)
	}
	p.plaintext(a, &workspace.File{Path: v.Path, Doc: doc, Sealed: root}, meta, i)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.opened(a, meta, root, i)
	return nil
}

// lookAtCUE takes a version in that is written in CUE. What it says depends on what it imports, as its commit has that.
func (p *past) lookAtCUE(ctx context.Context, i int, a address.Address) error {
	v := p.versions[i]
	then, err := p.w.At(ctx, v.Commit.String())
	if err != nil {
		return err
	}
	file, err := then.Layer(ctx, v.Path)
	if _, wrong := errors.AsType[diag.List](err); wrong || err == nil && file == nil {
		return p.cannot(i)
	}
	if err != nil {
		return err
	}
	p.plaintext(a, file, nil, i)
	return nil
}

// plaintext notes what a version has in plain text of what is secret by today's schema, by the file's own sops block, or by that of
// today's file.
func (p *past) plaintext(a address.Address, file *workspace.File, own *seal.Metadata, i int) {
	plain := map[string]bool{}
	for _, m := range []*seal.Metadata{own, p.now[a.File()]} {
		for _, f := range validate.PlaintextIn(a, file, m, p.modules[a.Namespace]) {
			plain[f.Key] = true
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.looked++
	for key := range plain {
		p.leak(a, file.Path, key, i)
	}
}

// cannot notes a version that cannot be read.
func (p *past) cannot(i int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.looked++
	p.broken = append(p.broken, i)
	return nil
}

// noteNames notes whose keys they are by a version of a tenant's file.
func (p *past) noteNames(tenant, file string, src []byte) {
	t, err := workspace.ParseTenant(tenant, file, src)
	if err != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range append(t.Recipients, t.Recovery...) {
		if k := [2]string{tenant, r.Key}; r.Name != "" && p.names[k] == "" {
			p.names[k] = r.Name
		}
	}
}

func (p *past) leak(a address.Address, file, key string, i int) {
	k := file + "\x00" + key
	l := p.leaks[k]
	if l == nil {
		l = &leak{address: a, file: file, key: key, first: i, last: i}
		p.leaks[k] = l
	}
	l.first, l.last = min(l.first, i), max(l.last, i)
	l.versions++
}

// opened notes for whom a version opens, and which ciphertexts it has.
func (p *past) opened(a address.Address, meta *seal.Metadata, root *tree.Node, i int) {
	if meta == nil {
		return
	}
	var keys []string
	root.Walk(func(at tree.Path, n *tree.Node) bool {
		if n.Sealed {
			keys = append(keys, at.String())
			p.ciphertext(sha256.Sum256([]byte(n.Reveal())), place{a, a.File(), at.String(), diag.Position{File: a.File()}}, i)
		}
		return true
	})
	recipients := slices.Clone(meta.Recipients)
	for _, o := range meta.Others {
		recipients = append(recipients, o.Name)
	}
	for _, key := range recipients {
		k := [2]string{a.Tenant, key}
		s := p.openers[k]
		if s == nil {
			s = &span{first: i, last: i, secrets: map[string]bool{}}
			p.openers[k] = s
		}
		s.first, s.last = min(s.first, i), max(s.last, i)
		for _, secret := range keys {
			s.secrets[a.File()+"\x00"+secret] = true
		}
	}
}

// ciphertext notes where a ciphertext stands, and tells of one that stands at another tenant, at whatever time. Within a tenant a
// file may have been renamed.
func (p *past) ciphertext(digest [sha256.Size]byte, here place, i int) {
	there, ok := p.sealed[digest]
	if !ok {
		p.sealed[digest], p.places[digest] = here, i
		return
	}
	if there.address.Tenant == here.address.Tenant {
		return
	}
	at := i
	if i < p.places[digest] { // versions come in no order; the later one is the copy
		at = p.places[digest]
		p.sealed[digest], p.places[digest] = here, i
		here, there = there, here
	}
	p.stolen[here.file+"\x00"+here.key] = diag.Finding{
		Code: "copied-secret", Severity: diag.Error, Position: here.pos, Key: here.key, Address: here.address.String(),
		Message: fmt.Sprintf("%s was in commit %s the ciphertext of %s in %s, which is tenant %s's",
			here.key, p.versions[at].Commit.Short(), there.key, there.file, there.address.Tenant),
		Hint: "see how it came there: git show " + p.versions[at].Commit.Short(),
	}
}

// former gives who once could open secrets of the selected tenants.
func (p *past) former(ctx context.Context) ([]Former, error) {
	out := []Former{}
	for k, s := range p.openers {
		tenant, key := k[0], k[1]
		if !p.selected(tenant) || p.opensNow(tenant, key) {
			continue
		}
		f := Former{Tenant: tenant, Key: key, Name: p.names[k], Secrets: len(s.secrets)}
		var err error
		if f.First, err = commitOf(ctx, p.w.Repo(), p.versions[s.first].Commit); err != nil {
			return nil, err
		}
		if f.Last, err = commitOf(ctx, p.w.Repo(), p.versions[s.last].Commit); err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b Former) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), a.First.Time.Compare(b.First.Time), cmp.Compare(a.Key, b.Key))
	})
	return out, nil
}

func (p *past) opensNow(tenant, key string) bool {
	return slices.ContainsFunc(p.all, func(t holders.Tenant) bool {
		return t.Name == tenant && slices.ContainsFunc(t.Holders, func(h holders.Holder) bool { return h.Key == key })
	})
}

// tell makes findings of what the versions showed.
func (p *past) tell(ctx context.Context) error {
	known := map[string]bool{} // what today's files show
	for _, f := range p.findings {
		if f.Code == "copied-secret" {
			known[f.Position.File+"\x00"+f.Key] = true
		}
	}
	for _, k := range slices.Sorted(maps.Keys(p.stolen)) {
		if f := p.stolen[k]; !known[k] && p.selected(strings.SplitN(f.Address, "/", 2)[0]) {
			p.run.findings = append(p.run.findings, f)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(p.leaks)) {
		l := p.leaks[k]
		if !p.selected(l.address.Tenant) {
			continue
		}
		c, err := commitOf(ctx, p.w.Repo(), p.versions[l.first].Commit)
		if err != nil {
			return err
		}
		often := ""
		if l.versions > 1 {
			often = fmt.Sprintf(", and in %d more versions up to %s", l.versions-1, p.versions[l.last].Commit.Short())
		}
		next := "lcm set " + l.address.String() + " --secret '" + l.key + "'"
		if path.Ext(l.file) == ".cue" {
			next = workspace.CUESecretHint
		}
		p.run.findings = append(p.run.findings, diag.Finding{
			Code: "plaintext-in-history", Severity: diag.Error, Position: diag.Position{File: l.file}, Key: l.key, Address: l.address.String(),
			Message: fmt.Sprintf("%s was committed in plain text: by %s in %s of %s%s", l.key, c.Author,
				p.versions[l.first].Commit.Short(), c.Time.UTC().Format(time.DateOnly), often),
			Hint: "everybody with a clone knows that value: if it is in use, change it at its source, then " + next,
		})
	}
	if n := len(p.broken); n > 0 {
		first := p.versions[slices.Min(p.broken)]
		what := fmt.Sprintf("%d versions of files cannot be read, the first in %s: what they show is not known", n, first.Commit.Short())
		if n == 1 {
			what = fmt.Sprintf("the version in %s cannot be read: what it shows is not known", first.Commit.Short())
		}
		p.found("unreadable-version", diag.Warning, diag.Position{File: first.Path}, what,
			"look at it: git show "+first.Commit.Short()+":"+first.Path)
	}
	return nil
}
