package validate

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/gitrepo"
	"github.com/llm-devops/lcm/pkg/workspace"
)

// keys gives the keys under which outcomes are kept: digests over all that an outcome depends on.
type keys struct {
	s        *workspace.Snapshot
	settings *workspace.Settings
	common   cacheKey // what every outcome depends on, but for lcm.yaml: see settingsOf
	asked    cacheKey // that, all of lcm.yaml, and what the run is asked for: it decides what of a tenant is looked at
	shared   []string // the tenants whose layers lie under others

	mu       sync.Mutex
	folders  map[string]*tenantFiles // of the shared tenants
	policies map[string]string       // the digests of the tenants' files, by tenant, as far as they were come across

	settingsBy map[string]string // by namespace: see settingsOf

	formMu sync.Mutex
	forms  map[formOf]string // of layers of the shared tenants
}

// tenantFiles is what lies in a tenant's folder.
type tenantFiles struct {
	digests map[string]string // by path
	all     cacheKey
	odd     bool // something that is no file and no folder: nothing is kept then
}

func newKeys(ctx context.Context, s *workspace.Snapshot, settings *workspace.Settings, o Options) (*keys, error) {
	if o.Cache == nil {
		return nil, nil
	}
	k := &keys{s: s, settings: settings, folders: map[string]*tenantFiles{}, policies: map[string]string{}, settingsBy: map[string]string{}, forms: map[formOf]string{}}
	h := newKey("common")
	h.texts(slices.Sorted(slices.Values(o.Keys))...)
	h.texts(s.DigestOf(ctx, workspace.LockFile))
	h.texts(s.DigestOf(ctx, workspace.TenantFile(address.Global))) // its recovery keys are everybody's
	for _, dir := range []string{workspace.SchemaDir, workspace.SharedDir, "templates"} {
		below, err := s.Digests(ctx, dir)
		if err != nil {
			return nil, err
		}
		h.listing(dir, below)
	}
	k.common = h.sum()
	h = newKey("asked")
	h.texts(string(k.common[:]), s.DigestOf(ctx, workspace.SettingsFile))
	for _, p := range o.Patterns {
		tenant, environment, namespace := p.Parts()
		h.texts(tenant, environment, namespace)
	}
	k.asked = h.sum()
	for _, l := range settings.Layers {
		if tenant, _, _ := strings.Cut(l, "/"); !strings.Contains(tenant, "{") && !slices.Contains(k.shared, tenant) {
			k.shared = append(k.shared, tenant)
		}
	}
	return k, nil
}

// tenantKeys gives the keys of one tenant.
type tenantKeys struct {
	keys    *keys // nil without a cache
	name    string
	own     *tenantFiles
	under   []*tenantFiles // the own, and those of the shared tenants
	all     cacheKey       // of everything that is checked of the tenant
	soundly bool
}

func (k *keys) tenant(ctx context.Context, name string) (tenantKeys, error) {
	of := tenantKeys{keys: k, name: name}
	if k == nil {
		return of, nil
	}
	of.soundly = true
	h := newKey("tenant")
	h.texts(string(k.asked[:]), name)
	for _, tenant := range append([]string{name}, k.shared...) {
		files, err := k.files(ctx, tenant)
		if err != nil {
			return of, err
		}
		of.soundly = of.soundly && !files.odd
		if of.own == nil {
			of.own = files
		}
		of.under = append(of.under, files)
		h.texts(tenant, string(files.all[:]))
	}
	of.all = h.sum()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.policies[name] = of.own.digests[workspace.TenantFile(name)]
	return of, nil
}

// packages gives the key of what layers in CUE can import.
func (k *keys) packages() cacheKey {
	h := newKey("packages")
	if k != nil {
		h.texts(string(k.asked[:]))
	}
	return h.sum()
}

// drift gives the key of what .sops.yaml is compared with: the files of all tenants, which must have been come across.
func (k *keys) drift(ctx context.Context) (key cacheKey, sound bool, err error) {
	if k == nil {
		return key, false, nil
	}
	tenants, err := k.s.Tenants(ctx)
	if err != nil {
		return key, false, err
	}
	h := newKey("drift")
	h.texts(string(k.asked[:]), k.s.DigestOf(ctx, workspace.SopsFile))
	for _, tenant := range tenants {
		policy := k.policies[tenant]
		if policy == "" {
			return key, false, nil
		}
		h.texts(tenant, policy)
	}
	return h.sum(), true, nil
}

