// Package due keeps the lists of values that somebody who lost access still knows, until each is changed.
//
// New keys close files to somebody; what that person has read stays known until it is changed at its source. A [List] names
// those values, and lies in the repository below [Dir]. It holds no secret: of each value it has a mark of the ciphertext, by
// which [Left] tells without any key whether another value was set since.
package due

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/llm-devops/lcm/pkg/address"
	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/workspace"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// Dir is the folder of the lists.
const Dir = "rotations"

// List is what one person still knows of one tenant.
type List struct {
	Tenant string    `json:"tenant"`
	Person string    `json:"person"` // whose keys they were; a key itself where nobody is named
	Keys   []string  `json:"keys"`
	Since  time.Time `json:"since"` // when access ended, in UTC
	Values []Value   `json:"values"`
	File   string    `json:"file"`
}

// Value is one value that is to be changed at its source.
type Value struct {
	Address address.Address `json:"address"`
	Key     string          `json:"key"`
	Mark    string          `json:"mark"` // of the ciphertext
}

// New makes a list. Its file is one that the snapshot does not have.
func New(ctx context.Context, s *workspace.Snapshot, l List) (*List, error) {
	l.Since = l.Since.UTC().Truncate(time.Second)
	base := path.Join(Dir, l.Tenant, l.Since.Format(time.DateOnly)+"-"+slug(l.Person))
	for n := 1; ; n++ {
		l.File = base + ".yaml"
		if n > 1 {
			l.File = fmt.Sprintf("%s-%d.yaml", base, n)
		}
		_, err := s.ReadFile(ctx, l.File)
		if errors.Is(err, fs.ErrNotExist) {
			return &l, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// slug gives a name as part of a file's name.
func slug(s string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(s) {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		if b.Len() >= 40 {
			break
		}
	}
	return cmp.Or(strings.Trim(b.String(), "-"), "somebody")
}

// Mark gives what stands for a ciphertext: another one has another mark, and the mark tells nothing of the value.
func Mark(ciphertext string) string {
	sum := sha256.Sum256([]byte(ciphertext))
	return hex.EncodeToString(sum[:8])
}

// Marks gives the marks of a layer file's encrypted values, by their keys, in no order.
func Marks(file string, src []byte) (map[string]string, error) {
	doc, err := yamldoc.Parse(file, src)
	if err != nil {
		return nil, err
	}
	root, err := seal.Sealed(doc)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	root.Walk(func(p tree.Path, n *tree.Node) bool {
		if n.Sealed {
			out[p.String()] = Mark(n.Reveal())
		}
		return true
	})
	return out, nil
}

// Bytes gives the text of the list's file.
func (l *List) Bytes() ([]byte, error) {
	text := tree.NewString
	keys := make([]*tree.Node, len(l.Keys))
	for i, k := range l.Keys {
		keys[i] = text(k)
	}
	values := make([]*tree.Node, len(l.Values))
	for i, v := range l.Values {
		values[i] = tree.NewMap(
			tree.Field{Key: "address", Value: text(v.Address.String())},
			tree.Field{Key: "key", Value: text(v.Key)},
			tree.Field{Key: "mark", Value: text(v.Mark)},
		)
	}
	doc, err := yamldoc.New(l.File, tree.NewMap(
		tree.Field{Key: "apiVersion", Value: text(workspace.APIVersion)},
		tree.Field{Key: "tenant", Value: text(l.Tenant)},
		tree.Field{Key: "person", Value: text(l.Person)},
		tree.Field{Key: "keys", Value: tree.NewList(keys...)},
		tree.Field{Key: "since", Value: text(l.Since.Format(time.RFC3339))},
		tree.Field{Key: "values", Value: tree.NewList(values...)},
	))
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", l.File, err)
	}
	head := "# What somebody who lost access still knows: change each value at its source, then set it anew.\n" +
		"# lcm keys due shows what is left. When nothing is, remove this file.\n"
	return append([]byte(head), doc.Source()...), nil
}

// Parse reads the text of a list's file. The error is a [diag.List].
func Parse(file string, src []byte) (*List, error) {
	doc, err := yamldoc.Parse(file, src)
	if err != nil {
		return nil, err
	}
	l := &List{File: file}
	text := func(n *tree.Node, key string) string {
		if f := n.Field(key); f != nil && f.Kind == tree.String {
			return f.Text()
		}
		return ""
	}
	root := doc.Root()
	l.Tenant, l.Person = text(root, "tenant"), text(root, "person")
	for _, k := range root.Field("keys").Items() {
		l.Keys = append(l.Keys, k.Text())
	}
	broken := func(n *tree.Node, message string) error {
		at := diag.Position{File: file}
		if n != nil {
			at = n.Pos
		}
		return diag.List{{Code: "rotation-list", Severity: diag.Error, Position: at, Message: message, Hint: "restore the file from Git: git checkout HEAD -- " + file}}
	}
	if l.Since, err = time.Parse(time.RFC3339, text(root, "since")); err != nil {
		return nil, broken(root.Field("since"), "since is not a time of the form 2006-01-02T15:04:05Z")
	}
	for _, item := range root.Field("values").Items() {
		v := Value{Key: text(item, "key"), Mark: text(item, "mark")}
		if v.Address, err = address.Parse(text(item, "address")); err != nil {
			return nil, broken(item, err.Error())
		}
		l.Values = append(l.Values, v)
	}
	return l, nil
}

// Read gives the lists about a tenant, the oldest first.
func Read(ctx context.Context, s *workspace.Snapshot, tenant string) ([]*List, error) {
	dir := path.Join(Dir, tenant)
	entries, err := s.ReadDir(ctx, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", dir, err)
	}
	var out []*List
	for _, e := range entries {
		if e.Dir || path.Ext(e.Name) != ".yaml" {
			continue
		}
		file := path.Join(dir, e.Name)
		src, err := s.ReadFile(ctx, file)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		l, err := Parse(file, src)
		if err != nil {
			return nil, err
		}
		l.Tenant = tenant
		out = append(out, l)
	}
	slices.SortStableFunc(out, func(a, b *List) int { return a.Since.Compare(b.Since) })
	return out, nil
}

// Remark follows a file that gets a new data key, which gives the same values other ciphertexts. It reports whether anything
// of the list changed.
func (l *List) Remark(a address.Address, before, after map[string]string) bool {
	changed := false
	for i, v := range l.Values {
		if v.Address == a && before[v.Key] == v.Mark && after[v.Key] != "" && after[v.Key] != v.Mark {
			l.Values[i].Mark = after[v.Key]
			changed = true
		}
	}
	return changed
}
