package workspace

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/gitrepo"
	"github.com/llm-devops/lcm/pkg/schema"
	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/template"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// Snapshot is a config repository at one moment: the worktree, a revision, or either with some files replaced.
type Snapshot struct {
	w     *Workspace
	files gitrepo.Snapshot

	settings once[*Settings]
	lock     once[*Lock]
	schemas  once[*schema.Set]
	names    once[[]string]
	tenants  sync.Map // tenant name → *once[*Tenant]
	layers   sync.Map // path → *File

	templates once[*template.Set]
}

// once is a value that is loaded when it is first asked for. A load that was cut off by its context is not kept.
type once[T any] struct {
	mu    sync.Mutex
	done  bool
	value T
	err   error
}

func (o *once[T]) get(load func() (T, error)) (T, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.done {
		o.value, o.err = load()
		o.done = !errors.Is(o.err, context.Canceled) && !errors.Is(o.err, context.DeadlineExceeded)
	}
	return o.value, o.err
}

// peek gives the value if it has been loaded, without waiting for one who does.
func (o *once[T]) peek() (value T, ok bool) {
	if !o.mu.TryLock() {
		return value, false
	}
	defer o.mu.Unlock()
	return o.value, o.done && o.err == nil
}

// Revision gives the snapshot's revision, zero for the worktree and for overlays.
func (s *Snapshot) Revision() gitrepo.Revision { return s.files.Revision() }

// ReadFile reads a file of the repository; a missing one is fs.ErrNotExist.
func (s *Snapshot) ReadFile(ctx context.Context, name string) ([]byte, error) {
	return s.files.ReadFile(ctx, name)
}

// ReadDir lists a folder of the repository, sorted by name; a missing one is fs.ErrNotExist.
func (s *Snapshot) ReadDir(ctx context.Context, name string) ([]gitrepo.Entry, error) {
	return s.files.ReadDir(ctx, name)
}

// Settings gives lcm.yaml.
func (s *Snapshot) Settings(ctx context.Context) (*Settings, error) {
	return s.settings.get(func() (*Settings, error) {
		src, err := s.files.ReadFile(ctx, SettingsFile)
		if errors.Is(err, fs.ErrNotExist) {
			if r := s.Revision(); r != (gitrepo.Revision{}) {
				return nil, fmt.Errorf("revision %s has no %s: it was no config repository then", r.Short(), SettingsFile)
			}
			return nil, diag.WithHint(&NotConfigRepositoryError{s.w.repo.Root()}, "make it one: lcm init %s", s.w.repo.Root())
		}
		if err != nil {
			return nil, reading(SettingsFile, err)
		}
		return ParseSettings(SettingsFile, src)
	})
}

// SchemaDir is the folder of an organisation's own modules.
const SchemaDir = "schemas"

// Schemas gives the modules: those that come with the program, in the versions that lcm.lock holds the repository to, and
// the repository's own.
func (s *Snapshot) Schemas(ctx context.Context) (*schema.Set, error) {
	return s.schemas.get(func() (*schema.Set, error) {
		lock, err := s.Lock(ctx)
		if err != nil {
			return nil, err
		}
		sources, err := s.SchemaSources(ctx)
		if err != nil {
			return nil, err
		}
		return schema.Load(sources, lock.Schemas)
	})
}

// SchemaSources gives the sources of all modules there are, in no matter what state: the built-in ones, all versions, and
// the repository's own.
func (s *Snapshot) SchemaSources(ctx context.Context) ([]schema.Source, error) {
	sources := slices.Clone(s.w.builtin)
	entries, err := s.files.ReadDir(ctx, SchemaDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, reading(SchemaDir, err)
	}
	for _, e := range entries {
		if ext := path.Ext(e.Name); e.Dir || ext != ".cue" && ext != ".json" {
			continue
		}
		file := path.Join(SchemaDir, e.Name)
		data, err := s.files.ReadFile(ctx, file)
		if err != nil {
			return nil, reading(file, err)
		}
		sources = append(sources, schema.Source{File: file, Data: data})
	}
	return sources, nil
}

// UnknownError says that an address names something the repository does not declare.
type UnknownError struct {
	Kind  string // tenant, environment, namespace or target
	Name  string
	Known []string
}

func (e *UnknownError) Error() string { return fmt.Sprintf("unknown %s %q", e.Kind, e.Name) }

func (e *UnknownError) hint() string {
	command := map[string]string{
		"tenant":      "add it: lcm tenant add " + e.Name + " --recipient KEY",
		"namespace":   "declare it: lcm namespace add " + e.Name + " --module MODULE",
		"environment": "declare it in " + SettingsFile + " under environments:",
		"target":      "declare it in " + SettingsFile + " under targets:",
	}[e.Kind]
	if near := diag.Nearest(e.Name, e.Known); len(near) > 0 {
		return "did you mean " + strings.Join(near, " or ") + "? Otherwise " + command
	}
	if len(e.Known) > 0 && len(e.Known) <= 12 {
		return "there are: " + strings.Join(e.Known, ", ") + "; or " + command
	}
	return command
}

// Unknown gives an [UnknownError] with its hint.
func Unknown(kind, name string, known []string) error {
	e := &UnknownError{kind, name, known}
	return diag.WithHint(e, "%s", e.hint())
}

