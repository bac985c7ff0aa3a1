package merge_test

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/llm-devops/lcm/pkg/merge"
	"github.com/llm-devops/lcm/pkg/seal"
)

// Git takes another owner's file for this one renamed: nothing of theirs comes in, even where somebody can open both.
func TestOtherOwnersFile(t *testing.T) {
	boss, acme, globex := newPerson(t), newPerson(t), newPerson(t)
	w := &world{t: t, r: rand.New(rand.NewPCG(1, 9))}
	base, values := w.change([]byte(empty), nil, 20, acme.keyring, acme.recipient, boss.recipient)
	theirs, _ := w.change(base, values, 12, boss.keyring)
	doc, err := seal.Rekey(t.Context(), w.parse(base), seal.AccessOf(globex.recipient, boss.recipient), boss.keyring, true, now)
	if err != nil {
		t.Fatal(err)
	}
	v := merge.Versions{Base: base, Ours: doc.Source(), Theirs: theirs}
	shared := func() []string { return []string{boss.recipient} }
	r, err := merge.Merge(t.Context(), "notes.yaml", v, merge.Options{Keyring: boss.keyring, Shared: shared, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	if r.ByLine == nil || !strings.Contains(r.ByLine.Error(), "nobody in common") || len(r.Conflicts) == 0 {
		t.Fatalf("%v, %d conflicts\n%s", r.ByLine, len(r.Conflicts), r.Text)
	}
	for _, side := range []merge.Side{merge.Ours, merge.Theirs} {
		text, err := merge.Choose("notes.yaml", r.Text, nil, side, merge.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if want := map[merge.Side][]byte{merge.Ours: v.Ours, merge.Theirs: v.Theirs}[side]; !bytes.Equal(text, want) {
			t.Fatalf("%s is not the whole side:\n%s", side, text)
		}
	}
	// Where the boss is of this tenant alone, the two are versions of one file.
	if r, err = merge.Merge(t.Context(), "notes.yaml", v, merge.Options{Keyring: boss.keyring, Now: now}); err != nil || r.ByLine != nil {
		t.Fatalf("%v %v", err, r.ByLine)
	}
}

// A value that was moved without the key on one side is not made good by merging.
func TestMovedWithoutKey(t *testing.T) {
	ada := newPerson(t)
	w := &world{t: t, r: rand.New(rand.NewPCG(1, 9))}
	base, _ := w.change([]byte(empty), nil, 20, ada.keyring, ada.recipient)
	ours, _ := w.change(base, nil, 3, ada.keyring)
	// One secret fewer, and nobody sealed it.
	var moved []string
	for line := range strings.Lines(string(base)) {
		if !strings.Contains(line, "secret_two: ENC") {
			moved = append(moved, line)
		}
	}
	v := merge.Versions{Base: base, Ours: ours, Theirs: []byte(strings.Join(moved, ""))}
	if bytes.Equal(v.Theirs, base) {
		t.Fatal("the file has no such secret")
	}
	r, err := merge.Merge(t.Context(), "notes.yaml", v, merge.Options{Keyring: ada.keyring, Now: now})
	if err != nil || r.ByLine == nil || len(r.Conflicts) == 0 {
		t.Fatalf("%v %v\n%s", err, r.ByLine, r.Text)
	}
	if !strings.Contains(r.ByLine.Error(), "do not match the mac") {
		t.Fatalf("it is refused for another reason: %v", r.ByLine)
	}
}
