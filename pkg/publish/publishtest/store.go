// Package publishtest is the contract of stores as tests: [TestStore] for [publish.Store] and [TestSecretStore] for
// [publish.SecretStore]. Every adapter passes it, the in-memory one included, and so must one written elsewhere.
//
// [Faulty] breaks a store at a chosen request, for tests of what stands on stores.
package publishtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/llm-devops/lcm/pkg/publish"
)

const racers = 16

// TestStore checks a store against the contract. open gives a store on the same, initially empty, place each time it is
// called within one test, as another process would open it.
func TestStore(t *testing.T, open func(t *testing.T) func() publish.Store) {
	t.Helper()
	for _, c := range []struct {
		name string
		run  func(t *testing.T, open func() publish.Store)
	}{
		{"absent", storeAbsent},
		{"put once", storePutOnce},
		{"replace", storeReplace},
		{"contents", storeContents},
		{"keys", storeKeys},
		{"list", storeList},
		{"cancelled", storeCancelled},
		{"racing puts", storeRacingPuts},
		{"racing replacements", storeRacingReplacements},
		{"name", storeName},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
}

func storeAbsent(t *testing.T, open func() publish.Store) {
	s := open()
	if _, _, err := s.Get(t.Context(), "p/absent.json"); !errors.Is(err, publish.ErrNotExist) {
		t.Errorf("get of an absent object: %v, want ErrNotExist", err)
	}
	if _, err := s.Replace(t.Context(), "p/absent.json", []byte("x"), "some-tag"); !errors.Is(err, publish.ErrConflict) {
		t.Errorf("replace of an absent object: %v, want ErrConflict", err)
	}
	if _, _, err := s.Get(t.Context(), "p/absent.json"); !errors.Is(err, publish.ErrNotExist) {
		t.Errorf("after a refused replace: %v, want ErrNotExist", err)
	}
}

func storePutOnce(t *testing.T, open func() publish.Store) {
	s := open()
	must(t, s.PutIfAbsent(t.Context(), "p/a/one.json", []byte("one")))
	for _, data := range []string{"two", "one"} {
		if err := s.PutIfAbsent(t.Context(), "p/a/one.json", []byte(data)); !errors.Is(err, publish.ErrConflict) {
			t.Errorf("second put of %q: %v, want ErrConflict", data, err)
		}
	}
	wantObject(t, open(), "p/a/one.json", "one")
}

func storeReplace(t *testing.T, open func() publish.Store) {
	s, key := open(), "p/current.json"
	first, err := s.Replace(t.Context(), key, []byte("1"), "")
	must(t, err)
	if got := wantObject(t, open(), key, "1"); got != first || first == "" {
		t.Errorf("tag of get %q differs from that of replace %q", got, first)
	}
	if _, err := s.Replace(t.Context(), key, []byte("x"), ""); !errors.Is(err, publish.ErrConflict) {
		t.Errorf("create over an object: %v, want ErrConflict", err)
	}
	second, err := s.Replace(t.Context(), key, []byte("2"), first)
	must(t, err)
	if second == first {
		t.Error("the tag did not change with the content")
	}
	if _, err := s.Replace(t.Context(), key, []byte("x"), first); !errors.Is(err, publish.ErrConflict) {
		t.Errorf("replace with an old tag: %v, want ErrConflict", err)
	}
	wantObject(t, s, key, "2")
}

func storeContents(t *testing.T, open func() publish.Store) {
	s := open()
	for i, data := range []string{"", "\x00\xff\r\n", strings.Repeat("long line with blanks at its end   \n", 100_000), `{"n":0.70}`} {
		key := fmt.Sprintf("p/contents/%d.json", i)
		must(t, s.PutIfAbsent(t.Context(), key, []byte(data)))
		wantObject(t, open(), key, data)
	}
	data := []byte("mine")
	must(t, s.PutIfAbsent(t.Context(), "p/contents/own.json", data))
	data[0] = 'X'
	wantObject(t, s, "p/contents/own.json", "mine")
}

func storeKeys(t *testing.T, open func() publish.Store) {
	s := open()
	for _, key := range []string{
		"", "/", "/etc/passwd", "../up", "a/../../up", "a//b", "a/", ".hidden", "a/.hidden", "a/./b", `a\..\b`, "a\x00b", "a b",
		"-rf", "%2e%2e/up", "ü", strings.Repeat("k", publish.MaxKey+1),
	} {
		if err := s.PutIfAbsent(t.Context(), key, []byte("x")); err == nil || errors.Is(err, publish.ErrConflict) {
			t.Errorf("put of key %q: %v, want another error", key, err)
		}
		if _, _, err := s.Get(t.Context(), key); err == nil || errors.Is(err, publish.ErrNotExist) {
			t.Errorf("get of key %q: %v, want another error", key, err)
		}
	}
}

func storeList(t *testing.T, open func() publish.Store) {
	s := open()
	l, ok := s.(publish.Lister)
	if !ok {
		t.Skip("the store does not list")
	}
	got, err := l.List(t.Context(), "p/none/")
	must(t, err)
	if len(got) != 0 {
		t.Errorf("list of nothing: %v", got)
	}
	want := []string{"p/m/00000001.json", "p/m/00000002.json", "p/m/sub/x.json"}
	for _, key := range append([]string{"p/mm/other.json", "p/current.json"}, want...) {
		must(t, s.PutIfAbsent(t.Context(), key, []byte("x")))
	}
	got, err = l.List(t.Context(), "p/m/")
	must(t, err)
	if !slices.Equal(got, want) {
		t.Errorf("list: %v, want %v", got, want)
	}
}

func storeCancelled(t *testing.T, open func() publish.Store) {
	s := open()
	must(t, s.PutIfAbsent(t.Context(), "p/here.json", []byte("x")))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := s.Get(ctx, "p/here.json"); err == nil {
		t.Error("get with a cancelled context succeeded")
	}
	if err := s.PutIfAbsent(ctx, "p/new.json", []byte("x")); err == nil || errors.Is(err, publish.ErrConflict) {
		t.Errorf("put with a cancelled context: %v", err)
	}
	if _, _, err := s.Get(t.Context(), "p/new.json"); !errors.Is(err, publish.ErrNotExist) {
		t.Errorf("after a cancelled put: %v, want ErrNotExist", err)
	}
}

func storeRacingPuts(t *testing.T, open func() publish.Store) {
	for round := range 5 {
		key := fmt.Sprintf("p/race/%d.json", round)
		winner := race(t, func(i int) error {
			return open().PutIfAbsent(t.Context(), key, bytes.Repeat([]byte{'a' + byte(i)}, 10_000))
		})
		wantObject(t, open(), key, strings.Repeat(string(rune('a'+winner)), 10_000))
	}
}

func storeRacingReplacements(t *testing.T, open func() publish.Store) {
	key, tag := "p/race/current.json", ""
	for range 5 {
		winner := race(t, func(i int) error {
			_, err := open().Replace(t.Context(), key, fmt.Appendf(nil, "%s %d", tag, i), tag)
			return err
		})
		tag = wantObject(t, open(), key, fmt.Sprintf("%s %d", tag, winner))
	}
}

func storeName(t *testing.T, open func() publish.Store) {
	if name := open().String(); name == "" || strings.Contains(name, "@") {
		t.Errorf("String gives %q", name)
	}
}

// race runs n writers at once and gives the one winner; the others must have got ErrConflict.
func race(t *testing.T, write func(i int) error) (winner int) {
	t.Helper()
	errs := make([]error, racers)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range racers {
		wg.Go(func() {
			<-start
			for {
				// A store may say that it does not know; callers ask again.
				if errs[i] = write(i); !errors.Is(errs[i], publish.ErrUnavailable) || t.Context().Err() != nil {
					return
				}
			}
		})
	}
	close(start)
	wg.Wait()
	winner = -1
	for i, err := range errs {
		switch {
		case err == nil && winner >= 0:
			t.Errorf("writers %d and %d both won", winner, i)
		case err == nil:
			winner = i
		case !errors.Is(err, publish.ErrConflict):
			t.Errorf("writer %d: %v, want ErrConflict", i, err)
		}
	}
	if winner < 0 {
		t.Fatal("no writer won")
	}
	return winner
}

func wantObject(t *testing.T, s publish.Store, key, want string) (tag string) {
	t.Helper()
	got, tag, err := s.Get(t.Context(), key)
	if err != nil {
		t.Fatalf("get %s: %v", key, err)
	}
	if string(got) != want {
		t.Errorf("%s holds %d bytes %.40q, want %d bytes %.40q", key, len(got), got, len(want), want)
	}
	return tag
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
