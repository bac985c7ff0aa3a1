package workspace

import (
	"slices"
	"strings"

	"github.com/llm-devops/lcm/pkg/address"
)

// Dimension is something that environments can differ in, besides which one they are: a region, a class of devices.
type Dimension struct {
	Name   string
	Values []string
}

// LayerRef is one place in an address's stack, whether or not a file is there.
type LayerRef struct {
	Name      string // "acme/production"
	Address   address.Address
	Inherited bool // from the namespace that this one inherits from
	Strict    bool
}

const (
	tenantVariable      = "{tenant}"
	environmentVariable = "{environment}"
)

// Stack gives the places that make up an address, lowest first, without the schema's defaults: for the namespaces that this
// one inherits from and then itself, the layers in their order; where a layer is of an environment, those that this one
// inherits from come first. Environment-specific places drop out for base, those of a dimension where the environment has no
// value of it, and a place named twice (as global's own) counts once.
func (s *Settings) Stack(a address.Address) []LayerRef {
	var stack []LayerRef
	environments := s.lineage(a.Environment)
	for _, namespace := range s.namespaces(a.Namespace) {
		for _, l := range s.Layers {
			tenant, folder, _ := strings.Cut(l, "/")
			of := environments
			perEnvironment := strings.Contains(folder, environmentVariable)
			if !perEnvironment {
				of = environments[len(environments)-1:]
			}
			for _, env := range of {
				name, ok := s.folder(folder, env)
				if !ok {
					continue
				}
				ref := LayerRef{Inherited: namespace != a.Namespace, Strict: s.isStrict(a.Environment) && (perEnvironment || name == a.Environment)}
				ref.Address = address.Address{Tenant: strings.ReplaceAll(tenant, tenantVariable, a.Tenant), Environment: name, Namespace: namespace}
				ref.Name = ref.Address.Tenant + "/" + ref.Address.Environment
				if ref.Inherited {
					ref.Name += "/" + namespace
				}
				if !slices.ContainsFunc(stack, func(r LayerRef) bool { return r.Address == ref.Address }) {
					stack = append(stack, ref)
				}
			}
		}
	}
	return stack
}

// namespaces gives those that a namespace inherits from, the furthest first, and itself.
func (s *Settings) namespaces(name string) []string {
	names := []string{name}
	for ns, ok := s.Namespace(name); ok && ns.Inherits != ""; ns, ok = s.Namespace(ns.Inherits) {
		names = append(names, ns.Inherits)
	}
	slices.Reverse(names)
	return names
}

// lineage gives the environments that one inherits from, the furthest first, and itself.
func (s *Settings) lineage(name string) []string {
	names := []string{name}
	for env, ok := s.Environment(name); ok && env.Inherits != ""; env, ok = s.Environment(env.Inherits) {
		names = append(names, env.Inherits)
	}
	slices.Reverse(names)
	return names
}

// isStrict reports whether an environment, or the nearest that it inherits from and that says so, is strict.
func (s *Settings) isStrict(name string) bool {
	for _, n := range slices.Backward(s.lineage(name)) {
		if env, ok := s.Environment(n); ok && env.Strict != nil {
			return *env.Strict
		}
	}
	return false
}

// value gives the value of a dimension that an environment has, or inherits.
func (s *Settings) value(environment, dimension string) (string, bool) {
	for _, n := range slices.Backward(s.lineage(environment)) {
		if env, ok := s.Environment(n); ok {
			if v, ok := env.Dimensions[dimension]; ok {
				return v, true
			}
		}
	}
	return "", false
}

// folder gives the second part of a layer for an environment; ok is false where the environment has no value of a dimension
// in it.
func (s *Settings) folder(pattern, environment string) (name string, ok bool) {
	name = strings.ReplaceAll(pattern, environmentVariable, environment)
	for _, d := range s.Dimensions {
		variable := "{" + d.Name + "}"
		if !strings.Contains(name, variable) {
			continue
		}
		value, ok := s.value(environment, d.Name)
		if !ok {
			return "", false
		}
		name = strings.ReplaceAll(name, variable, value)
	}
	return name, true
}

// Shared gives the folders beside base that are no environment and lie under several: those that lcm.yaml names in layers by
// themselves or by a dimension.
func (s *Settings) Shared() []string {
	var out []string
	for _, l := range s.Layers {
		_, folder, _ := strings.Cut(l, "/")
		if strings.Contains(folder, environmentVariable) {
			continue
		}
		names := []string{folder}
		for _, d := range s.Dimensions {
			variable := "{" + d.Name + "}"
			if !strings.Contains(folder, variable) {
				continue
			}
			var next []string
			for _, n := range names {
				for _, v := range d.Values {
					next = append(next, strings.ReplaceAll(n, variable, v))
				}
			}
			names = next
		}
		for _, n := range names {
			if _, isEnvironment := s.Environment(n); !isEnvironment && n != address.Base && !slices.Contains(out, n) {
				out = append(out, n)
			}
		}
	}
	return out
}

// Folder reports whether a name is one that layers of a tenant can lie under: an environment, base, or what [Settings.Shared] gives.
func (s *Settings) Folder(name string) bool {
	_, ok := s.Environment(name)
	return ok || name == address.Base || slices.Contains(s.Shared(), name)
}

// FolderNames gives all of them.
func (s *Settings) FolderNames() []string {
	return slices.Concat(s.EnvironmentNames(), []string{address.Base}, s.Shared())
}

// Partial reports whether an address is a layer for others rather than something a service reads: what is required may still
// come from a higher layer.
func (s *Settings) Partial(a address.Address) bool {
	_, ok := s.Environment(a.Environment)
	return a.Tenant == address.Global || !ok
}
