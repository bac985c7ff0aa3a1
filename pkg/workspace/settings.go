package workspace

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/rules"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// SettingsFile is the file at a repository's root that makes it a config repository.
const SettingsFile = "lcm.yaml"

// SignersFile names who may sign changes, in Git's own format.
const SignersFile = "policies/allowed_signers"

// APIVersion is the version of the files and of the JSON output that this code understands.
const APIVersion = "lcm/v1"

// DefaultLayers gives the stack of an address unless lcm.yaml says otherwise, lowest first.
func DefaultLayers() []string {
	return []string{"global/base", "global/{environment}", "{tenant}/base", "{tenant}/{environment}"}
}

// Settings is lcm.yaml.
type Settings struct {
	Environments []Environment // in promotion order
	Dimensions   []Dimension   // in the file's order
	Layers       []string      // lowest first, with {tenant}, {environment} and the dimensions
	Namespaces   []Namespace   // in the file's order
	Targets      []Target      // in the file's order
	Rules        rules.Set     // in the file's order
	Secrets      *SecretPolicy // nil where nothing is said
}

// Environment is one stage of promotion.
type Environment struct {
	Name       string
	Strict     *bool             // strict_override: shadowing an inherited scalar takes !override; nil is as inherited
	Inherits   string            // the environment whose layers lie under this one's, or ""
	Dimensions map[string]string // its value of each dimension that it has one of
	Pos        diag.Position
}

// Namespace is one service's configuration.
type Namespace struct {
	Name     string
	Module   string // "" has no schema
	Inherits string // the namespace whose layers lie under this one's, or ""
	Pos      diag.Position
}

// Target is a place to publish to. Which fields are set depends on the type.
type Target struct {
	Name     string
	Type     string // dir, s3 or vault
	Path     string // dir: relative to the repository's root
	Endpoint string // s3
	Bucket   string // s3
	Region   string // s3
	Prefix   string // s3, vault
	Address  string // vault
	Mount    string // vault
	VaultNS  string // vault: the enterprise namespace
	Auth     Auth   // vault
	Secrets  *Target
	Pos      diag.Position
}

// Auth is how to log in to a Vault. Credentials themselves come from the environment or a file, never from lcm.yaml.
type Auth struct {
	Method       string // token, approle or jwt
	Mount        string // of the auth method, if not its usual one
	Role         string // jwt: the role; approle: the role id
	JWTFile      string // jwt
	SecretIDFile string // approle
}

// ParseSettings reads lcm.yaml. The error is a diag.List of everything wrong in it.
func ParseSettings(file string, src []byte) (*Settings, error) {
	doc, err := yamldoc.Parse(file, src)
	if err != nil {
		return nil, err
	}
	d := &decoder{file: file}
	s := &Settings{Layers: DefaultLayers()}
	version := ""
	if f := doc.Root().Field("dimensions"); f != nil { // layers and environments name them
		d.entries(tree.Field{Key: "dimensions", Value: f}, func(f tree.Field) { s.Dimensions = append(s.Dimensions, d.dimension(f)) })
	}
	d.object(doc.Root(), "lcm.yaml", map[string]func(tree.Field){
		"apiVersion": func(f tree.Field) { version = d.text(f) },
		"environments": func(f tree.Field) {
			d.list(f, func(n *tree.Node) { s.Environments = append(s.Environments, d.environment(n)) })
		},
		"dimensions": func(tree.Field) {},
		"layers": func(f tree.Field) {
			s.Layers = nil
			d.list(f, func(n *tree.Node) { s.Layers = append(s.Layers, d.layer(n, s.Dimensions)) })
		},
		"namespaces": func(f tree.Field) {
			d.entries(f, func(f tree.Field) { s.Namespaces = append(s.Namespaces, d.namespace(f)) })
		},
		"targets": func(f tree.Field) {
			d.entries(f, func(f tree.Field) { s.Targets = append(s.Targets, d.target(f)) })
		},
		"rules": func(f tree.Field) {
			d.entries(f, func(f tree.Field) { s.Rules = append(s.Rules, d.rule(f)) })
		},
		"secrets": func(f tree.Field) { s.Secrets = d.secretPolicy(f) },
	})
	d.version(doc.Root(), version)
	d.checkSettings(doc.Root(), s)
	if err := d.findings.Sorted().Err(); err != nil {
		return nil, err
	}
	return s, nil
}

