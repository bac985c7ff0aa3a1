package main

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/scaffold"
	"github.com/llm-devops/lcm/pkg/schema"
	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/workspace"
	"github.com/llm-devops/lcm/pkg/yamldoc"
	"github.com/llm-devops/lcm/schemas"
)

// Every tenant has each namespace in each environment: 20 addresses.
var (
	environments = []string{"development", "testing", "staging", "production"}
	namespaces   = []namespace{
		{name: "inference", module: "inference-engine", secrets: []string{"providers.openai.api_key", "providers.anthropic.api_key"}},
		{name: "inference-batch", module: "inference-engine", inherits: "inference", secrets: []string{"providers.openai.api_key"}},
		{name: "router", module: "model-router", secrets: []string{"request_signing.signing_key"}},
		{name: "prompts", module: "prompt-registry"},
		{name: "gateway", module: "api-gateway", secrets: []string{"authentication.api_keys.connection_string", "upstreams.router.service_token"}},
	}
)

// addressesPerTenant is how many addresses a tenant has in a generated repository.
func addressesPerTenant() int { return len(environments) * len(namespaces) }

type namespace struct {
	name, module, inherits string
	secrets                []string // keys that each environment's layer has
}

// layers holds the text of the layers: global/, tenant/ (its base) and environment/, by namespace.
//
//go:embed layers
var layers embed.FS

// repository is a generated config repository and the home of its user.
type repository struct {
	root    string // holds both
	tenants int
}

func (r repository) dir() string    { return filepath.Join(r.root, "platform") }
func (r repository) home() string   { return filepath.Join(r.root, "home") }
func (r repository) addresses() int { return r.tenants * addressesPerTenant() }

// env is the environment of everything that is run in the repository: nothing of the real user's settings.
func (r repository) env() []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + r.home(), "XDG_CONFIG_HOME=" + filepath.Join(r.home(), ".config"),
		"XDG_CACHE_HOME=" + filepath.Join(r.home(), ".cache"), "GIT_CONFIG_NOSYSTEM=1", "LC_ALL=C", "NO_COLOR=1",
	}
}

func (r repository) command(argv ...string) command {
	return command{dir: r.dir(), env: r.env(), argv: argv}
}

// tenantName gives the i-th tenant's name.
func tenantName(i int) string { return fmt.Sprintf("tenant-%03d", i) }

// generate makes the repository: by lcm init, then all files at once, in one signed commit, packed as a clone would be.
func (r repository) generate(ctx context.Context, lcm string) error {
	if err := os.MkdirAll(r.home(), 0o700); err != nil {
		return fmt.Errorf("make home: %w", err)
	}
	at := command{dir: r.root, env: r.env()}
	for _, argv := range [][]string{
		{"git", "config", "--global", "user.name", "Benchmark"},
		{"git", "config", "--global", "user.email", "benchmark@llm.example.com"},
		{"git", "config", "--global", "init.defaultBranch", "main"},
		{"git", "config", "--global", "gc.auto", "0"}, // not while something is timed
		{lcm, "init", r.dir(), "--generate-keys"},
	} {
		at.argv = argv
		if _, err := output(ctx, at); err != nil {
			return err
		}
	}
	if err := r.writeFiles(ctx); err != nil {
		return err
	}
	for _, argv := range [][]string{
		{"git", "add", "--all"},
		{"git", "commit", "--quiet", "-S", "-m", "Add all tenants"},
		{lcm, "init"}, // completes lcm.lock
		{"git", "gc", "--quiet"},
	} {
		if _, err := output(ctx, r.command(argv...)); err != nil {
			return err
		}
	}
	return nil
}

func (r repository) write(file string, content []byte) error {
	full := filepath.Join(r.dir(), filepath.FromSlash(file))
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	if err := os.WriteFile(full, content, 0o644); err != nil {
		return fmt.Errorf("write generated file: %w", err)
	}
	return nil
}

func (r repository) writeFiles(ctx context.Context) error {
	if err := r.write(workspace.SettingsFile, settings()); err != nil {
		return err
	}
	src, err := os.ReadFile(filepath.Join(r.dir(), workspace.TenantFile(address.Global)))
	if err != nil {
		return fmt.Errorf("read the platform's tenant file: %w", err)
	}
	platform, err := workspace.ParseTenant(address.Global, workspace.TenantFile(address.Global), src)
	if err != nil {
		return err
	}
	names, err := secretNames()
	if err != nil {
		return err
	}
	w := writer{repository: r, names: names, now: time.Now()}
	if err := w.layers(ctx, "global", address.Global, []string{address.Base}, platform.Keys()); err != nil {
		return err
	}
	tenants := []*workspace.Tenant{platform}
	for i := range r.tenants {
		t, err := tenant(tenantName(i), platform.Keys())
		if err != nil {
			return err
		}
		tenants = append(tenants, t)
		text, err := scaffold.Tenant(*t)
		if err != nil {
			return err
		}
		if err := r.write(workspace.TenantFile(t.Name), text); err != nil {
			return err
		}
		w.number = i
		if err := w.layers(ctx, "tenant", t.Name, []string{address.Base}, t.Keys()); err != nil {
			return err
		}
		if err := w.layers(ctx, "environment", t.Name, environments, t.Keys()); err != nil {
			return err
		}
	}
	rules, err := scaffold.Sops(nil, tenants, w.allNames())
	if err != nil {
		return err
	}
	return r.write(scaffold.SopsFile, rules)
}