// Tenants gives the names of the tenants, global first, then sorted.
func (s *Snapshot) Tenants(ctx context.Context) ([]string, error) {
	names, err := s.names.get(func() ([]string, error) { return s.listTenants(ctx) })
	return slices.Clone(names), err
}

func (s *Snapshot) listTenants(ctx context.Context) ([]string, error) {
	entries, err := s.files.ReadDir(ctx, address.Root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list tenants: %w", err)
	}
	var names []string
	for _, e := range entries {
		if e.Dir && address.CheckName("tenant", e.Name) == nil {
			names = append(names, e.Name)
		}
	}
	slices.SortFunc(names, compareTenants)
	return names, nil
}

func compareTenants(a, b string) int {
	if (a == address.Global) != (b == address.Global) {
		if a == address.Global {
			return -1
		}
		return 1
	}
	return strings.Compare(a, b)
}

// Tenant gives one tenant. A tenant is a folder under config with a tenant.yaml in it.
func (s *Snapshot) Tenant(ctx context.Context, name string) (*Tenant, error) {
	o, _ := s.tenants.LoadOrStore(name, &once[*Tenant]{})
	return o.(*once[*Tenant]).get(func() (*Tenant, error) {
		file := TenantFile(name)
		src, err := s.files.ReadFile(ctx, file)
		if errors.Is(err, fs.ErrNotExist) {
			known, err := s.Tenants(ctx)
			if err != nil {
				return nil, err
			}
			if slices.Contains(known, name) {
				return nil, diag.WithHint(fmt.Errorf("tenant %q has layers but no %s", name, file), "write it: lcm tenant add %s --recipient KEY", name)
			}
			return nil, Unknown("tenant", name, known)
		}
		if err != nil {
			return nil, reading(file, err)
		}
		t, err := ParseTenant(name, file, src)
		if err != nil || name == address.Global || t.NoPlatform {
			return t, err
		}
		platform, err := s.platformRecovery(ctx)
		if err != nil {
			return nil, err
		}
		t.Recovery = append(t.Recovery, platform...)
		return t, nil
	})
}

// platformRecovery gives the recovery keys of the platform's own tenant, which open the secrets of every tenant that does not
// say otherwise.
func (s *Snapshot) platformRecovery(ctx context.Context) ([]Recipient, error) {
	if _, err := s.files.ReadFile(ctx, TenantFile(address.Global)); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	global, err := s.Tenant(ctx, address.Global)
	if err != nil {
		return nil, err
	}
	return global.Recovery, nil
}

// Check says whether an address names a declared tenant, environment (or base) and namespace.
func (s *Snapshot) Check(ctx context.Context, a address.Address) error {
	settings, err := s.Settings(ctx)
	if err != nil {
		return err
	}
	if _, err := s.Tenant(ctx, a.Tenant); err != nil {
		return err
	}
	if !settings.Folder(a.Environment) {
		return Unknown("environment", a.Environment, settings.FolderNames())
	}
	if _, ok := settings.Namespace(a.Namespace); !ok {
		return Unknown("namespace", a.Namespace, settings.NamespaceNames())
	}
	return nil
}

// File is one layer file, parsed or evaluated.
type File struct {
	Path   string
	Doc    *yamldoc.Doc // nil for a layer in CUE
	Sealed *tree.Node   // without sops:, secrets still ciphertext
	Reads  []string     // of a layer in CUE: the other files of the repository that it depends on, sorted

	text    []byte // of a layer in CUE
	open    once[map[diag.Position]*tree.Node]
	extends once[*template.Result]
}

// Source gives the bytes of the file. They are not to be changed.
func (f *File) Source() []byte {
	if f.Doc != nil {
		return f.Doc.Source()
	}
	return f.text
}

type layerEntry struct{ once[*File] }

// Own gives what the file sets itself: its root without what it says to templates.
func (f *File) Own() *tree.Node { return f.Sealed.Without(template.ExtendsKey, template.VariablesKey) }

// Layer gives a layer file; nil without an error if there is none.
func (s *Snapshot) Layer(ctx context.Context, file string) (*File, error) {
	e, _ := s.layers.LoadOrStore(file, &layerEntry{})
	return e.(*layerEntry).get(func() (*File, error) {
		src, err := s.files.ReadFile(ctx, file)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		if err != nil {
			return nil, reading(file, err)
		}
		if path.Ext(file) == ".cue" {
			return s.cueLayer(ctx, file, src)
		}
		doc, err := yamldoc.Parse(file, src)
		if err != nil {
			return nil, err
		}
		root, err := seal.Sealed(doc)
		if err != nil {
			return nil, err
		}
		return &File{Path: file, Doc: doc, Sealed: root}, nil
	})
}

// Forget drops what the snapshot remembers of a tenant's layers, so that a walk over all tenants needs the memory of one.
func (s *Snapshot) Forget(tenant string) {
	prefix := path.Join(address.Root, tenant) + "/"
	s.layers.Range(func(k, _ any) bool {
		if strings.HasPrefix(k.(string), prefix) {
			s.layers.Delete(k)
		}
		return true
	})
}
