package gitrepo

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBrought(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, map[string]string{"a": "1", "d/b": "1"})
	s.write("a", "2")
	s.git("rm", "-q", "d/b")
	s.git("add", "-A")
	s.git("commit", "-qm", "second")
	s.git("checkout", "-q", "-b", "side", "HEAD~1")
	s.write("ünï code", "side")
	s.write("0123456789012345678901234567890123456789", "named like a commit")
	s.git("add", "-A")
	s.git("commit", "-qm", "side")
	s.git("checkout", "-q", "main")
	s.git("merge", "-q", "--no-commit", "side")
	s.write("evil", "only in the merge")
	s.git("add", "-A")
	s.git("commit", "-qm", "merge")
	s.git("commit", "-q", "--allow-empty", "-m", "nothing")

	got := func(revs string) map[string][]string {
		t.Helper()
		all := map[string][]string{}
		for b, err := range s.repo.Brought(t.Context(), revs) {
			if err != nil {
				t.Fatal(err)
			}
			subject := strings.TrimSpace(s.git("log", "-1", "--format=%s", b.Revision.Hash))
			for _, f := range b.Files {
				content, err := s.repo.Content(t.Context(), f.Digest)
				if err != nil {
					t.Fatal(err)
				}
				all[subject] = append(all[subject], fmt.Sprintf("%s=%s", f.Path, content))
			}
		}
		return all
	}
	side := []string{"0123456789012345678901234567890123456789=named like a commit", "ünï code=side"}
	want := map[string][]string{
		"start": {"a=1", "d/b=1"}, "second": {"a=2"}, "side": side,
		// against main, and against side
		"merge": {side[0], "evil=only in the merge", side[1], "a=2", "evil=only in the merge"},
	}
	if d := cmp.Diff(want, got("")); d != "" {
		t.Errorf("all (-want +got):\n%s", d)
	}
	delete(want, "start")
	delete(want, "merge")
	delete(want, "second")
	if d := cmp.Diff(want, got("main~2..side")); d != "" {
		t.Errorf("a range (-want +got):\n%s", d)
	}
	for _, revs := range []string{"nonsense", "--all", "main..nonsense"} {
		for _, err := range s.repo.Brought(t.Context(), revs) {
			var unknown *UnknownRevisionError
			if !errors.As(err, &unknown) {
				t.Errorf("%s: %v", revs, err)
			}
		}
	}
	for range newSandbox(t, nil).repo.Brought(t.Context(), "") {
		t.Error("an empty repository has history")
	}
	for range s.repo.Brought(t.Context(), "") {
		break // what is not read any more stops git
	}
}
