// Package handoff turns a resolved configuration into what a program reads: environment variables and files. It decides
// names and text; who opens secrets and who starts programs are others.
package handoff

import (
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// MaxVariable bounds a variable with its name, in bytes: more is refused by Linux.
const MaxVariable = 128<<10 - 1

// Variable is one environment variable.
type Variable struct {
	Name string
	Key  tree.Path
	Text string // may be secret
}

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// CheckName says whether a name can be that of an environment variable.
func CheckName(name string) error {
	if !variableName.MatchString(name) {
		return fmt.Errorf("%q is no name of an environment variable: letters, digits and _", name)
	}
	return nil
}

// Name makes a variable's name of a key: routes[0].api-key is ROUTES_0_API_KEY.
func Name(prefix string, key tree.Path) string {
	var b strings.Builder
	b.WriteString(prefix)
	word := func(s string) {
		if b.Len() > len(prefix) {
			b.WriteByte('_')
		}
		for _, r := range strings.ToUpper(s) {
			if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
				b.WriteRune(r)
			} else {
				b.WriteByte('_')
			}
		}
	}
	for _, step := range key {
		if k, ok := step.AsKey(); ok {
			word(k)
		} else if i, ok := step.AsIndex(); ok {
			word(fmt.Sprint(i))
		}
	}
	name := b.String()
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		name = "_" + name
	}
	return name
}

// Steers reports whether a variable of that name changes what programs do or which code they load, whatever program it is. A
// configuration sets such a one only if who runs the program says so by name.
func Steers(name string) bool {
	for _, prefix := range []string{"LD_", "DYLD_", "BASH_FUNC_", "GIT_", "LCM_", "SOPS_", "PYTHON", "PERL5", "RUBY", "NODE_", "JAVA_", "JDK_", "DOTNET_", "GCONV_", "MALLOC_", "LC_"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	switch name {
	case "PATH", "HOME", "SHELL", "IFS", "ENV", "BASH_ENV", "SHELLOPTS", "BASHOPTS", "PS4", "CDPATH", "PROMPT_COMMAND", "TMPDIR", "LANG",
		"EDITOR", "VISUAL", "PAGER", "BROWSER", "USER", "LOGNAME", "PWD", "CLASSPATH", "NLSPATH", "HOSTALIASES", "RES_OPTIONS",
		"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "OPENSSL_CONF", "TERMINFO":
		return true
	}
	return false
}

// Variables gives a variable for each scalar at or below a key, named after its whole key; null and empty collections give none.
// Two keys of one name are an error.
func Variables(prefix string, key tree.Path, value *tree.Node) ([]Variable, error) {
	var out []Variable
	at := map[string]tree.Path{}
	for below, leaf := range value.Leaves() {
		if !leaf.Kind.IsScalar() || leaf.Kind == tree.Null {
			continue
		}
		full := append(key.Clone(), below...)
		v := Variable{Name: Name(prefix, full), Key: full, Text: leaf.Reveal()}
		if other, ok := at[v.Name]; ok {
			return nil, fmt.Errorf("%s and %s both give the variable %s", other, full, v.Name)
		}
		at[v.Name] = full
		if err := v.check(); err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// Named gives the variable of one key under a chosen name: a scalar as it is, a map or a list as JSON in one line. ok is false
// for null, which leaves it unset.
func Named(name string, key tree.Path, value *tree.Node) (v Variable, ok bool, err error) {
	if value.Kind == tree.Null {
		return Variable{}, false, nil
	}
	v = Variable{Name: name, Key: key, Text: value.Reveal()}
	if !value.Kind.IsScalar() {
		data, err := value.AppendJSON(nil, tree.Revealed)
		if err != nil {
			return Variable{}, false, fmt.Errorf("%s: %w", key, err)
		}
		v.Text = string(data)
	}
	return v, true, v.check()
}

func (v Variable) check() error {
	if err := CheckName(v.Name); err != nil {
		return err
	}
	if strings.ContainsRune(v.Text, 0) {
		return fmt.Errorf("%s holds a NUL, which no environment variable can", v.Key)
	}
	if n := len(v.Name) + 1 + len(v.Text); n > MaxVariable {
		return fmt.Errorf("%s is too long for an environment variable: %d bytes, and there may be %d", v.Key, n, MaxVariable)
	}
	return nil
}

// Content gives the text of a file: JSON or YAML by the ending of its name, .json, .yaml or .yml; else a scalar byte for byte,
// and a map or a list as JSON.
func Content(name string, value *tree.Node) ([]byte, error) {
	switch ending := path.Ext(name); {
	case ending == ".yaml" || ending == ".yml":
		if value.Kind == tree.Map {
			doc, err := yamldoc.New(name, value)
			if err != nil {
				return nil, fmt.Errorf("write %s: %w", name, err)
			}
			return doc.Source(), nil
		}
	case ending == ".json":
	case value.Kind.IsScalar():
		return []byte(value.Reveal()), nil
	}
	data, err := value.AppendJSON(nil, tree.Revealed) // JSON is YAML too
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", name, err)
	}
	return append(data, '\n'), nil
}