// nameHint says what names look like.
const nameHint = "names are lower case, with digits and hyphens inside: production, eu-west-1"

func (d *decoder) environment(n *tree.Node) Environment {
	e := Environment{Pos: n.Pos}
	if n.Kind == tree.String { // a bare name is enough
		e.Name = n.Text()
	} else {
		d.object(n, "an environment", map[string]func(tree.Field){
			"name":            func(f tree.Field) { e.Name = d.text(f); e.Pos = f.Value.Pos },
			"strict_override": func(f tree.Field) { strict := d.boolean(f); e.Strict = &strict },
			"inherits":        func(f tree.Field) { e.Inherits = d.text(f) },
			"dimensions": func(f tree.Field) {
				e.Dimensions = map[string]string{}
				d.entries(f, func(f tree.Field) { e.Dimensions[f.Key] = d.text(f) })
			},
		})
	}
	if err := address.CheckName("environment", e.Name); err != nil {
		d.report("settings-name", e.Pos, err.Error(), nameHint)
	} else if e.Name == address.Base {
		d.report("settings-name", e.Pos, `"base" is the layer below all environments and cannot be one`, "choose another name")
	}
	return e
}

func (d *decoder) dimension(f tree.Field) Dimension {
	dim := Dimension{Name: f.Key}
	if err := address.CheckName("dimension", strings.ReplaceAll(f.Key, "_", "-")); err != nil || f.Key == "tenant" || f.Key == "environment" {
		d.report("settings-name", f.Pos, fmt.Sprintf("%q cannot be the name of a dimension", f.Key), "names are lower case: region, device_class; tenant and environment are taken")
	}
	d.list(f, func(n *tree.Node) {
		if err := address.CheckName("value", n.Text()); n.Kind != tree.String || err != nil {
			d.report("settings-name", n.Pos, fmt.Sprintf("%q cannot be a value of %s: it becomes part of a folder's name", n.Text(), f.Key), "values are lower case with hyphens: eu-central, phone")
			return
		}
		dim.Values = append(dim.Values, n.Text())
	})
	return dim
}

func (d *decoder) layer(n *tree.Node, dimensions []Dimension) string {
	text := n.Text()
	tenant, folder, ok := strings.Cut(text, "/")
	if n.Kind != tree.String || !ok || strings.Contains(folder, "/") {
		d.report("settings-layer", n.Pos, "a layer is written tenant/environment", `for example "{tenant}/{environment}" or global/base`)
		return "global/base"
	}
	variables := []string{environmentVariable}
	for _, dim := range dimensions {
		variables = append(variables, "{"+dim.Name+"}")
	}
	if tenant != tenantVariable {
		if err := address.CheckName("tenant", tenant); err != nil {
			d.report("settings-layer", n.Pos, err.Error(), "the variable is "+tenantVariable)
		}
	}
	plain := folder
	for _, v := range variables {
		plain = strings.ReplaceAll(plain, v, "x")
	}
	if err := address.CheckName("environment", plain); err != nil {
		d.report("settings-layer", n.Pos, err.Error(), "the variables are "+strings.Join(variables, ", "))
	}
	return text
}

func (d *decoder) namespace(f tree.Field) Namespace {
	ns := Namespace{Name: f.Key, Pos: f.Pos}
	if err := address.CheckName("namespace", f.Key); err != nil {
		d.report("settings-name", f.Pos, err.Error(), nameHint)
	}
	if f.Value.Kind == tree.Null {
		return ns
	}
	d.object(f.Value, "a namespace", map[string]func(tree.Field){
		"module":   func(f tree.Field) { ns.Module = d.text(f) },
		"inherits": func(f tree.Field) { ns.Inherits = d.text(f) },
	})
	return ns
}

func (d *decoder) target(f tree.Field) Target {
	t := Target{Name: f.Key, Pos: f.Pos}
	if err := address.CheckName("target", f.Key); err != nil {
		d.report("settings-name", f.Pos, err.Error(), nameHint)
	}
	d.targetFields(f, &t)
	return t
}

