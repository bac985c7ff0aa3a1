package merge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/llm-devops/lcm/pkg/diag"
	"github.com/llm-devops/lcm/pkg/seal"
	"github.com/llm-devops/lcm/pkg/tree"
	"github.com/llm-devops/lcm/pkg/yamldoc"
)

// Finish seals a file whose conflicts were resolved: values of either side, and plain ones typed into secret fields, are
// encrypted with one data key and covered by a new MAC. A file that is one of the sides as it was stays so.
//
// Errors: an *[UnresolvedError], a [diag.List] for text that is no configuration or a value that opens nowhere, what
// [seal.NewMerger] refuses.
func Finish(ctx context.Context, file string, text []byte, v Versions, o Options) (*Result, error) {
	regions, err := Regions(file, text, o.MarkerSize)
	if err != nil {
		return nil, diag.WithHint(err, "mend the marks, or let Git write the conflict again: git checkout --merge -- %s", file)
	}
	if len(regions) > 0 {
		return nil, &UnresolvedError{file, regions}
	}
	if bytes.Equal(text, v.Ours) || bytes.Equal(text, v.Theirs) {
		return &Result{Text: text}, nil
	}
	doc, err := yamldoc.Parse(file, text)
	if err != nil {
		return nil, err
	}
	m, err := merger(ctx, file, v, o)
	if err != nil {
		if !sealedText(v.Ours) && !sealedText(v.Theirs) && !sealedText(text) {
			return &Result{Text: text}, nil // a side was broken, and has nothing to seal
		}
		return nil, err
	}
	defer m.Close()
	if m.Fits(ctx, doc, o.Keyring) {
		return &Result{Text: text}, nil
	}
	content, err := seal.Content(doc)
	if err != nil {
		return nil, err
	}
	sealed, complete, err := m.Seal(ctx, content, o.Now)
	if err != nil {
		return nil, err
	}
	r := &Result{Text: sealed.Source()}
	if !complete {
		r.Pending = m.Locked
	}
	return r, nil
}

// sealedText reports whether a text has anything encrypted, whatever state it is in.
func sealedText(text []byte) bool {
	return bytes.Contains(text, []byte("ENC[AES256_GCM,")) || bytes.HasPrefix(text, []byte("sops:")) || bytes.Contains(text, []byte("\nsops:"))
}

func merger(ctx context.Context, file string, v Versions, o Options) (*seal.Merger, error) {
	docs, err := v.parsed(file)
	if err != nil {
		return nil, err
	}
	return seal.NewMerger(ctx, docs, o.Keyring, o.Shared)
}

// Choose resolves the conflicts at some keys, all if none are given, by taking a side.
func Choose(file string, text []byte, keys []string, s Side, o Options) ([]byte, error) {
	regions, err := Regions(file, text, o.MarkerSize)
	if err != nil {
		return nil, err
	}
	chosen, err := find(file, regions, keys)
	if err != nil {
		return nil, err
	}
	return replaceRegions(text, regions, func(i int, r *Region) ([]string, bool) { return r.Text(s), chosen[i] }), nil
}

// find gives the conflicts at some keys, all if none are given.
func find(file string, regions []Region, keys []string) (map[int]bool, error) {
	chosen := map[int]bool{}
	for i := range regions {
		chosen[i] = len(keys) == 0
	}
	for _, key := range keys {
		i := slices.IndexFunc(regions, func(r Region) bool { return slices.Contains(r.KeyList(), key) })
		if i < 0 {
			return nil, diag.WithHint(fmt.Errorf("%s is not in conflict in %s", key, file), "see what is: lcm resolve %s", file)
		}
		chosen[i] = true
	}
	return chosen, nil
}

// KeyList gives the keys in conflict; none for a conflict that Git marked.
func (r *Region) KeyList() []string {
	if r.Keys == "" {
		return nil
	}
	return strings.Split(r.Keys, ", ")
}

// Set resolves the conflict at one key with a value that is on neither side. A secret is encrypted at once, and never stands in
// the file in plain text: that needs the key.
func Set(ctx context.Context, file string, text []byte, key tree.Path, value *tree.Node, v Versions, o Options) ([]byte, error) {
	regions, err := Regions(file, text, o.MarkerSize)
	if err != nil {
		return nil, err
	}
	chosen, err := find(file, regions, []string{key.String()})
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(regions, func(r Region) bool { return slices.Contains(r.KeyList(), key.String()) })
	if len(regions[at].KeyList()) > 1 {
		return nil, diag.WithHint(fmt.Errorf("%s shares its lines with other conflicts: %w", key, errNoKeys), "choose a side for all of them, or edit %s by hand", file)
	}
	m, err := merger(ctx, file, v, o)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	if value, err = m.Encrypt(key.MapKeys(), value); err != nil {
		return nil, err
	}
	ours := replaceRegions(text, regions, func(_ int, r *Region) ([]string, bool) { return r.Ours, true })
	doc, err := yamldoc.Parse(file, ours)
	if err != nil {
		return nil, err
	}
	set, err := doc.Apply(yamldoc.Edit{Path: key, Value: value})
	if err != nil {
		return nil, err
	}
	part, err := cut(lines(ours), lines(set.Source()), regions, at)
	if err != nil {
		return nil, err
	}
	return replaceRegions(text, regions, func(i int, _ *Region) ([]string, bool) { return part, chosen[i] }), nil
}

// cut gives the lines of an edited text that stand where a conflict was; ours is the text before, with ours in every
// conflict.
func cut(ours, edited []string, regions []Region, at int) ([]string, error) {
	head := regions[at].from
	for _, r := range regions[:at] {
		head += len(r.Ours) - (r.to - r.from)
	}
	tail := len(ours) - head - len(regions[at].Ours)
	if len(edited) < head+tail || !slices.Equal(ours[:head], edited[:head]) || !slices.Equal(ours[len(ours)-tail:], edited[len(edited)-tail:]) {
		return nil, errors.New("the value does not fit at the place of the conflict: choose a side, then use lcm set")
	}
	return edited[head : len(edited)-tail], nil
}

// ValueFunc gives what a side has at a key: nil for nothing, and open is false where what is encrypted stays so.
type ValueFunc func(key tree.Path, s Side) (n *tree.Node, open bool)

// Values gives what each side has at the keys of a conflict, decrypted where a key opens it.
func Values(ctx context.Context, file string, v Versions, o Options) (ValueFunc, error) {
	m, err := merger(ctx, file, v, o)
	if err != nil {
		return nil, err
	}
	return func(key tree.Path, s Side) (*tree.Node, bool) {
		doc := map[Side]*yamldoc.Doc{Ours: m.Contents.Ours, Theirs: m.Contents.Theirs, Base: m.Contents.Base}[s]
		if doc == nil {
			return nil, true
		}
		n := doc.Root().Get(key)
		if n == nil {
			return nil, true
		}
		return m.Reveal(key.MapKeys(), n)
	}, nil
}
