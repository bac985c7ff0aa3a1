// Package rules checks what a schema cannot say: agreement between namespaces and environments of a tenant, and what some of
// them require beyond their schemas.
//
// A [Rule] is data, as lcm.yaml declares it. [Set.Check] holds rules against the resolved trees of one tenant, which a
// [Scope] hands out, and gives a finding at each offending value. The package reads no files, and what it finds depends on
// the trees alone. No finding shows a secret, nor a part of one.
package rules

import (
	"context"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/quantity"
	"github.com/llm-devops/lcm/pkg/tree"
)

// The codes of findings, one for each kind of rule.
const (
	CodeIsolation = "rule-isolation" // a host of another environment
	CodeReference = "rule-reference" // a name that is not there
	CodeNamespace = "rule-namespace" // a namespace to refer to that is not there
	CodeCycle     = "rule-cycle"
	CodeDuplicate = "rule-duplicate"
	CodeRequired  = "rule-required"
	CodeForbidden = "rule-forbidden"
	CodeValue     = "rule-value"
)

// Rule is one named rule. Its selectors are names or globs with * and ?; an empty one selects all.
type Rule struct {
	Name         string
	Description  string
	Severity     diag.Severity
	Tenants      []string
	Environments []string
	Namespaces   []string
	Pos          diag.Position

	Isolate    *Isolate
	References []Reference
	Acyclic    []Graph
	Unique     []Unique
	Require    []tree.Pattern // keys that must have a value
	Forbid     []tree.Pattern // keys that must not be there
	Values     []Value
}

// Isolate says that no value may name a host that the same tenant's configuration of other environments uses. A host that
// their layers do not name themselves, but inherit from one below all environments, is everybody's unless Strict says not.
type Isolate struct {
	From   []string // the environments whose hosts are out of reach, names or globs; never empty
	Allow  []string // hosts that may be shared, or *.domain for all below one
	Strict bool
}

// Reference says that every value at some keys is a name that another namespace offers.
type Reference struct {
	Keys      []tree.Pattern
	Namespace string         // of the same tenant and environment; "" is the referring one itself
	Names     []tree.Pattern // what there is: a map offers its keys, a list of scalars its items, a scalar itself
}

// Graph says that following edges from node to node never comes back to where it began.
type Graph struct {
	Nodes tree.Pattern   // a map, whose keys name the nodes, or a list of maps
	Name  string         // the field that names a node of a list
	Edges []tree.Pattern // inside a node: the names of others. A name that is no node ends there
}

// Unique says that no two values at some keys are the same.
type Unique struct {
	Keys   []tree.Pattern
	Across bool // all selected namespaces of an environment, not each for itself
}

// Value bounds the values at a key. Of a list each item is meant.
type Value struct {
	Key      tree.Pattern
	OneOf    []*tree.Node
	NoneOf   []*tree.Node
	Min, Max quantity.Quantity // the zero value is no bound
	Pattern  *regexp.Regexp
}

// Set is the rules of a repository.
type Set []*Rule

// Scope is what rules see of one tenant.
type Scope struct {
	Tenant       string
	Environments []string
	Namespaces   []string
	// Tree gives what an address resolves to, secrets masked or sealed. exists is false where there is no such address; no
	// tree where there is one, and it is too broken to resolve: then rules say nothing about it.
	Tree func(ctx context.Context, a address.Address) (root *tree.Node, exists bool, err error)
	// Reveal opens the secrets of a tree as far as keys are at hand. Nil opens none.
	Reveal func(ctx context.Context, root *tree.Node) (*tree.Node, error)
}

// For gives the rules that select something of a tenant.
func (s Set) For(tenant string) Set {
	return slices.DeleteFunc(slices.Clone(s), func(r *Rule) bool { return !selects(r.Tenants, tenant) })
}

// Check holds the rules against addresses of the scope's tenant. The findings are in the order of rules and addresses.
func (s Set) Check(ctx context.Context, scope Scope, addresses []address.Address) (diag.List, error) {
	var list diag.List
	for _, r := range s.For(scope.Tenant) {
		c := &checker{Scope: scope, rule: r}
		for _, a := range addresses {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			if !r.selects(a) {
				continue
			}
			if err := c.address(ctx, a); err != nil {
				return nil, err
			}
		}
		if err := c.across(ctx, addresses); err != nil {
			return nil, err
		}
		list = append(list, c.findings...)
	}
	return list, nil
}