func (d *decoder) targetFields(f tree.Field, t *Target) {
	fields := map[string]func(tree.Field){
		"type": func(f tree.Field) { t.Type = d.text(f) },
	}
	kind := ""
	if n := f.Value.Field("type"); n != nil {
		kind = n.Text()
	}
	store := func() {
		fields["secrets"] = func(f tree.Field) {
			t.Secrets = &Target{Name: t.Name, Pos: f.Pos}
			d.targetFields(f, t.Secrets)
			if t.Secrets.Type != "vault" {
				d.report("settings-target", f.Value.Pos, "secrets can go to a vault only", "write type: vault")
			}
		}
	}
	switch kind {
	case "dir":
		fields["path"] = func(f tree.Field) { t.Path = d.text(f) }
		store()
	case "s3":
		fields["endpoint"] = func(f tree.Field) { t.Endpoint = d.text(f) }
		fields["bucket"] = func(f tree.Field) { t.Bucket = d.text(f) }
		fields["region"] = func(f tree.Field) { t.Region = d.text(f) }
		fields["prefix"] = func(f tree.Field) { t.Prefix = d.text(f) }
		store()
	case "vault":
		fields["address"] = func(f tree.Field) { t.Address = d.text(f) }
		fields["mount"] = func(f tree.Field) { t.Mount = d.text(f) }
		fields["namespace"] = func(f tree.Field) { t.VaultNS = d.text(f) }
		fields["prefix"] = func(f tree.Field) { t.Prefix = d.text(f) }
		fields["auth"] = func(f tree.Field) { t.Auth = d.auth(f) }
		t.Mount = "secret"
		t.Auth.Method = "token"
	default:
		message, at := fmt.Sprintf("target %q needs a type", f.Key), f.Pos
		if n := f.Value.Field("type"); n != nil {
			message, at = fmt.Sprintf("target %q is of the unknown type %q", f.Key, kind), n.Pos
		}
		types := []string{"dir", "s3", "vault"}
		d.report("settings-target", at, message, diag.DidYouMean(kind, types, "the types are dir, s3 and vault"))
		return
	}
	d.object(f.Value, "a "+kind+" target", fields)
	required := map[string][][2]string{
		"dir":   {{"path", t.Path}},
		"s3":    {{"endpoint", t.Endpoint}, {"bucket", t.Bucket}},
		"vault": {{"address", t.Address}},
	}
	for _, r := range required[kind] {
		if r[1] == "" {
			d.report("settings-target", f.Pos, fmt.Sprintf("a %s target needs %s", kind, r[0]), "")
		}
	}
}

func (d *decoder) auth(f tree.Field) Auth {
	a := Auth{Method: "token"}
	d.object(f.Value, "auth", map[string]func(tree.Field){
		"method":         func(f tree.Field) { a.Method = d.text(f) },
		"mount":          func(f tree.Field) { a.Mount = d.text(f) },
		"role":           func(f tree.Field) { a.Role = d.text(f) },
		"jwt_file":       func(f tree.Field) { a.JWTFile = d.text(f) },
		"secret_id_file": func(f tree.Field) { a.SecretIDFile = d.text(f) },
	})
	if methods := []string{"token", "approle", "jwt"}; !slices.Contains(methods, a.Method) {
		d.report("settings-target", f.Value.Pos, fmt.Sprintf("unknown auth method %q", a.Method),
			diag.DidYouMean(a.Method, methods, "the methods are "+strings.Join(methods, ", ")))
	}
	return a
}

func (d *decoder) checkSettings(root *tree.Node, s *Settings) {
	if len(s.Environments) == 0 {
		d.report("settings-environments", root.Pos, "no environments", "list them in promotion order, for example: environments: [{name: development}, {name: production}]")
	}
	seen := map[string]Environment{}
	for _, e := range s.Environments {
		if first, ok := seen[e.Name]; ok {
			d.findings = append(d.findings, diag.Finding{
				Code: "settings-environments", Severity: diag.Error, Position: e.Pos, Message: fmt.Sprintf("environment %q stands twice", e.Name),
				Related: []diag.Related{{Position: first.Pos, Message: "the first is here"}}, Hint: "remove one",
			})
		}
		seen[e.Name] = e
	}
	for _, e := range s.Environments {
		d.checkEnvironment(s, e)
	}
	for _, ns := range s.Namespaces {
		d.checkInherits(s, ns)
	}
	d.checkRules(s)
}

