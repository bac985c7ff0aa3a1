// Package importer reads configuration that other tools keep: SOPS files, dotenv files, plain YAML and JSON.
package importer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/joho/godotenv"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// Format is what a file is written in.
type Format string

// The formats.
const (
	YAML   Format = "yaml"
	JSON   Format = "json"
	Dotenv Format = "dotenv"
	INI    Format = "ini"
)

// FormatOf tells a file's format by its name, as SOPS does; ok is false where the name does not say.
func FormatOf(name string) (f Format, ok bool) {
	switch ext := strings.ToLower(filepath.Ext(name)); ext {
	case ".yaml", ".yml":
		return YAML, true
	case ".json":
		return JSON, true
	case ".env":
		return Dotenv, true
	case ".ini":
		return INI, true
	}
	return "", filepath.Base(name) == ".env" || strings.HasPrefix(filepath.Base(name), ".env.")
}

// Source is a file to read.
type Source struct {
	Name    string // for messages
	Path    string // for the sops program
	Text    []byte
	Format  Format
	Keyring *seal.Keyring
	// Sops decrypts a file to JSON with the sops program: what SOPS encrypts with keys, or in ways, that are not opened here. nil
	// where there is no such program.
	Sops func(ctx context.Context, path string, f Format) ([]byte, error)
}

// Values is what was read.
type Values struct {
	Root   *tree.Node // what was encrypted is Secret
	Sealed bool       // it is a SOPS file; else nothing says what is secret
	ByTool bool       // the sops program opened it
}

// Read reads a file. Errors have positions; they never quote a value.
func Read(ctx context.Context, s Source) (*Values, error) {
	switch s.Format {
	case Dotenv, INI:
		return s.lines(ctx)
	}
	doc, err := yamldoc.Parse(s.Name, s.Text)
	if err != nil {
		return nil, err
	}
	if doc.Root().Field("sops") == nil {
		root, err := seal.Open(ctx, doc, s.Keyring) // refuses a ciphertext without a block
		return &Values{Root: root}, err
	}
	root, err := seal.Open(ctx, doc, s.Keyring)
	if err == nil {
		return &Values{Root: root, Sealed: true}, nil
	}
	if !mayBeOpenedBySops(err) {
		return nil, err
	}
	opened, toolErr := s.bySops(ctx, err)
	if toolErr != nil {
		return nil, toolErr
	}
	return &Values{Root: marked(opened, doc.Root()), Sealed: true, ByTool: true}, nil
}

// mayBeOpenedBySops reports whether a file is in order, but not for what is supported here.
func mayBeOpenedBySops(err error) bool {
	if _, ok := errors.AsType[*seal.NoIdentityError](err); ok {
		return true // sops knows keys in clouds, too
	}
	list, ok := errors.AsType[diag.List](err)
	if !ok {
		return false
	}
	for _, f := range list {
		if f.Code != seal.CodeUnsupported {
			return false
		}
	}
	return true
}

// bySops has the sops program decrypt the file; why says what keeps it from being opened here.
func (s Source) bySops(ctx context.Context, why error) (*tree.Node, error) {
	if s.Sops == nil {
		return nil, diag.WithHint(why, "the sops program would open what is not supported here, and is not on PATH: install it, and import again")
	}
	out, err := s.Sops(ctx, s.Path, s.Format)
	if err != nil {
		return nil, fmt.Errorf("%w; nor does the sops program open it: %w", why, err)
	}
	defer clear(out)
	root, err := tree.FromJSON(out)
	if err != nil {
		return nil, fmt.Errorf("read what sops decrypted of %s: it is no JSON", s.Name)
	}
	return root, nil
}

// lines reads dotenv and INI files.
func (s Source) lines(ctx context.Context) (*Values, error) {
	if bytes.Contains(s.Text, []byte("ENC[AES256_GCM,")) {
		opened, err := s.bySops(ctx, fmt.Errorf("%s is a SOPS file in the format %s, which only the sops program opens", s.Name, s.Format))
		if err != nil {
			return nil, err
		}
		return &Values{Root: allSecret(opened), Sealed: true, ByTool: true}, nil
	}
	if s.Format == INI {
		return nil, diag.WithHint(fmt.Errorf("%s is an INI file, whose values have no types", s.Name), "write it as YAML or JSON, and import that")
	}
	values, err := godotenv.UnmarshalBytes(s.Text)
	if err != nil {
		return nil, s.dotenvError()
	}
	var fields []tree.Field
	for _, name := range dotenvOrder(s.Text, values) {
		fields = append(fields, tree.Field{Key: name, Value: tree.NewString(values[name])})
	}
	return &Values{Root: tree.NewMap(fields...)}, nil
}

// dotenvError finds the line that cannot be read: the parser's own error quotes it, and with it the value.
func (s Source) dotenvError() error {
	number := 0
	for line := range bytes.Lines(s.Text) {
		number++
		if _, err := godotenv.UnmarshalBytes(bytes.TrimSpace(line)); err != nil {
			return diag.List{{
				Code: "import-dotenv", Severity: diag.Error, Position: diag.Position{File: s.Name, Line: number, Column: 1},
				Message: "the line is no NAME=VALUE", Hint: "quote a value that holds blanks, quotes or #",
			}}
		}
	}
	return diag.List{{
		Code: "import-dotenv", Severity: diag.Error, Position: diag.Position{File: s.Name, Line: 1, Column: 1},
		Message: "the file is no dotenv file", Hint: "each line is NAME=VALUE",
	}}
}

// dotenvOrder gives the names in the order of the file.
func dotenvOrder(text []byte, values map[string]string) []string {
	var names []string
	seen := map[string]bool{}
	for line := range bytes.Lines(text) {
		name, _, _ := strings.Cut(strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(string(line)), "export ")), "=")
		name = strings.TrimSpace(name)
		if _, ok := values[name]; ok && !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names
}

// marked gives an opened tree in which what is encrypted in the sealed one is secret.
func marked(opened, sealed *tree.Node) *tree.Node {
	switch {
	case sealed == nil:
		return opened
	case sealed.Kind == tree.String && strings.HasPrefix(sealed.Reveal(), "ENC[AES256_GCM,"):
		return allSecret(opened)
	case opened.Kind == tree.Map && sealed.Kind == tree.Map:
		fields := make([]tree.Field, 0, opened.Len())
		for _, f := range opened.Fields() {
			f.Value = marked(f.Value, sealed.Field(f.Key))
			fields = append(fields, f)
		}
		return opened.WithFields(fields)
	case opened.Kind == tree.List && sealed.Kind == tree.List && opened.Len() == sealed.Len():
		items := make([]*tree.Node, opened.Len())
		for i, item := range opened.Items() {
			items[i] = marked(item, sealed.Items()[i])
		}
		return opened.WithItems(items)
	}
	return opened
}

// allSecret gives a tree in which every value is secret.
func allSecret(n *tree.Node) *tree.Node {
	switch n.Kind {
	case tree.Map:
		fields := make([]tree.Field, 0, n.Len())
		for _, f := range n.Fields() {
			fields = append(fields, tree.Field{Key: f.Key, Value: allSecret(f.Value)})
		}
		return n.WithFields(fields)
	case tree.List:
		items := make([]*tree.Node, 0, n.Len())
		for _, item := range n.Items() {
			items = append(items, allSecret(item))
		}
		return n.WithItems(items)
	case tree.Null:
		return n
	}
	n = n.Clone()
	n.Secret = true
	return n
}