func settings() []byte {
	var b bytes.Buffer
	b.WriteString("apiVersion: " + workspace.APIVersion + "\n\nenvironments:\n")
	for _, e := range environments {
		b.WriteString("  - name: " + e + "\n")
	}
	b.WriteString("\nnamespaces:\n")
	for _, ns := range namespaces {
		b.WriteString("  " + ns.name + ":\n    module: " + ns.module + "\n")
		if ns.inherits != "" {
			b.WriteString("    inherits: " + ns.inherits + "\n")
		}
	}
	b.WriteString("\ntargets:\n  local: {type: dir, path: .lcm/published}\n")
	return b.Bytes()
}

// tenant makes a tenant whose secrets the platform's engineers can open, and the tenant itself with a key of its own, whose
// private half nobody needs here.
func tenant(name string, platform []string) (*workspace.Tenant, error) {
	_, own, err := seal.GenerateIdentity()
	if err != nil {
		return nil, err
	}
	t := &workspace.Tenant{Name: name, Owners: []string{"llm@" + name + ".example.com"}}
	for _, key := range append(slices.Clone(platform), own) {
		t.Recipients = append(t.Recipients, workspace.Recipient{Key: key})
	}
	return t, nil
}

// builtin gives the built-in schemas.
func builtin() ([]schema.Source, error) {
	entries, err := fs.ReadDir(schemas.FS, ".")
	if err != nil {
		return nil, fmt.Errorf("list schemas: %w", err)
	}
	var sources []schema.Source
	for _, e := range entries {
		data, err := schemas.FS.ReadFile(e.Name())
		if err != nil {
			return nil, fmt.Errorf("read schema: %w", err)
		}
		sources = append(sources, schema.Source{File: e.Name(), Data: data, Builtin: true})
	}
	return sources, nil
}

// secretNames gives the names of the secret fields of each module in use.
func secretNames() (map[string][]string, error) {
	sources, err := builtin()
	if err != nil {
		return nil, err
	}
	set, err := schema.Load(sources, nil)
	if err != nil {
		return nil, err
	}
	names := map[string][]string{}
	for _, ns := range namespaces {
		m, err := set.Module(ns.module)
		if err != nil {
			return nil, err
		}
		names[ns.module] = m.SecretNames()
	}
	return names, nil
}

// writer writes layer files.
type writer struct {
	repository
	names  map[string][]string // of secret fields, by module
	now    time.Time
	number int // of the tenant
}

func (w writer) allNames() []string {
	var all []string
	for _, names := range w.names {
		all = append(all, names...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// layers writes one tenant's layer files, from the texts of one kind.
func (w writer) layers(ctx context.Context, kind, tenant string, envs, recipients []string) error {
	for j, ns := range namespaces {
		text, err := layers.ReadFile(path.Join("layers", kind, ns.name+".yaml"))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read layer text: %w", err)
		}
		for i, env := range envs {
			a := address.Address{Tenant: tenant, Environment: env, Namespace: ns.name}
			// Values differ between tenants and environments, so that no two files are alike.
			fill := strings.NewReplacer("${tenant}", tenant, "${environment}", env, "${octet}", strconv.Itoa(w.number%256),
				"${n}", strconv.Itoa(20+(w.number*7+i*17+j*5)%80))
			doc, err := yamldoc.Parse(a.File(), []byte(fill.Replace(string(text))))
			if err != nil {
				return err
			}
			if kind == "environment" && len(ns.secrets) > 0 {
				if doc, err = w.seal(ctx, doc, ns, a, recipients); err != nil {
					return err
				}
			}
			if err := w.write(a.File(), doc.Source()); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w writer) seal(ctx context.Context, doc *yamldoc.Doc, ns namespace, a address.Address, recipients []string) (*yamldoc.Doc, error) {
	var changes []seal.Change
	for _, key := range ns.secrets {
		p, err := tree.ParsePath(key)
		if err != nil {
			return nil, err
		}
		changes = append(changes, seal.Change{Path: p, Secret: true, Value: tree.NewString("demo-" + key + "-of-" + a.String())})
	}
	return seal.Edit(ctx, doc, changes, seal.Options{Access: seal.AccessOf(recipients...), SecretNames: w.names[ns.module], Now: w.now})
}