func (d *decoder) checkEnvironment(s *Settings, e Environment) {
	visited := []string{e.Name}
	for at := e; at.Inherits != ""; {
		next, ok := s.Environment(at.Inherits)
		if !ok {
			d.report("settings-inherits", at.Pos, fmt.Sprintf("environment %q inherits from %q, which is not declared", at.Name, at.Inherits),
				diag.DidYouMean(at.Inherits, s.EnvironmentNames(), "declare it under environments:"))
			break
		}
		if slices.Contains(visited, next.Name) {
			d.report("settings-inherits", e.Pos, "environments inherit in a circle: "+strings.Join(append(visited, next.Name), " → "), "remove one of the inherits:")
			break
		}
		visited = append(visited, next.Name)
		at = next
	}
	for _, name := range slices.Sorted(maps.Keys(e.Dimensions)) {
		i := slices.IndexFunc(s.Dimensions, func(dim Dimension) bool { return dim.Name == name })
		if i < 0 {
			known := make([]string, len(s.Dimensions))
			for i, dim := range s.Dimensions {
				known[i] = dim.Name
			}
			d.report("settings-dimension", e.Pos, fmt.Sprintf("environment %q has a %q, which is no dimension", e.Name, name),
				diag.DidYouMean(name, known, "declare it: dimensions: {"+name+": [VALUE, …]}"))
			continue
		}
		if value := e.Dimensions[name]; !slices.Contains(s.Dimensions[i].Values, value) {
			d.report("settings-dimension", e.Pos, fmt.Sprintf("%q is no value of the dimension %s", value, name),
				diag.DidYouMean(value, s.Dimensions[i].Values, "the values are "+strings.Join(s.Dimensions[i].Values, ", ")))
		}
	}
}

func (d *decoder) checkInherits(s *Settings, ns Namespace) {
	visited := []string{ns.Name}
	for at := ns; at.Inherits != ""; {
		next, ok := s.Namespace(at.Inherits)
		if !ok {
			d.report("settings-inherits", ns.Pos, fmt.Sprintf("namespace %q inherits from %q, which is not declared", at.Name, at.Inherits),
				diag.DidYouMean(at.Inherits, s.NamespaceNames(), "declare it under namespaces:"))
			return
		}
		if slices.Contains(visited, next.Name) {
			d.report("settings-inherits", ns.Pos, "namespaces inherit in a circle: "+strings.Join(append(visited, next.Name), " → "), "remove one of the inherits:")
			return
		}
		if next.Module != ns.Module && next.Module != "" {
			d.report("settings-inherits", ns.Pos, fmt.Sprintf("namespace %q is a %q and inherits from %q, a %q", ns.Name, ns.Module, next.Name, next.Module),
				"a namespace inherits from one of the same module")
			return
		}
		visited = append(visited, next.Name)
		at = next
	}
}

// Environment finds a declared environment.
func (s *Settings) Environment(name string) (Environment, bool) {
	i := slices.IndexFunc(s.Environments, func(e Environment) bool { return e.Name == name })
	if i < 0 {
		return Environment{}, false
	}
	return s.Environments[i], true
}

// EnvironmentNames gives the declared environments in promotion order.
func (s *Settings) EnvironmentNames() []string {
	out := make([]string, len(s.Environments))
	for i, e := range s.Environments {
		out[i] = e.Name
	}
	return out
}

// Namespace finds a declared namespace.
func (s *Settings) Namespace(name string) (Namespace, bool) {
	i := slices.IndexFunc(s.Namespaces, func(n Namespace) bool { return n.Name == name })
	if i < 0 {
		return Namespace{}, false
	}
	return s.Namespaces[i], true
}

// NamespaceNames gives the declared namespaces, sorted.
func (s *Settings) NamespaceNames() []string {
	out := make([]string, len(s.Namespaces))
	for i, n := range s.Namespaces {
		out[i] = n.Name
	}
	slices.Sort(out)
	return out
}

// Target finds a declared target.
func (s *Settings) Target(name string) (Target, bool) {
	i := slices.IndexFunc(s.Targets, func(t Target) bool { return t.Name == name })
	if i < 0 {
		return Target{}, false
	}
	return s.Targets[i], true
}

// TargetNames gives the declared targets in the file's order.
func (s *Settings) TargetNames() []string {
	out := make([]string, len(s.Targets))
	for i, t := range s.Targets {
		out[i] = t.Name
	}
	return out
}
