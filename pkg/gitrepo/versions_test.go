package gitrepo

import (
	"fmt"
	"slices"
	"testing"
)

// TestVersions finds every content once: of the first commit, of a side branch that was mended before it was merged, of a merge
// that is like none of its parents, and of a branch that nobody merged.
func TestVersions(t *testing.T) {
	f := newSandbox(t, map[string]string{"config/a.yaml": "one\n", "other.yaml": "x\n"})
	f.git("switch", "-qc", "side")
	f.write("config/a.yaml", "leak\n")
	f.git("commit", "-qam", "leak")
	f.write("config/a.yaml", "one\n")
	f.git("commit", "-qam", "mended")
	f.git("switch", "-q", "main")
	f.write("config/b c.yaml", "two\n")
	f.git("add", ".")
	f.git("commit", "-qm", "second")
	f.git("merge", "-q", "--no-commit", "--no-ff", "side")
	f.write("config/b c.yaml", "evil\n")
	f.git("commit", "-qam", "merge")
	f.git("switch", "-qc", "unmerged")
	f.write("config/d.yaml", "hidden\n")
	f.git("add", ".")
	f.git("commit", "-qm", "unmerged")
	f.git("switch", "-q", "main")
	r := f.repo
	read := func(rev Revision) []string {
		var out []string
		for v, err := range r.Versions(t.Context(), rev, "config") {
			if err != nil {
				t.Fatal(err)
			}
			content, err := r.ReadVersion(t.Context(), v)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, fmt.Sprintf("%s: %s", v.Path, content))
		}
		slices.Sort(out)
		return out
	}
	merged := []string{"config/a.yaml: leak\n", "config/a.yaml: one\n", "config/b c.yaml: evil\n", "config/b c.yaml: two\n"}
	if got, want := read(Revision{}), append(slices.Clone(merged), "config/d.yaml: hidden\n"); !slices.Equal(got, want) {
		t.Errorf("of all refs: %q, want %q", got, want)
	}
	head := f.head()
	if got := read(head); !slices.Equal(got, merged) {
		t.Errorf("of main: %q, want %q", got, merged)
	}
	for range r.Versions(t.Context(), head, "config") {
		break // whoever has seen enough stops
	}
}