// Dependents gives the addresses of the scope that rules hold against what an address resolves to, besides itself: those
// that a change of it can make wrong. One may be given more than once.
func (s Set) Dependents(scope Scope, a address.Address) []address.Address {
	var out []address.Address
	add := func(r *Rule, env string) {
		for _, ns := range scope.Namespaces {
			if d := (address.Address{Tenant: a.Tenant, Environment: env, Namespace: ns}); d != a && r.selects(d) {
				out = append(out, d)
			}
		}
	}
	for _, r := range s.For(a.Tenant) {
		if slices.ContainsFunc(r.References, func(ref Reference) bool { return ref.Namespace == a.Namespace }) {
			add(r, a.Environment)
		}
		if r.Isolate != nil && selects(r.Isolate.From, a.Environment) && selects(r.Namespaces, a.Namespace) {
			for _, env := range scope.Environments {
				if !selects(r.Isolate.From, env) {
					add(r, env)
				}
			}
		}
	}
	return out
}

func (r *Rule) selects(a address.Address) bool {
	return selects(r.Tenants, a.Tenant) && selects(r.Environments, a.Environment) && selects(r.Namespaces, a.Namespace)
}

// selects reports whether a selector covers a name.
func selects(globs []string, name string) bool {
	return len(globs) == 0 || slices.ContainsFunc(globs, func(glob string) bool {
		ok, err := path.Match(glob, name)
		return err == nil && ok
	})
}

// checker holds one rule against one tenant.
type checker struct {
	Scope
	rule     *Rule
	findings diag.List
	hosts    map[string]host // of the environments out of reach, once they are needed
}

// address holds the rule against one address.
func (c *checker) address(ctx context.Context, a address.Address) error {
	root, exists, err := c.Tree(ctx, a)
	if err != nil || !exists || root == nil {
		return err
	}
	c.require(a, root)
	for _, p := range c.rule.Forbid {
		for path, n := range p.Matches(root) {
			c.report(a, path, n.Pos, diag.Finding{Code: CodeForbidden, Message: "this key may not be here", Hint: "remove it: " + unset(a, path)})
		}
	}
	for _, v := range c.rule.Values {
		c.values(a, root, v)
	}
	for _, u := range c.rule.Unique {
		if !u.Across {
			c.unique(u, []place{{a, root}})
		}
	}
	for _, g := range c.rule.Acyclic {
		c.acyclic(a, root, g)
	}
	for _, ref := range c.rule.References {
		if err := c.reference(ctx, a, root, ref); err != nil {
			return err
		}
	}
	if c.rule.Isolate != nil {
		return c.isolate(ctx, a, root)
	}
	return nil
}

// across holds the parts of the rule that look at all namespaces of an environment against those of the addresses.
func (c *checker) across(ctx context.Context, addresses []address.Address) error {
	if !slices.ContainsFunc(c.rule.Unique, func(u Unique) bool { return u.Across }) {
		return nil
	}
	for _, env := range c.Environments {
		if !slices.ContainsFunc(addresses, func(a address.Address) bool { return a.Environment == env && c.rule.selects(a) }) {
			continue
		}
		var places []place
		for _, ns := range c.Namespaces {
			a := address.Address{Tenant: c.Tenant, Environment: env, Namespace: ns}
			if !c.rule.selects(a) {
				continue
			}
			root, _, err := c.Tree(ctx, a)
			if err != nil {
				return err
			}
			if root != nil {
				places = append(places, place{a, root})
			}
		}
		for _, u := range c.rule.Unique {
			if u.Across {
				c.unique(u, places)
			}
		}
	}
	return nil
}

// place is a resolved address.
type place struct {
	address address.Address
	root    *tree.Node
}

// report adds a finding of the rule about a value of an address. A value that comes from the schema has no line to point at:
// the place is then the file where another could be set.
func (c *checker) report(a address.Address, path tree.Path, at diag.Position, f diag.Finding) {
	f.Severity, f.Rule, f.Address = c.rule.Severity, c.rule.Name, a.String()
	f.Position, f.Key = inLayer(at, a), path.String()
	f.Message += " (rule " + c.rule.Name + ")"
	why := "the rule is here"
	if c.rule.Description != "" {
		why = c.rule.Description
	}
	f.Related = append(f.Related, diag.Related{Position: c.rule.Pos, Message: why})
	c.findings = append(c.findings, f)
}

func inLayer(at diag.Position, a address.Address) diag.Position {
	if !strings.HasPrefix(at.File, address.Root+"/") {
		return diag.Position{File: a.File()}
	}
	return at
}

// unset gives the command that removes a key, and set the one that sets it.
func unset(a address.Address, p tree.Path) string { return "lcm unset " + a.String() + " " + quoted(p) }

func set(a address.Address, p tree.Path) string {
	return "lcm set " + a.String() + " " + quoted(p) + "=…"
}

// quoted gives a key as a shell takes it.
func quoted(p tree.Path) string {
	if s := p.String(); strings.ContainsAny(s, "[]*\"' ") {
		return "'" + s + "'"
	}
	return p.String()
}

// join gives up to eight words as "a, b, c".
func join(words []string) string {
	const most = 8
	if len(words) > most {
		return strings.Join(words[:most], ", ") + ", …"
	}
	return strings.Join(words, ", ")
}
