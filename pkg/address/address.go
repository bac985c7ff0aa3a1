// Package address names configuration: tenant/environment/namespace, and patterns over such names.
//
// An [Address] is also a path: acme/production/inference is config/acme/production/inference.yaml, or .cue for a layer that
// is written in CUE. Parsing is strict, so a
// parsed address can be used as a path or an object key without further checks.
package address

import (
	"fmt"
	"path"
	"regexp"
	"strings"
)

// Global is the platform's own tenant, whose layers lie under everyone's.
const Global = "global"

// Base is the environment below all environments.
const Base = "base"

// Root is the folder of a repository that holds the layers.
const Root = "config"

// MaxName is the longest tenant, environment or namespace name, in bytes.
const MaxName = 63

var name = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$`)

// CheckName says whether s can name a tenant, an environment or a namespace; kind is one of those words, for the error.
func CheckName(kind, s string) error {
	switch {
	case s == "":
		return fmt.Errorf("%s name is empty", kind)
	case len(s) > MaxName:
		return fmt.Errorf("%s name %q is longer than %d characters", kind, shortened(s), MaxName)
	case !name.MatchString(s):
		return fmt.Errorf("%s name %q: only a-z, 0-9 and - inside are allowed", kind, s)
	}
	return nil
}

// maxAddress bounds the text of an address or a pattern, in bytes.
const maxAddress = 4 * MaxName

// shortened gives the beginning of a text that is too long to be shown.
func shortened(s string) string {
	if len(s) <= MaxName {
		return s
	}
	return strings.ToValidUTF8(s[:MaxName], "") + "…"
}

// Address names one namespace of one tenant in one environment. The environment may be [Base], which names the layer
// below all environments.
type Address struct{ Tenant, Environment, Namespace string }

// Parse reads "tenant/environment/namespace".
func Parse(s string) (Address, error) {
	if len(s) > maxAddress {
		return Address{}, fmt.Errorf("address %q is longer than %d characters", shortened(s), maxAddress)
	}
	parts := strings.Split(s, "/")
	if len(parts) != 3 {
		return Address{}, fmt.Errorf("address %q is not of the form tenant/environment/namespace", s)
	}
	a := Address{parts[0], parts[1], parts[2]}
	return a, a.Check()
}

// Check says whether all three names are well formed.
func (a Address) Check() error {
	for _, p := range [...]struct{ kind, name string }{
		{"tenant", a.Tenant}, {"environment", a.Environment}, {"namespace", a.Namespace},
	} {
		if err := CheckName(p.kind, p.name); err != nil {
			return fmt.Errorf("address %q: %w", a.String(), err)
		}
	}
	return nil
}

// String gives "tenant/environment/namespace".
func (a Address) String() string { return a.Tenant + "/" + a.Environment + "/" + a.Namespace }

// MarshalText implements [encoding.TextMarshaler].
func (a Address) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// File gives the path of the address's own layer file in YAML, relative to the repository's root.
func (a Address) File() string { return a.path() + ".yaml" }

// CUEFile gives the path of the address's own layer file in CUE, relative to the repository's root.
func (a Address) CUEFile() string { return a.path() + ".cue" }

func (a Address) path() string { return path.Join(Root, a.Tenant, a.Environment, a.Namespace) }

// FromFile is the inverse of File and CUEFile: it tells whether a path is that of a layer file, and of which address.
func FromFile(file string) (Address, bool) {
	rest, ok := strings.CutPrefix(file, Root+"/")
	if !ok {
		return Address{}, false
	}
	rest, ok = strings.CutSuffix(rest, ".yaml")
	if !ok {
		rest, ok = strings.CutSuffix(rest, ".cue")
	}
	if !ok {
		return Address{}, false
	}
	a, err := Parse(rest)
	return a, err == nil
}

// Compare orders addresses by tenant, environment name and namespace.
func Compare(a, b Address) int { return strings.Compare(a.String(), b.String()) }

// Pattern matches addresses. Each part is a name or a glob with * and ?; missing parts match everything.
type Pattern struct{ parts [3]string }

// ParsePattern reads "tenant", "tenant/environment", "*/production", "acme/*/inference*", or "" for all.
func ParsePattern(s string) (Pattern, error) {
	p := Pattern{[3]string{"*", "*", "*"}}
	if s == "" {
		return p, nil
	}
	if len(s) > maxAddress {
		return Pattern{}, fmt.Errorf("pattern %q is longer than %d characters", shortened(s), maxAddress)
	}
	parts := strings.Split(strings.TrimSuffix(s, "/"), "/")
	if len(parts) > 3 {
		return Pattern{}, fmt.Errorf("pattern %q has more than three parts (tenant/environment/namespace)", s)
	}
	for i, part := range parts {
		if part == "" {
			return Pattern{}, fmt.Errorf("pattern %q has an empty part: write * to match anything", s)
		}
		if strings.Trim(part, "abcdefghijklmnopqrstuvwxyz0123456789-*?") != "" {
			return Pattern{}, fmt.Errorf("pattern %q: %q may hold only a-z, 0-9, -, * and ?", s, part)
		}
		p.parts[i] = part
	}
	return p, nil
}

// Match reports whether the pattern covers a.
func (p Pattern) Match(a Address) bool {
	return p.MatchTenant(a.Tenant) && match(p.parts[1], a.Environment) && match(p.parts[2], a.Namespace)
}

// MatchTenant reports whether the pattern can cover any address of a tenant, so that whole folders can be left unread.
func (p Pattern) MatchTenant(tenant string) bool { return match(p.parts[0], tenant) }

// Exact gives the address if the pattern is one whole address without globs.
func (p Pattern) Exact() (Address, bool) {
	a := Address{p.parts[0], p.parts[1], p.parts[2]}
	return a, a.Check() == nil
}

// Parts gives the three globs: tenant, environment, namespace.
func (p Pattern) Parts() (tenant, environment, namespace string) {
	return p.parts[0], p.parts[1], p.parts[2]
}

// String gives the pattern in its full form.
func (p Pattern) String() string { return strings.Join(p.parts[:], "/") }

func match(glob, s string) bool {
	if glob == "*" || glob == s {
		return true
	}
	ok, err := path.Match(glob, s)
	return ok && err == nil
}
