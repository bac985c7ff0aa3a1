package publishtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/llm-devops/lcm/pkg/bundle"
	"github.com/llm-devops/lcm/pkg/publish"
	"github.com/llm-devops/lcm/pkg/secret"
)

// promptSize is one megabyte.
const promptSize = 1_000_000

// Exact are texts that must pass through everything without a byte changed.
func Exact() map[string]string {
	const line = "You are a careful assistant of the support team: answer in one paragraph, quote the ticket, and never guess.   \n"
	const end = "\tBye.\r\n   \n\n  "
	prompt := strings.Repeat(line, promptSize/len(line)+1)[:promptSize-len(end)] + end
	return map[string]string{
		"trailing_zero": "0.70", "exponent": "1e-06", "small": "1.5e-07", "large": "12345678901234567890",
		"word": "no", "date": "2025-11-21", "octal": "0o17", "empty": "",
		"prompt":  prompt,
		"unicode": "naïve ☃ 𝄞 \u2028 <&> \\ \" \x00 \x7f",
	}
}

func secretsOf(texts map[string]string) bundle.Secrets {
	s := make(bundle.Secrets, len(texts))
	for key, text := range texts {
		s[key] = secret.New(text)
	}
	return s
}

// TestSecretStore checks a secret store against the contract. open is as of [TestStore].
func TestSecretStore(t *testing.T, open func(t *testing.T) func() publish.SecretStore) {
	t.Helper()
	for _, c := range []struct {
		name string
		run  func(t *testing.T, open func() publish.SecretStore)
	}{
		{"absent", secretsAbsent},
		{"versions", secretsVersions},
		{"exact", secretsExact},
		{"cas", secretsCAS},
		{"race", secretsRace},
		{"cancelled", secretsCancelled},
		{"paths", secretsPaths},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
}

func secretsAbsent(t *testing.T, open func() publish.SecretStore) {
	s := open()
	if s.Mount() == "" || s.String() == "" {
		t.Error("mount or name is empty")
	}
	for _, version := range []int{0, 1, 7} {
		if _, err := s.Read(t.Context(), "p/acme/production/none", version); !errors.Is(err, publish.ErrNotExist) {
			t.Errorf("read of absent version %d: %v, want ErrNotExist", version, err)
		}
	}
	if v, err := s.Current(t.Context(), "p/acme/production/none"); v != 0 || err != nil {
		t.Errorf("current of an absent path: %d, %v, want 0", v, err)
	}
}

func secretsVersions(t *testing.T, open func() publish.SecretStore) {
	s, path := open(), "p/acme/production/versions"
	for v := range 3 {
		got, err := s.Write(t.Context(), path, secretsOf(map[string]string{"key": fmt.Sprint(v)}), v)
		must(t, err)
		if got != v+1 {
			t.Fatalf("write gave version %d, want %d", got, v+1)
		}
	}
	s = open()
	for version, want := range map[int]string{0: "2", 1: "0", 2: "1", 3: "2"} {
		got, err := s.Read(t.Context(), path, version)
		must(t, err)
		if !got.Equal(secretsOf(map[string]string{"key": want})) {
			t.Errorf("version %d is not what was written", version)
		}
	}
	if v, err := s.Current(t.Context(), path); v != 3 || err != nil {
		t.Errorf("current: %d, %v, want 3", v, err)
	}
	if _, err := s.Read(t.Context(), path, 4); !errors.Is(err, publish.ErrNotExist) {
		t.Errorf("read of a version to come: %v, want ErrNotExist", err)
	}
}

func secretsExact(t *testing.T, open func() publish.SecretStore) {
	s, path := open(), "p/acme/production/exact"
	want := Exact()
	want[`models."gpt-4.1".keys[0]`] = "dotted"
	_, err := s.Write(t.Context(), path, secretsOf(want), 0)
	must(t, err)
	got, err := open().Read(t.Context(), path, 1)
	must(t, err)
	for key, text := range want {
		if value, ok := got[key]; !ok || value.Reveal() != text {
			t.Errorf("%s: %d bytes differ from the %d written", key, len(value.Reveal()), len(text))
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d fields, want %d", len(got), len(want))
	}
}

func secretsCAS(t *testing.T, open func() publish.SecretStore) {
	s, path, one := open(), "p/acme/production/cas", secretsOf(map[string]string{"key": "one"})
	if _, err := s.Write(t.Context(), path, one, 3); !errors.Is(err, publish.ErrConflict) {
		t.Errorf("write of version 4 as the first: %v, want ErrConflict", err)
	}
	_, err := s.Write(t.Context(), path, one, 0)
	must(t, err)
	for _, cas := range []int{0, 2} {
		_, err := s.Write(t.Context(), path, secretsOf(map[string]string{"key": "s3cr3t-value"}), cas)
		if !errors.Is(err, publish.ErrConflict) {
			t.Errorf("write with cas %d over version 1: %v, want ErrConflict", cas, err)
		}
		if err != nil && strings.Contains(err.Error(), "s3cr3t-value") {
			t.Error("the error holds a value")
		}
	}
	got, err := s.Read(t.Context(), path, 0)
	must(t, err)
	if !got.Equal(one) {
		t.Error("a refused write changed the value")
	}
}

func secretsRace(t *testing.T, open func() publish.SecretStore) {
	path := "p/acme/production/race"
	for version := range 3 {
		winner := race(t, func(i int) error {
			_, err := open().Write(t.Context(), path, secretsOf(map[string]string{"by": fmt.Sprint(i)}), version)
			return err
		})
		got, err := open().Read(t.Context(), path, version+1)
		must(t, err)
		if !got.Equal(secretsOf(map[string]string{"by": fmt.Sprint(winner)})) {
			t.Error("the version is not the winner's")
		}
	}
}

func secretsCancelled(t *testing.T, open func() publish.SecretStore) {
	s, path := open(), "p/acme/production/cancelled"
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Write(ctx, path, secretsOf(map[string]string{"key": "x"}), 0); err == nil || errors.Is(err, publish.ErrConflict) {
		t.Errorf("write with a cancelled context: %v", err)
	}
	if v, err := s.Current(t.Context(), path); v != 0 || err != nil {
		t.Errorf("after a cancelled write: version %d, %v, want 0", v, err)
	}
}

func secretsPaths(t *testing.T, open func() publish.SecretStore) {
	s := open()
	for _, path := range []string{"", "../sys", "a/../../b", "/a", "a//b", "a?version=1", "a b"} {
		if _, err := s.Write(t.Context(), path, bundle.Secrets{}, 0); err == nil {
			t.Errorf("write to path %q succeeded", path)
		}
		if _, err := s.Read(t.Context(), path, 0); err == nil || errors.Is(err, publish.ErrNotExist) {
			t.Errorf("read of path %q: %v, want another error", path, err)
		}
	}
}
