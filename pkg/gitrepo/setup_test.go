package gitrepo

import (
	"strings"
	"testing"
)

// TestSignerLine has Verify accept a commit on the strength of the line alone.
func TestSignerLine(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, map[string]string{"a.yaml": "1"})
	setup, err := s.repo.Signing(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	line, err := s.repo.SignerLine(t.Context(), setup)
	if err != nil {
		t.Fatal(err)
	}
	rev := s.commit(map[string]string{"a.yaml": "2"})
	if sig, err := s.repo.Verify(t.Context(), rev, []byte(line)); err != nil || sig.Status != Good || sig.Signer != "alice@example.com" {
		t.Errorf("%q: %+v, %v", line, sig, err)
	}
}

func TestIsAncestor(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, map[string]string{"a.yaml": "1"})
	first := s.head().Hash
	second := s.commit(map[string]string{"a.yaml": "2"}).Hash
	for _, test := range []struct {
		older, newer string
		want         bool
	}{{first, second, true}, {second, first, false}, {first, first, true}, {strings.Repeat("1", 40), second, false}} {
		if got, err := s.repo.IsAncestor(t.Context(), test.older, test.newer); err != nil || got != test.want {
			t.Errorf("%s, %s: %v, %v", test.older, test.newer, got, err)
		}
	}
}