// sound reports whether the keys stand for all that outcomes depend on.
func (t tenantKeys) sound() bool { return t.soundly }

// settingsOf gives a digest of what lcm.yaml says of a namespace's layers and of those that it inherits from, and where: findings
// point there. Of a namespace that is not declared all are told that are.
func (k *keys) settingsOf(namespace string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if known, ok := k.settingsBy[namespace]; ok {
		return known
	}
	h := newKey("settings")
	for _, e := range k.settings.Environments {
		strict := ""
		if e.Strict != nil {
			strict = fmt.Sprint(*e.Strict)
		}
		h.texts(e.Name, e.Inherits, strict, e.Pos.String())
		for _, d := range slices.Sorted(maps.Keys(e.Dimensions)) {
			h.texts(d, e.Dimensions[d])
		}
	}
	for _, d := range k.settings.Dimensions {
		h.texts(append([]string{d.Name}, d.Values...)...)
	}
	h.texts(k.settings.Layers...)
	ns, ok := k.settings.Namespace(namespace)
	if !ok {
		h.texts(k.settings.NamespaceNames()...)
	}
	for ok {
		h.texts(ns.Name, ns.Module, ns.Inherits, ns.Pos.String())
		ns, ok = k.settings.Namespace(ns.Inherits)
	}
	sum := h.sum()
	k.settingsBy[namespace] = string(sum[:])
	return k.settingsBy[namespace]
}

// partKeys are the keys of one part of what is checked of a tenant.
type partKeys struct {
	exact cacheKey
	// byForm are the keys of an outcome of no findings, which is the same for all that have them: by the form of the layers that
	// lie under several tenants, and by that of all layers, whoever's they are.
	byForm []cacheKey
	sound  bool // they stand for all that the outcome depends on
}

func (k partKeys) get(c *Cache) (outcome, bool) {
	if !k.sound {
		return outcome{}, false
	}
	for _, key := range append(k.byForm[:len(k.byForm):len(k.byForm)], k.exact) {
		if o, ok := c.get(key); ok {
			return o, true
		}
	}
	return outcome{}, false
}

func (k partKeys) put(c *Cache, p *part) {
	if len(k.byForm) > 0 && p.settled && len(p.findings) == 0 {
		c.put(k.byForm[0], p.outcome)
		return
	}
	c.put(k.exact, p.outcome)
}

// usage gives the keys of what the tenant uses of its quotas.
func (t tenantKeys) usage() (k partKeys) {
	if !t.soundly {
		return k
	}
	h := newKey("usage")
	h.texts(string(t.keys.common[:]), t.name, string(t.own.all[:]))
	return partKeys{exact: h.sum(), sound: true}
}

// layers gives the keys of layer files of one namespace of the tenant, each for itself.
func (t tenantKeys) layers(layers []address.Address) (k partKeys) {
	if !t.soundly {
		return k
	}
	h := newKey("layers")
	h.texts(string(t.keys.common[:]), t.keys.settingsOf(layers[0].Namespace), t.own.digests[workspace.TenantFile(t.name)])
	t.digests(h, ownFiles(layers))
	return partKeys{exact: h.sum(), sound: true}
}

// address gives the keys of what an address of the tenant resolves to.
func (t tenantKeys) address(ctx context.Context, a address.Address, r *run) (k partKeys) {
	if !t.soundly {
		return k
	}
	k.sound = true
	exact, shared, all := newKey("address"), newKey("address by form of what is shared"), newKey("address by form")
	for _, h := range []keyHash{exact, shared} {
		h.texts(string(t.keys.common[:]), t.keys.settingsOf(a.Namespace), t.own.digests[workspace.TenantFile(t.name)], a.String())
	}
	// What an address comes to without findings is the same for all tenants, but for the platform's own.
	all.texts(string(t.keys.common[:]), t.keys.settingsOf(a.Namespace), a.Environment, a.Namespace, fmt.Sprint(t.keys.settings.Partial(a)))
	bySharedForm, byForm := false, true
	for _, ref := range t.keys.settings.Stack(a) {
		files := ownFiles([]address.Address{ref.Address})
		t.digests(exact, files)
		text, ok := t.keys.form(ctx, ref.Address, a.Namespace)
		if ok {
			bySharedForm = true
			shared.texts("form", text)
		} else {
			t.digests(shared, files)
		}
		state, known := r.layer(ref.Address, a.Namespace)
		switch {
		case t.digest(files[0]) == "" && t.digest(files[1]) == "":
			all.texts("nothing")
		case ok:
			all.texts("form", text)
		case known && state.form != "":
			all.texts("own", state.form)
		default:
			byForm = false
		}
	}
	k.exact = exact.sum()
	if byForm {
		k.byForm = append(k.byForm, all.sum())
	}
	if bySharedForm {
		k.byForm = append(k.byForm, shared.sum())
	}
	return k
}

