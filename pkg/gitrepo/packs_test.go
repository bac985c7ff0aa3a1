package gitrepo

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
)

// TestEveryObjectIsReadAsGitReadsIt compares all objects of repositories with what git says of them: loose, in deltas of
// deltas, in several packs, with 64-bit offsets in an index, and as what lies behind an offset.
func TestEveryObjectIsReadAsGitReadsIt(t *testing.T) {
	s := newSandbox(t, nil)
	for round := range 8 {
		for i := range 40 {
			lines := make([]string, 60)
			for l := range lines {
				lines[l] = fmt.Sprintf("key_%d: value %d of file %d", l, l*i%(round+l+1), i)
			}
			lines[(round*7+i)%60] = fmt.Sprintf("changed: %d", round)
			s.write(fmt.Sprintf("config/t%d/base/f%d.yaml", i%5, i), strings.Join(lines, "\n")+"\n")
		}
		s.git("add", "-A")
		s.git("commit", "-q", "-m", fmt.Sprint("round ", round))
		switch round {
		case 2:
			s.git("repack", "-q", "-a", "-d")
		case 4:
			s.git("repack", "-q", "-d") // a second pack of what is new
		}
	}
	s.git("tag", "-a", "-m", "annotated", "v1")
	s.compareObjects("loose objects and two packs")

	s.git("gc", "--aggressive", "--quiet", "--prune=now")
	s.compareObjects("one pack of deltas")

	packs, err := filepath.Glob(s.path(".git/objects/pack/*.pack"))
	if err != nil || len(packs) != 1 {
		t.Fatalf("packs: %v, %v", packs, err)
	}
	s.git("index-pack", "--index-version=2,0x40", packs[0]) // offsets from 0x40 on are written with 64 bits
	s.compareObjects("64-bit offsets")

	s.git("index-pack", "--index-version=1", packs[0])
	_, _, err = newObjectStore(s.repo).readStored(plumbing.NewHash(s.git("rev-parse", "HEAD")))
	if err == nil || !strings.Contains(err.Error(), "version 2") {
		t.Errorf("an index of version 1: %v", err)
	}
}

func (s *sandbox) compareObjects(what string) {
	s.t.Helper()
	store := newObjectStore(s.repo)
	n := 0
	for line := range strings.Lines(s.git("cat-file", "--batch-all-objects", "--batch-check=%(objectname) %(objecttype)")) {
		name, kind, _ := strings.Cut(strings.TrimSpace(line), " ")
		id := plumbing.NewHash(name)
		got, content, err := store.read(s.t.Context(), id) // checks the content against the id
		if err != nil || got.String() != kind {
			s.t.Fatalf("%s: %s %s: read as %s, %v", what, kind, name, got, err)
		}
		// What packs do not have is not looked for with git once it has been found here.
		if _, again, err := store.readStored(id); err != nil || !bytes.Equal(again, content) {
			s.t.Fatalf("%s: %s: %v", what, name, err)
		}
		n++
	}
	if n < 400 {
		s.t.Fatalf("%s: only %d objects", what, n)
	}
	if _, _, err := store.readStored(plumbing.NewHash(strings.Repeat("ab", 20))); err != plumbing.ErrObjectNotFound { //nolint:errorlint // exactly this
		s.t.Errorf("%s: an object that is not there: %v", what, err)
	}
}

// FuzzPackIndex feeds damaged indexes: an error, never a panic or a runaway allocation.
func FuzzPackIndex(f *testing.F) {
	s := newSandbox(f, map[string]string{"a": "1\n", "b": "2\n", "c/d": "3\n"})
	s.git("repack", "-q", "-a", "-d")
	names, err := filepath.Glob(s.path(".git/objects/pack/*.idx"))
	if err != nil || len(names) != 1 {
		f.Fatalf("%v, %v", names, err)
	}
	good, err := os.ReadFile(names[0])
	if err != nil {
		f.Fatal(err)
	}
	head := plumbing.NewHash(s.git("rev-parse", "HEAD"))
	f.Add(good, head[:], int64(12))
	f.Add(good[:len(good)-30], head[:], int64(12))
	f.Add([]byte("\xfftOc\x00\x00\x00\x02"), head[:], int64(1)<<40)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data, id []byte, offset int64) {
		path := filepath.Join(dir, "pack.idx")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		x, err := openPackIndex(path)
		if err != nil {
			return
		}
		defer x.file.Close()
		var h plumbing.Hash
		copy(h[:], id)
		if at, err := x.FindOffset(h); err == nil {
			if found, err := x.FindHash(at); err == nil && found != h && bytes.Equal(data, good) {
				t.Errorf("%s is at %d, where %s is", h, at, found)
			}
		}
		for range manyBases + 2 {
			_, _ = x.FindHash(offset)
		}
	})
}
