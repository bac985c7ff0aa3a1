package seal

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// env gives a keyring that sees these variables and empty directories, never the machine's own.
func env(t testing.TB, vars map[string]string, passphrase func(context.Context, string) ([]byte, error)) *Keyring {
	t.Helper()
	dir := t.TempDir()
	return NewKeyring(KeyringOptions{
		Getenv: func(name string) string { return vars[name] },
		Home:   filepath.Join(dir, "home"), ConfigDir: filepath.Join(dir, "config"), Passphrase: passphrase,
	})
}

// pair makes a keyring with one fresh identity.
func pair(t testing.TB) (recipient string, k *Keyring) {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id.Recipient().String(), env(t, map[string]string{envKey: id.String()}, nil)
}

func fixtureKeys(t testing.TB) *Keyring {
	t.Helper()
	return env(t, map[string]string{envKeyFile: filepath.Join("testdata", "keys.txt")}, nil)
}

func parse(t testing.TB, src string) *yamldoc.Doc {
	t.Helper()
	doc, err := yamldoc.Parse("config/acme/production/inference.yaml", []byte(src))
	if err != nil {
		t.Fatalf("parse: %v\n%s", err, src)
	}
	return doc
}

func fixture(t testing.TB, name string) *yamldoc.Doc {
	t.Helper()
	src, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := yamldoc.Parse(name, src)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func path(t testing.TB, key string) tree.Path {
	t.Helper()
	p, err := tree.ParsePath(key)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// scalar reads a value as it would stand in YAML.
func scalar(text string) *tree.Node { return tree.Scalar(tree.Resolve(text)) }

func secretChange(t testing.TB, key, value string) Change {
	t.Helper()
	return Change{Path: path(t, key), Value: scalar(value), Secret: true}
}

func plainChange(t testing.TB, key, value string) Change {
	t.Helper()
	return Change{Path: path(t, key), Value: scalar(value)}
}

var now = time.Date(2025, 11, 21, 10, 30, 0, 0, time.UTC)

func mustEdit(t testing.TB, doc *yamldoc.Doc, o Options, changes ...Change) *yamldoc.Doc {
	t.Helper()
	done, err := Edit(t.Context(), doc, changes, o)
	if err != nil {
		t.Fatalf("edit: %v (hint: %s)\n%s", err, diag.HintOf(err), doc.Source())
	}
	return done
}

func mustOpen(t testing.TB, doc *yamldoc.Doc, k *Keyring) *tree.Node {
	t.Helper()
	root, err := Open(t.Context(), doc, k)
	if err != nil {
		t.Fatalf("open: %v\n%s", err, doc.Source())
	}
	return root
}

// reveal gives a value of an opened document.
func reveal(t testing.TB, root *tree.Node, key string) string {
	t.Helper()
	n := root.Get(path(t, key))
	if n == nil {
		t.Fatalf("%s is missing", key)
	}
	return n.Reveal()
}

// codes gives the codes of an error's findings, and the keys they name.
func codes(err error) string {
	list, _ := errors.AsType[diag.List](err)
	var out []string
	for _, f := range list {
		out = append(out, f.Code+" "+f.Key)
	}
	return strings.Join(out, ", ")
}

// sameValues compares trees, numbers by value: SOPS spells them its own way.
func sameValues(a, b *tree.Node) bool {
	if a == nil || b == nil {
		return a == b
	}
	if x, ok := a.Number(); ok {
		y, ok := b.Number()
		return ok && x.Cmp(y) == 0
	}
	if a.Kind != b.Kind || a.Len() != b.Len() {
		return false
	}
	for _, f := range a.Fields() {
		if !sameValues(f.Value, b.Field(f.Key)) {
			return false
		}
	}
	for i, item := range a.Items() {
		if !sameValues(item, b.Items()[i]) {
			return false
		}
	}
	return a.Reveal() == b.Reveal()
}

// changedLines gives the lines of b that are not in a and the other way round.
func changedLines(a, b []byte) (removed, added []string) {
	count := map[string]int{}
	for l := range strings.Lines(string(a)) {
		count[l]++
	}
	for l := range strings.Lines(string(b)) {
		if count[l] > 0 {
			count[l]--
		} else {
			added = append(added, l)
		}
	}
	for l := range strings.Lines(string(a)) {
		if count[l] > 0 {
			count[l]--
			removed = append(removed, l)
		}
	}
	return removed, added
}