// digests adds what lies in files, whether they are there or not.
func (t tenantKeys) digests(h keyHash, files []string) {
	for _, file := range files {
		h.texts(file, t.digest(file))
	}
}

// ownFiles gives the places of layer files, in YAML and in CUE.
func ownFiles(layers []address.Address) []string {
	files := make([]string, 0, 2*len(layers))
	for _, a := range layers {
		files = append(files, a.File(), a.CUEFile())
	}
	return files
}

// below gives the places of the layer files that addresses are made of, whether they are there or not.
func (t tenantKeys) below(addresses ...address.Address) []string {
	var layers []address.Address
	for _, a := range addresses {
		for _, ref := range t.keys.settings.Stack(a) {
			layers = append(layers, ref.Address)
		}
	}
	return ownFiles(layers)
}

// digest gives the digest of a layer file, "" for none.
func (t tenantKeys) digest(file string) string {
	for _, files := range t.under {
		if d, ok := files.digests[file]; ok {
			return d
		}
	}
	return ""
}

// unchanged reports whether what was read of the worktree is what the key was made of: somebody may have edited a file in
// between, and then the outcome belongs to neither.
func (t tenantKeys) unchanged(ctx context.Context, s *workspace.Snapshot, files []string) bool {
	for _, file := range files {
		digest := t.digest(file)
		if digest != "" && !strings.HasPrefix(digest, gitrepo.ContentDigestPrefix) {
			continue // of a commit, which does not change
		}
		f, err := s.Layer(ctx, file)
		if err != nil || (f == nil) != (digest == "") || f != nil && gitrepo.ContentDigest(f.Source()) != digest {
			return false
		}
	}
	return true
}

// still reports whether the tenant's folder is as it was when the keys were made: quotas go by the sizes of files, which are
// seen at another moment than their content.
func (t tenantKeys) still(ctx context.Context) bool {
	now, err := t.keys.read(ctx, t.name)
	return err == nil && now.all == t.own.all
}

// files reads what lies in a tenant's folder. Those of shared tenants are remembered.
func (k *keys) files(ctx context.Context, tenant string) (*tenantFiles, error) {
	if !slices.Contains(k.shared, tenant) {
		return k.read(ctx, tenant)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.folders[tenant] == nil {
		files, err := k.read(ctx, tenant)
		if err != nil {
			return nil, err
		}
		k.folders[tenant] = files
	}
	return k.folders[tenant], nil
}

func (k *keys) read(ctx context.Context, tenant string) (*tenantFiles, error) {
	dir := path.Join(address.Root, tenant)
	below, err := k.s.Digests(ctx, dir)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return &tenantFiles{odd: true}, nil // what cannot be read is told when it is checked
	}
	out := &tenantFiles{digests: make(map[string]string, len(below.Files)), odd: len(below.Odd) > 0}
	for name, digest := range below.Files {
		out.digests[dir+"/"+name] = digest
	}
	h := newKey("files")
	h.listing(dir, below)
	out.all = h.sum()
	return out, nil
}

// keyHash hashes texts so that no two lists of them are the same.
type keyHash struct{ hash.Hash }

func newKey(what string) keyHash {
	h := keyHash{sha256.New()}
	h.texts(what)
	return h
}

func (h keyHash) texts(texts ...string) {
	var size [8]byte
	binary.BigEndian.PutUint64(size[:], uint64(len(texts)))
	h.Write(size[:])
	for _, t := range texts {
		binary.BigEndian.PutUint64(size[:], uint64(len(t)))
		h.Write(size[:])
		h.Write([]byte(t))
	}
}

// listing adds what lies in a folder and below it.
func (h keyHash) listing(dir string, l *gitrepo.Listing) {
	h.texts(dir)
	for _, name := range slices.Sorted(maps.Keys(l.Files)) {
		h.texts(name, l.Files[name])
	}
	h.texts(slices.Sorted(slices.Values(l.Dirs))...)
	h.texts(slices.Sorted(slices.Values(l.Odd))...)
}

func (h keyHash) sum() cacheKey { return cacheKey(h.Sum(nil)) }
